"""Serializers for binary clients: documents as for JSON clients, but with arrays and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, cast

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
from pydantic_core import CoreSchema, PydanticSerializationError, SchemaError, SchemaSerializer

from binary_middleware._pydantic.carriers import Carrier, carry
from binary_middleware._pydantic.inferred import arguments_of
from binary_middleware._pydantic.schema_rewriter import SchemaRewriter
from binary_middleware.fields import JSON_KEYS, from_map

_CLASS_ATTRIBUTE: Final = "__binary_document_serializer__"
"""The attribute of a class with the serializers of :meth:`DocumentSerializer.of_class`, which live
as long as the class."""
_SETTINGS: Final = frozenset(
    {
        *("polymorphic_serialization", "ser_json_bytes", "ser_json_inf_nan", "ser_json_temporal"),
        *("ser_json_timedelta", "serialize_by_alias"),
    }
)
"""Settings of a ``ConfigDict`` that pydantic-core has under the same name."""


class DocumentSerializer:
    """Serializes the values of one type as documents for binary clients.

    Only pydantic's JSON mode applies serializers that are for JSON alone, settings such as
    ``ser_json_timedelta``, and keys as text. A binary client gets the same document, but for
    arrays, bytes and complex numbers. So documents are dumped in JSON mode by a serializer built
    from a rewritten core schema, in which these values travel in a :class:`Carrier`: a ``str``,
    which JSON mode does not change and which the format unwraps.

    The user's serializers never see carriers. A ``wrap`` serializer gets the JSON form, and where
    it returns that form unchanged, it becomes the value again.

    Args:
        original: Pydantic's own serializer of the type.
        schema: The core schema that it was built from, ``None`` if there is none.
        config: The configuration that it was built with.
    """

    is_built: bool
    """Whether a serializer for binary clients could be built. Otherwise, bytes are text as in
    JSON, and arrays are restored from their JSON form."""

    def __init__(
        self,
        original: SchemaSerializer,
        schema: CoreSchema | None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self._original = original
        self._schema = schema
        self._settings = {key: value for key, value in (config or {}).items() if key in _SETTINGS}
        built = self._build(keeps_times=False)
        self.is_built = built is not None
        self._serializer = built or original

    def _build(self, *, keeps_times: bool) -> SchemaSerializer | None:
        """Build a serializer; return ``None`` for a schema that this package does not support."""
        if self._schema is None:
            return None

        def dump_instance(value: Any, info: Any) -> Any:
            serializer = DocumentSerializer.of_class(type(value))
            return serializer.dump(value, keeps_times=keeps_times, **arguments_of(info))

        try:
            rewriter = SchemaRewriter(self._settings, keeps_times, dump_instance)
            rewritten = rewriter.rewrite(self._schema)
            if not rewriter.has_carriers:
                return self._original
            return SchemaSerializer(rewritten, rewriter.config, _use_prebuilt=False)
        except (SchemaError, KeyError, TypeError):  # pragma: no cover
            return None  # a schema of another version of pydantic

    @cached_property
    def _serializer_with_times(self) -> SchemaSerializer:
        return self._build(keeps_times=True) or self._original

    @classmethod
    def of_adapter(cls, adapter: TypeAdapter[Any]) -> DocumentSerializer:
        """Return a serializer for the type of an adapter."""
        # The schema of a model with deferred building is another mapping, which builds the model.
        schema = cast(CoreSchema, dict(adapter.core_schema))
        original = adapter.serializer
        kind: Any = getattr(adapter, "_type", None)
        if getattr(kind, "__pydantic_serializer__", None) is original:
            config = getattr(kind, "model_config", None) or getattr(
                kind, "__pydantic_config__", None
            )
        else:
            config = getattr(adapter, "_config", None)
        return cls(original, schema, config)

    @classmethod
    def of_class(cls, kind: Any) -> DocumentSerializer:
        """Return the serializer of a model, a pydantic dataclass, or a class with its own one."""
        original = kind.__pydantic_serializer__
        kept = vars(kind).get(_CLASS_ATTRIBUTE)
        if kept is not None and kept[0] is original:
            made: DocumentSerializer = kept[1]
            return made
        try:
            made = cls.of_adapter(TypeAdapter(kind))
        except (PydanticSchemaGenerationError, PydanticUserError):
            made = cls(original, None)
        # Kept with pydantic's serializer, which is another one after the class is rebuilt.
        setattr(kind, _CLASS_ATTRIBUTE, (kind.__pydantic_serializer__, made))
        return made

    def dump(
        self,
        value: Any,
        *,
        keeps_times: bool = False,
        by_alias: bool | None = None,
        **arguments: Any,
    ) -> Any:
        """Return the document of a value, which may hold carriers.

        Args:
            value: The value.
            keeps_times: Whether to carry dates, times, durations, decimals and UUIDs as well, for
                formats that have their own representation of them.
            by_alias: As for ``SchemaSerializer.to_python``.
            arguments: Its other arguments, ``mode`` and ``fallback`` aside.

        Raises:
            PydanticSerializationError: The value cannot be serialized.
            RecursionError: The value nests too deeply, or contains itself.
        """
        serializer = self._serializer_with_times if keeps_times else self._serializer
        try:
            if arguments:
                document = serializer.to_python(
                    value, mode="json", fallback=carry, by_alias=by_alias, **arguments
                )
            else:  # twice as fast for small documents
                document = serializer.to_python(
                    value, mode="json", fallback=carry, by_alias=by_alias
                )
        except PydanticSerializationError as exc:
            if str(exc).endswith("RecursionError"):  # all that pydantic keeps of one
                raise RecursionError("the value nests too deeply or contains itself") from exc
            raise
        if not self.is_built:
            return _restore_arrays(document)
        return document.value if type(document) is Carrier else document


def _restore_arrays(value: Any) -> Any:
    """Return a JSON document with arrays instead of their JSON maps."""
    if type(value) is dict:
        if value.keys() == JSON_KEYS:
            with suppress(ValueError):  # a map like any other
                return from_map(value)
        return {key: _restore_arrays(item) for key, item in value.items()}
    return [_restore_arrays(item) for item in value] if type(value) is list else value

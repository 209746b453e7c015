"""Serializers for binary clients: the document that JSON clients get, arrays and bytes aside.

Only pydantic's JSON mode knows that document: serializers that are for JSON alone, settings such
as ``ser_json_timedelta``, keys as text. So documents are dumped in JSON mode, by a serializer built
from a copy of the type's core schema in which arrays, bytes and complex numbers hand over the
values themselves. In JSON mode nothing but text passes through pydantic as it is, so each of these
values travels in a :class:`Carrier`, a ``str`` that the packer unwraps.

A serializer of the user's never meets a carrier: a ``wrap`` serializer sees what it sees for JSON
clients, and what it passes on untouched becomes the value again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property, wraps
from inspect import signature
from types import GeneratorType
from typing import Any, ClassVar, Final, cast
from uuid import UUID

import numpy as np
from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
from pydantic_core import (
    CoreSchema,
    PydanticSerializationError,
    SchemaError,
    SchemaSerializer,
    core_schema,
)

from binary_middleware._pydantic.core_schemas import rewrite_schema
from binary_middleware.fields import as_ndarray, dtype_spec, from_map, is_array_like, to_map

Node = dict[str, Any]

_PASS: Final[Node] = {
    "type": "any",
    "serialization": {"type": "to-string", "when_used": "always"},
}
"""Gives ``str(value)``, which for a carrier is the carrier itself."""


class Carrier(str):
    """A value on its way through pydantic's JSON mode.

    Attributes:
        value: the value, or a document that may hold further carriers.
        to_text: what writes it as the text that it is in JSON, ``None`` for what pydantic infers.
    """

    __slots__ = ("to_text", "value")

    __pydantic_serializer__: ClassVar[SchemaSerializer] = SchemaSerializer(cast(Any, _PASS))
    """What pydantic asks a carrier for that a function returned."""

    value: Any
    to_text: Callable[[Any], Any] | None

    def __str__(self) -> str:
        return self


class TimeCarrier(Carrier):
    """Carries a date, time, duration, decimal or UUID, which is ``to_text(value)`` in JSON."""

    __slots__ = ()
    to_text: Callable[[Any], Any]


def _carry(
    value: Any, to_text: Callable[[Any], Any] | None = None, kind: type[Carrier] = Carrier
) -> Carrier:
    carrier = str.__new__(kind)
    carrier.value = value
    carrier.to_text = to_text
    return carrier


class _Unknown:
    """Hands over a value of a type that pydantic does not know, for the packer to judge."""

    __pydantic_serializer__: ClassVar[SchemaSerializer] = SchemaSerializer(
        core_schema.any_schema(
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda unknown: _carry(unknown.value)
            )
        )
    )

    def __init__(self, value: Any) -> None:
        self.value = value


class DocumentSerializer:
    """Dumps the values of one type as documents for binary clients.

    A document may hold carriers, which ``codec.pack_buffers`` unwraps.

    Args:
        original: pydantic's own serializer of the type.
        schema: the core schema that it is built from, ``None`` if there is none.
        config: the configuration that it is built with.

    Attributes:
        original: the same.
        is_built: whether arrays and bytes are themselves in the documents. If no serializer could
            be built, bytes are text as in JSON, and arrays are restored from their JSON form.
    """

    def __init__(
        self,
        original: SchemaSerializer,
        schema: CoreSchema | None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.original = original
        self._schema = schema
        self._settings = {key: value for key, value in (config or {}).items() if key in _SETTINGS}
        self._serializer, self.is_built = self._build(keeps_times=False)

    def _build(self, *, keeps_times: bool) -> tuple[SchemaSerializer, bool]:
        built = None
        if self._schema is not None:
            built = _build(self.original, self._schema, self._settings, keeps_times)
        return built or self.original, built is not None

    @cached_property
    def _with_times(self) -> SchemaSerializer:
        return self._build(keeps_times=True)[0]

    @classmethod
    def of_adapter(cls, adapter: TypeAdapter[Any]) -> DocumentSerializer:
        """The serializer for the type of an adapter."""
        # The schema of a model whose building was deferred is another mapping, which builds it.
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
        """The serializer for a model, a pydantic dataclass, or a class that brings its own."""
        original = kind.__pydantic_serializer__
        kept = vars(kind).get(_KEPT_AT)
        if kept is not None and kept[0] is original:
            made: DocumentSerializer = kept[1]
            return made
        try:
            made = cls.of_adapter(TypeAdapter(kind))
        except (PydanticSchemaGenerationError, PydanticUserError):
            made = cls(original, None)
        # A class can be rebuilt, and then has another serializer. Kept at the class, ours lives
        # as long as the class and no longer.
        setattr(kind, _KEPT_AT, (kind.__pydantic_serializer__, made))
        return made

    def dump(self, value: Any, *, keeps_times: bool = False, **how: Any) -> Any:
        """The document of a value.

        Args:
            value: as for ``SchemaSerializer.to_python``.
            keeps_times: whether dates, times, durations, decimals and UUIDs are carried as well,
                for a packer that has a form of its own for them.
            how: its other arguments, without ``mode`` and ``fallback``.

        Raises:
            PydanticSerializationError: it has none.
            RecursionError: it nests too deeply, or holds itself.
        """
        serializer = self._with_times if keeps_times else self._serializer
        try:
            document = serializer.to_python(value, mode="json", fallback=_Unknown, **how)
        except PydanticSerializationError as exc:
            if str(exc).endswith("RecursionError"):  # all that pydantic keeps of one
                raise RecursionError("the object nests too deeply, or holds itself") from exc
            raise
        if not self.is_built:
            return _restored(document)
        return document.value if type(document) is Carrier else document


_KEPT_AT: Final = "__binary_document_serializer__"
_SETTINGS: Final = frozenset(
    {
        *("polymorphic_serialization", "ser_json_bytes", "ser_json_inf_nan", "ser_json_temporal"),
        *("ser_json_timedelta", "serialize_by_alias"),
    }
)
"""Settings of a ``ConfigDict`` that its serializer has under the same name."""


def _restored(value: Any) -> Any:
    """A document in JSON form, with arrays for the maps of arrays."""
    if type(value) is dict:
        if value.keys() == _ARRAY_KEYS:
            with suppress(ValueError):  # a map like any other
                return from_map(value)
        return {key: _restored(item) for key, item in value.items()}
    return [_restored(item) for item in value] if type(value) is list else value


_ARRAY_KEYS: Final = frozenset({"shape", "dtype", "data_b64"})


# -- building --------------------------------------------------------------------------------------


def _build(
    original: SchemaSerializer, schema: CoreSchema, settings: dict[str, Any], keeps_times: bool
) -> SchemaSerializer | None:
    """The serializer of a rewritten schema, or the original one if there is nothing to rewrite.

    Returns:
        ``None`` if it cannot be built.
    """
    try:
        rewriting = _Rewriting(settings, keeps_times)
        rewritten = rewriting.whole(schema)
        if not rewriting.hands_over:
            return original
        return SchemaSerializer(rewritten, rewriting.config, **_OWN)
    except (SchemaError, KeyError, TypeError):  # a schema of a kind that we do not know
        return None


# Without this argument, which it has since 2.13, pydantic takes the serializer of each class.
_OWN: Final[dict[str, Any]] = (
    {"_use_prebuilt": False} if "_use_prebuilt" in signature(SchemaSerializer).parameters else {}
)

_CLASSES: Final = frozenset({"model", "dataclass"})
_ANY: Final = frozenset({"any", "callable", "function-plain", "is-instance", "is-subclass"})
"""Types of nodes whose values are written as they come."""
_NUMBERS_STAY: Final = {"ser_json_inf_nan": "constants"}


_MEMBERS_OF: Final = {
    "dict": "values_schema",
    **dict.fromkeys(("list", "tuple", "set", "frozenset"), "items_schema"),
}
"""Types of nodes whose members are all alike, and where the node of the members is."""
_BRANCHES_OF: Final = {"dict": "values_schema", "list": "items_schema"}


def _for_keys(schema: Any) -> Any:
    """The schema of keys, which are text in both modes: with definitions of their own."""

    def rename(node: Node) -> Node:
        return node | {
            name: f"{node[name]} as key" for name in ("ref", "schema_ref") if name in node
        }

    return rewrite_schema(schema, validation=rename, serialization=rename)


def _hand_over(function: Callable[..., Any], mode: str = "plain") -> Node:
    return {"type": f"function-{mode}", "function": function, "return_schema": _PASS}


class _Rewriting:
    """Rewrites the nodes of one schema, so that arrays and bytes hand over themselves.

    Args:
        settings: the configuration of the serializer.
        keeps_times: as for :meth:`DocumentSerializer.dump`.

    Attributes:
        config: the configuration of the new serializer.
        hands_over: whether any node was rewritten.
    """

    def __init__(self, settings: dict[str, Any], keeps_times: bool) -> None:
        self.held = _BARE | _TIMES if keeps_times else _BARE
        self.keeps_times = keeps_times
        self.has_texts = settings.get("ser_json_inf_nan") == "strings"
        self.config: Any = settings if self.has_texts else {**settings, **_NUMBERS_STAY}
        self.hands_over = False
        self.inferred = _Inferred(self.config, self.has_texts, keeps_times)
        self._simple: dict[int, Node] = {}
        self.held_bytes: Node = {**_hand_over(_hold(bytes), "wrap"), "schema": {"type": "bytes"}}
        self.any: Node = {
            "type": "any",
            "serialization": {**_hand_over(self.inferred), "info_arg": True},
        }

    def whole(self, schema: Any) -> Any:
        """The copy of a whole schema."""
        copy: Any = rewrite_schema(
            schema,
            validation=self._rewrite,
            serialization=self._rewrite,
            leave=lambda entry, _: entry == "keys_schema",
        )
        if "definitions" in copy:
            copy["definitions"] += [_for_keys(node) for node in schema["definitions"]]
        return self._with_float_texts(copy) if self.has_texts else copy

    def _rewrite(self, node: Node) -> Node:
        kind = node["type"]
        serialization = node.get("serialization")
        if type(serialization) is dict:
            return self._with_serialization(node, serialization)
        if callable(node.get("function")):
            return node  # a serialization, which is rewritten together with its node
        if kind in _ANY:
            return self._handing_over(node, self.any["serialization"])
        if kind in self.held:
            held = {**_hand_over(_hold(self.held[kind]), "wrap"), "schema": {"type": kind}}
            if kind == "bytes":
                held = self.held_bytes
            return self._handing_over(node, held)
        if kind in _MEMBERS_OF and self._is_simple(node) and self._hands_over_members(node):
            whole = {**_hand_over(_hold_container, "wrap"), "info_arg": True, "schema": node}
            node = self._handing_over(node, whole)
            self._simple[id(node)] = node
            return node
        if kind == "dict" and "keys_schema" in node:
            node = {**node, "keys_schema": _for_keys(node["keys_schema"])}
        if kind == "typed-dict":
            return self._with_extras(node, node.get("config") or {})
        if kind in _BRANCHES_OF and self._holds_anything(node, _BRANCHES_OF[kind]):
            whole = {
                **_hand_over(self.inferred.branch(kind), "wrap"),
                "info_arg": True,
                "schema": node,
            }
            return self._handing_over(node, whole)
        return self._class(node) if kind in _CLASSES else node

    def _is_simple(self, node: Node) -> bool:
        """Whether the values of a node are bytes, or what JSON has, and containers of these."""
        kind = node["type"]
        if id(node) in self._simple or node.get("serialization") is self.held_bytes:
            return True
        if "serialization" in node:
            return False
        parts = [*node.get("choices", ()), *filter(None, (node.get("schema"),))]
        if kind in _MEMBERS_OF:
            members = node.get(_MEMBERS_OF[kind], self.any)
            parts = members if type(members) is list else [members]
            parts += [node[name] for name in ("keys_schema",) if name in node]
        elif kind not in ("nullable", "union"):
            return kind in _SIMPLE and not (kind == "float" and self.has_texts)
        return all(self._is_simple(part[0] if type(part) is tuple else part) for part in parts)

    def _hands_over_members(self, node: Node) -> bool:
        """Whether some members of a simple container would need a carrier each."""
        parts: list[Any] = [node]
        while parts:
            part = parts.pop()
            if type(part) is dict:
                if "serialization" in part:
                    return True
                parts += [part.get(name) for name in ("choices", "schema", "items_schema")]
                parts.append(part.get("values_schema"))
            elif type(part) in (list, tuple):
                parts += part
        return False

    def _holds_anything(self, node: Node, entry: str) -> bool:
        keys = node.get("keys_schema", {"type": "str"})
        members = node.get(entry, self.any)
        return (
            members.get("serialization") is self.any["serialization"]
            and keys["type"] in ("any", "str")
            and "serialization" not in keys
        )

    def _handing_over(self, node: Node, serialization: Node) -> Node:
        self.hands_over = True
        return {**node, "serialization": serialization}

    def _with_serialization(self, node: Node, serialization: Node) -> Node:
        if type(serialization.get("serialization")) is dict:  # a type in place of a function
            return {**node, "serialization": serialization["serialization"]}
        function: Any = serialization.get("function")
        if hasattr(function, "native") and hasattr(function, "to_json"):  # fields.NativeSerializer
            native, to_json = function.native, function.to_json

            def hold(value: Any) -> Carrier:
                return _carry(native(value), to_json)

            return self._handing_over(node, _hand_over(hold))
        if serialization["type"] == "function-plain":
            if "return_schema" not in serialization and function is not str:
                # It may return arrays and bytes.
                return self._handing_over(node, {**serialization, "return_schema": self.any})
        elif serialization["type"] == "function-wrap":
            inner = {name: item for name, item in node.items() if name != "serialization"}
            position = 2 if serialization.get("is_field_serializer") else 1
            wrapping = {
                "return_schema": self.any,
                **serialization,
                "function": self._in_json_form(function, position),
            }
            if "schema" not in serialization:
                wrapping["schema"] = self._rewrite(inner)
            return self._handing_over(node, wrapping)
        return {**node, "serialization": serialization}

    def _in_json_form(self, function: Any, position: int) -> Any:
        """A ``wrap`` serializer of the user's, whose handler returns what it does for JSON.

        Args:
            function: the serializer.
            position: that of the handler among its arguments.
        """
        show = self.inferred.show

        def serialize(*args: Any) -> Any:
            handler = args[position]

            def handle(*arguments: Any) -> Any:
                return show(handler(*arguments))

            return function(*args[:position], handle, *args[position + 1 :])

        return wraps(function)(serialize)

    def _class(self, node: Node) -> Node:
        config = node.get("config") or {}
        if config.get("ser_json_inf_nan") == "strings":
            node = {**node, "schema": self._with_float_texts(node["schema"])}
        node = self._with_extras(node, config)
        if not _OWN:  # pydantic looks for what the class has only where there is no serialization
            node = {**node, "serialization": node}
        if not config.get("polymorphic_serialization"):
            return node
        wrapping = {
            **_hand_over(_polymorphic(node["cls"], self.keeps_times), "wrap"),
            "info_arg": True,
        }
        return self._handing_over(node, {**wrapping, "schema": node})

    def _with_extras(self, node: Node, config: Mapping[str, Any]) -> Node:
        """A node whose extra fields, if it allows any that nobody declared, are as they come."""
        if node["type"] in ("model-fields", "typed-dict"):
            behavior = node.get("extra_behavior") or config.get("extra_fields_behavior")
            if behavior != "allow" or "extras_schema" in node:
                return node
            self.hands_over = True
            return {**node, "extras_schema": self.any}
        inner = node.get("schema")
        if type(inner) is not dict:
            return node
        return {**node, "schema": self._with_extras(inner, config)}

    def _with_float_texts(self, schema: Any) -> Any:
        """A schema whose floats are written by ``ser_json_inf_nan="strings"``."""

        def rewrite(node: Node) -> Node:
            if node["type"] != "float" or "serialization" in node:
                return node
            texts = {**_hand_over(_hold_float, "wrap"), "schema": {"type": "float"}}
            return self._handing_over(node, texts)

        return rewrite_schema(
            schema,
            validation=rewrite,
            serialization=rewrite,
            leave=lambda entry, node: entry == "keys_schema" or node.get("type") in _CLASSES,
        )


def _polymorphic(own: type, keeps_times: bool) -> Callable[..., Carrier]:
    """What serializes an instance of a subclass as that class does."""

    def serialize(value: Any, handler: Any, info: Any) -> Carrier:
        kind = type(value)
        if kind is own or not isinstance(value, own):
            return _carry(handler(value))
        how = _how(info)
        dumper = DocumentSerializer.of_class(kind)
        return _carry(dumper.dump(value, keeps_times=keeps_times, **how))

    return serialize


def _hold(kind: type) -> Callable[..., Carrier]:
    """What hands over values of a type, and leaves others to pydantic."""

    carrier = TimeCarrier if kind in _TIME_TYPES else Carrier

    def serialize(value: Any, handler: Any) -> Carrier:
        if isinstance(value, kind):
            return _carry(value, handler, carrier)
        return _carry(handler(value))

    return serialize


def _hold_container(value: Any, handler: Any, info: Any) -> Carrier:
    """Hand over a container as a whole: a carrier for each member takes ten times as long."""
    if info.include is None and info.exclude is None:
        with suppress(_NotNative):
            return _carry(_native_copy(value))
    return _carry(handler(value))


def _native_copy(value: Any) -> Any:
    """The document of a container of bytes and of what JSON has.

    Raises:
        _NotNative: it holds something else.
    """
    kind = type(value)
    if kind is dict:
        if not _TEXT.issuperset(map(type, value)):
            raise _NotNative
        if _NATIVE.issuperset(map(type, value.values())):
            return value.copy()
        return {key: _native_copy(item) for key, item in value.items()}
    if kind not in _SEQUENCES:
        if kind in _NATIVE:
            return value
        raise _NotNative
    return [*value] if _NATIVE.issuperset(map(type, value)) else [*map(_native_copy, value)]


class _NotNative(Exception):
    """A value that pydantic has to serialize."""


_SEQUENCES: Final = frozenset({list, tuple, set, frozenset})
_NATIVE: Final = frozenset({type(None), bool, bytes, float, int, str})
_SIMPLE: Final = frozenset({"bool", "float", "int", "none", "str"})


def _hold_float(value: Any, handler: Any) -> Carrier:
    return _carry(_float_text(handler(value)))


_BARE: Final[dict[str, type]] = {"bytes": bytes, "complex": complex}
"""Types of nodes that hand over their values, with the type of these."""
_TIMES: Final[dict[str, type]] = {
    "date": date,
    "datetime": datetime,
    "decimal": Decimal,
    "time": time,
    "timedelta": timedelta,
    "uuid": UUID,
}


def _float_text(value: Any) -> Any:
    """A float as ``ser_json_inf_nan="strings"`` writes it."""
    if type(value) is not float or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


# -- values whose type nobody declared -------------------------------------------------------------


class _Inferred:
    """Serializes a value as pydantic does in JSON where the field says ``Any``.

    Args:
        config: the configuration of the serializer that meets the value.
        has_texts: whether it writes NaN and infinities as text.
        keeps_times: as for :meth:`DocumentSerializer.dump`.
    """

    def __init__(self, config: Any, has_texts: bool, keeps_times: bool) -> None:
        self._keeps_times = keeps_times
        self._leaf = SchemaSerializer(core_schema.any_schema(), config)
        self._has_texts = has_texts
        self._plain = _PLAIN - {float} if has_texts else _PLAIN
        member: Any = {"type": "any", "serialization": {**_hand_over(self), "info_arg": True}}
        members = (
            (dict, core_schema.dict_schema(None, member)),
            (list, core_schema.list_schema(member)),
            (tuple, core_schema.tuple_schema([member], variadic_item_index=0)),
            (set, core_schema.set_schema(member)),
            (frozenset, core_schema.frozenset_schema(member)),
        )
        self._containers = {kind: SchemaSerializer(schema, config) for kind, schema in members}

    def __call__(self, value: Any, info: Any) -> Carrier:
        if type(value) not in _BRANCHES:
            return _carry(self._document(value, info))
        if info.include is None and info.exclude is None:
            # A copy in any case: it may be packed after the app has gone on to use the value.
            if not self._has_texts and is_plain(value):
                return _carry(self._leaf.to_python(value, mode="json"))
            return _carry(self._copy(value, info))
        return _carry(self._containers[type(value)].to_python(value, mode="json", **_how(info)))

    def branch(self, kind: str) -> Callable[..., Carrier]:
        """What serializes a ``"list"`` or a ``"dict"`` as one if no part of it is left out."""
        expected = {"dict": dict, "list": list}[kind]

        def serialize(value: Any, handler: Any, info: Any) -> Carrier:
            if type(value) is expected and info.include is None and info.exclude is None:
                return self(value, info)
            return _carry(handler(value))

        return serialize

    def _copy(self, value: Any, info: Any) -> Any:
        """The document of a list or a dict."""
        plain = self._plain
        if type(value) is list:
            return [item if type(item) in plain else self._member(item, info) for item in value]
        if not _TEXT.issuperset(map(type, value)):
            return self._containers[dict].to_python(value, mode="json", **_how(info))
        return {
            key: item if type(item) in plain else self._member(item, info)
            for key, item in value.items()
        }

    def _member(self, value: Any, info: Any) -> Any:
        is_branch = type(value) in _BRANCHES
        return self._copy(value, info) if is_branch else self._document(value, info)

    def _document(self, value: Any, info: Any) -> Any:
        kind = type(value)
        if kind in self._plain or kind in _CARRIERS:
            return value
        if kind is _ShownArray:
            return value.untouched()
        if kind is _ShownText:
            return value.value
        if kind in self._containers:
            return self._containers[kind].to_python(value, mode="json", **_how(info))
        return self._other(value, kind, info)

    def _other(self, value: Any, kind: Any, info: Any) -> Any:
        if kind is float:
            return _float_text(value)
        is_model = issubclass(kind, BaseModel)
        if isinstance(value, (bytes, bytearray, memoryview, complex)):
            return value
        if not is_model and is_array_like(value):
            return value
        if self._keeps_times and isinstance(value, _TIME_TYPES):
            return _carry(value, self._as_text, TimeCarrier)
        if is_model or hasattr(kind, "__pydantic_serializer__"):
            dumper = DocumentSerializer.of_class(kind)
            return dumper.dump(value, keeps_times=self._keeps_times, **_how(info))
        if is_dataclass(value) and not isinstance(value, type):
            named = {field.name: getattr(value, field.name) for field in fields(value)}
            return self._containers[dict].to_python(named, mode="json", **_how(info))
        if isinstance(value, GeneratorType):
            return self._containers[list].to_python([*value], mode="json", **_how(info))
        for base, serializer in self._containers.items():
            if isinstance(value, base):
                return serializer.to_python(value, mode="json", **_how(info))
        try:
            return self._leaf.to_python(value, mode="json")
        except PydanticSerializationError:
            return value  # the packer knows some more types

    def show(self, document: Any, to_text: Callable[[Any], Any] | None = None) -> Any:
        """A document as it is in JSON, with what is needed to find the values again."""
        kind = type(document)
        if kind is Carrier:
            return self.show(document.value, document.to_text)
        if kind is TimeCarrier:
            text = document.to_text(document.value)
            return _ShownText.of(text, document) if type(text) is str else text
        if kind in _ATOMS:
            return document
        if kind is dict:
            return {key: self.show(item) for key, item in document.items()}
        if kind is list:
            return [self.show(item) for item in document]
        if isinstance(document, (bytes, bytearray, memoryview, complex)):
            try:
                text = (to_text or self._as_text)(document)
            except ValueError:
                return document  # bytes that are no text, for which JSON clients get an error
            return _ShownText.of(text, document)
        if is_array_like(document):
            with suppress(ValueError):
                return _ShownArray(as_ndarray(document))
        return document

    def _as_text(self, value: Any) -> Any:
        return self._leaf.to_python(
            bytes(value) if type(value) is memoryview else value, mode="json"
        )


_ATOMS: Final = frozenset({type(None), bool, int, float, str})
_TEXT: Final = frozenset({str})
_CARRIERS: Final = frozenset({Carrier, TimeCarrier})
_BRANCHES: Final = frozenset({dict, list})
_TIME_TYPES: Final = tuple(_TIMES.values())
_PLAIN: Final[frozenset[Any]] = _ATOMS | {bytes, complex, np.ndarray}
"""Types of values that are documents already."""


def is_plain(obj: Any) -> bool:
    """Whether msgspec alone can write ``obj``, as most small documents are."""
    kind = type(obj)
    if kind is list:
        if _ATOMS.issuperset(map(type, obj)):  # many numbers, seen at C speed
            return True
        members = obj
    elif kind is dict:
        if not _TEXT.issuperset(map(type, obj)):
            return False
        members = obj.values()
    else:
        return kind in _ATOMS
    for member in members:  # noqa: SIM110  # ``all`` would be a frame more for each level
        if type(member) not in _ATOMS and not is_plain(member):
            return False
    return True


def _how(info: Any) -> dict[str, Any]:
    """How a serializer was called, for another one that serializes a part."""
    return {name: getattr(info, name) for name in _HOW}


_HOW: Final = (
    *("by_alias", "context", "exclude", "exclude_computed_fields", "exclude_defaults"),
    *("exclude_none", "exclude_unset", "include", "round_trip", "serialize_as_any"),
)


class _ShownText(str):
    """Bytes or a complex number as text in JSON, with the value at its side."""

    __slots__ = ("value",)
    value: Any

    @classmethod
    def of(cls, text: str, value: Any) -> _ShownText:
        shown = cls(text)
        shown.value = value
        return shown


class _ShownArray(dict[str, Any]):
    """An array as its map in JSON, with the array at its side."""

    __slots__ = ("array", "text")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        super().__init__(to_map(array))
        self.array = array
        self.text = self["data_b64"]

    def untouched(self) -> Any:
        """The array, or a plain map if somebody changed this one."""
        array = self.array
        form = {"shape": [*array.shape], "dtype": dtype_spec(array.dtype), "data_b64": self.text}
        return array if self == form else dict(self)

"""Serialization of values whose type no field declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from types import GeneratorType
from typing import Any, Final

import numpy as np
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, SchemaSerializer, core_schema

from binary_middleware._pydantic.carriers import (
    TIME_TYPES,
    Carrier,
    TimeCarrier,
    carry,
    carrying,
    float_text,
)
from binary_middleware._pydantic.core_schemas import Node
from binary_middleware._pydantic.json_views import ArrayView, TextView
from binary_middleware._pydantic.native import ATOMS, TEXT, is_plain
from binary_middleware.fields import is_array_like

_DOCUMENTS: Final[frozenset[Any]] = ATOMS | {bytes, complex, np.ndarray, Carrier, TimeCarrier}
"""Types of values that need no serialization."""
_ARGUMENTS: Final = (
    *("by_alias", "context", "exclude", "exclude_computed_fields", "exclude_defaults"),
    *("exclude_none", "exclude_unset", "include", "round_trip", "serialize_as_any"),
)


def arguments_of(info: Any) -> dict[str, Any]:
    """Return the arguments that a serializer was called with, to call another one likewise."""
    return {name: getattr(info, name) for name in _ARGUMENTS}


class InferredSerializer:
    """A serializer that treats values as pydantic's JSON mode does where a field says ``Any``.

    Args:
        config: The configuration of the serializer that the values occur in.
        keeps_times: Whether dates, decimals and the like are carried.
        dump_instance: Returns the document of an instance whose class has a pydantic serializer.
    """

    schema: Node
    """The schema of a value of undeclared type."""

    def __init__(
        self,
        config: Mapping[str, Any],
        keeps_times: bool,
        dump_instance: Callable[[Any, Any], Any],
    ) -> None:
        self._keeps_times = keeps_times
        self._dump_instance = dump_instance
        self._has_nan_texts = config.get("ser_json_inf_nan") == "strings"
        self._documents = _DOCUMENTS - ({float} if self._has_nan_texts else set())
        self.schema = {"type": "any", "serialization": carrying(self, info_arg=True)}
        member: Any = self.schema
        settings: Any = config
        self._leaf = SchemaSerializer(core_schema.any_schema(), settings)
        members = (
            (dict, core_schema.dict_schema(None, member)),
            (list, core_schema.list_schema(member)),
            (tuple, core_schema.tuple_schema([member], variadic_item_index=0)),
            (set, core_schema.set_schema(member)),
            (frozenset, core_schema.frozenset_schema(member)),
        )
        self._containers: dict[type, SchemaSerializer] = {
            kind: SchemaSerializer(schema, settings) for kind, schema in members
        }

    def __call__(self, value: Any, info: Any) -> Carrier:
        """Serialize a value, as pydantic calls it."""
        kind = type(value)
        if kind in self._documents:
            return carry(value)
        is_whole = info.include is None and info.exclude is None
        if (
            (kind is dict or kind is list)
            and is_whole
            and not self._has_nan_texts
            and is_plain(value)
        ):
            # Copied, because the app may modify the value before it is packed.
            return carry(self._leaf.to_python(value, mode="json"))
        return carry(self._document(value, info, is_whole))

    def for_container(self, kind: type) -> Callable[..., Carrier]:
        """Return a wrap serializer for lists or dicts of undeclared values, one carrier for all."""

        def serialize(value: Any, handler: Any, info: Any) -> Carrier:
            if type(value) is kind and info.include is None and info.exclude is None:
                return self(value, info)
            return carry(handler(value))

        return serialize

    def text_of(self, value: Any) -> Any:
        """Return a value of a leaf type as pydantic writes it in JSON."""
        plain = bytes(value) if type(value) is memoryview else value
        return self._leaf.to_python(plain, mode="json")

    def _document(self, value: Any, info: Any, is_whole: bool) -> Any:
        """Return the document of a value that is not one yet.

        Args:
            value: The value.
            info: As pydantic passes it.
            is_whole: Whether no part of the value is to be left out.
        """
        kind = type(value)
        documents = self._documents
        if kind is list and is_whole:
            return [
                item if type(item) in documents else self._document(item, info, True)
                for item in value
            ]
        if kind is dict and is_whole and TEXT.issuperset(map(type, value)):
            return {
                key: item if type(item) in documents else self._document(item, info, True)
                for key, item in value.items()
            }
        if kind in self._containers:
            return self._in_container(kind, value, info)
        if kind is ArrayView:
            return value.original()
        return value.value if kind is TextView else self._other(value, kind, info)

    def _other(self, value: Any, kind: type, info: Any) -> Any:
        if kind is float:
            return float_text(value)
        if isinstance(value, (bytes, bytearray, memoryview, complex)):
            return value
        if not issubclass(kind, BaseModel) and is_array_like(value):
            return value
        if self._keeps_times and isinstance(value, TIME_TYPES):
            return carry(value, self.text_of, TimeCarrier)
        if hasattr(kind, "__pydantic_serializer__"):
            return self._dump_instance(value, info)
        if is_dataclass(value) and not isinstance(value, type):
            named = {field.name: getattr(value, field.name) for field in fields(value)}
            return self._in_container(dict, named, info)
        if isinstance(value, GeneratorType):
            return self._in_container(list, [*value], info)
        for base in self._containers:
            if isinstance(value, base):
                return self._in_container(base, value, info)
        try:
            return self._leaf.to_python(value, mode="json")
        except PydanticSerializationError:
            return value  # the format supports more types

    def _in_container(self, kind: type, value: Any, info: Any) -> Any:
        return self._containers[kind].to_python(value, mode="json", **arguments_of(info))

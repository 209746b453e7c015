"""Strings that carry arrays, bytes and other values through pydantic's JSON mode."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from pydantic_core import SchemaSerializer

from binary_middleware._pydantic.core_schemas import Node

_CARRIER_SCHEMA: Final[Node] = {
    "type": "any",
    "serialization": {"type": "to-string", "when_used": "always"},
}
"""Serializes a value as ``str(value)``, which for a carrier is the carrier itself."""


class Carrier(str):
    """A value that passes through pydantic's JSON mode unchanged."""

    __slots__ = ("to_text", "value")

    __pydantic_serializer__: ClassVar[SchemaSerializer] = SchemaSerializer(
        cast(Any, _CARRIER_SCHEMA)
    )
    """Used by pydantic for a carrier in a value of undeclared type."""

    value: Any
    """The value, or a document that may hold more carriers."""
    to_text: Callable[[Any], Any] | None
    """Writes the value as JSON text; ``None`` if pydantic infers that text from the value."""

    def __str__(self) -> str:
        return self


class TimeCarrier(Carrier):
    """Carries a date, time, duration, decimal or UUID; ``to_text`` is always set."""

    __slots__ = ()
    to_text: Callable[[Any], Any]


def carry(
    value: Any, to_text: Callable[[Any], Any] | None = None, kind: type[Carrier] = Carrier
) -> Carrier:
    """Return a carrier of a value."""
    carrier = str.__new__(kind)
    carrier.value = value
    carrier.to_text = to_text
    return carrier


def carrying(function: Callable[..., Any], mode: str = "plain", **entries: Any) -> Node:
    """Return the serialization node, with more ``entries``, of a function that returns carriers."""
    node: Node = {"type": f"function-{mode}", "function": function}
    return {**node, "return_schema": _CARRIER_SCHEMA, **entries}


# -- serializers, as pydantic calls them -----------------------------------------------------------


def carry_native(serializer: Any) -> Callable[[Any], Carrier]:
    """Return a plain serializer for the values of a ``NativeSerializer``."""
    native, to_json = serializer.native, serializer.to_json

    def serialize(value: Any) -> Carrier:
        return carry(native(value), to_json)

    return serialize


def _carry_instances(kind: type, carrier: type[Carrier] = Carrier) -> Callable[..., Carrier]:
    """Return a wrap serializer that carries instances, and leaves other values to pydantic."""

    def serialize(value: Any, handler: Any) -> Carrier:
        if isinstance(value, kind):
            return carry(value, handler, carrier)
        return carry(handler(value))

    return serialize


CARRY: Final = {"bytes": _carry_instances(bytes), "complex": _carry_instances(complex)}
"""Wrap serializers by type of node."""

TIME_TYPES: Final = (date, datetime, Decimal, time, timedelta, UUID)
"""Types that some formats represent by a map, and others by the text that pydantic writes."""

CARRY_TIMES: Final = {
    kind.__name__.lower(): _carry_instances(kind, TimeCarrier) for kind in TIME_TYPES
}
"""Wrap serializers of the :data:`TIME_TYPES` by type of node."""


def carry_float(value: Any, handler: Any) -> Carrier:
    """Serialize a float as :func:`float_text` does."""
    return carry(float_text(handler(value)))


def float_text(value: Any) -> Any:
    """Return a float as ``ser_json_inf_nan="strings"`` writes it, any other value as it is."""
    if type(value) is not float or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"

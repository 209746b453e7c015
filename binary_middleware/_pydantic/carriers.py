"""Strings that carry arrays, bytes and other values through pydantic's JSON mode."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from pydantic_core import SchemaSerializer

from binary_middleware._pydantic.core_schemas import Node

TIME_TYPES: Final[dict[str, type]] = {
    "date": date,
    "datetime": datetime,
    "decimal": Decimal,
    "time": time,
    "timedelta": timedelta,
    "uuid": UUID,
}
"""Core schema types that some formats represent by a map, and the types of their values."""

CARRIER_SCHEMA: Final[Node] = {
    "type": "any",
    "serialization": {"type": "to-string", "when_used": "always"},
}
"""Serializes a value as ``str(value)``, which for a carrier is the carrier itself."""


class Carrier(str):
    """A value that passes through pydantic's JSON mode unchanged."""

    __slots__ = ("to_text", "value")

    __pydantic_serializer__: ClassVar[SchemaSerializer] = SchemaSerializer(
        cast(Any, CARRIER_SCHEMA)
    )
    """Used by pydantic where a carrier occurs in a value of undeclared type."""

    value: Any
    """The value, or a document that may hold more carriers."""
    to_text: Callable[[Any], Any] | None
    """Writes the value as JSON text; ``None`` if pydantic infers that text from the value."""

    def __str__(self) -> str:
        return self


class TimeCarrier(Carrier):
    """Carries a value of one of the :data:`TIME_TYPES`; ``to_text`` is always set."""

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
    """Return a serialization node whose function returns carriers.

    Args:
        function: The serializer.
        mode: ``"plain"`` or ``"wrap"``.
        entries: More entries of the node.
    """
    return {
        "type": f"function-{mode}",
        "function": function,
        "return_schema": CARRIER_SCHEMA,
        **entries,
    }

"""Values that msgspec encodes without help, and copies of containers of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from binary_middleware._pydantic.carriers import Carrier, carry

ATOMS: Final = frozenset({type(None), bool, int, float, str})
"""Types of the leaves of JSON documents."""
TEXT: Final = frozenset({str})
_NATIVE: Final = ATOMS | {bytes}
_SEQUENCES: Final = frozenset({list, tuple, set, frozenset})


def is_plain(obj: Any) -> bool:
    """Return whether a value consists of JSON's types alone, as most small documents do."""
    kind = type(obj)
    if kind is list:
        if ATOMS.issuperset(map(type, obj)):  # many numbers, checked at C speed
            return True
        members = obj
    elif kind is dict:
        if not TEXT.issuperset(map(type, obj)):
            return False
        members = obj.values()
    else:
        return kind in ATOMS
    for member in members:  # noqa: SIM110  # ``all`` would add a frame to each level
        if type(member) not in ATOMS and not is_plain(member):
            return False
    return True


def carry_container(value: Any, handler: Any, info: Any) -> Carrier:
    """Serialize a container as one carrier: one for each member takes ten times as long."""
    if info.include is None and info.exclude is None:
        with suppress(_NotNativeError):
            return carry(_native_copy(value))
    return carry(handler(value))


def _native_copy(value: Any) -> Any:
    """Return the document of a container of bytes and of JSON's types.

    Raises:
        _NotNativeError: The container holds something else.
    """
    kind = type(value)
    if kind is dict:
        if not TEXT.issuperset(map(type, value)):
            raise _NotNativeError
        if _NATIVE.issuperset(map(type, value.values())):
            return value.copy()
        return {key: _native_copy(item) for key, item in value.items()}
    if kind in _SEQUENCES:
        return [*value] if _NATIVE.issuperset(map(type, value)) else [*map(_native_copy, value)]
    if kind in _NATIVE:
        return value
    raise _NotNativeError


class _NotNativeError(Exception):
    """A value that pydantic has to serialize."""

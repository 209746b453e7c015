"""Dates, durations, decimals and UUIDs as Chains' maps.

msgpack has no types for these. The Chains framework (``truss`` 0.18, ``serialization.py``) writes
them as maps with a marker, whose keys are binary as in msgpack-numpy's maps::

    {b"__dt_datetime_iso__": True, b"data": "2026-01-31T12:00:00Z"}
    {b"__dt_date_iso__": True, b"data": "2026-01-31"}
    {b"__dt_time_iso__": True, b"data": "12:00:00"}
    {b"__dt_timedelta__": True, b"data": [days, seconds, microseconds]}
    {b"__decimal__": True, b"data": "1.50"}
    {b"__uuid__": True, b"data": "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"}

They are always read, and written in the dialect ``"chains"``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from binary_middleware.errors import DecodeError

_DATA: Final = b"data"

MAX_TEXT_LENGTH: Final = 1024
"""Characters of the text in a map. Only a decimal can be as long."""

MAX_DECIMAL_DIGITS: Final = sys.int_info.default_max_str_digits
"""Digits of a decimal's integer part, and places after its point. ``1E+1000000`` is ten characters,
and an integer of a million digits to whoever converts it: a model, an error report. Python itself
writes no integer of more digits than this as text."""

_MINUTE: Final = timedelta(minutes=1)


def is_chains_map(map_: Mapping[Any, Any]) -> bool:
    """Return whether a decoded map has one of Chains' markers as a key."""
    return not _READERS.keys().isdisjoint(map_)


def read_chains_map(map_: Mapping[Any, Any]) -> Any:
    """Return the value of a map with a marker (see :func:`is_chains_map`).

    Raises:
        DecodeError: the map is not one that Chains writes.
    """
    marker = next(key for key in map_ if key in _READERS)
    name = marker.decode()
    if map_.keys() != {marker, _DATA} or map_[marker] is not True:
        raise DecodeError(f"a map with the key {name} must have that, true, and data, and no other")
    try:
        return _READERS[marker](map_[_DATA])
    except DecodeError:
        raise
    except (ValueError, OverflowError, InvalidOperation) as exc:
        raise DecodeError(f"the data of a {name} map is not what Chains writes") from exc


def chains_map(value: object) -> dict[bytes, Any] | None:
    """Return the map of a date, time, duration, decimal or UUID; ``None`` for any other value.

    Times with a UTC offset, which Chains refuses to write, are written with it: Chains reads them.
    """
    for kind, marker, _, write in _TYPES:
        if isinstance(value, kind):
            return {marker: True, _DATA: write(value)}
    return None


def _text(data: object) -> str:
    if type(data) is not str or len(data) > MAX_TEXT_LENGTH:
        raise ValueError("not text, or too long")
    return data


def _read_timedelta(data: object) -> timedelta:
    if type(data) is not list or list(map(type, data)) != [int, int, int]:
        raise ValueError("not three integers")
    days, seconds, microseconds = data
    return timedelta(days=days, seconds=seconds, microseconds=microseconds)


def _read_decimal(data: object) -> Decimal:
    value = Decimal(_text(data))
    if value.is_snan():
        raise DecodeError("a decimal must not be a signaling NaN")
    if value.is_finite() and abs(value.adjusted()) >= MAX_DECIMAL_DIGITS:
        raise DecodeError(
            f"a decimal must not have more than {MAX_DECIMAL_DIGITS} digits or places"
        )
    return value


def has_odd_offset(value: datetime | time) -> bool:
    """Return whether a UTC offset has seconds, which RFC 3339 lacks and pydantic rounds."""
    offset = value.utcoffset()
    return bool(offset and offset % _MINUTE)


def _read_time(kind: type[datetime | time], data: object) -> datetime | time:
    value = kind.fromisoformat(_text(data))
    if has_odd_offset(value):
        raise DecodeError("a UTC offset must be a whole number of minutes")
    return value


def _write_datetime(value: datetime) -> str:
    text = value.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def _write_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


_Read = Callable[[object], Any]
_Write = Callable[[Any], Any]
# A datetime is a date, too, and comes first.
_TYPES: Final[tuple[tuple[type, bytes, _Read, _Write], ...]] = (
    (datetime, b"__dt_datetime_iso__", lambda data: _read_time(datetime, data), _write_datetime),
    (date, b"__dt_date_iso__", lambda data: date.fromisoformat(_text(data)), date.isoformat),
    (time, b"__dt_time_iso__", lambda data: _read_time(time, data), time.isoformat),
    (timedelta, b"__dt_timedelta__", _read_timedelta, _write_timedelta),
    (Decimal, b"__decimal__", _read_decimal, str),
    (UUID, b"__uuid__", lambda data: UUID(_text(data)), str),
)
_READERS: Final[Mapping[Any, _Read]] = {marker: read for _, marker, read, _ in _TYPES}

"""Any bytes through the decoder: a document or a refusal, alike however the bytes came."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import numpy as np

from binary_middleware.errors import DecodeError, LimitExceeded
from binary_middleware.formats.base import MAX_STRUCTURE_SIZE
from binary_middleware.formats.msgpack import packb, unpackb
from tests.formats.owned import owned, received, unpack_owned
from tests.sameness import same

SMALL_LIMIT = 512

TOKENS = (
    b"\xc4\x02nd\xc3",
    b"\xc4\x04type",
    b"\xc4\x04kind\xc4\x00",
    b"\xc4\x04kind\xc4\x01V",
    b"\xc4\x05shape",
    b"\xc4\x04data",
    b"\xc4\x07complex\xc3",
    b"\xa3<f4",
    b"\xa3<M8",
    b"\xa2|O",
    b"\xa2|V",
    b"\xa3<U3",
    b"\xa2<g",
    b"\x85",
    b"\xc7",
    b"\xd6\xff",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\x00\x00\x00\x01",
    b"\xc6\x00\x00\x10\x00",
)


def seeds() -> list[bytes]:
    """Documents of every kind that is read."""
    table = np.array([(1, (2.0, 3.0))], [("a", "<i4"), ("b", "<f8", 2)])
    arrays = [
        *(np.arange(6).astype(dtype).reshape(2, 3) for dtype in ("?", "i1", ">i4", "u8", "f2")),
        *(np.arange(3).astype(dtype) for dtype in ("<f4", "f8", "c8", "g", "S4", "U2")),
        np.array(["2026-01-31", "NaT"], "datetime64[D]"),
        np.array([1, 2], "timedelta64[ms]"),
        np.zeros((0, 3)),
        np.array(1.5),
        table,
    ]
    chains = [
        datetime(2026, 1, 31, 12, tzinfo=UTC),
        date(2026, 1, 31),
        time(12),
        timedelta(1, 2, 3),
        Decimal("1.50"),
        UUID(int=1),
    ]
    nested: Any = 1
    for _ in range(40):
        nested = {"a": [nested]}
    documents: list[Any] = [
        {"a": [1, -1, 1.5, None, True, 2**63, float("nan")], "b": {"c": "text"}, "d": b"\x00\xff"},
        {"z": 1 + 2j, "n": np.float32(1.5)},
        [np.arange(700, dtype="<i4"), {"x": bytes(3000), "y": "y" * 3000}, np.ones(513)],
        {"ids": ["id"] * 600, "blobs": [b"x"] * 600},
        nested,
        *({"x": array} for array in arrays),
    ]
    return [
        *map(packb, documents),
        *(packb(array, arrays="map") for array in arrays),
        *(packb(value, dialect="chains") for value in chains),
        msgspec.msgpack.encode([datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)]),
        msgspec.msgpack.encode({1: "a", 2.5: {None: [True]}}),
        b"\x82\x01" + packb(bytes(2500)) + b"\xc2" + packb(bytes(2500)),
        b"",
    ]


def check(data: bytes) -> None:
    value, error = _unpack(data, MAX_STRUCTURE_SIZE)
    limited, limited_error = _unpack(data, SMALL_LIMIT)
    if limited_error is None:
        assert error is None
        assert same(limited, value)
    if error is None:
        _check_value(value)


def _unpack(data: bytes, limit: int) -> tuple[Any, type[ValueError] | None]:
    """Return the document or the class of the error, which an owned buffer has as well."""
    buffer = owned(data, len(data) % 16)
    value = owned_value = error = owned_error = None
    message = ""
    try:
        value = unpackb(data, max_structure_size=limit)
    except (DecodeError, LimitExceeded) as exc:
        error, message = type(exc), str(exc)
    try:
        owned_value, moved = unpack_owned(buffer, limit)
    except (DecodeError, LimitExceeded) as exc:
        owned_error = type(exc)
    else:
        assert received(buffer, moved) == data
    assert error is owned_error, (error, owned_error)
    assert error is None or 0 < len(message) < 600
    assert same(value, owned_value), (value, owned_value)
    return value, error


def _check_value(value: Any) -> None:
    """Check that a value survives packing and unpacking, with dates in the dialect of Chains."""
    document = packb(value, dialect="chains")
    again = unpackb(document)
    assert same(value, again), (value, again)
    assert packb(again, dialect="chains") == document
    unpackb(packb(value, arrays="map"))

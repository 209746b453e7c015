"""Documents, and what the reference libraries make of them."""

from __future__ import annotations

from typing import Any

import msgpack
import msgpack_numpy
import numpy as np

from binary_middleware.formats.msgpack import packb
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from tests.sameness import raw_bytes


def peer_packb(obj: Any) -> bytes:
    """Pack with the reference libraries."""
    packed: bytes = msgpack.packb(obj, default=msgpack_numpy.encode)
    return packed


def numpy_map(**changes: Any) -> dict[bytes, Any]:
    """msgpack-numpy's map of the array [1, 2], with changes."""
    plain = {"nd": True, "type": "<i4", "kind": b"", "shape": [2], "data": b"\1\0\0\0\2\0\0\0"}
    return {key.encode(): value for key, value in {**plain, **changes}.items()}


def list32(count: int, items: bytes) -> bytes:
    return b"\xdd" + count.to_bytes(4) + items


def map32(count: int, items: bytes) -> bytes:
    return b"\xdf" + count.to_bytes(4) + items


BIG = packb(bytes(OUT_OF_LINE_THRESHOLD))


BIG_ARRAY = packb(np.arange(OUT_OF_LINE_THRESHOLD))


ALIGNED = np.dtype([("flag", "i1"), ("value", "f8")], align=True)


def filled(dtype: Any, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return an array of bytes 1, 2, 3, ... that every dtype can show."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=int))
    data = np.resize(np.arange(1, 124, dtype=np.uint8), count * dtype.itemsize)
    if dtype.kind == "U":
        data.view(np.uint32)[:] = 97
        if dtype.byteorder == ">":
            data.view(np.uint32).byteswap(inplace=True)
    if dtype.kind == "b":
        data %= 2
    return np.ndarray(shape, dtype, data)


def assert_same_array(array: Any, expected: np.ndarray[Any, Any]) -> None:
    assert type(array) is np.ndarray
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    assert raw_bytes(array) == raw_bytes(expected)
    assert array.flags.writeable
    assert array.flags.aligned
    assert array.flags.c_contiguous

"""msgpack written by hand: whatever the format can express, be it true or not."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np

NIL: Final = b"\xc0"


def pack(value: Any) -> bytes:
    """Plain data, as msgspec writes it."""
    return msgspec.msgpack.encode(value)


def list_of(count: int, item: bytes) -> bytes:
    """A list of ``count`` equal items."""
    return b"\xdd" + count.to_bytes(4) + item * count


def items(*parts: bytes) -> bytes:
    """A list of items."""
    return b"\xdd" + len(parts).to_bytes(4) + b"".join(parts)


def map_of(count: int, pair: bytes) -> bytes:
    """A map of ``count`` equal pairs."""
    return b"\xdf" + count.to_bytes(4) + pair * count


def pairs(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A map of packed keys and values."""
    parts = [part for pair in entries for part in pair]
    return b"\xdf" + (len(parts) // 2).to_bytes(4) + b"".join(parts)


def fields(**values: bytes) -> bytes:
    """A map of packed values under names."""
    return pairs((pack(name), value) for name, value in values.items())


def array(dtype: Any, shape: Any, data: bytes = b"", kind: bytes | None = None) -> bytes:
    """An array as msgpack-numpy writes it, whatever it says."""
    if kind is None:
        kind = b"V" if isinstance(dtype, list) else b""
    return b"\x85" + b"".join(
        part
        for key, value in {
            b"nd": b"\xc3",
            b"type": pack(dtype),
            b"kind": pack(kind),
            b"shape": pack(shape),
            b"data": pack(data),
        }.items()
        for part in (pack(key), value)
    )


def numpy_array(value: Any, dtype: Any = None) -> bytes:
    """An honest array."""
    made = np.array(value, dtype=dtype)
    spec: Any = made.dtype.descr if made.dtype.names else made.dtype.str
    return array(spec, list(made.shape), made.tobytes())


def string_map(dtype: Any, shape: Any, data: bytes = b"") -> bytes:
    """An array as the string-keyed map of other languages."""
    return fields(shape=pack(shape), dtype=pack(dtype), data=pack(data))


def scalar(dtype: Any, data: bytes) -> bytes:
    """A numpy scalar as msgpack-numpy writes it."""
    return pairs(
        [(pack(b"nd"), b"\xc2"), (pack(b"type"), pack(dtype)), (pack(b"data"), pack(data))]
    )


def chains(marker: str, data: Any) -> bytes:
    """A date, time, duration, decimal or UUID as Chains writes it; ``marker`` as ``decimal``."""
    return pairs([(pack(f"__{marker}__".encode()), b"\xc3"), (pack(b"data"), pack(data))])


def extension(code: int, data: bytes) -> bytes:
    """An extension."""
    return b"\xc9" + len(data).to_bytes(4) + struct.pack("b", code) + data


def text_array(dtype: str, *code_points: int) -> bytes:
    """An array of text whose characters need not exist, all of one element."""
    order = ">" if dtype.startswith(">") else "<"
    return array(dtype, [1], struct.pack(f"{order}{len(code_points)}I", *code_points))

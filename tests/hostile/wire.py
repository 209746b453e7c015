"""msgpack written by hand: whatever the format can express, valid or not."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np

NIL: Final = b"\xc0"


def pack(value: Any) -> bytes:
    """Return plain data, encoded by msgspec."""
    return msgspec.msgpack.encode(value)


def list_of(count: int, item: bytes) -> bytes:
    """Return a list of ``count`` equal items."""
    return b"\xdd" + count.to_bytes(4) + item * count


def items(*parts: bytes) -> bytes:
    """Return a list of items."""
    return b"\xdd" + len(parts).to_bytes(4) + b"".join(parts)


def map_of(count: int, pair: bytes) -> bytes:
    """Return a map of ``count`` equal pairs."""
    return b"\xdf" + count.to_bytes(4) + pair * count


def pairs(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a map of encoded keys and values."""
    parts = [part for pair in entries for part in pair]
    return b"\xdf" + (len(parts) // 2).to_bytes(4) + b"".join(parts)


def fields(**values: bytes) -> bytes:
    """Return a map of encoded values by name."""
    return pairs((pack(name), value) for name, value in values.items())


def array(dtype: Any, shape: Any, data: bytes = b"", kind: bytes | None = None) -> bytes:
    """Return the map of msgpack-numpy for an array, with any content."""
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
    """Return the map of msgpack-numpy for a valid array."""
    made = np.array(value, dtype=dtype)
    spec: Any = made.dtype.descr if made.dtype.names else made.dtype.str
    return array(spec, list(made.shape), made.tobytes())


def string_map(dtype: Any, shape: Any, data: bytes = b"") -> bytes:
    """Return the string-keyed map of an array, with any content."""
    return fields(shape=pack(shape), dtype=pack(dtype), data=pack(data))


def scalar(dtype: Any, data: bytes) -> bytes:
    """Return the map of msgpack-numpy for a scalar."""
    return pairs(
        [(pack(b"nd"), b"\xc2"), (pack(b"type"), pack(dtype)), (pack(b"data"), pack(data))]
    )


def chains(marker: str, data: Any) -> bytes:
    """Return the map of Chains with a marker such as ``decimal``."""
    return pairs([(pack(f"__{marker}__".encode()), b"\xc3"), (pack(b"data"), pack(data))])


def extension(code: int, data: bytes) -> bytes:
    """Return an extension."""
    return b"\xc9" + len(data).to_bytes(4) + struct.pack("b", code) + data


def text_array(dtype: str, *code_points: int) -> bytes:
    """Return an array with one text of any code points."""
    order = ">" if dtype.startswith(">") else "<"
    return array(dtype, [1], struct.pack(f"{order}{len(code_points)}I", *code_points))

"""Arrays whose bytes are found in the buffer of a document, not decoded.

The bytes of an array may start at any offset. To align them, they are moved down in place by up to
7 bytes: 0.1 ms for 8 MiB, where a copy into fresh memory takes 1.5 to 4 ms.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import numpy as np

from binary_middleware.formats.base import Relocation
from binary_middleware.formats.msgpack._decoders import address_of, decode_sizes
from binary_middleware.formats.msgpack._numpy_maps import read_dtype, view_array

MIN_VIEW_SHARE: Final = 8
"""An array smaller than this share of an owned buffer is copied out of it, so that a small array
that lives long does not keep a large buffer alive."""

MAX_ALIGNMENT: Final = 8
"""Arrays of types with a larger alignment are copied."""

_NUMPY_MAP: Final = re.compile(
    rb"\x85\xc4\x02nd\xc3"
    rb"\xc4\x04type([\xa0-\xbf])([!-~]{1,31})"
    rb"\xc4\x04kind\xc4\x00"
    rb"\xc4\x05shape([\x90-\x9f].{0,135}?)"  # 15 sizes of 9 bytes
    rb"\xc4\x04data(?:\xc5(..)|\xc6(....))",
    re.DOTALL,
)
"""The map of a large array as msgpack-numpy writes it, up to its bytes; of no structured type."""


def match_numpy_map(view: memoryview) -> tuple[int, int, np.dtype[Any], list[int]] | None:
    """Return what precedes the data of an array, if its map is as msgpack-numpy writes it.

    Returns:
        Where the data starts, bytes of the map without the data and its length, dtype and shape.

    Raises:
        DecodeError: the dtype is refused.
    """
    match = _NUMPY_MAP.match(view)
    if match is None:
        return None
    code, name, shape, short, long = match.groups()
    length, start = short or long, match.end()
    # Where the shape ends is a guess, which is right if all of these fit.
    if code[0] & 0x1F != len(name) or int.from_bytes(length) != len(view) - start:
        return None
    try:
        sizes = decode_sizes(shape)
    except msgspec.MsgspecError:
        return None
    return start, start - len(length), read_dtype(name), sizes


def copy_array_at(data: memoryview, dtype: np.dtype[Any], shape: Any) -> np.ndarray[Any, Any]:
    """Return an array of these bytes in memory of its own, writable and aligned.

    Raises:
        DecodeError: dtype and shape do not fit the bytes.
    """
    array = view_array(data, dtype, shape)  # or it is refused before anything is copied
    return np.ndarray(array.shape, dtype, np.frombuffer(data, np.uint8).copy())


def view_array_at(
    owned: memoryview,
    start: int,
    size: int,
    dtype: np.dtype[Any],
    shape: Any,
    relocations: list[Relocation],
) -> np.ndarray[Any, Any]:
    """Return an array that is an aligned view of an owned buffer, or a copy of it.

    Args:
        owned: the buffer, which is written to where the array is not aligned.
        start: where the bytes of the array start in it.
        size: how many they are.
        dtype: the type of the array.
        shape: its shape, as read.
        relocations: what was moved in the buffer; one more may be appended.

    Raises:
        DecodeError: dtype and shape do not fit the bytes.
    """
    alignment = _alignment_of(dtype)
    if alignment > MAX_ALIGNMENT:
        return copy_array_at(owned[start : start + size], dtype, shape)
    array = view_array(owned[start : start + size], dtype, shape)
    if array.flags.aligned and dtype.names is None:
        return array
    # Only memory that numpy allocated is known to be aligned for any type.
    is_aligned = np.ndarray((), np.uint64, owned).flags.aligned
    shift = (start if is_aligned else address_of(owned) + start) % alignment
    if not shift:
        return array
    # There are at least 8 bytes to spare: an array's data follows its own key (6 bytes) and header
    # (2 or more), and nobody reads these again.
    source, start = start, start - shift
    relocations.append(Relocation(start, size, bytes(owned[start:source])))
    owned[start : start + size] = owned[source : source + size]
    return np.ndarray(array.shape, dtype, owned[start : start + size])


def _alignment_of(dtype: np.dtype[Any]) -> int:
    """Return the alignment of a dtype or, if it is structured, the largest one of its fields."""
    if dtype.subdtype is not None:
        return _alignment_of(dtype.base)
    if dtype.names is not None:
        return max(_alignment_of(dtype[name]) for name in dtype.names)
    return dtype.alignment

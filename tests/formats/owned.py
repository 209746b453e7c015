"""Decoding buffers that the decoder may write to, and what was in them before."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binary_middleware.formats.base import MAX_STRUCTURE_SIZE, Limits, Relocation
from binary_middleware.formats.msgpack import MSGPACK


class Unpacked(NamedTuple):
    value: Any
    moved: list[Relocation]


def unpack_owned(buffer: np.ndarray[Any, Any], limit: int = MAX_STRUCTURE_SIZE) -> Unpacked:
    """Decode a buffer of which large arrays become views."""
    decoded = MSGPACK.decode(buffer, Limits(limit), is_owned=True)
    return Unpacked(decoded.document, decoded.relocations)


def unpack_views(data: bytes, limit: int = MAX_STRUCTURE_SIZE) -> Any:
    """Decode a document of which long strings and bytes become views."""
    return MSGPACK.decode_views(data, Limits(limit))


def owned(document: bytes, offset: int = 0) -> np.ndarray[Any, Any]:
    """Return a buffer that holds ``document``, ``offset`` bytes after a multiple of 64."""
    room = np.zeros(len(document) + 128, np.uint8)
    start = -room.__array_interface__["data"][0] % 64 + offset
    buffer = room[start : start + len(document)]
    buffer[:] = np.frombuffer(document, np.uint8)
    return buffer


def received(buffer: np.ndarray[Any, Any], moved: list[Relocation]) -> bytes:
    """Return the document that was in the buffer, by the relocations."""
    restored = buffer.copy()
    for start, length, overwritten in moved:
        shift = len(overwritten)
        assert 0 < shift < 8
        restored[start + shift : start + shift + length] = buffer[start : start + length]
        restored[start : start + shift] = np.frombuffer(overwritten, np.uint8)
    return restored.tobytes()

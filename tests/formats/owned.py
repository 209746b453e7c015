"""Buffers that ``unpack_owned`` may write to, and how they were before it did."""

from __future__ import annotations

from typing import Any

import numpy as np

from binary_middleware.formats.msgpack import Relocation


def owned(document: bytes, offset: int = 0) -> np.ndarray[Any, Any]:
    """A buffer of our own that holds ``document``, ``offset`` bytes after a multiple of 64."""
    room = np.zeros(len(document) + 128, np.uint8)
    start = -room.__array_interface__["data"][0] % 64 + offset
    buffer = room[start : start + len(document)]
    buffer[:] = np.frombuffer(document, np.uint8)
    return buffer


def received(buffer: np.ndarray[Any, Any], moved: list[Relocation]) -> bytes:
    """The document that was in the buffer, by what ``Relocation`` says of itself."""
    restored = buffer.copy()
    for start, length, overwritten in moved:
        shift = len(overwritten)
        assert 0 < shift < 8
        restored[start + shift : start + shift + length] = buffer[start : start + length]
        restored[start : start + shift] = np.frombuffer(overwritten, np.uint8)
    return restored.tobytes()

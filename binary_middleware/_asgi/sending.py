"""Sending the body of a response in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from starlette.types import Send

from binary_middleware.formats.base import Buffer

SEND_CHUNK_SIZE: Final = 120 * 1024
"""Bytes in one message of a response: few messages, each below the 128 KiB from which malloc asks
the kernel for fresh pages, which would cost more than the copy."""


def slices(buffers: Sequence[Buffer], size: int = SEND_CHUNK_SIZE) -> Iterator[bytes]:
    """Cut buffers into ``bytes`` of ``size``, the last one shorter; none of them is empty.

    Args:
        buffers: flat buffers of format ``B``.
        size: bytes in a slice, at least 1.
    """
    pending: list[memoryview] = []
    room = size
    for buffer in buffers:
        view = memoryview(buffer)
        while len(view) >= room:
            pending.append(view[:room])
            view = view[room:]
            yield b"".join(pending)
            pending.clear()
            room = size
        if len(view):
            pending.append(view)
            room -= len(view)
    if pending:
        yield b"".join(pending)


async def send_body(send: Send, buffers: Sequence[Buffer]) -> None:
    """Send a whole body. Each slice is read from its buffer when it is sent."""
    left = sum(map(len, buffers))
    if left <= SEND_CHUNK_SIZE:
        await send({"type": "http.response.body", "body": b"".join(buffers), "more_body": False})
        return
    for piece in slices(buffers):
        left -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})

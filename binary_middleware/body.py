"""Bodies in and out of ASGI: a request's into one buffer, an answer's out in slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from starlette.types import Receive, Send

from binary_middleware.codec import Moved
from binary_middleware.errors import ContentTooLarge

SLICE: Final = 96 * 1024
"""Bytes in one message of an answer: under the size from which malloc asks the kernel for fresh
pages, which would cost more than the copy."""


class RequestBody:
    """The body of a request, in one buffer that is ours.

    Attributes:
        buffer: an array of ``uint8``, writable.
        moved: what decoding has moved in it.
    """

    def __init__(self, buffer: np.ndarray[Any, Any]) -> None:
        self.buffer = buffer
        self.moved: list[Moved] = []

    def __len__(self) -> int:
        return len(self.buffer)

    def received(self) -> bytes:
        """The bytes that the client sent, also after decoding, as long as no array changed."""
        if not self.moved:
            return self.buffer.tobytes()
        restored = self.buffer.copy()
        for start, length, overwritten in self.moved:
            shift = len(overwritten)
            restored[start + shift : start + shift + length] = self.buffer[start : start + length]
            restored[start : start + shift] = np.frombuffer(overwritten, np.uint8)
        return restored.tobytes()


async def read_body(
    receive: Receive, content_length: int | None, max_body_size: int
) -> RequestBody | None:
    """Read a request's body into one buffer, without a second one beside it.

    Args:
        receive: the ASGI channel, from which nothing of the body was read yet.
        content_length: what the client announced, in bytes; not more than ``max_body_size``.
        max_body_size: limit in bytes.

    Returns:
        The body, or ``None`` if the client went away before its end.

    Raises:
        ContentTooLarge: there is more than ``max_body_size``, or more than was announced.
    """
    if content_length is None:
        return await _read_unannounced(receive, max_body_size)
    buffer = np.empty(content_length, np.uint8)
    filled = 0
    more_body = True
    while more_body:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = message.get("body", b"")
        end = filled + len(chunk)
        if end > content_length:
            raise ContentTooLarge("the body is longer than its Content-Length")
        if chunk:
            buffer[filled:end] = np.frombuffer(chunk, np.uint8)
        filled = end
        more_body = message.get("more_body", False)
    return RequestBody(buffer[:filled])


async def _read_unannounced(receive: Receive, max_body_size: int) -> RequestBody | None:
    collected = bytearray()  # grows in place where the system can do that
    more_body = True
    while more_body:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = message.get("body", b"")
        if len(collected) + len(chunk) > max_body_size:
            raise body_too_large(max_body_size)
        collected += chunk
        more_body = message.get("more_body", False)
    return RequestBody(np.frombuffer(collected, np.uint8))


def body_too_large(max_body_size: int) -> ContentTooLarge:
    """The refusal of a body that is over its limit."""
    return ContentTooLarge(f"the body is over max_body_size ({max_body_size} bytes)")


def slices(buffers: Sequence[bytes | memoryview], size: int = SLICE) -> Iterator[bytes]:
    """Cut buffers into ``bytes`` of ``size``, the last one shorter; none of them empty.

    Args:
        buffers: flat, of format ``B``.
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


async def send_body(send: Send, buffers: Sequence[bytes | memoryview]) -> None:
    """Send a whole body. Each slice is read from its buffer when its turn comes."""
    left = sum(len(buffer) for buffer in buffers)
    for piece in slices(buffers):
        left -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
    if not any(len(buffer) for buffer in buffers):
        await send({"type": "http.response.body", "body": b"", "more_body": False})

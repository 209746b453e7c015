"""Bodies in and out of ASGI: a request's into one buffer, an answer's out in slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from anyio.lowlevel import checkpoint
from starlette.types import Message, Receive, Send

from binary_middleware.codec import Moved, unpack_owned, unpackb
from binary_middleware.coding import Decompressor
from binary_middleware.errors import ContentTooLarge

SLICE: Final = 96 * 1024
"""Bytes in one message of an answer: under the size from which malloc asks the kernel for fresh
pages, which would cost more than the copy."""


@cache
def keep_freed_memory() -> None:
    """Have glibc's malloc keep what bodies free, once for the process.

    By default it gives memory back to the system at each chance, and the next body pays for
    fresh pages: 537 page faults for each request of 1 MiB, close to half of its time. The
    thresholds of that rise to the size of a large block that is freed (M_MMAP_THRESHOLD in
    mallopt(3)), up to 32 MiB, as the first large body would make them do anyway. No page is
    touched here; the process may keep up to about 62 MiB of free memory. Other allocators
    take no notice.
    """
    np.empty(31 * 2**20, np.uint8)


class RequestBody:
    """The body of a request: as it came where it came in one piece, else in one buffer of ours.

    Args:
        data: the bytes.
        is_ours: whether ``data`` is a writable array of ``uint8`` that arrays may be views of.
    """

    _moved: list[Moved] | None = None

    def __init__(self, data: Any, *, is_ours: bool) -> None:
        self._data = data
        self._is_ours = is_ours

    def __len__(self) -> int:
        return len(self._data)

    def unpack(self, max_structure_size: int) -> Any:
        """The document in the body. Can be called once.

        Raises:
            DecodeError: it is not a msgpack document that we take.
            ContentTooLarge: it is nested too deeply, or holds too much structure.
        """
        if not self._is_ours:
            return unpackb(self._data, max_structure_size=max_structure_size)
        value, self._moved = unpack_owned(self._data, max_structure_size)
        return value

    def received(self) -> bytes:
        """The bytes that the client sent, also after unpacking, as long as no array changed."""
        if not self._moved:
            return bytes(self._data)
        restored = self._data.copy()
        for start, length, overwritten in self._moved:
            shift = len(overwritten)
            restored[start + shift : start + shift + length] = self._data[start : start + length]
            restored[start : start + shift] = np.frombuffer(overwritten, np.uint8)
        return bytes(restored)


async def read_body(
    receive: Receive, content_length: int | None, max_body_size: int, coding: str | None = None
) -> RequestBody | None:
    """Read a request's body, into one buffer, without a second one beside it.

    Args:
        receive: the ASGI channel, from which nothing of the body was read yet.
        content_length: what the client announced, in bytes; not more than ``max_body_size``.
        max_body_size: limit in bytes, for the body as it comes and with its coding undone.
        coding: the content coding to undo, one that ``coding`` takes.

    Returns:
        The body, or ``None`` if the client went away before its end.

    Raises:
        ContentTooLarge: there is more than ``max_body_size``, or more than was announced.
        DecodeError: the body is not in its content coding.
    """
    message = await receive()
    if coding is not None:
        return await _read_coded(receive, message, max_body_size, Decompressor(coding))
    if message["type"] != "http.request":
        return None
    chunk = message.get("body", b"")
    if not message.get("more_body", False):
        _check_size(len(chunk), content_length, max_body_size)
        return RequestBody(chunk, is_ours=False)
    if content_length is None:
        return await _read_unannounced(receive, chunk, max_body_size)
    buffer = np.empty(content_length, np.uint8)
    filled = 0
    while True:
        end = filled + len(chunk)
        _check_size(end, content_length, max_body_size)
        if chunk:
            buffer[filled:end] = np.frombuffer(chunk, np.uint8)
        filled = end
        if not message.get("more_body", False):
            return RequestBody(buffer[:filled], is_ours=True)
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = message.get("body", b"")


def _check_size(size: int, content_length: int | None, max_body_size: int) -> None:
    if content_length is not None and size > content_length:
        raise ContentTooLarge("the body is longer than its Content-Length")
    if size > max_body_size:
        raise body_too_large(max_body_size)


async def _read_unannounced(
    receive: Receive, first_chunk: bytes, max_body_size: int
) -> RequestBody | None:
    collected = bytearray()  # grows in place where the system can do that
    chunk, more_body = first_chunk, True
    while True:
        _check_size(len(collected) + len(chunk), None, max_body_size)
        collected += chunk
        if not more_body:
            return RequestBody(np.frombuffer(collected, np.uint8), is_ours=True)
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk, more_body = message.get("body", b""), message.get("more_body", False)


async def _read_coded(
    receive: Receive, message: Message, max_body_size: int, decompressor: Decompressor
) -> RequestBody | None:
    received, collected = 0, bytearray()
    while message["type"] == "http.request":
        chunk = message.get("body", b"")
        received += len(chunk)
        _check_size(received, None, max_body_size)
        for piece in decompressor.pieces(chunk):
            _check_size(len(collected) + len(piece), None, max_body_size)
            collected += piece
            await checkpoint()  # a small chunk can hold a large body, and others wait meanwhile
        if not message.get("more_body", False):
            decompressor.end()
            return RequestBody(np.frombuffer(collected, np.uint8), is_ours=True)
        message = await receive()
    return None


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
    if len(buffers) == 1 and len(buffers[0]) <= SLICE:
        await send({"type": "http.response.body", "body": bytes(buffers[0]), "more_body": False})
        return
    left = sum(map(len, buffers))
    for piece in slices(buffers):
        left -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
    if not any(map(len, buffers)):
        await send({"type": "http.response.body", "body": b"", "more_body": False})

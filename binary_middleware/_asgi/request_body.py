"""Bodies in and out of ASGI: a request's into one buffer, an answer's out in slices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from anyio.lowlevel import checkpoint
from starlette.types import Receive, Send

from binary_middleware._http.content_coding import Decompressor
from binary_middleware.errors import LimitExceeded
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import Decoded, Limits

SEND_CHUNK_SIZE: Final = 120 * 1024
"""Bytes in one message of an answer: as few messages as can be, each of them under the 128 KiB from
which malloc asks the kernel for fresh pages, which would cost more than the copy."""


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


_LOOKED_THROUGH: Final = 4 * 1024 * 1024
"""Bytes of a body that are looked through in a millisecond or two, when that may save a second."""


class RequestBody:
    """The body of a request: as it came where it came in one piece, else in one buffer of ours.

    Args:
        data: the bytes.
        is_ours: whether ``data`` is a writable array of ``uint8`` that arrays may be views of.
    """

    decoded: Decoded | None = None
    """The document, once it was decoded."""

    def __init__(self, data: Any, *, is_ours: bool) -> None:
        self._data = data
        self._is_ours = is_ours

    def __len__(self) -> int:
        return len(self._data)

    def decode(self, limits: Limits) -> Any:
        """Return the document in the body. Can be called once.

        Raises:
            DecodeError: it is not a msgpack document that we take.
            LimitExceeded: it is nested too deeply, or holds too much structure.
        """
        self.decoded = FORMAT.decode(self._data, limits, is_owned=self._is_ours)
        return self.decoded.document

    def decode_views(self, limits: Limits) -> Any:
        """Return the document in the body for ``json.to_json``, large leaves as views of it.

        Raises:
            DecodeError: it is not a msgpack document that is supported.
            LimitExceeded: it is nested too deeply, or holds too much structure.
        """
        return FORMAT.decode_views(self._data, limits)

    def may_contain(self, text: bytes) -> bool:
        """Return whether ``text`` may be among the bytes; large bodies are not looked through."""
        return (
            len(self._data) > _LOOKED_THROUGH or re.search(re.escape(text), self._data) is not None
        )

    def received(self) -> bytes:
        """The bytes that the client sent, also after unpacking, as long as no array changed."""
        if self.decoded is None or not self.decoded.relocations:
            return bytes(self._data)
        restored = self._data.copy()
        for start, length, overwritten in self.decoded.relocations:
            shift = len(overwritten)
            restored[start + shift : start + shift + length] = self._data[start : start + length]
            restored[start : start + shift] = np.frombuffer(overwritten, np.uint8)
        return bytes(restored)


class BodyReader:
    """Reads a request's body into one buffer, without a second one beside it.

    What was received is kept here, so that a reader that is cancelled can come back for the rest.
    A content coding is undone once the body is complete: a client that sends 65 kB and then
    nothing holds no more than these.

    Args:
        content_length: what the client announced, in bytes; not more than ``max_body_size``.
        max_body_size: limit in bytes, for the body as received and with its coding undone.
        coding: the content coding to undo, one that ``coding`` supports.
    """

    _received = 0
    _is_complete = False
    _buffer: np.ndarray[Any, Any] | None = None  # of the announced length
    _view = memoryview(b"")  # of that buffer
    _pieces: Iterator[bytes] | None = None  # of the body with its coding undone

    def __init__(
        self, content_length: int | None, max_body_size: int, coding: str | None = None
    ) -> None:
        self._content_length = content_length
        self._max_body_size = max_body_size
        self._decompressor = None if coding is None else Decompressor(coding)
        self._collected = bytearray()  # grows in place where the system can do that
        self._decompressed = bytearray()

    async def read(self, receive: Receive) -> RequestBody | None:
        """Read to the end of the body.

        Returns:
            The body, or ``None`` if the client went away before its end.

        Raises:
            LimitExceeded: there is more than ``max_body_size``, or more than was announced.
            DecodeError: the body is not in its content coding.
        """
        while not self._is_complete:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunk, more_body = message.get("body", b""), message.get("more_body", False)
            if not (self._received or more_body or self._decompressor):
                self._check_size(len(chunk))
                return RequestBody(chunk, is_ours=False)
            self._add(chunk)
            self._is_complete = not more_body
        if self._decompressor is not None:
            return await self._undone(self._decompressor)
        return self._whole()

    def _add(self, chunk: bytes) -> None:
        start, self._received = self._received, self._received + len(chunk)
        self._check_size(self._received)
        if self._content_length is None:
            self._collected += chunk
        elif chunk:
            if self._buffer is None:
                self._buffer = np.empty(self._content_length, np.uint8)
                self._view = self._buffer.data
            self._view[start : self._received] = chunk

    async def _undone(self, decompressor: Decompressor) -> RequestBody:
        """The body with its coding undone. A caller that is cancelled can call again."""
        if self._pieces is None:
            received = self._view[: self._received] if len(self._view) else self._collected
            self._pieces = decompressor.pieces(received)
        for piece in self._pieces:
            self._check_decompressed_size(len(self._decompressed) + len(piece))
            self._decompressed += piece
            # Small data can hold a large body, and others wait meanwhile.
            await checkpoint()
        decompressor.end()
        return RequestBody(np.frombuffer(self._decompressed, np.uint8), is_ours=True)

    def _whole(self) -> RequestBody:
        if self._buffer is not None:
            return RequestBody(self._buffer[: self._received], is_ours=True)
        return RequestBody(np.frombuffer(self._collected, np.uint8), is_ours=True)

    def _check_size(self, size: int) -> None:
        if self._content_length is not None and size > self._content_length:
            raise LimitExceeded("the body is longer than its Content-Length")
        self._check_decompressed_size(size)

    def _check_decompressed_size(self, size: int) -> None:
        if size > self._max_body_size:
            raise LimitExceeded(over_max_body_size(self._max_body_size))


def over_max_body_size(max_body_size: int) -> str:
    """Return the message of the error for a body that is over its limit."""
    return f"the body is over max_body_size ({max_body_size} bytes)"


def slices(buffers: Sequence[bytes | memoryview], size: int = SEND_CHUNK_SIZE) -> Iterator[bytes]:
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
    left = sum(map(len, buffers))
    if left <= SEND_CHUNK_SIZE:
        await send({"type": "http.response.body", "body": b"".join(buffers), "more_body": False})
        return
    for piece in slices(buffers):
        left -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})

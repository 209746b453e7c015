"""The body of a request, read into one buffer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from anyio.lowlevel import checkpoint
from starlette.types import Receive

from binary_middleware._http.content_coding import Decompressor
from binary_middleware.errors import LimitExceeded
from binary_middleware.formats import FORMAT, json
from binary_middleware.formats.base import Decoded, Limits
from binary_middleware.options import BinaryOptions

MAX_SEARCHED_SIZE: Final = 4 * 1024 * 1024
"""Bytes of a body that are searched, in a millisecond or two, where that may save a second."""

_ARRAY_KEY: Final = re.compile(b"data")
"""The key that each string-keyed map of an array has."""


class RequestBody:
    """A request body: the bytes as received in one chunk, otherwise one buffer that we own.

    Args:
        data: the bytes.
        is_owned: whether ``data`` is a writable array of ``uint8`` that arrays may be views of.
    """

    decoded: Decoded | None = None
    """The document, once it is decoded."""

    def __init__(self, data: Any, *, is_owned: bool) -> None:
        self._data = data
        self._is_owned = is_owned

    def __len__(self) -> int:
        return len(self._data)

    def decode(self, limits: Limits) -> Decoded:
        """Decode the document in the body. Can be called once.

        Raises:
            DecodeError: the body is not a document, or holds something that is refused.
            LimitExceeded: the document is nested too deeply, or holds too much structure.
        """
        self.decoded = FORMAT.decode(self._data, limits, is_owned=self._is_owned)
        return self.decoded

    def to_json(self, options: BinaryOptions) -> bytes:
        """Return the document in the body as JSON text.

        Raises:
            DecodeError: the body is not a document, or holds something that is refused.
            LimitExceeded: the document is over one of the limits in ``options``.
        """
        data = self._data if self.decoded is None else self.received()
        # Large bodies are not searched.
        may_hold_maps = len(data) > MAX_SEARCHED_SIZE or _ARRAY_KEY.search(data) is not None
        return json.to_json(
            FORMAT.decode_views(data, options.limits),
            max_size=options.json_size_limit,
            max_structure_size=options.max_structure_size,
            may_hold_maps=may_hold_maps,
        )

    def received(self) -> bytes:
        """Return the bytes as received, also after decoding if no array was changed since."""
        if self.decoded is None or not self.decoded.relocations:
            return bytes(self._data)
        restored = self._data.copy()
        for start, length, overwritten in self.decoded.relocations:
            shift = len(overwritten)
            restored[start + shift : start + shift + length] = self._data[start : start + length]
            restored[start : start + shift] = np.frombuffer(overwritten, np.uint8)
        return bytes(restored)


class BodyReader:
    """Reads the body of a request into one buffer, without a second one beside it.

    Received chunks are kept here, so that a caller that was cancelled can call again for the rest.
    A content coding is undone once the body is complete: a client that sends 65 kB and then nothing
    holds no more than these.

    Args:
        content_length: the announced length in bytes, at most ``max_body_size``.
        max_body_size: limit in bytes, for the body as received and with its coding undone.
        coding: the content coding to undo, one that ``Decompressor`` supports.
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
        """Read the body to its end.

        Returns:
            The body, or ``None`` if the client disconnected before its end.

        Raises:
            LimitExceeded: the body is longer than ``max_body_size`` or its Content-Length.
            DecodeError: the body is not in its content coding.
        """
        while not self._is_complete:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunk, more_body = message.get("body", b""), message.get("more_body", False)
            if not (self._received or more_body or self._decompressor):
                self._check_size(len(chunk))
                return RequestBody(chunk, is_owned=False)
            self._add(chunk)
            self._is_complete = not more_body
        if self._decompressor is not None:
            return await self._decompress(self._decompressor)
        if self._buffer is not None:
            return RequestBody(self._buffer[: self._received], is_owned=True)
        return RequestBody(np.frombuffer(self._collected, np.uint8), is_owned=True)

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

    async def _decompress(self, decompressor: Decompressor) -> RequestBody:
        """Undo the content coding. A caller that was cancelled can call again."""
        if self._pieces is None:
            received = self._view[: self._received] if len(self._view) else self._collected
            self._pieces = decompressor.pieces(received)
        for piece in self._pieces:
            self._check_decompressed_size(len(self._decompressed) + len(piece))
            self._decompressed += piece
            # A small body can decompress to a large one, and other requests wait meanwhile.
            await checkpoint()
        decompressor.end()
        return RequestBody(np.frombuffer(self._decompressed, np.uint8), is_owned=True)

    def _check_size(self, size: int) -> None:
        if self._content_length is not None and size > self._content_length:
            raise LimitExceeded("the body is longer than its Content-Length")
        self._check_decompressed_size(size)

    def _check_decompressed_size(self, size: int) -> None:
        if size > self._max_body_size:
            raise LimitExceeded(over_max_body_size(self._max_body_size))


def over_max_body_size(max_body_size: int) -> str:
    """Return the message of the error for a body over its limit in bytes."""
    return f"the body is over max_body_size ({max_body_size} bytes)"

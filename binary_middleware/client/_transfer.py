"""Bodies in transit: uploads in slices of their own memory, downloads into one buffer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from binary_middleware._asgi.sending import slices
from binary_middleware.client._limits import announced_length
from binary_middleware.formats.base import Buffer


class TransferProgress(NamedTuple):
    """The progress of a body in transit."""

    direction: Literal["upload", "download"]
    """Whether it is the body of the request or of the response."""
    done: int
    """Bytes sent or received. It starts again when a body is sent again, after a redirect or for
    authentication."""
    total: int | None
    """Bytes of the whole body, ``None`` if the server did not announce them or compressed it."""


ProgressCallback = Callable[[TransferProgress], object]
"""Called for each slice of a body, in the thread or task of the call."""


class Upload:
    """A body that is sent from the memory it is in, and can be sent again.

    Args:
        buffers: the body.
        progress: called for each slice that was sent.
    """

    def __init__(self, buffers: Sequence[Buffer], progress: ProgressCallback | None) -> None:
        self.length = sum(map(len, buffers))
        self._buffers = buffers
        self._progress = progress

    def slices(self) -> Iterator[bytes]:
        """Return the whole body, each slice read when it is asked for."""
        done = 0
        for piece in slices(self._buffers):
            yield piece
            done += len(piece)
            if self._progress is not None:  # whoever asks for the next slice has sent this one
                self._progress(TransferProgress("upload", done, self.length))


# Two classes, because httpx treats a body that is iterable in both ways as a blocking one; and no
# generators, because it refuses to send these again.


class BlockingUpload(Upload):
    """An upload for a blocking client."""

    def __iter__(self) -> Iterator[bytes]:
        return self.slices()


class AsyncUpload(Upload):
    """An upload for an async client."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.slices():
            yield piece


class Download:
    """The body of a response, collected in one buffer of its announced length.

    Without a length, or with a content coding, the buffer grows.

    Args:
        response: httpx's response.
        progress: called for each slice that was received.
    """

    def __init__(self, response: Any, progress: ProgressCallback | None) -> None:
        self.response = response
        self._progress = progress
        headers = response.headers
        self._total = None if headers.get("content-encoding") else announced_length(headers)
        self._buffer: np.ndarray[Any, Any] | None = None
        self._overflow = bytearray()
        self._done = 0

    def add(self, chunk: bytes) -> None:
        """Append a chunk, content-decoded."""
        start, self._done = self._done, self._done + len(chunk)
        if self._total is not None and self._buffer is None:
            self._allocate(self._total)
        if self._buffer is not None and self._done <= len(self._buffer):
            self._buffer[start : self._done] = np.frombuffer(chunk, np.uint8)
        else:
            self._outgrow(start)
            self._overflow += chunk
        if self._progress is not None:
            self._progress(TransferProgress("download", self._done, self._total))

    def _allocate(self, size: int) -> None:
        try:
            self._buffer = np.empty(size, np.uint8)
        except MemoryError:  # the announced length may be wrong, and the body small
            self._total = None

    def _outgrow(self, filled: int) -> None:
        """Continue in a growing buffer, because no length or a wrong one was announced."""
        if self._buffer is not None:
            self._overflow += self._buffer[:filled].data
            self._buffer = self._total = None

    def body(self) -> np.ndarray[Any, Any]:
        """Return the bytes as a writable array of ``uint8`` that the caller owns."""
        if self._buffer is not None:
            return self._buffer[: self._done]
        return np.frombuffer(self._overflow, np.uint8)

"""The request of an exchange: who reads its body, and as text or as objects.

All transitions between its states happen in :class:`RequestChannel`::

    UNREAD       --claim-->         CLAIMED
    UNREAD       --read-->          READING    --transcode-->  TRANSCODED
                                    READING    --lose-->       LOST
    UNREAD       --pass_through-->  PASSTHROUGH
    UNREAD, PASSTHROUGH  --restart-->  UNREAD or PASSTHROUGH

Whatever else is called leaves the state as it is.
"""

from __future__ import annotations

from enum import StrEnum, auto
from time import perf_counter
from typing import Final

from starlette.types import Receive

from binary_middleware._asgi.request_body import BodyReader, RequestBody
from binary_middleware._http.headers import RequestHeaders
from binary_middleware.formats.base import Decoded
from binary_middleware.options import BinaryOptions


class RequestState(StrEnum):
    """The states of a request."""

    UNREAD = auto()
    """A binary body that nobody has asked for."""
    READING = auto()
    """The app asked for the body as JSON text, and it is being received."""
    TRANSCODED = auto()
    """The app received the body as JSON text. A route may ask for its document all the same."""
    CLAIMED = auto()
    """A route reads the body as objects. The app receives the server's messages."""
    LOST = auto()
    """The body was rejected, or the client disconnected. The app receives the server's messages."""
    PASSTHROUGH = auto()
    """The body is not converted. The app receives the server's messages."""


# Bound once, as Python 3.11 looks members of an Enum up slowly.
UNREAD: Final = RequestState.UNREAD
READING: Final = RequestState.READING
TRANSCODED: Final = RequestState.TRANSCODED
CLAIMED: Final = RequestState.CLAIMED
LOST: Final = RequestState.LOST
PASSTHROUGH: Final = RequestState.PASSTHROUGH


class RequestChannel:
    """The request of an exchange.

    Args:
        method: the method.
        head: the headers.
        is_binary: whether the body is in a binary format.
    """

    state = UNREAD
    body: RequestBody | None = None
    """The body, once it is read. It is kept until the exchange ends."""
    size: int | None = None
    """Bytes of the body, with its content coding undone, once it is read."""
    read_seconds = 0.0
    """Time to receive the body."""
    decode_seconds = 0.0
    """Time to decode the body, or to transcode it to JSON text."""
    _text: bytes | None = None
    _reader: BodyReader | None = None

    def __init__(self, method: str, head: RequestHeaders, is_binary: bool) -> None:
        self.method = method
        self.began = perf_counter()
        self._head = head
        if not is_binary:
            self.state = PASSTHROUGH

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has begun to read the body, or claimed it."""
        return self.state is UNREAD or self.state is PASSTHROUGH

    def restart(self, head: RequestHeaders, is_binary: bool) -> None:
        """Begin again under another plan, while nobody has begun to read."""
        self.state = UNREAD if is_binary else PASSTHROUGH
        self._head = head

    def pass_through(self) -> None:
        """Give the app the server's messages from now on."""
        if self.state is UNREAD:
            self.state = PASSTHROUGH

    @property
    def is_claimed(self) -> bool:
        """Whether the body was claimed."""
        return self.state is CLAIMED

    def claim(self) -> bool:
        """Claim the body as objects; return whether it is the caller's."""
        if self.state is not UNREAD:
            return False
        self.state = CLAIMED
        return True

    def lose(self) -> None:
        """Give up a body that was rejected, or whose client disconnected."""
        if self.state is READING:
            self.state = LOST

    async def read(self, receive: Receive, options: BinaryOptions) -> bool:
        """Read the body to its end. A caller that was cancelled can call again.

        Args:
            receive: the channel that the body is received on.
            options: the options in force.

        Returns:
            Whether the whole body was read: not if the client disconnected.

        Raises:
            DecodeError: the body is malformed, or holds a value that is refused.
            LimitExceeded: the body is over a limit.
        """
        if self.state is UNREAD:
            self.state = READING
        if self.body is None:
            began, reader = perf_counter(), self._reader
            if reader is None:
                head = self._head
                reader = self._reader = BodyReader(
                    head.content_length,
                    options.max_body_size,
                    head.codings[0] if head.codings else None,
                )
            body = await reader.read(receive)
            self._reader = None
            self.read_seconds = perf_counter() - began
            if body is not None:
                self.body = body
                self.size = len(body)
        return self.body is not None

    def transcode(self, options: BinaryOptions) -> bytes:
        """Return the JSON text of a body that was read.

        Raises:
            DecodeError: the body is malformed, or holds a value that is refused.
            LimitExceeded: the body is over a limit.
        """
        began = perf_counter()
        body = self.body
        assert body is not None, "the body was not read"
        text = body.to_json(options) if len(body) else b""
        if self.state is READING:
            self.state = TRANSCODED
            self._text = text
            self.decode_seconds = perf_counter() - began
        return text

    def is_text(self, text: bytes) -> bool:
        """Return whether ``text`` is what the app received, and not empty."""
        return bool(text) and text == self._text

    @property
    def is_decoded(self) -> bool:
        """Whether the body was decoded."""
        return self.body is not None and self.body.decoded is not None

    def decode(self, options: BinaryOptions) -> Decoded:
        """Return the document in a body that was read, and the facts about it.

        Raises:
            DecodeError: the body is malformed, or holds a value that is refused.
            LimitExceeded: the body is over a limit.
        """
        body = self.body
        assert body is not None, "the body was not read"
        if body.decoded is None:
            began = perf_counter()
            decoded = body.decode(options.limits)
            self.decode_seconds = perf_counter() - began
            return decoded
        return body.decoded

    def release(self) -> None:
        """Free the body."""
        self.body = self._text = None

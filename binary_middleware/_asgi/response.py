"""The response of an exchange: sent as it is, or held back to be converted."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum, auto
from operator import itemgetter
from time import perf_counter
from typing import Any, Final, NamedTuple

from starlette.types import Message, Send

from binary_middleware._asgi.request import RequestChannel
from binary_middleware._asgi.sending import send_body
from binary_middleware._http.content_coding import decompress
from binary_middleware._http.headers import (
    ADAPTED,
    Headers,
    content_codings_of,
    converted,
    is_convertible,
    not_modified,
    with_binary_etag,
    with_server_timing,
    with_vary,
)
from binary_middleware._http.negotiation import Plan
from binary_middleware.errors import DecodeError, EncodeError
from binary_middleware.formats import FORMAT, json
from binary_middleware.formats.base import Buffer, Variant
from binary_middleware.options import BinaryOptions

_name: Final = itemgetter(0)
_OTHER_BODIES: Final = ("http.response.pathsend", "http.response.zerocopysend")


class BufferedResponse:
    """A response that is held back until it is complete, or too large to be held back.

    A subclass may send another response instead once it is complete.

    Args:
        send: the channel to the client.
        max_size: bytes of the body that are held back.
    """

    _start: Message | None = None  # while the response is held back
    _size = 0

    def __init__(self, send: Send, max_size: int) -> None:
        self._send = send
        self._max_size = max_size
        self._chunks: list[bytes] = []

    def hold(self, start: Message) -> None:
        """Hold back the response that starts with ``start``, whose headers are a list."""
        self._start = start

    async def send(self, message: Message) -> None:
        """Hold back or forward what follows the start of the response."""
        start, kind = self._start, message["type"]
        if start is None:
            await self._send(message)
        elif kind == "http.response.body":
            chunk = message.get("body", b"")
            if chunk:
                self._chunks.append(chunk)
                self._size += len(chunk)
            if not message.get("more_body", False):
                replacement = self.replacement(start)
                if replacement is None:
                    await self._release(start, more_body=False)
                else:
                    self._start = None
                    self._chunks.clear()
                    await self._send(replacement[0])
                    await send_body(self._send, replacement[1])
            elif self._size > self._max_size:
                await self._release(start, more_body=True)
        else:
            if kind in _OTHER_BODIES:
                await self._release(start, more_body=True)
            await self._send(message)

    async def _release(self, start: Message, *, more_body: bool) -> None:
        """Send what was held back as the app sent it."""
        self._start = None
        await self._send(self.unchanged(start))
        if self._chunks or not more_body:
            body = self.body()
            self._chunks.clear()
            await self._send({"type": "http.response.body", "body": body, "more_body": more_body})

    def body(self) -> bytes:
        """Return the body that was held back."""
        return b"".join(self._chunks)

    def text(self, start: Message) -> bytes | None:
        """Return the body without its content coding, ``None`` if corrupt or over the limit."""
        codings = content_codings_of(start)
        if not codings:
            return self.body()
        try:
            return decompress(self.body(), codings[0], self._max_size)
        except DecodeError:
            return None

    def replacement(self, start: Message) -> tuple[Message, Sequence[Buffer]] | None:
        """Return the start and the body to send instead, ``None`` to send what was held back."""
        raise NotImplementedError

    def unchanged(self, start: Message) -> Message:
        """Return the start to send if the body is not replaced."""
        return start


class ResponseState(StrEnum):
    """The states of a response."""

    WAITING = auto()
    """Nothing is sent; a JSON response may be held back."""
    STARTED = auto()
    """The start is sent. What follows is forwarded."""
    DELEGATED = auto()
    """Middleware further in is in charge, or there is no binary mode. All is forwarded."""


# Bound once, as Python 3.11 looks members of an Enum up slowly.
WAITING: Final = ResponseState.WAITING
STARTED: Final = ResponseState.STARTED
DELEGATED: Final = ResponseState.DELEGATED


class _KeptDocument(NamedTuple):
    """The document of a response that is sent as JSON, for middleware to see."""

    document: Any
    text: bytes


class ResponseChannel:
    """The response of an exchange.

    Args:
        send: the server's channel.
        plan: the negotiated plan.
        options: the options in force.
        request: the request that this is the response to.
    """

    state = WAITING
    status: int | None = None
    """The status, once the response started."""
    size: int | None = None
    """Bytes of the binary body, once it is packed."""
    encode_seconds = 0.0
    """Time to encode the body, or to convert it from JSON text."""
    own_headers: Headers | None = None
    """The headers of a binary response of a route."""
    _kept: _KeptDocument | None = None
    _held: ConvertedResponse | None = None
    forward: Send
    """The server's channel."""

    def __init__(
        self, send: Send, plan: Plan, options: BinaryOptions, request: RequestChannel
    ) -> None:
        self.plan = plan
        self.options = options
        self.request = request
        self.forward = send

    @property
    def variant(self) -> Variant:
        """The variant of a binary response."""
        assert self.plan.variant is not None
        return self.plan.variant

    async def send(self, message: Message) -> None:
        """Send, convert or hold back a message of the app."""
        if message["type"] == "http.response.start":
            if not isinstance(message.get("headers"), list):
                # ASGI allows any iterable, also one that can be read only once.
                message = {**message, "headers": list(message.get("headers", ()))}
            if self.plan.variant is not None and is_convertible(message):
                self._held = ConvertedResponse(self, message, self._kept)
            else:
                await self.forward(self.start(message))
        elif self._held is not None:
            await self._held.send(message)
        else:
            await self.forward(message)

    def begin(self, start: Message) -> None:
        """Note that the response starts."""
        self.state = STARTED
        self.status = start["status"]

    def start(self, message: Message) -> Message:
        """Return the start to send for one of the app, and note that the response starts."""
        self.begin(message)
        if message["status"] == 304 and self.plan.variant is not None:
            message = not_modified(message, self.plan.variant)
        return with_vary(message, self.plan.vary)

    def pack(self, document: Any) -> Sequence[Buffer]:
        """Pack a document for the client.

        Raises:
            EncodeError: the format cannot hold it.
        """
        began, variant = perf_counter(), self.plan.variant
        assert variant is not None
        buffers = FORMAT.encode(document, variant)
        if self.options.copy_response:
            buffers = [b"".join(buffers)]
        self.size = sum(map(len, buffers))
        self.encode_seconds = perf_counter() - began
        return buffers

    def keep_document(self, document: Any, text: bytes) -> None:
        """Keep a document to be packed if the response is its JSON text."""
        self._kept = _KeptDocument(document, text)

    def adopt(self, headers: Headers) -> Headers:
        """Return the headers of a binary response of a route, which is then sent as it is."""
        if self.options.server_timing or not ADAPTED.isdisjoint(map(_name, headers)):
            headers = [field for field in headers if field[0] != b"accept-ranges"]
            start = with_binary_etag({"headers": headers}, self.variant)
            headers = self.with_timing(with_vary(start, self.plan.vary))["headers"]
        else:
            headers = [*headers, self.plan.vary]
        self.own_headers = headers
        return headers

    def with_timing(self, start: Message) -> Message:
        """Return the start of a binary response, with ``Server-Timing`` if that is asked for."""
        if not self.options.server_timing:
            return start
        read, decode = self.request.read_seconds, self.request.decode_seconds
        return with_server_timing(
            start,
            read=read,
            decode=decode,
            app=perf_counter() - self.request.began - read - decode - self.encode_seconds,
            encode=self.encode_seconds,
        )

    def release(self) -> None:
        """Free the documents that are held."""
        self._kept = self._held = None


class ConvertedResponse(BufferedResponse):
    """A JSON response that is sent in the binary format, if that can hold it.

    Args:
        channel: the response of the exchange.
        start: the start of the response, whose headers are a list.
        kept: the document that the route sends as JSON, if it does.
    """

    def __init__(
        self, channel: ResponseChannel, start: Message, kept: _KeptDocument | None
    ) -> None:
        max_size = channel.options.max_response_size
        if kept is not None:  # which is in memory already
            max_size = max(max_size, len(kept.text))
        super().__init__(channel.forward, max_size)
        self._start = start
        self._channel = channel
        self._kept = kept

    def replacement(self, start: Message) -> tuple[Message, Sequence[Buffer]] | None:
        """Return the binary response, ``None`` if the body is not JSON or cannot be packed."""
        channel, variant = self._channel, self._channel.variant
        buffers: Sequence[Buffer] = ()
        if self._size or channel.request.method != "HEAD":
            began = perf_counter()
            text = self.text(start)
            try:
                if text is None:
                    return None
                if self._kept is not None and text == self._kept.text:
                    buffers = channel.pack(self._kept.document)
                else:
                    buffers = FORMAT.encode(json.from_json(text), variant)
            except (EncodeError, DecodeError):
                return None
            channel.size = sum(map(len, buffers))
            channel.encode_seconds = perf_counter() - began
        start = converted(start, variant, channel.size)
        return channel.start(channel.with_timing(start)), buffers

    def unchanged(self, start: Message) -> Message:
        """Return the start of the JSON response, with ``Vary``."""
        return self._channel.start(start)

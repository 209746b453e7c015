"""Starlette's ``Request`` and ``Response`` on the object lane."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from binary_middleware.body import send_body
from binary_middleware.exchange import SCOPE_KEY, Exchange


class BinaryRequest(Request):
    """A request whose msgpack body was taken from its exchange.

    ``json()`` gives the decoded object, with bytes and arrays in it. ``body()`` and ``stream()``
    give what the client sent, byte for byte; once ``json()`` was called, as long as no array in
    it was changed.
    """

    def __init__(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self.exchange = exchange

    async def read(self) -> None:
        """Read the body into the exchange.

        Raises:
            ClientDisconnect: the client went away before its end.
            RequestError: the body is refused.
        """
        if not await self.exchange.read(self._receive):
            self._is_disconnected = True
            raise ClientDisconnect

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            await self.read()
            self._stream_consumed = True
            self._body = self.exchange.body.received()
        return self._body

    async def stream(self) -> AsyncGenerator[bytes, None]:
        yield await self.body()
        yield b""

    async def json(self) -> Any:
        if not self.exchange.was_read:
            await self.read()
        return self.exchange.value()


class BinaryResponse(Response):
    """An answer in msgpack, sent from its buffers in slices.

    Args:
        buffers: the document, as ``codec.pack_buffers`` gives it.
        media_type: its Content-Type.
        status_code: the status.
        raw_headers: further header fields; Content-Type and Content-Length are left out.
        background: what runs after the answer.
    """

    def __init__(
        self,
        buffers: Sequence[bytes | memoryview],
        media_type: str,
        *,
        status_code: int = 200,
        raw_headers: Sequence[tuple[bytes, bytes]] = (),
        background: BackgroundTask | None = None,
    ) -> None:
        self.buffers = buffers
        self.status_code = status_code
        self.media_type = media_type
        self.background = background
        length = sum(map(len, buffers))
        self.raw_headers = [
            (b"content-length", str(length).encode()),
            (b"content-type", media_type.encode("latin-1")),
        ]
        self.raw_headers += further_headers(raw_headers)

    @property
    def body(self) -> bytes:  # joined only for those who ask
        return b"".join(self.buffers)

    @body.setter
    def body(self, body: bytes) -> None:
        self.buffers = [body]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope.get(SCOPE_KEY)
        headers = self.raw_headers
        if isinstance(exchange, Exchange):
            headers = exchange.take_answer(headers)
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send_body(send, self.buffers)
        if self.background is not None:
            await self.background()


def further_headers(raw_headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Header fields without those that a response makes of its own body."""
    own = (b"content-length", b"content-type")
    return [field for field in raw_headers if field[0].lower() not in own]

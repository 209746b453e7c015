"""The request of a route, with objects instead of JSON text."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from binary_middleware._compat import has_receive, set_receive
from binary_middleware.fastapi._compat import NO_BODY
from binary_middleware.lane import Exchange, claim_body, document_of_text, read_document


class BinaryRequest(Request):
    """A request whose binary body is claimed.

    ``json()`` returns the decoded document, with bytes and arrays. ``body()`` and ``stream()``
    return the bytes that the client sent; after ``json()``, provided that no array in the document
    was changed.

    Before ``json()``, FastAPI's handler calls ``body()``, only to see whether there is a body. That
    call returns one byte, because the bytes themselves would cost a copy.
    """

    exchange: Exchange
    _is_probing = True
    _bytes: bytes | None = None

    async def body(self) -> bytes:
        if self._bytes is None:
            await self._read()
            if self._is_probing:
                return b"\xc1" if len(self.exchange.body) else b""
            self._bytes = self.exchange.body.received()
        return self._bytes

    async def stream(self) -> AsyncGenerator[bytes, None]:
        yield await self.body()
        yield b""

    async def json(self) -> Any:
        self._is_probing = False
        await self._read()
        return self.exchange.value()

    async def _read(self) -> None:
        if not await self.exchange.read(self.receive):
            raise ClientDisconnect

    async def document(self) -> Any:
        """Return the decoded body, ``NO_BODY`` if it is empty, as FastAPI's handler reads it.

        Raises:
            HTTPException: the body cannot be read or decoded.
        """
        self._is_probing = False
        try:
            return await read_document(self.exchange, self.receive, default=NO_BODY)
        except HTTPException:
            raise
        except Exception as exc:
            raise HTTPException(400, "There was an error parsing the body") from exc


class TextRequest(Request):
    """A request whose binary body is read as JSON text, which middleware may have seen or changed.

    ``json()`` returns the document that the client sent, unless the text was changed.
    """

    exchange: Exchange

    async def json(self) -> Any:
        document = document_of_text(self.exchange, await self.body(), default=_CHANGED)
        return await super().json() if document is _CHANGED else document


_CHANGED: Final = object()


class _Classes(NamedTuple):
    """The classes that replace an app's own class of requests."""

    claimed: type[Request] | None
    """For a claimed body; ``None`` if the app's class overrides how a body is read."""
    text: type[Request]
    """For a body that is read as JSON text."""


@lru_cache(maxsize=256)
def _request_classes(kind: type[Request]) -> _Classes:
    if kind is Request:
        return _Classes(BinaryRequest, TextRequest)
    binary, text = (type(kind.__name__, (kind, each), {}) for each in (BinaryRequest, TextRequest))
    overrides = any(getattr(kind, name) is not getattr(Request, name) for name in _READERS)
    return _Classes(None if overrides else binary, text)


_READERS: Final = ("body", "json", "stream", "receive")


def claim_request(exchange: Exchange, request: Request) -> Request:
    """Return a request for a binary body, or ``request`` itself if its body is not binary.

    It is a :class:`BinaryRequest`, or a :class:`TextRequest` if middleware may look at the body or
    if the app's class of requests overrides how a body is read.
    """
    if exchange.plan.request is None:
        return request
    classes = _request_classes(type(request))
    receive, kind = request.receive, classes.text
    if classes.claimed is None or not has_receive(request):
        exchange.compares_text = True
    elif claim_body(exchange, receive):
        kind = classes.claimed
    claimed: Request = kind.__new__(kind)  # the app's class may have an ``__init__``
    vars(claimed).update(vars(request), exchange=exchange)
    if kind is classes.claimed:
        set_receive(request, _as_text(exchange, receive))
    return claimed


def _as_text(exchange: Exchange, receive: Receive) -> Receive:
    """Return the channel for whoever reads a request after its body was claimed, as JSON text.

    Those are exception handlers, and whatever the app wraps around the handlers of its routes.
    """
    is_sent = False

    async def receive_text() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        if not await exchange.read(receive):
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": exchange.text(), "more_body": False}

    return receive_text

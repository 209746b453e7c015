"""The request of a route: objects instead of JSON text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

from fastapi.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from binary_middleware._asgi.exchange import Exchange
from binary_middleware.fastapi._compat import NO_BODY
from binary_middleware.starlette._request import BinaryRequest, TextRequest, take_body


class RouteRequest(BinaryRequest):
    """What FastAPI's handler reads from: it asks for ``body()`` first, to see if there is one.

    That first call, until ``json()`` is called, is answered with one byte that stands for all:
    the bytes themselves would cost a copy, and are thrown away.
    """

    _only_whether_there_is_one = True

    async def body(self) -> bytes:
        if self._only_whether_there_is_one:
            await self.read()
            return b"\xc1" if len(self.exchange.body) else b""
        return await super().body()

    async def json(self) -> Any:
        self._only_whether_there_is_one = False
        return await super().json()

    async def document(self) -> Any:
        """The decoded body, ``NO_BODY`` if it is empty, as FastAPI's handler asks for it.

        Raises:
            HTTPException: what FastAPI makes of a body that cannot be read or decoded.
        """
        exchange = self.exchange
        try:
            await self.read()
            if not len(exchange.body):
                return NO_BODY
            self._only_whether_there_is_one = False
            return exchange.value()
        except HTTPException:
            raise
        except Exception as exc:
            raise HTTPException(400, "There was an error parsing the body") from exc


class _Classes(NamedTuple):
    """The classes that stand for an app's own class of requests."""

    taken: type[Request] | None
    """For a body that was taken; ``None`` if the app's class reads bodies in a way of its own."""
    text: type[Request]
    """For a body that is read as JSON text."""


@lru_cache(maxsize=256)
def _request_classes(kind: type[Request]) -> _Classes:
    if kind is Request:
        return _Classes(RouteRequest, TextRequest)
    taken, text = (type(kind.__name__, (kind, read), {}) for read in (RouteRequest, TextRequest))
    own_way = any(getattr(kind, name) is not getattr(Request, name) for name in _READERS)
    return _Classes(None if own_way else taken, text)


_READERS: Final = ("body", "json", "stream", "receive")


def take(exchange: Exchange, request: Request) -> Request:
    """Return the request with its msgpack body taken as it is; ``request`` if it has none.

    Where somebody may have looked at the body, or the app's class of requests reads it in its own
    way, it is read as JSON text that stands for it.
    """
    if exchange.plan.request is None:
        return request
    classes = _request_classes(type(request))
    is_taken = classes.taken is not None and take_body(exchange, request.receive)
    request_class: Any = classes.taken if is_taken else classes.text
    taken: Request = request_class.__new__(request_class)  # the app's may have an ``__init__``
    vars(taken).update(vars(request), exchange=exchange)
    exchange.compares_text = not is_taken
    if is_taken:
        request._receive = _as_text(exchange, request.receive)
    return taken


def _as_text(exchange: Exchange, receive: Receive) -> Receive:
    """The channel for those who read the request after its body was taken, as JSON text.

    These are exception handlers, and what the app wraps around the handler of its routes.
    """
    was_sent = False

    async def receive_text() -> Message:
        nonlocal was_sent
        if was_sent:
            return await receive()
        was_sent = True
        if not await exchange.read(receive):
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": exchange.text(), "more_body": False}

    return receive_text

"""The request of a route: objects instead of JSON text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from fastapi.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from binary_middleware import transcode
from binary_middleware.codec import unpack_views
from binary_middleware.errors import RequestError
from binary_middleware.exchange import Exchange
from binary_middleware.fastapi.internals import NO_BODY
from binary_middleware.starlette.request import BinaryRequest, TextRequest, take_body


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


@lru_cache(maxsize=256)
def _request_class(kind: type[Request], read: type[Request]) -> type[Request]:
    """Return the class that stands for an app's own class of requests.

    It reads as ``read`` does, where the app's class does not read in a way of its own.
    """
    return type(kind.__name__, (kind, read), {}) if kind is not Request else read


def _reads_its_own_way(kind: type[Request]) -> bool:
    return any(getattr(kind, name) is not getattr(Request, name) for name in _READERS)


_READERS: Final = ("body", "json", "stream", "receive")


def take(exchange: Exchange, request: Request) -> Request:
    """Return the request with its msgpack body taken as it is; ``request`` if it has none.

    Where somebody may have looked at the body, or the app's class of requests reads it in its own
    way, it is read as JSON text that stands for it.
    """
    if exchange.plan.request is None:
        return request
    kind = type(request)
    if _reads_its_own_way(kind) or not take_body(exchange, request.receive):
        read: type[Request] = TextRequest
    else:
        read = RouteRequest
    request_class = _request_class(kind, read)
    taken = request_class.__new__(request_class)  # the app's own may have an ``__init__``
    vars(taken).update(vars(request), exchange=exchange)
    if read is RouteRequest:
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
        received = exchange.body.received()
        text = b""
        if received:
            limits = exchange.options
            try:
                text = transcode.to_json(
                    unpack_views(received, limits.max_structure_size),
                    max_size=limits.json_size_limit,
                    max_structure_size=limits.max_structure_size,
                )
            except RequestError as exc:
                exchange.error = exc
                raise
        return {"type": "http.request", "body": text, "more_body": False}

    return receive_text

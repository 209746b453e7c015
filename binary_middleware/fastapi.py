"""The object lane for FastAPI: ``BinaryRoute`` and ``enable``.

A route builds two handlers. JSON clients get FastAPI's own, unchanged. The other is FastAPI's as
well, built while a stand-in is in the place of the response field: it dumps the answer in python
mode, so that bytes and arrays stay what they are, and hands the document to the route inside an
empty ``bytes`` object, which Starlette's ``Response`` keeps as its body and the route finds there.
Nothing of this is visible to an endpoint, to a model or to the OpenAPI document.
"""

from __future__ import annotations

import json
from abc import ABCMeta
from collections.abc import Callable, Coroutine
from functools import lru_cache
from inspect import signature
from typing import Any, Final

try:
    import fastapi.routing
    from fastapi import FastAPI
    from fastapi.datastructures import DefaultPlaceholder
    from fastapi.encoders import jsonable_encoder
    from fastapi.exceptions import RequestValidationError
    from fastapi.params import Form
    from fastapi.routing import APIRoute, APIRouter
except ImportError as exc:  # pragma: no cover  # tested in a subprocess
    raise ImportError(
        "binary_middleware.fastapi needs FastAPI: pip install 'binary-middleware[fastapi]'"
    ) from exc

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from binary_middleware import transcode
from binary_middleware.codec import key_text, pack_buffers, unpackb
from binary_middleware.errors import EncodeError
from binary_middleware.exchange import SCOPE_KEY, Exchange, problem_response
from binary_middleware.fields import is_array_like
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.starlette import BinaryRequest, BinaryResponse
from binary_middleware.summary import summarize_errors, summarize_input

__all__ = ["BinaryRoute", "enable"]

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


# -- the answer: a document instead of text --------------------------------------------------------


class Document(bytes):
    """What the stand-in hands over in the place of JSON text: empty, with an object at its side."""

    value: Any
    to_json: Callable[[], bytes]

    @classmethod
    def of(cls, value: Any, to_json: Callable[[], bytes]) -> Document:
        """The document ``value``, and how to write it as JSON should msgpack not carry it."""
        document = cls()
        document.value = value
        document.to_json = to_json
        return document


class _StandIn:
    """Stands in the place of a route's response field, for FastAPI's ``serialize_response``."""

    def __init__(self, field: Any) -> None:
        self.field = field
        self.validate = field.validate

    def serialize_json(self, value: Any, **how: Any) -> bytes:
        document = self.field.serialize(value, mode="python", **how)
        return Document.of(document, lambda: self.field.serialize_json(value, **how))


class _StandInForNone:
    """The same for a route without a response model, whose document ``jsonable_encoder`` makes."""

    def __init__(self, response_class: type[Response]) -> None:
        self.response_class = response_class

    def validate(self, value: Any, *_: Any, **__: Any) -> tuple[Any, list[Any]]:
        return value, []

    def serialize_json(self, value: Any, **_: Any) -> bytes:
        document = _with_keys(_as_json_dumps_has_it, jsonable_encoder(value, custom_encoder=_KEPT))
        return Document.of(
            document, lambda: bytes(self.response_class(jsonable_encoder(value)).body)
        )


class _ArrayLike(ABCMeta):
    def __instancecheck__(cls, instance: object) -> bool:
        return is_array_like(instance)


class _Array(metaclass=_ArrayLike):
    """What ``isinstance`` takes for an array."""


def _keep(value: Any) -> Any:
    return value


def _dump(model: BaseModel) -> Any:
    return _with_keys(_as_pydantic_has_it, model.model_dump(by_alias=True))


_KEPT: Final[dict[Any, Callable[[Any], Any]]] = {
    bytes: _keep,
    bytearray: _keep,
    memoryview: _keep,
    complex: _keep,
    _Array: _keep,
    BaseModel: _dump,
}


def _with_keys(text_of: Callable[[Any], Any], value: Any) -> Any:
    """A document whose keys are text, in the writing of one of the two below."""
    if type(value) is dict:
        return {
            key if type(key) is str else text_of(key): _with_keys(text_of, item)
            for key, item in value.items()
        }
    return [_with_keys(text_of, item) for item in value] if type(value) is list else value


def _as_json_dumps_has_it(key: Any) -> Any:
    if isinstance(key, (int, float)) or key is None:
        return next(iter(json.loads(json.dumps({key: None}))))
    return key


def _as_pydantic_has_it(key: Any) -> Any:
    try:
        return key_text(key)
    except EncodeError:
        return key  # it will be found when the whole is packed


# -- the request: objects instead of text ----------------------------------------------------------


class _RouteRequest(BinaryRequest):
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


@lru_cache(maxsize=256)
def _request_class(kind: type[Request]) -> type[_RouteRequest] | None:
    """The class that stands for an app's own class of requests, if it can be one of ours.

    A class that reads the body in its own way expects JSON text.
    """
    if any(getattr(kind, name) is not getattr(Request, name) for name in _READERS):
        return None
    return type(kind.__name__, (_RouteRequest, kind), {}) if kind is not Request else _RouteRequest


_READERS: Final = ("body", "json", "stream", "receive")


def _take(exchange: Exchange, request: Request) -> Request:
    """The request with its msgpack body taken as it is; ``request`` if it is read as JSON text."""
    kind = _request_class(type(request))
    if kind is None or not exchange.take_request():
        return request
    taken = kind.__new__(kind)  # the app's own class may have an ``__init__`` of its own
    vars(taken).update(vars(request), exchange=exchange)
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
            limit = exchange.options.max_structure_size
            text = transcode.to_json(unpackb(received, max_structure_size=limit))
        return {"type": "http.request", "body": text, "more_body": False}

    return receive_text


# -- the route -------------------------------------------------------------------------------------


class BinaryRoute(APIRoute):
    """A route that exchanges objects with binary clients, and JSON with all others.

    ``APIRouter(route_class=BinaryRoute)`` gives binary mode to the routes of that router, without
    a middleware for the app. Routes with a response class of their own answer binary clients by
    way of its JSON, if it is JSON; generators stream as they do without us.
    """

    def get_route_handler(self) -> Handler:
        handle_json = super().get_route_handler()
        route = _effective_route(self)
        handle_objects = handle_json
        if _answers_with_default_class(route):
            # Nobody else has seen this route yet: handlers are built while it is made.
            field = route.response_field
            route.response_field = _stand_in(route)
            try:
                handle_objects = super().get_route_handler()
            finally:
                route.response_field = field
        reads_body = route.body_field is not None and not isinstance(
            route.body_field.field_info, Form
        )
        return _negotiated(handle_json, handle_objects, reads_body=reads_body)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = super().handle
        if SCOPE_KEY not in scope:
            app = BinaryMiddleware(app)
        await app(scope, receive, send)


def _effective_route(route: APIRoute) -> Any:
    """What FastAPI's ``get_route_handler`` reads its settings from.

    For a router that was included, FastAPI 0.137 and newer keep them in a context, which only
    this variable names. Without it, or without this route in it, they are the route's own.
    """
    variable = getattr(fastapi.routing, "_effective_route_context_var", None)
    context = variable.get() if variable is not None else None
    if context is not None and context.original_route is route:
        return context
    return route


def _answers_with_default_class(route: Any) -> bool:
    return isinstance(route.response_class, DefaultPlaceholder) and not _streams(route)


def _streams(route: Any) -> bool:
    """Whether a generator gives the items of a stream: JSON lines or events."""
    return bool(route.is_json_stream or route.is_sse_stream)


def _stand_in(route: Any) -> Any:
    if route.response_field is None:
        return _StandInForNone(route.response_class.value)
    return _StandIn(route.response_field)


def _negotiated(handle_json: Handler, handle_objects: Handler, *, reads_body: bool) -> Handler:
    async def handle(request: Request) -> Response:
        exchange = request.scope.get(SCOPE_KEY)
        if not isinstance(exchange, Exchange):
            return await handle_json(request)
        handle = handle_json if exchange.plan.answer is None else handle_objects
        if exchange.plan.request is None:
            return _in_binary(await handle(request), exchange)
        # A body that the route does not declare is left to whoever reads it: as JSON text.
        taken = _take(exchange, request) if reads_body else request
        try:
            return _in_binary(await handle(taken), exchange)
        except RequestValidationError as exc:
            # FastAPI's own handler cannot render bytes, arrays or NaN, and would answer 500.
            exc._errors = summarize_errors(exc.errors(), jsonable_encoder)
            exc.body = summarize_input(exc.body, jsonable_encoder)
            raise
        except Exception:
            # FastAPI makes a 400 of its own of what reading the body raises.
            if exchange.error is None:
                raise
            return _refused(exchange)

    return handle


def _refused(exchange: Exchange) -> Response:
    assert exchange.error is not None
    error, exchange.error = exchange.error, None
    start, buffers = problem_response(error, in_binary=exchange.plan.problems_in_binary)
    response = Response(b"".join(buffers), start["status"])
    response.raw_headers = start["headers"]
    return response


def _in_binary(response: Response, exchange: Exchange) -> Response:
    document = vars(response).get("body")
    if not isinstance(document, Document):
        return response
    try:
        buffers = pack_buffers(document.value, arrays=exchange.plan.arrays)
    except EncodeError:
        # Out as JSON, complete: the exchange finds, too, that msgpack cannot carry it.
        text = document.to_json()
        response.body = text
        response.headers["content-length"] = str(len(text))
        return response
    if exchange.options.copy_response:
        buffers = [b"".join(buffers)]
    assert exchange.plan.answer is not None
    return BinaryResponse(
        buffers,
        exchange.plan.answer,
        status_code=response.status_code,
        raw_headers=response.raw_headers,
        background=response.background,
    )


# -- the app ---------------------------------------------------------------------------------------


def enable(app: FastAPI, **options: Any) -> None:
    """Give a FastAPI app a binary mode: its middleware, and the object lane for its routes.

    Can be called before or after the routes are added, but before the app starts. Routes of
    routers that the app includes are replaced in those routers: another app that includes the
    same router serves them in binary mode, too.

    Args:
        app: the app.
        options: as for ``BinaryMiddleware``.

    Raises:
        ValueError: an option is unknown or wrong.
    """
    BinaryMiddleware(app, **options)  # wrong options fail here, not when the app starts
    app.add_middleware(_AppMiddleware, router=app.router, **options)
    _use_binary_routes(app.router)


class _AppMiddleware(BinaryMiddleware):
    """The middleware of an app, made when the app starts and all of its routes are there."""

    def __init__(self, app: ASGIApp, /, *, router: APIRouter, **options: Any) -> None:
        _use_binary_routes(router)
        super().__init__(app, **options)


def _use_binary_routes(router: APIRouter) -> None:
    router.route_class = _binary_class(router.route_class)
    changed = False
    for index, route in enumerate(router.routes):
        included = getattr(route, "original_router", None)
        if included is not None:
            _use_binary_routes(included)
        elif isinstance(route, APIRoute) and not isinstance(route, BinaryRoute):
            rebuilt = _rebuild(route)
            router.routes[index] = rebuilt
            changed = changed or rebuilt is not route
    if changed and hasattr(router, "_mark_routes_changed"):
        router._mark_routes_changed()  # it keeps what it made of its routes


def _binary_class(route_class: type[APIRoute]) -> type[APIRoute]:
    if issubclass(route_class, BinaryRoute):
        return route_class
    if route_class is APIRoute:
        return BinaryRoute
    return type(route_class.__name__, (route_class, BinaryRoute), {})


_ROUTE_PARAMETERS: Final = [
    name for name in signature(APIRoute.__init__).parameters if name != "self"
]


_NOT_KEPT: Final = frozenset({"generate_unique_id_function", "operation_id", "description"})


def _rebuild(route: APIRoute) -> APIRoute:
    """The same route, of a class that is a ``BinaryRoute`` as well.

    Returns:
        The route itself, which stays on the JSON lane, if its class does not make an equal one
        of its attributes.
    """
    if _streams(route):
        return route  # what it streams is known to the original only
    settings = {name: getattr(route, name) for name in _ROUTE_PARAMETERS}
    # Names in the OpenAPI document hang on the id, which the route got when it was made.
    named = {"generate_unique_id_function": lambda _: route.unique_id, "operation_id": None}
    try:
        rebuilt = _binary_class(type(route))(**settings | named)
    except Exception:  # a signature of its own
        return route
    for name, value in vars(route).items():
        if name in _NOT_KEPT or name not in vars(rebuilt):
            setattr(rebuilt, name, value)
    same = all(getattr(rebuilt, name) == value for name, value in settings.items())
    return rebuilt if same else route

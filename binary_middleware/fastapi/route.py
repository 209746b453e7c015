"""``BinaryRoute``: a FastAPI route with two handlers, one for JSON and one for objects."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, ClassVar, Self

from fastapi.datastructures import DefaultPlaceholder
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from binary_middleware.endpoint import endpoint_overrides
from binary_middleware.errors import NotAcceptable
from binary_middleware.exchange import SCOPE_KEY, Exchange
from binary_middleware.fastapi.answer import in_binary, stand_in
from binary_middleware.fastapi.direct import DirectHandler, can_go_direct, direct_handler
from binary_middleware.fastapi.internals import (
    NO_BODY,
    effective_route,
    is_about_bytes_in_json,
    makes_fastapis_handler,
)
from binary_middleware.fastapi.request import RouteRequest, take
from binary_middleware.heads import problem_response
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.options import BinaryOptions, Overrides, make_overrides, with_overrides
from binary_middleware.summary import summarize_errors, summarize_input

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class BinaryRoute(APIRoute):
    """A route that exchanges objects with binary clients, and JSON with all others.

    ``APIRouter(route_class=BinaryRoute)`` gives binary mode to the routes of that router, without
    a middleware for the app. Routes with a response class of their own answer binary clients by
    way of its JSON, if it is JSON; generators stream as they do without us.
    """

    def get_route_handler(self) -> Handler:
        build = super().get_route_handler
        handle_json = build()
        route = effective_route(self)
        handle_objects, direct = handle_json, None
        if _answers_with_default_class(route):
            in_its_place = stand_in(route)
            if makes_fastapis_handler(build):
                direct = direct_handler(route, in_its_place)
            # Nobody else has seen this route yet: handlers are built while it is made.
            field = route.response_field
            route.response_field = in_its_place
            try:
                handle_objects = build()
            finally:
                route.response_field = field
        reads_body = route.body_field is not None and not isinstance(
            route.body_field.field_info, Form
        )
        return _negotiated(handle_json, handle_objects, direct, reads_body=reads_body)

    binary_overrides: ClassVar[Overrides] = ()
    """The options that :meth:`configured` set for the routes of this class."""

    @classmethod
    def configured(cls, **options: Any) -> type[Self]:
        """A route class with options of its own, for a router.

        ::

            router = APIRouter(route_class=BinaryRoute.configured(mode="require"))

        What is not named here comes from a rule or the app; what an endpoint names with ``@binary``
        comes before it.

        Args:
            options: fields of ``BinaryOptions``.

        Raises:
            ValueError: an option is unknown or wrong, or contradicts another one.
        """
        merged = {**dict(cls.binary_overrides), **dict(make_overrides(**options))}
        return type(cls.__name__, (cls,), {"binary_overrides": tuple(sorted(merged.items()))})

    def handle(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        outer = scope.get(SCOPE_KEY)
        if outer is self._known_options or self._is_served_with_its_options(outer):
            return super().handle(scope, receive, send)
        return self._alone(scope, receive, send)

    _known_options: object = object()  # none so far

    def _is_served_with_its_options(self, outer: object) -> bool:
        """Whether a middleware further out has found the options of this route."""
        options = outer.options if isinstance(outer, Exchange) else outer
        return isinstance(options, BinaryOptions) and (
            options is self._known_options or self._agrees_with(options)
        )

    def _agrees_with(self, options: BinaryOptions) -> bool:
        nearest = with_overrides(options, self.binary_overrides, endpoint_overrides(self.endpoint))
        if nearest != options:
            return False
        self._known_options = options
        return True

    @cached_property
    def _alone(self) -> BinaryMiddleware:
        """The route with a middleware of its own, for an app without one."""
        return BinaryMiddleware(super().handle, **dict(self.binary_overrides))


def _answers_with_default_class(route: Any) -> bool:
    return isinstance(route.response_class, DefaultPlaceholder) and not streams(route)


def streams(route: Any) -> bool:
    """Whether a generator gives the items of a stream: JSON lines or events."""
    return bool(route.is_json_stream or route.is_sse_stream)


def _negotiated(
    handle_json: Handler,
    handle_objects: Handler,
    direct: DirectHandler | None,
    *,
    reads_body: bool,
) -> Handler:
    async def handle(request: Request) -> Response:
        exchange = request.scope.get(SCOPE_KEY)
        if not isinstance(exchange, Exchange):
            return await _handle_none_of_ours(handle_json, request)
        answers_in_binary = exchange.plan.answer is not None
        inner = handle_objects if answers_in_binary else handle_json
        goes_direct = direct if answers_in_binary and can_go_direct(request) else None
        # A body that the route does not declare is left to whoever reads it: as JSON text.
        taken = take(exchange, request) if reads_body else request
        try:
            if goes_direct is not None:
                if not reads_body:
                    return await goes_direct(exchange, request, NO_BODY)
                if type(taken) is RouteRequest:
                    return await goes_direct(exchange, taken, await taken.document())
            return in_binary(await inner(taken), exchange)
        except RequestValidationError as exc:
            if exchange.plan.request is not None or _holds_bytes(exc):
                # FastAPI's own handler cannot render bytes, arrays or NaN, and would answer 500.
                exc._errors = summarize_errors(exc.errors(), jsonable_encoder)
                exc.body = summarize_input(exc.body, jsonable_encoder)
            raise
        except Exception as exc:
            # FastAPI makes a 400 of its own of what reading the body raises.
            if exchange.error is None:
                exchange.error = _bytes_refusal(exc, exchange.options)
                raise
            return _refused(exchange)

    return handle


async def _handle_none_of_ours(handle_json: Handler, request: Request) -> Response:
    try:
        return await handle_json(request)
    except RequestValidationError as exc:
        if _holds_bytes(exc):
            # Msgpack without its Content-Type, most likely; FastAPI's own handler would answer 500.
            exc._errors = summarize_errors(exc.errors(), jsonable_encoder)
            exc.body = summarize_input(exc.body, jsonable_encoder)
        raise
    except ValueError as exc:
        refusal = _bytes_refusal(exc, request.scope.get(SCOPE_KEY))
        if refusal is None:
            raise
        raise refusal from exc


def _bytes_refusal(exc: Exception, options: object) -> NotAcceptable | None:
    """How to get an answer that JSON cannot hold, ``None`` if ``exc`` is about something else.

    The middleware answers with it. Until then an exception is on its way, so that dependencies
    see that there was no answer.
    """
    if not isinstance(options, BinaryOptions) or options.mode == "off":
        return None
    if not is_about_bytes_in_json(exc):
        return None
    return NotAcceptable(
        "the answer holds bytes that are not text, which JSON cannot carry: it can be had with "
        f"Accept: {options.media_types[0]}, or as base64 if its field is of BinaryBytes"
    )


def _holds_bytes(exc: RequestValidationError) -> bool:
    return any(_is_no_text(error.get("input")) for error in exc.errors())


def _is_no_text(value: object) -> bool:
    if not isinstance(value, bytes):
        return False
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def _refused(exchange: Exchange) -> Response:
    assert exchange.error is not None
    error, exchange.error = exchange.error, None
    start, buffers = problem_response(error, in_binary=exchange.plan.problems_in_binary)
    response = Response(b"".join(buffers), start["status"])
    response.raw_headers = start["headers"]
    return response

"""``BinaryRoute``: a FastAPI route with handlers for JSON text and for objects."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Final, Self, Unpack

from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._http.problems import problem_response
from binary_middleware._validation.errors import summarize_errors, summarize_input
from binary_middleware.errors import NotAcceptable
from binary_middleware.fastapi._body_fields import (
    reset_current_exchange,
    set_current_exchange,
    with_binary_fields,
)
from binary_middleware.fastapi._compat import (
    NO_BODY,
    are_same,
    effective,
    effective_route,
    handler_of,
    is_default_handler,
    is_within,
    set_handler,
    unwritten_in_json,
)
from binary_middleware.fastapi._fast_path import DirectHandler, can_use_fast_path, direct_handler
from binary_middleware.fastapi._request import RouteRequest, take
from binary_middleware.fastapi._response import in_binary, response_field_proxy
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.options import (
    BinaryOptions,
    OptionsDict,
    Overrides,
    endpoint_overrides,
    make_overrides,
    with_overrides,
)

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
        settings = effective_route(self)
        handle_taken = handle_objects = handle_json
        direct = None
        reads_body = settings.body_field is not None and not isinstance(
            settings.body_field.field_info, Form
        )
        if reads_body:
            # For bodies that were taken as objects, whatever the answer is in.
            handle_taken = handle_objects = _built_on_a_copy(settings, build)
        if _answers_with_default_class(settings):
            proxy = response_field_proxy(settings)
            if is_default_handler(build):
                direct = direct_handler(settings, proxy)
            handle_objects = _built_on_a_copy(settings, build, response_field=proxy)
        return _negotiated(
            handle_json, handle_taken, handle_objects, direct, route=self, reads_body=reads_body
        )

    def exchanges_objects(self, app: Any) -> bool:
        """Return whether ``app`` is that of this route, with nothing around its handler."""
        return is_within(handler_of(app), _HANDLERS)

    json_lane_reason: str | None = None
    """Why a route that was there before binary mode exchanges JSON text, if it does."""

    binary_overrides: ClassVar[Overrides] = ()
    """The options that :meth:`configured` set for the routes of this class."""

    @classmethod
    def configured(cls, **options: Unpack[OptionsDict]) -> type[Self]:
        """A route class with options of its own, for a router.

        ::

            router = APIRouter(route_class=BinaryRoute.configured(mode="require"))

        What is not named here comes from a rule or the app; what an endpoint names with
        ``@binary_options`` comes before it.

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


def _built_on_a_copy(settings: Any, build: Callable[[], Handler], **replaced: Any) -> Handler:
    """Have FastAPI build a handler for bodies and answers that are documents.

    It is built on a copy of the dependant, as integrations wrap ``dependant.call`` while a handler
    is built. What was set there for the JSON handler, or since, is in force here as well.

    Args:
        settings: the route, or what FastAPI reads its settings from.
        build: FastAPI's ``get_route_handler``.
        replaced: further attributes of ``settings`` that are others for this handler.
    """
    dependant = settings.dependant
    copied = with_binary_fields(dependant)
    with _replaced(settings, dependant=copied, **replaced):
        built = build()

    def handle(request: Request) -> Coroutine[Any, Any, Response]:
        copied.call = dependant.call
        return built(request)

    return handle


@contextmanager
def _replaced(settings: Any, **values: Any) -> Iterator[None]:
    """Have attributes replaced while a handler is built, which nobody else sees."""
    originals = {name: getattr(settings, name) for name in values}
    vars(settings).update(values)
    try:
        yield
    finally:
        vars(settings).update(originals)


def _negotiated(
    handle_json: Handler,
    handle_taken: Handler,
    handle_objects: Handler,
    direct: DirectHandler | None,
    *,
    route: object,
    reads_body: bool,
) -> Handler:
    async def handle(request: Request) -> Response:
        exchange = request.scope.get(SCOPE_KEY)
        if not isinstance(exchange, Exchange):
            return await _handle_none_of_ours(handle_json, request)
        answers_in_binary = exchange.plan.variant is not None
        goes_direct = direct if answers_in_binary and can_use_fast_path(request) else None
        is_shown = answers_in_binary and id(route) not in exchange.observers.unobserved
        # A body that the route does not declare is left to whoever reads it: as JSON text.
        taken = take(exchange, request) if reads_body else request
        is_taken = taken is not request
        inner = handle_taken if is_taken else handle_json
        if answers_in_binary:
            inner = handle_objects
        token = set_current_exchange(exchange if is_taken else None)
        try:
            if goes_direct is not None:
                if not reads_body:
                    return await goes_direct(exchange, request, NO_BODY, is_shown)
                if type(taken) is RouteRequest:
                    return await goes_direct(exchange, taken, await taken.document(), is_shown)
            return in_binary(await inner(taken), exchange, is_shown=is_shown)
        except RequestValidationError as exc:
            if exchange.plan.request is not None or _holds_bytes(exc):
                # FastAPI's own handler cannot render bytes, arrays or NaN, and would answer 500.
                exc._errors = summarize_errors(exc.errors(), jsonable_encoder)
                exc.body = summarize_input(exc.body, jsonable_encoder)
            raise
        except Exception as exc:
            # FastAPI makes a 400 of its own of what reading the body raises.
            if exchange.error is None:
                exchange.error = _json_refusal(exc, exchange.options)
                raise
            return _refused(exchange)
        finally:
            reset_current_exchange(token)

    return handle


def _adopted(
    handle_json: Handler, handle_binary: Handler, dependant: Dependant, copied: Dependant
) -> Handler:
    """Return a handler of a route that was there before: JSON clients keep the one it had.

    Args:
        handle_json: the handler that the route had.
        handle_binary: a handler for binary clients.
        dependant: what the one reads.
        copied: the copy of it that the other reads.
    """

    async def handle(request: Request) -> Response:
        if isinstance(request.scope.get(SCOPE_KEY), Exchange):
            copied.call = dependant.call
            return await handle_binary(request)
        return await _handle_none_of_ours(handle_json, request)

    return handle


async def _handle(request: Request) -> Response:
    return Response()


_HANDLERS: Final = frozenset(
    getattr(handler, "__code__", None)
    for handler in (
        _negotiated(_handle, _handle, _handle, None, route=None, reads_body=False),
        _adopted(_handle, _handle, Dependant(), Dependant()),
    )
)


def _adopted_class(route_class: type[APIRoute]) -> type[APIRoute]:
    """Return the class of routes that were made without us, of a class of the app's."""
    adopted = _ADOPTED.get(route_class)
    if adopted is None:
        bases = (route_class, BinaryRoute) if route_class is not APIRoute else (BinaryRoute,)
        adopted = type(route_class.__name__, bases, {"adopted_from": route_class})
        _ADOPTED[route_class] = adopted
    return adopted


_ADOPTED: Final[dict[type[APIRoute], type[APIRoute]]] = {}


def adopt(route: APIRoute, owners: Iterable[Any]) -> None:
    """Have a route that was made without us exchange objects.

    It stays the object that it was, and all that was set on it stays in force, for both kinds of
    clients. Its class, which may wrap the handler, is asked for a handler for binary clients; JSON
    clients keep the one that it had. Where that cannot be done safely, it stays on the JSON lane,
    and its ``json_lane_reason`` says why.

    Args:
        route: the route.
        owners: those who hold an app that serves it: the route itself, and what FastAPI apps that
            include it made of it.
    """
    route_class: type[APIRoute] = getattr(type(route), "adopted_from", type(route))
    if issubclass(route_class, BinaryRoute):
        return  # made with us
    was_adopted = route_class is not type(route)
    owners = [each for each in owners if not is_within(handler_of(each.app), _HANDLERS)]
    route.__class__ = route_class
    reasons = [_reason(route, owner) for owner in owners]
    try:
        route.__class__ = _adopted_class(route_class)
    except TypeError as exc:  # its memory is laid out in another way
        reasons = [f"its class cannot be derived from: {exc}"] * len(owners)
    for owner, reason in zip(owners, reasons, strict=True):
        if reason is None:
            reason = _adopt(route, owner)
        if not (was_adopted and owner is route):
            owner.json_lane_reason = reason


def _reason(route: APIRoute, owner: Any) -> str | None:
    """Return why an owner's handler cannot be told to be the one that FastAPI made for it."""
    handler = handler_of(owner.app)
    if handler is None:
        return "its app is not what FastAPI made of it"
    try:
        made_now, copied = _make_handler(route, owner)
    except Exception as exc:
        return f"its class cannot make a handler again: {exc!r}"
    if not are_same(handler, made_now, {id(copied): owner.dependant}):
        return "its handler is not the one that FastAPI would make for it now"
    return None


def _adopt(route: APIRoute, owner: Any) -> str | None:
    """Give an owner a handler for binary clients; returns why that cannot be done, if it cannot."""
    try:
        handle_binary, copied = _make_handler(route, owner)
    except Exception as exc:
        return f"its class cannot make a handler again: {exc!r}"
    handle_json = handler_of(owner.app)
    set_handler(owner, _adopted(handle_json, handle_binary, owner.dependant, copied))
    return None


def _make_handler(route: APIRoute, owner: Any) -> tuple[Handler, Dependant]:
    """Have the class of a route make a handler, as FastAPI does.

    Returns:
        The handler, and the copy of the dependant that it reads: integrations wrap
        ``dependant.call`` with each handler that is made.
    """
    copied = replace(owner.dependant)
    with effective(route, owner), _replaced(owner, dependant=copied):
        return route.get_route_handler(), copied


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
        refusal = _json_refusal(exc, request.scope.get(SCOPE_KEY))
        if refusal is None:
            raise
        raise refusal from exc


def _json_refusal(exc: Exception, options: object) -> NotAcceptable | None:
    """How to get a response that JSON cannot hold, ``None`` if ``exc`` is about something else.

    The middleware answers with it. Until then an exception is on its way, so that dependencies
    see that there was no answer.
    """
    if not isinstance(options, BinaryOptions) or options.mode == "off":
        return None
    unwritten = unwritten_in_json(exc)
    if unwritten is None:
        return None
    return NotAcceptable(
        f"the response holds {unwritten}, which JSON cannot carry: send Accept: "
        f"{options.media_types[0]}, or declare its field as BinaryBytes or NumpyArrayField"
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

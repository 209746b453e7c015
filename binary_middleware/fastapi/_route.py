"""``BinaryRoute``: a FastAPI route with handlers for JSON text and for objects.

Which handlers a route has is decided here, or in ``_adoption`` for a route that existed before;
which of them serves a request, in ``_handlers``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Self, Unpack

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware.fastapi._body_fields import with_binary_fields
from binary_middleware.fastapi._compat import (
    default_response_class,
    effective,
    effective_route,
    handler_of,
    is_default_handler,
    reads_json,
    streams,
    supports_fast_path,
    supports_objects,
)
from binary_middleware.fastapi._fast_path import FastPath
from binary_middleware.fastapi._handlers import (
    Handler,
    RouteHandlers,
    contains_own_handler,
    negotiated_handler,
)
from binary_middleware.fastapi._response import response_field_proxy
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.options import (
    BinaryOptions,
    OptionsDict,
    Overrides,
    endpoint_overrides,
    make_overrides,
    with_overrides,
)


class BinaryRoute(APIRoute):
    """A route that exchanges objects with binary clients, and JSON with all others.

    ``APIRouter(route_class=BinaryRoute)`` gives binary mode to the routes of that router, without
    a middleware for the app. If a route has a response class of its own, its JSON responses are
    converted for binary clients; the streams of generators are unchanged.
    """

    def get_route_handler(self) -> Handler:
        build = super().get_route_handler
        handle_json = build()
        settings = effective_route(self)
        if not supports_objects(settings):
            handlers = RouteHandlers(handle_json, handle_json, handle_json, None)
            return negotiated_handler(handlers, self, reads_body=False)
        reads_body = reads_json(settings)
        handle_claimed = handle_objects = handle_json
        fast_path = None
        if reads_body:
            handle_claimed = handle_objects = _build_on_copy(settings, build)
        if default_response_class(settings) is not None and not streams(settings):
            proxy = response_field_proxy(settings)
            handle_objects = _build_on_copy(settings, build, response_field=proxy)
            has_form = settings.body_field is not None and not reads_body
            if is_default_handler(build) and supports_fast_path(settings) and not has_form:
                fast_path = FastPath(settings, self, proxy)
        handlers = RouteHandlers(handle_json, handle_claimed, handle_objects, fast_path)
        return negotiated_handler(handlers, self, reads_body=reads_body)

    def exchanges_objects(self, app: Any) -> bool:
        """Return whether ``app`` is the app of this route, with nothing around its handler."""
        return contains_own_handler(handler_of(app))

    json_lane_reason: str | None = None
    """The reason why a route that existed before binary mode is on the JSON lane, if it is."""

    is_adopted = False
    """Whether this route existed before binary mode."""

    base_class: ClassVar[type[APIRoute]] = APIRoute
    """The class that :func:`binary_class` derived this class from."""

    binary_overrides: ClassVar[Overrides] = ()
    """The options that :meth:`configured` set for the routes of this class."""

    @classmethod
    def configured(cls, **options: Unpack[OptionsDict]) -> type[Self]:
        """Return a route class with options of its own, for a router.

        ::

            router = APIRouter(route_class=BinaryRoute.configured(mode="require"))

        Other options come from a rule or the app; those of ``@binary_options`` at an endpoint take
        precedence.

        Args:
            options: the fields of ``BinaryOptions``.

        Raises:
            ValueError: an option is unknown or invalid, or contradicts another one.
        """
        merged = {**dict(cls.binary_overrides), **dict(make_overrides(**options))}
        return type(cls.__name__, (cls,), {"binary_overrides": tuple(sorted(merged.items()))})

    def handle(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        outer = scope.get(SCOPE_KEY)
        if outer is self._agreed_options or self._has_own_options(outer):
            return super().handle(scope, receive, send)
        return self._own_middleware(scope, receive, send)

    _agreed_options: object = object()  # none so far
    """The options in force that :meth:`_has_own_options` compared last."""

    def _has_own_options(self, outer: object) -> bool:
        """Return whether a middleware further out has put the options of this route in force."""
        options = outer.options if isinstance(outer, Exchange) else outer
        if options is self._agreed_options:
            return True
        if not isinstance(options, BinaryOptions):
            return False
        own = with_overrides(options, self.binary_overrides, endpoint_overrides(self.endpoint))
        if own != options:
            return False
        self._agreed_options = options
        return True

    @cached_property
    def _own_middleware(self) -> BinaryMiddleware:
        """A middleware around this route, for an app without one."""
        return BinaryMiddleware(super().handle, **dict(self.binary_overrides))


def binary_class(route_class: Any) -> type[APIRoute]:
    """Return the class of binary routes for a class of routes, itself if it is one."""
    if route_class is APIRoute:
        return BinaryRoute
    found: type[APIRoute] = route_class
    return found if issubclass(found, BinaryRoute) else _derived_class(route_class)


@lru_cache(maxsize=256)
def _derived_class(route_class: Any) -> type[APIRoute]:
    bases = (route_class, BinaryRoute)
    return type(route_class.__name__, bases, {"base_class": route_class})


def make_handler(route: APIRoute, owner: Any) -> tuple[Handler, Any]:
    """Have the class of a route make a handler, as FastAPI does.

    Args:
        route: the route.
        owner: the route itself, or a context of a router that includes it.

    Returns:
        The handler, and the copy of the dependant that it reads: integrations wrap
        ``dependant.call`` with each handler that is made.
    """
    copied = copy(owner.dependant)
    with effective(route, owner), _replaced(owner, dependant=copied):
        return route.get_route_handler(), copied


def _build_on_copy(settings: Any, build: Callable[[], Handler], **replaced: Any) -> Handler:
    """Have FastAPI build a handler for documents, on a copy of the dependant.

    Integrations wrap ``dependant.call`` while a handler is built. Whatever they set there for the
    JSON handler, or later, applies to this handler as well.

    Args:
        settings: the ``effective_route``.
        build: FastAPI's ``get_route_handler``.
        replaced: further settings to replace for this handler.
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
    """Replace attributes while a handler is built."""
    originals = {name: getattr(settings, name) for name in values}
    vars(settings).update(values)
    try:
        yield
    finally:
        vars(settings).update(originals)

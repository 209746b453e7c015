"""Body observers: layers between the middleware and an endpoint that may read bodies.

A middleware, or a wrapper around a route, may log, sign, redact or store bodies, and expects JSON.
An endpoint exchanges objects only if no layer in between reads bodies: those of Starlette, FastAPI
and this package do not, nor do those that the user names. Any other layer, and any that cannot be
inspected, counts as an observer. Routes are inspected at the first request; a route that is added
later exchanges JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple

from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import BaseRoute, Host, Mount, Router
from starlette.types import ASGIApp

from binary_middleware._compat import APP_CODE, handler_of_app, included_routes

Observers = tuple[str, ...]
"""The names of layers that may read bodies, the outermost first."""

_LIBRARIES: Final = ("starlette.", "fastapi.", "binary_middleware.")
"""Packages whose middleware does not read bodies, or only changes their content coding."""

_MAX_LAYERS: Final = 256
"""Maximum nested layers to inspect; a proxy object may claim to wrap another one forever."""


class _Endpoint(NamedTuple):
    """An endpoint and its route, referenced here so that their ids are not reused."""

    endpoint: Any
    route: Any
    names: Observers
    exchanges_objects: bool

    def merged_with(self, other: _Endpoint) -> _Endpoint:
        names = (*other.names, *self.names)
        return _Endpoint(
            self.endpoint, self.route, names, self.exchanges_objects or other.exchanges_objects
        )


class BodyObservers:
    """The body observers inside one middleware.

    Args:
        app: the app that the middleware wraps.
        agnostic: middleware classes, functions of ``app.middleware("http")`` and route classes that
            do not read bodies.

    Raises:
        TypeError: one of ``agnostic`` is neither a class nor a function.
    """

    def __init__(self, app: ASGIApp, agnostic: Iterable[Any] = ()) -> None:
        self._app = app
        self._agnostic = tuple(agnostic)
        for each in self._agnostic:
            if not callable(each):
                raise TypeError(f"body_agnostic holds middleware and route classes, not {each!r}")

    @property
    def target(self) -> object:
        """The app inside this middleware: the argument of ``may_see`` for an outer middleware."""
        app: Any = self._app
        for _ in range(_MAX_LAYERS):
            if isinstance(app, (Router, MethodType)) or not hasattr(app, "app"):
                break
            app = app.app
        return app

    def names(self) -> list[str]:
        """Return the names of the observers because of which object-lane routes send JSON."""
        routes = (each for key, each in self._endpoints.items() if key == id(each.route))
        every = (each.names for each in routes if each.exchanges_objects)
        return list(dict.fromkeys(name for names in every for name in names))

    def may_see(self, target: object) -> bool:
        """Return whether a layer may read the bodies of a route, or of an endpoint on any route.

        For the :attr:`target` of an inner middleware: whether there is an observer in between.
        """
        return id(target) not in self.unobserved

    @cached_property
    def unobserved(self) -> frozenset[int]:
        """The ids of endpoints and routes without observers."""
        return frozenset(key for key, each in self._endpoints.items() if not each.names)

    @cached_property
    def _endpoints(self) -> dict[int, _Endpoint]:
        """Each endpoint that can be inspected, by its id and by that of its route."""
        found: dict[int, _Endpoint] = {}
        for each in self._inside(self._app, (), frozenset()):
            if each.route is None:  # unless it is the target of another middleware
                found.setdefault(id(each.endpoint), each)
                continue
            for target in (each.endpoint, each.route):
                other = found.get(id(target))  # with several routes, or mounts
                found[id(target)] = each if other is None else each.merged_with(other)
        return found

    def _inside(self, app: Any, names: Observers, above: frozenset[int]) -> Iterator[_Endpoint]:
        """Yield the endpoints inside an app with their observers."""
        if id(app) in above or len(above) > _MAX_LAYERS:
            return
        above |= {id(app)}
        if type(app) is MethodType:  # a router or a route passes one to its own middleware
            owner = app.__self__
            if isinstance(owner, Router) and app == owner.app:
                yield from self._routes(owner, names, above)
            elif isinstance(owner, BaseRoute):
                yield from self._route(owner, names, above)
        elif isinstance(app, Router):
            names += _overriding(app, Router, "__call__", "app", "handle")
            yield from self._inside(app.middleware_stack, names, above)
        elif isinstance(app, Starlette):
            names += _overriding(app, Starlette, "__call__", "build_middleware_stack")
            if app.middleware_stack is not None:
                yield from self._inside(app.middleware_stack, names, above)
                return
            for added in app.user_middleware:
                if hasattr(added.cls, "make_resolver"):  # another BinaryMiddleware
                    yield _Endpoint(app.router, app.router, names, False)
                dispatch = added.kwargs.get("dispatch") or next(iter(added.args), None)
                names += self._name_of(added.cls, dispatch)
            yield from self._inside(app.router, names, above)
        elif hasattr(app, "app"):
            if isinstance(getattr(app, "observers", None), BodyObservers):  # another one
                yield _Endpoint(app.observers.target, app, names, False)
            names += self._name_of(type(app), getattr(app, "dispatch_func", None))
            yield from self._inside(app.app, names, above)
        else:  # an endpoint without a route
            yield _Endpoint(app, None, names, False)

    def _routes(self, router: Any, names: Observers, above: frozenset[int]) -> Iterator[_Endpoint]:
        for route in router.routes:
            included = included_routes(route)
            if included is None:
                yield from self._route(route, names, above)
                continue
            for context, original in included:
                if getattr(context, "starlette_route", None) is not None:
                    yield from self._route(context.starlette_route, names, above)
                else:
                    yield from self._endpoint(original, context, names)

    def _route(self, route: Any, names: Observers, above: frozenset[int]) -> Iterator[_Endpoint]:
        if isinstance(route, (Mount, Host)):
            names += _overriding(route, BaseRoute, "handle")
            yield from self._inside(route.app, names, above)
        elif hasattr(route, "endpoint"):
            yield from self._endpoint(route, route, names)

    def _endpoint(self, route: Any, owner: Any, names: Observers) -> Iterator[_Endpoint]:
        """Yield the endpoint of a route.

        Args:
            route: has the class, and attributes that were set on it.
            owner: the route itself, or the context that a FastAPI app made of an included route.
            names: the observers around the route.
        """
        names += _overriding(route, BaseRoute, "handle", agnostic=self._agnostic)
        wrappers = _overriding(route, BaseRoute, "get_route_handler", agnostic=())
        names += _overriding(route, BaseRoute, "get_route_handler", agnostic=self._agnostic)
        app = owner.app
        for _ in range(_MAX_LAYERS):
            if type(app) is FunctionType or isinstance(app, type) or not hasattr(app, "app"):
                break
            names += self._name_of(type(app), getattr(app, "dispatch_func", None))
            app = app.app
        exchanges_objects = hasattr(route, "exchanges_objects")
        serves: Callable[[Any], bool] = partial(_serves, route)
        if exchanges_objects:
            serves = route.exchanges_objects
        # A route class that wraps the handler counts by its name instead.
        if not (wrappers or serves(app)):
            names += (f"a wrapper around the app of {getattr(route, 'path', route)}",)
        if getattr(owner, "json_lane_reason", None) is not None:
            exchanges_objects = False
        yield _Endpoint(owner.endpoint, route, names, exchanges_objects)

    def _name_of(self, kind: Any, dispatch: object) -> Observers:
        """Return the name of a middleware that may read bodies, nothing for any other."""
        if kind in self._agnostic:
            return ()
        if not isinstance(kind, type):  # a function that makes a middleware
            return () if f"{kind.__module__}.".startswith(_LIBRARIES) else (kind.__qualname__,)
        if issubclass(kind, BaseHTTPMiddleware):
            if kind is not BaseHTTPMiddleware:
                return (kind.__qualname__,)
            is_agnostic = any(dispatch is each for each in self._agnostic)
            return () if is_agnostic else (getattr(dispatch, "__qualname__", kind.__qualname__),)
        return () if f"{kind.__module__}.".startswith(_LIBRARIES) else (kind.__qualname__,)


def _overriding(thing: Any, base: type, *methods: str, agnostic: tuple[Any, ...] = ()) -> Observers:
    """Return the names of classes, or of the instance, that override methods of ``base``."""
    names: Observers = ()
    for kind in type(thing).__mro__:
        if kind is base or kind in agnostic or f"{kind.__module__}.".startswith(_LIBRARIES):
            continue
        if not vars(kind).keys().isdisjoint(methods):
            names += (kind.__qualname__,)
    return names + tuple(_patched(thing, *methods))


def _patched(thing: Any, *methods: str) -> Iterator[str]:
    for method in methods:
        if method in vars(thing):
            yield f"{method} that was set on a {type(thing).__qualname__}"


def _serves(route: Any, app: Any) -> bool:
    """Return whether ``app`` is the endpoint of a route as Starlette adapts it, unwrapped."""
    endpoint = route.endpoint
    if app is endpoint:
        return True  # a class, or an ASGI app
    handler = handler_of_app(app, APP_CODE)
    return handler is endpoint or (type(handler) is partial and handler.args == (endpoint,))

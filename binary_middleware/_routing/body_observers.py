"""Who may look at bodies between a middleware of ours and the endpoints inside it.

Whatever stands there, a middleware or a wrapper around a route, may log, sign, redact or store
bodies, and goes by JSON. So an endpoint exchanges objects only if all that stands in between is
known not to look at bodies: what Starlette, FastAPI and this package put there, and what the user
names. Anything else, and whatever cannot be seen, may look. Routes are judged when the first
request comes; one that is added later is shown JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple

import starlette.routing
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import BaseRoute, Host, Mount, Router
from starlette.types import ASGIApp

Observers = tuple[str, ...]
"""The names of those who may look at bodies, the outermost first."""

_LIBRARIES: Final = ("starlette.", "fastapi.", "binary_middleware.")
"""Packages whose middleware does not look at bodies, or changes their coding only."""

_MAX_LAYERS: Final = 256
"""Layers around each other that are looked into; a proxy may claim to wrap another one forever."""


class _Endpoint(NamedTuple):
    """An endpoint and its route, held so that their ids stay their own."""

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
    """Who may look at bodies inside one middleware.

    Args:
        app: what the middleware wraps.
        agnostic: middleware classes, functions of ``app.middleware("http")`` and route classes that
            do not look at bodies.

    Raises:
        TypeError: one of those is neither a class nor a function.
    """

    def __init__(self, app: ASGIApp, agnostic: Iterable[Any] = ()) -> None:
        self._app = app
        self._agnostic = tuple(agnostic)
        for each in self._agnostic:
            if not callable(each):
                raise TypeError(f"body_agnostic holds middleware and route classes, not {each!r}")

    @property
    def target(self) -> object:
        """What :meth:`may_see` of a middleware further out is asked about: what ours wraps."""
        app: Any = self._app
        for _ in range(_MAX_LAYERS):
            if isinstance(app, (Router, MethodType)) or not hasattr(app, "app"):
                break
            app = app.app
        return app

    def names(self) -> list[str]:
        """Return the names of those for whom object-lane routes send JSON first."""
        routes = (each for key, each in self._endpoints.items() if key == id(each.route))
        every = (each.names for each in routes if each.exchanges_objects)
        return list(dict.fromkeys(name for names in every for name in names))

    def may_see(self, target: object) -> bool:
        """Return whether somebody may look at the bodies of a route, or of an endpoint.

        For an endpoint with several routes, it is whether somebody may at any of them. For the
        :attr:`target` of another middleware, it is whether somebody stands in between.
        """
        return id(target) not in self.unobserved

    @cached_property
    def unobserved(self) -> frozenset[int]:
        """The ids of what nobody may look at the bodies of."""
        return frozenset(key for key, each in self._endpoints.items() if not each.names)

    @cached_property
    def _endpoints(self) -> dict[int, _Endpoint]:
        """Each endpoint that can be seen, by its id and that of its route."""
        found: dict[int, _Endpoint] = {}
        for each in self._inside(self._app, (), frozenset()):
            for target in (each.endpoint, each.route):
                other = found.get(id(target))  # there is more than one way to it
                found[id(target)] = each if other is None else each.merged_with(other)
        return found

    def _inside(self, app: Any, names: Observers, above: frozenset[int]) -> Iterator[_Endpoint]:
        """Yield the endpoints inside an app, each with its observers."""
        if id(app) in above or len(above) > _MAX_LAYERS:
            return
        above |= {id(app)}
        if type(app) is MethodType:  # what a router or a route hands to its own middleware
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
                if hasattr(added.cls, "make_resolver"):  # another of ours
                    yield _Endpoint(app.router, app.router, names, False)
                dispatch = added.kwargs.get("dispatch") or next(iter(added.args), None)
                names += self._name_of(added.cls, dispatch)
            yield from self._inside(app.router, names, above)
        elif hasattr(app, "app"):
            if isinstance(getattr(app, "observers", None), BodyObservers):  # another of ours
                yield _Endpoint(app.observers.target, app, names, False)
            names += self._name_of(type(app), getattr(app, "dispatch_func", None))
            yield from self._inside(app.app, names, above)

    def _routes(self, router: Any, names: Observers, above: frozenset[int]) -> Iterator[_Endpoint]:
        for route in router.routes:
            included = getattr(route, "effective_route_contexts", None)
            if included is None:
                yield from self._route(route, names, above)
                continue
            for context in included():  # a router that a FastAPI app includes
                original = context.original_route
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
            route: has the class and what was set on it.
            owner: the route itself, or what a FastAPI app that includes it made of it.
            names: the observers of the route.
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
        # What a route class wraps around the handler is judged by the class.
        if not (wrappers or serves(app)):
            names += (f"what stands around the app of {getattr(route, 'path', route)}",)
        if getattr(owner, "json_lane_reason", None) is not None:
            exchanges_objects = False
        yield _Endpoint(owner.endpoint, route, names, exchanges_objects)

    def _name_of(self, kind: Any, dispatch: object) -> Observers:
        """Return the name of a middleware that may look at bodies, nothing for any other."""
        if kind in self._agnostic:
            return ()
        if not isinstance(kind, type):  # a function that makes a middleware
            return () if f"{kind.__module__}.".startswith(_LIBRARIES) else (kind.__qualname__,)
        if issubclass(kind, BaseHTTPMiddleware):
            if kind is not BaseHTTPMiddleware:
                return (kind.__qualname__,)
            known = any(dispatch is each for each in self._agnostic)
            return () if known else (getattr(dispatch, "__qualname__", kind.__qualname__),)
        return () if f"{kind.__module__}.".startswith(_LIBRARIES) else (kind.__qualname__,)


def _overriding(thing: Any, base: type, *methods: str, agnostic: tuple[Any, ...] = ()) -> Observers:
    """Return who overrides methods of a route, a router or an app: its class, or the instance."""
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
            yield f"what was set as {method} of {type(thing).__qualname__}"


async def _probe(request: Any) -> Any: ...


_request_response: Any = getattr(starlette.routing, "request_response", None)
_STARLETTES_CODE: Final = None if _request_response is None else _request_response(_probe).__code__


def _serves(route: Any, app: Any) -> bool:
    """Return whether ``app`` is what Starlette makes of the endpoint of a route, and no more."""
    endpoint = route.endpoint
    if app is endpoint:
        return True  # a class, or an ASGI app
    if type(app) is not FunctionType or app.__code__ is not _STARLETTES_CODE:
        return False
    called = dict(zip(app.__code__.co_freevars, app.__closure__ or (), strict=True))
    inner: Any = called["f"].cell_contents if "f" in called else None
    return inner is endpoint or (type(inner) is partial and inner.args == (endpoint,))

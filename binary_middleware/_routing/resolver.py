"""The options in force for a request, from layers of overrides.

The layers are, from the outermost to the nearest: the app, the first rule that matches, a router or
a middleware further in, the endpoint. The routes of a Starlette or FastAPI app are looked up once,
so that a request can be judged by its own options before the app runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final, NamedTuple

from starlette.routing import BaseRoute, Host, Match, Mount, WebSocketRoute
from starlette.types import ASGIApp, Scope

from binary_middleware._compat import included_routes
from binary_middleware._routing.paths import PathPattern, path_in_app, with_head
from binary_middleware._routing.rules import RouteRule
from binary_middleware.options import (
    BinaryOptions,
    Overrides,
    endpoint_overrides,
    with_overrides,
)

Layers = tuple[Overrides, ...]


class Found(NamedTuple):
    """A route that was found by the template of its path."""

    path: str
    """A path that the route matches, for :meth:`Resolver.layers`."""
    route: Any
    """The holder of the route's settings: in FastAPI, for an included router, a context."""
    original: Any
    """The route itself."""


class Resolver:
    """The layers of options of one middleware, and of the routes inside it.

    Args:
        app: the app that the middleware wraps.
        own: the options of the middleware.
        rules: its rules.
        last_rules: further rules, which need not match a route.

    Raises:
        ValueError: a rule is not a :class:`RouteRule`.
    """

    def __init__(
        self,
        app: ASGIApp,
        own: Overrides,
        rules: Iterable[RouteRule] = (),
        last_rules: Iterable[RouteRule] = (),
    ) -> None:
        self.own = own
        self._own_rules = tuple(rules)
        for rule in self._own_rules:
            if not isinstance(rule, RouteRule):
                raise ValueError(f"rules must be RouteRule objects, not {type(rule).__name__}")
        self.rules = (*self._own_rules, *last_rules)
        self._app = app

    @cached_property
    def _routes(self) -> _Routes:
        return _Routes(self._app)

    def unmatched_rules(self) -> list[RouteRule]:
        """Return the rules that match no route, as far as the routes of the app can be seen."""
        entries = self._routes.entries
        if not entries:
            return []
        return [
            rule for rule in self._own_rules if not any(entry.overlaps(rule) for entry in entries)
        ]

    @cached_property
    def is_uniform(self) -> bool:
        """Whether the options are the same for every path and method."""
        return not self.rules and not self._routes.has_overrides

    @property
    def has_inner(self) -> bool:
        """Whether another ``BinaryMiddleware`` is directly inside."""
        return self._routes.resolver is not None

    @property
    def has_overrides(self) -> bool:
        """Whether this middleware or anything inside it overrides an option."""
        return bool(self.own) or not self.is_uniform

    def path(self, scope: Scope) -> str:
        """Return the path of a request without the ``root_path``."""
        return path_in_app(scope, self._routes.root_path)

    def layers(self, path: str, method: str, scope: Scope | None = None) -> Layers:
        """Return the layers for a path without ``root_path``, from the outermost to the nearest.

        Args:
            path: of the request.
            method: of the request.
            scope: of the request, for routes by host; without it, these are left out.
        """
        found: Layers = (self.own,)
        for rule in self.rules:
            if rule.matches(path, method):
                found += (rule.overrides,)
                break
        return found + self._routes.layers(path, method, scope)

    def find(self, template: str, method: str) -> Found | None:
        """Return the route of an operation, by its path in OpenAPI: ``/items/{name}``.

        ``None`` if there is no such route, or if the routes of the app cannot be seen.
        """
        return self._routes.find(template, method)

    def options(self, scope: Scope, base: BinaryOptions) -> BinaryOptions:
        """Return the options in force for a request.

        Args:
            scope: of the request.
            base: the options of a middleware further out, or the defaults.
        """
        layers = self.layers(self.path(scope), scope["method"], scope)
        # A router further out may have found the endpoint already.
        nearest = endpoint_overrides(scope.get("endpoint"), scope["method"])
        return with_overrides(base, *layers, nearest)


class _Routes:
    """The routes inside a middleware or a mount, or the resolver of a middleware further in.

    Args:
        app: a middleware, an app, or the app of a route.
    """

    def __init__(self, app: Any) -> None:
        self.resolver: Resolver | None = None
        self.root_path: str | None = None
        self.entries: list[_Entry] = []
        for layer in _wrapped(app):
            # A FastAPI app sets its own in the scope when it is called.
            own_root_path = getattr(layer, "root_path", None)
            if isinstance(own_root_path, str) and own_root_path:
                self.root_path = own_root_path
            self.resolver = _resolver_of(layer)
            if self.resolver is not None:
                break
            routes = getattr(layer, "routes", None)
            if isinstance(routes, list) and all(isinstance(each, BaseRoute) for each in routes):
                self.entries = [entry for route in routes for entry in _entries(route)]
                break
        # Entries without overrides matter only where they shadow a later one that has some.
        self._relevant = list(self.entries)
        while self._relevant and not self._relevant[-1].has_overrides:
            self._relevant.pop()

    @property
    def has_overrides(self) -> bool:
        if self.resolver is not None:
            return self.resolver.has_overrides
        return bool(self._relevant)

    def find(self, template: str, method: str) -> Found | None:
        if self.resolver is not None:
            return self.resolver.find(template, method)
        found = (entry.find(template, method) for entry in self.entries)
        return next((each for each in found if each is not None), None)

    def layers(self, path: str, method: str, scope: Scope | None) -> Layers:
        if self.resolver is not None:
            return self.resolver.layers(path, method, scope)
        for entry in self._relevant:
            inner_path = entry.inner_path(path, method, scope)
            if inner_path is not None:
                return entry.inner.layers(inner_path, method, scope) + entry.layers
        return ()


def _wrapped(app: Any) -> Iterator[Any]:
    """Yield an app and what it wraps, by the attribute ``app`` that middleware usually has."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        yield app
        app = getattr(app, "app", None)


def _resolver_of(layer: Any) -> Resolver | None:
    """Return the resolver of a middleware, or of one that a Starlette app makes when it starts."""
    resolver = getattr(layer, "resolver", None)
    if isinstance(resolver, Resolver):
        return resolver
    for added in getattr(layer, "user_middleware", ()):
        make = getattr(added.cls, "make_resolver", None)
        if make is not None:
            made: Resolver = make(layer.router, *added.args, **added.kwargs)
            return made
    return None


class _Entry:
    """One route, or the routes that are mounted under a path.

    Args:
        path: in Starlette's syntax.
        methods: its methods, ``None`` for all.
        inner: the routes behind it.
        layers: the overrides of its class and its endpoint.
        is_mount: whether what is inside sees only the rest of the path.
        host: the route by host, which is for all paths.
        route: the holder of the route's settings.
        original: the route itself.
    """

    def __init__(
        self,
        path: str,
        methods: Iterable[str] | None,
        inner: _Routes,
        layers: Layers = (),
        *,
        is_mount: bool = False,
        host: Host | None = None,
        route: Any = None,
        original: Any = None,
    ) -> None:
        self.pattern = PathPattern(f"{path}/{{path:path}}" if is_mount else path)
        self.methods = None if methods is None else frozenset(methods)
        self.inner = inner
        self.layers = tuple(layer for layer in layers if layer)
        self._is_mount = is_mount
        self._host = host
        self._route = route
        self._original = original

    @property
    def has_overrides(self) -> bool:
        return bool(self.layers) or self.inner.has_overrides

    def inner_path(self, path: str, method: str, scope: Scope | None) -> str | None:
        """Return the path as seen inside, ``None`` if this route is not for the request."""
        if self._host is not None and (
            scope is None or self._host.matches(scope)[0] is not Match.FULL
        ):
            return None
        if self.methods is not None and method not in self.methods:
            return None
        match = self.pattern.regex.match(path)
        if match is None:
            return None
        return f"/{match['path']}" if self._is_mount else path

    def find(self, template: str, method: str) -> Found | None:
        """Return the route with this template, here or behind a mount."""
        if self.methods is not None and method not in self.methods:
            return None
        sample = self.pattern.sample() or self.pattern.template
        if not self._is_mount:
            is_it = template == self.pattern.template
            return Found(sample, self._route, self._original) if is_it else None
        prefix = self.pattern.template.removesuffix("/{path}")
        if not template.startswith(f"{prefix}/"):
            return None
        found = self.inner.find(template.removeprefix(prefix), method)
        match = self.pattern.regex.match(sample)
        if found is None or match is None:
            return None
        return found._replace(path=sample.removesuffix(f"/{match['path']}") + found.path)

    def overlaps(self, rule: RouteRule) -> bool:
        """Return whether some request may match this route and a rule."""
        if (
            self.methods is not None
            and rule.methods is not None
            and rule.methods.isdisjoint(self.methods | _ALWAYS_ALLOWED)
        ):
            return False
        own, others = self.pattern.sample(), rule.pattern.sample()
        if own is None or others is None:
            return True  # a convertor of the user's
        return rule.pattern.matches(own) or self.pattern.matches(others)


_ALWAYS_ALLOWED: Final = frozenset({"HEAD", "OPTIONS"})
"""Methods that a middleware may respond to where the route does not."""

_HANDLERS: Final = ("get", "head", "post", "put", "patch", "delete", "options", "query")


def _entries(route: Any) -> Iterator[_Entry]:
    included = included_routes(route)
    if included is not None:
        for context, original in included:
            yield from _entries_of_endpoint(context, original)
    elif isinstance(route, Mount):
        yield _Entry(route.path, None, _Routes(route.app), is_mount=True)
    elif isinstance(route, Host):
        yield _Entry("", None, _Routes(route.app), is_mount=True, host=route)
    else:
        yield from _entries_of_endpoint(route, route)


def _entries_of_endpoint(route: Any, original: Any) -> Iterator[_Entry]:
    """Yield the entries of a route: one for each method of a class that has overrides, then all.

    Args:
        route: has the path, the methods and the endpoint.
        original: has the class and the middleware.
    """
    path, endpoint = getattr(route, "path", None), getattr(route, "endpoint", None)
    if not path or isinstance(original, WebSocketRoute):
        return
    inner = _Routes(getattr(original, "app", None))
    layers: Layers = (
        getattr(type(original), "binary_overrides", ()),
        endpoint_overrides(endpoint),
    )

    def entry(methods: Iterable[str] | None, *further: Overrides) -> _Entry:
        return _Entry(path, methods, inner, (*layers, *further), route=route, original=original)

    if isinstance(endpoint, type):
        for name in _HANDLERS:
            at_method = endpoint_overrides(getattr(endpoint, name, None))
            if at_method:
                own = {name.upper()}
                yield entry(own if hasattr(endpoint, "head") else with_head(own), at_method)
    yield entry(getattr(route, "methods", None))

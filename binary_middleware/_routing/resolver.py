"""Which options hold for a request: the nearest ones, from the endpoint outwards.

Options are set in layers: at the app, by a rule, at a router (or by a middleware further in), at
the endpoint. Each layer names some of them. What the routes of a Starlette or FastAPI app say is
looked up once, so that a request can be judged by its own options before the app runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

from starlette.routing import BaseRoute, Host, Match, Mount, WebSocketRoute
from starlette.types import ASGIApp, Scope

from binary_middleware._routing.rules import (
    PathPattern,
    RouteRule,
    check_rules,
    path_in_app,
    with_head,
)
from binary_middleware.options import (
    BinaryOptions,
    Overrides,
    endpoint_overrides,
    with_overrides,
)

Layers = tuple[Overrides, ...]

_ALWAYS_THERE = frozenset({"HEAD", "OPTIONS"})


class Found(NamedTuple):
    """A route, found by the template of its path."""

    path: str
    """One of the paths that it is for, as :meth:`Resolver.layers` takes it."""
    route: Any
    """What has the settings of the route: in FastAPI, for a router that was included, a context."""
    original: Any
    """The route itself."""


class Resolver:
    """The layers of one middleware, and of what is inside of it.

    Args:
        app: what the middleware wraps.
        own: the options of the middleware.
        rules: its rules.
        last_rules: rules that come after those, and that they may leave nothing for.

    Raises:
        ValueError: a rule can never match.
    """

    def __init__(
        self,
        app: ASGIApp,
        own: Overrides,
        rules: Iterable[RouteRule] = (),
        last_rules: Iterable[RouteRule] = (),
    ) -> None:
        rules = tuple(rules)
        check_rules(rules)
        self.own = own
        self.rules = (*rules, *last_rules)
        self._checked = rules
        self._app = app

    @cached_property
    def _inside(self) -> _Inside:
        return _Inside(self._app)

    def check(self) -> None:
        """Check the rules against the routes of the app, where they can be seen.

        Raises:
            ValueError: a rule is for none of them.
        """
        routes = self._inside.all_entries
        for rule in self._checked:
            if routes and not any(entry.overlaps(rule) for entry in routes):
                raise ValueError(f"{rule!r} can never match: the app has no such route")

    @cached_property
    def is_uniform(self) -> bool:
        """Whether the options do not hang on the path or the method."""
        return not self.rules and not self._inside.has_overrides

    @property
    def has_inner(self) -> bool:
        """Whether there is a middleware of ours directly inside."""
        return self._inside.resolver is not None

    @property
    def has_overrides(self) -> bool:
        """Whether any option is set here or further in."""
        return bool(self.own) or not self.is_uniform

    def path(self, scope: Scope) -> str:
        """The path of a request, without the ``root_path``."""
        return path_in_app(scope, self._inside.root_path)

    def layers(self, path: str, method: str, scope: Scope | None = None) -> Layers:
        """The layers for a path without ``root_path``, from the outermost to the nearest.

        Args:
            path: of the request.
            method: of the request.
            scope: of the request, for what hangs on its host; without it, no such route is seen.
        """
        found: Layers = (self.own,)
        for rule in self.rules:
            if rule.matches(path, method):
                found += (rule.overrides,)
                break
        return found + self._inside.layers(path, method, scope)

    def find(self, template: str, method: str) -> Found | None:
        """The route of an operation, by its path as OpenAPI has it: ``/items/{name}``.

        ``None`` if the routes of the app cannot be seen, or none of them is the one.
        """
        return self._inside.find(template, method)

    def options(self, scope: Scope, base: BinaryOptions) -> BinaryOptions:
        """The options for a request.

        Args:
            scope: of the request.
            base: the options of a middleware further out, or the defaults.
        """
        layers = self.layers(self.path(scope), scope["method"], scope)
        # A router further out has found the endpoint already.
        nearest = endpoint_overrides(scope.get("endpoint"), scope["method"])
        return with_overrides(base, *layers, nearest)


class _Inside:
    """What is inside a middleware or a route: another middleware, routes, or nothing we know.

    Args:
        app: a middleware, an app, or whatever is behind a route.
    """

    def __init__(self, app: Any) -> None:
        self.resolver: Resolver | None = None
        self.root_path: str | None = None
        self.all_entries: list[_Entry] = []
        for layer in _wrapped(app):
            # A FastAPI app puts its own into the scope when it is called.
            own_root_path = getattr(layer, "root_path", None)
            if isinstance(own_root_path, str) and own_root_path:
                self.root_path = own_root_path
            self.resolver = _resolver_at(layer)
            if self.resolver is not None:
                break  # it knows what is inside of it
            routes = getattr(layer, "routes", None)
            if isinstance(routes, list) and all(isinstance(each, BaseRoute) for each in routes):
                self.all_entries = [entry for route in routes for entry in _entries(route)]
                break
        # Those up to the last one that says something keep others from it; what follows does not.
        self._entries = list(self.all_entries)
        while self._entries and not self._entries[-1].has_overrides:
            self._entries.pop()

    @property
    def has_overrides(self) -> bool:
        if self.resolver is not None:
            return self.resolver.has_overrides
        return bool(self._entries)

    def find(self, template: str, method: str) -> Found | None:
        if self.resolver is not None:
            return self.resolver.find(template, method)
        for entry in self.all_entries:
            found = entry.find(template, method)
            if found is not None:
                return found
        return None

    def layers(self, path: str, method: str, scope: Scope | None) -> Layers:
        if self.resolver is not None:
            return self.resolver.layers(path, method, scope)
        for entry in self._entries:
            rest = entry.rest_of(path, method, scope)
            if rest is not None:
                return entry.inside.layers(rest, method, scope) + entry.layers
        return ()


def _wrapped(app: Any) -> Iterator[Any]:
    """An app and what it wraps, as far as it says so in the usual way."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        yield app
        app = getattr(app, "app", None)


def _resolver_at(layer: Any) -> Resolver | None:
    """The resolver of a middleware, or of one that a Starlette app will make when it starts."""
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
    """One route, or what is mounted under a path.

    Args:
        path: in Starlette's syntax.
        methods: its methods, ``None`` for all.
        inside: what is behind it.
        layers: what its class and its endpoint say.
        is_mount: whether what is inside sees the rest of the path only.
        host: the route of a host, which is for all paths.
        route: has the settings of the route.
        original: the route itself.
    """

    def __init__(
        self,
        path: str,
        methods: Iterable[str] | None,
        inside: _Inside,
        layers: Layers = (),
        *,
        is_mount: bool = False,
        host: Host | None = None,
        route: Any = None,
        original: Any = None,
    ) -> None:
        self.host = host
        self.pattern = PathPattern(f"{path}/{{path:path}}" if is_mount else path)
        self.methods = None if methods is None else frozenset(methods)
        self.inside = inside
        self.layers = tuple(layer for layer in layers if layer)
        self.is_mount = is_mount
        self.route = route
        self.original = original

    @property
    def has_overrides(self) -> bool:
        return bool(self.layers) or self.inside.has_overrides

    def rest_of(self, path: str, method: str, scope: Scope | None) -> str | None:
        """The path as it is inside, ``None`` if it is not for this route."""
        if self.host is not None and (
            scope is None or self.host.matches(scope)[0] is not Match.FULL
        ):
            return None
        if self.methods is not None and method not in self.methods:
            return None
        match = self.pattern.regex.match(path)
        if match is None:
            return None
        return f"/{match['path']}" if self.is_mount else path

    def find(self, template: str, method: str) -> Found | None:
        """The route with this template, here or behind a mount."""
        if self.methods is not None and method not in self.methods:
            return None
        if not self.is_mount:
            is_it = template == self.pattern.template
            return Found(self._sample(), self.route, self.original) if is_it else None
        prefix = self.pattern.template.removesuffix("/{path}")
        if not template.startswith(f"{prefix}/"):
            return None
        found = self.inside.find(template.removeprefix(prefix), method)
        sample = self._sample()
        match = self.pattern.regex.match(sample)
        if found is None or match is None:
            return None
        return found._replace(path=sample.removesuffix(f"/{match['path']}") + found.path)

    def _sample(self) -> str:
        # With a convertor of the user's the template has to do.
        return next(iter(self.pattern.samples()), self.pattern.template)

    def overlaps(self, rule: RouteRule) -> bool:
        """Whether there can be a request for this route and a rule."""
        if self.methods is not None and rule.methods is not None:
            shared = (self.methods | _ALWAYS_THERE) & rule.methods
            if not shared:
                return False
        return self.pattern.overlaps(rule.pattern)


def _entries(route: Any) -> Iterator[_Entry]:
    included = getattr(route, "effective_route_contexts", None)
    if included is not None:  # a router that a FastAPI app includes
        for context in included():
            yield from _entries_of_endpoint(context, context.original_route)
    elif isinstance(route, Mount):
        yield _Entry(route.path, None, _Inside(route.app), is_mount=True)
    elif isinstance(route, Host):
        yield _Entry("", None, _Inside(route.app), is_mount=True, host=route)
    else:
        yield from _entries_of_endpoint(route, route)


def _entries_of_endpoint(route: Any, original: Any) -> Iterator[_Entry]:
    """What a route says. With the methods of a class one by one, if one of them says something.

    Args:
        route: has the path, the methods and the endpoint.
        original: has the class and the middleware.
    """
    path, endpoint = getattr(route, "path", None), getattr(route, "endpoint", None)
    if not path or isinstance(original, WebSocketRoute):
        return
    inside = _Inside(getattr(original, "app", None))
    layers: Layers = (
        getattr(type(original), "binary_overrides", ()),
        endpoint_overrides(endpoint),
    )
    if isinstance(endpoint, type):
        for name in ("get", "head", "post", "put", "patch", "delete", "options", "query"):
            at_method = endpoint_overrides(getattr(endpoint, name, None))
            if at_method:
                own = {name.upper()}
                yield _Entry(
                    path,
                    own if hasattr(endpoint, "head") else with_head(own),
                    inside,
                    (*layers, at_method),
                    route=route,
                    original=original,
                )
    methods = getattr(route, "methods", None)
    yield _Entry(path, methods, inside, layers, route=route, original=original)

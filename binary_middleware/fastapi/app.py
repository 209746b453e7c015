"""``enable``: binary mode for a FastAPI app, all of its routes and its document."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import signature
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from starlette.types import ASGIApp

from binary_middleware.fastapi.openapi import complete_with
from binary_middleware.fastapi.route import BinaryRoute, streams
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.options import make_overrides
from binary_middleware.resolution import Resolver
from binary_middleware.rules import RouteRule


def enable(
    app: FastAPI,
    *,
    routes: Iterable[RouteRule] = (),
    keep_memory: bool = True,
    **options: Any,
) -> None:
    """Give a FastAPI app a binary mode: middleware, the object lane, media types in OpenAPI.

    Can be called before or after the routes are added, but before the app starts. Routes of
    routers that the app includes are replaced in those routers: another app that includes the
    same router serves them in binary mode, too. The OpenAPI document and its pages are served to
    JSON clients under ``mode="require"`` as well.

    Args:
        app: the app.
        routes: as for ``BinaryMiddleware``.
        keep_memory: as for ``BinaryMiddleware``.
        options: as for ``BinaryMiddleware``.

    Raises:
        ValueError: an option is unknown or wrong.
    """
    rules = tuple(routes)
    # What is wrong fails here, not when the app starts.
    _AppMiddleware.make_resolver(app.router, enabled=app, routes=rules, **options)
    app.add_middleware(
        _AppMiddleware, enabled=app, routes=rules, keep_memory=keep_memory, **options
    )
    _use_binary_routes(app.router)
    _complete_document(app)


class _AppMiddleware(BinaryMiddleware):
    """The middleware of an app, made when the app starts and all of its routes are there."""

    def __init__(
        self,
        app: ASGIApp,
        /,
        *,
        enabled: FastAPI,
        routes: tuple[RouteRule, ...],
        keep_memory: bool,
        **options: Any,
    ) -> None:
        _use_binary_routes(enabled.router)
        _complete_document(enabled)  # the user may have set a function of their own meanwhile
        super().__init__(app, routes=routes, keep_memory=keep_memory, **options)
        self.resolver = self.make_resolver(app, enabled=enabled, routes=routes, **options)

    @classmethod
    def make_resolver(
        cls,
        app: ASGIApp,
        /,
        *,
        enabled: FastAPI | None = None,
        routes: Iterable[RouteRule] = (),
        keep_memory: bool = True,
        openapi_path: str | None = None,
        **options: Any,
    ) -> Resolver:
        if openapi_path is not None:
            raise ValueError("openapi_path is for other apps: enable knows the document of its own")
        last_rules = []
        if enabled is not None and options.get("mode") == "require":
            last_rules = _documentation_rules(enabled)
        return Resolver(app, make_overrides(**options), routes, last_rules)


def _complete_document(app: FastAPI) -> None:
    def prepare() -> None:
        if app.middleware_stack is None:  # as it will be when the app starts
            _use_binary_routes(app.router)

    complete_with(app, prepare)


def _documentation_rules(app: FastAPI) -> list[RouteRule]:
    """Rules for the OpenAPI document and its pages: browsers read them in every mode."""
    urls = (app.openapi_url, app.docs_url, app.swagger_ui_oauth2_redirect_url, app.redoc_url)
    return [RouteRule(url, mode="negotiate") for url in urls if url]


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


# A set that is made anew can have its methods in another order, and FastAPI names an operation
# after the first one.
_NOT_KEPT: Final = frozenset(
    {"generate_unique_id_function", "operation_id", "description", "methods"}
)


def _rebuild(route: APIRoute) -> APIRoute:
    """The same route, of a class that is a ``BinaryRoute`` as well.

    Returns:
        The route itself, which stays on the JSON lane, if its class does not make an equal one
        of its attributes.
    """
    if streams(route):
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
    # Apps are known to add dependencies to routes that are there already.
    same = same and _calls(rebuilt.dependant) == _calls(route.dependant)
    return rebuilt if same else route


def _calls(dependant: Dependant) -> list[Any]:
    return [(each.call, _calls(each)) for each in dependant.dependencies]

"""``add_binary_mode``: binary mode for a FastAPI app, all of its routes and its document."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final, Unpack

from fastapi import FastAPI
from fastapi.routing import APIRoute, APIRouter
from starlette.types import ASGIApp

from binary_middleware._routing.resolver import Resolver
from binary_middleware._routing.rules import RouteRule
from binary_middleware.fastapi._compat import adoptable_contexts
from binary_middleware.fastapi._openapi import complete_with
from binary_middleware.fastapi._route import BinaryRoute, adopt
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.options import OptionsDict, make_overrides


def add_binary_mode(
    app: FastAPI,
    *,
    rules: Iterable[RouteRule] = (),
    keep_memory: bool = True,
    body_agnostic: Iterable[Any] = (),
    **options: Unpack[OptionsDict],
) -> None:
    """Give a FastAPI app a binary mode: middleware, the object lane, media types in OpenAPI.

    Can be called before or after the routes are added, but before the app starts. Routes stay the
    objects that they are, with all that was set on them; those that cannot exchange objects safely
    exchange JSON text, and the log says which and why. Routers are shared: another app that
    includes the same router serves its routes in binary mode, too. The OpenAPI document and its
    pages are served to JSON clients under ``mode="require"`` as well.

    Args:
        app: the app.
        rules: as for ``BinaryMiddleware``.
        keep_memory: as for ``BinaryMiddleware``.
        body_agnostic: as for ``BinaryMiddleware``.
        options: as for ``BinaryMiddleware``.

    Raises:
        ValueError: an option is unknown or wrong.
    """
    rules = tuple(rules)
    # What is wrong fails here, not when the app starts.
    _AppMiddleware.make_resolver(app.router, enabled=app, rules=rules, **options)
    app.add_middleware(
        _AppMiddleware,
        enabled=app,
        rules=rules,
        keep_memory=keep_memory,
        body_agnostic=tuple(body_agnostic),
        **options,
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
        rules: tuple[RouteRule, ...],
        keep_memory: bool,
        body_agnostic: tuple[Any, ...],
        **options: Unpack[OptionsDict],
    ) -> None:
        _use_binary_routes(enabled.router)
        _report_json_lane(enabled.router)
        _complete_document(enabled)  # the user may have set a function of their own meanwhile
        super().__init__(
            app, rules=rules, keep_memory=keep_memory, body_agnostic=body_agnostic, **options
        )
        self.resolver = self.make_resolver(app, enabled=enabled, rules=rules, **options)

    @classmethod
    def make_resolver(
        cls,
        app: ASGIApp,
        /,
        *,
        enabled: FastAPI | None = None,
        rules: Iterable[RouteRule] = (),
        keep_memory: bool = True,
        openapi_path: str | None = None,
        body_agnostic: Iterable[Any] = (),
        **options: Unpack[OptionsDict],
    ) -> Resolver:
        if openapi_path is not None:
            raise ValueError("openapi_path is for other apps: enable knows the document of its own")
        last_rules = []
        if enabled is not None and options.get("mode") == "require":
            last_rules = _documentation_rules(enabled)
        return Resolver(app, make_overrides(**options), rules, last_rules)


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
    """Have all routes of a router, and of those that it includes, exchange objects."""
    routes: dict[int, tuple[APIRoute, list[Any]]] = {}
    for route, owner in _owners(router):
        routes.setdefault(id(route), (route, []))[1].append(owner)
    for route, owners in routes.values():
        adopt(route, owners)


def _owners(router: APIRouter) -> Iterator[tuple[APIRoute, Any]]:
    """Yield each route, with each of those who hold an app that serves it."""
    router.route_class = _binary_class(router.route_class)
    for route in router.routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _owners(included)
            for context in adoptable_contexts(route):
                yield context.original_route, context
        elif isinstance(route, APIRoute):
            yield route, route


def _binary_class(route_class: type[APIRoute]) -> type[APIRoute]:
    if issubclass(route_class, BinaryRoute):
        return route_class
    if route_class is APIRoute:
        return BinaryRoute
    return type(route_class.__name__, (route_class, BinaryRoute), {})


def _report_json_lane(router: APIRouter) -> None:
    """Log which routes of an app that starts stay on the JSON lane."""
    reasons = {
        f"{route.path} ({reason})": None
        for route, owner in _owners(router)
        if (reason := getattr(owner, "json_lane_reason", None)) is not None
    }
    if reasons:
        _LOGGER.warning("these routes exchange JSON text: %s", "; ".join(reasons))


_LOGGER: Final = logging.getLogger("binary_middleware")

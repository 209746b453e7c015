"""``add_binary_mode``: binary mode for a FastAPI app, all of its routes and its document."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final, Unpack

from fastapi import FastAPI
from starlette.types import ASGIApp

from binary_middleware._routing.resolver import Resolver
from binary_middleware._routing.rules import RouteRule
from binary_middleware.fastapi._adoption import adopt_routes, json_lane_reasons
from binary_middleware.fastapi._openapi import complete_with
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
    """Give a FastAPI app a binary mode: the middleware, object lanes, and media types in OpenAPI.

    Call it before or after the routes are added, but before the app starts. Routes remain the
    objects that they are, with whatever was set on them; those that cannot safely exchange objects
    exchange JSON text, and the log names them with the reason. Routers are shared: another app that
    includes the same router serves its routes in binary mode, too. The OpenAPI document and its
    pages are served to JSON clients under ``mode="require"`` as well.

    Args:
        app: the app.
        rules: as for ``BinaryMiddleware``.
        keep_memory: as for ``BinaryMiddleware``.
        body_agnostic: as for ``BinaryMiddleware``.
        options: as for ``BinaryMiddleware``.

    Raises:
        ValueError: an option is unknown or invalid.
    """
    rules = tuple(rules)
    # Invalid options fail here, not when the app starts.
    _AppMiddleware.make_resolver(app.router, enabled=app, rules=rules, **options)
    app.add_middleware(
        _AppMiddleware,
        enabled=app,
        rules=rules,
        keep_memory=keep_memory,
        body_agnostic=tuple(body_agnostic),
        **options,
    )
    adopt_routes(app.router)
    _complete_document(app)


class _AppMiddleware(BinaryMiddleware):
    """The middleware of an app. It is made when the app starts, with all of its routes."""

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
        adopt_routes(enabled.router)
        _report_json_lane(enabled)
        _complete_document(enabled)  # the user may have replaced app.openapi since
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
            raise ValueError(
                "openapi_path is for other apps; add_binary_mode finds the document itself"
            )
        last_rules = []
        if enabled is not None and options.get("mode") == "require":
            last_rules = _documentation_rules(enabled)
        return Resolver(app, make_overrides(**options), rules, last_rules)


def _complete_document(app: FastAPI) -> None:
    def prepare() -> None:
        if app.middleware_stack is None:  # later, the routes are adopted already
            adopt_routes(app.router)

    complete_with(app, prepare)


def _documentation_rules(app: FastAPI) -> list[RouteRule]:
    """Return rules for the OpenAPI document and its pages, which browsers read in every mode."""
    urls = (app.openapi_url, app.docs_url, app.swagger_ui_oauth2_redirect_url, app.redoc_url)
    return [RouteRule(url, mode="negotiate") for url in urls if url]


def _report_json_lane(app: FastAPI) -> None:
    reasons = json_lane_reasons(app.router)
    if reasons:
        _LOGGER.warning("these routes exchange JSON text: %s", "; ".join(reasons))


_LOGGER: Final = logging.getLogger("binary_middleware")

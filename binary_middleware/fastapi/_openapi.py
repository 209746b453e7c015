"""The OpenAPI document of a FastAPI app, with the binary media types of its routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fastapi import FastAPI

from binary_middleware._routing.resolver import Resolver
from binary_middleware.fastapi._compat import default_response_class
from binary_middleware.fastapi._route import BinaryRoute
from binary_middleware.openapi import BinaryOperation, OperationOf, add_binary_media_types
from binary_middleware.openapi._options import options_of


def complete_openapi(app: FastAPI) -> None:
    """Add binary media types to the OpenAPI document of an app without ``add_binary_mode``.

    Such an app has routers with ``BinaryRoute``, or ``BinaryMiddleware`` among its middleware. Call
    it at any time, but after replacing ``app.openapi``.

    Args:
        app: the app.
    """
    complete_with(app, lambda: None)


def complete_with(app: FastAPI, prepare: Callable[[], None]) -> None:
    """Replace ``app.openapi`` with a :class:`CompletedDocument`, unless it is one already.

    Args:
        app: the app.
        prepare: called before a document is made.
    """
    if not isinstance(app.openapi, CompletedDocument):
        app.openapi = CompletedDocument(app, app.openapi, prepare)  # type: ignore[method-assign]


class CompletedDocument:
    """The ``openapi`` function of an app, with the document completed.

    The completed document replaces the one that FastAPI caches in ``app.openapi_schema``:
    therefore it is completed once, and changes to it are kept.

    Args:
        app: the app.
        make: makes its document: FastAPI's method, or a function of the user.
        prepare: called before a document is made.
    """

    def __init__(
        self, app: FastAPI, make: Callable[[], dict[str, Any]], prepare: Callable[[], None]
    ) -> None:
        self._app = app
        self._make = make
        self._prepare = prepare
        self._completed: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        self._prepare()
        document = self._make()
        if document is self._completed:
            return document
        completed = add_binary_media_types(document, _operations_of(self._app, document))
        if completed == document:
            completed = document  # completed by another instance
        if self._app.openapi_schema is document:
            self._app.openapi_schema = completed
        self._completed = completed
        return completed


def _operations_of(app: FastAPI, document: Mapping[str, Any]) -> OperationOf:
    resolver = Resolver(app, ())

    def operation_of(template: str, method: str) -> BinaryOperation:
        found = resolver.find(template, method)
        options = options_of(resolver, document, template, method, found)
        is_binary = found is not None and isinstance(found.original, BinaryRoute)
        if found is None or not is_binary or getattr(found.route, "json_lane_reason", None):
            # The JSON lane, if there is a middleware.
            return BinaryOperation(options if resolver.has_inner else replace(options, mode="off"))
        route = found.route
        has_default_class = default_response_class(route) is not None
        return BinaryOperation(
            options,
            reads_objects=route.body_field is not None,
            object_statuses={str(route.status_code or 200)} if has_default_class else (),
        )

    return operation_of

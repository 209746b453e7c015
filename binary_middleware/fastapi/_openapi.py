"""The OpenAPI document of a FastAPI app, with the binary media types of its routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.datastructures import DefaultPlaceholder

from binary_middleware._routing.resolver import Resolver
from binary_middleware.fastapi._route import BinaryRoute
from binary_middleware.openapi import BinaryOperation, OperationOf, add_binary_media_types
from binary_middleware.openapi._options import options_of


def complete_openapi(app: FastAPI) -> None:
    """Make ``app.openapi()`` tell of binary mode, for an app without ``add_binary_mode``.

    That is an app with routers whose routes are ``BinaryRoute``s, or with ``BinaryMiddleware``
    among its middleware. Can be called at any time; an ``app.openapi`` of one's own must be set
    before.
    """
    complete_with(app, lambda: None)


def complete_with(app: FastAPI, prepare: Callable[[], None]) -> None:
    """Put a :class:`CompletedDocument` in the place of ``app.openapi``, unless it is one already.

    Args:
        app: the app.
        prepare: called before a document is made.
    """
    if not isinstance(app.openapi, CompletedDocument):
        app.openapi = CompletedDocument(app, app.openapi, prepare)  # type: ignore[method-assign]


class CompletedDocument:
    """What ``app.openapi()`` was, with the document completed.

    The complete document takes the place of the one that FastAPI keeps in ``app.openapi_schema``,
    so that it is completed once, and changes that somebody makes there are seen.

    Args:
        app: the app.
        make: makes its document: FastAPI's own method or a function of the user's.
        prepare: called before.
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
            completed = document  # another one of these has completed it
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
            # On the JSON lane, if there is a middleware that makes one.
            return BinaryOperation(options if resolver.has_inner else replace(options, mode="off"))
        route = found.route
        has_default_class = isinstance(route.response_class, DefaultPlaceholder)
        return BinaryOperation(
            options,
            reads_objects=route.body_field is not None,
            object_statuses={str(route.status_code or 200)} if has_default_class else (),
        )

    return operation_of

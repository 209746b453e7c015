"""The direct path: a route is served without FastAPI's own handler.

FastAPI's handler does for every request what only some routes need, and makes a JSON response at
its end. What it comes down to for a route with the default response class is done here, in the same
order: resolve dependencies and parameters, by FastAPI's own function; call the endpoint; validate
its result; dump that, as a document. A plain route, with one body parameter and nothing else, has
only its body validated. All around it stays FastAPI's: the exit stacks, the exception handlers, the
middleware.

A request that this path cannot serve exactly as FastAPI would is left to FastAPI's handler before
anything happened to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.params import Form
from fastapi.utils import is_body_allowed_for_status_code
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from binary_middleware._asgi.exchange import Exchange
from binary_middleware._http.media_types import JSON
from binary_middleware.fastapi._body_fields import binary_field, with_binary_fields
from binary_middleware.fastapi._compat import (
    MAX_BODY_SIZE_SCOPE_KEY,
    NO_BODY,
    dependency_solver,
    endpoint_context,
    is_coroutine,
    is_instrumented,
    knows_effective_routes,
    takes_nothing_but_one_body,
)
from binary_middleware.fastapi._response import ResponseFieldProxy, pack_document
from binary_middleware.formats._collector import CollectorPause

DirectHandler = Callable[[Exchange, Request, Any, bool], Awaitable[Response]]


def can_use_fast_path(request: Request) -> bool:
    """Whether FastAPI's handler would do no more for this request than is done here."""
    return MAX_BODY_SIZE_SCOPE_KEY not in request.scope and not is_instrumented()


def direct_handler(route: Any, response_field_proxy: ResponseFieldProxy) -> DirectHandler | None:
    """A handler for binary answers of a route, ``None`` if only FastAPI's can serve it.

    The handler takes an exchange with a binary answer, the request, its decoded body or
    ``NO_BODY``, and whether somebody may look at the answer on its way. It raises what FastAPI's
    does. It is for requests that :func:`can_use_fast_path`.

    Args:
        route: the route, or what FastAPI reads its settings from. It is answered with the default
            response class, and is no generator.
        response_field_proxy: what stands in the place of its response field.
    """
    body_field, dependant = route.body_field, route.dependant
    is_async = is_coroutine(dependant)
    if is_async is None or not knows_effective_routes():
        return None
    if body_field is not None and isinstance(body_field.field_info, Form):
        return None
    status_code = route.status_code or 200
    is_plain = takes_nothing_but_one_body(route) and is_body_allowed_for_status_code(status_code)
    solve = dependency_solver(route, with_binary_fields(dependant))
    binary_body: Any = binary_field(body_field) if is_plain else None
    how = {
        name: getattr(route, f"response_model_{name}")
        for name, default in _HOW.items()
        if getattr(route, f"response_model_{name}") != default
    }

    async def handle(exchange: Exchange, request: Request, body: Any, is_shown: bool) -> Response:
        solved = None
        # Apps are known to add dependencies to routes that are there already.
        if is_plain and body is not NO_BODY and not dependant.dependencies:
            facts = exchange.facts
            argument, errors = binary_body.validate_document(body, facts, loc=("body",))
            values = {body_field.name: argument}
        else:
            solved = await solve(request, body)
            values, errors = solved.values, solved.errors
        if errors:
            raise RequestValidationError(
                errors,
                body=None if body is NO_BODY else body,
                endpoint_ctx=endpoint_context(route, request.scope),
            )
        if is_async:
            result = await dependant.call(**values)
        else:
            result = await run_in_threadpool(partial(dependant.call, **values))
        if isinstance(result, Response):
            if solved is not None and result.background is None:
                result.background = solved.background_tasks
            return result
        if is_async or not response_field_proxy.has_model:
            content, errors = response_field_proxy.validate(result, {}, loc=("response",))
        else:
            content, errors = await run_in_threadpool(
                response_field_proxy.validate, result, {}, loc=("response",)
            )
        if errors:
            raise ResponseValidationError(
                errors=errors, body=result, endpoint_ctx=endpoint_context(route, request.scope)
            )
        if (exchange.request.size or 0) < _MANY_OBJECTS:
            return respond(exchange, content, solved, is_shown)
        with CollectorPause():
            return respond(exchange, content, solved, is_shown)

    def respond(exchange: Exchange, content: Any, solved: Any, is_shown: bool) -> Response:
        variant = exchange.plan.variant
        keeps_times = variant is not None and variant.carries_times
        document = response_field_proxy.dump(content, keeps_times=keeps_times, **how)

        def to_json() -> bytes:
            return response_field_proxy.dump_json(content, **how)

        if solved is None:
            return pack_document(document, to_json, exchange, status_code, is_shown=is_shown)
        injected, background = solved.response, solved.background_tasks
        code = injected.status_code or status_code
        if not is_body_allowed_for_status_code(code):
            response = Response(b"", code, media_type=JSON, background=background)
            response.raw_headers += injected.headers.raw
            return response
        return pack_document(
            document,
            to_json,
            exchange,
            code,
            injected.headers.raw,
            background,
            is_shown=is_shown,
        )

    return handle


_MANY_OBJECTS: Final = 256 * 1024
"""Bytes of a request from which its response may be made of so many objects that the garbage
collector would take most of the time."""
_HOW: Final = {
    "include": None,
    "exclude": None,
    "by_alias": True,
    "exclude_unset": False,
    "exclude_defaults": False,
    "exclude_none": False,
}
"""How FastAPI dumps the result of an endpoint, unless its route says otherwise."""

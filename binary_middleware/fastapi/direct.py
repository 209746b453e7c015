"""The direct path: a plain route is served without FastAPI's own handler.

FastAPI's handler does for every request what only some routes need: it collects dependencies,
parameters and injected objects. For a route that has none of these it comes down to four calls,
which are made here: validate the body, await the endpoint, validate its result, dump that. All
around it stays FastAPI's: the exit stacks, the exception handlers, the middleware.

A request that this path cannot serve exactly as FastAPI would is left to FastAPI's handler before
anything happened to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.params import Form
from fastapi.utils import is_body_allowed_for_status_code
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from binary_middleware.exchange import Exchange
from binary_middleware.fastapi.answer import pack_document
from binary_middleware.fastapi.internals import (
    endpoint_context,
    is_observed,
    takes_nothing_but_one_body,
)

DirectHandler = Callable[[Exchange, Scope], Awaitable[Response]]


def can_go_direct(request: Request) -> bool:
    """Whether FastAPI's handler would do no more for this request than is done here."""
    scope = request.scope
    return MAX_BODY_SIZE_SCOPE_KEY not in scope and not is_observed(scope)


def direct_handler(route: Any, answer_field: Any) -> DirectHandler | None:
    """A handler for binary requests to a plain route, ``None`` if the route is not plain.

    Plain is an async endpoint with one body parameter that is not embedded, and no other
    parameter or dependency, that is answered with the default response class.

    The handler raises what FastAPI's does. It is for requests that :func:`can_go_direct`, whose
    exchange was taken and whose body was read and is not empty.

    Args:
        route: the route, or what FastAPI reads its settings from.
        answer_field: the stand-in for its response field.
    """
    if not iscoroutinefunction(route.dependant.call) or not takes_nothing_but_one_body(route):
        return None
    body_field = route.body_field
    status_code = route.status_code or 200
    if isinstance(body_field.field_info, Form) or not is_body_allowed_for_status_code(status_code):
        return None
    how = {
        "include": route.response_model_include,
        "exclude": route.response_model_exclude,
        "by_alias": route.response_model_by_alias,
        "exclude_unset": route.response_model_exclude_unset,
        "exclude_defaults": route.response_model_exclude_defaults,
        "exclude_none": route.response_model_exclude_none,
    }

    async def handle(exchange: Exchange, scope: Scope) -> Response:
        value = exchange.value()
        argument, errors = body_field.validate(value, {}, loc=("body",))
        if errors:
            context = endpoint_context(route, scope)
            raise RequestValidationError(errors, body=value, endpoint_ctx=context)
        result = await route.dependant.call(**{body_field.name: argument})
        if isinstance(result, Response):
            return result
        content, errors = answer_field.validate(result, {}, loc=("response",))
        if errors:
            context = endpoint_context(route, scope)
            raise ResponseValidationError(errors=errors, body=result, endpoint_ctx=context)
        document = answer_field.serialize_json(content, **how)
        return pack_document(document, exchange, status_code=status_code)

    return handle

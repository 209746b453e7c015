"""The fast path: a route is served without FastAPI's own handler.

FastAPI's handler does for every request what only some routes need, and finally makes a JSON
response. For a route with the default response class, the fast path does the rest in the same
order: resolve dependencies and parameters, with FastAPI's own function; call the endpoint; validate
its result; dump that as a document. If the only input is one body parameter, it is validated
without resolving dependencies. The exit stacks, exception handlers and middleware around the
handler remain FastAPI's.

A request that the fast path cannot serve exactly as FastAPI would is left to FastAPI's handler
before anything has been done for it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from fastapi.exceptions import RequestValidationError, ResponseValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from binary_middleware._http.media_types import JSON
from binary_middleware.fastapi._body_fields import (
    binary_field,
    reset_current_exchange,
    set_current_exchange,
    with_binary_fields,
)
from binary_middleware.fastapi._compat import (
    NO_BODY,
    RESPONSE_MODEL_DEFAULTS,
    dependency_solver,
    error_context,
    has_only_body,
    is_body_allowed,
    is_coroutine,
)
from binary_middleware.fastapi._request import BinaryRequest
from binary_middleware.fastapi._response import ResponseFieldProxy
from binary_middleware.formats._collector import CollectorPause
from binary_middleware.lane import Exchange, pack_response
from binary_middleware.starlette._response import BuffersResponse


class FastPath:
    """Serves the binary responses of a route that ``supports_fast_path``.

    Args:
        settings: the :func:`~binary_middleware.fastapi._compat.effective_route`. It has the
            default response class, and its endpoint is not a generator.
        route: the route itself.
        response_field: the proxy of its response field.
    """

    def __init__(self, settings: Any, route: object, response_field: ResponseFieldProxy) -> None:
        self._settings = settings
        self._route = route
        self._dependant = settings.dependant
        self._is_async = is_coroutine(settings.dependant)
        self._status_code = settings.status_code or 200
        self._response_field = response_field
        self._validates_in_thread = not self._is_async and response_field.has_model
        self._solve_dependencies = dependency_solver(
            settings, with_binary_fields(settings.dependant)
        )
        self._body_field: Any = None
        if has_only_body(settings) and is_body_allowed(self._status_code):
            self._body_field = binary_field(settings.body_field)
        self._dump_settings = {
            name: value
            for name, default in RESPONSE_MODEL_DEFAULTS.items()
            if (value := getattr(settings, f"response_model_{name}")) != default
        }

    async def __call__(self, exchange: Exchange, request: Request, body: Any) -> Response:
        """Respond to a request that ``can_use_fast_path``, with the exceptions of FastAPI.

        Args:
            exchange: an exchange whose response is binary.
            request: the request; a ``BinaryRequest`` if its body is claimed.
            body: its decoded body, or ``NO_BODY``.
        """
        solved = None
        dependant, field = self._dependant, self._body_field
        # Apps are known to add dependencies to existing routes.
        if field is not None and body is not NO_BODY and not dependant.dependencies:
            argument, errors = field.validate_document(body, exchange.facts, loc=("body",))
            values = {field.name: argument}
        else:
            solved = await self._solve(exchange, request, body)
            values, errors = solved.values, solved.errors
        if errors:
            context = error_context(self._settings, request.scope)
            raise RequestValidationError(errors, body=None if body is NO_BODY else body, **context)
        if self._is_async:
            result = await dependant.call(**values)
        else:
            result = await run_in_threadpool(partial(dependant.call, **values))
        if isinstance(result, Response):
            if solved is not None and result.background is None:
                result.background = solved.background_tasks
            return result
        validate = self._response_field.validate
        if self._validates_in_thread:
            content, errors = await run_in_threadpool(validate, result, {}, loc=("response",))
        else:
            content, errors = validate(result, {}, loc=("response",))
        if errors:
            context = error_context(self._settings, request.scope)
            raise ResponseValidationError(errors=errors, body=result, **context)
        if (exchange.request.size or 0) < _MANY_OBJECTS:
            return self._respond(exchange, content, solved)
        with CollectorPause():
            return self._respond(exchange, content, solved)

    async def _solve(self, exchange: Exchange, request: Request, body: Any) -> Any:
        is_claimed = type(request) is BinaryRequest
        token = set_current_exchange(exchange if is_claimed else None)
        try:
            return await self._solve_dependencies(request, body)
        finally:
            reset_current_exchange(token)

    def _respond(self, exchange: Exchange, content: Any, solved: Any) -> Response:
        variant = exchange.plan.variant
        keeps_times = variant is not None and variant.carries_times
        field, settings = self._response_field, self._dump_settings
        document = field.dump(content, keeps_times=keeps_times, **settings)

        def to_json() -> bytes:
            return field.dump_json(content, **settings)

        status_code, raw_headers, background = self._status_code, (), None
        if solved is not None:
            injected, background = solved.response, solved.background_tasks
            status_code, raw_headers = injected.status_code or status_code, injected.headers.raw
            if not is_body_allowed(status_code):
                response = Response(b"", status_code, media_type=JSON, background=background)
                response.raw_headers += raw_headers
                return response
        media_type, buffers = pack_response(exchange, document, to_json, endpoint=self._route)
        return BuffersResponse(buffers, media_type, status_code, raw_headers, background)


_MANY_OBJECTS: Final = 256 * 1024
"""Bytes of a request from which its response may consist of so many objects that the garbage
collector would take most of the time."""

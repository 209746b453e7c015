"""The handlers of a route: the selection for a request, and comparison."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, Final, NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from binary_middleware._asgi.exchange import SCOPE_KEY
from binary_middleware.fastapi._body_fields import reset_current_exchange, set_current_exchange
from binary_middleware.fastapi._compat import NO_BODY, can_use_fast_path
from binary_middleware.fastapi._errors import holds_bytes, json_refusal, refusal, summarized
from binary_middleware.fastapi._fast_path import FastPath
from binary_middleware.fastapi._request import BinaryRequest, claim_request
from binary_middleware.fastapi._response import pack_if_document
from binary_middleware.lane import Exchange

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class RouteHandlers(NamedTuple):
    """The handlers of one route."""

    json: Handler
    """FastAPI's handler, for JSON clients."""
    claimed: Handler
    """For a binary body, if the response is JSON."""
    objects: Handler
    """For a binary response."""
    fast_path: FastPath | None
    """For a binary response, unless FastAPI's handler is needed."""


def negotiated_handler(handlers: RouteHandlers, route: object, *, reads_body: bool) -> Handler:
    """Return the handler of a route, which selects one by the exchange of a request.

    Args:
        handlers: the handlers to select from.
        route: the route.
        reads_body: whether the route declares a body that is not a form. Any other body is left to
            the endpoint, as JSON text.
    """
    handle_json, fast_path = handlers.json, handlers.fast_path

    async def handle(request: Request) -> Response:
        exchange = request.scope.get(SCOPE_KEY)
        if not isinstance(exchange, Exchange):
            return await handle_json_client(handle_json, request)
        inner = claim_request(exchange, request) if reads_body else request
        try:
            is_binary = exchange.plan.variant is not None
            if is_binary and fast_path is not None and can_use_fast_path(request):
                if type(inner) is BinaryRequest:
                    return await fast_path(exchange, inner, await inner.document())
                if not reads_body:
                    return await fast_path(exchange, inner, NO_BODY)
            is_replaced = inner is not request
            response = await _call_fastapi(handlers, exchange, inner, is_replaced=is_replaced)
            return pack_if_document(response, exchange, route)
        except RequestValidationError as exc:
            if exchange.plan.request is None and not holds_bytes(exc):
                raise
            raise summarized(exc) from exc.__cause__
        except Exception as exc:
            # FastAPI turns any exception from reading the body into a 400 of its own.
            if exchange.error is None:
                exchange.error = json_refusal(exc, exchange.options)
                raise
            return refusal(exchange)

    return handle


async def _call_fastapi(
    handlers: RouteHandlers, exchange: Exchange, request: Request, *, is_replaced: bool
) -> Response:
    """Have one of FastAPI's handlers respond to a binary client.

    Args:
        handlers: the handlers of the route.
        exchange: the exchange of the request.
        request: the request for the handler.
        is_replaced: whether it replaces the app's request, because the body is binary.
    """
    handle = handlers.claimed if is_replaced else handlers.json
    if exchange.plan.variant is not None:
        handle = handlers.objects
    token = set_current_exchange(exchange if is_replaced else None)
    try:
        return await handle(request)
    finally:
        reset_current_exchange(token)


async def handle_json_client(handle_json: Handler, request: Request) -> Response:
    """Have FastAPI's handler respond to a JSON client.

    Raises:
        NotAcceptable: JSON cannot hold the response.
    """
    try:
        return await handle_json(request)
    except RequestValidationError as exc:
        if not holds_bytes(exc):
            raise
        raise summarized(exc) from exc.__cause__
    except ValueError as exc:
        error = json_refusal(exc, request.scope.get(SCOPE_KEY))
        if error is None:
            raise
        raise error from exc


def adopted_handler(
    handle_json: Handler, handle_binary: Handler, original: Any, copied: Any
) -> Handler:
    """Return the handler of a route that existed before binary mode.

    Args:
        handle_json: the handler that the route had, which JSON clients keep.
        handle_binary: the handler for binary clients.
        original: the dependant of ``handle_json``.
        copied: the copy of it that ``handle_binary`` reads.
    """

    async def handle(request: Request) -> Response:
        if isinstance(request.scope.get(SCOPE_KEY), Exchange):
            copied.call = original.call
            return await handle_binary(request)
        return await handle_json_client(handle_json, request)

    return handle


async def _handle(request: Request) -> Response:  # pragma: no cover  # only its code is used
    return Response()


def _codes_of(*handlers: Any) -> frozenset[CodeType]:
    return frozenset(handler.__code__ for handler in handlers)


_OWN_CODES: Final = _codes_of(
    negotiated_handler(
        RouteHandlers(_handle, _handle, _handle, None), route=None, reads_body=False
    ),
    adopted_handler(_handle, _handle, None, None),
)


def contains_own_handler(
    handler: Any, codes: Collection[CodeType] = _OWN_CODES, depth: int = 8
) -> bool:
    """Return whether a handler is one of this module, or holds one.

    Args:
        handler: a function that takes a request.
        codes: the code of the handlers to look for.
        depth: how many functions inside each other to search.
    """
    kind = type(handler)
    if kind is FunctionType and handler.__code__ in codes:
        return True
    if kind not in (FunctionType, MethodType, partial) or not depth:
        return False
    return any(contains_own_handler(part, codes, depth - 1) for part in _PARTS[kind](handler))


def are_same(one: Any, other: Any, same: Mapping[int, object], depth: int = 8) -> bool:
    """Return whether two handlers have the same code and hold the same values.

    Args:
        one: a handler, or a value that one holds.
        other: the other one.
        same: the objects that count as the same as those with these ids.
        depth: how many functions inside each other to compare.
    """
    if one is other or same.get(id(other), other) is one:
        return True
    kind = type(one)
    if kind is not type(other) or not depth:
        return False
    if kind in (bool, int, str):
        return bool(one == other)
    parts = _PARTS.get(kind)
    if parts is None or (kind is FunctionType and one.__code__ is not other.__code__):
        return False
    mine, its = parts(one), parts(other)
    return len(mine) == len(its) and all(
        are_same(part, counterpart, same, depth - (kind is FunctionType))
        for part, counterpart in zip(mine, its, strict=True)
    )


def _cell_value(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the variable has no value
        return None


_PARTS: Final[dict[type, Callable[[Any], Sequence[Any]]]] = {
    FunctionType: lambda one: [
        one.__defaults__,
        one.__kwdefaults__,
        vars(one),
        *map(_cell_value, one.__closure__ or ()),
    ],
    MethodType: lambda one: (one.__self__, one.__func__),
    partial: lambda one: (one.func, one.args, one.keywords),
    tuple: lambda one: one,
    dict: lambda one: [part for pair in one.items() for part in pair],
}

"""``@binary_options``: options of one endpoint, which enforces them if no middleware could."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import Any, Final, TypeVar, Unpack

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._asgi.passthrough import PASSTHROUGH_KEY, Passthrough
from binary_middleware._compat import forget_headers, set_receive
from binary_middleware._http.negotiation import plan_for
from binary_middleware.errors import NotAcceptable
from binary_middleware.options import (
    ATTRIBUTE,
    BinaryOptions,
    OptionsDict,
    Overrides,
    differing_options,
    endpoint_overrides,
    make_overrides,
    with_overrides,
)

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def binary_options(**options: Unpack[OptionsDict]) -> Callable[[Endpoint], Endpoint]:
    """Set options for one endpoint, a function or a class.

    Place it above or below the decorator of the route. Below is better: if the middleware cannot
    see the route, the endpoint enforces the options itself before it runs. Options that are not
    named here are those of the router, a rule or the app, in this order. It needs a middleware
    around the app, ``add_binary_mode``, or a ``BinaryRoute``; without any, ``mode="require"``
    rejects all requests.

    ::

        @app.post("/predict")
        @binary_options(mode="require", max_body_size="256MiB")
        async def predict(batch: Batch) -> Prediction: ...

    Args:
        options: fields of ``BinaryOptions``.

    Raises:
        ValueError: an option is unknown or wrong, or contradicts another one.
    """
    overrides = make_overrides(**options)
    if options.get("mode") == "off" and len(options) > 1:
        idle = sorted(options.keys() - {"mode"})[0]
        raise ValueError(f'{idle} has no effect with mode="off"')

    def decorate(endpoint: Endpoint) -> Endpoint:
        present = dict(vars(endpoint).get(ATTRIBUTE, ()))  # without those of a base class
        for name, value in overrides:
            if present.get(name, value) != value:
                named = getattr(endpoint, "__qualname__", endpoint)
                raise ValueError(f"{name} is set twice for {named}: {present[name]!r}, {value!r}")
        merged = {**dict(endpoint_overrides(endpoint)), **dict(overrides)}
        # Also at the function that a guard calls: a route may hold that one.
        for each in (endpoint, getattr(endpoint, _GUARDED, endpoint)):
            setattr(each, ATTRIBUTE, tuple(sorted(merged.items())))
        guarded: Endpoint = _with_guard(endpoint)
        return guarded

    return decorate


_GUARDED: Final = "__binary_guarded__"
PARAMETER: Final = "binary_middleware_request"
"""The parameter by which FastAPI passes the request to a guard."""


def _with_guard(endpoint: Any) -> Any:
    """Return an endpoint that enforces its options on requests, and not when it is called directly.

    Args:
        endpoint: a function, or an endpoint class of Starlette.
    """
    if isinstance(endpoint, type):
        dispatch = getattr(endpoint, "dispatch", None)
        if inspect.iscoroutinefunction(dispatch) and not hasattr(dispatch, _GUARDED):
            endpoint.dispatch = _guarded_dispatch(dispatch)  # type: ignore[attr-defined]  # has it
        return endpoint
    if not inspect.isfunction(endpoint) or hasattr(endpoint, _GUARDED):
        return endpoint
    guard = _guard(endpoint)
    setattr(guard, _GUARDED, endpoint)
    signature = inspect.signature(endpoint)
    parameters = list(signature.parameters.values())
    has_rest = bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD
    # FastAPI fills one parameter of this type. Those of type Request are apart from it, and often
    # the endpoint's.
    own = inspect.Parameter(PARAMETER, inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection)
    if not any("HTTPConnection" in str(each.annotation) for each in parameters):
        parameters.insert(len(parameters) - has_rest, own)
    guard.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return guard


def _guard(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the same kind that checks the request before the endpoint runs."""

    @functools.wraps(endpoint)
    def call(*args: Any, **kwargs: Any) -> Any:
        connection = kwargs.pop(PARAMETER, None)
        given = (*args[-1:], *kwargs.values()) if connection is None else (connection,)
        request = next((each for each in given if isinstance(each, Request)), None)
        if request is not None:
            _enforce(request.scope, endpoint_overrides(endpoint), request)
        return endpoint(*args, **kwargs)

    @functools.wraps(endpoint)
    async def call_coroutine(*args: Any, **kwargs: Any) -> Any:
        return await call(*args, **kwargs)

    @functools.wraps(endpoint)
    def call_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return (yield from call(*args, **kwargs))

    @functools.wraps(endpoint)
    async def call_async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        async with aclosing(call(*args, **kwargs)) as generator:
            async for item in generator:
                yield item

    if inspect.iscoroutinefunction(endpoint):
        return call_coroutine
    if inspect.isgeneratorfunction(endpoint):
        return call_generator
    return call_async_generator if inspect.isasyncgenfunction(endpoint) else call


def _guarded_dispatch(dispatch: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(dispatch)
    async def guard(self: Any) -> None:
        _enforce(self.scope, endpoint_overrides(type(self), self.scope["method"]), self)
        await dispatch(self)

    setattr(guard, _GUARDED, dispatch)
    return guard


def _enforce(scope: Scope, overrides: Overrides, reader: Any) -> None:
    """Put the options of an endpoint in force, if no middleware has done so.

    Args:
        scope: the scope of the endpoint.
        overrides: the options that the endpoint sets.
        reader: the request, or the instance of an endpoint class, that is going to read the body.

    Raises:
        RejectedRequest: the request is rejected, and a middleware further out responds.
        HTTPException: the same, where there is no middleware.
    """
    outer = scope.get(SCOPE_KEY)
    if outer is None and "endpoint" not in scope:
        return  # no app has routed this request: the endpoint is called directly
    in_force = outer.options if isinstance(outer, Exchange) else outer
    if isinstance(in_force, BinaryOptions):
        options = differing_options(in_force, overrides)
        if options is None:
            return
        holder = outer if isinstance(outer, Exchange) else scope.get(PASSTHROUGH_KEY)
        if isinstance(holder, Exchange | Passthrough):
            error = holder.adopt(options, scope)
            if error is not None:
                raise error
            forget_headers(reader)
            exchange = holder.exchange if isinstance(holder, Passthrough) else None
            if exchange is not None and isinstance(reader, Request):
                set_receive(reader, exchange.receive)
            elif exchange is not None:
                reader.receive = exchange.receive
            return
    _reject_without_middleware(scope, overrides)


def _reject_without_middleware(scope: Scope, overrides: Overrides) -> None:
    options = with_overrides(BinaryOptions(), overrides)
    if options.mode != "require":
        return
    error = plan_for(scope, options.offer).refusal or NotAcceptable(
        'this endpoint has mode="require", and no BinaryMiddleware around it gives it a binary mode'
    )
    raise HTTPException(error.status, str(error), dict(error.headers))

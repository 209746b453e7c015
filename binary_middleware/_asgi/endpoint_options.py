"""``@binary_options``: options at the endpoint, which enforces them if no middleware could."""

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

    Above or below the decorator of the route; below is better: a route that the middleware cannot
    see then enforces the options itself, before the endpoint runs. What is not named here comes
    from the router, a rule or the app, in this order. It needs a middleware around the app,
    ``add_binary_mode``, or a ``BinaryRoute``. Without any, ``mode="require"`` refuses all requests.

    ::

        @app.post("/predict")
        @binary(mode="require", max_body_size=256 * 2**20)
        async def predict(batch: Batch) -> Prediction: ...

    Args:
        options: fields of ``BinaryOptions``.

    Raises:
        ValueError: an option is unknown or wrong, or contradicts another one.
    """
    overrides = make_overrides(**options)
    if options.get("mode") == "off" and len(options) > 1:
        idle = sorted(options.keys() - {"mode"})[0]
        raise ValueError(f'mode="off" leaves nothing to do for {idle}')

    def decorate(endpoint: Endpoint) -> Endpoint:
        at_once = dict(vars(endpoint).get(ATTRIBUTE, ()))  # without those of a base class
        for name, value in overrides:
            if at_once.get(name, value) != value:
                named = getattr(endpoint, "__qualname__", endpoint)
                raise ValueError(f"{name} is set twice for {named}: {at_once[name]!r}, {value!r}")
        merged = {**dict(endpoint_overrides(endpoint)), **dict(overrides)}
        # At the function that a guard calls as well: a route may have that one.
        for each in (endpoint, getattr(endpoint, _GUARDED, endpoint)):
            setattr(each, ATTRIBUTE, tuple(sorted(merged.items())))
        guarded: Endpoint = _with_guard(endpoint)
        return guarded

    return decorate


# -- enforcement -----------------------------------------------------------------------------------

_GUARDED: Final = "__binary_guarded__"
PARAMETER: Final = "binary_middleware_request"
"""The parameter by which FastAPI hands the request to a guard."""


def _with_guard(endpoint: Any) -> Any:
    """Have an endpoint enforce its options when a request reaches it; called directly, it does not.

    Args:
        endpoint: a function, or a class of Starlette's.
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
    # FastAPI fills one parameter of this type; a Request is another one, and often the endpoint's.
    own = inspect.Parameter(PARAMETER, inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection)
    if not any("HTTPConnection" in str(each.annotation) for each in parameters):
        parameters.insert(len(parameters) - has_rest, own)
    guard.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return guard


def _guard(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint, of the same kind, with a look at the request first."""

    def check(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found = kwargs.pop(PARAMETER, None)
        for request in (found,) if found is not None else (*args[-1:], *kwargs.values()):
            if isinstance(request, Request):
                _enforce(request.scope, endpoint_overrides(endpoint), request)
                return

    if inspect.isasyncgenfunction(endpoint):

        @functools.wraps(endpoint)
        async def items(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            check(args, kwargs)
            async with aclosing(endpoint(*args, **kwargs)) as generator:
                async for item in generator:
                    yield item

        return items

    if inspect.isgeneratorfunction(endpoint):

        @functools.wraps(endpoint)
        def items_in_thread(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            check(args, kwargs)
            return (yield from endpoint(*args, **kwargs))

        return items_in_thread

    if inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        async def call(*args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return await endpoint(*args, **kwargs)

        return call

    @functools.wraps(endpoint)
    def call_in_thread(*args: Any, **kwargs: Any) -> Any:
        check(args, kwargs)
        return endpoint(*args, **kwargs)

    return call_in_thread


def _guarded_dispatch(dispatch: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(dispatch)
    async def guard(self: Any) -> None:
        _enforce(self.scope, endpoint_overrides(type(self), self.scope["method"]), self)
        await dispatch(self)

    setattr(guard, _GUARDED, dispatch)
    return guard


def _enforce(scope: Scope, overrides: Overrides, reader: Any) -> None:
    """Refuse a request that the options of its endpoint refuse, if nobody looked at them before.

    Args:
        scope: as the endpoint sees it.
        overrides: what the endpoint sets.
        reader: the request or the endpoint of Starlette's that is going to read the body.

    Raises:
        RejectedRequest: the request is refused, and a middleware further out answers.
        HTTPException: the same, where there is none.
    """
    outer = scope.get(SCOPE_KEY)
    if outer is None and "endpoint" not in scope:
        return  # no app has routed this request: somebody calls the endpoint with one of their own
    in_force = outer.options if isinstance(outer, Exchange) else outer
    if isinstance(in_force, BinaryOptions):
        options = differing_options(in_force, overrides)
        if options is None:
            return
        keeper = outer if isinstance(outer, Exchange) else scope.get(PASSTHROUGH_KEY)
        if isinstance(keeper, Exchange | Passthrough):
            error = keeper.adopt(options, scope)
            if error is not None:
                raise error
            vars(reader).pop("_headers", None)  # Starlette's view of those that were there before
            _read_through(keeper, reader)
            return
    _refuse_where_there_is_no_binary_mode(scope, overrides)


def _read_through(keeper: Exchange | Passthrough, reader: Any) -> None:
    exchange = keeper.exchange if isinstance(keeper, Passthrough) else None
    if exchange is not None:
        name = "_receive" if isinstance(reader, Request) else "receive"
        setattr(reader, name, exchange.receive)


def _refuse_where_there_is_no_binary_mode(scope: Scope, overrides: Overrides) -> None:
    options = with_overrides(BinaryOptions(), overrides)
    if options.mode != "require":
        return
    error = plan_for(scope, options.offer).refusal or NotAcceptable(
        'this endpoint has mode="require", and no BinaryMiddleware around it gives it a binary mode'
    )
    raise HTTPException(error.status, str(error), dict(error.headers))

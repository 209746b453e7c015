"""Routes of a FastAPI app for the methods of a contract."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI
from starlette.types import Receive, Scope, Send
from typing_extensions import is_protocol

from binary_middleware.fastapi import BinaryRoute
from binary_middleware.options import OptionsDict
from binary_middleware.remote._contract import Method, methods_of
from binary_middleware.remote._trace_context import TraceContextMiddleware


class ServiceRoute(BinaryRoute):
    """A route whose calls to other services carry the trace context of its request."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        await TraceContextMiddleware(super().handle)(scope, receive, send)


def mount(
    app: FastAPI | APIRouter,
    contract: Any,
    implementation: Any,
    prefix: str,
    options: OptionsDict,
) -> None:
    """Mount an implementation; see ``serve``."""
    router = APIRouter(route_class=ServiceRoute.configured(**options))
    for method in methods_of(contract).values():
        router.add_api_route(
            f"/{method.name}",
            _endpoint(contract, method, implementation),
            methods=["POST"],
            response_model=method.returns,
            name=method.name,
            description=method.description,
        )
    app.include_router(router, prefix=prefix)


def _endpoint(contract: type, method: Method, implementation: Any) -> Callable[..., Any]:
    function = getattr(implementation, method.name, None)
    where = f"{type(implementation).__name__}.{method.name}()"
    declared = getattr(contract, method.name)
    if function is None or (
        is_protocol(contract) and getattr(function, "__func__", None) is declared
    ):
        raise TypeError(f"{where} is missing; {contract.__name__} declares it")
    try:
        inspect.signature(function).bind(**dict.fromkeys(method.signature.parameters))
    except TypeError as exc:
        raise TypeError(
            f"{where} does not accept the parameters that {contract.__name__} declares: {exc}"
        ) from None

    # FastAPI reads the parameters of a body from the signature. Embedded, each has its name in the
    # body even if it is the only one.
    parameters = [
        parameter.replace(
            kind=parameter.KEYWORD_ONLY,
            annotation=Annotated[parameter.annotation, Body(embed=True)],
        )
        for parameter in method.signature.parameters.values()
    ]

    async def awaited(**arguments: Any) -> Any:
        return await function(**arguments)

    def called(**arguments: Any) -> Any:
        return function(**arguments)

    # FastAPI calls functions in a thread unless they are coroutine functions.
    endpoint: Any = awaited if inspect.iscoroutinefunction(function) else called
    endpoint.__name__ = method.name
    endpoint.__signature__ = method.signature.replace(parameters=parameters)
    return endpoint  # type: ignore[no-any-return]

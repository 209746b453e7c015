"""Access to undocumented Starlette internals, and to FastAPI's below its lane.

Apart from ``fastapi._compat``, which can import FastAPI, nothing else in the package relies on a
name that these do not document. Where a version lacks one, requests take the JSON lane, and nothing
else changes.
"""

from __future__ import annotations

from types import CodeType, FunctionType, MethodType
from typing import Any, Final

import starlette.routing
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive

MAX_BODY_SIZE_SCOPE_KEY: Final = "starlette.max_body_size"
"""The scope key under which Starlette 1.1 and newer announce a limit on the body."""


async def _probe(request: Any) -> Any: ...


def app_code(request_response: Any) -> CodeType | None:
    """Return the code of the apps that ``request_response`` makes, ``None`` if they have none.

    Args:
        request_response: Starlette's function of this name, or FastAPI's.
    """
    try:
        code = request_response(_probe).__code__
    except (AttributeError, TypeError):
        return None
    return code if isinstance(code, CodeType) else None


def handler_of_app(app: Any, code: CodeType | None) -> Any:
    """Return the handler inside an app that ``request_response`` made, ``None`` for other apps.

    Apps are compared by identity: a proxy can forge its type for ``isinstance`` and its
    attributes, but not for ``type``.

    Args:
        app: the app of a route.
        code: the code of its kind, from :func:`app_code`.
    """
    if code is None or type(app) is not FunctionType or app.__code__ is not code:
        return None
    cells = dict(zip(code.co_freevars, app.__closure__ or (), strict=True))
    return cells[_HANDLER].cell_contents if _HANDLER in cells else None


_HANDLER: Final = "f"
"""The variable of ``request_response`` that holds the handler."""

APP_CODE: Final = app_code(getattr(starlette.routing, "request_response", None))
"""The code of the apps that Starlette makes of endpoints."""


def innermost_receive(receive: Any) -> Any:
    """Return the channel behind Starlette's body limits, which forward messages unseen."""
    while type(receive) is MethodType and _is_body_limit(receive):
        receive = getattr(receive.__self__, "receive", None)
    return receive


def _is_body_limit(receive: MethodType) -> bool:
    owner = type(receive.__self__)
    return (owner.__module__, receive.__func__.__name__) == _BODY_LIMIT


_BODY_LIMIT: Final = ("starlette.middleware.body_limit", "receive_with_limit")


def has_receive(request: Request) -> bool:
    """Return whether :func:`set_receive` has an effect."""
    return hasattr(request, "_receive")


def set_receive(request: Request, receive: Receive) -> None:
    """Have a request read its body from another channel."""
    request._receive = receive


def included_routes(route: Any) -> list[tuple[Any, Any]] | None:
    """Return the routes of a router that FastAPI 0.137 and newer include as one route.

    Returns:
        Pairs of the object with the settings of a route and the route itself; ``None`` for any
        other route.
    """
    contexts = getattr(route, "effective_route_contexts", None)
    if contexts is None:
        return None
    return [(each, getattr(each, "original_route", each)) for each in contexts()]


def forget_headers(reader: Any) -> None:
    """Have a request read its headers from its scope again.

    Args:
        reader: a request, or an ``HTTPEndpoint``, which holds no headers.
    """
    attributes = vars(reader)
    for name in [name for name, value in attributes.items() if isinstance(value, Headers)]:
        del attributes[name]


def is_plain_fastapi_route(route: object) -> bool:
    """Return whether a route is one of FastAPI's own, which reads bodies as JSON text."""
    return hasattr(route, "dependant") and not hasattr(route, "exchanges_objects")

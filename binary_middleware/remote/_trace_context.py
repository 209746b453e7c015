"""What an incoming request hands on to the calls that are made for it: trace and request id."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

PASSED_ON: Final = (b"traceparent", b"tracestate", b"baggage", b"x-request-id")
"""W3C Trace Context §3.2 and §3.3, W3C Baggage §3.2, and the usual name of a request's id."""

_incoming: ContextVar[dict[str, bytes]] = ContextVar("binary_middleware_passed_on")


class TraceContextMiddleware:
    """Middleware that has the calls of a request carry its trace context and its request id.

    Routes that ``Service.serve`` mounts do so by themselves. Nothing else of a request is kept.

    ::

        app.add_middleware(TraceContextMiddleware)

    Args:
        app: the app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        found: dict[str, bytes] = {}
        for name, value in scope["headers"]:
            if name in PASSED_ON:  # a list may come in several lines (RFC 9110 §5.3)
                key = name.decode()
                found[key] = found[key] + b", " + value if key in found else value
        token = _incoming.set(found)
        try:
            await self.app(scope, receive, send)
        finally:
            _incoming.reset(token)


def headers_to_pass_on() -> dict[str, bytes]:
    """The header fields for a call that is made now, as they came; empty outside of a request."""
    return _incoming.get({})

"""Headers that an incoming request passes on to calls made for it: trace context, request id."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

FORWARDED_HEADERS: Final = (b"traceparent", b"tracestate", b"baggage", b"x-request-id")
"""W3C Trace Context §3.2 and §3.3, W3C Baggage §3.2, and the usual name of a request id."""

_incoming: ContextVar[dict[str, bytes]] = ContextVar("binary_middleware_forwarded_headers")


class TraceContextMiddleware:
    """Middleware that adds the trace context and the id of a request to the calls made for it.

    Routes of ``serve`` do so by themselves. Nothing else of a request is kept.

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
            if name in FORWARDED_HEADERS:  # a list may be in several lines (RFC 9110 §5.3)
                key = name.decode()
                found[key] = found[key] + b", " + value if key in found else value
        token = _incoming.set(found)
        try:
            await self.app(scope, receive, send)
        finally:
            _incoming.reset(token)


def forwarded_headers() -> dict[str, bytes]:
    """Return the headers for a call that is made now, as received; none outside of a request."""
    return _incoming.get({})

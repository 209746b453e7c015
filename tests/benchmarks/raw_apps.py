"""What an echo costs at least: raw ASGI apps, and Starlette's own.

Nothing here imports the library, nor FastAPI: what these cost is what they cost by themselves.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.benchmarks.documents import KIB, LARGEST_BODY

SEND_CHUNK_SIZE: Final = 128 * KIB
"""Bytes in one message of the raw app's response: as fast as any from 48 to 256 KiB."""


class _Raw:
    """A raw ASGI app: a body is read into one buffer and sent back in slices.

    Args:
        reuse: whether one buffer serves all requests. No real server can do that, as two requests
            may overlap; it shows what fresh memory costs.
        label: whether a response says what it is.
    """

    def __init__(self, *, reuse: bool = False, label: bool = False) -> None:
        self.label = [(b"content-type", b"application/msgpack")] if label else []
        self.buffer = np.zeros(LARGEST_BODY if reuse else 0, np.uint8)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/ping":
            await _start(send, 4, [])
            await send({"type": "http.response.body", "body": b"pong"})
            return
        length = int(next(value for name, value in scope["headers"] if name == b"content-length"))
        buffer = (self.buffer if len(self.buffer) else np.empty(length, np.uint8)).data
        filled = 0
        more_body = True
        while more_body:
            message = await receive()
            chunk = message.get("body", b"")
            buffer[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
            more_body = message.get("more_body", False)
        await _start(send, filled, self.label)
        for start in range(0, filled, SEND_CHUNK_SIZE):
            end = min(start + SEND_CHUNK_SIZE, filled)
            await send(
                {
                    "type": "http.response.body",
                    "body": bytes(buffer[start:end]),
                    "more_body": end < filled,
                }
            )


async def _start(send: Send, length: int, label: list[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-length", str(length).encode()), *label]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def limit() -> ASGIApp:
    """Read into a buffer for each request, and send it: the limit."""
    return _Raw()


def limit_reused() -> ASGIApp:
    """Read into one buffer for all requests: the limit without the cost of memory."""
    return _Raw(reuse=True)


def echo() -> ASGIApp:
    """Serve the clients that are measured: the limit, with a Content-Type."""
    return _Raw(label=True)


async def ping(_: Request) -> Response:
    """Respond to the small requests that are sent while large bodies flow."""
    return PlainTextResponse("pong")


async def echo_body(request: Request) -> Response:
    """Echo the body as everybody writes it first."""
    return Response(await request.body())


def starlette_echo() -> ASGIApp:
    """Starlette, the body unread."""
    paths = ("/array", "/distinct", "/document")
    posts = [Route(path, echo_body, methods=["POST"]) for path in paths]
    return Starlette(routes=[Route("/ping", ping), *posts])

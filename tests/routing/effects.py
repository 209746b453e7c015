"""The effects of options, as a client sees them."""

from __future__ import annotations

import functools
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from binary_middleware import packb
from tests.asgi_app import MSGPACK


async def endpoint(request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        await request.body()
    return JSONResponse([1])


def copy_of_endpoint() -> Any:
    @functools.wraps(endpoint)
    async def copy(request: Request) -> Response:
        return await endpoint(request)

    return copy


def mode_of(client: TestClient, path: str, method: str = "GET") -> str:
    """Return the mode in force for a path."""
    accept_json = client.request(method, path, headers={"accept": "application/json"})
    accept_msgpack = client.request(method, path, headers={"accept": "application/msgpack"})
    if accept_json.status_code == 406:
        assert accept_msgpack.headers["content-type"] == "application/msgpack"
        return "require"
    assert accept_json.status_code == accept_msgpack.status_code == 200
    if accept_msgpack.headers["content-type"] == "application/msgpack":
        return "negotiate"
    assert "vary" not in accept_msgpack.headers
    return "off"


def limit_holds(client: TestClient, path: str, limit: int) -> bool:
    """Return whether a limit holds exactly, for bodies with and without Content-Length."""

    def status(size: int, *, announced: bool) -> int:
        header = len(packb(bytes(size))) - size
        body = packb(bytes(size - header))
        assert len(body) == size
        content: Any = body if announced else iter([body])
        return client.post(path, content=content, headers=MSGPACK).status_code

    sizes = (limit, limit + 1)
    found = [[status(size, announced=how) for size in sizes] for how in (True, False)]
    return found == [[200, 413], [200, 413]]


def closure(app: Any) -> Any:
    """Return a middleware that does not show which app it wraps."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return middleware

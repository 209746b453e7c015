"""What docs/frameworks.md says of single frameworks beyond what all apps are tested for.

Annotations are not postponed here: frameworks look names up that only a function has.
"""

from typing import Any

import anyio
import msgpack
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from binary_middleware import BinaryMiddleware, RouteRule
from tests.asgi_app import MSGPACK, call, exchange, http_scope
from tests.integration.frameworks.differences import need_installed

BODY = msgpack.packb({"a": 1})


async def crash(request: Request) -> Response:
    raise ZeroDivisionError


async def report(request: Request, exc: Exception) -> Response:
    return JSONResponse({"error": type(exc).__name__}, 500)


def content_type_of_crash(app: ASGIApp) -> str:
    client = TestClient(app, raise_server_exceptions=False)
    return client.get("/crash", headers={"Accept": "application/msgpack"}).headers["content-type"]


def test_starlettes_handler_of_all_exceptions_is_around_an_added_middleware() -> None:
    def make_app() -> Starlette:
        return Starlette(routes=[Route("/crash", crash)], exception_handlers={Exception: report})

    added = make_app()
    added.add_middleware(BinaryMiddleware)
    assert content_type_of_crash(added) == "application/json"
    assert content_type_of_crash(BinaryMiddleware(make_app())) == "application/msgpack"


def test_litestar_has_a_msgpack_of_its_own() -> None:
    need_installed("litestar", what="Litestar's own msgpack")
    from litestar import Litestar, MediaType, post
    from litestar.params import JSONBody, MsgPackBody

    @post("/takes", status_code=200)
    async def takes(data: MsgPackBody[dict[str, Any]]) -> dict[str, Any]:
        return data

    @post("/responses", media_type=MediaType.MESSAGEPACK, status_code=200)
    async def responses(data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
        return data

    app = Litestar([takes, responses])
    wrapped = BinaryMiddleware(app)
    assert call(wrapped, BODY, path="/takes").status == 400
    response = call(wrapped, BODY, path="/responses")
    assert (response.status, msgpack.unpackb(response.body)) == (200, {"a": 1})
    spared = BinaryMiddleware(app, rules=[RouteRule("/takes", mode="off")])
    response = call(spared, BODY, path="/takes")
    assert (response.status, response.body) == (200, b'{"a":1}')


def test_quart_stays_quart_around_what_is_put_in_at_asgi_app() -> None:
    need_installed("quart", what="Quart's test client in binary mode")
    from quart import Quart, request

    app = Quart("echo")

    @app.post("/echo")
    async def echo() -> Any:
        return await request.get_json()

    app.asgi_app = BinaryMiddleware(app.asgi_app)  # type: ignore[method-assign]

    async def run() -> tuple[int, str, bytes]:
        response = await app.test_client().post("/echo", data=BODY, headers=MSGPACK)
        return response.status_code, response.content_type, await response.get_data()

    assert anyio.run(run) == (200, "application/msgpack", BODY)


def test_falcon_finds_json_in_accept() -> None:
    need_installed("falcon", what="Falcon's negotiation of errors")
    from falcon.asgi import App

    for app, errors_are in ((App(), b""), (BinaryMiddleware(App()), {"title": "404 Not Found"})):
        scope = http_scope("GET", "/nowhere", {"accept": "application/msgpack"})
        response = anyio.run(exchange, app, scope)
        assert response.status == 404
        assert (msgpack.unpackb(response.body) if errors_are else response.body) == errors_are

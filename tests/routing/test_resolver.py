"""The nearest option wins: at the endpoint, the route, the mount, the app."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Host, Mount, Route, Router
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, RouteRule, binary_options
from binary_middleware._asgi.exchange import SCOPE_KEY
from tests.routing.effects import closure, copy_of_endpoint, endpoint, limit_holds, mode_of

REQUIRE = {"mode": "require"}
WANTS_MSGPACK = {"accept": "application/msgpack"}


class Both(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return await endpoint(request)

    @binary_options(max_body_size=100)
    async def post(self, request: Request) -> Response:
        return await endpoint(request)


@binary_options(mode="require")
class Required(Both):
    pass


@binary_options(mode="off")
class Off(Required):
    pass


@pytest.mark.parametrize("wrap", [False, True])
def test_starlette_endpoints(wrap: bool) -> None:
    required, negotiated = binary_options(**REQUIRE)(copy_of_endpoint()), copy_of_endpoint()
    routes: list[Any] = [
        Route("/items/latest", negotiated),
        Route("/items/{name}", required),
        Route("/both", Both),
        Route("/required", Required),
        Route("/off", Off),
        Route("/partial", functools.partial(required)),
        Mount("/sub/{version}", routes=[Route("/items", required), Route("/other", negotiated)]),
        Route("/late", negotiated),
    ]
    if wrap:
        client = TestClient(BinaryMiddleware(Starlette(routes=routes)))
    else:
        middleware = [Middleware(BinaryMiddleware), Middleware(BaseHTTPMiddleware, dispatch=_pass)]
        client = TestClient(Starlette(routes=routes, middleware=middleware))
    assert mode_of(client, "/items/latest") == "negotiate"
    assert mode_of(client, "/items/7") == "require"
    assert mode_of(client, "/both") == "negotiate"
    assert limit_holds(client, "/both", 100)
    assert mode_of(client, "/required") == "require"
    assert limit_holds(client, "/required", 100)
    assert mode_of(client, "/off") == "off"
    assert mode_of(client, "/partial") == "require"
    assert mode_of(client, "/sub/v1/items") == "require"
    assert mode_of(client, "/sub/v1/other") == "negotiate"
    assert mode_of(client, "/late") == "negotiate"


async def _pass(request: Request, call_next: Any) -> Response:
    response: Response = await call_next(request)
    return response


def test_middleware_at_a_route_without_one_for_the_app() -> None:
    own = [Middleware(BinaryMiddleware, mode="require", max_body_size=100)]
    small = binary_options(max_body_size=50)(copy_of_endpoint())
    routes = [
        Route("/plain", endpoint),
        Route("/own", endpoint, methods=["POST"], middleware=own),
        Route("/small", small, methods=["POST"], middleware=own),
    ]
    client = TestClient(Starlette(routes=routes))
    assert mode_of(client, "/plain") == "off"
    assert limit_holds(client, "/own", 100)
    assert limit_holds(client, "/small", 50)
    assert client.post("/small", json=1).status_code == 415


@pytest.mark.parametrize("limit", [10, 1000])
def test_the_nearest_limit_holds_before_the_body_is_read(limit: int) -> None:
    """The limit of the app may be lower or higher."""
    own = [Middleware(BinaryMiddleware, max_body_size=100)]
    small = binary_options(max_body_size=50)(copy_of_endpoint())
    post = {"methods": ["POST"]}
    sub = Starlette(routes=[Route("/a", endpoint, **post), Route("/b", small, **post)])
    sub.add_middleware(BinaryMiddleware, max_body_size=200)
    routes: list[Any] = [
        Route("/app", endpoint, **post),
        Route("/route", endpoint, **post, middleware=own),
        Route("/endpoint", small, **post, middleware=own),
        Mount("/mount", routes=[Route("/a", endpoint, **post)], middleware=own),
        Mount("/sub", app=sub),
        Mount("/wrapped", app=BinaryMiddleware(Router([Route("/a", small, **post)]))),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(
        BinaryMiddleware, max_body_size=limit, rules=[RouteRule("/route", max_body_size=70)]
    )
    client = TestClient(app)
    assert limit_holds(client, "/app", limit)
    assert limit_holds(client, "/route", 100)
    assert limit_holds(client, "/endpoint", 50)
    assert limit_holds(client, "/mount/a", 100)
    assert limit_holds(client, "/sub/a", 200)
    assert limit_holds(client, "/sub/b", 50)
    assert limit_holds(client, "/wrapped/a", 50)


def test_off_outside_and_on_inside() -> None:
    on = binary_options(mode="negotiate")(copy_of_endpoint())
    inner = [Middleware(BinaryMiddleware, mode="require")]
    routes = [
        Route("/off", endpoint),
        Route("/on", on),
        Route("/inner", endpoint, middleware=inner),
        Route("/inherits", endpoint, middleware=[Middleware(BinaryMiddleware)]),
    ]
    client = TestClient(BinaryMiddleware(Starlette(routes=routes), mode="off"))
    assert mode_of(client, "/off") == "off"
    assert mode_of(client, "/on") == "negotiate"
    assert mode_of(client, "/inner") == "require"
    assert mode_of(client, "/inherits") == "off"


def test_an_app_that_wraps_itself() -> None:
    class Circle:
        app: Any

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            assert scope[SCOPE_KEY].mode == "negotiate"
            await JSONResponse([1])(scope, receive, send)

    circle = Circle()
    circle.app = circle
    assert TestClient(BinaryMiddleware(circle)).get("/").json() == [1]


def test_openapi_path_under_the_root_path_of_the_app() -> None:
    app = FastAPI()
    app.root_path = "/api"

    @app.post("/e")
    def endpoint(a: dict[str, int]) -> int:
        return 1

    wrapped = BinaryMiddleware(app, openapi_path="/openapi.json", mode="require")
    document = TestClient(wrapped).get("/api/openapi.json").json()
    content = document["paths"]["/e"]["post"]["requestBody"]["content"]
    assert "application/msgpack" in content


@pytest.mark.parametrize("has_head", [False, True])
def test_options_of_get_hold_for_head(has_head: bool) -> None:
    class Endpoint(HTTPEndpoint):
        @binary_options(mode="require")
        async def get(self, request: Request) -> Response:
            return await endpoint(request)

    if has_head:
        Endpoint.head = lambda self, request: Response()  # type: ignore[attr-defined]
    for middleware in ([], [Middleware(closure)]):
        app = Starlette(
            routes=[Route("/e", Endpoint)], middleware=[Middleware(BinaryMiddleware), *middleware]
        )
        response = TestClient(app).head("/e", headers={"accept": "application/json"})
        assert response.status_code == (200 if has_head else 406)


def test_options_by_host() -> None:
    def route(mode: str) -> Route:
        return Route("/e", binary_options(mode=mode)(copy_of_endpoint()))

    app = Starlette(
        routes=[
            Host("a.example", Router([route("require")])),
            Mount("/m", routes=[Host("b.example", Router([route("off")]))]),
            route("negotiate"),
        ]
    )
    resolver = BinaryMiddleware(app).resolver
    assert resolver.layers("/e", "GET") == ((), (("mode", "negotiate"),))
    client = TestClient(BinaryMiddleware(app))
    for host, path, expected in (
        ("a.example", "/e", (406, "application/msgpack")),
        ("b.example", "/e", (200, "application/msgpack")),
        ("b.example", "/m/e", (200, "application/json")),
    ):
        url = f"http://{host}{path}"
        status = client.get(url, headers={"accept": "application/json"}).status_code
        response = client.get(url, headers=WANTS_MSGPACK)
        assert (status, response.headers["content-type"]) == expected, url

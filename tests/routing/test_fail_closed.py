"""Options of an endpoint hold, whatever is between the middleware and the route."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import APIRouter, Body, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Host, Route, Router, WebSocketRoute
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, binary_options, packb, unpackb
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from tests.asgi_app import MSGPACK
from tests.routing.effects import closure

ran: list[Any] = []


async def socket(websocket: Any) -> None: ...


def copying(app: Any) -> Any:
    """Return a middleware that passes on a copy of the scope."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "headers": list(scope["headers"])}, receive, send)

    return middleware


# -- endpoints -------------------------------------------------------------------------------------


def fastapi_endpoint(options: dict[str, Any], *, is_async: bool = False) -> Any:
    if is_async:

        @binary_options(**options)
        async def awaited(body: Annotated[Any, Body()] = None) -> Any:
            ran.append(body)
            return {"got": 1}

        return awaited

    @binary_options(**options)
    def endpoint(body: Annotated[Any, Body()] = None) -> Any:
        ran.append(body)
        return {"got": 1}

    return endpoint


async def respond(request: Request) -> Response:
    document = await request.json() if request.method == "POST" else None
    ran.append(document)
    return JSONResponse({"got": 1})


def starlette_function(options: dict[str, Any]) -> Any:
    @binary_options(**options)
    async def endpoint(request: Request) -> Response:
        return await respond(request)

    return endpoint


def starlette_class(options: dict[str, Any]) -> Any:
    @binary_options(**options)
    class Endpoint(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return await respond(request)

        async def post(self, request: Request) -> Response:
            return await respond(request)

    return Endpoint


def starlette_method(options: dict[str, Any]) -> Any:
    class Endpoint(HTTPEndpoint):
        @binary_options(**options)
        async def get(self, request: Request) -> Response:
            return await respond(request)

        @binary_options(**options)
        async def post(self, request: Request) -> Response:
            return await respond(request)

    return Endpoint


# -- apps ------------------------------------------------------------------------------------------

METHODS = ["GET", "POST"]


def build_fastapi(kind: str, options: dict[str, Any], how: str) -> Any:
    app = FastAPI()
    if kind == "root path":
        app.root_path = "/api"  # as by the argument, which newer versions deprecate
    if kind == "websocket":
        app.router.routes.append(WebSocketRoute("/e", socket))
    route_class = {"route_class": BinaryRoute} if how == "route" else {}
    router = APIRouter(**route_class)  # type: ignore[arg-type]  # one of its arguments
    endpoint = fastapi_endpoint(options, is_async=kind == "closure")
    router.add_api_route("/e", endpoint, methods=METHODS, response_model=None)
    inner: Any = app
    if kind == "host":
        inner = FastAPI()
        inner.include_router(router)
        app.router.routes.append(Host("{sub}.example", inner))
    else:
        app.include_router(router)
    if kind in ("closure", "copying"):
        app.add_middleware(closure if kind == "closure" else copying)
    if how == "enable":
        add_binary_mode(app)
        if inner is not app:
            add_binary_mode(inner)
        return app
    return app if how == "route" else BinaryMiddleware(app)


def build_starlette(
    kind: str, options: dict[str, Any], make: Callable[[dict[str, Any]], Any]
) -> Any:
    endpoint = make(options)
    methods = {} if isinstance(endpoint, type) else {"methods": METHODS}
    route: Any = Route("/e", endpoint, **methods)
    routes: list[Any] = [route]
    if kind == "websocket":
        routes = [WebSocketRoute("/e", socket), route]
    elif kind == "host":
        routes = [Host("{sub}.example", Router([route]))]
    middleware: list[Any] = []
    if kind in ("closure", "copying"):
        middleware = [Middleware(closure if kind == "closure" else copying)]
    app: Any = Starlette(routes=routes, middleware=[Middleware(BinaryMiddleware), *middleware])
    return app


APPS: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    "FastAPI, enabled": lambda kind, options: build_fastapi(kind, options, "enable"),
    "FastAPI, BinaryRoute": lambda kind, options: build_fastapi(kind, options, "route"),
    "FastAPI, wrapped": lambda kind, options: build_fastapi(kind, options, "wrap"),
    "Starlette function": lambda kind, o: build_starlette(kind, o, starlette_function),
    "Starlette class": lambda kind, o: build_starlette(kind, o, starlette_class),
    "Starlette method": lambda kind, o: build_starlette(kind, o, starlette_method),
}
REQUIRE = {"mode": "require"}
OFF = {"mode": "off"}
WANTS_MSGPACK = {"accept": "application/msgpack"}
ARRAYS = packb([np.zeros(100_000, "u1"), {"a": [1] * 200}])
CASES: dict[str, tuple[dict[str, Any], str, dict[str, str], bytes]] = {
    "JSON body": (REQUIRE, "POST", {"content-type": "application/json"}, b"1"),
    "malformed JSON type": (REQUIRE, "POST", {"content-type": "application/json; ="}, b"1"),
    "JSON body, msgpack Accept": (
        REQUIRE,
        "POST",
        {"content-type": "application/json", **WANTS_MSGPACK},
        b"1",
    ),
    "JSON Accept": (REQUIRE, "GET", {"accept": "application/json"}, b""),
    "any Accept": (REQUIRE, "GET", {}, b""),
    "msgpack, JSON Accept": (REQUIRE, "POST", {**MSGPACK, "accept": "application/json"}, packb(1)),
    "msgpack": (REQUIRE, "POST", MSGPACK, packb(1)),
    "body size": ({"max_body_size": 10}, "POST", MSGPACK, packb("a" * 20)),
    "body size, JSON": ({"max_body_size": 10}, "POST", {**MSGPACK, "accept": "a/b"}, bytes(20)),
    "within the body size": ({"max_body_size": 30}, "POST", MSGPACK, packb("a" * 20)),
    "structure": ({"max_structure_size": 100}, "POST", MSGPACK, ARRAYS),
    "within the structure": ({"max_structure_size": 1000}, "POST", MSGPACK, ARRAYS),
    "off": (OFF, "GET", WANTS_MSGPACK, b""),
    "off, nothing": (OFF, "GET", {}, b""),
    "off, msgpack": (OFF, "POST", {"content-type": "application/msgpack"}, packb({"a": b"\xff"})),
    "off, JSON": (OFF, "POST", {"content-type": "application/json"}, b"1"),
    "map": ({"arrays": "map"}, "POST", MSGPACK, packb(1)),
}
OBSTACLES = ["websocket", "host", "closure", "copying", "root path"]


def outcome(app: Any, kind: str, method: str, headers: dict[str, str], body: bytes) -> Any:
    base = "http://a.example" if kind == "host" else "http://testserver"
    path = "/api/e" if kind == "root path" else "/e"
    client = TestClient(app, base_url=base, raise_server_exceptions=False)
    del client.headers["accept"]
    ran.clear()
    response = client.request(method, path, content=body, headers=headers)
    document: Any = response.content
    if "msgpack" in response.headers.get("content-type", ""):
        document = unpackb(document)
    fields = {name: value for name, value in response.headers.items() if name != "content-length"}
    return response.status_code, fields, document, len(ran)


# Starlette apps have no root_path of their own.
BEHIND = [
    (make, kind)
    for make in APPS
    for kind in OBSTACLES
    if kind != "root path" or not make.startswith("Starlette")
]


@pytest.mark.parametrize(("make", "kind"), BEHIND)
@pytest.mark.parametrize("case", CASES)
def test_options_hold_behind_an_obstacle(make: str, case: str, kind: str) -> None:
    options, method, headers, body = CASES[case]
    free = outcome(APPS[make]("none", options), "none", method, headers, body)
    behind = outcome(APPS[make](kind, options), kind, method, headers, body)
    assert behind == free
    assert (free[0] >= 400) <= (free[3] == 0)


def test_outcomes_without_an_obstacle() -> None:
    """The comparison above is not one of errors, or of apps without options."""
    statuses = {
        case: outcome(APPS["Starlette function"]("none", options), "none", method, headers, body)[0]
        for case, (options, method, headers, body) in CASES.items()
    }
    assert statuses == {
        "JSON body": 415,
        "malformed JSON type": 415,
        "JSON body, msgpack Accept": 415,
        "JSON Accept": 406,
        "any Accept": 200,
        "msgpack, JSON Accept": 406,
        "msgpack": 200,
        "body size": 413,
        "body size, JSON": 413,
        "within the body size": 200,
        "structure": 413,
        "within the structure": 200,
        "off": 200,
        "off, nothing": 200,
        "off, msgpack": 500,
        "off, JSON": 200,
        "map": 200,
    }


MAKERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "FastAPI": fastapi_endpoint,
    "BinaryRoute": fastapi_endpoint,
    "function": starlette_function,
    "class": starlette_class,
    "method": starlette_method,
}


def unwrapped(
    make: Callable[[dict[str, Any]], Any], options: dict[str, Any], *, is_binary: bool = False
) -> Any:
    """Return an app without any middleware of this package."""
    endpoint = make(options)
    if make is not fastapi_endpoint:
        methods = {} if isinstance(endpoint, type) else {"methods": METHODS}
        return Starlette(routes=[Route("/e", endpoint, **methods)])
    app = FastAPI()
    router = APIRouter(**({"route_class": BinaryRoute} if is_binary else {}))  # type: ignore[arg-type]
    router.add_api_route("/e", endpoint, methods=METHODS)
    app.include_router(router)
    return app


# -- checks by the endpoint itself -----------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [fastapi_endpoint, starlette_function, starlette_class, starlette_method]
)
def test_require_without_any_middleware(make: Any) -> None:
    client = TestClient(unwrapped(make, REQUIRE))
    ran.clear()
    response = client.post("/e", json=1)
    assert response.status_code == 415
    assert "send application/msgpack" in response.text
    for headers in ({}, WANTS_MSGPACK):
        response = client.get("/e", headers=headers)
        assert response.status_code == 406
    assert "no BinaryMiddleware" in response.text
    assert not ran


def test_limits_without_any_middleware() -> None:
    client = TestClient(unwrapped(fastapi_endpoint, {"max_body_size": 1}))
    assert client.post("/e", json=1000).status_code == 200


@pytest.mark.parametrize("body", ["announced", "chunked"])
def test_a_limit_holds_before_the_body_is_read(body: str) -> None:
    """It is a limit on memory, so a body must not be read under a larger limit first."""
    app = FastAPI()
    app.add_api_route("/e", fastapi_endpoint({"max_body_size": 10}), methods=METHODS)
    app.add_middleware(closure)
    pieces = 0

    def chunks() -> Any:
        nonlocal pieces
        for _ in range(100):
            pieces += 1
            yield packb(bytes(1000))

    content: Any = chunks() if body == "chunked" else packb(bytes(1000))
    received: list[int] = []

    def counting(inner: Any) -> Any:
        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            async def count() -> Any:
                message = await receive()
                received.append(len(message.get("body", b"")))
                return message

            await inner(scope, count, send)

        return middleware

    client = TestClient(counting(BinaryMiddleware(closure(app))))
    assert client.post("/e", content=content, headers=MSGPACK).status_code == 413
    assert len(received) <= 1


def reading(app: Any) -> Any:
    """Return a middleware that reads the body before routing, and copies the scope."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()

        async def again() -> Any:
            return message

        await app({**scope, "headers": list(scope["headers"])}, again, send)

    return middleware


READ_BEFORE: list[tuple[dict[str, Any], bytes, dict[str, str], int]] = [
    ({"max_body_size": 10}, packb("a" * 20), {}, 413),
    ({"max_body_size": 30}, packb("a" * 20), {}, 200),
    ({"max_structure_size": 100}, ARRAYS, {}, 413),
    ({"max_structure_size": 10_000_000, "max_body_size": 10_000_001}, ARRAYS, {}, 200),
    (REQUIRE, packb(1), {}, 200),
    (REQUIRE, packb(1), {"accept": "application/json"}, 406),
    (REQUIRE, b"1", {"content-type": "application/json"}, 415),
    (OFF, packb(1), {}, 415),
    (OFF, b"1", {"content-type": "application/json"}, 200),
]


@pytest.mark.parametrize(("options", "body", "headers", "status"), READ_BEFORE)
@pytest.mark.parametrize("kind", MAKERS)
def test_options_hold_after_the_body_was_read(
    kind: str, options: dict[str, Any], body: bytes, headers: dict[str, str], status: int
) -> None:
    app = unwrapped(MAKERS[kind], options, is_binary=kind == "BinaryRoute")
    client = TestClient(BinaryMiddleware(reading(app)))
    ran.clear()
    response = client.post("/e", content=body, headers={**MSGPACK, **headers})
    assert response.status_code == status, response.content
    assert len(ran) == (status == 200)


@pytest.mark.parametrize("passes_json", [False, True])
def test_a_decorator_above_that_of_the_route(passes_json: bool) -> None:
    """The route has the original function: the middleware checks at the body or the response."""
    app = FastAPI()

    @binary_options(mode="require")
    @app.api_route("/e", methods=METHODS, response_model=None)
    def endpoint(body: Annotated[Any, Body()] = None) -> Any:
        ran.append(body)
        return 1

    client = TestClient(BinaryMiddleware(closure(app)))
    ran.clear()
    if passes_json:
        response = client.post("/e", content=b"1", headers={"content-type": "application/json"})
        assert response.status_code == 415
    else:
        headers = {**MSGPACK, "accept": "application/json, application/msgpack;q=0"}
        assert client.post("/e", content=packb(1), headers=headers).status_code == 406
        assert not ran
    assert unpackb(client.post("/e", content=packb(1), headers=MSGPACK).content) == 1


def test_vary_for_json_clients_of_endpoints_with_options() -> None:
    for options, vary in (({"max_body_size": 10}, "Accept"), ({"mode": "off"}, None)):
        app = Starlette(routes=[Route("/", starlette_function(options))])
        response = TestClient(BinaryMiddleware(closure(app))).get("/")
        assert response.headers.get("vary") == vary


def test_options_of_an_endpoint_hold_in_a_middleware_that_is_off() -> None:
    app = Starlette(routes=[Route("/", starlette_function({"mode": "require"}))])
    assert TestClient(BinaryMiddleware(closure(app), mode="off")).get("/").status_code == 406


def test_endpoints_that_are_no_functions_keep_their_options() -> None:
    endpoint = binary_options(mode="require")(functools.partial(respond))
    app = Starlette(routes=[Route("/", endpoint)])
    headers = {"accept": "application/json"}
    assert TestClient(BinaryMiddleware(app)).get("/", headers=headers).status_code == 406


def test_signatures_of_endpoints() -> None:
    """FastAPI endpoints with a request, keywords or a generator."""
    app = FastAPI()

    @app.post("/request")
    @binary_options(max_body_size=10)
    async def with_request(request: Request, body: Annotated[bytes, Body()]) -> int:
        assert isinstance(request, Request)
        return len(body)

    @app.post("/connection")
    @binary_options(max_body_size=10)
    async def with_connection(it: HTTPConnection, body: Annotated[bytes, Body()]) -> int:
        return len(it.url.path) + len(body)

    @app.post("/rest")
    @binary_options(max_body_size=10)
    def with_rest(body: Annotated[bytes, Body()], request: Request) -> int:
        return len(request.url.path) + len(body)

    @app.get("/items")
    @binary_options(mode="require")
    async def items() -> AsyncIterator[int]:
        yield 1

    app.add_middleware(closure)
    client = TestClient(BinaryMiddleware(closure(app)), raise_server_exceptions=False)
    for path in ("/request", "/connection", "/rest"):
        assert client.post(path, content=packb(bytes(20)), headers=MSGPACK).status_code == 413
        assert client.post(path, content=packb("a"), headers=MSGPACK).status_code == 200
    response = client.get("/items", headers={"accept": "application/json"})
    assert response.status_code == 406
    assert "parameters" not in app.openapi()["paths"]["/items"]["get"]


def test_forms_and_unannounced_bodies_under_require() -> None:
    app = FastAPI()
    app.add_api_route("/e", fastapi_endpoint(REQUIRE), methods=["POST"])
    add_binary_mode(app, mode="require")
    client = TestClient(app)
    for sent in (
        {"data": {"a": "1"}},
        {"files": {"a": b"1"}},
        {"content": b"{}"},
        {"content": iter([b"{}"])},
        {"content": b"{}", "headers": {"content-type": "application/json; charset"}},
    ):
        assert client.post("/e", **sent).status_code == 415, sent  # type: ignore[arg-type]
    for path in ("/openapi.json", "/docs", "/redoc"):
        assert client.get(path, headers={"accept": "text/html, */*"}).status_code == 200

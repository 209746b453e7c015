"""Options where one is: by rule, at the endpoint, at the route or router; the nearest wins."""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, RouteRule, binary_options, packb
from binary_middleware._asgi.exchange import SCOPE_KEY
from tests.asgi_app import MSGPACK

REQUIRE = {"mode": "require"}
OFF = {"mode": "off"}


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
    """The mode that holds for a path, as a client can tell."""
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
    """Whether a limit holds exactly, before the body is read and while it is."""

    def status(size: int, *, announced: bool) -> int:
        header = len(packb(bytes(size))) - size
        body = packb(bytes(size - header))
        assert len(body) == size
        content: Any = body if announced else iter([body])
        return client.post(path, content=content, headers=MSGPACK).status_code

    sizes = (limit, limit + 1)
    found = [[status(size, announced=how) for size in sizes] for how in (True, False)]
    return found == [[200, 413], [200, 413]]


# -- rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize("root_path", ["", "/api"])
def test_rules_by_path_and_method(root_path: str) -> None:
    app = Starlette(
        routes=[
            Route("/a/{name}", endpoint, methods=["GET", "POST"]),
            Route("/b", endpoint),
            Mount("/sub", routes=[Route("/a/x", endpoint), Route("/c", endpoint)]),
        ]
    )
    rules = [
        RouteRule("/a/{name}", mode="require", methods=["post"]),
        RouteRule("/b", mode="off"),
        RouteRule("/sub/{rest:path}", mode="require"),
    ]
    client = TestClient(BinaryMiddleware(app, rules=rules), root_path=root_path)
    assert mode_of(client, f"{root_path}/a/x") == "negotiate"
    assert mode_of(client, f"{root_path}/a/x", "POST") == "require"
    assert mode_of(client, f"{root_path}/b") == "off"
    assert mode_of(client, f"{root_path}/sub/a/x") == "require"


def test_rules_of_a_middleware_in_a_mount_know_the_rest_of_the_path() -> None:
    inner = [Middleware(BinaryMiddleware, rules=[RouteRule("/c", mode="require")])]
    mount = Mount("/sub", routes=[Route("/c", endpoint), Route("/d", endpoint)], middleware=inner)
    client = TestClient(Starlette(routes=[mount]))
    assert mode_of(client, "/sub/c") == "require"
    assert mode_of(client, "/sub/d") == "negotiate"


def test_what_a_rule_does_not_name_is_the_middlewares() -> None:
    app = Starlette(routes=[Route("/a", endpoint, methods=["POST"])])
    rules = [RouteRule("/a", max_body_size=100)]
    client = TestClient(BinaryMiddleware(app, rules=rules, mode="require"))
    assert limit_holds(client, "/a", 100)
    assert client.post("/a", json=1).status_code == 415


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "/{x:nothing}"}, "the path '/{x:nothing}' cannot be read: Unknown path conv"),
        ({"path": "/{x}/{x}"}, "Duplicated param name x"),
        ({"path": "/a", "methods": []}, "the methods of the rule for '/a' must name at least one"),
        ({"path": "/a", "methods": "GET"}, "the methods of the rule for '/a'"),
        ({"path": "/a", "mod": "off"}, "unknown option 'mod'"),
    ],
)
def test_wrong_rules(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        RouteRule(**arguments)


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (RouteRule("/typo"), False),
        (RouteRule("/a/b/c"), False),
        (RouteRule("/a/{x}", methods=["PUT"]), False),
        (RouteRule("/a/{x}", methods=["OPTIONS"]), True),
        (RouteRule("/{any:path}"), True),
        (RouteRule("/a/{y:int}"), True),
        (RouteRule("/a/b"), True),
        (RouteRule("/sub/x/y"), True),
        (RouteRule("/{x}/{y}"), True),
    ],
)
def test_a_rule_that_matches_no_route_is_logged_at_start(
    rule: RouteRule, matches: bool, caplog: pytest.LogCaptureFixture
) -> None:
    routes = [Route("/a/{x}", endpoint), Mount("/sub", routes=[Route("/b", endpoint)])]
    with TestClient(BinaryMiddleware(Starlette(routes=routes), rules=[rule])) as client:
        assert client.get("/a/1").json() == [1]
    expected = [] if matches else [f"{rule!r} matches no route of the app"]
    assert [record.getMessage() for record in caplog.records] == expected


# -- at the endpoint --------------------------------------------------------------------------


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
def test_endpoints_of_starlette(wrap: bool) -> None:
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


def test_the_endpoint_can_be_called_as_before() -> None:
    @binary_options(mode="require", max_body_size=1)
    def function(a: int, *, b: int = 2) -> int:
        """What it does."""
        return a + b

    @binary_options(mode="require")
    async def awaited(request: object) -> object:
        return request

    @binary_options(mode="require")
    def items(request: Request) -> Any:
        sent = yield 1
        return sent

    @binary_options(mode="require")
    async def async_items() -> Any:
        yield 1

    assert function(1) == function(1, b=2) == 3
    assert (function.__name__, function.__doc__) == ("function", "What it does.")
    request = Request({"type": "http", "method": "POST", "headers": [], "path": "/"})
    assert anyio.run(awaited, request) is request
    assert list(items(request)) == [1]
    assert inspect.iscoroutinefunction(awaited)
    assert inspect.isgeneratorfunction(items)
    assert inspect.isasyncgenfunction(async_items)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "on"}, "mode must be one of"),
        ({"max_size": 1}, "unknown option 'max_size'"),
        ({"mode": "off", "arrays": "map"}, 'mode="off" leaves nothing to do for arrays'),
        (
            {"max_body_size": 10, "max_structure_size": 20},
            r"max_structure_size \(20\) is never reached: max_body_size is 10",
        ),
    ],
)
def test_wrong_options_at_an_endpoint(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        binary_options(**options)


def test_twice_at_one_endpoint() -> None:
    async def twice() -> None: ...

    binary_options(mode="require")(twice)
    binary_options(max_body_size=1)(twice)
    binary_options(mode="require")(twice)
    with pytest.raises(ValueError, match=r"mode is set twice for .*twice: 'require', 'off'"):
        binary_options(mode="off")(twice)


# -- at the route, the router or the mount ----------------------------------------------------


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
    """Whether the limit of the app is lower or higher."""
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


def test_off_and_on_again() -> None:
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


def test_an_app_that_wraps_itself_ends() -> None:
    class Circle:
        app: Any

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            assert scope[SCOPE_KEY].mode == "negotiate"
            await JSONResponse([1])(scope, receive, send)

    circle = Circle()
    circle.app = circle
    assert TestClient(BinaryMiddleware(circle)).get("/").json() == [1]

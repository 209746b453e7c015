"""An app's own subclasses of ``APIRoute`` and ``Request``, as FastAPI documents them."""

import gzip
import json
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.background import BackgroundTask
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import (
    ACCEPT,
    ARRAY,
    DOCUMENT,
    NOT_TEXT,
    OBJECTS,
    TEXT,
    Item,
    Lanes,
    Noting,
    binary_client,
    echo,
    get,
    post,
    value,
)
from tests.sameness import same


def with_request(item: Item, request: Request) -> Any:
    return {"item": item, "tenant": request.tenant}


Around = Callable[[Callable[..., Any], Request], Awaitable[Response]]


def route_class(around: Around, base: type[APIRoute] = APIRoute) -> type[APIRoute]:
    """Return a class whose routes call ``around`` with FastAPI's handler and the request."""

    class Own(base):  # type: ignore[misc,valid-type]
        def get_route_handler(self) -> Callable[[Request], Any]:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                return await around(handler, request)

            return handle

    return Own


async def _timed(handler: Callable[..., Any], request: Request) -> Response:
    """Add the time that the route took, as in FastAPI's documentation."""
    before = time.perf_counter()
    response: Response = await handler(request)
    response.headers["x-response-time"] = str(time.perf_counter() - before)
    return response


Timed = route_class(_timed)


class GzipRequest(Request):
    """FastAPI's documentation: a request that decompresses its body."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            body = await super().body()
            if "gzip" in self.headers.getlist("Content-Encoding"):
                body = gzip.decompress(body)
            self._body = body
        return self._body


class TenantRequest(Request):
    def __init__(self, request: Request, tenant: str) -> None:
        super().__init__(request.scope, request.receive)
        self.of_init = tenant

    @property
    def tenant(self) -> str:
        return f"{self.of_init} {self.headers['x-tenant']}"


class EnvelopeRequest(Request):
    """Changes the document on its way in."""

    async def json(self) -> Any:
        return (await super().json())["data"]


GzipRoute = route_class(lambda handler, it: handler(GzipRequest(it.scope, it.receive)))
TenantRoute = route_class(lambda handler, it: handler(TenantRequest(it, "tenant")))
EnvelopeRoute = route_class(lambda handler, it: handler(EnvelopeRequest(it.scope, it.receive)))


def _app(
    route_class: type[APIRoute],
    endpoint: Callable[..., Any],
    *,
    is_enabled: str = "after",
    lanes: Lanes | None = None,
    agnostic: tuple[Any, ...] = (),
) -> TestClient:
    """Return an app with the route at ``/`` and, by way of a router, at ``/r/``."""
    app = FastAPI()
    (lanes or Lanes()).note(app)
    if is_enabled == "before":
        add_binary_mode(app, body_agnostic=(Noting, *agnostic))
    app.router.route_class = route_class
    app.add_api_route("/", endpoint, methods=["POST"])
    router = APIRouter(route_class=route_class)
    router.add_api_route("/", endpoint, methods=["POST"])
    app.include_router(router, prefix="/r")
    if is_enabled == "after":
        add_binary_mode(app, body_agnostic=(Noting, *agnostic))
    return TestClient(app)


both_orders = pytest.mark.parametrize("is_enabled", ["before", "after"])
both_paths = pytest.mark.parametrize("path", ["/", "/r/"], ids=["app", "router"])


@both_orders
@both_paths
@pytest.mark.parametrize("agnostic", [(), (Timed,)], ids=["unknown", "named"])
def test_header_that_the_class_adds(is_enabled: str, path: str, agnostic: tuple[Any, ...]) -> None:
    lanes = Lanes()
    client = _app(Timed, echo, is_enabled=is_enabled, lanes=lanes, agnostic=agnostic)
    response = post(client, DOCUMENT, path)
    assert float(response.headers["x-response-time"]) > 0
    assert same(value(response), DOCUMENT)
    assert lanes.content_types == [OBJECTS if agnostic else TEXT]
    assert float(client.post(path, json={}).headers.get("x-response-time", 1)) > 0


@both_orders
@both_paths
def test_request_class_with_attributes_of_its_own(is_enabled: str, path: str) -> None:
    lanes = Lanes()
    client = _app(
        TenantRoute, with_request, is_enabled=is_enabled, lanes=lanes, agnostic=(TenantRoute,)
    )
    response = post(client, {"array": ARRAY, "raw": NOT_TEXT}, path, x_tenant="t1")
    assert same(value(response), {"item": DOCUMENT, "tenant": "tenant t1"})
    assert lanes.content_types == [OBJECTS]


@both_orders
@both_paths
def test_request_class_that_reads_the_body_its_own_way(is_enabled: str, path: str) -> None:
    client = _app(GzipRoute, echo, is_enabled=is_enabled)
    assert same(value(post(client, DOCUMENT, path)), DOCUMENT)
    text = b'{"array": {"shape": [0], "dtype": "int8", "data_b64": ""}}'
    compressed = client.post(
        path,
        content=gzip.compress(text),
        headers={"content-encoding": "gzip", "content-type": TEXT},
    )
    assert compressed.json()["array"]["dtype"] == "int8"
    enveloped = _app(EnvelopeRoute, echo, is_enabled=is_enabled)
    assert same(value(post(enveloped, {"data": DOCUMENT}, path)), DOCUMENT)


@both_orders
@both_paths
def test_bodies_that_the_class_logs_are_json_text(is_enabled: str, path: str) -> None:
    logged: list[bytes] = []

    async def log(handler: Callable[..., Any], request: Request) -> Response:
        logged.append(await request.body())
        response: Response = await handler(request)
        response.background = BackgroundTask(logged.append, response.body)
        return response

    client = _app(route_class(log), echo, is_enabled=is_enabled)
    response = post(client, {"array": ARRAY, "raw": b"text"}, path)
    request_body, response_body = map(json.loads, logged)
    assert request_body["array"]["dtype"] == response_body["array"]["dtype"] == "int16"
    assert (request_body["raw"], response_body["raw"]) == ("dGV4dA==", "text")
    assert same(value(response), {"array": ARRAY, "raw": b"text"})


@both_orders
@both_paths
def test_body_read_after_a_validation_error(is_enabled: str, path: str) -> None:
    """FastAPI's documentation: the body in the log of an error, here as JSON text."""

    async def log_errors(handler: Callable[..., Any], request: Request) -> Response:
        try:
            response: Response = await handler(request)
        except RequestValidationError as exc:
            body = await request.body()
            detail = {"errors": exc.errors(), "body": body.decode()}
            raise HTTPException(422, detail) from exc
        return response

    client = _app(route_class(log_errors), echo, is_enabled=is_enabled)
    response = post(client, {"array": ARRAY, "raw": float("nan")}, path)
    assert response.status_code == 422
    detail = value(response)["detail"]
    assert detail["errors"][0]["input"] == "<float nan>"
    assert json.loads(detail["body"])["array"]["data_b64"] == "AAABAAIAAwA="
    assert same(value(post(client, DOCUMENT, path)), DOCUMENT)


def test_handler_that_is_tried_twice() -> None:
    tries = []

    async def retry(handler: Callable[..., Any], request: Request) -> Response:
        try:
            response: Response = await handler(request)
        except ConnectionError:
            response = await handler(request)
        return response

    def endpoint(item: Item) -> NumpyArrayField:
        tries.append(item)
        if len(tries) == 1:
            raise ConnectionError
        return item.array

    response = post(_app(route_class(retry), endpoint), DOCUMENT)
    assert same(value(response), ARRAY)
    assert len(tries) == 2


def test_response_that_the_class_replaces() -> None:
    async def replace(handler: Callable[..., Any], request: Request) -> Response:
        response: Response = await handler(request)
        if request.headers.get("x-how") == "new":
            return JSONResponse({"was": response.status_code})
        response.body = json.dumps({"replaced": json.loads(response.body)["raw"]}).encode()
        response.headers["content-length"] = str(len(response.body))
        return response

    client = _app(route_class(replace), echo)
    assert value(post(client, {"array": ARRAY, "raw": b"raw"})) == {"replaced": "raw"}
    assert value(post(client, DOCUMENT, x_how="new")) == {"was": 200}


def test_class_that_replaces_the_handler_altogether_uses_the_json_lane() -> None:
    async def handle(_: Callable[..., Any], request: Request) -> Response:
        return JSONResponse({"got": await request.json()})

    lanes = Lanes()
    client = _app(route_class(handle), echo, lanes=lanes)
    assert value(post(client, {"raw": b"text"})) == {"got": {"raw": "dGV4dA=="}}
    assert lanes.content_types == [TEXT]


# -- routes that were there before -----------------------------------------------------------------


class OtherSignature(APIRoute):
    def __init__(self, endpoint: Callable[..., Any], *, where: str) -> None:
        super().__init__(where, endpoint, methods=["POST"])


class Prefixing(APIRoute):
    """Would make another route of the attributes of one of its routes."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        super().__init__(f"/v1{path}", endpoint, **settings)


class Versioned(APIRoute):
    """Has an attribute that its handler needs."""

    version = "none"

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        self.version = "2"
        super().__init__(path, endpoint, **settings)

    def get_route_handler(self) -> Callable[[Request], Any]:
        handler = super().get_route_handler()

        async def add_version(request: Request) -> Response:
            response: Response = await handler(request)
            response.headers["x-version"] = self.version
            return response

        return add_version


def test_class_with_a_signature_of_its_own() -> None:
    app = FastAPI()
    lanes = Lanes(app)
    route = OtherSignature(echo, where="/")
    app.router.routes.append(route)
    add_binary_mode(app, body_agnostic=[Noting])
    assert app.router.routes[-1] is route
    assert same(value(post(TestClient(app), DOCUMENT)), DOCUMENT)
    assert lanes.content_types == [OBJECTS]


def test_class_that_changes_its_arguments() -> None:
    app = FastAPI()
    app.router.route_class = Prefixing
    app.add_api_route("/echo", echo, methods=["POST"])
    client = binary_client(app)
    assert post(client, {"array": ARRAY}, "/v1/v1/echo").status_code == 404
    assert same(value(post(client, {"array": ARRAY}, "/v1/echo"))["array"], ARRAY)


def test_class_with_attributes_of_its_own() -> None:
    client = _app(Versioned, echo)
    app: Any = client.app
    app.router.routes[-2].version = "3"
    response = post(client, DOCUMENT)
    assert response.headers["x-version"] == "3"
    assert same(value(response), DOCUMENT)
    assert isinstance(app.router.routes[-2], Versioned)


def test_attributes_set_on_a_route_are_kept() -> None:
    app = FastAPI()
    app.add_api_route("/echo", echo, methods=["POST"], name="before")
    route: Any = app.router.routes[-1]
    route.description = ""
    route.extra = "extra"
    add_binary_mode(app)
    assert app.router.routes[-1] is route
    assert isinstance(route, BinaryRoute)
    assert (route.description, route.extra) == ("", "extra")
    assert app.url_path_for("before") == "/echo"


def test_subclass_of_binary_route() -> None:
    app = FastAPI()
    router = APIRouter(route_class=route_class(_timed, BinaryRoute))
    router.add_api_route("/", echo, methods=["POST"])
    app.include_router(router)
    response = post(TestClient(app), DOCUMENT)
    assert "x-response-time" in response.headers
    assert same(value(response), DOCUMENT)


def test_routes_that_are_no_api_routes_are_left_alone() -> None:
    app = FastAPI()

    def starlette(request: Request) -> Response:
        return JSONResponse({"x": 1})

    app.add_route("/starlette", starlette)

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_bytes(packb({"x": ARRAY}))
        await websocket.close()

    before = list(app.router.routes)
    add_binary_mode(app)
    assert app.router.routes == before
    client = TestClient(app)
    assert value(get(client, "/starlette")) == {"x": 1}
    with client.websocket_connect("/socket", headers=ACCEPT) as session:
        assert same(unpackb(session.receive_bytes()), {"x": ARRAY})


def test_callable_instances_as_endpoints() -> None:
    class Endpoint:
        async def __call__(self, raw: Annotated[bytes, Body()]) -> dict[str, bytes]:
            return {"raw": raw}

    app = FastAPI()
    app.add_api_route("/", Endpoint(), methods=["POST"], name="endpoint")
    response = binary_client(app).post("/", content=packb(NOT_TEXT), headers=MSGPACK)
    assert value(response) == {"raw": NOT_TEXT}

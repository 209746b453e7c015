"""Bodies that are refused: problem details, and nothing of the app runs."""

import json
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

import msgpack
import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import MSGPACK, call
from tests.fastapi.conftest import binary_client, enabled, post, value

IN_BINARY = "application/problem+msgpack"
IN_JSON = "application/problem+json"


class Item(BaseModel):
    array: NumpyArrayField | None = None


class Ran(Exception):
    """Something of the app ran."""


def _depends() -> None:
    raise Ran("a dependency")


def endpoint(item: Item, _: Annotated[None, Depends(_depends)]) -> Any:
    raise Ran("the endpoint")


def streaming(item: Item, _: Annotated[None, Depends(_depends)]) -> Iterator[int]:
    raise Ran("the endpoint")
    yield 1


async def reads_itself(request: Request) -> Any:
    await request.json()
    raise Ran("the endpoint, after it read")


async def plain(item: Item) -> Item:
    raise Ran("the endpoint")


ROUTES = ["/model", "/plain", "/none", "/json", "/lines", "/events", "/router/model", "/itself"]


def _build(app: FastAPI) -> None:
    app.post("/model", response_model=Item)(endpoint)
    app.post("/none", response_model=None)(endpoint)
    app.post("/json", response_class=JSONResponse)(endpoint)
    app.post("/lines")(streaming)
    app.post("/events", response_class=EventSourceResponse)(streaming)
    app.post("/itself")(reads_itself)
    app.post("/plain")(plain)
    router = APIRouter()
    router.post("/model")(endpoint)
    app.include_router(router, prefix="/router")


@cache
def _app(**options: Any) -> FastAPI:
    app = FastAPI()
    _build(app)
    add_binary_mode(app, **options)
    return app


LARGE = {"array": np.zeros(10_000)}
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "malformed": (b"\x81\xa5array\xc1", 400, "byte 7"),
    "truncated": (packb(LARGE)[:-1], 400, "truncated"),
    "object array": (
        msgpack.packb(
            {"x": {b"nd": True, b"type": "|O", b"kind": b"O", b"shape": [1], b"data": bytes(8)}}
        ),
        400,
        "pickle",
    ),
    "nested too deeply": (b"\x91" * 100_000 + b"\x00", 413, "deep"),
}


@pytest.mark.parametrize(("body", "status", "detail"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("path", ROUTES)
def test_refused_in_msgpack(path: str, body: bytes, status: int, detail: str) -> None:
    response = TestClient(_app()).post(path, content=body, headers=MSGPACK)
    assert response.status_code == status
    problem = value(response, IN_BINARY)
    assert list(problem) == ["type", "title", "status", "detail"]
    assert problem["status"] == status
    assert detail in problem["detail"]


@pytest.mark.parametrize("path", ROUTES)
def test_problems_are_in_the_format_that_the_client_accepts(path: str) -> None:
    headers = {**MSGPACK, "accept": "application/json"}
    response = TestClient(_app()).post(path, content=b"\xc1", headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (400, IN_JSON)
    assert response.json()["title"] == "Bad Request"
    assert response.headers["content-length"] == str(len(response.content))


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.parametrize("path", ROUTES)
def test_body_over_max_body_size(path: str, announced: bool) -> None:
    app = _app(max_body_size=1000)
    body = packb(LARGE)
    headers = {**MSGPACK, "content-length": str(len(body))} if announced else MSGPACK
    response = call(app, [body[:500], body[500:]], headers=headers, path=path)
    assert response.status == 413
    assert response.headers["content-type"] == IN_BINARY
    assert "max_body_size (1000 bytes)" in unpackb(response.body)["detail"]


@pytest.mark.parametrize("path", ROUTES)
def test_structure_over_max_structure_size(path: str) -> None:
    client = TestClient(_app(max_structure_size=1000))
    response = post(client, {"x": [None] * 2000}, path)
    assert response.status_code == 413
    assert "max_structure_size" in value(response, IN_BINARY)["detail"]


# -- handlers of the app ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        HTTPException,
        StarletteHTTPException,
        RequestValidationError,
        ValueError,
        Exception,
        400,
        413,
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ROUTES)
def test_no_handler_makes_something_else_of_it(path: str, kind: Any) -> None:
    app = FastAPI()
    _build(app)

    @app.exception_handler(kind)
    async def handler(request: Request, exc: Exception) -> JSONResponse:
        return JSONResponse({"made": "something else"}, status_code=299)

    client = binary_client(app, max_body_size=1000)
    malformed = client.post(path, content=b"\xc1", headers=MSGPACK)
    assert value(malformed, IN_BINARY)["status"] == malformed.status_code == 400
    large = client.post(path, content=packb(LARGE), headers=MSGPACK)
    assert value(large, IN_BINARY)["status"] == large.status_code == 413


@pytest.mark.parametrize("path", ROUTES)
def test_middleware_that_reads_the_body_first(path: str) -> None:
    async def read_first(request: Request, call_next: Any) -> Any:
        await request.body()
        raise Ran("the middleware, after it read")

    app = FastAPI()
    _build(app)
    app.add_middleware(BaseHTTPMiddleware, dispatch=read_first)
    response = binary_client(app).post(path, content=b"\xc1", headers=MSGPACK)
    assert value(response, IN_BINARY)["status"] == response.status_code == 400


def test_middleware_inside_sees_the_refusal_as_an_response() -> None:
    app = FastAPI()
    _build(app)
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])
    add_binary_mode(app)
    headers = {**MSGPACK, "origin": "https://a.example"}
    response = TestClient(app).post("/model", content=b"\xc1", headers=headers)
    assert response.status_code == 400
    assert response.headers["access-control-allow-origin"] == "https://a.example"
    assert response.headers["content-type"] == IN_BINARY


@pytest.mark.parametrize("path", ROUTES)
def test_client_that_goes_away_in_mid_body(path: str) -> None:
    gone = {"type": "http.disconnect"}
    chunk = {"type": "http.request", "body": b"\x81", "more_body": True}
    # The response reaches nobody: what counts is that nothing of the app runs.
    if path == "/itself":
        with pytest.raises(ClientDisconnect):
            call(_app(), [chunk, gone], path=path)
    else:
        assert call(_app(), [chunk, gone], path=path).status == 400


def test_good_bodies_reach_all_of_these_routes() -> None:
    """So that the tests above do not pass for want of a route."""
    for path in ROUTES:
        with pytest.raises(Ran):
            post(TestClient(_app()), {}, path)


# -- FastAPI's own limit ---------------------------------------------------------------------------


def size_of(raw: Annotated[bytes, Body(embed=True)]) -> int:
    return len(raw)


async def size_of_plain(item: dict[str, bytes]) -> int:
    return len(item["raw"])


async def size_of_read(request: Request) -> int:
    return len(await request.body())


def _limited(where: str, endpoint: Any) -> FastAPI:
    limits = {
        name: 1000 if name == where else None for name in ("app", "router", "include", "route")
    }
    app = FastAPI(max_body_size=limits["app"])
    router = APIRouter(max_body_size=limits["router"])
    router.post("/", max_body_size=limits["route"])(endpoint)
    app.include_router(router, max_body_size=limits["include"])
    return app


@pytest.mark.parametrize(
    "endpoint", [size_of, size_of_plain, size_of_read], ids=["declared", "plain", "read"]
)
@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("where", ["app", "router", "include", "route"])
def test_fastapis_own_limit_holds(where: str, order: str, endpoint: Any) -> None:
    app = _limited(where, endpoint)
    if order == "after":
        app.openapi()
    add_binary_mode(app)
    for headers in ({}, {"content-length": "2012"}):
        body = packb({"raw": bytes(2000)})
        response = call(app, [body[:900], body[900:]], headers={**MSGPACK, **headers})
        assert response.status == 413
    small = packb({"raw": bytes(500)})
    assert call(app, small).status == 200
    plain = call(_limited(where, endpoint), bytes(2000), headers={"content-type": "text/plain"})
    assert plain.status == 413


def test_exactly_fastapis_own_limit() -> None:
    """It counts the bytes that the client sent, not those of any text made of them."""
    body = packb({"raw": bytes(980)})
    assert len(body) <= 1000 < len(json.dumps({"raw": b64encode(bytes(980)).decode()}))
    for where in ("app", "router", "include", "route"):
        for endpoint in (size_of, size_of_plain):
            app = _limited(where, endpoint)
            add_binary_mode(app)
            assert unpackb(call(app, body).body) == 980


# -- msgpack that nobody announced -----------------------------------------------------------------


@pytest.mark.parametrize("content_type", [None, "application/octet-stream"])
def test_a_forgotten_content_type_is_422(content_type: str | None) -> None:
    def endpoint(item: dict[str, Any]) -> Any:
        return item

    headers = {} if content_type is None else {"content-type": content_type}
    body = packb({"number": 1.1, "raw": b"\xff" * 2000})
    response = enabled(endpoint).post("/", content=body, headers=headers)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/json"
    (error,) = response.json()["detail"]
    assert error["input"] == f"<bytes {len(body)}>"
    headers["accept"] = "application/msgpack"
    response = enabled(endpoint).post("/", content=body, headers=headers)
    assert response.status_code == 422
    assert unpackb(response.content)["detail"] == [error]

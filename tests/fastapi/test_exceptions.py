"""Errors of the app: the same status and document in msgpack as in JSON."""

from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import Body, Depends, FastAPI, HTTPException, Request, WebSocketException
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from binary_middleware import NumpyArrayField, packb
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import ACCEPT, enabled, get, post, twins, value

pytestmark = pytest.mark.usefixtures("serving_path")


class Teapot(Exception):
    pass


def _refuse() -> None:
    raise HTTPException(403, "refused by a dependency", headers={"x-why": "no"})


def build(app: FastAPI) -> None:
    @app.post("/http")
    async def http(raw: Annotated[bytes, Body()]) -> None:
        raise HTTPException(409, {"conflict": [1, None]}, headers={"x-conflict": "yes"})

    @app.post("/starlette")
    async def starlette(raw: Annotated[bytes, Body()]) -> None:
        raise StarletteHTTPException(410)

    @app.post("/dependency", dependencies=[Depends(_refuse)])
    async def behind(raw: Annotated[bytes, Body()]) -> None:
        raise AssertionError("not reached")

    @app.post("/security", dependencies=[Depends(HTTPBearer())])
    async def secured(raw: Annotated[bytes, Body()]) -> None:
        raise AssertionError("not reached")

    @app.post("/own")
    async def own(raw: Annotated[bytes, Body()]) -> None:
        raise Teapot

    @app.post("/bodyless")
    async def bodyless(raw: Annotated[bytes, Body()]) -> None:
        raise HTTPException(304)

    @app.get("/items/{number}")
    def item(number: int) -> int:
        return number

    @app.exception_handler(Teapot)
    async def handle_teapot(request: Request, exc: Teapot) -> JSONResponse:
        return JSONResponse({"teapot": True}, 418, headers={"x-pot": "short"})


REQUESTS = {
    "HTTPException": ("POST", "/http"),
    "Starlette's HTTPException": ("POST", "/starlette"),
    "dependency": ("POST", "/dependency"),
    "security": ("POST", "/security"),
    "own exception": ("POST", "/own"),
    "not found": ("POST", "/nowhere"),
    "method not allowed": ("POST", "/items/1"),
    "wrong path parameter": ("GET", "/items/x"),
    "not found by GET": ("GET", "/nowhere/else"),
}


@pytest.mark.parametrize(("method", "path"), REQUESTS.values(), ids=REQUESTS.keys())
def test_same_error_as_in_json(method: str, path: str) -> None:
    plain, binary = twins(build)
    expected = plain.request(method, path, json="raw")
    accept = "application/msgpack" if method == "GET" else "*/*"
    response = binary.request(
        method, path, content=packb(b"raw"), headers={**MSGPACK, "accept": accept}
    )
    assert response.status_code == expected.status_code >= 400
    assert value(response) == expected.json()
    ignored = {"content-type", "content-length", "vary"}
    assert {k: v for k, v in response.headers.items() if k not in ignored} == {
        k: v for k, v in expected.headers.items() if k not in ignored
    }


def test_exception_without_a_body() -> None:
    _, binary = twins(build)
    response = post(binary, b"raw", "/bodyless")
    assert (response.status_code, response.content) == (304, b"")


def test_trailing_slash_is_redirected() -> None:
    _, binary = twins(build)
    response = post(binary, b"raw", "/own/")
    assert response.status_code == 307
    assert response.headers["location"] == "http://testserver/own"
    followed = binary.post("/own/", content=packb(b""), headers=MSGPACK, follow_redirects=True)
    assert (followed.status_code, value(followed)) == (418, {"teapot": True})


# -- crashes -----------------------------------------------------------------------------------


class Item(BaseModel):
    array: NumpyArrayField


async def crash(raw: Annotated[bytes, Body()]) -> Any:
    raise RuntimeError("crash")


async def wrong_answer(raw: Annotated[bytes, Body()]) -> Any:
    return {"array": "not an array", "large": np.zeros(10_000)}


async def unserialisable(raw: Annotated[bytes, Body()]) -> Any:
    return {"x": object(), "lock": np.array([object()])}


@pytest.mark.parametrize(
    ("endpoint", "settings", "error"),
    [
        (crash, {}, RuntimeError),
        (wrong_answer, {"response_model": Item}, ResponseValidationError),
        (unserialisable, {"response_model": None}, Exception),
        (unserialisable, {}, Exception),
    ],
    ids=["crash", "ResponseValidationError", "no JSON", "no JSON with a model"],
)
def test_crash_is_a_500_as_in_json(endpoint: Any, settings: Any, error: type[Exception]) -> None:
    plain, binary = twins(lambda app: app.post("/", **settings)(endpoint))
    expected = plain.post("/", json="raw")
    response = post(binary, b"raw")
    assert response.status_code == expected.status_code == 500
    assert response.content == expected.content
    assert response.headers == expected.headers
    with pytest.raises(error):
        post(enabled(endpoint, **settings), b"raw")


def test_handler_of_the_server_error_answers_as_it_likes() -> None:
    """It stands outside of every middleware, so it answers in JSON."""

    def build(app: FastAPI) -> None:
        app.post("/")(crash)

        @app.exception_handler(Exception)
        async def handler(request: Request, exc: Exception) -> JSONResponse:
            return JSONResponse({"crashed": True}, 500)

    _, binary = twins(build)
    response = post(binary, b"raw")
    assert (response.status_code, response.json()) == (500, {"crashed": True})


def test_handler_of_response_validation_errors() -> None:
    def build(app: FastAPI) -> None:
        app.post("/", response_model=Item)(wrong_answer)

        @app.exception_handler(ResponseValidationError)
        async def handler(request: Request, exc: ResponseValidationError) -> JSONResponse:
            return JSONResponse({"wrong": exc.errors()[0]["loc"]}, 502)

    _, binary = twins(build)
    response = post(binary, b"raw")
    assert (response.status_code, value(response)) == (502, {"wrong": ["response", "array"]})


# -- handlers that answer in other ways ------------------------------------------------------------


@pytest.mark.parametrize("kind", [404, StarletteHTTPException, 405])
def test_handler_for_a_status(kind: Any) -> None:
    app = FastAPI()
    build(app)

    @app.exception_handler(kind)
    async def handler(request: Request, exc: StarletteHTTPException) -> Response:
        return JSONResponse({"handled": exc.status_code}, exc.status_code)

    add_binary_mode(app)
    path = "/items/1" if kind == 405 else "/nowhere"
    response = TestClient(app).post(path, content=packb(1), headers=MSGPACK)
    assert value(response) == {"handled": response.status_code}


def test_handler_that_answers_text() -> None:
    app = FastAPI()
    build(app)

    @app.exception_handler(RequestValidationError)
    async def handler(request: Request, exc: RequestValidationError) -> PlainTextResponse:
        return PlainTextResponse(str(exc.errors()[0]["input"]), 400)

    add_binary_mode(app)
    response = TestClient(app).post("/own", content=packb(1.5), headers=MSGPACK)
    assert (response.status_code, response.text) == (400, "1.5")
    assert response.headers["vary"] == "Accept, Content-Type"


def test_websocket_errors_are_left_alone() -> None:
    app = FastAPI()

    @app.websocket("/")
    async def socket() -> None:
        raise WebSocketException(1008)

    add_binary_mode(app)
    with (
        pytest.raises(WebSocketDisconnect) as raised,
        TestClient(app).websocket_connect("/", headers=ACCEPT),
    ):
        pass
    assert raised.value.code == 1008


def test_dependency_overrides_hold() -> None:
    app = FastAPI()
    build(app)
    app.dependency_overrides[_refuse] = lambda: None

    @app.get("/allowed", dependencies=[Depends(_refuse)])
    def allowed() -> NumpyArrayField:
        return NumpyArrayField(np.arange(2))

    add_binary_mode(app)
    client = TestClient(app)
    assert value(get(client, "/allowed")).tolist() == [0, 1]
    app.dependency_overrides.clear()
    assert get(client, "/allowed").status_code == 403

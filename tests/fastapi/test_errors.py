"""Errors have the same status and document in both formats; how JSON clients get bytes."""

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request, WebSocketException
from fastapi.exceptions import ResponseValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from binary_middleware.fields import BinaryBytes
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import ACCEPT, binary_client, enabled, post, twins, value

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


# -- crashes ---------------------------------------------------------------------------------------


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


def test_handler_of_the_server_error_responses_as_it_likes() -> None:
    """It stands outside of every middleware, so it responds in JSON."""

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


# -- handlers that respond in other ways -----------------------------------------------------------


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


RAW = b"\x89PNG\xff"
DETAIL = (
    "the response holds bytes that are not text, which JSON cannot carry: send Accept: "
    "application/msgpack, or declare its field as BinaryBytes or NumpyArrayField"
)


class Picture(BaseModel):
    png: bytes


class Portable(BaseModel):
    png: BinaryBytes


SEEN: list[str] = []


def watched() -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        SEEN.append(type(exc).__name__)
        raise
    SEEN.append("no exception")


def routes(router: Any) -> None:
    @router.get("/model")
    @router.post("/model")
    async def model() -> Picture:
        return Picture(png=RAW)

    @router.get("/in-thread", dependencies=[Depends(watched)])
    def in_thread() -> Picture:
        return Picture(png=RAW)

    @router.get("/no-model")
    async def no_model():
        return {"png": RAW}

    @router.get("/cut-off")
    async def cut_off() -> Picture:
        return Picture(png="é".encode()[:1])

    @router.get("/portable")
    async def portable() -> Portable:
        return Portable(png=RAW)

    @router.get("/text")
    async def text() -> Picture:
        return Picture(png=b"text")

    @router.get("/own-fault")
    async def own_fault() -> str:
        return RAW.decode()

    @router.get("/own-dump")
    async def own_dump(number: int = 1) -> str:
        return Picture(png=RAW).model_dump_json()


def with_enable(app: FastAPI) -> None:
    routes(app)
    add_binary_mode(app)


def with_router(app: FastAPI) -> None:
    router = APIRouter(route_class=BinaryRoute)
    routes(router)
    app.include_router(router)


@pytest.fixture(params=[with_enable, with_router])
def client(request: pytest.FixtureRequest) -> TestClient:
    app = FastAPI()
    request.param(app)
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("path", ["/model", "/in-thread", "/no-model"])
@pytest.mark.parametrize("headers", [{}, {"accept": "application/json"}, {"if-match": '"x"'}])
def test_a_json_client_is_told_how_to_get_bytes(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    response = client.get(path, headers=headers)
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["vary"] == "Accept"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Acceptable",
        "status": 406,
        "detail": DETAIL,
    }
    response = client.get(path, headers={"accept": "application/msgpack"})
    assert unpackb(response.content) == {"png": RAW}


def test_text_that_is_cut_off_is_none(client: TestClient) -> None:
    """Pydantic has another message for it."""
    response = client.get("/cut-off")
    assert (response.status_code, response.json()["detail"]) == (406, DETAIL)


def test_a_binary_client_that_wants_json_is_told_as_well(client: TestClient) -> None:
    headers = {**MSGPACK, "accept": "application/json"}
    response = client.post("/model", content=packb({}), headers=headers)
    assert (response.status_code, response.json()["detail"]) == (406, DETAIL)


def test_dependencies_see_that_there_was_no_response(client: TestClient) -> None:
    SEEN.clear()
    client.get("/in-thread")
    client.get("/in-thread", headers={"accept": "application/msgpack"})
    assert SEEN == ["NotAcceptable", "no exception"]


def test_bytes_that_json_can_carry_are_carried(client: TestClient) -> None:
    assert client.get("/portable").json() == {"png": "iVBOR/8="}
    assert client.get("/text").json() == {"png": "text"}


@pytest.mark.parametrize("path", ["/own-fault", "/own-dump"])
def test_faults_of_an_endpoint_stay_its_own(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 500


def test_without_binary_mode_it_stays_an_error_of_the_server() -> None:
    app = FastAPI()
    routes(app)
    add_binary_mode(app, mode="off")
    assert TestClient(app, raise_server_exceptions=False).get("/model").status_code == 500


@pytest.mark.parametrize("has_model", [True, False])
@pytest.mark.parametrize(
    "value", [np.arange(3), np.datetime64("NaT"), np.timedelta64(5, "s"), np.longdouble(1) / 3]
)
def test_arrays_that_nobody_declared(value: Any, has_model: bool) -> None:
    """A client that sends an array to a field of any type, and wants JSON back."""
    app = FastAPI()

    @app.post("/", response_model=Any if has_model else None)
    def echo(anything: Annotated[Any, Body()]) -> Any:
        return {"anything": anything}

    client = binary_client(app)
    response = client.post("/", content=packb(value), headers={**MSGPACK, "accept": "text/json"})
    assert response.status_code == 200  # nothing is acceptable, so that it is as the request was
    response = client.post("/", content=packb(value), headers={**MSGPACK, **ACCEPT_JSON})
    assert response.status_code == 406
    assert "an array" in unpackb_or_json(response)["detail"]


ACCEPT_JSON = {"accept": "application/json"}


def unpackb_or_json(response: Any) -> Any:
    is_json = "json" in response.headers["content-type"]
    return response.json() if is_json else unpackb(response.content)

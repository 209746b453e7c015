"""Answers that hold bytes which are no text: a JSON client is told how to get them."""

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI
from pydantic import BaseModel
from starlette.testclient import TestClient

from binary_middleware import packb, unpackb
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from binary_middleware.fields import BinaryBytes
from tests.asgi_app import MSGPACK

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
    answer = client.get(path, headers=headers)
    assert answer.status_code == 406
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["vary"] == "Accept"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Acceptable",
        "status": 406,
        "detail": DETAIL,
    }
    answer = client.get(path, headers={"accept": "application/msgpack"})
    assert unpackb(answer.content) == {"png": RAW}


def test_text_that_is_cut_off_is_none(client: TestClient) -> None:
    """pydantic has another message for it."""
    answer = client.get("/cut-off")
    assert (answer.status_code, answer.json()["detail"]) == (406, DETAIL)


def test_a_binary_client_that_wants_json_is_told_as_well(client: TestClient) -> None:
    headers = {**MSGPACK, "accept": "application/json"}
    answer = client.post("/model", content=packb({}), headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (406, DETAIL)


def test_dependencies_see_that_there_was_no_answer(client: TestClient) -> None:
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

    add_binary_mode(app)
    client = TestClient(app)
    response = client.post("/", content=packb(value), headers={**MSGPACK, "accept": "text/json"})
    assert response.status_code == 200  # nothing is acceptable, so that it is as the request was
    response = client.post("/", content=packb(value), headers={**MSGPACK, **ACCEPT_JSON})
    assert response.status_code == 406
    assert "an array" in unpackb_or_json(response)["detail"]


ACCEPT_JSON = {"accept": "application/json"}


def unpackb_or_json(response: Any) -> Any:
    is_json = "json" in response.headers["content-type"]
    return response.json() if is_json else unpackb(response.content)

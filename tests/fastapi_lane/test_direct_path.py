"""A plain route answers binary clients as FastAPI's own handler would.

Plain routes (async, one body, nothing else) are served without it. The same endpoint is here
served twice: once plain, and once with a dependency that does nothing.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field, RootModel, computed_field
from starlette.background import BackgroundTask
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField, packb
from binary_middleware.fastapi import enable
from tests.asgi import MSGPACK
from tests.fastapi_lane.conftest import same, value

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
NOT_TEXT = b"\xff\x00\xfe"


DIRECT_ONLY = True
"""These tests are about the direct path, and run on it alone."""


class Item(BaseModel):
    name: str = "n"
    array: NumpyArrayField | None = None
    raw: bytes = b""
    when: dt.date | None = None
    renamed: Annotated[int, Field(alias="in", serialization_alias="out", ge=0)] = 0

    @computed_field
    @property
    def length(self) -> int:
        return len(self.name)


class Items(RootModel[list[Item]]):
    pass


@dataclass
class Row:
    array: Any
    name: str = "row"


class Circle(BaseModel):
    kind: Literal["circle"]


class Square(BaseModel):
    kind: Literal["square"]
    side: float


class Refused(Exception):
    pass


async def model(item: Item) -> Item:
    return item


async def without_model(item: Item):
    return {"item": item, 1: {item.when, None}}


async def any_model(item: Item) -> Any:
    return item


async def other_model(item: Item) -> Row:
    return Row(item.array, item.name)


async def raw(raw: Annotated[bytes, Body()]) -> bytes:
    return raw


async def array(array: Annotated[NumpyArrayField, Body()]) -> NumpyArrayField:
    return array


async def optional(item: Item | None = None) -> Item | None:
    return item


async def with_default(number: Annotated[int, Body(ge=0)] = 5) -> int:
    return number


async def aliased(number: Annotated[int, Body(alias="theNumber", validation_alias="v")]) -> int:
    return number


async def root_model(items: Items) -> list[Item]:
    return items.root


async def dataclass_(row: Row) -> Row:
    return row


async def union(shape: Annotated[Circle | Square, Body(discriminator="kind")]) -> Any:
    return shape


async def untyped(document: Annotated[Any, Body()]):
    return document


async def nothing(document: Annotated[Any, Body()]) -> None:
    return None


async def wrong(document: Annotated[Any, Body()]) -> Item:
    return {"name": 3, "array": document}  # type: ignore[return-value]


async def big_number(document: Annotated[Any, Body()]) -> dict[str, int]:
    return {"big": 2**64}


async def http_error(document: Annotated[Any, Body()]) -> None:
    raise HTTPException(409, {"conflict": True}, {"x-why": "conflict"})


async def own_error(document: Annotated[Any, Body()]) -> None:
    raise Refused


async def crash(document: Annotated[Any, Body()]) -> None:
    raise RuntimeError("crash")


async def raises_validation_error(document: Annotated[Any, Body()]) -> None:
    raise RequestValidationError([{"loc": ["x"], "msg": "m", "input": ARRAY}], body=document)


async def text_response(document: Annotated[Any, Body()]) -> Response:
    return PlainTextResponse("text", 203, {"x-y": "1"})


async def json_response(document: Annotated[Any, Body()]) -> Response:
    return JSONResponse({"x": 1}, 203, {"x-y": "1"}, background=BackgroundTask(lambda: None))


async def no_json(document: Annotated[Any, Body()]):
    return {"x": object(), "lock": np.array([object()])}


ENDPOINTS: list[Callable[..., Any]] = [
    model,
    without_model,
    any_model,
    other_model,
    raw,
    array,
    optional,
    with_default,
    aliased,
    root_model,
    dataclass_,
    union,
    untyped,
    nothing,
    wrong,
    big_number,
    http_error,
    own_error,
    crash,
    raises_validation_error,
    text_response,
    json_response,
    no_json,
]
ITEM = {"name": "name", "array": ARRAY, "raw": NOT_TEXT, "when": "2024-01-01", "in": 3}
DOCUMENTS: dict[str, bytes] = {
    "item": packb(ITEM),
    "item with errors": packb({"name": ARRAY, "in": -1, "when": NOT_TEXT, "raw": float("nan")}),
    "empty map": packb({}),
    "list of items": packb([ITEM, {}]),
    "bytes": packb(NOT_TEXT),
    "array": packb(ARRAY),
    "large": packb({"array": np.arange(100_000), "raw": bytes(100_000)}),
    "number": packb(3),
    "negative number": packb(-3),
    "nil": packb(None),
    "NaN": packb(float("nan")),
    "text": packb("text"),
    "circle": packb({"kind": "circle"}),
    "square": packb({"kind": "square", "side": float("inf")}),
    "neither": packb({"kind": b"\xff"}),
    "deep": b"\x91" * 300 + b"\x01",
    "nothing": b"",
    "malformed": b"\xc1",
    "truncated": packb(ITEM)[:-1],
}
REQUESTS = [
    ("/x", "*/*"),
    ("/x", "application/json"),
    ("/x", "application/msgpack; arrays=map"),
    ("/plain/x", "*/*"),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "status": {"status_code": 207},
    "exclude": {"response_model_exclude": {"array": True, "raw": True}},
    "include": {"response_model_include": {"name", "renamed"}},
    "names": {"response_model_by_alias": False},
    "unset": {"response_model_exclude_unset": True},
    "equal to defaults": {"response_model_exclude_defaults": True},
    "none": {"response_model_exclude_none": True},
}


async def _does_nothing() -> None:
    return None


def _app(endpoint: Callable[..., Any], caught: list[Any], **settings: Any) -> FastAPI:
    """Serves the endpoint at ``/x`` and ``/plain/x``, and with a dependency at ``/with/x``."""
    app = FastAPI()

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(ResponseValidationError)
    async def on_invalid(request: Request, exc: Any) -> JSONResponse:
        caught.append(
            (
                type(exc),
                repr(exc.errors()),
                repr(exc.body),
                str(exc).replace("/with/x", "/x").replace("/plain/x", "/x"),
                exc.endpoint_function,
                exc.endpoint_file,
                exc.endpoint_line,
                await request.body(),
            )
        )
        return JSONResponse({"invalid": len(exc.errors())}, 422)

    @app.exception_handler(Refused)
    async def on_refused(request: Request, exc: Refused) -> JSONResponse:
        return JSONResponse({"refused": (await request.body()).decode()}, 418)

    app.post("/x", **settings)(endpoint)
    router = APIRouter()
    router.post("/x", dependencies=[Depends(_does_nothing)], **settings)(endpoint)
    app.include_router(router, prefix="/with")
    plain_router = APIRouter()
    plain_router.post("/x", **settings)(endpoint)
    app.include_router(plain_router, prefix="/plain")
    enable(app)
    return app


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.__name__.strip("_"))
def test_same_answer_with_and_without_fastapis_handler(endpoint: Callable[..., Any]) -> None:
    caught: list[Any] = []
    with TestClient(_app(endpoint, caught), raise_server_exceptions=False) as client:
        for name, body in DOCUMENTS.items():
            for path, accept in REQUESTS if name.startswith("item") else REQUESTS[:1]:
                headers = {**MSGPACK, "accept": accept}
                expected = client.post("/with/x", content=body, headers=headers)
                response = client.post(path, content=body, headers=headers)
                assert response.status_code == expected.status_code, name
                assert response.headers == expected.headers, name
                assert response.content == expected.content, name
                assert caught[:1] == caught[1:], name
                caught.clear()


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize(
    "endpoint", [model, without_model, other_model, optional, nothing, wrong, big_number]
)
def test_same_settings_with_and_without_fastapis_handler(
    endpoint: Callable[..., Any], settings: dict[str, Any]
) -> None:
    client = TestClient(_app(endpoint, [], **settings), raise_server_exceptions=False)
    for body in (packb(ITEM), packb({})):
        expected = client.post("/with/x", content=body, headers=MSGPACK)
        response = client.post("/x", content=body, headers=MSGPACK)
        assert response.status_code == expected.status_code
        assert response.headers == expected.headers
        assert response.content == expected.content


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_a_body(status: int) -> None:
    client = TestClient(_app(nothing, [], status_code=status, response_model=None))
    for path in ("/x", "/with/x"):
        response = client.post(path, content=packb(1), headers=MSGPACK)
        assert (response.status_code, response.content) == (status, b"")


def test_document_of_a_plain_route() -> None:
    client = TestClient(_app(model, []))
    response = client.post("/x", content=packb(ITEM), headers=MSGPACK)
    expected = {
        "name": "name",
        "array": ARRAY,
        "raw": NOT_TEXT,
        "when": "2024-01-01",
        "out": 3,
        "length": 4,
    }
    assert same(value(response), expected)

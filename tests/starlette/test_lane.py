"""The object lane for Starlette: reading requests, and responses as negotiated."""

from __future__ import annotations

import base64
import datetime
import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import httpx2
import numpy as np
import pytest
from annotated_types import Gt
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from typing_extensions import TypedDict

from binary_middleware import BinaryMiddleware, NumpyArrayField, binary_options, packb, unpackb
from binary_middleware.starlette import InvalidBody, NegotiatedResponse, read_body
from tests.asgi_app import MSGPACK
from tests.serving import serving

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
NOT_TEXT = b"\xff\x00\xfe"
ARRAY_IN_JSON = {
    "shape": [2, 3],
    "dtype": "float32",
    "data_b64": base64.b64encode(ARRAY.tobytes()).decode(),
}


class Batch(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")

    name: Annotated[str, Field(max_length=5)]
    array: NumpyArrayField
    raw: bytes = NOT_TEXT
    when: datetime.date = datetime.date(2026, 1, 2)


@dataclass
class Point:
    x: float
    y: Annotated[float, Gt(0)]


class Named(TypedDict):
    name: str
    array: NumpyArrayField


class Batches(HTTPEndpoint):
    async def post(self, request: Request) -> Response:
        batch = await read_body(request, Batch)
        assert type(batch) is Batch
        assert type(batch.array.array) is np.ndarray
        batch.array.array += 1
        return NegotiatedResponse(batch)


async def point(request: Request) -> Response:
    value = await read_body(request, Point)
    assert type(value) is Point
    return NegotiatedResponse({"twice": Point(2 * value.x, 2 * value.y)}, 201, {"X-Point": "1"})


async def named(request: Request) -> Response:
    value = await read_body(request, Named)
    return NegotiatedResponse(
        {
            "name": value["name"],
            "array": value["array"].array,
            "again": await read_body(request, Named),
        }
    )


async def anything(request: Request) -> Response:
    value = await read_body(request)
    return NegotiatedResponse({"type": type(value).__name__, "value": value})


async def numbers(request: Request) -> Response:
    return NegotiatedResponse(sum(await read_body(request, list[int])))


ROUTES = [
    Route("/batch", Batches),
    Route("/point", point, methods=["POST"]),
    Route("/named", named, methods=["POST"]),
    Route("/anything", anything, methods=["POST"]),
    Route("/numbers", numbers, methods=["POST"]),
]


async def _pass(request: Request, call_next: Any) -> Response:
    response: Response = await call_next(request)
    return response


@pytest.fixture(params=["around", "within", "with BaseHTTPMiddleware"])
def client(request: pytest.FixtureRequest) -> TestClient:
    app: Any = Starlette(routes=ROUTES)
    if request.param == "around":
        app = BinaryMiddleware(app)
    else:
        app.add_middleware(BinaryMiddleware)
        if request.param != "within":
            app.add_middleware(BaseHTTPMiddleware, dispatch=_pass)
    return TestClient(app)


def post(client: TestClient, path: str, document: Any) -> Any:
    response = client.post(path, content=packb(document), headers=MSGPACK)
    assert response.headers["content-type"] in (
        "application/msgpack",
        "application/problem+msgpack",
    )
    assert response.headers["vary"] == "Accept, Content-Type"
    return unpackb(response.content)


def test_model_in_both_modes(client: TestClient) -> None:
    found = post(client, "/batch", {"name": "a", "array": ARRAY, "raw": NOT_TEXT})
    assert np.array_equal(found.pop("array"), ARRAY + 1)
    assert found == {"name": "a", "raw": NOT_TEXT, "when": "2026-01-02"}
    response = client.post("/batch", json={"name": "a", "array": ARRAY_IN_JSON, "raw": "_wD-"})
    assert response.headers["content-type"] == "application/json"
    found = response.json()
    data = base64.b64decode(found.pop("array")["data_b64"])
    assert np.array_equal(np.frombuffer(data, "float32").reshape(2, 3), ARRAY + 1)
    assert found == {"name": "a", "raw": "_wD-", "when": "2026-01-02"}


def test_dataclass_status_and_headers(client: TestClient) -> None:
    for kind in (
        {"content": packb({"x": 1, "y": 2}), "headers": MSGPACK},
        {"json": {"x": 1, "y": 2}},
    ):
        response = client.post("/point", **kind)
        assert response.status_code == 201
        assert response.headers["x-point"] == "1"
        document = unpackb(response.content) if "content" in kind else response.json()
        assert document == {"twice": {"x": 2.0, "y": 4.0}}


def test_typed_dict_and_reading_twice(client: TestClient) -> None:
    found = post(client, "/named", {"name": "a", "array": ARRAY})
    assert np.array_equal(found["array"], ARRAY)
    assert np.array_equal(found["again"]["array"], ARRAY)
    found = client.post("/named", json={"name": "a", "array": ARRAY_IN_JSON}).json()
    assert found == {
        "name": "a",
        "array": ARRAY_IN_JSON,
        "again": {"name": "a", "array": ARRAY_IN_JSON},
    }


@pytest.mark.parametrize("value", [None, True, [1, "a"], {"a": {"b": 1.5}}, "text", 2**63])
def test_objects_as_they_are(client: TestClient, value: Any) -> None:
    expected = {"type": type(value).__name__, "value": value}
    assert post(client, "/anything", value) == expected
    assert client.post("/anything", content=json.dumps(value)).json() == expected


def test_bytes_and_arrays_as_they_are(client: TestClient) -> None:
    assert post(client, "/anything", NOT_TEXT) == {"type": "bytes", "value": NOT_TEXT}
    found = post(client, "/anything", ARRAY)
    assert found["type"] == "ndarray"
    assert np.array_equal(found["value"], ARRAY)


def test_msgpack_in_and_json_out(client: TestClient) -> None:
    headers = {**MSGPACK, "accept": "application/json"}
    found = client.post("/anything", content=packb([ARRAY, NOT_TEXT]), headers=headers).json()
    in_json = base64.urlsafe_b64encode(NOT_TEXT).decode()  # as pydantic encodes bytes
    assert found == {"type": "list", "value": [ARRAY_IN_JSON, in_json]}


# -- what is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "document", "errors"),
    [
        ("/point", {"x": 1, "y": -1}, [("greater_than", ["y"], -1)]),
        ("/point", {"x": "a"}, [("float_parsing", ["x"], "a"), ("missing", ["y"], {"x": "a"})]),
        ("/numbers", [1, "x", 2.5], [("int_parsing", [1], "x"), ("int_from_float", [2], 2.5)]),
        ("/batch", {"name": "abcdef", "array": 1}, [("string_too_long", ["name"], "abcdef"), None]),
    ],
)
def test_what_is_not_valid_is_422_in_the_clients_format(
    client: TestClient, path: str, document: Any, errors: list[Any]
) -> None:
    in_json = client.post(path, json=document)
    assert in_json.status_code == 422
    assert in_json.headers["content-type"] == "application/problem+json"
    problem = in_json.json()
    assert problem["status"] == 422
    assert problem["title"] == "Unprocessable Content"
    assert problem["detail"] == f"{len(errors)} error{'s' * (len(errors) > 1)} in the body"
    found = [(each["type"], each["loc"], each["input"]) for each in problem["errors"]]
    assert found[0] == errors[0]
    assert len(found) == len(errors)
    response = client.post(path, content=packb(document), headers=MSGPACK)
    assert response.status_code == 422
    assert post(client, path, document) == problem


def test_inputs_that_json_cannot_hold_are_summarised(client: TestClient) -> None:
    problem = post(client, "/numbers", [ARRAY, NOT_TEXT, math.nan])
    inputs = [each["input"] for each in problem["errors"]]
    assert inputs == ["<ndarray float32 (2, 3)>", "<bytes 3>", "<float nan>"]


@pytest.mark.parametrize(
    "sent",
    [
        datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        datetime.date(2026, 1, 2),
        datetime.time(1, 2),
        datetime.timedelta(1),
        Decimal("1.50"),
        Decimal("NaN"),
        UUID(int=5),
        [UUID(int=5)],
    ],
    ids=repr,
)
def test_values_without_a_json_form_of_their_own_in_a_wrong_place(
    client: TestClient, sent: Any
) -> None:
    body = packb({"name": sent, "array": ARRAY}, dialect="chains")
    response = client.post("/batch", content=body, headers=MSGPACK)
    assert response.status_code == 422
    (error,) = unpackb(response.content)["errors"]
    assert error["loc"] == ["name"]


@pytest.mark.parametrize(
    ("body", "headers", "detail"),
    [
        (b"{", {}, "the body is not JSON: Invalid JSON: EOF while parsing an object"),
        (b"", {}, "the body is empty"),
        (b"", {**MSGPACK, "accept": "application/msgpack"}, "the body is empty"),
        (b"\xc1", MSGPACK, "the body is not msgpack: invalid opcode '\\xc1' (byte 0)"),
    ],
)
def test_what_cannot_be_read_is_400(
    client: TestClient, body: bytes, headers: Any, detail: str
) -> None:
    response = client.post("/point", content=body, headers=headers)
    assert response.status_code == 400
    problem = unpackb(response.content) if headers else response.json()
    assert problem["detail"].startswith(detail)
    assert problem["title"] == "Bad Request"


def test_a_handler_of_the_apps_own() -> None:
    async def handler(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, InvalidBody)
        return JSONResponse({"count": len(exc.errors)}, 418)

    app = Starlette(routes=ROUTES, exception_handlers={HTTPException: handler})
    response = TestClient(BinaryMiddleware(app)).post(
        "/numbers", content=packb(["a"]), headers=MSGPACK
    )
    assert response.status_code == 418
    assert unpackb(response.content) == {"count": 1}


# -- responses -------------------------------------------------------------------------------------


def answering(content: Any, **options: Any) -> TestClient:
    def endpoint(request: Request) -> Response:
        return NegotiatedResponse(content)

    return TestClient(BinaryMiddleware(Starlette(routes=[Route("/", endpoint)]), **options))


ACCEPT = {"accept": "application/msgpack"}


@pytest.mark.parametrize(
    ("content", "in_json"),
    [
        (np.float32(1.5), 1.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        ({"a": {1: datetime.timedelta(hours=1)}}, {"a": {"1": "PT1H"}}),
        (bytearray(b"a"), "YQ=="),
        (memoryview(b"a"), "YQ=="),
        ((1, 2), [1, 2]),
        (ARRAY, ARRAY_IN_JSON),
        (1 + 2j, "1+2j"),
    ],
)
def test_what_json_has(content: Any, in_json: Any) -> None:
    assert answering(content).get("/").json() == in_json


def test_nan_survives() -> None:
    assert answering([math.nan, -math.inf]).get("/").text == "[NaN,-Infinity]"
    first, second = unpackb(answering([math.nan, -math.inf]).get("/", headers=ACCEPT).content)
    assert math.isnan(first)
    assert second == -math.inf


def test_what_msgpack_cannot_carry_leaves_as_json() -> None:
    response = answering({"large": 2**70}).get("/", headers=ACCEPT)
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.content) == {"large": 2**70}


def test_bytes_that_are_not_text_are_406_in_json() -> None:
    class Raw(BaseModel):
        raw: bytes = NOT_TEXT

    assert unpackb(answering(Raw()).get("/", headers=ACCEPT).content) == {"raw": NOT_TEXT}
    response = answering(Raw()).get("/")
    assert (response.status_code, response.headers["content-type"]) == (
        406,
        "application/problem+json",
    )


def test_the_body_of_a_response_is_its_json_text() -> None:
    assert (
        NegotiatedResponse({"a": ARRAY}).body
        == json.dumps({"a": ARRAY_IN_JSON}, separators=(",", ":")).encode()
    )


def test_types_that_cannot_be_hashed() -> None:
    async def endpoint(request: Request) -> Response:
        return NegotiatedResponse(await read_body(request, Annotated[int, ["metadata"]]))

    client = TestClient(
        BinaryMiddleware(Starlette(routes=[Route("/", endpoint, methods=["POST"])]))
    )
    assert unpackb(client.post("/", content=packb(5), headers=MSGPACK).content) == 5
    assert client.post("/", content=packb("x"), headers=MSGPACK).status_code == 422


def test_array_maps_for_those_who_ask() -> None:
    headers = {"accept": "application/msgpack; arrays=map"}
    response = answering(ARRAY).get("/", headers=headers)
    assert response.headers["content-type"] == "application/msgpack; arrays=map"
    assert unpackb(response.content) == {
        "shape": [2, 3],
        "dtype": "float32",
        "data": ARRAY.tobytes(),
    }


def test_without_a_middleware_it_is_json() -> None:
    client = TestClient(Starlette(routes=ROUTES))
    response = client.post("/batch", json={"name": "a", "array": ARRAY_IN_JSON}, headers=ACCEPT)
    assert response.headers["content-type"] == "application/json"


def test_background_task_and_head() -> None:
    ran: list[int] = []

    def endpoint(request: Request) -> Response:
        return NegotiatedResponse([1], background=BackgroundTask(ran.append, 1))

    client = TestClient(BinaryMiddleware(Starlette(routes=[Route("/", endpoint)])))
    head, get = client.head("/", headers=ACCEPT), client.get("/", headers=ACCEPT)
    assert ran == [1, 1]
    assert head.headers == get.headers


def test_options_of_an_endpoint_hold() -> None:
    @binary_options(mode="require", max_body_size=10)
    async def endpoint(request: Request) -> Response:
        return NegotiatedResponse(await read_body(request))

    app = BinaryMiddleware(Starlette(routes=[Route("/", endpoint, methods=["POST"])]))
    client = TestClient(app)
    assert client.post("/", json=1).status_code == 415
    assert client.post("/", content=packb("a" * 10), headers=MSGPACK).status_code == 413
    assert client.post("/", content=packb("a"), headers=MSGPACK).content == packb("a")


def test_large_array_over_the_wire() -> None:
    array = np.arange(3_000_000, dtype="float64")
    with serving(BinaryMiddleware(Starlette(routes=ROUTES))) as url, httpx2.Client() as client:
        response = client.post(
            f"{url}/batch", content=packb({"name": "a", "array": array}), headers=MSGPACK
        )
        assert np.array_equal(unpackb(response.content)["array"], array + 1)


@pytest.mark.parametrize("accept", ["application/json", "application/msgpack"])
def test_entity_tag_of_a_response_to_a_binary_request(accept: str) -> None:
    async def endpoint(request: Request) -> Response:
        return NegotiatedResponse(await read_body(request), headers={"ETag": '"1"'})

    app = BinaryMiddleware(Starlette(routes=[Route("/", endpoint, methods=["POST"])]))
    response = TestClient(app).post("/", content=packb(1), headers={**MSGPACK, "accept": accept})
    assert response.headers["content-type"] == accept
    assert (response.headers["etag"] == '"1"') == (accept == "application/json")

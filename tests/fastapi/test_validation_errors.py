"""Validation errors stay 422 whatever the input was, and say no more than JSON can hold."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from fastapi import Body, FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField, packb
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import binary_client, enabled, post, twins, value
from tests.sameness import same

ARRAY = np.zeros((3, 2), "float32")


class Strict(BaseModel):
    model_config = {"extra": "forbid"}
    number: int


async def number(number: Annotated[int, Body(embed=True)]) -> int:
    return number


async def strict(item: Strict) -> int:
    return item.number


def _nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


INPUTS: dict[str, tuple[Any, Any]] = {
    "bytes": (b"\xff" * 3, "<bytes 3>"),
    "bytes that are text": (b"text", "<bytes 4>"),
    "no bytes": (b"", "<bytes 0>"),
    "large bytes": (bytes(100_000), "<bytes 100000>"),
    "array": (ARRAY, "<ndarray float32 (3, 2)>"),
    "large array": (np.zeros(1 << 20), "<ndarray float64 (1048576,)>"),
    "array without dimensions": (np.array(1.5), "<ndarray float64 ()>"),
    "structured array": (
        np.zeros(2, [("a", "i4"), ("b", "f8")]),
        "<ndarray [('a', '<i4'), ('b', '<f8')] (2,)>",
    ),
    "NaN": (float("nan"), "<float nan>"),
    "infinity": (float("inf"), "<float inf>"),
    "negative infinity": (float("-inf"), "<float -inf>"),
    "complex": (1 + 2j, "<complex (1+2j)>"),
    "NaN in a complex": (complex("nan"), "<complex (nan+0j)>"),
    "numpy scalar": (np.float32("nan"), "<float nan>"),
    "numpy time": (np.datetime64("2024-01-01", "D"), "<datetime64[D] 2024-01-01>"),
    "text": ("text", "text"),
    "text of 1024": ("x" * 1024, "x" * 1024),
    "large text": ("x" * 1025, "<str 1025>"),
    "None": (None, None),
    "number": (1.5, 1.5),
    "large number": (1e300, 1e300),
    "small list": ([1, "a", None, 1.5], [1, "a", None, 1.5]),
    "huge list": (list(range(100_000)), "<list 100000>"),
    "small map": ({"a": {"b": [True]}}, {"a": {"b": [True]}}),
    "huge map": ({str(n): n for n in range(10_000)}, "<dict 10000>"),
    "list of arrays": (
        [ARRAY, b"\xff", float("nan"), 1],
        ["<ndarray float32 (3, 2)>", "<bytes 1>", "<float nan>", 1],
    ),
    "map of arrays": ({"x": ARRAY, "n": 1}, {"x": "<ndarray float32 (3, 2)>", "n": 1}),
    "large part of a small map": ({"t": "x" * 2000, "n": 1}, {"t": "<str 2000>", "n": 1}),
    "many small arrays": ([ARRAY] * 100, "<list 100>"),
    "small map in many": ([{"a": 1}] * 1000, "<list 1000>"),
    "nested": (_nested(50), _nested(50)),
}


@pytest.mark.usefixtures("serving_path")
@pytest.mark.parametrize(("sent", "reported"), INPUTS.values(), ids=INPUTS.keys())
def test_inputs_are_summarised(sent: Any, reported: Any) -> None:
    """In FastAPI's report of one parameter and of a whole body, and for a handler of the app."""
    response = post(enabled(number), {"number": sent})
    assert response.status_code == 422
    (error,) = value(response)["detail"]
    assert error["loc"] == ["body", "number"]
    assert same(error["input"], reported)
    assert len(response.content) < 5000
    if type(sent) is not dict:
        (error,) = value(post(enabled(strict), sent))["detail"]
        assert same(error["input"], reported)
    document = value(post(_with_handler(), {"number": sent}))
    assert same(document["errors"][0]["input"], reported)
    # The body is one level larger than the input.
    body = document["body"]
    assert body == "<dict 1>" or same(body, {"number": reported})
    json.dumps(document, allow_nan=False)


def test_input_that_nests_deeply() -> None:
    response = post(enabled(number), {"number": _nested(190)})
    assert response.status_code == 422
    assert value(response)["detail"][0]["loc"] == ["body", "number"]
    assert len(response.content) < 2000


PLAIN_INPUTS = [
    None,
    1.5,
    "text",
    "ä\u2028\x00",
    [1, [2, {"a": None}]],
    {"a": 1},
    True,
    2**63,
    [],
    {},
    "x" * 1024,
    {"unexpected": 1, "number": 1},
]


@pytest.mark.usefixtures("serving_path")
@pytest.mark.parametrize("sent", PLAIN_INPUTS, ids=lambda sent: str(sent)[:20])
def test_inputs_that_json_holds_are_reported_as_they_are_in_json(sent: Any) -> None:
    def build(app: FastAPI) -> None:
        app.post("/number")(number)
        app.post("/strict")(strict)

    plain, binary = twins(build)
    for path, document in (("/number", {"number": sent}), ("/strict", sent)):
        text = json.dumps(document)
        expected = plain.post(path, content=text, headers={"content-type": "application/json"})
        response = post(binary, document, path)
        assert response.status_code == expected.status_code
        assert same(value(response), expected.json())


# -- what an error may hold beside its input -------------------------------------------------------


Country = Literal[tuple(f"country {number}" for number in range(300))]


class Checked(BaseModel):
    limited: Annotated[int, Field(gt=5, multiple_of=3)] = 6
    country: Country = "country 1"
    pattern: Annotated[str, Field(pattern="^a+$")] = "a"
    when: dt.date = dt.date(2024, 1, 1)
    custom: int = 0
    after: Annotated[float, Field(ge=float("-inf"), lt=10)] = 0

    @field_validator("custom")
    @classmethod
    def _refuse(cls, value: int) -> int:
        if value == 1:
            raise ValueError("one is refused")
        if value == 2:
            raise AssertionError("two is refused")
        if value == 3:
            raise PydanticCustomError("three", "{count} is refused", {"count": 3, "list": [1]})
        return value

    @model_validator(mode="after")
    def _refuse_both(self) -> "Checked":
        if self.limited == self.custom:
            raise ValueError("they must differ")
        return self


@pytest.mark.usefixtures("serving_path")
@pytest.mark.parametrize(
    "document",
    [
        {"limited": 1},
        {"limited": 7},
        {"country": "nowhere"},
        {"pattern": "b"},
        {"when": "2024-13-01"},
        {"custom": 1},
        {"custom": 2},
        {"custom": 3},
        {"custom": 6},
        {"after": 11},
        {"limited": 1, "country": "x", "when": "x", "custom": 3},
    ],
    ids=str,
)
def test_errors_are_exactly_those_for_json(document: Any) -> None:
    async def endpoint(item: Checked) -> None:
        raise AssertionError("not valid")

    plain, binary = twins(lambda app: app.post("/")(endpoint))
    expected = plain.post("/", json=document)
    response = post(binary, document)
    assert response.status_code == expected.status_code == 422
    assert same(value(response), expected.json())


@dataclass
class Holder:
    array: Any


class Unprintable:
    def __init__(self) -> None:
        self.itself = self


MADE_BY_VALIDATORS: dict[str, tuple[Any, Any]] = {
    "array field": (NumpyArrayField(ARRAY), "<NumpyArrayField>"),
    "bytearray": (bytearray(b"\xff"), "<bytearray 1>"),
    "memoryview": (memoryview(b"\xff\xfe"), "<memoryview 2>"),
    "set with NaN": ({1.0, float("nan")}, "<set 2>"),
    "set": ({1}, [1]),
    "large set": (set(range(1000)), "<set 1000>"),
    "map with other keys": ({(1, 2): 3}, "<dict 1>"),
    "map with numbers": ({1: 2}, {"1": 2}),
    "dataclass with an array": (Holder(ARRAY), "<Holder>"),
    "date": (dt.date(2024, 1, 1), "2024-01-01"),
    "object that holds itself": (Unprintable(), "<Unprintable>"),
    "generator": (lambda: iter([float("nan")]), "<list_iterator>"),
    "tuple with an array": ((ARRAY, 1), ["<ndarray float32 (3, 2)>", 1]),
    "masked array": (np.ma.masked_array([1, 2]), "<ndarray int64 (2,)>"),
}


@pytest.mark.parametrize(
    ("made", "reported"), MADE_BY_VALIDATORS.values(), ids=MADE_BY_VALIDATORS.keys()
)
def test_input_that_a_validator_made_of_what_was_sent(made: Any, reported: Any) -> None:
    async def endpoint(
        item: Annotated[
            int, BeforeValidator(lambda _: made() if callable(made) else made), Body(embed=True)
        ],
    ) -> None:
        raise AssertionError("not valid")

    response = post(enabled(endpoint), {"item": 1})
    assert response.status_code == 422
    assert same(value(response)["detail"][0]["input"], reported)


def test_context_that_json_cannot_hold() -> None:
    def refuse(value: Any) -> Any:
        context = {"array": ARRAY, "nan": float("nan"), "text": "x" * 2000, "count": 3}
        raise PydanticCustomError("refused", "refused", context)

    async def endpoint(item: Annotated[Any, AfterValidator(refuse), Body(embed=True)]) -> None:
        raise AssertionError("not valid")

    response = post(enabled(endpoint), {"item": 1})
    assert response.status_code == 422
    assert value(response)["detail"][0]["ctx"] == {
        "array": "<ndarray float32 (3, 2)>",
        "nan": "<float nan>",
        "text": "x" * 2000,
        "count": 3,
    }


def test_errors_that_the_app_raises_itself() -> None:
    async def endpoint(how: Annotated[str, Body(embed=True)]) -> None:
        if how == "text":
            raise RequestValidationError(["not a dict"], body=ARRAY)
        raise RequestValidationError([{"loc": ["x"], "input": ARRAY}], body=ARRAY)

    client = enabled(endpoint)
    assert value(post(client, {"how": "text"})) == {"detail": ["not a dict"]}
    assert value(post(client, {"how": "dict"})) == {
        "detail": [{"loc": ["x"], "input": "<ndarray float32 (3, 2)>"}]
    }


# -- an app's own handler --------------------------------------------------------------------------


def _with_handler(seen: list[Any] | None = None) -> TestClient:
    app = FastAPI()

    @app.exception_handler(RequestValidationError)
    async def handler(request: Request, exc: RequestValidationError) -> JSONResponse:
        if seen is not None:
            seen.append((await request.body(), await request.json(), str(exc)))
        return JSONResponse(
            jsonable_encoder({"errors": exc.errors(), "body": exc.body}), status_code=422
        )

    app.post("/")(number)
    return binary_client(app)


def test_body_in_the_handler_when_all_of_it_is_invalid() -> None:
    assert value(post(_with_handler(), ARRAY))["body"] == "<ndarray float32 (3, 2)>"
    assert value(post(_with_handler(), {"x": "y" * 2000}))["body"] == {"x": "<str 2000>"}


def test_handler_reads_the_request_as_json_text() -> None:
    seen: list[Any] = []
    response = post(_with_handler(seen), {"number": np.arange(3, dtype="int8")})
    assert response.status_code == 422
    ((body, parsed, text),) = seen
    assert json.loads(body) == parsed
    assert parsed == {"number": {"shape": [3], "dtype": "int8", "data_b64": "AAEC"}}
    assert "<ndarray int8 (3,)>" in text
    assert _with_handler(seen).post("/", json={"number": "x"}).status_code == 422
    assert seen[1][1] == {"number": "x"}


def test_handler_reads_a_large_request_as_json_text() -> None:
    """Large enough for its arrays to be moved when they are decoded."""
    seen: list[Any] = []
    array = np.arange(100_000, dtype="float64")
    assert post(_with_handler(seen), {"number": array}).status_code == 422
    assert seen[0][1]["number"]["shape"] == [100_000]


# -- where the body was read as JSON text ----------------------------------------------------------


@pytest.mark.parametrize("sent", [float("nan"), ARRAY, "x" * 5000], ids=["NaN", "array", "text"])
def test_errors_on_the_json_lane_are_422_too(sent: Any) -> None:
    async def read_first(request: Request, call_next: Any) -> Any:
        await request.body()
        return await call_next(request)

    app = FastAPI()
    app.post("/")(number)
    app.add_middleware(BaseHTTPMiddleware, dispatch=read_first)
    response = binary_client(app).post("/", content=packb({"number": sent}), headers=MSGPACK)
    assert response.status_code == 422
    assert len(response.content) < 5000


# -- reports are bounded ---------------------------------------------------------------------------


def test_a_key_and_a_tag_of_a_client_are_shortened() -> None:
    class Cat(BaseModel):
        kind: Literal["cat"]

    class Dog(BaseModel):
        kind: Literal["dog"]

    async def endpoint(
        pet: Annotated[Cat | Dog, Field(discriminator="kind")], counts: dict[str, int]
    ) -> None:
        raise AssertionError("not valid")

    document = {"pet": {"kind": "k" * 1_000_000}, "counts": {"c" * 1_000_000: "x"}}
    response = post(enabled(endpoint), document)
    assert response.status_code == 422
    assert len(value(response)["detail"]) == 2
    assert len(response.content) < 100_000

"""Bytes and arrays reach endpoints wherever FastAPI accepts a body, without JSON text."""

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, File, Form, Header, Path, Query
from pydantic import BaseModel, Field, GetCoreSchemaHandler
from pydantic_core import core_schema
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField, packb
from binary_middleware.fastapi import BinaryRoute
from binary_middleware.fields import NativeSerializer
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import ACCEPT, binary_client, enabled, post, value
from tests.sameness import same

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
NOT_TEXT = b"\xff\x00\xfe"


class Measurement(BaseModel):
    name: str
    samples: NumpyArrayField
    raw: bytes = b""


class Series(BaseModel):
    parts: list[Measurement]
    by_name: dict[str, Measurement] = {}
    arrays: list[NumpyArrayField] = []
    maybe: NumpyArrayField | None = None
    either: NumpyArrayField | bytes | str = ""
    anything: Any = None


class Circle(BaseModel):
    kind: Literal["circle"]
    outline: NumpyArrayField


class Square(BaseModel):
    kind: Literal["square"]
    picture: bytes


Shape = Annotated[Circle | Square, Field(discriminator="kind")]


class Colour(Enum):
    RED = "red"


def _as_client_sent(item: Any) -> Any:
    """Return what an endpoint got, with plain types instead of the models."""
    if isinstance(item, BaseModel):
        return _as_client_sent(item.model_dump())
    if isinstance(item, NumpyArrayField):
        return item.array
    if isinstance(item, dict):
        return {key: _as_client_sent(member) for key, member in item.items()}
    return [_as_client_sent(member) for member in item] if isinstance(item, list) else item


def one_model(item: Measurement) -> Any:
    return item


def embedded(item: Annotated[Measurement, Body(embed=True)]) -> Any:
    return {"item": item}


def model_and_bytes(item: Measurement, raw: bytes = Body(), count: int = Body()) -> Any:
    return {"item": item, "raw": raw, "count": count}


def only_bytes(raw: bytes = Body()) -> Any:
    return raw


def only_array(array: Annotated[NumpyArrayField, Body()]) -> Any:
    return array


def many(
    array: Annotated[NumpyArrayField, Body()],
    raw: Annotated[bytes, Body()],
    colour: Annotated[Colour, Body()],
    anything: Annotated[Any, Body()],
    default: Annotated[int, Body()] = 7,
) -> Any:
    return {
        "array": array,
        "raw": raw,
        "colour": colour.value,
        "anything": anything,
        "default": default,
    }


def nested(series: Series) -> Any:
    return series.model_dump(exclude_unset=True)


def union_by_tag(item: Shape) -> Any:
    return item


def union_of_bodies(item: Annotated[Measurement | NumpyArrayField | bytes, Body()]) -> Any:
    return item


def untyped(items: dict[str, Any]) -> Any:
    return items


def alias(item: Annotated[bytes, Body(alias="theItem", embed=True)]) -> Any:
    return {"theItem": item}


MEASUREMENT = {"name": "n", "samples": ARRAY, "raw": NOT_TEXT}
EXAMPLES: list[tuple[Callable[..., Any], Any]] = [
    (one_model, MEASUREMENT),
    (embedded, {"item": MEASUREMENT}),
    (model_and_bytes, {"item": MEASUREMENT, "raw": NOT_TEXT, "count": 3}),
    (only_bytes, NOT_TEXT),
    (only_array, ARRAY),
    (
        many,
        {
            "array": ARRAY,
            "raw": NOT_TEXT,
            "colour": "red",
            "anything": [ARRAY, NOT_TEXT, {"deep": ARRAY}],
            "default": 8,
        },
    ),
    (
        nested,
        {
            "parts": [MEASUREMENT, MEASUREMENT],
            "by_name": {"a": MEASUREMENT},
            "arrays": [ARRAY, ARRAY.astype("int8")],
            "maybe": ARRAY,
            "either": NOT_TEXT,
            "anything": {"x": ARRAY, "nan": float("nan")},
        },
    ),
    (nested, {"parts": [], "maybe": None, "either": ARRAY}),
    (nested, {"parts": [], "either": "text"}),
    (union_by_tag, {"kind": "circle", "outline": ARRAY}),
    (union_by_tag, {"kind": "square", "picture": NOT_TEXT}),
    (union_of_bodies, MEASUREMENT),
    (union_of_bodies, ARRAY),
    (union_of_bodies, NOT_TEXT),
    (untyped, {"array": ARRAY, "raw": NOT_TEXT, "inf": float("-inf"), "nothing": None}),
    (alias, {"theItem": NOT_TEXT}),
]


@pytest.mark.usefixtures("serving_path")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("endpoint", "document"),
    EXAMPLES,
    ids=[f"{example[0].__name__}-{index}" for index, example in enumerate(EXAMPLES)],
)
def test_what_was_sent_arrives_and_comes_back(
    endpoint: Callable[..., Any], document: Any, is_async: bool
) -> None:
    arrived = []

    def collect(**arguments: Any) -> Any:
        arrived.append(arguments)
        return endpoint(**arguments)

    async def collect_async(**arguments: Any) -> Any:
        return collect(**arguments)

    call = collect_async if is_async else collect
    call.__signature__ = inspect.signature(endpoint)
    response = post(enabled(call, response_model=None), document)
    assert response.status_code == 200, value(response)
    assert same(value(response), document)
    assert same(_as_client_sent(endpoint(**arrived[0])), document)


def test_default_of_one_of_several_parameters() -> None:
    document = {"array": ARRAY, "raw": b"", "colour": "red", "anything": None}
    assert value(post(enabled(many), document))["default"] == 7


def test_arrays_are_writable_and_aligned_at_any_offset() -> None:
    seen = []

    def endpoint(pad: Annotated[bytes, Body()], array: Annotated[NumpyArrayField, Body()]) -> None:
        seen.append((array.array.flags.writeable, array.array.flags.aligned))
        array.array += 1

    client = enabled(endpoint)
    for size in range(9):
        document = {"pad": bytes(size), "array": np.zeros(50_000)}
        assert post(client, document).status_code == 200
    assert seen == [(True, True)] * 9


def test_body_of_a_dependency_and_of_the_endpoint() -> None:
    def dependency(raw: Annotated[bytes, Body()]) -> bytes:
        return raw

    def endpoint(
        item: Measurement, raw: Annotated[bytes, Depends(dependency)], more: bytes = Body()
    ) -> Any:
        return {"item": item, "raw": raw, "more": more}

    document = {"item": MEASUREMENT, "raw": NOT_TEXT, "more": b"\x80"}
    assert same(value(post(enabled(endpoint), document)), document)


def test_body_beside_path_query_and_header() -> None:
    def endpoint(
        item: Measurement,
        number: Annotated[int, Path()],
        text: Annotated[str, Query()],
        x_token: Annotated[str, Header()],
    ) -> Any:
        return [number, text, x_token, item.samples]

    response = post(
        enabled(endpoint, path="/{number}"), MEASUREMENT, "/5?text=t", **{"x-token": "s"}
    )
    assert same(value(response), [5, "t", "s", ARRAY])


def test_string_keyed_array_map_is_an_array_for_the_field_and_a_map_for_any() -> None:
    def endpoint(
        array: Annotated[NumpyArrayField, Body()], anything: Annotated[Any, Body()]
    ) -> Any:
        return {"array": array, "keys": list(anything)}

    map_ = {"shape": [2, 3], "dtype": "float32", "data": ARRAY.tobytes()}
    response = value(post(enabled(endpoint), {"array": map_, "anything": map_}))
    assert same(response, {"array": ARRAY, "keys": ["shape", "dtype", "data"]})


# -- no body ---------------------------------------------------------------------------------------


def optional_model(item: Measurement | None = None) -> Any:
    return "none" if item is None else item.name


def required_model(item: Measurement) -> Any:
    return item.name


def optional_parts(a: int | None = Body(None), b: bytes = Body(b"default")) -> Any:
    return [a, b]


@pytest.mark.parametrize("endpoint", [optional_model, required_model, optional_parts])
def test_empty_msgpack_body_is_as_an_empty_json_body(endpoint: Callable[..., Any]) -> None:
    client = enabled(endpoint)
    in_json = client.post("/", content=b"", headers={"content-type": "application/json"})
    in_binary = client.post("/", content=b"", headers={**MSGPACK, **ACCEPT})
    assert in_binary.status_code == in_json.status_code
    expected = in_json.json()
    if endpoint is optional_parts:
        assert expected == [None, "default"]
        expected = [None, b"default"]
    assert value(in_binary) == expected


def test_nil_for_an_optional_body() -> None:
    assert value(post(enabled(optional_model), None)) == "none"
    assert value(post(enabled(optional_model), MEASUREMENT)) == "n"


# -- what is no object-lane body -------------------------------------------------------------------


def test_responses_to_forms_and_files_are_msgpack() -> None:
    def endpoint(name: Annotated[str, Form()], file: Annotated[bytes, File()]) -> Any:
        return {"name": name, "file": file}

    response = enabled(endpoint).post(
        "/", data={"name": "n"}, files={"file": NOT_TEXT}, headers=ACCEPT
    )
    assert same(value(response), {"name": "n", "file": NOT_TEXT})


def test_msgpack_body_for_a_form_is_an_empty_form_as_a_json_body_is() -> None:
    def endpoint(name: Annotated[str, Form()]) -> None:
        raise AssertionError("the form has no name")

    client = enabled(endpoint)
    in_json = client.post("/", json={"name": "n"})
    in_binary = post(client, {"name": "n"})
    assert in_binary.status_code == in_json.status_code == 422
    assert value(in_binary) == in_json.json()


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_strict_content_type_holds_for_bodies_without_a_type(strict: bool) -> None:
    app = FastAPI(strict_content_type=strict)

    @app.post("/")
    def endpoint(count: Annotated[int, Body(embed=True)]) -> int:
        return count

    client = binary_client(app)
    assert value(post(client, {"count": 3})) == 3
    untyped = client.post("/", content=b'{"count": 3}', headers=ACCEPT)
    assert untyped.status_code == (422 if strict else 200)
    # Bytes without a type are never guessed to be msgpack.
    with_msgpack = client.post("/", content=packb({"count": 3}), headers=ACCEPT)
    assert with_msgpack.status_code == (422 if strict else 400)


BIG_ENDIAN = np.arange(6, dtype=">f4").reshape(2, 3)


class WroteJson(Exception):
    pass


class NeverJson:
    """An array whose JSON serialiser raises, and whose validator refuses what JSON can hold."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        def validate(value: Any) -> Any:
            if not isinstance(value, np.ndarray):
                raise ValueError(f"not an array but {type(value).__name__}")
            return value

        def write_json(value: Any) -> Any:
            raise WroteJson

        return core_schema.no_info_plain_validator_function(
            validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                NativeSerializer(np.asarray, write_json), info_arg=True
            ),
        )


class Item(BaseModel):
    array: Annotated[Any, NeverJson]
    raw: bytes = b""
    anything: Any = None
    nan: float = float("nan")


DOCUMENT = {
    "array": BIG_ENDIAN,
    "raw": b"\xff",
    "anything": {"deep": [BIG_ENDIAN, b"\xff", float("inf"), 1j]},
    "nan": float("nan"),
}


def echo(item: Item) -> Item:
    return item


async def echo_async(item: Item) -> Item:
    return item


def echo_without_model(item: Item):
    return item


def echo_in_a_dict(item: Item):
    return {"array": item.array, "raw": item.raw, "anything": item.anything, "nan": item.nan}


def echo_any(item: Item) -> Any:
    return item


def echo_by_dependency(item: Annotated[Item, Depends(echo)]) -> Item:
    return item


ENDPOINTS = [echo, echo_async, echo_without_model, echo_in_a_dict, echo_any, echo_by_dependency]


def _enabled(endpoint: Callable[..., Any]) -> TestClient:
    return enabled(endpoint)


def _included(endpoint: Callable[..., Any]) -> TestClient:
    app, router = FastAPI(), APIRouter()
    router.post("/")(endpoint)
    app.include_router(router)
    return binary_client(app)


def _route_class(endpoint: Callable[..., Any]) -> TestClient:
    app, router = FastAPI(), APIRouter(route_class=BinaryRoute)
    router.post("/")(endpoint)
    app.include_router(router)
    return TestClient(app)


@pytest.mark.usefixtures("serving_path")
@pytest.mark.parametrize("make", [_enabled, _included, _route_class], ids=lambda f: f.__name__[1:])
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda f: f.__name__)
def test_neither_way_is_by_json(
    endpoint: Callable[..., Any], make: Callable[[Any], TestClient]
) -> None:
    assert same(value(post(make(endpoint), DOCUMENT)), DOCUMENT)


def test_the_serialiser_does_raise_for_json() -> None:
    """So that the test above can fail."""
    client = enabled(echo)
    with pytest.raises(Exception, match="WroteJson"):
        post(client, DOCUMENT, accept="application/json")
    assert client.post("/", json={"array": [1]}).status_code == 422


def test_array_of_the_request_is_the_array_of_the_endpoint() -> None:
    """A large array is the body's own memory, not a copy of it."""
    bases: list[Any] = []

    def endpoint(array: Annotated[NumpyArrayField, Body(embed=True)]) -> None:
        bases.append(array.array)

    array = np.arange(200_000, dtype="float64")
    assert post(enabled(endpoint), {"array": array}).status_code == 200
    (received,) = bases
    assert same(received, array)
    assert received.base is not None
    assert not received.flags.owndata

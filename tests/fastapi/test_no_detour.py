"""Nothing stands between pydantic and the wire: no JSON text is made on the way."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import core_schema
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from binary_middleware.fields import NativeSerializer
from tests.fastapi.conftest import enabled, get, post, same, value

ARRAY = np.arange(6, dtype=">f4").reshape(2, 3)


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
    "array": ARRAY,
    "raw": b"\xff",
    "anything": {"deep": [ARRAY, b"\xff", float("inf"), 1j]},
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
    add_binary_mode(app)
    return TestClient(app)


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


def test_json_form_is_still_taken_in_msgpack() -> None:
    """A client that sends the JSON form of an array inside of msgpack."""

    def endpoint(array: Annotated[NumpyArrayField, Body(embed=True)]) -> NumpyArrayField:
        return array

    as_json = {"shape": [2], "dtype": "int8", "data_b64": "AQI="}
    assert same(value(post(enabled(endpoint), {"array": as_json})), np.array([1, 2], "int8"))


class Base64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    raw: bytes


def test_one_bytes_field_for_both() -> None:
    """Base64 for JSON clients, bin for binary clients."""

    def endpoint() -> Base64:
        return Base64(raw=b"\xfb\xff")

    client = enabled(endpoint)
    assert client.get("/").json() == {"raw": "-_8="}
    assert value(get(client)) == {"raw": b"\xfb\xff"}

"""Types that calls ask for."""

from __future__ import annotations

import datetime
from dataclasses import make_dataclass
from typing import Annotated, Any

import numpy as np
import pytest
from annotated_types import Gt
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from typing_extensions import TypedDict

from binary_middleware import NumpyArrayField, packb
from binary_middleware.client import BinaryClient
from tests.client.apps import ARRAY, DOCUMENT, Sample
from tests.client.conftest import MakeClient
from tests.client.raw_server import MIB, response, serving_bytes


class SampleDict(TypedDict):
    sampleName: str
    array: NumpyArrayField
    raw: bytes
    when: datetime.date


SampleClass: Any = make_dataclass(
    "SampleClass", [("sampleName", str), ("array", NumpyArrayField), ("raw", bytes, b"")]
)


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    array: np.ndarray[Any, Any]


@pytest.mark.parametrize(
    ("returns", "array_of"),
    [
        (Sample, lambda found: found.array.array),
        (SampleClass, lambda found: found.array.array),
        (SampleDict, lambda found: found["array"].array),
        (Holder, lambda found: found.array),
        (dict, lambda found: found["array"]),
        (dict[str, Any], lambda found: found["array"]),
        (Annotated[SampleDict, "note"], lambda found: found["array"].array),
        (Holder | int, lambda found: found.array),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_models_and_other_types(client: Any, returns: Any, array_of: Any) -> None:
    found = client.post("/sample", DOCUMENT, returns)
    if isinstance(returns, type) and not hasattr(returns, "__total__"):
        assert isinstance(found, getattr(returns, "__origin__", returns))
    assert np.array_equal(array_of(found), ARRAY + 1)
    if returns is Sample:
        assert found.when == datetime.date(2026, 1, 2)


def test_lists_of_models(client: Any) -> None:
    first, second = client.put("/sample", [DOCUMENT, DOCUMENT], list[Sample])
    assert isinstance(first, Sample)
    assert np.array_equal(second.array.array, ARRAY)


@pytest.mark.parametrize(
    "returns",
    [
        np.ndarray,
        NDArray[np.float32],
        NDArray[np.floating[Any]],
        NDArray[Any],
        NDArray,
        Annotated[NDArray[np.float32], "note"],
        NDArray[np.float32] | None,
    ],
    ids=str,
)
def test_arrays(client: Any, returns: Any) -> None:
    found = client.post("/echo", ARRAY, returns)
    assert type(found) is np.ndarray
    assert np.array_equal(found, ARRAY)


def test_arrays_within_containers(client: Any) -> None:
    (found,) = client.post("/echo", [ARRAY], list[NDArray[np.float32]])
    assert np.array_equal(found, ARRAY)
    found = client.post("/echo", {"a": ARRAY}, dict[str, np.ndarray])
    assert np.array_equal(found["a"], ARRAY)
    found = client.post("/echo", [ARRAY, 1], tuple[NDArray[np.float32], int])
    assert np.array_equal(found[0], ARRAY)
    assert client.post("/echo", [], tuple[NDArray[np.float32], ...]) == ()


@pytest.mark.parametrize(
    ("document", "returns", "message"),
    [
        (ARRAY, NDArray[np.float64], "expected an array of float64, got float32"),
        (1, np.ndarray, "expected an array, got int"),
        ({"a": 1}, NDArray[Any], "expected an array: an object with exactly the keys"),
        ([ARRAY, 1], list[np.ndarray], "1\n  Value error, expected an array, got int"),
        (0, Annotated[int, Gt(0)], "greater than 0"),
        ({"array": 1}, Sample, "sampleName\n  Field required"),
        (None, int, "valid integer"),
    ],
    ids=str,
)
def test_responses_of_another_type(client: Any, document: Any, returns: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        client.post("/echo", document, returns)


def test_the_first_type_of_a_union_is_preferred(client: Any) -> None:
    class A(BaseModel):
        x: int

    class B(BaseModel):
        x: int

    # To Python the two unions are equal.
    assert type(client.post("/echo", {"x": 1}, A | B)) is A
    assert type(client.post("/echo", {"x": 1}, B | A)) is B


def test_types_that_cannot_be_keys(client: Any) -> None:
    assert client.post("/echo", 1, Annotated[int, ["not hashable"]]) == 1


def test_types_that_pydantic_does_not_know_fail_before_anything_is_sent(client: Any) -> None:
    sent: list[Any] = []
    with pytest.raises(PydanticUserError, match="Unable to generate pydantic-core schema"):
        client.post("/echo", 1, object.__new__, progress=sent.append)
    assert sent == []


def test_large_structure_in_a_response() -> None:
    async def endpoint(request: Request) -> Response:
        return Response(packb([1.5] * 1_200_000), media_type="application/msgpack")

    client = BinaryClient(TestClient(Starlette(routes=[Route("/", endpoint)])))
    assert client.get("/", list[float]) == [1.5] * 1_200_000


def test_array_for_a_list_arrives_exactly(kind: str, make_client: MakeClient) -> None:
    array = np.array([1234567890123456789, -1])
    with serving_bytes(response(packb(array))) as url:
        found = make_client(kind, url).get("/", returns=list[int])
    assert found == array.tolist()


def test_large_array_for_a_list_is_one_error(kind: str, make_client: MakeClient) -> None:
    body = packb({"a": np.zeros(4 * MIB, np.uint8)})
    with serving_bytes(response(body)) as url, pytest.raises(ValidationError) as caught:
        make_client(kind, url).get("/", returns=dict[str, list[str]])
    assert caught.value.error_count() == 1

"""What calls send, and what they return."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import dataclass
from typing import Annotated, Any

import httpx2
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

from binary_middleware import EncodeError, NumpyArrayField, packb
from binary_middleware.client import AsyncBinaryClient, BinaryClient, Result
from tests.client import apps
from tests.client.apps import Sample
from tests.client.conftest import MakeClient
from tests.serving import serving

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
LARGE = np.random.default_rng(1).random((512, 1024))
IN_BINARY = {"sampleName": "a", "array": ARRAY, "raw": b"\xfe\xff"}


class SampleDict(TypedDict):
    sampleName: str
    array: NumpyArrayField
    raw: bytes
    when: datetime.date


@dataclass
class SampleClass:
    sampleName: str
    array: NumpyArrayField
    raw: bytes = b""


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    array: np.ndarray[Any, Any]


@pytest.mark.parametrize(
    "document",
    [
        Sample(sampleName="a", array=ARRAY, raw=b"\xfe\xff"),
        SampleClass("a", NumpyArrayField(ARRAY), b"\xfe\xff"),
        IN_BINARY,
    ],
    ids=["model", "dataclass", "dict"],
)
def test_documents_and_the_decoded_answer(client: Any, document: Any) -> None:
    answer = client.post("/sample", document)
    assert np.array_equal(answer.pop("array"), ARRAY + 1)
    assert answer == {"sampleName": "a", "raw": b"\xfe\xff", "when": "2026-01-02"}


def test_lists_and_arrays_as_they_are(client: Any) -> None:
    first, second = client.post("/echo", [ARRAY, {"a": [LARGE]}])
    assert np.array_equal(first, ARRAY)
    assert np.array_equal(second["a"][0], LARGE)
    assert second["a"][0].flags.writeable
    assert np.array_equal(client.post("/echo", LARGE), LARGE)
    assert client.post("/echo", None) is None


def test_keyword_arguments_are_body_parameters(client: Any) -> None:
    found = client.call("/weighted", Sample, sample=IN_BINARY, factor=2.0)
    assert np.array_equal(found.array.array, ARRAY * 2)
    found = client.call("/weighted", sample=IN_BINARY, factor=0, offset=1)
    assert np.array_equal(found["array"], np.ones((2, 3)))
    # Names that the method itself has.
    names = {"self": 1, "url": 2, "returns": 3, "method": 4, "document": 5}
    assert client.call("/echo", **names) == names


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
    found = client.post("/sample", IN_BINARY, returns)
    if isinstance(returns, type) and not hasattr(returns, "__total__"):
        assert isinstance(found, getattr(returns, "__origin__", returns))
    assert np.array_equal(array_of(found), ARRAY + 1)
    if returns is Sample:
        assert found.when == datetime.date(2026, 1, 2)


def test_lists_of_models(client: Any) -> None:
    first, second = client.put("/sample", [IN_BINARY, IN_BINARY], list[Sample])
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
def test_answers_that_are_not_what_was_asked_for(
    client: Any, document: Any, returns: Any, message: str
) -> None:
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


def test_large_structure_in_an_answer() -> None:
    async def endpoint(request: Request) -> Response:
        return Response(packb([1.5] * 1_200_000), media_type="application/msgpack")

    client = BinaryClient(TestClient(Starlette(routes=[Route("/", endpoint)])))
    assert client.get("/", list[float]) == [1.5] * 1_200_000


def test_every_method(client: Any) -> None:
    headers = {"X-Third": "3"}
    assert client.get("/sum", int, params={"first": 1, "second": 2}, headers=headers) == 6
    assert client.patch("/number", 5) == 5
    assert client.delete("/nothing") is None
    assert client.delete("/nothing", int | None) is None
    assert client.request("GET", "/sum", params={"first": 1, "second": 2}) == 3
    assert client.request("HEAD", "/reflect") is None
    with pytest.raises(ValidationError):
        client.delete("/nothing", int)


def test_reply_has_the_response(client: Any) -> None:
    reply = client.send("POST", "/sample", IN_BINARY, Sample)
    assert isinstance(reply, Result)
    assert isinstance(reply.value, Sample)
    assert reply.response.status_code == 200
    assert reply.response.headers["content-type"] == "application/msgpack"
    assert reply.response.is_closed
    assert reply.response.elapsed.total_seconds() > 0


def test_header_fields_of_a_call(client: Any) -> None:
    found = client.post("/reflect", [1, 2])
    assert found["headers"]["content-type"] == "application/json"  # what the middleware made of it
    reply = client.send("POST", "/reflect", [1, 2])
    sent = reply.response.request.headers
    assert sent["content-type"] == "application/msgpack"
    assert sent["accept"] == "application/msgpack, application/json;q=0.9, */*;q=0.1"
    assert sent["content-length"] == "3"
    assert "content-type" not in client.send("GET", "/reflect").response.request.headers
    own = {"accept": "application/json", "Content-Type": "application/x-msgpack", "X-A": "1"}
    reply = client.send("POST", "/echo", [1], headers=own)
    assert reply.response.headers["content-type"] == "application/json"
    assert reply.response.request.headers["content-type"] == "application/x-msgpack"
    assert reply.response.request.headers.get_list("accept") == ["application/json"]
    assert reply.value == [1]


def test_arrays_as_maps(kind: str, binary_url: str, make_client: MakeClient) -> None:
    client = make_client(kind, binary_url, ours={"arrays": "map"})
    reply = client.send("POST", "/sample", {**IN_BINARY, "array": LARGE})
    assert reply.response.headers["content-type"] == "application/msgpack; arrays=map"
    assert reply.value["array"].keys() == {"shape", "dtype", "data"}
    assert int(reply.response.request.headers["content-length"]) < LARGE.nbytes + 100
    found = client.post("/sample", IN_BINARY, Sample)
    assert np.array_equal(found.array.array, ARRAY + 1)
    assert np.array_equal(client.post("/echo", ARRAY, np.ndarray), ARRAY)
    numpy = make_client(kind, binary_url, ours={"arrays": "numpy"})
    assert np.array_equal(numpy.post("/echo", ARRAY), ARRAY)


def test_another_name_for_msgpack(kind: str, make_client: MakeClient) -> None:
    with serving(apps.octet_app) as url:
        client = make_client(kind, url, ours={"media_type": "application/octet-stream"})
        reply = client.send("POST", "/echo", ARRAY)
        assert reply.response.headers["content-type"] == "application/octet-stream"
        assert np.array_equal(reply.value, ARRAY)


def test_json_from_the_start(kind: str, binary_url: str, make_client: MakeClient) -> None:
    client = make_client(kind, binary_url, ours={"media_type": "application/json"})
    reply = client.send("POST", "/sample", IN_BINARY, Sample)
    assert reply.response.headers["content-type"] == "application/json"
    assert reply.response.request.headers["content-type"] == "application/json"
    assert reply.response.request.headers["accept"] == "application/json, */*;q=0.1"
    assert np.array_equal(reply.value.array.array, ARRAY + 1)
    assert reply.value.raw == b"\xfe\xff"


def test_json_answers_are_read_as_in_binary_mode(client: Any) -> None:
    headers = {"accept": "application/json"}
    found = client.post("/echo", [ARRAY, float("nan"), float("inf")], headers=headers)
    assert np.array_equal(found[0], ARRAY)
    assert np.isnan(found[1])
    assert found[2] == float("inf")
    found = client.post("/sample", IN_BINARY, dict[str, Any], headers=headers)
    assert np.array_equal(found["array"], ARRAY + 1)


def test_other_content(client: Any) -> None:
    assert client.get("/picture") == b"\x89PNG"
    assert client.get("/picture", bytes) == b"\x89PNG"
    assert client.get("/empty") is None


def test_what_cannot_be_sent(client: Any) -> None:
    with pytest.raises(EncodeError, match="can't serialize ints"):
        client.post("/echo", {"a": 2**70})
    with pytest.raises(EncodeError, match="object arrays are not supported"):
        client.post("/echo", np.array([object()]))


def test_json_that_cannot_be_sent(binary_url: str, make_client: MakeClient) -> None:
    client = make_client("httpx2", binary_url, ours={"media_type": "application/json"})
    with pytest.raises(EncodeError, match="object cannot be written as JSON"):
        client.post("/echo", {"a": object()})
    with pytest.raises(EncodeError, match="masked arrays"):
        client.post("/echo", np.ma.array([1], mask=[True]))


def test_context_managers_of_a_client_of_our_own(binary_url: str) -> None:
    with BinaryClient(binary_url, timeout=20, headers={"X-Third": "1"}) as client:
        assert isinstance(client.http, httpx2.Client)
        assert client.get("/sum", params={"first": 1, "second": 2}) == 4
        assert repr(client) == f"<BinaryClient application/msgpack {binary_url}>"
    assert client.http.is_closed


async def _in_a_loop(url: str) -> None:
    async with AsyncBinaryClient(httpx2.URL(url)) as client:
        assert isinstance(client.http, httpx2.AsyncClient)
        assert await client.post("/echo", 1, int) == 1
    assert client.http.is_closed


def test_async_context_manager(binary_url: str) -> None:
    asyncio.run(_in_a_loop(binary_url))


def test_clients_of_others_stay_open(binary_url: str) -> None:
    with httpx2.Client(base_url=binary_url) as http:
        with BinaryClient(http) as client:
            client.post("/echo", 1)
        assert not http.is_closed
        assert BinaryClient(http).post("/echo", 2) == 2

    async def in_a_loop() -> None:
        async with httpx2.AsyncClient(base_url=binary_url) as http:
            async with AsyncBinaryClient(http) as client:
                await client.post("/echo", 1)
            assert not http.is_closed

    asyncio.run(in_a_loop())

"""Settings of clients, and what calls send."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import httpx
import httpx2
import numpy as np
import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from binary_middleware import EncodeError, NumpyArrayField, packb
from binary_middleware.client import AsyncBinaryClient, BinaryClient
from tests.client import apps
from tests.client.apps import ARRAY, DOCUMENT, LARGE, Sample
from tests.client.conftest import MakeClient
from tests.client.test_result_types import SampleClass
from tests.serving import serving


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((httpx2.AsyncClient(),), {}, TypeError, "httpx2.Client or an httpx.Client, got AsyncCl"),
        ((httpx.AsyncClient(),), {}, TypeError, "got AsyncClient"),
        ((7,), {}, TypeError, "expected a URL, an httpx2.Client or an httpx.Client, got int"),
        ((httpx2.Client(),), {"timeout": 3}, TypeError, "timeout: only for a URL; give them to"),
        (("http://a",), {"nonsense": 3}, TypeError, "nonsense"),
        (("http://a",), {"media_type": "msgpack"}, ValueError, "media_type: 'msgpack' is not a"),
        (
            ("http://a",),
            {"arrays": "list"},
            ValueError,
            "arrays must be one of 'numpy'",
        ),
        (("http://a",), {"fallback": "xml"}, ValueError, "fallback must be 'json' or None"),
    ],
)
def test_wrong_settings_fail_where_they_are_made(
    arguments: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        BinaryClient(*arguments, **options)


def test_dialect_of_chains() -> None:
    seen: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    document = {"when": datetime.date(2026, 1, 2)}
    BinaryClient(TestClient(app), dialect="chains").post("/", document)
    BinaryClient(TestClient(app)).post("/", document)
    assert seen == [packb(document, dialect="chains"), packb(document)]
    with pytest.raises(ValueError, match="dialect must be one of 'plain', 'chains', not 'other'"):
        BinaryClient(TestClient(app), dialect="other")


@pytest.mark.parametrize(
    "document",
    [
        Sample(sampleName="a", array=ARRAY, raw=b"\xfe\xff"),
        SampleClass("a", NumpyArrayField(ARRAY), b"\xfe\xff"),
        DOCUMENT,
    ],
    ids=["model", "dataclass", "dict"],
)
def test_documents(client: Any, document: Any) -> None:
    found = client.post("/sample", document)
    assert np.array_equal(found.pop("array"), ARRAY + 1)
    assert found == {"sampleName": "a", "raw": b"\xfe\xff", "when": "2026-01-02"}


def test_lists_and_arrays_as_they_are(client: Any) -> None:
    first, second = client.post("/echo", [ARRAY, {"a": [LARGE]}])
    assert np.array_equal(first, ARRAY)
    assert np.array_equal(second["a"][0], LARGE)
    assert second["a"][0].flags.writeable
    assert np.array_equal(client.post("/echo", LARGE), LARGE)
    assert client.post("/echo", None) is None


def test_keyword_arguments_are_body_parameters(client: Any) -> None:
    found = client.call("/weighted", Sample, sample=DOCUMENT, factor=2.0)
    assert np.array_equal(found.array.array, ARRAY * 2)
    found = client.call("/weighted", sample=DOCUMENT, factor=0, offset=1)
    assert np.array_equal(found["array"], np.ones((2, 3)))
    # Names that the method itself has.
    names = {"self": 1, "url": 2, "returns": 3, "method": 4, "document": 5}
    assert client.call("/echo", **names) == names


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


def test_headers_of_a_call(client: Any) -> None:
    found = client.post("/reflect", [1, 2])
    assert found["headers"]["content-type"] == "application/json"  # the middleware converted it
    result = client.send("POST", "/reflect", [1, 2])
    sent = result.response.request.headers
    assert sent["content-type"] == "application/msgpack"
    assert sent["accept"] == "application/msgpack, application/json;q=0.9, */*;q=0.1"
    assert sent["content-length"] == "3"
    assert "content-type" not in client.send("GET", "/reflect").response.request.headers
    own = {"accept": "application/json", "Content-Type": "application/x-msgpack", "X-A": "1"}
    result = client.send("POST", "/echo", [1], headers=own)
    assert result.response.headers["content-type"] == "application/json"
    assert result.response.request.headers["content-type"] == "application/x-msgpack"
    assert result.response.request.headers.get_list("accept") == ["application/json"]
    assert result.value == [1]


def test_arrays_as_maps(kind: str, binary_url: str, make_client: MakeClient) -> None:
    client = make_client(kind, binary_url, settings={"arrays": "map"})
    result = client.send("POST", "/sample", {**DOCUMENT, "array": LARGE})
    assert result.response.headers["content-type"] == "application/msgpack; arrays=map"
    assert result.value["array"].keys() == {"shape", "dtype", "data"}
    assert int(result.response.request.headers["content-length"]) < LARGE.nbytes + 100
    found = client.post("/sample", DOCUMENT, Sample)
    assert np.array_equal(found.array.array, ARRAY + 1)
    assert np.array_equal(client.post("/echo", ARRAY, np.ndarray), ARRAY)
    numpy = make_client(kind, binary_url, settings={"arrays": "numpy"})
    assert np.array_equal(numpy.post("/echo", ARRAY), ARRAY)


def test_another_name_for_msgpack(kind: str, make_client: MakeClient) -> None:
    with serving(apps.octet_app) as url:
        client = make_client(kind, url, settings={"media_type": "application/octet-stream"})
        result = client.send("POST", "/echo", ARRAY)
        assert result.response.headers["content-type"] == "application/octet-stream"
        assert np.array_equal(result.value, ARRAY)


def test_json_from_the_start(kind: str, binary_url: str, make_client: MakeClient) -> None:
    client = make_client(kind, binary_url, settings={"media_type": "application/json"})
    result = client.send("POST", "/sample", DOCUMENT, Sample)
    assert result.response.headers["content-type"] == "application/json"
    assert result.response.request.headers["content-type"] == "application/json"
    assert result.response.request.headers["accept"] == "application/json, */*;q=0.1"
    assert np.array_equal(result.value.array.array, ARRAY + 1)
    assert result.value.raw == b"\xfe\xff"


def test_what_cannot_be_sent(client: Any) -> None:
    with pytest.raises(EncodeError, match="can't serialize ints"):
        client.post("/echo", {"a": 2**70})
    with pytest.raises(EncodeError, match="object arrays are not supported"):
        client.post("/echo", np.array([object()]))


def test_json_that_cannot_be_sent(binary_url: str, make_client: MakeClient) -> None:
    client = make_client("httpx2", binary_url, settings={"media_type": "application/json"})
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

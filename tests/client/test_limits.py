"""Limits of responses."""

from __future__ import annotations

import asyncio
import json
import zlib
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import httpx
import httpx2
import numpy as np
import pytest

from binary_middleware import packb
from binary_middleware.client import AsyncBinaryClient, BinaryClient
from binary_middleware.client._limits import json_structure_size
from binary_middleware.formats import FORMAT
from tests.client.conftest import MakeClient
from tests.client.raw_server import MIB, bomb, coded, response, serving_bytes
from tests.processes import Peak, in_child, needs_proc

DECODING_ERRORS = (httpx2.DecodingError, httpx.DecodingError)
STATUS_ERRORS = (httpx2.HTTPStatusError, httpx.HTTPStatusError)


def measure_bomb(kind: str, url: str) -> float:
    """Return the MiB that it takes to refuse a response."""
    package: Any = httpx2 if kind.startswith("httpx2") else httpx
    limit = 16 * MIB

    async def call_async() -> None:
        async with package.AsyncClient(base_url=url) as http:
            await AsyncBinaryClient(http, max_response_size=limit).get("/")

    def call() -> None:
        with package.Client(base_url=url) as http:
            BinaryClient(http, max_response_size=limit).get("/")

    peak = Peak()
    with pytest.raises(package.DecodingError, match="max_response_size"):
        asyncio.run(call_async()) if kind.endswith("async") else call()
    return peak.mib


# httpx2 decodes in bounded pieces, httpx chunk by chunk.
@needs_proc
@pytest.mark.parametrize("status", [b"200 OK", b"422 X"])
def test_memory_of_a_bomb(kind: str, status: bytes) -> None:
    """256 MiB of zeros need little more than the limit of 16 MiB, and 64 KiB of gzip."""
    with serving_bytes(coded(bomb(256), b"gzip", status=status)) as url:
        assert in_child(measure_bomb, kind, url) < 200


# httpx supports the last two if these packages are installed, as for ``make test-all``.
PACKAGES = {"br": "brotli", "zstd": "zstandard"}
CODINGS = ["deflate", *(each for each, package in PACKAGES.items() if find_spec(package))]


def compressed(coding: str, data: bytes) -> bytes:
    if coding == "deflate":
        return zlib.compress(data)
    package: Any = import_module(PACKAGES[coding])
    if coding == "br":
        return package.compress(data, quality=1)
    return package.ZstdCompressor().compress(data)


@pytest.mark.parametrize("coding", CODINGS)
def test_bombs_in_other_codings(coding: str, kind: str, make_client: MakeClient) -> None:
    """They become up to a million times their size: httpx gets them in slices."""
    body = compressed(coding, bytes(64 * MIB))
    assert len(body) < MIB
    client = make_client(kind, "http://127.0.0.1:1", settings={"max_response_size": 2 * MIB})
    # Without support for a coding the body stays as it is, and cannot be read.
    is_decoded = coding in client.http.headers["accept-encoding"]
    with (
        serving_bytes(coded(body, coding.encode())) as url,
        pytest.raises(DECODING_ERRORS) as caught,
    ):
        client.get(url)
    assert ("max_response_size" in str(caught.value)) is is_decoded


def test_the_default_limits_let_large_responses_pass(
    kind: str, make_client: MakeClient, binary_url: str
) -> None:
    client = make_client(kind, binary_url, timeout=60)
    document = {"large": np.zeros(32 * MIB, np.uint8), "many": list(range(10**6))}
    received = client.post("/echo", document)
    assert received["large"].nbytes == 32 * MIB
    assert len(received["many"]) == 10**6


def test_limits_can_be_lifted(kind: str, make_client: MakeClient) -> None:
    document = [[]] * 2**16
    settings = {"max_response_size": None, "max_structure_size": None}
    for body, content_type in (
        (packb(document), b"application/msgpack"),
        (json.dumps(document).encode(), b"application/json"),
    ):
        with serving_bytes(response(body, content_type=content_type)) as url:
            assert make_client(kind, url, settings=settings, timeout=60).get("/") == document


@pytest.mark.parametrize("name", ["max_response_size", "max_structure_size"])
@pytest.mark.parametrize("size", [-1, 1.5, "64MiB", True])
def test_limits_that_are_none(name: str, size: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number of bytes or None, got"):
        BinaryClient("http://127.0.0.1:1", **{name: size})


def test_other_requests_of_a_client_are_not_limited() -> None:
    body = bytes(3 * MIB)
    with serving_bytes(response(body)) as url, httpx2.Client() as http:
        for _ in range(2):
            client = BinaryClient(http, max_response_size=2 * MIB)
        assert len(http.event_hooks["response"]) == 1
        assert http.get(url).content == body
        with pytest.raises(httpx2.DecodingError, match="max_response_size"):
            client.get(url)
        http.event_hooks = {}  # its owner may replace them
        with pytest.raises(httpx2.DecodingError, match="max_response_size"):
            client.get(url)


def test_a_length_without_a_body_is_no_size() -> None:
    head = response(b"", length=b"100000000000")
    with serving_bytes(head) as url, BinaryClient(url, max_response_size=MIB) as client:
        result = client.send("HEAD", "/")
    assert result.value is None
    assert result.response.headers["content-length"] == "100000000000"


def test_there_may_be_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(type(FORMAT), "decode", fail)
    with (
        serving_bytes(response()) as url,
        BinaryClient(url) as client,
        pytest.raises(httpx2.DecodingError, match="no memory for the response: set the"),
    ):
        client.get("/")


def test_a_buffer_that_cannot_be_had_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("binary_middleware.client._transfer.np.empty", fail)
    with serving_bytes(response()) as url, BinaryClient(url) as client:
        assert client.get("/") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "size"), [(b"1", 0), (b'"abc"', 0), (b"[1, 2]", 2), (b'{"a": [1, {}]}', 5)]
)
def test_structure_of_json(text: bytes, size: int) -> None:
    assert json_structure_size(text) == size

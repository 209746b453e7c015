"""Both lanes over uvicorn, with clients that know only msgpack and msgpack-numpy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgpack
import msgpack_numpy
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from binary_middleware import BinaryMiddleware, NumpyArrayField
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import MSGPACK
from tests.serving import serving

ARRAYS = {
    "small": np.arange(12, dtype="float32").reshape(3, 4),
    "big-endian": np.arange(5, dtype=">i8"),
    "strings": np.array(["a", "bcd"]),
    "structured": np.array([(1, 2.5)], dtype=[("id", "<i4"), ("x", "<f8")]),
    "empty": np.empty((3, 0), "uint8"),
    "one slice": np.arange(96 * 128, dtype="float64"),
    "large": np.random.default_rng(1).random((1024, 1024)),
}


# The JSON lane: a Starlette app as it is, wrapped.


async def echo(request: Request) -> Response:
    return JSONResponse(await request.json())


starlette_app = BinaryMiddleware(
    Starlette(routes=[Route("/echo", echo, methods=["POST"])]), max_body_size=16 * 2**20
)

# The object lane: a FastAPI app.

fastapi_app = FastAPI()


class Sample(BaseModel):
    name: str
    array: NumpyArrayField
    raw: bytes = b""


@fastapi_app.post("/echo")
async def echo_sample(sample: Sample) -> Sample:
    return sample


add_binary_mode(fastapi_app, max_body_size=16 * 2**20)


@pytest.fixture(scope="module", params=["httptools", "h11"])
def http(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def starlette_url(http: str) -> Iterator[str]:
    with serving(starlette_app, http=http) as url:
        yield url


@pytest.fixture(scope="module")
def fastapi_url(http: str) -> Iterator[str]:
    with serving(fastapi_app, http=http) as url:
        yield url


@pytest.fixture(params=["JSON lane", "object lane"])
def url(request: pytest.FixtureRequest, starlette_url: str, fastapi_url: str) -> str:
    return starlette_url if request.param == "JSON lane" else fastapi_url


def post(url: str, value: Any, **headers: str) -> httpx2.Response:
    """Send a document, packed by msgpack and msgpack-numpy."""
    body = msgpack.packb(value, default=msgpack_numpy.encode)
    return httpx2.post(url, content=body, headers={**MSGPACK, **headers}, timeout=60)


def unpack(response: httpx2.Response) -> Any:
    assert response.headers["content-type"] == "application/msgpack"
    assert int(response.headers["content-length"]) == len(response.content)
    return msgpack.unpackb(response.content, object_hook=msgpack_numpy.decode)


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_there_and_back_on_the_json_lane(
    starlette_url: str, array: np.ndarray[Any, Any]
) -> None:
    response = post(f"{starlette_url}/echo", {"array": array, "list": [array[:1]]})
    assert response.status_code == 200
    value = unpack(response)
    assert value["array"].dtype == array.dtype
    assert value["array"].tobytes() == array.tobytes()
    assert value["list"][0].shape == array[:1].shape


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_and_bytes_there_and_back_on_the_object_lane(
    fastapi_url: str, array: np.ndarray[Any, Any]
) -> None:
    raw = array.tobytes()[:300_000] + b"\xff"
    response = post(f"{fastapi_url}/echo", {"name": "ü", "array": array, "raw": raw})
    assert response.status_code == 200
    value = unpack(response)
    assert value["name"] == "ü"
    assert value["raw"] == raw
    assert value["array"].dtype == array.dtype
    assert value["array"].shape == array.shape
    assert value["array"].tobytes() == array.tobytes()


def test_chunked_upload(fastapi_url: str) -> None:
    array = ARRAYS["large"]
    body = msgpack.packb({"name": "a", "array": array}, default=msgpack_numpy.encode)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 100_003):
            yield body[start : start + 100_003]

    response = httpx2.post(f"{fastapi_url}/echo", content=chunks(), headers=MSGPACK, timeout=60)
    assert "content-length" not in response.request.headers
    assert np.array_equal(unpack(response)["array"], array)


def test_too_large_is_refused_with_and_without_a_length(url: str) -> None:
    head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/msgpack\r\n{}\r\n\r\n"
    announced = head.format(f"Content-Length: {2**30}").encode()
    status, body = asyncio.run(raw_exchange(url, [announced]))
    assert status == 413
    assert "max_body_size (16777216 bytes)" in msgpack.unpackb(body)["detail"]
    chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
    status, body = asyncio.run(
        raw_exchange(url, [head.format("Transfer-Encoding: chunked").encode(), *[chunk] * 17])
    )
    assert status == 413
    assert "max_body_size" in msgpack.unpackb(body)["detail"]


async def raw_exchange(url: str, pieces: list[bytes]) -> tuple[int, bytes]:
    """Send pieces, and read one response."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
        body = await reader.readexactly(int(headers["content-length"]))
    finally:
        writer.close()
    return int(head.split()[1]), body

"""Large bodies over uvicorn, whose buffers are not copied."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import MSGPACK
from tests.serving import serving

SIZE = 4 * 2**20
"""Elements of the array that changes: 32 MiB, more than the sockets in between can hold."""


class Sample(BaseModel):
    array: NumpyArrayField
    factor: int = 1


def make_app(changing: np.ndarray[Any, Any], **options: Any) -> FastAPI:
    app = FastAPI()
    add_binary_mode(app, **options)

    @app.post("/scale")
    async def scale(sample: Sample) -> Sample:
        sample.array.array *= sample.factor
        return sample

    @app.get("/changing")
    async def get_changing() -> NumpyArrayField:
        return NumpyArrayField(changing)

    return app


@pytest.fixture
def changing() -> np.ndarray[Any, Any]:
    return np.zeros(SIZE)


@pytest.fixture
def url(changing: np.ndarray[Any, Any]) -> Iterator[str]:
    with serving(make_app(changing)) as url:
        yield url


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60)


def request(method: str, path: str, body: bytes = b"", length: int | None = None) -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: test", "Accept: application/msgpack"]
    if body:
        head += ["Content-Type: application/msgpack", f"Content-Length: {length or len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def read_response(stream: Any) -> tuple[int, bytes]:
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        if name.lower() == "content-length":
            length = int(value)
    return status, stream.read(length)


def assert_serves(url: str) -> None:
    array = np.arange(100_000.0)
    response = httpx2.post(f"{url}/scale", content=packb({"array": array}), headers=MSGPACK)
    assert np.array_equal(unpackb(response.content)["array"], array)


@pytest.mark.parametrize("copied", [True, False])
def test_array_that_changes_while_it_is_sent(changing: Any, copied: bool) -> None:
    with (
        serving(make_app(changing, copy_response=copied)) as url,
        connect(url) as connection,
        connection.makefile("rb") as stream,
    ):
        connection.sendall(request("GET", "/changing"))
        connection.recv(1, socket.MSG_PEEK)  # the response has begun; most of it waits
        changing += 1
        status, body = read_response(stream)
        assert status == 200
        array = unpackb(body)
        assert array.shape == (SIZE,)
        assert array[0] == 0  # that slice was sent
        # Slices are read as they are sent, unless the app asks for a copy.
        assert array[-1] == (0 if copied else 1)


def test_requests_at_once_do_not_mix(url: str) -> None:
    def one(number: int) -> bool:
        array = np.full(300_000 + number, number, "int64")
        document = {"array": array, "factor": number}
        response = httpx2.post(f"{url}/scale", content=packb(document), headers=MSGPACK, timeout=60)
        return np.array_equal(unpackb(response.content)["array"], array * number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(24)))


def test_client_that_goes_away_in_the_middle_of_a_response(url: str) -> None:
    for _ in range(3):
        with connect(url) as connection:
            connection.sendall(request("GET", "/changing"))
            connection.recv(1000)
    assert_serves(url)


def test_client_that_goes_away_in_the_middle_of_a_body(url: str) -> None:
    body = packb({"array": np.zeros(100_000)})
    for cut in (1, 100, 70_000, len(body) - 1):
        with connect(url) as connection:
            connection.sendall(request("POST", "/scale", body[:cut], len(body)))
    assert_serves(url)


def test_what_follows_the_announced_body_is_the_next_request(url: str) -> None:
    array = np.arange(50_000.0)
    body = packb({"array": array})
    with connect(url) as connection, connection.makefile("rb") as stream:
        connection.sendall(request("POST", "/scale", body) + request("GET", "/nowhere"))
        status, packed = read_response(stream)
        assert status == 200
        assert np.array_equal(unpackb(packed)["array"], array)
        assert read_response(stream)[0] == 404


def test_body_that_is_longer_than_announced(url: str) -> None:
    body = packb({"array": np.arange(50_000.0)})
    with connect(url) as connection, connection.makefile("rb") as stream:
        connection.sendall(request("POST", "/scale", body, len(body) - 10))
        # By the middleware, as the document is truncated, or by uvicorn, as what follows is no
        # request.
        assert read_response(stream)[0] == 400
    assert_serves(url)

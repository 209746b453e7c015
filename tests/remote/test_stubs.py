"""Stubs: what they send and return, their options and limits."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Protocol

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.testclient import TestClient

from binary_middleware import ExchangeInfo, packb
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.remote import connect, serve, with_options
from tests.client.raw_server import response, serving_bytes
from tests.remote.services import ARRAY, NOT_TEXT, Gradient, Images, ImagesHere
from tests.serving import serving


@contextlib.contextmanager
def recorded() -> Iterator[tuple[str, list[ExchangeInfo]]]:
    """Serve the contract at a URL; all exchanges are in the list once the server has stopped."""
    exchanges: list[ExchangeInfo] = []
    app = FastAPI()
    serve(app, Images, ImagesHere(), prefix="/images", on_exchange=exchanges.append)
    with serving(app) as url:
        yield f"{url}/images", exchanges


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with recorded() as (url, _):
        yield url


@pytest.mark.parametrize("use_binary", [True, False])
def test_blocking_calls(use_binary: bool) -> None:
    with (
        recorded() as (url, exchanges),
        connect(Images, url, use_binary=use_binary) as images,
    ):
        found = images.gradient(ARRAY, sigma=2)
        assert type(found) is Gradient
        assert np.array_equal(found.magnitude.array, ARRAY.array * 2)
        assert images.gradient(image=ARRAY).largest == 5.0
        assert images.bytes_of(NOT_TEXT) == list(NOT_TEXT)
        assert images.nothing() is None
    assert {exchange.is_binary for exchange in exchanges} == {use_binary}


@pytest.mark.parametrize("use_binary", [True, False])
def test_awaited_calls(url: str, use_binary: bool) -> None:
    async def call() -> tuple[Any, Any]:
        async with connect(Images, url, use_binary=use_binary) as images:
            gradient = Gradient(magnitude=ARRAY, largest=1.5)
            return await asyncio.gather(images.scaled(ARRAY, by=2), images.one_model(gradient))

    if not use_binary:
        with pytest.raises(httpx2.HTTPStatusError, match="406"):  # an array under Any, in JSON
            asyncio.run(call())
        return
    scaled, largest = asyncio.run(call())
    assert np.array_equal(scaled["image"], ARRAY.array * 2)
    assert scaled["raw"] == NOT_TEXT
    assert largest == 1.5


def test_a_stub_in_the_same_process() -> None:
    app = FastAPI()
    add_binary_mode(app)
    serve(app, Images, ImagesHere())
    images = connect(Images, "http://images/", client=TestClient(app)).stub
    assert images.gradient(ARRAY).largest == 5.0
    assert repr(images) == "<ImagesStub http://images>"


def test_connections_are_closed(url: str) -> None:
    async def call() -> None:
        connection = connect(Images, url)
        async with connection as images:
            assert images is connection.stub
            images.nothing()
            await images.scaled(ARRAY, by=2)
            with_options(images, use_binary=False).nothing()
        assert len(connection._clients) == 3
        assert all(client.http.is_closed for client in connection._clients.values())

    asyncio.run(call())
    connection = connect(Images, url)
    connection.stub.nothing()
    connection.close()
    with pytest.raises(RuntimeError, match="closed"):
        connection.stub.nothing()


def test_clients_of_others_stay_open(url: str) -> None:
    with httpx2.Client() as http:
        with connect(Images, url, client=http) as images:
            images.nothing()
        assert not http.is_closed


def test_arguments_are_those_of_the_contract() -> None:
    with recorded() as (url, exchanges), connect(Images, url) as images:
        with pytest.raises(TypeError, match=r"gradient\(\): missing a required argument: 'image'"):
            images.gradient()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"gradient\(\): got an unexpected keyword argument"):
            images.gradient(ARRAY, x=1)  # type: ignore[call-arg]
    assert exchanges == []


def test_errors_are_httpxs_with_the_description_of_the_server(url: str) -> None:
    async def call() -> None:
        async with connect(Images, url) as images:
            await images.scaled(ARRAY, by=-1)

    with pytest.raises(httpx2.HTTPStatusError, match=r"(?s)422.*body\.by: .*greater than 0"):
        asyncio.run(call())


def test_results_are_validated(url: str) -> None:
    class Wrong(Protocol):
        def bytes_of(self, data: bytes) -> str: ...

    with connect(Wrong, url) as wrong, pytest.raises(ValidationError, match="valid string"):
        wrong.bytes_of(b"a")


# -- options ---------------------------------------------------------------------------------------


def test_options_of_some_calls() -> None:
    with recorded() as (url, exchanges), connect(Images, url) as images:
        with_options(images, use_binary=False).nothing()
        images.nothing()
    assert [exchange.is_binary for exchange in exchanges] == [False, True]


def test_unknown_options(url: str) -> None:
    with pytest.raises(TypeError, match="'time' is not an option of a call, only use_binary, time"):
        connect(Images, url, time=1)  # type: ignore[call-arg]
    stub = connect(Images, url).stub
    for name in ("time", "concurrency_limit", "max_response_size"):
        with pytest.raises(TypeError, match=f"'{name}' is not an option of a call"):
            with_options(stub, **{name: 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"expected a stub of connect\(\), got <"):
        with_options(ImagesHere(), timeout=1)


def test_wrong_limits() -> None:
    with pytest.raises(ValueError, match="concurrency_limit must be at least 1, not 0"):
        connect(Images, "", concurrency_limit=0)


class Lists(Protocol):
    def numbers(self) -> list[int]: ...


@pytest.mark.parametrize("name", ["max_response_size", "max_structure_size"])
def test_responses_have_limits(name: str) -> None:
    body = packb(list(range(100)))
    options: Any = {name: len(body)}
    with serving_bytes(response(body)) as url:
        with connect(Lists, url, **options) as lists:
            assert lists.numbers() == list(range(100))
        options[name] -= 1
        with (
            connect(Lists, url, **options) as lists,
            pytest.raises(httpx2.DecodingError, match=rf"over {name} \({len(body) - 1} bytes\)"),
        ):
            lists.numbers()
        options[name] = -1
        with pytest.raises(ValueError, match=f"{name} must be a number of bytes or None"):
            connect(Lists, url, **options)


class Slow(Protocol):
    def blocking(self, seconds: float) -> int: ...

    async def awaited(self, seconds: float) -> int: ...


class Counting:
    """Returns the greatest number of calls at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def blocking(self, seconds: float) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(seconds)
        self.now -= 1
        return self.most

    awaited = blocking


@contextlib.contextmanager
def slow(implementation: Any) -> Iterator[str]:
    app = FastAPI()
    serve(app, Slow, implementation)
    with serving(app) as url:
        yield url


@pytest.mark.parametrize(("limit", "most"), [(2, 2), (None, 6)])
def test_concurrency_limit(limit: int | None, most: int) -> None:
    counting = Counting()

    async def six(url: str) -> None:
        async with connect(Slow, url, concurrency_limit=limit) as stub:
            await asyncio.gather(*(stub.awaited(0.2) for _ in range(6)))

    with slow(counting) as url:
        asyncio.run(six(url))
        assert counting.most == most
        counting.most = 0
        with connect(Slow, url, concurrency_limit=limit) as stub:
            threads = [threading.Thread(target=stub.blocking, args=(0.2,)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert counting.most == most


def test_timeout() -> None:
    with (
        slow(Counting()) as url,
        connect(Slow, url, timeout=60) as stub,
        pytest.raises(httpx2.ReadTimeout),
    ):
        with_options(stub, timeout=0.1).blocking(1)

"""Which failures are tried again."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import httpx2
import pytest
import stamina
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from starlette.testclient import TestClient

from binary_middleware.remote import Retries, connect, idempotent, serve
from binary_middleware.remote._retries import holds_iterator
from tests.remote.services import QUICK


class Flaky(Protocol):
    def once(self) -> int: ...

    @idempotent
    def again(self) -> int: ...

    async def once_async(self) -> int: ...


class Failing:
    """Fails a number of times, then returns how often it was called."""

    def __init__(self, failures: int, status: int) -> None:
        self.failures, self.status, self.calls = failures, status, 0

    def again(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise HTTPException(self.status, "not now")
        return self.calls

    once = once_async = again


def flaky(implementation: Any, **retries: Any) -> Any:
    app = FastAPI()
    serve(app, Flaky, implementation)
    retries_ = dataclasses.replace(QUICK, **retries)
    return connect(Flaky, "", client=TestClient(app), retries=retries_).stub


def test_wrong_numbers() -> None:
    with pytest.raises(ValueError, match="attempts must be at least 1, not 0"):
        Retries(attempts=0)


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_tried_again(status: int) -> None:
    implementation = Failing(2, status)
    assert flaky(implementation).once() == 3
    implementation = Failing(3, status)
    with pytest.raises(httpx2.HTTPStatusError, match=f"(?s){status}.*not now"):
        flaky(implementation).once()
    assert implementation.calls == 3


def test_a_call_that_may_be_half_processed_is_tried_again_only_if_it_is_idempotent() -> None:
    statuses = {"statuses": {502}, "attempts": 2}
    assert flaky(Failing(1, 502), **statuses).again() == 2
    implementation = Failing(1, 502)
    with pytest.raises(httpx2.HTTPStatusError):
        flaky(implementation, **statuses).once()
    assert implementation.calls == 1


def test_statuses_that_are_not_named_are_not_tried_again() -> None:
    implementation = Failing(1, 500)
    with pytest.raises(httpx2.HTTPStatusError):
        flaky(implementation).again()
    assert implementation.calls == 1


def test_a_call_that_cannot_be_written_again_is_not_tried_again() -> None:
    class Sums(Protocol):
        @idempotent
        def total(self, of: Iterable[int]) -> int: ...

    class Failing503(Failing):
        def total(self, of: Iterable[int]) -> int:
            self.again()
            return sum(of)

    app = FastAPI()
    implementation = Failing503(1, 503)
    serve(app, Sums, implementation)
    sums = connect(Sums, "", client=TestClient(app), retries=QUICK).stub
    with pytest.raises(httpx2.HTTPStatusError, match="503"):
        sums.total(iter([1, 2]))
    assert implementation.calls == 1
    assert sums.total([1, 2]) == 3


class Model(BaseModel):
    items: Any


@dataclasses.dataclass
class Record:
    items: Any


@pytest.mark.parametrize(
    "wrap",
    [
        lambda items: items,
        lambda items: {"a": items},
        lambda items: [1, (items,)],
        lambda items: Model(items=items),
        lambda items: Record(items),
    ],
)
def test_iterators_are_found(wrap: Any) -> None:
    assert holds_iterator(wrap(number for number in range(3)))
    assert not holds_iterator(wrap([0, 1, 2]))


class Breaking:
    """A server that reads a request and breaks the connection, a number of times."""

    def __init__(self, breaks: int) -> None:
        self.breaks, self.calls = breaks, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.calls += 1
                connection.recv(65536)
                if self.calls > self.breaks:
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\n"
                        b"Content-Length: 1\r\nConnection: close\r\n\r\n\x07"
                    )

    def close(self) -> None:
        self.listener.close()


@pytest.fixture
def breaking() -> Iterator[Breaking]:
    with contextlib.closing(Breaking(1)) as server:
        yield server


def test_a_broken_connection_is_tried_again_only_for_idempotent_methods(breaking: Breaking) -> None:
    with connect(Flaky, breaking.url, retries=QUICK) as stub:
        with pytest.raises(httpx2.RemoteProtocolError):
            stub.once()
        assert breaking.calls == 1
        breaking.breaks = 2
        assert stub.again() == 7
        assert breaking.calls == 3


def test_a_connection_that_cannot_be_made_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    retries = Retries(attempts=500, wait_initial=0.05, wait_max=0.1, wait_jitter=0.01)

    async def call() -> int:
        async with connect(Flaky, f"http://127.0.0.1:{port}", retries=retries) as stub:
            return await stub.once_async()

    code = (
        "import time, uvicorn; time.sleep(0.3); from tests.remote.test_retries import *;"
        "app = FastAPI();"
        "serve(app, Flaky, Failing(0, 0));"
        f"uvicorn.run(app, port={port}, log_level='error', ws='none')"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as server:
        try:
            assert asyncio.run(call()) == 1
        finally:
            server.terminate()


def test_stamina_can_be_switched_off_in_tests() -> None:
    stamina.set_active(False)
    try:
        implementation = Failing(1, 503)
        with pytest.raises(httpx2.HTTPStatusError):
            flaky(implementation).once()
        assert implementation.calls == 1
    finally:
        stamina.set_active(True)

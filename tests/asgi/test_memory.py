"""Large bodies are freed with their exchange, without the garbage collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from binary_middleware import BinaryMiddleware, NumpyArrayField, packb
from binary_middleware._asgi.exchange import SCOPE_KEY
from binary_middleware._asgi.malloc import keep_freed_memory
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import MSGPACK, call

ARRAY = np.arange(200_000.0)


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Sample(BaseModel):
    array: NumpyArrayField


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("pieces", [1, 5])
def test_arrays_of_the_object_lane_are_freed(pieces: int) -> None:
    app = FastAPI()
    add_binary_mode(app)
    seen: list[weakref.ref[Any]] = []

    @app.post("/")
    async def echo(sample: Sample) -> Sample:
        seen.append(weakref.ref(sample.array.array))
        return sample

    packed = packb({"array": ARRAY})
    size = len(packed) // pieces + 1
    chunks = [packed[start : start + size] for start in range(0, len(packed), size)]
    for _ in range(2):
        assert call(app, chunks, {**MSGPACK, "content-length": str(len(packed))}).status == 200
    assert [ref() for ref in seen] == [None, None]


@pytest.mark.usefixtures("no_collection")
def test_exchanges_of_the_json_lane_are_freed() -> None:
    seen: list[weakref.ref[Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(weakref.ref(scope[SCOPE_KEY]))
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    assert call(BinaryMiddleware(app), packb({"array": ARRAY})).status == 200
    assert seen[0]() is None


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize(
    "body", [b"\xc1", b"\xa1\xff", b"\x91" * 2000, packb({"array": ARRAY})[:-1]]
)
def test_rejected_bodies_are_freed(body: bytes) -> None:
    """The exception has a traceback, whose frames refer to the body and the exchange."""
    seen: list[weakref.ref[Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(weakref.ref(scope[SCOPE_KEY]))
        await receive()

    wrapped = BinaryMiddleware(app)
    chunks = [body[:1000], body[1000:]]
    assert call(wrapped, chunks, {**MSGPACK, "content-length": str(len(body))}).status in (400, 413)
    assert seen[0]() is None


@pytest.mark.parametrize("mode", ["negotiate", "require"])
@pytest.mark.parametrize("keep_memory", [True, False])
def test_malloc_keeps_memory_unless_told_otherwise(keep_memory: bool, mode: str) -> None:
    keep_freed_memory.cache_clear()
    app = FastAPI()
    add_binary_mode(app, keep_memory=keep_memory, mode=mode)
    call(app, packb(1))
    assert keep_freed_memory.cache_info().currsize == int(keep_memory)
    BinaryMiddleware(app, keep_memory=keep_memory)
    assert keep_freed_memory.cache_info().misses == int(keep_memory)  # once is enough

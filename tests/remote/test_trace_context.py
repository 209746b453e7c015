"""Trace context and request id go with the calls that are made for a request."""

from __future__ import annotations

import asyncio
from typing import Protocol

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from binary_middleware.remote import TraceContextMiddleware, connect, serve
from tests.serving import serving

TRACE = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "congo=t61rcWkgMzE",
    "baggage": "user=1",
    "x-request-id": "abc",
}


class Echo(Protocol):
    async def seen(self) -> dict[str, str]: ...


def inner_app() -> FastAPI:
    app = FastAPI()

    @app.post("/seen")
    async def seen(request: Request) -> dict[str, str]:
        return dict(request.headers)

    return app


@pytest.mark.parametrize("way", ["middleware", "served"])
def test_headers_are_forwarded(way: str) -> None:
    with serving(inner_app()) as url:
        inner = connect(Echo, url).stub

        class Gateway:
            async def seen(self) -> dict[str, str]:
                return await inner.seen()

        outer = FastAPI()
        if way == "middleware":
            outer.add_middleware(TraceContextMiddleware)
            outer.post("/seen")(inner.seen)
        else:
            serve(outer, Echo, Gateway())
        with TestClient(outer) as client:  # one event loop for all requests
            found = client.post("/seen", headers={**TRACE, "x-secret": "1"}).json()
            assert {name: found.get(name) for name in TRACE} == TRACE
            assert "x-secret" not in found
            assert not client.post("/seen").json().keys() & TRACE.keys()
            # RFC 9110 §5.3: a list may be in several lines. §5.5: a value is any bytes.
            lines = [("tracestate", "a=1"), ("tracestate", "b=2"), ("x-request-id", b"\xc3\xa9")]
            found = client.post("/seen", headers=lines).json()
            assert (found["tracestate"], found["x-request-id"]) == ("a=1, b=2", "\xc3\xa9")


def test_nothing_is_forwarded_outside_of_a_request() -> None:
    async def call(url: str) -> dict[str, str]:
        async with connect(Echo, url) as stub:
            return await stub.seen()

    with serving(inner_app()) as url:
        assert not asyncio.run(call(url)).keys() & TRACE.keys()

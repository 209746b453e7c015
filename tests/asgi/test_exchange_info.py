"""Facts about an exchange, for endpoints, callbacks and ``Server-Timing``."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from binary_middleware import (
    BinaryMiddleware,
    ExchangeInfo,
    binary_options,
    get_exchange_info,
    packb,
)
from tests.asgi_app import MSGPACK

seen: list[ExchangeInfo] = []


@pytest.fixture(autouse=True)
def _none_seen() -> None:
    seen.clear()


async def echo(request: Request) -> Response:
    document = await request.json() if request.method == "POST" else [1]
    seen.append(get_exchange_info(request))
    return JSONResponse(document)


async def fails(request: Request) -> Response:
    raise KeyError("of the app")


def text(request: Request) -> Response:
    return PlainTextResponse("text")


ROUTES = [
    Route("/echo", echo, methods=["GET", "POST"]),
    Route("/fails", fails),
    Route("/text", text),
]


def client(**options: Any) -> TestClient:
    app = BinaryMiddleware(Starlette(routes=ROUTES), **options)
    return TestClient(app, raise_server_exceptions=False)


def test_endpoint_sees_the_request() -> None:
    body = packb({"x": np.zeros(100_000)})
    client().post("/echo", content=body, headers={"content-type": "application/x-msgpack"})
    (info,) = seen
    assert info.is_binary
    assert (info.method, info.path) == ("POST", "/echo")
    assert info.request_media_type == info.response_media_type == "application/x-msgpack"
    assert info.request_size == len(body)
    assert info.decode_seconds > 0
    assert info.response_size is info.status is info.refusal is None


def test_endpoint_sees_that_nothing_is_binary() -> None:
    client().post("/echo", json=[1])
    assert seen == [ExchangeInfo(method="POST", path="/echo")]
    assert not seen[0].is_binary
    TestClient(Starlette(routes=ROUTES)).post("/echo", json=[1])
    assert seen[1] == seen[0]


def test_one_info_for_each_exchange() -> None:
    infos: list[ExchangeInfo] = []
    to = client(on_exchange=infos.append, max_body_size=100)
    body = packb([1.5])
    to.post("/echo", content=body, headers=MSGPACK)
    to.post("/echo", json=[1.5])
    to.post("/echo", content=bytes(101), headers=MSGPACK)
    to.post("/echo", content=b"\xc1", headers=MSGPACK)
    to.get("/text", headers={"accept": "application/msgpack"})
    to.get("/fails", headers={"accept": "application/msgpack"})
    assert [
        (each.status, each.is_binary, each.request_size, each.response_size) for each in infos
    ] == [
        (200, True, len(body), len(body)),
        (200, False, None, None),
        (413, True, None, None),
        (400, True, 1, None),
        (200, True, None, None),
        (500, True, None, None),
    ]
    assert [each.refusal for each in infos[2:4]] == [
        "the body is over max_body_size (100 bytes)",
        "the body is not msgpack: invalid opcode '\\xc1' (byte 0)",
    ]
    assert infos[0].encode_seconds > 0


def test_json_is_the_same_with_a_callback() -> None:
    plain, observed = client(), client(on_exchange=lambda info: None)
    for method, path in [("GET", "/echo"), ("POST", "/echo"), ("GET", "/text"), ("GET", "/none")]:
        responses = [each.request(method, path, json=[1.0]) for each in (plain, observed)]
        assert responses[0].content == responses[1].content
        assert responses[0].headers == responses[1].headers


def test_a_callback_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def on_exchange(info: ExchangeInfo) -> None:
        raise LookupError("of the callback")

    response = client(on_exchange=on_exchange).get("/echo")
    assert response.json() == [1]
    (entry,) = (each for each in caplog.records if each.name == "binary_middleware")
    assert entry.levelno == logging.ERROR
    assert entry.getMessage() == "on_exchange raised for GET /echo"


@pytest.mark.parametrize("headers", [MSGPACK, {}])
def test_nested_middleware_report_once(headers: dict[str, str]) -> None:
    infos: list[ExchangeInfo] = []
    app = BinaryMiddleware(
        Starlette(routes=[Mount("/sub", app=BinaryMiddleware(Starlette(routes=ROUTES)))]),
        on_exchange=infos.append,
    )
    TestClient(app).post("/sub/echo", content=b"1" if not headers else b"\x01", headers=headers)
    assert [(each.path, each.status) for each in infos] == [("/sub/echo", 200)] * len(infos)
    assert len(infos) == 1


TIMING = r"read;dur=\d+\.\d{3}, decode;dur=\d+\.\d{3}, app;dur=\d+\.\d{3}, encode;dur=\d+\.\d{3}"


def test_server_timing() -> None:
    to = client(server_timing=True)
    response = to.post("/echo", content=packb([1]), headers=MSGPACK)
    assert re.fullmatch(TIMING, response.headers["server-timing"])
    assert "server-timing" not in to.post("/echo", json=[1]).headers
    assert "server-timing" not in to.get("/text", headers=MSGPACK).headers
    assert "server-timing" not in client().post("/echo", content=b"\x01", headers=MSGPACK).headers


def test_server_timing_of_one_endpoint_joins_the_apps_own() -> None:
    @binary_options(server_timing=True)
    def timed(request: Request) -> Response:
        return JSONResponse([1], headers={"server-timing": "db;dur=1"})

    routes = [Route("/timed", timed), Route("/echo", echo)]
    to = TestClient(BinaryMiddleware(Starlette(routes=routes)))
    own, added = to.get("/timed", headers={"accept": "application/msgpack"}).headers.get_list(
        "server-timing"
    )
    assert own == "db;dur=1"
    assert re.fullmatch(TIMING, added)
    assert "server-timing" not in to.get("/echo", headers={"accept": "application/msgpack"}).headers


def test_callback_must_be_callable() -> None:
    with pytest.raises(ValueError, match="on_exchange must be callable, not 'print'"):
        client(on_exchange="print")

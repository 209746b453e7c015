"""What endpoints, callbacks and ``Server-Timing`` tell of an exchange."""

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


def test_an_endpoint_sees_what_came() -> None:
    body = packb({"x": np.zeros(100_000)})
    client().post("/echo", content=body, headers={"content-type": "application/x-msgpack"})
    (record,) = seen
    assert record.is_binary
    assert (record.method, record.path) == ("POST", "/echo")
    assert record.request_media_type == record.response_media_type == "application/x-msgpack"
    assert record.request_size == len(body)
    assert record.decode_seconds > 0
    assert record.response_size is record.status is record.refusal is None


def test_an_endpoint_sees_that_nothing_was_binary() -> None:
    client().post("/echo", json=[1])
    assert seen == [ExchangeInfo(method="POST", path="/echo")]
    assert not seen[0].is_binary
    TestClient(Starlette(routes=ROUTES)).post("/echo", json=[1])
    assert seen[1] == seen[0]


def test_one_record_for_each_exchange() -> None:
    records: list[ExchangeInfo] = []
    to = client(on_exchange=records.append, max_body_size=100)
    body = packb([1.5])
    to.post("/echo", content=body, headers=MSGPACK)
    to.post("/echo", json=[1.5])
    to.post("/echo", content=bytes(101), headers=MSGPACK)
    to.post("/echo", content=b"\xc1", headers=MSGPACK)
    to.get("/text", headers={"accept": "application/msgpack"})
    to.get("/fails", headers={"accept": "application/msgpack"})
    assert [
        (each.status, each.is_binary, each.request_size, each.response_size) for each in records
    ] == [
        (200, True, len(body), len(body)),
        (200, False, None, None),
        (413, True, None, None),
        (400, True, 1, None),
        (200, True, None, None),
        (500, True, None, None),
    ]
    assert [each.refusal for each in records[2:4]] == [
        "the body is over max_body_size (100 bytes)",
        "the body is not msgpack: invalid opcode '\\xc1' (byte 0)",
    ]
    assert records[0].encode_seconds > 0


def test_json_is_the_same_with_a_callback() -> None:
    plain, observed = client(), client(on_exchange=lambda record: None)
    for method, path in [("GET", "/echo"), ("POST", "/echo"), ("GET", "/text"), ("GET", "/none")]:
        answers = [each.request(method, path, json=[1.0]) for each in (plain, observed)]
        assert answers[0].content == answers[1].content
        assert answers[0].headers == answers[1].headers


def test_a_callback_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def on_exchange(record: ExchangeInfo) -> None:
        raise LookupError("of the callback")

    answer = client(on_exchange=on_exchange).get("/echo")
    assert answer.json() == [1]
    (entry,) = (each for each in caplog.records if each.name == "binary_middleware")
    assert entry.levelno == logging.ERROR
    assert entry.getMessage() == "on_exchange raised for GET /echo"


@pytest.mark.parametrize("headers", [MSGPACK, {}])
def test_nested_middleware_report_once(headers: dict[str, str]) -> None:
    records: list[ExchangeInfo] = []
    app = BinaryMiddleware(
        Starlette(routes=[Mount("/sub", app=BinaryMiddleware(Starlette(routes=ROUTES)))]),
        on_exchange=records.append,
    )
    TestClient(app).post("/sub/echo", content=b"1" if not headers else b"\x01", headers=headers)
    assert [(each.path, each.status) for each in records] == [("/sub/echo", 200)] * len(records)
    assert len(records) == 1


TIMING = r"read;dur=\d+\.\d{3}, decode;dur=\d+\.\d{3}, app;dur=\d+\.\d{3}, encode;dur=\d+\.\d{3}"


def test_server_timing() -> None:
    to = client(server_timing=True)
    answer = to.post("/echo", content=packb([1]), headers=MSGPACK)
    assert re.fullmatch(TIMING, answer.headers["server-timing"])
    assert "server-timing" not in to.post("/echo", json=[1]).headers
    assert "server-timing" not in to.get("/text", headers=MSGPACK).headers
    assert "server-timing" not in client().post("/echo", content=b"\x01", headers=MSGPACK).headers


def test_server_timing_of_one_endpoint_joins_the_apps_own() -> None:
    @binary_options(server_timing=True)
    def timed(request: Request) -> Response:
        return JSONResponse([1], headers={"server-timing": "db;dur=1"})

    routes = [Route("/timed", timed), Route("/echo", echo)]
    to = TestClient(BinaryMiddleware(Starlette(routes=routes)))
    own, ours = to.get("/timed", headers={"accept": "application/msgpack"}).headers.get_list(
        "server-timing"
    )
    assert own == "db;dur=1"
    assert re.fullmatch(TIMING, ours)
    assert "server-timing" not in to.get("/echo", headers={"accept": "application/msgpack"}).headers


def test_what_is_no_callback_is_refused() -> None:
    with pytest.raises(ValueError, match="on_exchange must be callable, not 'print'"):
        client(on_exchange="print")

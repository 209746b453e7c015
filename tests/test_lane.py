"""An object lane for a plain ASGI endpoint."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from binary_middleware import BinaryMiddleware, packb, unpackb
from binary_middleware.errors import EncodeError
from binary_middleware.lane import (
    claim_body,
    document_of_text,
    find_exchange,
    pack_response,
    read_document,
    send_response,
)
from tests.asgi_app import MSGPACK, Received, call
from tests.sameness import same

ARRAY = np.arange(4, dtype="int16")
DOCUMENT = {"array": ARRAY, "raw": b"\xff"}


class Echo:
    """An endpoint that returns what it reads, with a word on the lane that it was on."""

    def __init__(self) -> None:
        self.lanes: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = find_exchange(scope)
        if claim_body(exchange, receive):
            self.lanes.append("claimed")
            document = await read_document(exchange, receive, default="empty")
        else:
            text = (await receive())["body"]
            document = document_of_text(exchange, text)
            self.lanes.append("text" if document is None else "text that is known")
            document = json.loads(text) if document is None else document
        media_type, buffers = pack_response(exchange, document, endpoint=self)
        self.lanes.append(media_type)
        headers = [(b"etag", b'"1"')]
        await send_response(exchange, send, media_type, buffers, status=201, headers=headers)


class Reading(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        await request.body()
        response: Response = await call_next(request)
        return response


class Redacting(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        document = json.loads(b"".join([chunk async for chunk in response.body_iterator]))
        return JSONResponse({**document, "raw": "***"}, response.status_code)


def _assert_response(response: Received, document: Any, content_type: str) -> None:
    assert response.status == 201
    assert response.headers["content-type"] == content_type
    assert response.headers["content-length"] == str(len(response.body))
    assert "Accept" in response.headers["vary"]
    is_msgpack = content_type == "application/msgpack"
    assert same(unpackb(response.body) if is_msgpack else json.loads(response.body), document)


@pytest.mark.parametrize("is_mounted", [False, True])
def test_object_lane(is_mounted: bool) -> None:
    echo = Echo()
    app: ASGIApp = Starlette(routes=[Mount("/", app=echo)]) if is_mounted else echo
    response = call(BinaryMiddleware(app), packb(DOCUMENT))
    _assert_response(response, DOCUMENT, "application/msgpack")
    assert echo.lanes == ["claimed", "application/msgpack"]
    assert response.headers["etag"] != '"1"'


def test_json_clients() -> None:
    echo = Echo()
    app = BinaryMiddleware(echo)
    in_json = {"array": {"shape": [4], "dtype": "int16", "data_b64": "AAABAAIAAwA="}}
    headers = {"content-type": "application/json"}
    response = call(app, json.dumps(in_json).encode(), headers)
    _assert_response(response, in_json, "application/json")
    response = call(app, packb({"array": ARRAY}), {**MSGPACK, "accept": "application/json"})
    _assert_response(response, in_json, "application/json")
    response = call(app, b'{"a": 1}', {**headers, "accept": "application/msgpack"})
    _assert_response(response, {"a": 1}, "application/msgpack")
    assert echo.lanes[::2] == ["text", "claimed", "text"]


def test_document_that_json_and_msgpack_cannot_hold_is_an_error() -> None:
    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(EncodeError, match="object cannot be written as JSON"):
            pack_response(find_exchange(scope), {"raw": b"\xff", "x": object()}, endpoint=None)
        await Response()(scope, receive, send)

    assert call(BinaryMiddleware(Reading(endpoint))).status == 200


def test_body_that_was_not_read_is_a_mistake() -> None:
    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = find_exchange(scope)
        with pytest.raises(RuntimeError, match="not read"):
            exchange.body  # noqa: B018
        await exchange.read(receive)
        with pytest.raises(RuntimeError, match="not decoded"):
            exchange.facts  # noqa: B018
        await Response()(scope, receive, send)

    assert call(BinaryMiddleware(endpoint), packb([1])).status == 200


@pytest.mark.parametrize("name", ["text", "bytes"])
def test_document_that_no_format_holds(name: str) -> None:
    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        document = 2**70 if name == "text" else {"raw": b"\xff", "large": 2**70}
        exchange = find_exchange(scope)
        await send_response(exchange, send, *pack_response(exchange, document, endpoint=endpoint))

    response = call(BinaryMiddleware(endpoint), headers={"accept": "application/msgpack"})
    assert response.headers["content-type"] == "application/json"
    assert str(2**70).encode() in response.body


def test_middleware_that_reads_the_request() -> None:
    echo = Echo()
    response = call(BinaryMiddleware(Reading(echo)), packb(DOCUMENT))
    _assert_response(response, DOCUMENT, "application/msgpack")
    assert echo.lanes == ["text that is known", "application/json"]


def test_middleware_that_changes_the_response() -> None:
    echo = Echo()
    response = call(BinaryMiddleware(Redacting(echo)), packb(DOCUMENT))
    assert same(unpackb(response.body), {"array": ARRAY, "raw": "***"})
    assert echo.lanes[-1] == "application/json"


def test_middleware_between_two_of_ours() -> None:
    echo = Echo()
    inner = BinaryMiddleware(Redacting(echo), max_body_size=2**20)
    response = call(BinaryMiddleware(inner), packb(DOCUMENT))
    assert same(unpackb(response.body), {"array": ARRAY, "raw": "***"})


def test_body_that_is_empty_malformed_or_cut_off() -> None:
    echo = Echo()
    app = BinaryMiddleware(echo)
    _assert_response(call(app, b""), "empty", "application/msgpack")
    assert call(app, b"\xc1").status == 400
    cut_off: list[Any] = [
        {"type": "http.request", "body": b"\x92", "more_body": True},
        {"type": "http.disconnect"},
    ]
    with pytest.raises(ClientDisconnect):
        call(app, cut_off)


def test_claimed_body_is_read_from_the_channel_of_the_endpoint() -> None:
    """Limits that a host enforces on a channel remain in force."""
    received: list[Message] = []

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = find_exchange(scope)
        assert claim_body(exchange, receive)

        async def counted() -> Message:
            received.append(await exchange.receive())
            return received[-1]

        assert await read_document(exchange, counted) == [1]
        await send_response(exchange, send, *pack_response(exchange, 1, endpoint=endpoint))

    assert call(BinaryMiddleware(endpoint), packb([1])).status == 200
    assert [message["body"] for message in received] == [packb([1])]

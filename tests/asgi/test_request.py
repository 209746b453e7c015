"""The states of a request, and what each of them allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import numpy as np
import pytest
from starlette.types import Message, Receive, Scope, Send

from binary_middleware import BinaryMiddleware, BinaryOptions, packb
from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._asgi.request import RequestChannel
from binary_middleware._http.headers import RequestHeaders
from tests.asgi_app import call

OPTIONS = BinaryOptions()
BODY: Message = {"type": "http.request", "body": packb({"a": [1]}), "more_body": False}
GONE: Message = {"type": "http.disconnect"}


def read(request: RequestChannel, message: Message = BODY) -> bool:
    async def receive() -> Message:
        return message

    return anyio.run(request.read, receive, OPTIONS)


def new(*steps: str, is_binary: bool = True) -> RequestChannel:
    request = RequestChannel("POST", RequestHeaders([]), is_binary)
    for step in steps:
        STEPS[step](request)
    return request


STEPS: dict[str, Callable[[RequestChannel], Any]] = {
    "claim": RequestChannel.claim,
    "read": read,
    "disconnect": lambda request: read(request, GONE),
    "transcode": lambda request: request.transcode(OPTIONS),
    "lose": RequestChannel.lose,
    "pass_through": RequestChannel.pass_through,
    "restart": lambda request: request.restart(RequestHeaders([]), True),
    "restart as JSON": lambda request: request.restart(RequestHeaders([]), False),
}


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ("", "unread"),
        ("claim", "claimed"),
        ("claim, read", "claimed"),
        ("claim, read, transcode", "claimed"),
        ("claim, lose", "claimed"),
        ("claim, pass_through", "claimed"),
        ("read", "reading"),
        ("disconnect", "reading"),
        ("disconnect, read", "reading"),
        ("disconnect, lose", "lost"),
        ("read, lose", "lost"),
        ("read, lose, claim", "lost"),
        ("read, claim", "reading"),
        ("read, pass_through", "reading"),
        ("read, transcode", "transcoded"),
        ("read, transcode, claim", "transcoded"),
        ("read, transcode, lose", "transcoded"),
        ("read, transcode, pass_through", "transcoded"),
        ("lose", "unread"),
        ("pass_through", "passthrough"),
        ("pass_through, claim", "passthrough"),
        ("pass_through, read", "passthrough"),
        ("pass_through, restart", "unread"),
        ("restart as JSON", "passthrough"),
        ("restart as JSON, restart, claim", "claimed"),
    ],
)
def test_states(steps: str, state: str) -> None:
    assert new(*filter(None, steps.split(", "))).state == state


def test_request_in_json_passes_through() -> None:
    request = new(is_binary=False)
    assert request.state == "passthrough"
    assert not request.claim()


@pytest.mark.parametrize("steps", ["", "pass_through", "restart as JSON"])
def test_request_that_nobody_reads_is_untouched(steps: str) -> None:
    assert new(*filter(None, [steps])).is_untouched


@pytest.mark.parametrize("steps", [["claim"], ["read"], ["read", "lose"], ["read", "transcode"]])
def test_request_that_somebody_reads_is_not_untouched(steps: list[str]) -> None:
    assert not new(*steps).is_untouched


def test_document_can_be_had_after_the_text() -> None:
    request = new("read", "transcode")
    assert request.is_text(b'{"a":[1]}')
    assert not request.is_text(b'{"a":[2]}')
    assert request.decode(OPTIONS).document == {"a": [1]}


def test_text_can_be_had_after_the_document() -> None:
    request = new("claim", "read")
    assert request.decode(OPTIONS).document == {"a": [1]}
    assert request.transcode(OPTIONS) == b'{"a":[1]}'
    assert not request.is_text(b'{"a":[1]}')  # nobody received it as text


def test_empty_body_is_no_text() -> None:
    request = new()
    read(request, {"type": "http.request", "body": b""})
    assert request.transcode(OPTIONS) == b""
    assert not request.is_text(b"")


def test_app_that_read_the_text_can_have_the_document_until_the_exchange_ends() -> None:
    array = np.arange(5000.0)
    found = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope[SCOPE_KEY]
        text = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        assert exchange.is_request_text(text)
        found.append(exchange.value())

    assert call(BinaryMiddleware(app), packb([array])).status == 200
    assert np.array_equal(found[0][0], array)

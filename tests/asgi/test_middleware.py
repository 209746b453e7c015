"""The middleware, message by message: what the conformance rules do not ask."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgpack
import numpy as np
import pytest
from starlette.types import Receive, Scope, Send

from binary_middleware import BinaryMiddleware, packb, unpackb
from tests.asgi_app import MSGPACK, Recorder, call

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
ARRAY_AS_JSON = {
    "shape": [2, 3],
    "dtype": "float32",
    "data_b64": "AAAAAAAAgD8AAABAAABAQAAAgEAAAKBA",
}
BY_TYPE = "Accept, Content-Type"
"""Vary where the response could have been as the body was."""


def test_headers_say_json_to_the_app_and_msgpack_to_the_client_and_nothing_else() -> None:
    app = Recorder(json.dumps({"y": ARRAY_AS_JSON, "n": 1}).encode())
    response = call(BinaryMiddleware(app), packb({"x": ARRAY, "b": b"\xff"}))
    assert json.loads(app.body) == {"x": ARRAY_AS_JSON, "b": "/w=="}
    assert app.request_headers == {
        "content-type": "application/json",
        "content-length": str(len(app.body)),
    }
    assert response.headers == {
        "content-type": "application/msgpack",
        "content-length": str(len(response.body)),
        "vary": BY_TYPE,
    }
    document = unpackb(response.body)
    assert document["n"] == 1
    assert document["y"].dtype == np.float32
    assert np.array_equal(document["y"], ARRAY)


@pytest.mark.parametrize(
    ("own", "vary"),
    [
        ("Origin", "Origin, Accept, Content-Type"),
        ("accept", "accept, Content-Type"),
        ("content-type", "content-type, Accept"),
        ("Origin, ACCEPT", "Origin, ACCEPT, Content-Type"),
        ("*", "*"),
    ],
)
@pytest.mark.parametrize("client", [MSGPACK, {}], ids=["binary", "json"])
def test_vary_names_content_type_once(own: str, vary: str, client: dict[str, str]) -> None:
    app = Recorder(b"1", {"content-type": "application/json", "vary": own})
    assert call(BinaryMiddleware(app), packb(1), client).headers["vary"] == vary


# -- rejections -------------------------------------------------------------------------------

GZIP = {"content-encoding": "gzip"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "detail"),
    [
        (b"\xc1", {}, 400, "invalid opcode '\\xc1' (byte 0)"),
        (b"\x92\x01\xc1", {}, 400, "(byte 2)"),
        (b"\x92\x01", {}, 400, "truncated"),
        (b"\x01\x01", {}, 400, "trailing characters (byte 1)"),
        (b"\xd4\x05a", {}, 400, "extension 5 is not known"),
        (b"\x81\xc4\x01a\x01", {}, 400, "a key of a map must be a string"),
        (b"\x81\xa1a\x91\x81\xc4\x01a\x01", {}, 400, "(at $.a[0])"),
        (b"\x82\xa1a\xa1b\xa1c\xa2\xffd", {}, 400, "a string is not UTF-8 (byte 8)"),
        (packb({"x": ARRAY}).replace(b"<f4", b"|O8"), {}, 400, "'|O8' is not allowed (at $.x)"),
        (packb({"x": ARRAY}).replace(b"\x92\x02\x03", b"\x92\x02\x04"), {}, 400, "need 32 bytes"),
        (b"\x91" * 3000 + b"\x01", {}, 413, "nests too deeply"),
        (b"\xc4\xff" + b"a" * 255, {}, 413, "max_body_size (100 bytes)"),
        (packb("a"), {"content-length": "101"}, 413, "max_body_size (100 bytes)"),
        (packb("a"), {"content-encoding": "br"}, 415, "unsupported Content-Encoding 'br'"),
        (packb("a"), {"content-encoding": "gzip, gzip"}, 415, "Content-Encoding 'gzip, gzip'"),
        (packb("a"), GZIP, 400, "cannot be read as gzip: corrupt data"),
        (gzip.compress(b"\xc1", mtime=0), GZIP, 400, "invalid opcode"),
        (gzip.compress(packb(bytes(200)), mtime=0), GZIP, 413, "max_body_size (100 bytes)"),
    ],
)
def test_problem_details_name_the_place_or_the_limit(
    body: bytes, headers: dict[str, str], status: int, detail: str
) -> None:
    app = Recorder()
    limit = 100 if "100 bytes" in detail else 10_000
    response = call(BinaryMiddleware(app, max_body_size=limit), body, {**MSGPACK, **headers})
    assert app.received == []
    assert response.status == status
    problem = msgpack.unpackb(response.body)
    assert detail in problem.pop("detail")
    titles = {400: "Bad Request", 413: "Content Too Large", 415: "Unsupported Media Type"}
    assert problem == {"type": "about:blank", "status": status, "title": titles[status]}


def test_body_of_none_in_a_content_coding_is_no_body() -> None:
    app = Recorder()
    call(BinaryMiddleware(app), b"", {**MSGPACK, **GZIP})
    assert app.body == b""


def test_disconnect_in_a_compressed_body_is_a_disconnect() -> None:
    app = Recorder()
    chunks = [
        {"type": "http.request", "body": gzip.compress(packb("a"))[:-3], "more_body": True},
        {"type": "http.disconnect"},
    ]
    call(BinaryMiddleware(app), chunks, {**MSGPACK, **GZIP})
    assert app.received == [{"type": "http.disconnect"}]


def test_rejection_is_sent_once_to_an_app_that_receives_again_and_fails() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            try:
                await receive()
            except Exception:
                continue
        raise RuntimeError("out of patience")

    response = call(BinaryMiddleware(app), b"\xc1")
    assert response.status == 400
    assert len(response.bodies) == 1


# -- one middleware in another ----------------------------------------------------------------


@pytest.mark.parametrize("body", [packb({"x": ARRAY}), b"\xc1"])
def test_inner_middleware_takes_over_with_limits_of_its_own(body: bytes) -> None:
    app = Recorder(b'{"a": 1}')
    nested = BinaryMiddleware(BinaryMiddleware(app, max_body_size=1000), max_body_size=1)
    once = BinaryMiddleware(Recorder(b'{"a": 1}'))
    assert call(nested, body).messages == call(once, body).messages


def test_inner_middleware_that_is_off_restores_the_headers_of_the_client() -> None:
    app = Recorder(b"[1]")
    response = call(BinaryMiddleware(BinaryMiddleware(app, mode="off")), packb(1))
    assert app.body == packb(1)
    assert app.request_headers == MSGPACK
    assert response.body == b"[1]"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 200),
        ({"arrays": "map"}, 200),
        ({"mode": "off"}, 415),
        ({"max_body_size": 3}, 413),
        ({"max_structure_size": 3}, 413),
    ],
)
def test_inner_middleware_rejects_a_body_that_was_read_before(
    options: dict[str, Any], status: int
) -> None:
    """It can no longer take over, but its options hold."""
    app = Recorder(b"[1]")

    async def reads_first(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()

        async def again() -> Any:
            return message

        await BinaryMiddleware(app, **options)(scope, again, send)

    response = call(BinaryMiddleware(reads_first), packb({"a": 1}))
    assert response.status == status
    assert app.body == (b'{"a":1}' if status == 200 else b"")
    assert unpackb(response.body) == [1] if status == 200 else app.scope is None


def test_rejected_body_is_not_left_to_an_inner_middleware() -> None:
    """The app catches the rejection, and goes on to a middleware that would accept the body."""
    app = Recorder(b"[1]", reads=False)

    async def catches(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(ValueError, match="trailing characters"):
            await receive()
        await BinaryMiddleware(app)(scope, receive, send)

    assert call(BinaryMiddleware(catches), b"\x01\x01").status == 400


def test_body_that_no_header_announced_is_rejected_under_require() -> None:
    app = Recorder()
    response = call(BinaryMiddleware(app, mode="require"), b"{}", {}, http_version="1.1")
    assert response.status == 415
    assert not app.received


def test_malformed_content_length_is_not_that_of_the_text() -> None:
    app = Recorder()
    call(BinaryMiddleware(app), packb([1]), {**MSGPACK, "content-length": "-1"})
    assert app.request_headers["content-length"] == str(len(app.body))

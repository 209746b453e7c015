"""Any headers and bodies through ``BinaryMiddleware``: always one response that is whole.

An input is a byte for the options and the method, a byte for the size of the chunks, the values of
``HEADERS`` in lines, and the body. An empty line is a header that is not there.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
from starlette.types import Receive, Scope, Send

from binary_middleware import BinaryMiddleware
from binary_middleware._http.media_types import is_binary, parse_accept, parse_media_type
from binary_middleware.errors import LimitExceeded
from binary_middleware.formats import FORMAT
from binary_middleware.formats.msgpack import packb, unpackb
from tests.asgi_app import Received, exchange, http_scope

MEDIA_TYPES = (*FORMAT.media_types, FORMAT.suffix)

HEADERS = (
    b"content-type",
    b"accept",
    b"content-encoding",
    b"content-length",
    b"if-none-match",
    b"content-type",  # once more, as some clients send it
)
METHODS = ("POST", "PUT", "GET", "HEAD")
ETAG = b'"v1"'
STATUSES = frozenset({200, 304, 400, 406, 413, 415})
REFUSALS = frozenset({400, 406, 413, 415})

TOKENS = (
    b"application/msgpack",
    b"application/problem+msgpack",
    b"application/json",
    b"; arrays=map",
    b"*/*;q=0.1",
    b"gzip",
    b"deflate",
    b"identity",
    ETAG,
    b'"v1--msgpack"',
    b'W/"v1"',
    b"\xc4\x02nd\xc3",
    b"\xa5shape",
    b"\xa5dtype",
    b"\xa4data",
    b"\xa8data_b64",
    b'"data_b64":"AAAAAA=="',
    b"NaN",
    b"\\ud800",
)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Responses the JSON that it is sent, in two pieces; 400 if that is not JSON."""
    scope["state"]["ran"] = True
    headers = dict(scope["headers"])
    text, more_body = b"", True
    while more_body:
        message = await receive()
        text += message["body"]
        more_body = message["more_body"]
    status = 200
    if headers.get(b"if-none-match") == ETAG:
        status, text = 304, b""
    else:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            # What the middleware makes of msgpack is JSON, unless there was nothing.
            assert not text or "was msgpack" not in scope["state"], text
            status, text = 400, b"null"
    fields = [(b"content-type", b"application/json"), (b"etag", ETAG)]
    if status != 304:
        fields.append((b"content-length", str(len(text)).encode()))
    if scope["method"] == "HEAD":
        text = b""
    await send({"type": "http.response.start", "status": status, "headers": fields})
    half = len(text) // 2
    await send({"type": "http.response.body", "body": text[:half], "more_body": True})
    await send({"type": "http.response.body", "body": text[half:], "more_body": False})


LIMITS: dict[str, Any] = {"max_body_size": 64 * 1024, "max_structure_size": 8 * 1024}
APPS = (
    BinaryMiddleware(echo, keep_memory=False),
    BinaryMiddleware(echo, keep_memory=False, mode="require", **LIMITS),
    BinaryMiddleware(echo, keep_memory=False, arrays="map", server_timing=True, **LIMITS),
    BinaryMiddleware(echo, keep_memory=False, max_response_size=100, on_exchange=repr),
)


def _seed(body: bytes, *values: bytes, options: int = 0, chunk: int = 255) -> bytes:
    lines = [*values, *[b""] * (len(HEADERS) - len(values))]
    return bytes((options, chunk)) + b"\n".join([*lines, body])


def seeds() -> list[bytes]:
    msgpack, array = b"application/msgpack", {"x": np.arange(3, dtype="<f4"), "y": b"\x00"}
    body, wide = packb(array), packb({"x": np.arange(700.0)})
    text = b'{"x": {"shape": [1], "dtype": "float32", "data_b64": "AAAAAA=="}, "y": [NaN, 1e5]}'
    return [
        *(_seed(body, msgpack, options=options, chunk=7) for options in range(16)),
        _seed(packb(array, arrays="map"), msgpack, b"application/msgpack; arrays=map"),
        _seed(body, msgpack, b"application/json", b"", str(len(body)).encode()),
        _seed(wide, msgpack, b"*/*", b"", str(len(wide)).encode(), chunk=9),
        _seed(gzip.compress(wide, mtime=0), msgpack, b"", b"gzip", chunk=5),
        _seed(zlib.compress(body), msgpack, b"", b"deflate"),
        _seed(body, msgpack, b"", b"br"),
        _seed(text, b"application/json", msgpack, options=1),
        _seed(text, b"application/json", b"application/x-msgpack;q=0.5, application/json"),
        _seed(b"", b"", msgpack, b"", b"", b'W/"a", "v1--msgpack"', options=8),
        _seed(b"", b"", b"", b"", b"", ETAG, options=8),
        _seed(b"\xc1", msgpack, b"", b"", b"99999999999"),
        _seed(b"", msgpack),
        # A type that a shared cache must not hand on, and one that is no type.
        *(_seed(b"", msgpack, accept, options=8) for accept in (b"*/*", b"", b"application/*")),
        *(_seed(body, msgpack, b"*/*", options=options) for options in (0, 8, 12)),
        *(_seed(text, b"application/json" + end, options=1) for end in ENDS),
        *(
            _seed(body, first, b"", b"", b"", b"", second, options=options)
            for first in (msgpack, b"application/json")
            for second in (msgpack, b"application/json")
            for options in (0, 1)
        ),
    ]


ENDS = (b"", b"; charset", b"; =", b"; a=" + b"b" * 9000, b', a/b; "', b"+msgpack;q")


RUNNER = asyncio.Runner()


def check(data: bytes) -> None:
    if len(data) < 2:
        return
    options, size = data[0], data[1] or 1
    *values, body = data[2:].split(b"\n", len(HEADERS))
    headers = [(name, value) for name, value in zip(HEADERS, values, strict=False) if value]
    types = [value for name, value in headers if name == b"content-type"]
    content_type = parse_media_type(b"".join(types[:1]).decode("latin-1"))
    was_msgpack = content_type is not None and is_binary(content_type.essence, MEDIA_TYPES)
    scope = http_scope(METHODS[options // 4 % 4])
    scope["headers"] = headers
    scope["state"] = {"was msgpack": True} if was_msgpack else {}
    # The unit is a 255th of the body, so that a long one does not come in thousands of chunks.
    step = max(1, len(body) * size // 255)
    chunks = [body[start : start + step] for start in range(0, len(body), step)] or [b""]
    response = RUNNER.run(exchange(APPS[options % 4], scope, chunks))
    is_required = options % 4 == 1
    ran = "ran" in scope["state"]
    if len(types) > 1:
        assert response.status == 400
        assert not ran
    elif is_required and body and not was_msgpack:
        assert response.status in REFUSALS, response.status
        length = dict(headers).get(b"content-length")
        is_announced = bool(types) if length is None else length.strip(b" 0") != b""
        assert not (ran and is_announced)  # what nobody announced is refused as it arrives
    _check_response(response, scope["method"])
    if not is_required and response.status < 400:
        _check_mirroring(response, scope["method"], dict(headers).get(b"accept", b""))


def _check_mirroring(response: Received, method: str, accept: bytes) -> None:
    """Check that a mirrored media type is named in Vary."""
    ranges = parse_accept([accept.decode("latin-1")])
    if any(is_binary(each.media_type.essence, MEDIA_TYPES) for each in ranges):
        return
    if "msgpack" in response.headers.get("content-type", ""):
        assert "content-type" in response.headers["vary"].lower()
        assert method not in ("GET", "HEAD")


def _check_response(response: Received, method: str) -> None:
    assert response.messages[0] is response.start  # and there is no other
    assert response.status in STATUSES, response.status
    assert [message.get("more_body", False) for message in response.bodies] == [
        *[True] * (len(response.bodies) - 1),
        False,
    ]
    headers = response.headers
    assert "accept" in headers["vary"].lower()
    if response.status == 304:
        assert not response.body
        return
    if method == "HEAD" and not response.body:
        return
    assert int(headers["content-length"]) == len(response.body)
    media_type = parse_media_type(headers["content-type"])
    assert media_type is not None
    if media_type.is_json:
        json.loads(response.body)
        return
    assert is_binary(media_type.essence, MEDIA_TYPES)
    with suppress(LimitExceeded):  # JSON may be nested more deeply than we read
        unpackb(response.body)

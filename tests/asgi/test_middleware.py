"""The JSON lane: any ASGI app, wrapped, driven message by message."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import anyio
import anyio.lowlevel
import msgpack
import numpy as np
import pytest
from starlette.types import Message, Receive, Scope, Send

from binary_middleware import BinaryMiddleware, RouteRule, packb, unpackb
from tests.asgi_app import MSGPACK, Answer, Recorder, call, exchange, http_scope

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
ARRAY_AS_JSON = {
    "shape": [2, 3],
    "dtype": "float32",
    "data_b64": "AAAAAAAAgD8AAABAAABAQAAAgEAAAKBA",
}


ACCEPT = {"accept": MSGPACK["content-type"]}
BY_TYPE = "Accept, Content-Type"
"""Vary where the answer could have been as the body was."""


def test_msgpack_reaches_the_app_as_json_and_json_leaves_as_msgpack() -> None:
    app = Recorder(json.dumps({"y": ARRAY_AS_JSON, "n": 1}).encode())
    answer = call(BinaryMiddleware(app), packb({"x": ARRAY, "b": b"\xff"}))
    assert json.loads(app.body) == {"x": ARRAY_AS_JSON, "b": "/w=="}
    assert app.request_headers == {
        "content-type": "application/json",
        "content-length": str(len(app.body)),
    }
    assert answer.status == 200
    assert answer.headers == {
        "content-type": "application/msgpack",
        "content-length": str(len(answer.body)),
        "vary": BY_TYPE,
    }
    value = unpackb(answer.body)
    assert value["n"] == 1
    assert value["y"].dtype == np.float32
    assert np.array_equal(value["y"], ARRAY)


def test_client_headers_and_scope_are_not_changed_for_the_server() -> None:
    scope = http_scope(headers={**MSGPACK, "accept": "application/msgpack", "x-a": "b"})
    before = {**scope, "headers": list(scope["headers"])}
    app = Recorder()
    anyio.run(exchange, BinaryMiddleware(app), scope, packb(1))
    assert scope == before
    assert app.request_headers["accept"] == "application/json"
    assert app.request_headers["x-a"] == "b"


def test_what_the_router_found_out_is_there_for_middleware_around_us() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope.update(route="the route", endpoint="the endpoint", path_params={"a": 1}, other=1)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    scope = http_scope(headers=MSGPACK)
    anyio.run(exchange, BinaryMiddleware(app), scope, packb(1))
    assert (scope["route"], scope["endpoint"]) == ("the route", "the endpoint")
    assert scope["path_params"] == {"a": 1}
    assert "other" not in scope


@pytest.mark.parametrize(
    ("request_headers", "content_type"),
    [
        (MSGPACK, "application/msgpack"),
        ({**MSGPACK, "accept": "*/*"}, "application/msgpack"),
        ({"content-type": "application/vnd.msgpack"}, "application/vnd.msgpack"),
        ({"content-type": "application/x-msgpack", "accept": "*/*"}, "application/x-msgpack"),
        ({"content-type": "Application/MsgPack; v=1"}, "application/msgpack"),
        ({"content-type": "application/acme+msgpack"}, "application/acme+msgpack"),
        ({**MSGPACK, "accept": "application/json"}, "application/json"),
        ({**MSGPACK, "accept": "application/x-msgpack"}, "application/x-msgpack"),
        ({**MSGPACK, "accept": "text/html"}, "application/msgpack"),
    ],
)
def test_spelling_of_the_answer(request_headers: dict[str, str], content_type: str) -> None:
    answer = call(BinaryMiddleware(Recorder(b"[1]")), packb(1), request_headers)
    assert answer.headers["content-type"] == content_type
    assert answer.body == (b"[1]" if content_type == "application/json" else b"\x91\x01")


def test_get_with_accept_is_answered_in_msgpack() -> None:
    app = Recorder(b'{"a": 1}')
    answer = call(BinaryMiddleware(app), b"", {"accept": "application/msgpack"}, method="GET")
    assert answer.body == packb({"a": 1})
    assert app.request_headers == {"accept": "application/json"}


@pytest.mark.parametrize(
    "request_headers",
    [
        {},
        {"content-type": "application/json"},
        {"content-type": "application/json", "accept": "*/*"},
        {"content-type": "application/octet-stream"},
        {"content-type": "multipart/form-data; boundary=x", "accept": "text/html"},
        {"content-type": "text/plain", "accept": "application/json, application/msgpack;q=0.5"},
        {"content-type": "not a media type"},
    ],
)
def test_other_requests_are_left_alone_byte_for_byte(request_headers: dict[str, str]) -> None:
    chunks = [b'{"a"', b": ", b"1}"]
    plain, wrapped = Recorder([b"[1,", b" 2]"]), Recorder([b"[1,", b" 2]"])
    before = call(plain, chunks, request_headers)
    after = call(BinaryMiddleware(wrapped), chunks, request_headers)
    assert wrapped.received == plain.received
    assert wrapped.scope["headers"] == plain.scope["headers"]
    named = "application/json" in request_headers.get("accept", "")
    vary = "Accept" if named else BY_TYPE
    assert after.headers == {**before.headers, "vary": vary}
    assert after.bodies == before.bodies


@pytest.mark.parametrize(
    ("headers", "vary"),
    [
        ({}, BY_TYPE),
        ({"vary": "Origin"}, "Origin, Accept, Content-Type"),
        ({"vary": "accept"}, "accept, Content-Type"),
        ({"vary": "content-type"}, "content-type, Accept"),
        ({"vary": "Origin, ACCEPT"}, "Origin, ACCEPT, Content-Type"),
        ({"vary": "*"}, "*"),
        ({"vary": "Accept-Encoding"}, "Accept-Encoding, Accept, Content-Type"),
    ],
)
@pytest.mark.parametrize("client", [MSGPACK, {}], ids=["binary", "json"])
def test_vary_is_merged(headers: dict[str, str], vary: str, client: dict[str, str]) -> None:
    app = Recorder(b"1", {"content-type": "application/json", **headers})
    assert call(BinaryMiddleware(app), packb(1), client).headers["vary"] == vary


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {"content-type": "image/png"}, b"\x89PNG"),
        (200, {}, b"no type"),
        (200, {"content-type": "application/jsonl"}, b"{}\n{}\n"),
        (200, {"content-type": "text/event-stream"}, b"data: 1\n\n"),
        (206, {"content-type": "application/json", "content-range": "bytes 0-1/9"}, b"[1"),
        (200, {"content-type": "application/json", "content-encoding": "br"}, b"\x00"),
        (200, {"content-type": "application/json", "cache-control": "no-transform"}, b"[1]"),
        (200, {"content-type": "application/json; charset=latin-1"}, b'"\xe4"'),
        (204, {}, b""),
        (304, {"etag": 'W/"a"'}, b""),
        (200, {"content-type": "application/json"}, b""),
        (200, {"content-type": "application/json"}, b"not json"),
        (200, {"content-type": "application/json"}, str(2**64).encode()),
        (200, {"content-type": "application/json"}, b'["\\ud800"]'),
        (302, {"location": "/"}, b""),
    ],
)
def test_other_answers_are_left_alone_but_for_vary(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    answer = call(BinaryMiddleware(Recorder(body, headers, status=status)), packb(1))
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers == {**headers, "vary": BY_TYPE}


@pytest.mark.parametrize("status", [200, 201, 400, 404, 422, 500])
def test_every_json_answer_is_converted_whatever_its_status(status: int) -> None:
    answer = call(BinaryMiddleware(Recorder(b'{"a": 1}', status=status)), packb(1))
    assert answer.status == status
    assert unpackb(answer.body) == {"a": 1}


def test_structured_suffix_is_kept() -> None:
    app = Recorder(b"{}", {"content-type": "application/problem+json"}, status=409)
    headers = call(BinaryMiddleware(app), packb(1)).headers
    assert headers["content-type"] == "application/problem+msgpack"


def test_headers_that_describe_the_json_go() -> None:
    own = {
        "content-type": "application/json; charset=UTF-8",
        "content-length": "9",
        "content-digest": "sha-256=:x:",
        "content-md5": "x",
        "x-kept": "1",
    }
    answer = call(BinaryMiddleware(Recorder(b'{"a": 1 }', own)), packb(1))
    assert answer.headers == {
        "content-type": "application/msgpack",
        "content-length": "4",
        "x-kept": "1",
        "vary": BY_TYPE,
    }


def test_header_names_in_any_case() -> None:
    own = {"Content-Type": "application/json", "Vary": "Origin", "Content-Length": "3"}
    answer = call(BinaryMiddleware(Recorder(b"[1]", own)), packb(1))
    assert answer.headers == {
        "content-type": "application/msgpack",
        "vary": "Origin, Accept, Content-Type",
        "content-length": "2",
    }


def test_arrays_parameter_is_honoured_and_echoed() -> None:
    app = Recorder(json.dumps(ARRAY_AS_JSON).encode())
    headers = {"accept": "application/msgpack; arrays=map"}
    answer = call(BinaryMiddleware(app), b"", headers, method="GET")
    assert answer.headers["content-type"] == "application/msgpack; arrays=map"
    assert msgpack.unpackb(answer.body) == {
        "shape": [2, 3],
        "dtype": "float32",
        "data": ARRAY.tobytes(),
    }
    headers = {"accept": "application/msgpack; arrays=unknown"}
    answer = call(BinaryMiddleware(app), b"", headers, method="GET")
    assert answer.headers["content-type"] == "application/msgpack"
    assert np.array_equal(unpackb(answer.body), ARRAY)


def test_media_types_option_replaces_the_list() -> None:
    app = BinaryMiddleware(Recorder(b"[1]"), media_types=["application/octet-stream"])
    answer = call(app, packb(1), {"content-type": "application/octet-stream"})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert call(app, packb(1), MSGPACK).headers["content-type"] == "application/json"


def test_empty_body_is_no_body_but_still_a_binary_client() -> None:
    app = Recorder(b"[1]")
    answer = call(BinaryMiddleware(app), b"")
    assert app.received == [{"type": "http.request", "body": b"", "more_body": False}]
    assert app.request_headers["content-length"] == "0"
    assert answer.headers["content-type"] == "application/msgpack"


def test_body_in_chunks_and_without_length() -> None:
    app = Recorder()
    packed = packb({"x": np.arange(50000)})
    chunks = [packed[start : start + 1000] for start in range(0, len(packed), 1000)]
    call(BinaryMiddleware(app), chunks)
    call(BinaryMiddleware(app), chunks, {**MSGPACK, "content-length": str(len(packed))})
    first, second = app.received
    assert first == second
    assert json.loads(first["body"])["x"]["shape"] == [50000]


# -- refusals ---------------------------------------------------------------------------------


class Unreached:
    """An app of which nothing may run past its first ``receive``."""

    def __init__(self) -> None:
        self.ran = False
        self.read_a_body = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.ran = True
        await receive()
        self.read_a_body = True


@pytest.mark.parametrize(
    ("body", "headers", "status", "detail"),
    [
        (b"\xc1", {}, 400, "invalid opcode '\\xc1' (byte 0)"),
        (b"\x92\x01\xc1", {}, 400, "(byte 2)"),
        (b"\x92\x01", {}, 400, "truncated"),
        (b"\x01\x01", {}, 400, "trailing characters (byte 1)"),
        (b"\xd4\x05a", {}, 400, "extension 5 is not known"),
        (b"\x81\xc4\x01a\x01", {}, 400, "a key of a map must be a string"),
        (b"\x81\xa1a\x91\x81\xc4\x01a\x01", {}, 400, "(in a[0])"),
        (b"\x82\xa1a\xa1b\xa1c\xa2\xffd", {}, 400, "a string is not UTF-8 (byte 8)"),
        (packb({"x": ARRAY}).replace(b"<f4", b"|O8"), {}, 400, "dtype '|O8' is not allowed (in x)"),
        (packb({"x": ARRAY}).replace(b"\x92\x02\x03", b"\x92\x02\x04"), {}, 400, "need 32 bytes"),
        (b"\x91" * 3000 + b"\x01", {}, 413, "nests too deeply"),
        (b"\xc4\xff" + b"a" * 255, {}, 413, "max_body_size (100 bytes)"),
        (packb("a"), {"content-length": "101"}, 413, "max_body_size (100 bytes)"),
        (packb("a"), {"content-encoding": "br"}, 415, "unsupported Content-Encoding 'br'"),
        (packb("a"), {"content-encoding": "gzip, gzip"}, 415, "unsupported Content-Encoding 'gzip, gzip'"),
        (packb("a"), {"content-encoding": "gzip"}, 400, "cannot be read as gzip: corrupt data"),
        (gzip.compress(b"\xc1", mtime=0), {"content-encoding": "gzip"}, 400, "invalid opcode"),
        (
            gzip.compress(packb(bytes(200)), mtime=0),
            {"content-encoding": "gzip"},
            413,
            "max_body_size (100 bytes)",
        ),
    ],
)
@pytest.mark.parametrize("accept", [None, "application/json", "application/x-msgpack"])
def test_bad_bodies_are_refused_in_the_clients_own_format(
    body: bytes, headers: dict[str, str], status: int, detail: str, accept: str | None
) -> None:
    app = Unreached()
    limit = 100 if "100 bytes" in detail else 10_000
    middleware = BinaryMiddleware(app, max_body_size=limit)
    if accept is not None:
        headers = {**headers, "accept": accept}
    answer = call(middleware, body, {**MSGPACK, **headers})
    assert not app.read_a_body
    assert answer.status == status
    assert answer.headers["vary"] == (BY_TYPE if accept is None else "Accept")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-length"] == str(len(answer.body))
    if accept == "application/json":
        assert answer.headers["content-type"] == "application/problem+json"
        problem = json.loads(answer.body)
    else:
        assert answer.headers["content-type"] == "application/problem+msgpack"
        problem = msgpack.unpackb(answer.body)
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert (
        problem["title"]
        == {
            400: "Bad Request",
            413: "Content Too Large",
            415: "Unsupported Media Type",
        }[status]
    )
    assert detail in problem["detail"]


@pytest.mark.parametrize("headers", [{"content-length": "101"}, {"content-encoding": "br"}])
def test_what_headers_tell_is_refused_before_the_app_runs(headers: dict[str, str]) -> None:
    app = Unreached()
    answer = call(BinaryMiddleware(app, max_body_size=100), b"", {**MSGPACK, **headers})
    assert answer.status in (413, 415)
    assert not app.ran


def test_refused_coding_names_what_is_taken() -> None:
    answer = call(BinaryMiddleware(Unreached()), b"", {**MSGPACK, "content-encoding": "br"})
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("X-GZIP", gzip.compress), ("deflate", zlib.compress)],
)
def test_coded_bodies_are_decoded(coding: str, compress: Any) -> None:
    document = {"x": ARRAY, "long": "ab" * 3_000_000}
    data = compress(packb(document))
    headers = {**MSGPACK, "content-encoding": coding, "content-length": str(len(data))}
    app = Recorder()
    call(BinaryMiddleware(app), [data[:1000], b"", data[1000:]], headers)
    assert json.loads(app.body)["long"] == document["long"]
    assert "content-encoding" not in app.request_headers
    assert app.request_headers["content-length"] == str(len(app.body))


def test_an_empty_coded_body_is_no_body() -> None:
    app = Recorder()
    call(BinaryMiddleware(app), b"", {**MSGPACK, "content-encoding": "gzip"})
    assert app.body == b""


def test_disconnect_in_a_coded_body() -> None:
    app = Recorder()
    chunks = [
        {"type": "http.request", "body": gzip.compress(packb("a"))[:-3], "more_body": True},
        {"type": "http.disconnect"},
    ]
    call(BinaryMiddleware(app), chunks, {**MSGPACK, "content-encoding": "gzip"})
    assert app.received == [{"type": "http.disconnect"}]


def test_coded_json_is_none_of_ours() -> None:
    app = Recorder()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    data = gzip.compress(b'{"a": 1}')
    call(BinaryMiddleware(app), data, {**headers, "accept": "application/msgpack"})
    assert app.body == data
    assert app.request_headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_compressed_json_is_converted(coding: str, compress: Any) -> None:
    own = {
        "content-type": "application/json",
        "content-encoding": coding,
        "vary": "Accept-Encoding",
    }
    data = compress(b'{"a": [1, 2]}')
    answer = call(BinaryMiddleware(Recorder([data[:5], data[5:]], own)), packb(1))
    assert answer.headers == {
        "content-type": "application/msgpack",
        "content-length": str(len(answer.body)),
        "vary": "Accept-Encoding, Accept, Content-Type",
    }
    assert msgpack.unpackb(answer.body) == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("br", b"whatever"),
        ("zstd", b"whatever"),
        ("gzip, deflate", b"whatever"),
        ("gzip", b"corrupt"),
        ("gzip", gzip.compress(b"[1]", mtime=0)[:-1]),
        ("gzip", gzip.compress(b"no JSON", mtime=0)),
        ("gzip", gzip.compress(b'"' + b"a" * 5000 + b'"', mtime=0)),
    ],
)
def test_compressed_answers_that_stay_as_they_are(coding: str, data: bytes) -> None:
    own = {"content-type": "application/json", "content-encoding": coding, "etag": '"x"'}
    answer = call(BinaryMiddleware(Recorder(data, own), max_response_size=5000), packb(1))
    assert answer.headers == {**own, "vary": BY_TYPE}
    assert answer.body == data


# -- entity tags ------------------------------------------------------------------------------


JSON_WITH_TAG = {"content-type": "application/json", "etag": '"v1"', "accept-ranges": "bytes"}


def test_converted_answer_has_a_tag_of_its_own() -> None:
    answer = call(BinaryMiddleware(Recorder(b"[1]", JSON_WITH_TAG)), packb(1))
    assert answer.headers["etag"] == '"v1--msgpack"'
    assert "accept-ranges" not in answer.headers
    headers = {"accept": "application/msgpack; arrays=map"}
    answer = call(BinaryMiddleware(Recorder(b"[1]", JSON_WITH_TAG)), b"", headers, method="GET")
    assert answer.headers["etag"] == '"v1--msgpack-map"'


def test_json_and_what_stays_json_keep_their_tag() -> None:
    answer = call(BinaryMiddleware(Recorder(b"[1]", JSON_WITH_TAG)), b"", {}, method="GET")
    assert answer.headers["etag"] == '"v1"'
    too_large = Recorder(b"[%d]" % 2**70, JSON_WITH_TAG)
    assert call(BinaryMiddleware(too_large), packb(1)).headers["etag"] == '"v1"'
    text = Recorder(b"a", {"content-type": "text/plain", "etag": '"v1"'})
    assert call(BinaryMiddleware(text), packb(1)).headers["etag"] == '"v1"'


def test_not_modified_names_the_msgpack() -> None:
    app = Recorder(b"", {"etag": '"v1"'}, status=304)
    headers = {"accept": "application/msgpack", "if-none-match": '"v1--msgpack"'}
    answer = call(BinaryMiddleware(app), b"", headers, method="GET")
    assert app.request_headers["if-none-match"] == '"v1"'
    assert answer.status == 304
    assert answer.headers == {"etag": '"v1--msgpack"', "vary": "Accept"}


@pytest.mark.parametrize(
    ("method", "headers", "seen"),
    [
        ("GET", {"if-none-match": '"v1"', **ACCEPT}, '"v1--msgpack"'),
        ("HEAD", {"if-none-match": '"v1"', **ACCEPT}, '"v1--msgpack"'),
        ("GET", {"if-none-match": '"v1"', **MSGPACK}, '"v1"'),
        ("PUT", {"if-none-match": '"v1"', **MSGPACK}, '"v1"'),
        ("PUT", {"if-none-match": '"v1--msgpack"', **MSGPACK}, '"v1"'),
        ("PUT", {"if-match": '"v1--msgpack", "v2"', **MSGPACK}, '"v1", "v2"'),
        ("PUT", {"if-match": '"v1--msgpack"', "content-type": "application/json"}, '"v1"'),
        ("GET", {"if-none-match": '"v1--msgpack"'}, '"v1--msgpack"'),
    ],
)
def test_conditions(method: str, headers: dict[str, str], seen: str) -> None:
    app = Recorder()
    call(BinaryMiddleware(app), b"", headers, method=method)
    (name,) = (name for name in headers if name.startswith("if-"))
    assert app.request_headers[name] == seen


def test_limits_do_not_touch_json() -> None:
    app = Recorder()
    body = json.dumps("a" * 500).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    middleware = BinaryMiddleware(app, max_body_size=1, max_structure_size=1)
    assert call(middleware, body, headers).status == 200
    assert app.body == body


async def answers_errors_itself(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await receive()
        status = 200
    except Exception:
        status = 500
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"mine"})


async def asks_again(scope: Scope, receive: Receive, send: Send) -> None:
    for _ in range(3):
        try:
            await receive()
        except Exception:
            continue
    raise RuntimeError("out of patience")


@pytest.mark.parametrize("app", [answers_errors_itself, asks_again])
def test_whatever_the_app_makes_of_a_refusal_is_dropped(app: Any) -> None:
    answer = call(BinaryMiddleware(app), b"\xc1")
    assert answer.status == 400
    assert len(answer.bodies) == 1


def test_other_exceptions_of_the_app_pass() -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("app")

    with pytest.raises(KeyError, match="app"):
        call(BinaryMiddleware(fails), packb(1))


# -- modes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "content_type"),
    [
        (MSGPACK, 200, "application/msgpack"),
        ({**MSGPACK, "accept": "*/*"}, 200, "application/msgpack"),
        ({**MSGPACK, "accept": "application/x-msgpack"}, 200, "application/x-msgpack"),
        ({"content-type": "text/plain"}, 415, "application/problem+json"),
        ({**MSGPACK, "accept": "application/json"}, 406, "application/problem+json"),
        ({"accept": "text/html"}, 406, "application/problem+json"),
        ({"content-type": "application/json"}, 415, "application/problem+json"),
        ({"content-type": "application/merge-patch+json"}, 415, "application/problem+json"),
        (
            {"content-type": "application/json", "accept": "application/msgpack"},
            415,
            "application/problem+msgpack",
        ),
    ],
)
def test_require(headers: dict[str, str], status: int, content_type: str) -> None:
    app = Recorder(b"[1]")
    answer = call(BinaryMiddleware(app, mode="require"), packb(1), headers)
    assert answer.status == status
    assert answer.headers["content-type"] == content_type
    assert (app.scope is None) is (status != 200)
    if status == 415:
        assert answer.headers["accept"].startswith("application/msgpack, ")


def test_off_is_as_if_there_were_no_middleware() -> None:
    plain, wrapped = Recorder(b"[1]"), Recorder(b"[1]")
    headers = {**MSGPACK, "accept": "application/msgpack"}
    before = call(plain, b"\xc1", headers)
    after = call(BinaryMiddleware(wrapped, mode="off"), b"\xc1", headers)
    assert after == before
    assert wrapped.received == plain.received


def test_rules_give_routes_their_own_options() -> None:
    rules = [
        RouteRule("/off/{rest:path}", mode="off"),
        RouteRule("/small", max_body_size=1),
        RouteRule("/{rest:path}", arrays="map"),
    ]
    app = BinaryMiddleware(Recorder(b"[1]"), rules=rules)
    assert call(app, packb("a"), path="/other").body == b"\x91\x01"
    assert call(app, packb("a"), path="/off/a/b").body == b"[1]"
    assert call(app, packb("a"), path="/small").status == 413


# -- other scopes, other middleware, other messages ---------------------------------------------


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_other_scopes_are_not_touched(kind: str) -> None:
    seen: list[Any] = []

    async def app(*args: Any) -> None:
        seen.extend(args)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    scope = {"type": kind}
    anyio.run(BinaryMiddleware(app), scope, receive, send)
    assert seen == [scope, receive, send]
    assert scope == {"type": kind}


@pytest.mark.parametrize("body", [packb({"x": ARRAY}), b"\xc1"])
def test_a_middleware_further_in_takes_over(body: bytes) -> None:
    app = Recorder(b'{"a": 1}')
    nested = BinaryMiddleware(BinaryMiddleware(app, max_body_size=1000), max_body_size=1)
    once = BinaryMiddleware(Recorder(b'{"a": 1}'))
    headers = {**MSGPACK, "content-length": str(len(body))}
    assert call(nested, body, headers).messages == call(once, body, headers).messages


def test_inner_middleware_can_be_off() -> None:
    app = Recorder(b"[1]")
    answer = call(BinaryMiddleware(BinaryMiddleware(app, mode="off")), packb(1))
    assert app.body == packb(1)
    assert app.request_headers == MSGPACK
    assert answer.body == b"[1]"


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
def test_options_of_an_inner_middleware_hold_once_the_body_was_read(
    options: dict[str, Any], status: int
) -> None:
    """It can no longer take the request over, but what it refuses is refused."""
    app = Recorder(b"[1]")

    async def reads_first(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()

        async def again() -> Message:
            return message

        await BinaryMiddleware(app, **options)(scope, again, send)

    answer = call(BinaryMiddleware(reads_first), packb({"a": 1}))
    assert answer.status == status
    assert app.body == (b'{"a":1}' if status == 200 else b"")
    assert unpackb(answer.body) == [1] if status == 200 else app.scope is None


def test_disconnect_in_mid_body_is_delivered_as_such() -> None:
    app = Recorder()
    call(BinaryMiddleware(app), [b"\x93", {"type": "http.disconnect"}])
    assert app.received == [{"type": "http.disconnect"}]


def test_disconnect_after_the_body_reaches_the_app() -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive()])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    call(BinaryMiddleware(app), packb(1))
    assert [message["type"] for message in seen] == ["http.request", "http.disconnect"]


def send_all(*messages: Message) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)

    return app


JSON_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json")],
}


def test_unknown_messages_are_forwarded() -> None:
    app = send_all(
        {"type": "http.response.debug", "info": {}},
        {"type": "http.response.early_hint", "links": []},
        {**JSON_START, "trailers": True},
        {"type": "http.response.body", "body": b"[1]"},
        {"type": "http.response.trailers", "headers": [(b"a", b"b")]},
    )
    answer = call(BinaryMiddleware(app), packb(1))
    assert [message["type"].rpartition(".")[2] for message in answer.messages] == [
        "debug",
        "early_hint",
        "start",
        "body",
        "trailers",
    ]
    assert answer.body == b"\x91\x01"
    assert answer.start["trailers"] is True


def test_pathsend_releases_the_start_as_it_was() -> None:
    app = send_all(JSON_START, {"type": "http.response.pathsend", "path": "/x.json"})
    answer = call(BinaryMiddleware(app), packb(1))
    assert answer.headers == {"content-type": "application/json", "vary": BY_TYPE}
    assert answer.messages[-1] == {"type": "http.response.pathsend", "path": "/x.json"}


def test_messages_may_leave_out_what_is_empty() -> None:
    app = send_all({"type": "http.response.start", "status": 200}, {"type": "http.response.body"})
    answer = call(BinaryMiddleware(app), packb(1))
    assert answer.headers == {"vary": BY_TYPE}
    assert answer.bodies == [{"type": "http.response.body"}]


def streamed(*chunks: bytes) -> Any:
    bodies = [
        {"type": "http.response.body", "body": chunk, "more_body": index + 1 < len(chunks)}
        for index, chunk in enumerate(chunks)
    ]
    return send_all(JSON_START, *bodies)


def test_streamed_json_is_collected_up_to_the_cap() -> None:
    chunks = [b"[", b"1,", b"", b"2", b"]"]
    answer = call(BinaryMiddleware(streamed(*chunks), max_response_size=5), packb(1))
    assert unpackb(answer.body) == [1, 2]


def test_streamed_json_passes_beyond_the_cap() -> None:
    chunks = [b"[", b"1,", b"", b"2", b"]"]
    answer = call(BinaryMiddleware(streamed(*chunks), max_response_size=3), packb(1))
    assert answer.headers == {"content-type": "application/json", "vary": BY_TYPE}
    assert [message["body"] for message in answer.bodies] == [b"[1,2", b"]"]
    assert [message["more_body"] for message in answer.bodies] == [True, False]


def test_event_stream_is_not_held_back() -> None:
    order: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for index in range(2):
            order.append(f"made {index}")
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await send({"type": "http.response.body"})

    async def run() -> None:
        async def send(message: Message) -> None:
            order.append(message["type"].rpartition(".")[2])

        async def receive() -> Message:
            return {"type": "http.request"}

        await BinaryMiddleware(app)(http_scope(headers=MSGPACK), receive, send)

    anyio.run(run)
    assert order == ["start", "made 0", "body", "made 1", "body", "body"]


@pytest.mark.parametrize("body", [b"[1]", b""], ids=["body sent", "no body sent"])
def test_head_carries_the_content_type_of_get(body: bytes) -> None:
    app = Recorder(body, {"content-type": "application/json", "content-length": "3"})
    headers = {"accept": "application/msgpack"}
    answer = call(BinaryMiddleware(app), b"", headers, method="HEAD")
    assert answer.headers["content-type"] == "application/msgpack"
    assert answer.headers.get("content-length") == ("2" if body else None)


def test_large_answers_leave_in_slices_under_one_content_length() -> None:
    array = np.arange(100_000.0)
    app = Recorder(call_json(array))
    answer = call(BinaryMiddleware(app), packb(1))
    assert answer.headers["content-length"] == str(len(answer.body))
    assert len(answer.bodies) > 5
    assert all(message["body"] for message in answer.bodies)
    assert np.array_equal(unpackb(answer.body), array)


def call_json(array: np.ndarray[Any, Any]) -> bytes:
    """The JSON form of an array, by way of the lane itself."""
    app = Recorder()
    call(BinaryMiddleware(app), packb(array))
    return app.body


def test_exchanges_do_not_share_state() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await anyio.lowlevel.checkpoint()
        await send(JSON_START)
        await anyio.lowlevel.checkpoint()
        await send({"type": "http.response.body", "body": message["body"]})

    app = BinaryMiddleware(echo)
    answers: dict[int, Answer] = {}

    async def one(number: int) -> None:
        binary = number % 2 == 0
        body = packb({"n": number}) if binary else json.dumps({"n": number}).encode()
        headers = MSGPACK if binary else {"content-type": "application/json"}
        answers[number] = await exchange(app, http_scope(headers=headers), body)

    async def run() -> None:
        async with anyio.create_task_group() as group:
            for number in range(40):
                group.start_soon(one, number)

    anyio.run(run)
    for number, answer in answers.items():
        decode = unpackb if number % 2 == 0 else json.loads
        assert decode(answer.body) == {"n": number}

"""What needs more than one request: guards, middleware within ours, caches, slow uploads, pages."""

from __future__ import annotations

import gzip
import socket
import sys
import time
from typing import Any

import msgpack
import pytest

from tests.hostile import wire
from tests.hostile.apps import GUARDED, PASSWORD
from tests.hostile.inputs import JSON, LONG_NAMES, MSGPACK
from tests.hostile.reading import read_array
from tests.hostile.service import MIB, Reply, Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")

WANTS_JSON = ("accept", "application/json")
WANTS_MSGPACK = ("accept", "application/msgpack")


@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.parametrize("headers", [[], [("x-token", "a")]], ids=["refused", "allowed"])
def test_changed_routes_stay_as_they_are(
    name: str, headers: list[tuple[str, str]], services: dict[str, Service]
) -> None:
    service = services["fastapi"]
    before = service.request("POST", f"/plain/{name}", b"", headers)
    for accept in (WANTS_JSON, WANTS_MSGPACK):
        after = service.request("POST", f"/guarded/{name}", b"", [*headers, accept])
        assert after.status == before.status
        assert _content(after) == _content(before)
    expected = 200 if headers and name != "call" else 401
    assert before.status == (expected if name in ("app", "handle", "call") else 200)


def _content(reply: Reply) -> Any:
    return reply.body if "text/" in reply.header("content-type") else reply.document


@pytest.mark.parametrize("app", ["fastapi", "starlette"])
@pytest.mark.parametrize("accept", [WANTS_JSON, WANTS_MSGPACK], ids=["JSON", "msgpack"])
def test_middleware_inside_redacts_for_everybody(
    app: str, accept: tuple[str, str], services: dict[str, Service]
) -> None:
    reply = services[app].request("POST", "/observed/account", b"", [accept])
    assert reply.status == 200
    assert PASSWORD.encode() not in reply.body
    assert reply.document["password"] == "*****"
    assert read_array(reply.document["scores"]).tolist() == [0, 1, 2]
    assert reply.header("content-type").startswith(accept[1])


def test_a_payment_is_made_once(services: dict[str, Service]) -> None:
    service = services["fastapi"]
    headers = [MSGPACK, ("idempotency-key", "one"), WANTS_MSGPACK]
    body = wire.fields(amount=wire.pack(5))
    replies = [service.request("POST", "/observed/pay", body, headers) for _ in range(3)]
    assert [reply.status for reply in replies] == [200] * 3
    assert len({str(reply.document) for reply in replies}) == 1
    another = service.request("POST", "/observed/pay", body, [MSGPACK])
    assert another.document["payments"] == replies[0].document["payments"] + 1


MASKED = {
    "card": "4111111111111111",
    "price": 12.5,
    "lasts": "PT90S",
    "at": "2026-01-31T12:00:00Z",
    "note": "abcdef",
}


@pytest.mark.parametrize(
    ("app", "path"),
    [("fastapi", "/masked"), ("fastapi", "/behind/masked"), ("starlette", "/masked")],
)
def test_serializers_for_json_run_for_everybody(
    app: str, path: str, services: dict[str, Service]
) -> None:
    as_json, as_msgpack = (
        services[app].request("POST", path, wire.pack(MASKED), [MSGPACK, accept])
        for accept in (WANTS_JSON, WANTS_MSGPACK)
    )
    assert as_json.status == as_msgpack.status == 200
    assert "msgpack" in as_msgpack.header("content-type")
    assert as_msgpack.document == as_json.document
    assert as_json.document["card"] == "*" * 12 + "1111"
    assert as_json.document["note"] == "abc"


@pytest.mark.parametrize(
    ("app", "path"),
    [
        ("fastapi", "/bare/array"),
        ("starlette", "/bare/array"),
        ("starlette", "/echo"),
        ("example", "/digits/classify"),
    ],
)
def test_names_of_clients_are_not_kept(app: str, path: str, services: dict[str, Service]) -> None:
    service = services[app]
    for form, make in LONG_NAMES.items():
        type_ = JSON if form == "json" else MSGPACK
        for index in range(16):
            if index == 8:  # until here errors wait for the garbage collector
                before = service.server.resident()
            reply = service.request("POST", path, make(index), [type_])
            # Where nothing makes an array of a map, it is one like others.
            assert reply.status in (400, 413, 422) or (reply.status == 200 and form != "numpy")
        assert service.server.resident() - before < 8 * 18 * MIB, form


@pytest.mark.parametrize(
    ("app", "path"),
    [("fastapi", "/bare/int"), ("starlette", "/length"), ("example", "/digits/classify")],
)
def test_idle_uploads_hold_little(app: str, path: str, services: dict[str, Service]) -> None:
    service = services[app]
    body = gzip.compress(wire.array("|u1", [60 * MIB], bytes(60 * MIB)), 9)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/msgpack\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    service.server.forget_peak()
    before = service.server.resident()
    connections = []
    try:
        for _ in range(12):
            connection = socket.create_connection(("127.0.0.1", service.server.port))
            connection.sendall(head.encode() + body[:-100])
            connections.append(connection)
        _wait_until_idle(service)
        assert service.request("GET", "/health").status == 200
        assert service.server.resident() - before < 12 * 16 * MIB
        assert service.server.peak() - before < 12 * 16 * MIB
    finally:
        for connection in connections:
            connection.close()


def _wait_until_idle(service: Service) -> None:
    deadline = time.monotonic() + 15
    spent = -1.0
    while service.server.cpu_seconds() - spent > 0.02 and time.monotonic() < deadline:
        spent = service.server.cpu_seconds()
        time.sleep(0.4)


def test_stored_text_stays_readable(services: dict[str, Service]) -> None:
    """What one client stored, every other client can read, in JSON and in msgpack."""
    service = services["fastapi"]
    for text in ("ädata", "\x00", "\U0010ffff"):
        body = wire.fields(value=wire.numpy_array([text]))
        for accept in (WANTS_JSON, WANTS_MSGPACK, ("accept", "application/msgpack; arrays=map")):
            reply = service.request("POST", "/model/array", body, [MSGPACK, accept])
            array = read_array(reply.document["value"])
            assert array.tolist() == [text.rstrip("\x00")]


def test_the_example_page_is_guarded(services: dict[str, Service]) -> None:
    reply = services["example"].request("GET", "/")
    assert reply.status == 200
    assert "text/html" in reply.header("content-type")
    policy = reply.header("content-security-policy")
    assert "default-src" in policy
    assert "unsafe-eval" not in policy


def test_json_clients_are_not_limited(services: dict[str, Service]) -> None:
    """What was refused in msgpack is nobody's business in JSON."""
    for app, path in (("fastapi", "/bare/list-int"), ("starlette", "/bare/list-int")):
        text = b"[" + b"0," * 100_000 + b"1]"
        reply = services[app].request("POST", path, text, [JSON])
        assert reply.status == 200
        assert len(reply.document) == 100_001


def test_msgpack_of_other_libraries_is_read(services: dict[str, Service]) -> None:
    for app in ("fastapi", "starlette"):
        body = msgpack.packb({"value": {1: "a", "b": [1.5, None]}})
        reply = services[app].request("POST", "/model/any", body, [MSGPACK])
        assert reply.document == {"value": {"1": "a", "b": [1.5, None]}}

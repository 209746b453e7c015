"""Each attack on each lane over uvicorn: the status, the CPU time, the memory, and who waits."""

from __future__ import annotations

import gzip
import re
import socket
import sys
import time

import pytest

from tests.hostile import wire
from tests.hostile.attacks import ANY, ATTACKS, JSON, LONG_NAMES, MSGPACK, Attack
from tests.hostile.service import MIB, Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")

MAX_WAIT = 10.0
"""Seconds for anybody else's small request, on a machine that is busy with other things."""


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack(attack: Attack, services: dict[str, Service]) -> None:
    service = services[attack.service]
    response, cost = service.measure("POST", attack.path, attack.body(), attack.headers)
    assert response.status in attack.statuses, (response.status, response.body[:500])
    assert response.document is not None
    if response.status >= 400:
        text = response.body.decode("utf-8", "replace")
        assert re.search(r"Traceback|site-packages|File \"", text) is None
        # On the JSON lane, the app's report of its input is its own.
        assert len(response.body) < 256 * 1024 or attack.path.startswith("/behind")
    if attack.check is not None:
        attack.check(response)
    assert cost.cpu <= attack.cpu
    assert cost.memory <= attack.memory * MIB, f"{cost.memory / MIB:.0f} MiB"
    assert max(cost.waits) < MAX_WAIT


@pytest.mark.parametrize(
    ("form", "app", "path"),
    [
        ("numpy", "fastapi", "/bare/array"),
        ("numpy", "starlette", "/echo"),
        ("numpy", "example", "/digits/classify"),
        ("map", "fastapi", "/bare/array"),
        ("map", "starlette", "/bare/array"),
        ("json", "fastapi", "/bare/array"),
    ],
)
def test_names_of_clients_are_not_kept(
    form: str, app: str, path: str, services: dict[str, Service]
) -> None:
    service = services[app]
    type_ = JSON if form == "json" else MSGPACK
    before = 0
    for index in range(24):
        response = service.request("POST", path, LONG_NAMES[form](index), [type_])
        assert response.status in ANY
        # Unless something makes an array of it, a map is like any other.
        assert response.status != 200 or form != "numpy"
        if index < 8:  # errors wait for the garbage collector
            before = max(before, service.server.resident())
    # As text in memory, a name takes 24 MiB.
    assert service.server.resident() - before < 16 * 18 * MIB


@pytest.mark.parametrize(
    ("app", "path"),
    [("fastapi", "/bare/int"), ("starlette", "/length"), ("example", "/digits/classify")],
)
def test_idle_uploads_hold_little(app: str, path: str, services: dict[str, Service]) -> None:
    service = services[app]
    body = gzip.compress(wire.array("|u1", [60 * MIB], bytes(60 * MIB)), 4)
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

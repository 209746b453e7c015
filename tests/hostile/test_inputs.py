"""Every hostile input over a real uvicorn: the right status, soon, in little memory, and to others
the server stays open."""

from __future__ import annotations

import re
import sys

import pytest

from tests.hostile.apps import WAYS
from tests.hostile.inputs import Input, inputs
from tests.hostile.service import MIB, Reply, Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")

WRONG_PLACES = ("int", "enum", "list-str", "text-8", "datetime", "any")

LONGEST_WAIT = 10.0
"""Seconds for anybody else's small request, on a machine that does much beside."""


@pytest.mark.parametrize("input_", inputs(WAYS, WRONG_PLACES), ids=str)
def test_input(input_: Input, services: dict[str, Service]) -> None:
    body = None if input_.body is None else input_.body()
    service = services[input_.service]
    reply, spent = service.measured(input_.method, input_.path, body, input_.headers)
    assert reply.status in input_.statuses, (reply.status, reply.body[:500])
    check_reply(reply, input_.method)
    if input_.check is not None:
        input_.check(reply)
    # What an app on the JSON lane says of its input is its own.
    if reply.status >= 400 and not input_.path.startswith("/behind"):
        assert len(reply.body) < 256 * 1024
    assert spent.cpu <= input_.cpu
    assert spent.memory <= input_.memory * MIB, f"{spent.memory / MIB:.0f} MiB"
    assert max(spent.waits) < LONGEST_WAIT


def check_reply(reply: Reply, method: str = "POST") -> None:
    """A response is what its header fields say, and an error says little of the server."""
    assert reply.status < 500
    if method != "HEAD":
        assert reply.document is not None
    if reply.status >= 400:
        text = reply.body.decode("utf-8", "replace")
        assert re.search(r"Traceback|site-packages|File \"", text) is None

"""Any value for any field, in any lane: a response of 2xx or 4xx that can be read.

An input is read as decisions (see ``choices``): the lane, the field, and then the value.
"""

from __future__ import annotations

import asyncio
import json
import random
import warnings
from typing import Any

import msgpack

from binary_middleware.formats.msgpack import unpackb
from tests.asgi_app import Received, exchange, http_scope
from tests.fuzz.choices import Choices
from tests.fuzz.values import value
from tests.hostile import wire
from tests.hostile.kinds import KINDS
from tests.hostile.lanes import FORMS, make_lanes
from tests.hostile.values import IMPOSSIBLE_TEXTS, UNUSUAL

LANES = make_lanes(keep_memory=False)
NAMES = tuple(LANES)
FIELDS = tuple(kind for kind in KINDS if kind != "iterable")
"""Without the one that pydantic validates only when somebody iterates over it."""

ACCEPT = ("application/msgpack", "application/json", "application/msgpack; arrays=map")

RAW = 255
"""As the fourth byte: what follows is the value as it is."""

TOKENS = (
    b"\xc4\x02nd\xc3",
    b"\xc4\x04type",
    b"\xc4\x0b__decimal__\xc3",
    b"\xc4\x04data",
)

RUNNER = asyncio.Runner()


def seeds() -> list[bytes]:
    """Return inputs that once were server errors, and generated ones."""
    hostile = {**UNUSUAL, **IMPOSSIBLE_TEXTS}
    fields = [FIELDS.index(kind) for kind in ("int", "enum", "list-str", "text-8", "datetime")]
    known = [
        bytes((lane, 0, field, RAW)) + wire_value
        for lane in range(len(NAMES))
        for field in fields
        for wire_value in hostile.values()
    ]
    generator = random.Random(7)
    return known + [generator.randbytes(60) for _ in range(400)]


def read(data: bytes) -> tuple[str, str, bytes]:
    """Return the lane, the path and the body of an input."""
    choices = Choices(data)
    lane, form, field = choices.pick(NAMES), choices.pick(FORMS), choices.pick(FIELDS)
    body = data[4:] if choices.bytes(1)[0] == RAW else value(choices)
    if form == "model":
        body = wire.fields(value=body)
    return lane, f"/{form}/{field}", body


def check(data: bytes) -> None:
    if len(data) < 4:
        return
    lane, path, body = read(data)
    statuses = set()
    for accept in ACCEPT:
        headers = {"content-type": "application/msgpack", "accept": accept}
        scope = http_scope(headers=headers, path=path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of conversions: what counts is the response
            response = RUNNER.run(exchange(LANES[lane], scope, [body[:7], body[7:]]))
        statuses.add(response.status)
        check_response(response)
    # Bytes that are no text have no place in JSON, unless the model knows one.
    assert len(statuses - {406}) == 1, (lane, path, statuses)


def check_response(response: Received) -> Any:
    """Check that a response is 2xx or 4xx, and return its document."""
    assert response.status // 100 in (2, 4), response.status
    if "msgpack" not in response.headers["content-type"]:
        return json.loads(response.body.decode())
    msgpack.unpackb(response.body, strict_map_key=False)
    return unpackb(response.body)

"""Hostile bodies at the middleware: a clear 4xx, in bounded memory, and soon.

Each body is sent in a process of its own, whose peak memory is compared with that of a small
document before it.
"""

from __future__ import annotations

import functools
import gzip
import re
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import msgpack
import pytest
from starlette.types import Message, Receive, Scope, Send

from binary_middleware import BinaryMiddleware, BinaryOptions, packb
from binary_middleware._http.media_types import parse_accept, parse_media_type
from binary_middleware._http.negotiation import make_plan
from tests.asgi_app import MSGPACK, Recorder, exchange, http_scope
from tests.hostile.wire import array, list_of
from tests.processes import MIB, Peak, in_child, needs_proc

pytestmark = needs_proc


NILS_57_MIB = list_of(57 * MIB, b"\xc0")

NIL_PAIRS = 4 * 10**6

OBJECTS = 36 * 8  # MiB of objects that the default of ``max_structure_size`` allows

BODIES: dict[str, tuple[Callable[[], bytes], int, str, float]] = {
    # The body; the status, and a part of the detail; MiB of memory beside the body itself.
    "10 MB of empty maps": (lambda: list_of(10**7, b"\x80"), 413, "max_structure_size", 8),
    "8 MB of empty maps": (lambda: list_of(8 * 10**6, b"\x80"), 413, "max_structure_size", 32),
    "3.7 million empty maps": (lambda: list_of(37 * 10**5, b"\x80"), 200, "", OBJECTS),
    "3.7 million empty maps and bytes": (
        lambda: list_of(37 * 10**5, b"\x80")[:-1] + b"\xc4\x01\xdf",
        413,
        "too complex",  # which shows once the maps are there
        OBJECTS,
    ),
    "a map of nil": (
        lambda: b"\xdf" + NIL_PAIRS.to_bytes(4) + b"\xc0" * 2 * NIL_PAIRS,
        400,
        "not strings",
        32,
    ),
    "ten million nils": (lambda: list_of(10**7, b"\xc0"), 413, "max_structure_size", 8),
    "57 MiB of nils, 16 levels down": (
        lambda: b"\x91" * 16 + NILS_57_MIB,
        413,
        "max_structure_size",
        8,
    ),
    "57 MiB of nils, 200 levels down": (
        lambda: b"\x91" * 200 + NILS_57_MIB,
        413,
        "max_structure_size",
        8,
    ),
    "a list of four billion": (lambda: b"\xdd\xff\xff\xff\xff\xc0", 400, "truncated", 4),
    "a map of four billion": (lambda: b"\xdf\xff\xff\xff\xff\xc0\xc0", 400, "truncated", 4),
    "a string of four billion": (lambda: b"\xdb\xff\xff\xff\xffa", 400, "truncated", 4),
    "100,000 levels": (lambda: b"\x91" * 100_000 + b"\xc0", 413, "nests too deeply", 8),
    "60 MiB of text that is none": (
        lambda: b"\x91\xdb\x03\xc0\x00\x00" + b"\xff" * (60 * MIB),
        400,
        "UTF-8",
        64,
    ),
    "200,000 small arrays": (
        lambda: list_of(200_000, array("|u1", [1], b"a")),
        413,
        "max_structure_size",
        200,
    ),
}


class Reader:
    """Claims the body as objects, as the object lane does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope["binary_middleware"]
        exchange.claim_request()
        await exchange.read(receive)
        exchange.value()
        await Recorder(b"{}", reads=False)(scope, receive, send)


async def respond(
    body: bytes, headers: Mapping[str, str] | None = None, app: Any = None, **options: Any
) -> tuple[int, str]:
    """Return the status, and the detail of an error."""
    chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
    scope = http_scope(headers={**MSGPACK, **(headers or {})})
    response = await exchange(BinaryMiddleware(app or Reader(), **options), scope, chunks)
    return response.status, msgpack.unpackb(response.body).get("detail", "")


async def hold(count: int, headers: Mapping[str, str], body: bytes) -> float:
    """Return the MiB that requests need that have sent a part of their body, and wait."""

    async def upload() -> None:
        sent: list[Message] = [{"type": "http.request", "body": body, "more_body": True}]

        async def receive() -> Message:
            if not sent:
                await anyio.sleep_forever()
            return sent.pop()

        async def send(_: Message) -> None: ...

        await BinaryMiddleware(Reader())(http_scope(headers=headers), receive, send)

    await respond(b"\xc0")
    peak = Peak()
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(upload)
        await anyio.sleep(0.5)
        grown = peak.mib
        group.cancel_scope.cancel()
    return grown


def says_little(detail: str) -> bool:
    """Return whether an error has no trace, no path, and no more than a summary of the data."""
    return len(detail) < 400 and not re.search(
        r"Traceback|\.py|site-packages|File \"|/\w+/", detail
    )


async def measure(make: Callable[[], bytes], **more: Any) -> tuple[int, str, float, float, float]:
    """Return a response, the MiB and the seconds that it took, and the MiB of the body."""
    body = make()
    await respond(b"\xc0")
    peak, began = Peak(), time.process_time()
    status, detail = await respond(body, **more)
    return status, detail, peak.mib, time.process_time() - began, len(body) / MIB


def measure_body(name: str) -> tuple[int, str, float, float, float]:
    return anyio.run(measure, BODIES[name][0])


@pytest.mark.parametrize("name", BODIES)
def test_hostile_bodies(name: str) -> None:
    _, expected, part, memory = BODIES[name]
    status, detail, grown, _, size = in_child(measure_body, name)
    assert (status, part in detail) == (expected, True), detail
    assert says_little(detail)
    # The chunks that are received, the buffer that they are read into, and how it grows.
    assert grown < memory + 3 * size


COMPRESS = {"gzip": gzip.compress, "deflate": zlib.compress}


def measure_bomb(coding: str) -> tuple[int, str, float, float, float]:
    options = {"headers": {"content-encoding": coding}, "max_body_size": 2**23}
    make = functools.partial(COMPRESS[coding], packb(bytes(64 * MIB)))
    return anyio.run(functools.partial(measure, make, **options))


@pytest.mark.parametrize("coding", COMPRESS)
def test_decompression_bombs(coding: str) -> None:
    status, detail, grown, _, _ = in_child(measure_bomb, coding)
    assert status == 413
    assert "max_body_size (8388608 bytes)" in detail
    assert grown < 3 * 8


def measure_lies() -> tuple[list[tuple[int, str]], float]:
    async def run() -> tuple[list[tuple[int, str]], float]:
        await respond(b"\xc0")
        peak = Peak()
        text = b"\xda\xff\xff" + b"a" * 65535
        responses = [
            await respond(text, {"content-length": "10"}),
            await respond(text[:-5], {"content-length": "62914560"}),
            await respond(b"\xc0", {"content-length": "9" * 100_000}),
        ]
        return responses, peak.mib

    return anyio.run(run)


def test_lengths_that_lie() -> None:
    responses, grown = in_child(measure_lies)
    assert [status for status, _ in responses] == [413, 400, 413]
    parts = ["longer than its Content-Length", "truncated", "max_body_size"]
    assert all(part in detail for part, (_, detail) in zip(parts, responses, strict=True))
    assert grown < 4  # a buffer that was announced and not filled is never touched


def measure_slow_uploads() -> float:
    return anyio.run(hold, 200, {**MSGPACK, "content-length": str(60 * MIB)}, bytes(1024))


def test_many_slow_uploads_at_once() -> None:
    """Each announces 60 MiB and sends 1 KiB: they hold memory for what they sent."""
    assert in_child(measure_slow_uploads) < 200 * 0.2


def measure_compressed_uploads() -> float:
    bomb = gzip.compress(packb(bytes(63 * MIB)))
    return anyio.run(hold, 50, {**MSGPACK, "content-encoding": "gzip"}, bomb[:-1])


def test_idle_compressed_uploads_hold_what_they_sent() -> None:
    """Each sent 65 kB that become 63 MiB, all but the last byte, and waits."""
    assert in_child(measure_compressed_uploads) < 50 * 0.3


JSON_BODIES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "64 MiB of NUL and an emoji": (
        lambda: packb("\0" * (64 * MIB - 64) + "😀"),
        413,
        "max_json_size",
    ),
    "63 strings of it": (lambda: packb(["\0" * (MIB - 64) + "😀"] * 63), 413, "max_json_size"),
    "64 MiB of ASCII and an emoji": (lambda: packb("a" * (64 * MIB - 64) + "😀"), 200, ""),
    "63 MiB of quotes": (lambda: packb('"' * (63 * MIB)), 200, ""),
    "an array of 60 MiB": (lambda: array("|u1", [60 * MIB], bytes(60 * MIB)), 200, ""),
    "60 MiB of bytes": (lambda: packb({"a": bytes(60 * MIB)}), 200, ""),
    "10,000 pictures": (lambda: packb([{"name": "a", "png": bytes(6000)}] * 10_000), 200, ""),
    "100,000 dates": (lambda: list_of(100_000, b"\xd6\xff\0\0\0\1"), 200, ""),
    "8 MiB of empty bytes": (lambda: list_of(4 * 10**6, b"\xc4\0"), 413, "max_structure_size"),
    "8 MiB of dates": (lambda: list_of(13 * 10**5, b"\xd6\xff\0\0\0\1"), 413, "max_structure"),
    "8 MiB of what looks like arrays": (
        lambda: packb([{"shape": [1], "dtype": "|u1", "data": b"a"}] * 200_000),
        413,
        "max_structure_size",
    ),
    "8 MiB of control characters in short strings": (lambda: packb(["\0" * 31] * 260_000), 200, ""),
    "8 MiB of floats": (lambda: packb([1.123456789e-300] * 900_000), 200, ""),
    "1.4 million maps": (lambda: list_of(14 * 10**5, b"\x81\xa0\xc0"), 200, ""),
}


def measure_json(name: str) -> tuple[int, str, float, float, float]:
    return anyio.run(functools.partial(measure, JSON_BODIES[name][0], app=Recorder()))


@pytest.mark.parametrize("name", JSON_BODIES)
def test_json_text_is_bounded(name: str) -> None:
    """In memory and time, before it is made; a body that is not hostile is read."""
    _, expected, part = JSON_BODIES[name]
    status, detail, grown, seconds, _ = in_child(measure_json, name)
    assert (status, part in detail) == (expected, True), detail
    assert says_little(detail)
    assert grown < 4 * 64 + 200
    assert seconds < 4


@pytest.mark.parametrize(
    "value",
    [
        '"' * 200_000,
        'a/b;c="' * 30_000,
        "a/b;" * 50_000,
        "a/b," * 50_000,
        'a/b;c="\\' + '\\"' * 100_000,
        "*/*;q=0." + "0" * 200_000,
    ],
)
def test_long_headers_take_one_pass(value: str) -> None:
    """The square of their length would take minutes."""
    make_plan(value, value, BinaryOptions().offer)
    assert parse_accept([value]) == []  # longer than what is read
    assert parse_media_type(value) is None

"""Hostile bodies at the middleware: a clear 4xx, in bounded memory, and soon.

Each body is sent in a process of its own, whose peak memory is compared with that of a small
document before it.
"""

from __future__ import annotations

import functools
import gzip
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from binary_middleware import BinaryOptions, packb
from binary_middleware._http.media_types import parse_accept, parse_media_type
from binary_middleware._http.negotiation import make_plan
from tests.hostile.wire import array, list_of

MIB = 2**20
ROOT = Path(__file__).parents[2]


NILS_57_MIB = list_of(57 * MIB, b"\xc0")

NIL_PAIRS = 4 * 10**6

BODIES: dict[str, tuple[Callable[[], bytes], int, str, float]] = {
    # The body; the status, and a part of the detail; MiB of memory beside the body itself.
    "10 MB of empty maps": (lambda: list_of(10**7, b"\x80"), 413, "max_structure_size", 8),
    "8 MB of empty maps": (lambda: list_of(8 * 10**6, b"\x80"), 413, "max_structure_size", 32),
    "3.7 million empty maps": (lambda: list_of(37 * 10**5, b"\x80"), 200, "", 330),
    "3.7 million empty maps and bytes": (
        lambda: list_of(37 * 10**5, b"\x80")[:-1] + b"\xc4\x01\xdf",
        413,
        "too complex",
        230,  # they are decoded before the last item is found to be truncated
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
        24,
    ),
    "57 MiB of nils, 200 levels down": (
        lambda: b"\x91" * 200 + NILS_57_MIB,
        413,
        "max_structure_size",
        24,
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

MEASURE = """
import json, sys
import anyio
from binary_middleware import BinaryMiddleware
from tests.asgi_app import Recorder, exchange, http_scope
from tests.asgi.test_hostile_input import BODIES

def peak():
    # Not ru_maxrss, which begins at the size of the process that started this one.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

async def respond(body, headers={}, **options):
    headers = {"content-type": "application/msgpack", **headers}
    chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
    return await exchange(
        BinaryMiddleware(Recorder(reads=False) if NO_READ else Reader(), **options),
        http_scope(headers=headers), chunks)

class Reader:
    # Claims the body as objects, as the object lane does.
    async def __call__(self, scope, receive, send):
        exchange = scope["binary_middleware"]
        exchange.claim_request()
        await exchange.read(receive)
        exchange.value()
        await Recorder(b"{}", reads=False)(scope, receive, send)

NO_READ = False
"""


def measured(code: str) -> dict[str, Any]:
    """Return the JSON that a process prints that runs ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def says_little(detail: str) -> bool:
    """Return whether an error has no trace, no path, and no more than a summary of the data."""
    return len(detail) < 400 and not re.search(
        r"Traceback|\.py|site-packages|File \"|/\w+/", detail
    )


@pytest.mark.parametrize("name", BODIES)
def test_hostile_bodies(name: str) -> None:
    _, status, says, memory = BODIES[name]
    found = measured(f"""
import msgpack
body = BODIES[{name!r}][0]()
async def main():
    await respond(b"\\xc0")
    before = peak()
    response = await respond(body)
    document = msgpack.unpackb(response.body)
    print(json.dumps([response.status, document.get("detail", ""), peak() - before, len(body)]))
anyio.run(main)
""")
    found_status, detail, grown, size = found  # type: ignore[misc]
    assert (found_status, says in detail) == (status, True), detail
    assert says_little(detail)
    # The chunks that are received, and the buffer that they are read into.
    assert grown < memory + 2.5 * size / MIB


@functools.cache
def bomb(coding: str) -> bytes:
    compress = {"gzip": gzip.compress, "deflate": zlib.compress}[coding]
    return compress(packb(bytes(200 * MIB)))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_decompression_bombs(coding: str) -> None:
    found = measured(f"""
from tests.asgi.test_hostile_input import bomb
import msgpack
body = bomb({coding!r})
async def main():
    await respond(b"\\xc0")
    before = peak()
    response = await respond(body, {{"content-encoding": {coding!r}}}, max_body_size=2**23)
    print(json.dumps([response.status, msgpack.unpackb(response.body)["detail"], peak() - before]))
import gc; gc.collect()
anyio.run(main)
""")
    status, detail, grown = found  # type: ignore[misc]
    assert status == 413
    assert "max_body_size (8388608 bytes)" in detail
    assert grown < 3 * 8


def test_lengths_that_lie() -> None:
    found = measured("""
import msgpack
async def main():
    await respond(b"\\xc0")
    before = peak()
    longer = await respond(b"\\xda\\xff\\xff" + b"a" * 65535, {"content-length": "10"})
    shorter = await respond(b"\\xda\\xff\\xff" + b"a" * 65530, {"content-length": "62914560"})
    digits = await respond(b"\\xc0", {"content-length": "9" * 100_000})
    print(json.dumps([
        [(each.status, msgpack.unpackb(each.body)["detail"]) for each in (longer, shorter, digits)],
        peak() - before]))
anyio.run(main)
""")
    responses, grown = found  # type: ignore[misc]
    assert [status for status, _ in responses] == [413, 400, 413]
    assert [
        part in detail
        for part, (_, detail) in zip(
            ["longer than its Content-Length", "truncated", "max_body_size"], responses, strict=True
        )
    ] == [True] * 3
    assert grown < 4  # a buffer that was announced and not filled is never touched


def test_many_slow_uploads_at_once() -> None:
    """Each announces 60 MiB and sends 1 KiB: they hold memory for what they sent."""
    found = measured("""
from contextlib import suppress
async def main():
    await respond(b"\\xc0")
    before = peak()
    async with anyio.create_task_group() as group:
        for _ in range(200):
            sent = [{"type": "http.request", "body": bytes(1024), "more_body": True}]
            async def receive(sent=sent):
                if sent:
                    return sent.pop()
                await anyio.sleep_forever()
            async def send(message): ...
            scope = http_scope(headers={
                "content-type": "application/msgpack", "content-length": str(60 * 2**20)})
            group.start_soon(BinaryMiddleware(Reader()), scope, receive, send)
        await anyio.sleep(0.5)
        grown = peak() - before
        group.cancel_scope.cancel()
    print(json.dumps([grown]))
anyio.run(main)
""")
    (grown,) = found
    assert grown < 200 * 0.2


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


@pytest.mark.parametrize("name", JSON_BODIES)
def test_json_text_is_bounded(name: str) -> None:
    """In memory and time, before it is made; a body that is not hostile is read."""
    _, status, says = JSON_BODIES[name]
    found = measured(f"""
import time
from tests.asgi.test_hostile_input import JSON_BODIES
import msgpack
body = JSON_BODIES[{name!r}][0]()
NO_READ = False
class Reader:
    async def __call__(self, scope, receive, send):
        await Recorder(b"{{}}")(scope, receive, send)
async def main():
    await respond(b"\\xc0")
    before, began = peak(), time.process_time()
    response = await respond(body)
    document = msgpack.unpackb(response.body)
    print(json.dumps([response.status, document.get("detail", ""), peak() - before,
        time.process_time() - began]))
anyio.run(main)
""")
    found_status, detail, grown, seconds = found  # type: ignore[misc]
    assert (found_status, says in detail) == (status, True), detail
    assert says_little(detail)
    assert grown < 4 * 64 + 200
    assert seconds < 4


def test_idle_compressed_uploads_hold_what_they_sent() -> None:
    """Each sent 65 kB that become 64 MiB, all but the last byte, and waits."""
    found = measured("""
import gzip
from binary_middleware import packb
async def main():
    await respond(b"\\xc0")
    bomb = gzip.compress(packb(bytes(63 * 2**20)))
    before = peak()
    async with anyio.create_task_group() as group:
        for _ in range(50):
            sent = [{"type": "http.request", "body": bomb[:-1], "more_body": True}]
            async def receive(sent=sent):
                if sent:
                    return sent.pop()
                await anyio.sleep_forever()
            async def send(message): ...
            scope = http_scope(headers={
                "content-type": "application/msgpack", "content-encoding": "gzip"})
            group.start_soon(BinaryMiddleware(Reader()), scope, receive, send)
        await anyio.sleep(0.5)
        grown = peak() - before
        group.cancel_scope.cancel()
    print(json.dumps([grown, len(bomb)]))
anyio.run(main)
""")
    grown, size = found  # type: ignore[misc]
    assert size < 100_000
    assert grown < 50 * 0.3


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

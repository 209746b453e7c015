"""What hostile clients send: a clear 4xx, in bounded memory, and soon.

Each body goes through the middleware in a process of its own, whose peak memory is compared with
that of one that answers a small document.
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

from binary_middleware import packb
from binary_middleware._http.media_types import parse_accept, parse_media_type
from tests.hostile.wire import array, list_of

MIB = 2**20
ROOT = Path(__file__).parents[2]


NILS_57_MIB = list_of(57 * MIB, b"\xc0")

NIL_PAIRS = 4 * 10**6

BODIES: dict[str, tuple[Callable[[], bytes], int, str, float]] = {
    # What to send; the status, and what the answer says; MiB of memory beside the body itself.
    "10 MB of empty maps": (lambda: list_of(10**7, b"\x80"), 413, "max_structure_size", 8),
    "8 MB of empty maps": (lambda: list_of(8 * 10**6, b"\x80"), 413, "max_structure_size", 32),
    "3.7 million empty maps": (lambda: list_of(37 * 10**5, b"\x80"), 200, "", 330),
    "3.7 million empty maps and bytes": (
        lambda: list_of(37 * 10**5, b"\x80")[:-1] + b"\xc4\x01\xdf",
        413,
        "too complex",
        32,
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
    "S0": (lambda: array("|S0", [2**40]), 400, "", 4),
    "U0": (lambda: array("<U0", [2**62, 2]), 400, "", 4),
    "a huge shape without data": (lambda: array("<f8", [2**31, 2**31]), 400, "", 4),
    "a shape that overflows": (lambda: array("<f8", [2**62, 4]), 400, "", 4),
    "a negative shape": (lambda: array("<f8", [-1]), 400, "", 4),
    "1,000 dimensions": (lambda: array("|u1", [1] * 1000, b"a"), 400, "dimensions", 4),
    "20,000 fields": (
        lambda: array([[f"f{i}", "|u1"] for i in range(20_000)], [0]),
        400,
        "1024 fields",
        16,
    ),
    "objects": (lambda: array("|O", [1], bytes(8)), 400, "not allowed", 4),
    "a pickle": (lambda: array("|O", [], b"\x80\x04N."), 400, "not allowed", 4),
    "keys that become equal": (lambda: b"\x82\x01\xc0\xa11\xc0", 400, "duplicate map key", 4),
    "200,000 small arrays": (
        lambda: list_of(200_000, array("|u1", [1], b"a")),
        413,
        "max_structure_size",
        200,
    ),
}

MEASURE = """
import json, resource, sys
import anyio
from binary_middleware import BinaryMiddleware
from tests.asgi_app import Recorder, exchange, http_scope
from tests.asgi.test_hostile_input import BODIES

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

async def answer_of(body, headers={}, **options):
    headers = {"content-type": "application/msgpack", **headers}
    chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
    return await exchange(
        BinaryMiddleware(Recorder(reads=False) if NO_READ else Reader(), **options),
        http_scope(headers=headers), chunks)

class Reader:
    # Takes the body as objects, as the object lane does, and answers.
    async def __call__(self, scope, receive, send):
        exchange = scope["binary_middleware"]
        exchange.claim_request()
        await exchange.read(receive)
        exchange.value()
        await Recorder(b"{}", reads=False)(scope, receive, send)

NO_READ = False
"""


def measured(code: str) -> dict[str, Any]:
    """What a process that runs ``code`` prints as JSON."""
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
    """Whether an error has no trace, no path, and no more than a summary of the data."""
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
    await answer_of(b"\\xc0")
    before = peak()
    answer = await answer_of(body)
    document = msgpack.unpackb(answer.body)
    print(json.dumps([answer.status, document.get("detail", ""), peak() - before, len(body)]))
anyio.run(main)
""")
    found_status, detail, grown, size = found  # type: ignore[misc]
    assert (found_status, says in detail) == (status, True), detail
    assert says_little(detail)
    # The chunks that it comes in, and the buffer that it is read into.
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
    await answer_of(b"\\xc0")
    before = peak()
    answer = await answer_of(body, {{"content-encoding": {coding!r}}}, max_body_size=2**23)
    print(json.dumps([answer.status, msgpack.unpackb(answer.body)["detail"], peak() - before]))
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
    await answer_of(b"\\xc0")
    before = peak()
    longer = await answer_of(b"\\xda\\xff\\xff" + b"a" * 65535, {"content-length": "10"})
    shorter = await answer_of(b"\\xda\\xff\\xff" + b"a" * 65530, {"content-length": "62914560"})
    digits = await answer_of(b"\\xc0", {"content-length": "9" * 100_000})
    print(json.dumps([
        [(each.status, msgpack.unpackb(each.body)["detail"]) for each in (longer, shorter, digits)],
        peak() - before]))
anyio.run(main)
""")
    answers, grown = found  # type: ignore[misc]
    assert [status for status, _ in answers] == [413, 400, 413]
    assert [
        part in detail
        for part, (_, detail) in zip(
            ["longer than its Content-Length", "truncated", "max_body_size"], answers, strict=True
        )
    ] == [True] * 3
    assert grown < 4  # what was announced and never came was never touched


def test_many_slow_uploads_at_once() -> None:
    """Each announces 60 MiB and sends 1 KiB: memory is that of what came."""
    found = measured("""
from contextlib import suppress
async def main():
    await answer_of(b"\\xc0")
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


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("name", JSON_BODIES)
def test_json_text_is_bounded(name: str, coding: str) -> None:
    """In memory and time, before it is made; what is not hostile is read."""
    _, status, says = JSON_BODIES[name]
    found = measured(f"""
import gzip, time
from tests.asgi.test_hostile_input import JSON_BODIES
import msgpack
body = JSON_BODIES[{name!r}][0]()
headers = {{}}
if {coding!r}:
    body, headers = gzip.compress(body, 1), {{"content-encoding": "gzip"}}
NO_READ = False
class Reader:
    async def __call__(self, scope, receive, send):
        await Recorder(b"{{}}")(scope, receive, send)
async def main():
    await answer_of(b"\\xc0")
    before, began = peak(), time.process_time()
    answer = await answer_of(body, headers)
    document = msgpack.unpackb(answer.body)
    print(json.dumps([answer.status, document.get("detail", ""), peak() - before,
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
    await answer_of(b"\\xc0")
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
def test_long_header_fields_take_one_pass(value: str) -> None:
    """The square of their length would take minutes."""
    code = f"""
from binary_middleware._http.media_types import parse_accept, parse_media_type
from tests.hostile.wire import array, list_of
from binary_middleware._http.negotiation import make_plan
from binary_middleware.options import BinaryOptions
value = {value[:40]!r} * {len(value) // len(value[:40])}
parse_accept([value]); parse_media_type(value); make_plan(value, value, BinaryOptions().offer)
print(json.dumps([0]))
"""
    assert measured(code) == [0]
    assert parse_accept([value]) == []  # longer than what is read
    assert parse_media_type(value) is None

"""What the worst bodies within the limits cost: ``python -m tests.fuzz.costs``.

Every body goes through every lane, each time in a process of its own with little more than it may
use, and the most expensive ones are listed. Exits with 1 if one needed more than ``CPU`` seconds or
``MEMORY`` bytes, or got a 5xx response.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import anyio
import numpy as np
from fastapi import Body, FastAPI
from pydantic import create_model
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from binary_middleware import BinaryMiddleware, packb
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.options import BinaryOptions
from binary_middleware.starlette import read_body
from tests.asgi_app import MSGPACK, exchange, http_scope
from tests.hostile import wire
from tests.hostile.kinds import KINDS

MIB: Final = 1024 * 1024
LIMITS: Final = BinaryOptions()
CPU: Final = 2.0
"""Seconds that anything within the limits may take."""
MEMORY: Final = 4 * LIMITS.max_body_size + 200 * MIB
"""Bytes that anything within the limits may need, beside the body as it came."""

PATIENCE: Final = 10
"""Seconds of CPU after which a process is stopped."""
ADDRESS_SPACE: Final = 6 * 1024 * MIB


# -- apps ------------------------------------------------------------------------------------------


async def swallow(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the text and do nothing with it."""
    await _response(b"{}", scope, receive, send)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Responses with the text that it gets."""
    await _response(None, scope, receive, send)


async def _response(text: bytes | None, scope: Scope, receive: Receive, send: Send) -> None:
    chunks = []
    more_body = True
    while more_body:
        message = await receive()
        chunks.append(message.get("body", b""))
        more_body = message.get("more_body", False)
    text = b"".join(chunks) if text is None else text
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


Hundred = create_model("Hundred", **{f"field{i}": (int, ...) for i in range(100)})


def make_apps() -> dict[str, tuple[ASGIApp, str]]:
    """Lanes, and what they read a body as: an app and a path for each. Responses are small."""
    types = {**KINDS, "hundred": Hundred}
    fastapi = FastAPI()
    for kind, type_ in types.items():
        fastapi.add_api_route(f"/{kind}", _accept(Annotated[type_, Body()]), methods=["POST"])
    add_binary_mode(fastapi)

    async def accept(request: Request) -> Response:
        await read_body(request, types[request.path_params["kind"]])
        return JSONResponse({})

    starlette = BinaryMiddleware(Starlette(routes=[Route("/{kind}", accept, methods=["POST"])]))
    apps: dict[str, tuple[ASGIApp, str]] = {
        "json": (BinaryMiddleware(swallow), "/"),
        "json echo": (BinaryMiddleware(echo), "/"),
    }
    for kind in types:
        apps[f"fastapi {kind}"] = fastapi, f"/{kind}"
        apps[f"starlette {kind}"] = starlette, f"/{kind}"
    return apps


def _accept(type_: Any) -> Any:
    async def accept(body: Any) -> dict[str, str]:
        return {}

    accept.__annotations__["body"] = type_
    return accept


STRUCTURE_LANES: Final = (
    *("json", "json echo", "fastapi any", "fastapi int", "fastapi hundred", "starlette any"),
    *("fastapi list-str", "starlette list-model", "fastapi union", "fastapi float-lists"),
    *("fastapi dict-int", "starlette left-to-right", "fastapi enum", "fastapi list-array"),
    *("fastapi flag", "fastapi counter", "starlette int"),
)
ARRAY_LANES: Final = (
    *("json", "json echo", "fastapi any", "fastapi int", "fastapi list-str", "fastapi list-int"),
    *("starlette set", "starlette tuple", "fastapi matrix", "fastapi iterable", "fastapi enum"),
    *("fastapi float-lists", "starlette text-8", "fastapi days", "fastapi table", "fastapi union"),
    *("starlette array", "fastapi float32-same-kind", "fastapi int16-same-kind", "fastapi flag"),
    *("fastapi dict-int", "fastapi sequence", "starlette deque", "fastapi uint8-safe"),
)


# -- bodies ----------------------------------------------------------------------------------------


def _units() -> dict[str, bytes]:
    """Items that are many; each costs far more than its bytes."""
    numbers = wire.pack(list(range(10)))
    return {
        "nils": b"\xc0",
        "small integers": b"\x05",
        "large integers": b"\xcf" + b"\xff" * 8,
        "floats": wire.pack(1.5),
        "NaN": b"\xcb\x7f\xf8" + bytes(6),
        "empty text": b"\xa0",
        "text of a character": b"\xa1a",
        "text of NULs": b"\xa2\x00\x00",
        "text of 31 characters": wire.pack("\u20ac" * 10),
        "empty bins": b"\xc4\x00",
        "bins of a byte": b"\xc4\x01a",
        "empty lists": b"\x90",
        "lists of one": b"\x91\xc0",
        "lists of ten": numbers,
        "empty maps": b"\x80",
        "maps of a text": b"\x81\xa1a\xc0",
        "maps of a number": b"\x81\x01\xc0",
        "maps of nil": b"\x81\xc0\xc0",
        "maps of a bin": b"\x81\xa1a\xc4\x00",
        "lists 16 deep": b"\x91" * 16 + b"\xc0",
        "lists 100 deep": b"\x91" * 100 + b"\xc4\x00",
        "maps 17 deep": b"\x81\xa1a" * 17 + b"\xc0",
        "small arrays": wire.array("|u1", [1], b"a"),
        "empty arrays": wire.array("<f8", [0]),
        "arrays of 64 dimensions": wire.array("|u1", [1] * 64, b"a"),
        "arrays of ten": wire.array("<f4", [10], bytes(40)),
        "arrays of two fields": wire.array([["a", "|u1"], ["b", "<i4"]], [1], bytes(5)),
        "arrays of 300 elements": wire.array("|u1", [300], bytes(300)),
        "arrays of 2 KiB": wire.array("|u1", [2048], bytes(2048)),
        "arrays of text": wire.array("<U4", [10], b"a\x00\x00\x00" * 40),
        "scalars": wire.scalar("<f4", bytes(4)),
        "dates of numpy": wire.scalar("<M8[s]", bytes(8)),
        "complex numbers": wire.pairs(
            [(wire.pack(b"complex"), b"\xc3"), (wire.pack(b"data"), wire.pack("1+2j"))]
        ),
        "short timestamps": b"\xd6\xff" + bytes(4),
        "timestamps": wire.extension(-1, bytes(12)),
        "datetimes": wire.chains("dt_datetime_iso", "2026-01-31T12:00:00+01:00"),
        "dates": wire.chains("dt_date_iso", "2026-01-31"),
        "times": wire.chains("dt_time_iso", "12:00:00"),
        "durations": wire.chains("dt_timedelta", [1, 2, 3]),
        "decimals": wire.chains("decimal", "1.50"),
        "decimals of 4,300 digits": wire.chains("decimal", "1E+4290"),
        "decimals of 1,000 characters": wire.chains("decimal", "1" * 1000),
        "UUIDs": wire.chains("uuid", "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"),
        "string-keyed arrays": packb(np.zeros(1, "<f4"), arrays="map"),
        "arrays as in JSON": wire.pack({"shape": [1], "dtype": "|u1", "data_b64": "AA=="}),
    }


def structures() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Bodies of small items, as many as the limit of structure lets through or nearly."""
    size = LIMITS.max_structure_size - 64
    for name, unit in _units().items():
        count = size // len(unit)
        yield f"8 MiB of {name}", lambda unit=unit, count=count: wire.list_of(count, unit)
        yield (
            f"1 MiB of {name} each in 8 maps",
            lambda unit=unit, count=count: wire.pairs(
                (wire.pack(f"field{i}"), wire.list_of(count // 8 - 8, unit)) for i in range(8)
            ),
        )
    keys: dict[str, Callable[[int], bytes]] = {
        "text": lambda i: wire.pack(f"{i:06}"),
        "integers": lambda i: wire.pack(i << 32),
        "floats": lambda i: wire.pack(float(i)),
        "bins": lambda i: wire.pack(f"{i:06}".encode()),
        "nil": lambda i: b"\xc0",
        "true": lambda i: b"\xc3",
        "ones": lambda i: b"\x01",
        "lists": lambda i: b"\x91\xcd" + (i % 65536).to_bytes(2),
        "integers of one hash": lambda i: wire.pack(i * ((1 << 61) - 1) % (1 << 64)),
        "one text": lambda i: b"\xa1a",
    }
    for name, key in keys.items():
        yield f"8 MiB of a map whose keys are {name}", functools.partial(_keyed, key, size)
    yield "500,000 keys of nothing", lambda: _keyed(lambda i: wire.pack(f"key {i:07}"), size)


def _keyed(key: Callable[[int], bytes], size: int) -> bytes:
    count = size // (len(key(0)) + 1)
    return wire.pairs((key(i), wire.NIL) for i in range(min(count, 1_500_000)))


def arrays() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Bodies of large items, nearly as large as a body may be."""
    size = LIMITS.max_body_size - 4096
    for dtype, data in (
        ("|u1", b"\x00"),
        ("|b1", b"\x01"),
        ("<i8", b"\x01"),
        ("<f4", b"\x00"),
        ("<f8", b"\xff"),
        ("<f2", b"\x00"),
        (">i2", b"\x01"),
        ("<c16", b"\x00"),
        ("<U1", b"a\x00\x00\x00"),
        ("<U1", b"\x00\xd8\x00\x00"),
        ("<U1000", b"a\x00\x00\x00"),
        ("|S1", b"a"),
        ("|S9", b"1"),
        ("<M8[s]", b"\x01"),
        ("<M8", b"\x01"),
        ("<m8[ms]", b"\x01"),
        ("|V1", b"a"),
    ):
        item = np.dtype(dtype).itemsize
        made = functools.partial(_filled, dtype, [size // item], data, size // item * item)
        yield f"64 MiB of {dtype} of {data[:2].hex()}", made
    tables: dict[str, tuple[Any, int]] = {
        "rows": ([["a", "|u1"], ["", "|V7"], ["b", "<f8"]], 16),
        "wide rows": ([["a", "|u1"], ["", "|V1023"]], 1024),
        "rows of 1,000 fields": ([[f"f{i}", "|u1"] for i in range(1000)], 1000),
    }
    for name, (fields, item) in tables.items():
        made = functools.partial(_filled, fields, [size // item], b"\x01", size // item * item)
        yield f"64 MiB of {name}", made
    for count in (2, 3, 1000, 30_000):
        part = size // count - 100
        yield (
            f"{count} arrays in a list",
            lambda count=count, part=part: wire.list_of(
                count, wire.array("|u1", [part], bytes(part))
            ),
        )
    yield (
        "8 million numbers, two dimensions",
        lambda: wire.array("|u1", [4 * MIB, 2], bytes(8 * MIB)),
    )
    yield "one long text of NULs", functools.partial(_text, "\x00", size)
    yield "one long text of NULs and an emoji", lambda: _text("\x00", size, "\U0001f600")
    yield "one long text of quotation marks", functools.partial(_text, '"', size)
    yield "one long text of letters", functools.partial(_text, "\u00e9", size)
    yield "one long bin", lambda: b"\xc6" + size.to_bytes(4) + bytes(size)
    yield (
        "64 texts of backslashes",
        lambda: wire.list_of(64, _text("\\", size // 64 - 10)),
    )
    yield (
        "a dtype with a long name",
        lambda: wire.array([["a" * 7 * MIB + "\U0001f600", "|u1"]], [1], b"a"),
    )


def _filled(dtype: Any, shape: list[int], unit: bytes, size: int) -> bytes:
    return wire.array(dtype, shape, (unit * (size // len(unit) + 1))[:size])


def _text(character: str, size: int, last: str = "") -> bytes:
    data = character.encode() * ((size - 8) // len(character.encode())) + last.encode()
    return b"\xdb" + len(data).to_bytes(4) + data


# -- measuring -------------------------------------------------------------------------------------


class Cost(NamedTuple):
    """The cost of a body."""

    lane: str
    body: str
    status: int
    """0 if the process did not end by itself, or the app raised an exception."""
    cpu: float
    memory: int
    note: str

    @property
    def is_too_high(self) -> bool:
        """Whether that is more than any body may cost."""
        return self.status // 100 not in (2, 4) or self.cpu > CPU or self.memory > MEMORY


def cost(lane: str, app: ASGIApp, path: str, name: str, body: bytes, *, is_gzip: bool) -> Cost:
    """Send a body to an app in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            found = _in_child(app, path, body, is_gzip)
        except BaseException as exc:
            found = [0, 0.0, 0, f"{type(exc).__name__}: {exc}"[:200]]
        os.write(writer, json.dumps([*found, *_spent()]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, code = os.waitpid(child, 0)
    if not said:
        number = os.WTERMSIG(code) if os.WIFSIGNALED(code) else 0
        note = f"ended by {signal.Signals(number).name}" if number else "ended"
        return Cost(lane, name, 0, float(PATIENCE), 0, note)
    status, cpu, memory, note, all_cpu, peak = json.loads(said)
    return Cost(lane, name, status, cpu or all_cpu, memory or peak, note)


def _in_child(app: ASGIApp, path: str, body: bytes, is_gzip: bool) -> list[Any]:
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE + 1))
    headers = {**MSGPACK, **({"content-encoding": "gzip"} if is_gzip else {})}
    step = 256 * 1024
    chunks = (body[at : at + step] for at in range(0, len(body), step))
    scope = http_scope(headers=headers, path=path)
    Path("/proc/self/clear_refs").write_text("5")
    cpu, before = _spent()
    response = anyio.run(exchange, app, scope, list(chunks))
    after, peak = _spent()
    note = response.body[:80].decode("latin-1")
    return [response.status, after - cpu, peak - before, note if response.status >= 400 else ""]


def _spent() -> tuple[float, int]:
    """Seconds of CPU and the most memory so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    (peak,) = (
        int(line.split()[1]) * 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return usage.ru_utime + usage.ru_stime, peak


def measure(words: Sequence[str] = ()) -> Iterator[Cost]:
    """All costs, or those of the bodies and lanes whose names have all of the words."""
    apps = make_apps()
    for bodies, lanes, is_gzip in (
        (structures(), STRUCTURE_LANES, False),
        (arrays(), ARRAY_LANES, True),
    ):
        for name, make in bodies:
            wanted = [lane for lane in lanes if all(word in f"{lane}: {name}" for word in words)]
            if not wanted:
                continue
            body = gzip.compress(make(), 6) if is_gzip else make()
            for lane in wanted:
                app, path = apps[lane]
                yield cost(lane, app, path, name, body, is_gzip=is_gzip)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.costs", description=__doc__)
    parser.add_argument("words", nargs="*", help="only what has all of these words in its name")
    parser.add_argument("--rows", type=int, default=15, help="how many of the worst are listed")
    asked = parser.parse_args(arguments)
    costs = []
    for each in measure(asked.words):
        costs.append(each)
        if each.is_too_high:
            print(_row(each), flush=True)
    for title, key in (("CPU", lambda each: each.cpu), ("memory", lambda each: each.memory)):
        print(f"\nmost {title}, of {len(costs)}:")
        for each in sorted(costs, key=key, reverse=True)[: asked.rows]:
            print(_row(each))
    return int(not costs or any(each.is_too_high for each in costs))


def _row(each: Cost) -> str:
    figures = f"{each.status:3} {each.cpu:6.2f} s {each.memory / MIB:6.0f} MiB"
    return f"{figures}  {each.lane}: {each.body}  {each.note!r}"


if __name__ == "__main__":
    sys.exit(main())

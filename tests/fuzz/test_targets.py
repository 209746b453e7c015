"""The targets of ``tests/fuzz`` on inputs that are the same each time; and they find faults."""

from __future__ import annotations

import random
import sys
import time
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from binary_middleware.formats.msgpack import pack_buffers
from tests.fuzz import costs
from tests.fuzz.reader import read
from tests.fuzz.targets import fields, middleware, readers
from tests.hostile import wire


@pytest.mark.parametrize("part", range(8))
def test_fields(part: int) -> None:
    for seed in fields.seeds()[part::8]:
        _run(fields, seed)


def test_fields_by_chance() -> None:
    generator = random.Random(3)
    for _ in range(1500):
        _run(fields, generator.randbytes(generator.choice((20, 60, 200))))


def test_readers() -> None:
    generator = random.Random(4)
    for seed in readers.seeds():
        _run(readers, seed)
    for _ in range(600):
        _run(readers, generator.randbytes(generator.choice((20, 60, 200))))


def test_middleware() -> None:
    for seed in middleware.seeds():
        _run(middleware, seed)


def _run(target: Any, data: bytes) -> None:
    try:
        target.check(data)
    except BaseException as exc:  # pydantic's core can panic
        what = fields.read(data) if target is fields else data
        raise AssertionError(f"{type(exc).__name__}: {exc}; input {data!r}: {what}"[:2000]) from exc


# -- planted faults --------------------------------------------------------------------------------


async def _fails(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("Internal Server Error", 500)(scope, receive, send)


async def _lies(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse(None, headers={"content-type": "application/msgpack"})(scope, receive, send)


async def _raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise KeyError("planted")


@pytest.mark.parametrize("app", [_fails, _lies, _raises])
def test_faults_of_fields_are_found(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "LANES", dict.fromkeys(fields.NAMES, app))
    with pytest.raises((AssertionError, ValueError, KeyError)):
        fields.check(b"\x00" * 8)


def test_faults_of_readers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that promises one entry too many, and padding that is not zero."""

    def broken(*arguments: Any, **options: Any) -> list[Any]:
        return [b"\x81\xa1a", *pack_buffers(*arguments, **options), b"\xc0"]

    monkeypatch.setattr(readers, "pack_buffers", broken)
    with pytest.raises((AssertionError, ValueError, TypeError)):
        readers.check(b"\x00" * 8)
    padded = wire.array([["a", "|u1"], ["", "|V3"]], [2], b"a\x00\x00\x00b\x00\x07\x00")
    with pytest.raises(AssertionError):
        readers.check_arrays(read(padded))
    readers.check_arrays(read(padded.replace(b"\x07", b"\x00")))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"\x91", "1 bytes at 1"),
        (b"\xc0\xc0", "ends at byte 1"),
        (b"\xc1", "0xc1"),
        (b"\xd4\x00\x00", "0xd4"),
        (b"\x82\x01\xc0\x01\xc0", "is duplicated"),
        (b"\xa1\xff", "utf-8"),
    ],
)
def test_the_reader_refuses(document: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(document)


# -- costs -----------------------------------------------------------------------------------------

linux = pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")


@linux
@pytest.mark.parametrize(
    "words",
    [
        ("json: 8 MiB of empty bins",),
        ("json: 8 MiB of small arrays",),
        ("fastapi any: 8 MiB of a map whose keys are floats",),
        ("fastapi any: 8 MiB of a map whose keys are nil",),
        ("fastapi hundred: 500,000 keys",),
        ("fastapi list-str: 64 MiB of |u1",),
        ("fastapi float-lists: 3 arrays",),
        ("json: one long text of NULs and an emoji",),
        ("starlette text-8: 64 MiB of |S9",),
    ],
    ids=lambda words: words[0],
)
def test_costs(words: tuple[str, ...]) -> None:
    (found,) = costs.measure(words)
    assert not found.is_too_high, found


@linux
def test_costs_that_are_too_high_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "PATIENCE", 3)
    kept = []

    async def works(scope: Scope, receive: Receive, send: Send) -> None:
        until = time.process_time() + costs.CPU + 0.2
        while time.process_time() < until:
            pass
        await JSONResponse({})(scope, receive, send)

    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            pass

    async def keeps(scope: Scope, receive: Receive, send: Send) -> None:
        kept.append(b"\x01" * (costs.MEMORY + costs.MIB))
        await JSONResponse({})(scope, receive, send)

    async def small(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({})(scope, receive, send)

    def measured(app: Any) -> costs.Cost:
        return costs.cost("planted", app, "/", "nil", b"\xc0", is_gzip=False)

    found = [measured(app) for app in (works, hangs, keeps, _fails, _raises)]
    assert all(each.is_too_high for each in found)
    assert found[0].cpu > costs.CPU
    assert found[1].note == "ended by SIGXCPU"
    assert found[2].memory > costs.MEMORY
    assert found[3].status == 500
    assert found[4].note.startswith("KeyError")
    assert not measured(small).is_too_high

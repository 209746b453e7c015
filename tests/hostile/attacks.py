"""Bodies that are meant to cost memory or time, or to get out what memory held before.

Each is sent to every lane: the object lane of FastAPI and of Starlette, the JSON lane, the example
app.
"""

from __future__ import annotations

import functools
import gzip
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tests.hostile import wire
from tests.hostile.reading import gaps_of, read_array
from tests.hostile.service import MIB, Headers, Response
from tests.hostile.values import IMPOSSIBLE_TEXTS

MSGPACK: Final = ("content-type", "application/msgpack")
JSON: Final = ("content-type", "application/json")
GZIP: Final = ("content-encoding", "gzip")

REFUSED: Final = (400, 413, 422)
"""It does not matter which limit is the first that a body exceeds."""
ANY: Final = (200, *REFUSED)
STRUCTURE: Final = 8 * MIB - 64
"""Bytes of structure within the default limit."""


@dataclass(frozen=True)
class Attack:
    """A request, and the bounds of its response."""

    name: str
    service: str
    path: str
    body: Callable[[], bytes]
    statuses: Sequence[int]
    headers: Headers = (MSGPACK,)
    check: Callable[[Response], None] | None = None
    """What else must hold of the response."""
    cpu: float = 2.0
    """Seconds that the server may work."""
    memory: float = 100.0
    """MiB of memory that it may need."""

    def __str__(self) -> str:
        return f"{self.service}{self.path}: {self.name}"


LANES: Final = (("fastapi", ""), ("starlette", ""), ("fastapi", "/behind"))
OBJECT_LANES: Final = LANES[:2]
"""For what becomes large JSON otherwise, whose cost is the app's own."""
EXAMPLE: Final = (
    *(("/digits/classify", "images"), ("/images/edges", "sigma")),
    *(("/spectrogram", "window"), ("/images/edges", "image")),
)
"""Endpoints of the example app, and fields that a value may stand in."""


def _zip(body: bytes) -> bytes:
    return gzip.compress(body, 4, mtime=0)


def _each(
    name: str,
    make: Callable[[], bytes],
    statuses: Sequence[int],
    *kinds: str,
    lanes: Sequence[tuple[str, str]] = LANES,
    is_zipped: bool = False,
    **more: Any,
) -> Iterator[Attack]:
    """Yield attacks with a value for fields of some kinds, in each lane."""

    def body() -> bytes:
        return wire.fields(value=make())

    if is_zipped:
        body = functools.cache(lambda: _zip(wire.fields(value=make())))
    headers = (MSGPACK, GZIP) if is_zipped else (MSGPACK,)
    for kind in kinds:
        for service, prefix in lanes:
            path = f"{prefix}/model/{kind}"
            yield Attack(name, service, path, body, statuses, headers, **more)


def _objects(*arguments: Any, **more: Any) -> Iterator[Attack]:
    return _each(*arguments, lanes=OBJECT_LANES, **more)


def _example(name: str, make: Callable[[], bytes], **more: Any) -> Iterator[Attack]:
    """Yield attacks with a value in each place that the example app has for one."""
    for path, field in EXAMPLE:
        others = {"image": wire.pack(b"GIF"), "wav": wire.pack(b"RIFF")}
        rest = {} if path == "/digits/classify" else others

        def body(field: str = field, rest: dict[str, bytes] = rest) -> bytes:
            return wire.fields(**{**rest, field: make()})

        yield Attack(f"{name} as {field}", "example", path, body, REFUSED, **more)


def _zeros(*shape: int) -> Callable[[], bytes]:
    return lambda: wire.array("|u1", list(shape), bytes(int(np.prod(shape))))


# -- arrays that become lists ----------------------------------------------------------------------

LARGE_INT: Final = 1234567890123456789


def _arrays_for_lists() -> Iterator[Attack]:
    kinds = ("list-str", "set", "tuple", "deque", "matrix", "list-model", "iterable", "list-array")
    # Of a million zeros, a set keeps one.
    yield from _each("a million zeros", _zeros(MIB), ANY, *kinds)
    yield from _example("a million zeros", _zeros(MIB))
    yield from _objects("7 million zeros", _zeros(7 * MIB), (200, 422), "list-int", memory=330)
    yield from _each("a column", _zeros(700_000, 1), REFUSED, "list-int")
    no_rows = wire.array("|u1", [2**40, 0])
    yield from _each("rows without elements", lambda: no_rows, REFUSED, "list-int")
    yield from _objects("8 million zeros", _zeros(8 * MIB), REFUSED, "list-str", is_zipped=True)
    yield from _objects(
        "60 million zeros", _zeros(60 * MIB), REFUSED, "list-float", is_zipped=True, memory=220
    )

    def is_exact(response: Response) -> None:
        if response.status == 200:
            value = response.document["value"]
            value = read_array(value).tolist() if isinstance(value, dict) else value
            assert value == [LARGE_INT, -LARGE_INT]

    large = wire.numpy_array([LARGE_INT, -LARGE_INT], "<i8")
    yield from _each(
        "integers that no float holds",
        lambda: large,
        (200, 422),
        *("list-int", "list-any"),
        check=is_exact,
    )


def _lists_for_arrays() -> Iterator[Attack]:
    def large() -> bytes:
        return wire.items(*[_zeros(21 * MIB)()] * 3)

    # Three arrays may be one of three rows.
    yield from _objects("three arrays of 21 MiB", large, ANY, "float-lists", memory=456)
    yield from _example("three arrays of 21 MiB", large, memory=456)
    small = wire.numpy_array(np.zeros(4000, "u1"))
    arrays = {"15,000 arrays": lambda: wire.list_of(15_000, small)}
    arrays["8 million integers"] = lambda: wire.list_of(STRUCTURE, b"\x01")
    for name, make in arrays.items():
        yield from _objects(name, make, REFUSED, "square-lists", memory=456)


# -- errors, one for each byte ---------------------------------------------------------------------


def _errors() -> Iterator[Attack]:
    @functools.cache
    def keys() -> bytes:
        count = 10**6
        return b"\xdf" + count.to_bytes(4) + b"".join(b"\xa6%06x\x01" % key for key in range(count))

    yield from _objects("a million keys", keys, (422,), "closed-model", "hundred", memory=400)
    maps = wire.list_of(60_000, b"\x80")
    yield from _objects("60,000 empty maps", lambda: maps, (422,), "list-hundred")
    integers = wire.list_of(STRUCTURE, b"\x01")
    yield from _objects("8 million integers", lambda: integers, (422,), "list-str", memory=200)


# -- text that grows -------------------------------------------------------------------------------


def _text(character: str, size: int, last: str = "") -> bytes:
    count = size // len(character.encode())
    data = (character * count + last).encode()
    return b"\xdb" + len(data).to_bytes(4) + data


def _expansion() -> Iterator[Attack]:
    limit = 64 * MIB - 64
    growing = {
        "NULs and an emoji": lambda: _text("\x00", limit, "\U0001f600"),
        "a key of NULs": lambda: wire.pairs([(_text("\x01", limit - 64), wire.NIL)]),
        "quotation marks": lambda: _text('"', limit),
    }
    places = [("starlette", "/length"), ("fastapi", "/behind/length"), ("fastapi", "/model/int")]
    for name, make in growing.items():
        body = functools.cache(lambda make=make: _zip(make()))
        for service, path in places:
            if name == "quotation marks" and "behind" in path:
                continue  # FastAPI's own copies of a long text are its own
            # What becomes six times as long is too long; twice may be within the limit.
            is_text = "length" in path
            statuses = REFUSED if not is_text else (413,) if "NULs" in name else (200, 413)
            yield Attack(
                f"64 MiB of {name} in gzip",
                service,
                path,
                body,
                statuses,
                (MSGPACK, GZIP),
                memory=256 if is_text and "NULs" in name else 456,
            )

    def is_text(response: Response) -> None:
        assert response.document["length"] > 60 * MIB

    honest = wire.array("<f4", [45 * MIB // 4], bytes(45 * MIB))
    name = "an honest array of 45 MiB"
    yield Attack(name, "starlette", "/length", lambda: honest, (200,), check=is_text, memory=256)


# -- many small values -----------------------------------------------------------------------------


def _keys() -> Iterator[Attack]:
    count = 4 * MIB - 16
    floats = b"".join(b"\xcb" + struct.pack(">d", index) + wire.NIL for index in range(800_000))
    maps = {
        "4 million nil keys": lambda: wire.map_of(count, b"\xc0\xc0"),
        "4 million keys of 1": lambda: wire.map_of(count, b"\x01\xc0"),
        "800,000 float keys": lambda: b"\xdf" + (800_000).to_bytes(4) + floats,
    }
    for name, make in maps.items():
        yield from _each(name, make, REFUSED, "any", is_zipped=True)
        body = lambda make=make: _zip(wire.fields(images=make()))  # noqa: E731
        headers = (MSGPACK, GZIP)
        yield Attack(f"{name} in gzip", "example", "/digits/classify", body, REFUSED, headers)


def _conversions() -> Iterator[Attack]:
    values = {
        "small arrays": wire.array("|u1", [1], b"a"),
        "dates": wire.chains("dt_date_iso", "2026-01-31"),
        "timestamps": b"\xd6\xff" + bytes(4),
        "empty bins": b"\xc4\x00",
        "scalars": wire.scalar("<f4", bytes(4)),
        "maps of a bin": b"\x81\xa1a\xc4\x00",
    }
    for name, value in values.items():
        body = lambda value=value: wire.list_of(STRUCTURE // len(value), value)  # noqa: E731
        for service, path in (
            ("starlette", "/length"),
            ("fastapi", "/behind/length"),
            ("fastapi", "/bare/list-bytes"),
        ):
            if path != "/behind/length" or name in ("small arrays", "empty bins", "dates"):
                yield Attack(f"8 MiB of {name}", service, path, body, ANY, memory=456)


def _decimals() -> Iterator[Attack]:
    for text in ("1E+1000000", "-9e+999999999999999999"):
        value = wire.chains("decimal", text)
        yield from _each(text, lambda value=value: value, (400,), "int", "any")
        yield from _example(text, lambda value=value: value)


# -- what memory held before -----------------------------------------------------------------------

PADDED: Final[dict[str, Any]] = {
    "after": [["a", "|u1"], ["", "|V1023"]],
    "between": [["a", "|u1"], ["", "|V7"], ["b", "<f8"], ["", "|V16"]],
    "nested": [["a", "<i4"], ["inner", [["x", "|u1"], ["", "|V63"]]]],
    "in a subarray": [["a", "<i4"], ["inner", [["x", "|u1"], ["", "|V31"]], [3, 2]]],
}


def _padding() -> Iterator[Attack]:
    def gaps_are_zero(response: Response) -> None:
        for part in response.document["rows"]:
            array = read_array(part)
            assert array.size
            assert not gaps_of(array).any()

    for name, dtype in PADDED.items():
        # Nor is the client's own padding zero.
        size = 64 * 1024
        itemsize = read_array({"shape": [0], "dtype": dtype, "data": b""}).dtype.itemsize
        rows = wire.array(dtype, [size // itemsize], b"\x01" * (size // itemsize * itemsize))
        body = wire.fields(rows=rows)
        for service, prefix in LANES:
            for accept in ("msgpack", "msgpack; arrays=map", "json"):
                yield Attack(
                    f"padding {name} in {accept}",
                    service,
                    f"{prefix}/rows",
                    lambda body=body: body,
                    (200,),
                    (MSGPACK, ("accept", f"application/{accept}")),
                    check=gaps_are_zero,
                )


def _impossible_characters() -> Iterator[Attack]:
    for name in ("beyond Unicode", "a surrogate", "deep in fields"):
        value = IMPOSSIBLE_TEXTS[name]
        yield from _each(name, lambda value=value: value, (400,), "array", "any")
        yield Attack(name, "starlette", "/echo", lambda value=value: value, (400,))
        yield from _example(name, lambda value=value: value)
    text = json.dumps({"value": {"shape": [1], "dtype": "<U1", "data_b64": "ANgAAA=="}}).encode()
    for service, prefix in LANES:
        for kind in ("array", "text-8"):
            path = f"{prefix}/model/{kind}"
            yield Attack("a surrogate in JSON", service, path, lambda: text, (400, 422), (JSON,))


def _json_is_not_limited() -> Iterator[Attack]:
    def is_whole(response: Response) -> None:
        assert len(response.document) == 100_001

    text = b"[" + b"0," * 100_000 + b"1]"
    for service in ("fastapi", "starlette"):
        path = "/bare/list-int"
        yield Attack("a long list", service, path, lambda: text, (200,), (JSON,), check=is_whole)


ATTACKS: Final = [
    *_arrays_for_lists(),
    *_lists_for_arrays(),
    *_errors(),
    *_expansion(),
    *_keys(),
    *_conversions(),
    *_decimals(),
    *_padding(),
    *_impossible_characters(),
    *_json_is_not_limited(),
]


# -- names that might be kept ----------------------------------------------------------------------


def _long_name(index: int) -> Any:
    return [[f"{index}\U0001f600" + "a" * 6 * MIB, "|u1"]]


LONG_NAMES: Final[dict[str, Callable[[int], bytes]]] = {
    "numpy": lambda index: wire.array(_long_name(index), [1], b"a"),
    "map": lambda index: wire.string_map(_long_name(index), [1], b"a"),
    "json": lambda index: json.dumps(
        {"shape": [1], "dtype": _long_name(index), "data_b64": "YQ=="}
    ).encode(),
}
"""Arrays whose dtype has a field with a name of 6 MiB, in all forms."""

"""What is sent, and what must come of it.

Every input names a service and a path; one that concerns all apps is listed for each of them.
"""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tests.hostile import wire
from tests.hostile.reading import gaps_of, read_array
from tests.hostile.service import MIB, Headers, Reply

MSGPACK: Final = ("content-type", "application/msgpack")
JSON: Final = ("content-type", "application/json")
GZIP: Final = ("content-encoding", "gzip")

REFUSED: Final = (400, 413, 422)
"""It is not important which limit was the first that it met."""


@dataclass(frozen=True)
class Input:
    """A request, and the bounds of its response."""

    name: str
    service: str
    path: str
    body: Callable[[], bytes] | None
    statuses: Sequence[int]
    headers: Headers = (MSGPACK,)
    method: str = "POST"
    check: Callable[[Reply], None] | None = None
    """What else must hold of the response."""
    cpu: float = 2.0
    """Most seconds that the server may work."""
    memory: float = 100.0
    """Most MiB of memory that it may need."""

    def __str__(self) -> str:
        return f"{self.service}{self.path}: {self.name}"


def zipped(body: bytes) -> bytes:
    """The body under ``GZIP``."""
    return gzip.compress(body, 4, mtime=0)


def _each(
    name: str, make: Callable[[], bytes], statuses: Sequence[int], *kinds: str, **settings: Any
) -> Iterator[Input]:
    """A value for fields of some kinds, on the object lanes and on the JSON lane."""
    for kind in kinds:
        for service, prefix in (("fastapi", ""), ("fastapi", "/behind"), ("starlette", "")):
            path = f"{prefix}/model/{kind}"
            yield Input(
                name, service, path, lambda: wire.fields(value=make()), statuses, **settings
            )


def _example(
    name: str, make: Callable[[], bytes], statuses: Sequence[int], **settings: Any
) -> Iterator[Input]:
    """A value in every place that the example app has for one."""
    for path, field in (
        ("/digits/classify", "images"),
        ("/images/edges", "sigma"),
        ("/spectrogram", "window"),
        ("/images/edges", "image"),
    ):
        others = {"image": wire.pack(b"GIF"), "wav": wire.pack(b"RIFF")}
        rest = {key: value for key, value in others.items() if path != "/digits/classify"}
        yield Input(
            f"{name} as {field}",
            "example",
            path,
            lambda field=field, rest=rest: wire.fields(**{**rest, field: make()}),
            statuses,
            **settings,
        )


# -- arrays where a model has a list ---------------------------------------------------------------

LARGE_INT: Final = 1234567890123456789


def _arrays_for_lists() -> Iterator[Input]:
    kinds = ("list-str", "set", "tuple", "frozenset", "deque", "sequence", "matrix", "list-model")
    yield from _each(
        "a million zeros",
        lambda: wire.array("|u1", [MIB], bytes(MIB)),
        (*REFUSED, 200),  # as for a set, of which one number remains
        *kinds,
        "iterable",
        "list-array",
    )
    for service, path in (("fastapi", "/model/list-str"), ("starlette", "/model/list-str")):
        yield Input(
            "eight million zeros in gzip",
            service,
            path,
            lambda: zipped(wire.fields(value=wire.array("|u1", [8 * MIB], bytes(8 * MIB)))),
            REFUSED,
            (MSGPACK, GZIP),
        )
        yield Input(
            "60 million zeros in gzip",
            service,
            path.replace("str", "float"),
            lambda: zipped(wire.fields(value=wire.array("|u1", [60 * MIB], bytes(60 * MIB)))),
            REFUSED,
            (MSGPACK, GZIP),
            memory=220,
        )

    yield from _each(
        "integers that no float holds",
        lambda: wire.numpy_array([LARGE_INT, -LARGE_INT], "<i8"),
        (200, 422),
        *("list-int", "tuple", "sequence", "list-any"),
        check=is_exact_or_array,
    )
    many = {"list-float": "<f4", "list-int": "<i8", "list-any": "<f8"}
    for kind, dtype in many.items():
        yield from _each(
            f"a few of {dtype}",
            lambda dtype=dtype: wire.numpy_array([1, 2, 3], dtype),
            (200, 422),
            kind,
            check=is_one_two_three,
        )
    part = wire.array("|u1", [21 * MIB], bytes(21 * MIB))
    for kind in ("float-lists", "int-lists", "bool-lists"):
        for service in ("fastapi", "starlette"):
            yield Input(
                "a list of three arrays of 21 MiB",
                service,
                f"/model/{kind}",
                lambda part=part: wire.fields(value=wire.items(part, part, part)),
                (*REFUSED, 200),  # they may be one array of three rows
                memory=4 * 64 + 200,
            )
    yield Input(
        "a list of three arrays of 21 MiB",
        "example",
        "/digits/classify",
        lambda: wire.fields(images=wire.items(part, part, part)),
        REFUSED,
        memory=280,
    )
    yield from _example("a million zeros", lambda: wire.array("|u1", [MIB], bytes(MIB)), REFUSED)


def is_exact_or_array(reply: Reply) -> None:
    """All digits are there, be it a list or an array."""
    if reply.status == 200:
        value = reply.document["value"]
        if isinstance(value, dict):
            value = read_array(value).tolist()
        assert value == [LARGE_INT, -LARGE_INT]


def is_one_two_three(reply: Reply) -> None:
    """The elements are there, be it a list or an array."""
    if reply.status == 200:
        value = reply.document["value"]
        if isinstance(value, dict):
            value = read_array(value).tolist()
        assert value == [1, 2, 3]


# -- decimals --------------------------------------------------------------------------------------


def _decimals() -> Iterator[Input]:
    kinds = ("int", "any", "list-str", "decimal", "model", "float", "union", "short", "datetime")
    for text in ("1E+1000000", "-9e+999999999999999999", "1E-1000000", "0E+1000000", "1E+4301"):
        value = wire.chains("decimal", text)
        yield from _each(
            text, lambda value=value: value, (400,), *kinds[: 9 if "E+1" in text else 2]
        )
        yield from _example(text, lambda value=value: value, (400,))
        yield Input(text, "starlette", "/echo", lambda value=value: value, (400,))
    # As long as Python's own limit for integers as text, or a digit longer.
    for text in ("1E+4299", "1E+4300", "NaN", "1E-4300"):
        value = wire.chains("decimal", text)
        yield from _each(text, lambda value=value: value, (200, 400, 422), *kinds[:5])
        yield from _example(text, lambda value=value: value, (400, 422))
    honest = wire.chains("decimal", "1.50")
    yield from _each("an honest decimal", lambda: honest, (200,), "decimal", "price", "float")


# -- documents that could be forged ----------------------------------------------------------------

FORGED: Final = ("ädata", "åshape", "ådtype", "äädata", "\U00010024data", "data", "ädata\x00")


def _forged() -> Iterator[Input]:
    as_map = ("accept", "application/msgpack; arrays=map")
    for service, path in (
        ("fastapi", "/rows/itself"),
        ("fastapi", "/behind/rows/itself"),
        ("starlette", "/rows/itself"),
        ("starlette", "/echo"),
    ):
        for shift in range(8):
            for name in FORGED[:4]:
                dtype: Any = [[name, "<f4"], ["b" * shift, "<u4"]] if shift else [[name, "<f4"]]
                size = np.dtype([tuple(each) for each in dtype]).itemsize
                data = bytes(range(256)) * (size * 24 * 1024 // 256)
                shape = [len(data) // size]

                def is_same(reply: Reply, dtype: Any = dtype, data: bytes = data) -> None:
                    rows = reply.document["rows"]
                    assert rows["dtype"] == dtype
                    assert rows["data"] == data

                yield Input(
                    f"{name} at {shift}",
                    service,
                    path,
                    lambda dtype=dtype, shape=shape, data=data: wire.fields(
                        rows=wire.array(dtype, shape, data)
                    ),
                    (200,),
                    (MSGPACK, as_map),
                    check=is_same,
                )


# -- padding ---------------------------------------------------------------------------------------

PADDED: Final[dict[str, Any]] = {
    "after": [["a", "|u1"], ["", "|V1023"]],
    "between": [["a", "|u1"], ["", "|V7"], ["b", "<f8"], ["", "|V16"]],
    "nested": [["a", "<i4"], ["inner", [["x", "|u1"], ["", "|V63"]]]],
    "in a subarray": [["a", "<i4"], ["inner", [["x", "|u1"], ["", "|V31"]], [3, 2]]],
}


def _padding(ways: Sequence[str]) -> Iterator[Input]:
    def gaps_are_zero(reply: Reply) -> None:
        array = read_array(reply.document["rows"])
        assert array.size
        assert not gaps_of(array).any()

    for name, dtype in PADDED.items():
        made = _dtype(dtype)
        rows = 64 * 1024 // made.itemsize
        # The padding of the client's own is not zero either.
        body = wire.fields(rows=wire.array(dtype, [rows], b"\x01" * (rows * made.itemsize)))
        for how in ways:
            if name == "in a subarray" and how in ("joined", "stacked", "fortran"):
                continue  # numpy itself loses where the gaps are
            for service, prefix in (("fastapi", ""), ("fastapi", "/behind"), ("starlette", "")):
                for form in ("numpy", "map", "json"):
                    if form != "numpy" and how not in ("itself", "every-other"):
                        continue
                    accept = f"application/msgpack; arrays={form}"
                    yield Input(
                        f"padding {name}, {form}",
                        service,
                        f"{prefix}/rows/{how}",
                        lambda body=body: body,
                        (200,),
                        (MSGPACK, ("accept", "application/json" if form == "json" else accept)),
                        check=gaps_are_zero,
                    )
        yield Input(
            f"padding {name}, from an app that answers in JSON",
            "starlette",
            "/echo",
            lambda body=body: body,
            (200,),
            check=gaps_are_zero,
        )


def _dtype(spec: Any) -> np.dtype[Any]:
    from binary_middleware.fields import parse_dtype

    return parse_dtype(spec)


# -- caches of other people ------------------------------------------------------------------------


def _mirroring() -> Iterator[Input]:
    def is_json(reply: Reply) -> None:
        assert reply.header("content-type") == "application/json"
        assert "accept" in reply.header("vary").lower()

    def varies(reply: Reply) -> None:
        assert reply.header("content-type") == "application/msgpack"
        vary = {part.strip().lower() for part in reply.header("vary").split(",")}
        assert {"accept", "content-type"} <= vary

    places = {
        "fastapi": ("/document", "/behind/document"),
        "starlette": ("/document",),
        "example": ("/health",),
    }
    for service, paths in places.items():
        for path in paths:
            methods = ("GET",) if service == "example" else ("GET", "HEAD")
            for method in methods:
                for accept in ((), (("accept", "*/*"),), (("accept", "application/*"),)):
                    yield Input(
                        f"{method} with a type and {dict(accept)}",
                        service,
                        path,
                        None,
                        (200,),
                        (MSGPACK, *accept),
                        method,
                        check=is_json,
                    )
    for service, path in (
        ("fastapi", "/bare/list-int"),
        ("fastapi", "/behind/bare/list-int"),
        ("starlette", "/bare/list-int"),
    ):
        yield Input(
            "a mirrored type",
            service,
            path,
            lambda: wire.pack([1]),
            (200,),
            (MSGPACK, ("accept", "*/*")),
            check=varies,
        )


# -- text that grows -------------------------------------------------------------------------------


def _text(character: str, size: int, last: str = "") -> bytes:
    count = size // len(character.encode())
    data = (character * count + last).encode()
    return b"\xdb" + len(data).to_bytes(4) + data


def _expansion() -> Iterator[Input]:
    limit = 64 * MIB - 64
    growing = {
        "NULs and an emoji": lambda: _text("\x00", limit, "\U0001f600"),
        "quotation marks": lambda: _text('"', limit),
        "backslashes in a list": lambda: wire.items(*[_text("\\", 8 * MIB - 64)] * 8),
        "a key of NULs": lambda: wire.pairs([(_text("\x01", limit - 64), wire.NIL)]),
    }
    for service, path in (("starlette", "/length"), ("fastapi", "/behind/victim")):
        for name, make in growing.items():
            if service == "fastapi" and "NULs" not in name:
                continue  # what FastAPI itself makes of a long text is its own
            yield Input(
                f"64 MiB of {name} in gzip",
                service,
                path,
                lambda make=make: zipped(make()),
                # What becomes six times as long is too long; twice may be within the bound.
                (413,) if "NULs" in name else (200, 413),
                (MSGPACK, GZIP),
                memory=(3 * 64 if "NULs" in name else 5 * 64) + 64,
            )
    for name, make in growing.items():  # where nothing becomes text
        yield Input(
            f"64 MiB of {name} in gzip",
            "fastapi",
            "/model/int",
            lambda make=make: zipped(make()),
            REFUSED,
            (MSGPACK, GZIP),
            memory=4 * 64 + 200,
        )

    yield Input(
        "an honest array of 45 MiB",
        "starlette",
        "/length",
        lambda: wire.array("<f4", [45 * MIB // 4], bytes(45 * MIB)),
        (200,),
        check=lambda reply: _assert(reply.document["length"] > 60 * MIB),
        memory=4 * 64,
    )


def _assert(holds: object) -> None:
    assert holds


# -- names that are kept ---------------------------------------------------------------------------


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


# -- characters that do not exist ------------------------------------------------------------------


def impossible_texts() -> dict[str, bytes]:
    """Arrays of text whose characters do not exist, in all the ways that there are to say it."""
    little = struct.pack("<2I", 0x110000, 0xD800)
    return {
        "beyond Unicode": wire.text_array("<U2", 0x110000, 65),
        "far beyond": wire.text_array("<U2", 0xFFFFFFFF, 65),
        "a surrogate": wire.text_array("<U2", 65, 0xD800),
        "a pair of surrogates": wire.text_array("<U2", 0xD83D, 0xDE00),
        "in the other order": wire.text_array(">U2", 65, 0xDFFF),
        "without dimensions": wire.array("<U2", [], little),
        "in a field": wire.array([["a", "<U2"]], [1], little),
        "deep in fields": wire.array(
            [["a", "|u1"], ["b", [["c", "<U1", [2, 1]]], [1]]], [1], b"\x01" + little
        ),
        "at the end of many": wire.array(
            "<U1", [20_000], struct.pack("<I", 65) * 19_999 + struct.pack("<I", 0xDC00)
        ),
    }


def _impossible_characters() -> Iterator[Input]:
    kinds = ("list-str", "str", "array", "any", "text-8", "ndarray", "enum", "short")
    for name, value in impossible_texts().items():
        chosen = kinds if name in ("beyond Unicode", "a surrogate") else ("array", "any")
        yield from _each(name, lambda value=value: value, (400,), *chosen)
        yield Input(name, "starlette", "/echo", lambda value=value: value, (400,))
        yield from _example(name, lambda value=value: value, (400,))
    as_map = wire.string_map("<U2", [1], struct.pack("<2I", 65, 0xD800))
    yield from _each("in a string-keyed map", lambda: as_map, (400, 422), "array", "text-8")
    text = json.dumps(
        {"value": {"shape": [1], "dtype": "<U1", "data_b64": "ANgAAA=="}}  # U+D800
    ).encode()
    for service, prefix in (("fastapi", ""), ("fastapi", "/behind"), ("starlette", "")):
        for kind in ("array", "text-8"):
            for accept in ("application/json", "application/msgpack"):
                yield Input(
                    f"in JSON, {accept} wanted",
                    service,
                    f"{prefix}/model/{kind}",
                    lambda: text,
                    (400, 422),
                    (JSON, ("accept", accept)),
                )
    yield Input(
        "in JSON that comes back",
        "starlette",
        "/echo",
        lambda: text,
        (200, 400),
        (JSON, ("accept", "application/msgpack")),
        check=lambda reply: _assert(reply.document),
    )
    honest = wire.text_array("<U2", 0x10FFFF, 0)
    yield from _each("the last character", lambda: honest, (200,), "array", "text-8")


# -- maps ------------------------------------------------------------------------------------------


def _keys() -> Iterator[Input]:
    count = 4 * MIB - 16
    floats = b"".join(b"\xcb" + struct.pack(">d", index) + wire.NIL for index in range(800_000))
    maps = {
        "4 million nil keys": lambda: wire.map_of(count, b"\xc0\xc0"),
        "4 million true keys": lambda: wire.map_of(count, b"\xc3\xc0"),
        "4 million keys of 1": lambda: wire.map_of(count, b"\x01\xc0"),
        "800,000 float keys": lambda: b"\xdf" + (800_000).to_bytes(4) + floats,
    }
    for name, make in maps.items():
        for service, path in (
            ("fastapi", "/model/any"),
            ("fastapi", "/behind/model/any"),
            ("fastapi", "/model/list-int"),
            ("starlette", "/model/any"),
            ("starlette", "/echo"),
        ):
            yield Input(
                f"{name} in gzip",
                service,
                path,
                lambda make=make: zipped(wire.fields(value=make())),
                REFUSED,
                (MSGPACK, GZIP),
            )
        yield Input(
            f"{name} in gzip",
            "example",
            "/digits/classify",
            lambda make=make: zipped(wire.fields(images=make())),
            REFUSED,
            (MSGPACK, GZIP),
        )
    few = wire.pairs((wire.pack(index), wire.NIL) for index in range(512))
    yield from _each(
        "512 keys that are numbers",
        lambda: few,
        (200,),
        "any",
        check=lambda reply: _assert(len(reply.document["value"]) == 512),
    )


# -- options that restrict -------------------------------------------------------------------------


def _restricted() -> Iterator[Input]:
    places = [
        *(("starlette", f"/{place}") for place in ("socket", "host", "closure")),
        *(("fastapi", place) for place in ("/rooted", "/stripped")),
    ]
    for service, place in places:
        paths = ("/strict",) if service == "starlette" else ("/ruled", "/marked")
        for path in paths:
            yield Input("JSON", service, f"{place}{path}", lambda: b"[1]", (415,), (JSON,))
            yield Input("msgpack", service, f"{place}{path}", lambda: b"\x91\x01", (200,))
            yield Input(
                "JSON wanted",
                service,
                f"{place}{path}",
                lambda: b"\x91\x01",
                (406,),
                (MSGPACK, ("accept", "application/json")),
            )
        yield Input("101 bytes", service, f"{place}/small", lambda: wire.pack(b"a" * 99), (413,))
        yield Input("a few bytes", service, f"{place}/small", lambda: wire.pack(b"a"), (200,))
    for method in ("GET", "HEAD"):
        yield Input(
            f"{method} of JSON",
            "starlette",
            "/ruled/document",
            None,
            (406,),
            (("accept", "application/json"),),
            method,
        )


def _required() -> Iterator[Input]:
    types = {
        "plain": "application/json",
        "an attribute without a value": "application/json; charset",
        "a parameter without a name": "application/json; =",
        "a parameter of 9 kB": f"application/json; a={'b' * 9000}",
        "a quotation that does not end": 'application/json; a="b',
        "text": "text/plain",
        "no type at all": "",
        "no type that one can read": "application",
        "two types in one": "application/msgpack, application/json",
    }
    for service, path in (
        ("fastapi", "/strict"),
        ("fastapi", "/behind/strict"),
        ("starlette", "/strict"),
    ):
        for name, value in types.items():
            headers = [("content-type", value)] if value else []
            yield Input(name, service, path, lambda: b"[1]", (415, 400), headers)
        for pair in (
            (MSGPACK, JSON),
            (JSON, MSGPACK),
            (JSON, JSON),
            (MSGPACK, MSGPACK),
        ):
            yield Input(f"{pair}", service, path, lambda: b"[1]", (400,), pair)
        yield Input("msgpack", service, path, lambda: b"\x91\x01", (200,))
    for service, path in (
        ("fastapi", "/bare/list-int"),
        ("fastapi", "/behind/bare/list-int"),
        ("starlette", "/bare/list-int"),
        ("starlette", "/echo"),
        ("example", "/digits/classify"),
    ):
        for pair in ((MSGPACK, JSON), (JSON, MSGPACK), (MSGPACK, MSGPACK)):
            yield Input(f"{pair}", service, path, lambda: b"[1]", (400,), pair)


# -- small documents that were errors of the server ------------------------------------------------


def wrong_values() -> dict[str, bytes]:
    """Values that few fields are for."""
    rows = [["a", "<i4"], ["b", "<M8[s]"]]
    return {
        "a date without unit": wire.scalar("<M8", bytes(8)),
        "a duration without unit": wire.scalar("<m8", bytes(8)),
        "no date": wire.scalar("<M8[ns]", b"\x00" * 7 + b"\x80"),
        "an array of dates without unit": wire.array("<M8", [2], bytes(16)),
        "rows": wire.array(rows, [2], bytes(24)),
        "a row": wire.array(rows, [], bytes(12)),
        "bytes of no length": wire.array("|S999999999", [0]),
        "text of no length": wire.array("<U99999999", [0]),
        "void": wire.array("|V8", [1], bytes(8)),
        "a long double": wire.scalar("<f16", bytes(16)),
        "an array without dimensions": wire.numpy_array(1.5),
        "an array of 64 dimensions": wire.array("|u1", [1] * 64, b"a"),
        "complex": wire.pairs([(b"\xc4\x07complex", b"\xc3"), (b"\xc4\x04data", wire.pack("1j"))]),
        "a timestamp": wire.extension(-1, struct.pack(">I", 1)),
        "a timestamp of year 9999": wire.extension(
            -1, struct.pack(">Iq", 999_999_999, 253402300799)
        ),
        "a datetime": wire.chains("dt_datetime_iso", "2026-01-31T12:00:00+23:59"),
        "a date": wire.chains("dt_date_iso", "2026-01-31"),
        "a time": wire.chains("dt_time_iso", "12:00:00-23:59:59.999999"),
        "a duration": wire.chains("dt_timedelta", [999999999, 86399, 999999]),
        "a decimal": wire.chains("decimal", "1.50"),
        "a decimal that is none": wire.chains("decimal", "sNaN123"),
        "a UUID": wire.chains("uuid", "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"),
        "NaN": b"\xcb\x7f\xf8" + bytes(6),
        "infinity": b"\xcb\x7f\xf0" + bytes(6),
        "a large integer": b"\xcf" + b"\xff" * 8,
        "bytes that are no text": wire.pack(b"\xff\xfe"),
        "a map of arrays": wire.fields(a=wire.numpy_array([1, 2]), kind=wire.numpy_array(["cat"])),
    }


_STATUSES: Final = (200, 400, 413, 422)


def small_documents(kinds: Sequence[str]) -> Iterator[Input]:
    """Every wrong value in a field of every kind."""
    for name, value in wrong_values().items():
        yield from _each(name, lambda value=value: value, _STATUSES, *kinds)
        yield from _example(name, lambda value=value: value, (400, 422))
        yield Input(name, "starlette", "/echo", lambda value=value: value, (200, 400))


# -- the rest --------------------------------------------------------------------------------------


def _offsets() -> Iterator[Input]:
    def keeps(reply: Reply) -> None:
        if reply.status == 200:
            assert "+23:59:59.999999" in str(reply.document["value"])

    for kind, marker, text in (
        ("datetime", "dt_datetime_iso", "2026-01-31T12:00:00+23:59:59.999999"),
        ("time", "dt_time_iso", "12:00:00+23:59:59.999999"),
        ("any", "dt_datetime_iso", "2026-01-31T12:00:00+23:59:59.999999"),
    ):
        value = wire.chains(marker, text)
        yield from _each(
            "an offset to the microsecond", lambda value=value: value, _STATUSES, kind, check=keeps
        )


def _reports() -> Iterator[Input]:
    def make() -> bytes:
        return wire.pairs((wire.pack(f"key {index}"), b"\xc0") for index in range(500_000))

    def is_short(reply: Reply) -> None:
        assert len(reply.body) < 256 * 1024

    for service, path in (
        ("fastapi", "/hundred"),
        ("starlette", "/hundred"),
    ):
        yield Input(
            "half a million other keys",
            service,
            path,
            make,
            REFUSED,
            check=is_short,
            memory=300,
        )


def _conversions() -> Iterator[Input]:
    size = 8 * MIB - 64
    small = wire.array("|u1", [1], b"a")
    date = wire.chains("dt_date_iso", "2026-01-31")
    stamp = wire.extension(-1, bytes(4))
    short_stamp = b"\xd6\xff" + bytes(4)
    values = {
        "small arrays": small,
        "dates": date,
        "timestamps": stamp,
        "short timestamps": short_stamp,
        "empty bins": b"\xc4\x00",
        "bins of a byte": b"\xc4\x01a",
        "scalars": wire.scalar("<f4", bytes(4)),
        "empty maps": b"\x80",
        "maps of a bin": b"\x81\xa1a\xc4\x00",
    }
    for name, value in values.items():
        for service, path in (
            ("starlette", "/length"),
            ("fastapi", "/behind/victim"),
            ("fastapi", "/model/int"),
            ("starlette", "/model/int"),
            ("fastapi", "/model/list-bytes"),
        ):
            if service == "fastapi" and name not in ("small arrays", "empty bins", "dates"):
                continue
            yield Input(
                f"8 MiB of {name}",
                service,
                path,
                lambda value=value: wire.fields(value=wire.list_of(size // len(value), value)),
                _STATUSES,
                memory=4 * 64 + 200,
            )


def inputs(ways: Sequence[str], kinds: Sequence[str]) -> list[Input]:
    """All of them.

    Args:
        ways: what the apps do to structured arrays.
        kinds: the fields that wrong values are sent to.
    """
    return [
        *_arrays_for_lists(),
        *_decimals(),
        *_forged(),
        *_padding(ways),
        *_mirroring(),
        *_expansion(),
        *_impossible_characters(),
        *_keys(),
        *_restricted(),
        *_required(),
        *small_documents(kinds),
        *_offsets(),
        *_reports(),
        *_conversions(),
    ]

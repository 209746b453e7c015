"""msgpack of every kind that there is, true or not, made of the bytes of an input."""

from __future__ import annotations

import base64
import struct
from typing import Any, Final

from tests.fuzz.choices import Choices
from tests.hostile import wire

TEXTS: Final = (
    *(
        "",
        "a",
        "red",
        "cat",
        "dog",
        "1",
        "0",
        "-1",
        "1.5",
        "1E+4300",
        "1e400",
        "NaN",
        "inf",
        "true",
    ),
    *("2026-01-31", "2026-01-31T12:00:00Z", "12:00:00", "2026-01-31T12:00:00+23:59:59.999999"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-23:59", "P1DT2H", "-P999999999D"),
    *("9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d", "http://a.example/b?c#d", "127.0.0.1", "::1/64"),
    *("/a/../b", "[1, {}]", "[", "(a", "10MiB", "1" * 4301, "é", "\U0001f600", "\x00", "ädata"),
    *("x" * 3000, "\x01" * 600, '"\\' * 300, "AAECAw==", "AA", "a" * 20_000),
)
KEYS: Final = (
    *("value", "kind", "lives", "bark", "count", "when", "name", "children", "x", "y", "title"),
    *("year", "first", "second", "samples", "times", "data", "shape", "dtype", "data_b64", "a"),
    *("", "1", "2026-01-31", "\x00", "ädata", "__class__", "k" * 3000),
)
INTEGERS: Final = (
    *(0, 1, 2, 3, -1, 127, 128, 255, 256, -128, -129, 65535, 1 << 31, -(1 << 31), 1 << 53),
    *((1 << 53) + 1, (1 << 63) - 1, -(1 << 63), 1 << 63, (1 << 64) - 1, 1234567890123456789),
)
FLOATS: Final = (
    *(0.0, -0.0, 1.0, 1.5, -1e-310, 1e308, float("nan"), float("inf"), float("-inf")),
    *(1e18, 253402300800.0, 0.1, 3.0),
)
DTYPES: Final = (
    *("|b1", "|i1", "|u1", "<i2", ">i4", "<i8", "<u8", "<f2", "<f4", "<f8", ">f8", "<f16", "<c8"),
    *("<c16", "<c32", "|S0", "|S4", "<U0", "<U2", ">U2", "|V0", "|V8", "<M8", "<M8[ns]", "<M8[D]"),
    *("<M8[25s]", ">M8[us]", "<m8", "<m8[ms]", "<m8[Y]", "|S999999999", "<U999999", "|O", "=i4"),
    *("float32", "bool", "int64", "datetime64[s]", "timedelta64", "bfloat16", "i4,O", "<M8[as]"),
)
SIZES: Final = {
    "|b1": 1,
    "|i1": 1,
    "|u1": 1,
    "<i2": 2,
    ">i4": 4,
    "=i4": 4,
    "float32": 4,
    "bool": 1,
    "<f2": 2,
    "<f4": 4,
    "<f16": 16,
    "<c16": 16,
    "<c32": 32,
    "|S0": 0,
    "|S4": 4,
    "<U0": 0,
    "|V0": 0,
    "|S999999999": 999999999,
    "<U999999": 3999996,
}
SHAPES: Final[tuple[list[Any], ...]] = (
    *([3], [], [0], [1], [2, 2], [1, 3], [0, 5], [5, 0], [1] * 64, [1] * 65, [-1], [2**40], [300]),
    *([2**62, 4], [3, 1, 1], [1000], [7, 11], [True], [1.0], [None], ["3"], [0, 2**63]),
)
MARKERS: Final = (
    *("dt_datetime_iso", "dt_date_iso", "dt_time_iso", "dt_timedelta", "decimal", "uuid", "other"),
)
DECIMALS: Final = (
    *("1.50", "1E+4299", "1E+4300", "1E+4301", "1E+1000000", "-1E-1000000", "0E+99999999", "NaN"),
    *("sNaN1", "-Infinity", "1" * 1000, "1e-4300", "-0"),
)
DEEPEST: Final = 6


def value(choices: Choices, depth: int = 0) -> bytes:
    """One item."""
    makers = _MAKERS if depth < DEEPEST else _LEAVES
    return choices.pick(makers)(choices, depth)


def _plain(choices: Choices, depth: int) -> bytes:
    kind = choices.number(8)
    if kind < 2:
        return wire.pack(choices.pick(INTEGERS))
    if kind < 4:
        return b"\xcb" + struct.pack(">d", choices.pick(FLOATS))
    if kind == 4:
        return choices.pick((b"\xc0", b"\xc2", b"\xc3", b"\xc1"))
    if kind == 5:
        return b"\xca" + choices.bytes(4)
    if kind == 6:
        return b"\xcf" + choices.bytes(8)
    return b"\xd3" + choices.bytes(8)


def _text(choices: Choices, depth: int) -> bytes:
    if choices.one_in(16):
        data = choices.bytes(choices.number(40))  # hardly ever UTF-8
        return b"\xda" + len(data).to_bytes(2) + data
    return wire.pack(choices.pick(TEXTS))


def _bin(choices: Choices, depth: int) -> bytes:
    if choices.one_in(4):
        return wire.pack(choices.pick(TEXTS).encode())
    return wire.pack(choices.bytes(choices.pick((0, 1, 4, 8, 33))))


def _array(choices: Choices, depth: int) -> bytes:
    dtype, size = _any_dtype(choices, 0)
    shape = choices.pick(SHAPES)
    data = _data(choices, size, shape)
    form = choices.number(8)
    if form < 5:
        return wire.array(dtype, shape, data)
    if form == 5:
        return wire.string_map(dtype, shape, data)
    if form == 6:
        text = base64.b64encode(data).decode()
        return wire.fields(shape=wire.pack(shape), dtype=wire.pack(dtype), data_b64=wire.pack(text))
    return wire.array(dtype, shape, data, choices.pick((b"", b"V", b"O")))


def _any_dtype(choices: Choices, depth: int) -> tuple[Any, int]:
    if depth < 3 and choices.number(4) == 3:
        fields, total = [], 0
        for _ in range(1 + choices.number(3)):
            inner, size = _any_dtype(choices, depth + 1)
            name: Any = choices.pick(("a", "b", "value", "", "ädata", "x\x00", "c", "ådtype"))
            if name == "":
                size = choices.pick((1, 3, 7))
                inner = f"|V{size}"
            if choices.one_in(8):
                name = ["title", name]
            field = [name, inner]
            if choices.one_in(4):
                shape = choices.pick(([2], [2, 1], [0], 2, [2**40], []))
                field.append(shape)
                for each in shape if isinstance(shape, list) else [shape]:
                    size *= each
            fields.append(field)
            total += size
        return fields, total
    dtype = choices.pick(DTYPES)
    return dtype, SIZES.get(dtype, 8)


def _data(choices: Choices, size: int, shape: list[Any]) -> bytes:
    count = size
    for each in shape:
        count *= each if type(each) is int else 1
    if not 0 <= count <= 16 * 1024:
        count = choices.number(100)
    if choices.one_in(16):
        count += 1
    filling = choices.number(4)
    if filling == 0:
        return bytes(count)
    if filling == 1:
        unit = choices.pick(
            (b"\x01", b"\xff", b"a\x00\x00\x00", b"\x00\xd8\x00\x00", b"\x00\x00\x11\x00", b"1")
        )
        return (unit * count)[:count]
    if filling == 2:
        unit = struct.pack("<q", choices.pick((-(1 << 63), (1 << 63) - 1, 1, 86400, 1 << 40)))
        return (unit * (count // 8 + 1))[:count]
    unit = choices.bytes(min(count, 64)) or b"\x00"
    return (unit * (count // len(unit) + 1))[:count]


def _scalar(choices: Choices, depth: int) -> bytes:
    dtype = choices.pick(DTYPES)
    size = SIZES.get(dtype, 8)
    return wire.scalar(dtype, _data(choices, size if size < 64 else 8, []))


def _chains(choices: Choices, depth: int) -> bytes:
    marker = choices.pick(MARKERS)
    if marker == "decimal":
        return wire.chains(marker, choices.pick(DECIMALS))
    if marker == "dt_timedelta":
        days = choices.pick((0, 1, 999_999_999, -999_999_999, 10**12))
        return wire.chains(marker, [days, choices.number(2) * 86399, choices.number(1_000_000)])
    return wire.chains(marker, choices.pick(TEXTS))


def _complex(choices: Choices, depth: int) -> bytes:
    text = choices.pick(("1+2j", "nan+infj", "1", "x", "(1e400+0j)", "9" * 200))
    marker = choices.pick((b"\xc3", b"\xc2"))
    return wire.pairs([(wire.pack(b"complex"), marker), (wire.pack(b"data"), wire.pack(text))])


def _extension(choices: Choices, depth: int) -> bytes:
    code = choices.pick((-1, -1, -1, 0, 5, 127, -128))
    size = choices.pick((4, 8, 12, 0, 1, 16))
    return wire.extension(code, choices.bytes(size))


def _list(choices: Choices, depth: int) -> bytes:
    if choices.one_in(8):
        return wire.list_of(choices.pick((0, 100, 3000)), value(choices, DEEPEST))
    return wire.items(*(value(choices, depth + 1) for _ in range(choices.number(5))))


def _map(choices: Choices, depth: int) -> bytes:
    return wire.pairs(
        (_key(choices), value(choices, depth + 1)) for _ in range(1 + choices.number(5))
    )


def _key(choices: Choices) -> bytes:
    if choices.one_in(8):
        return value(choices, DEEPEST)
    return wire.pack(choices.pick(KEYS))


def _deep(choices: Choices, depth: int) -> bytes:
    # Between these pydantic gives up, for JSON clients as well: at 255.
    levels = choices.pick((10, 20, 70, 200, 400))
    return choices.pick((b"\x91", b"\x81\xa1a")) * levels + value(choices, DEEPEST)


_MODELS: Final = (
    *(("kind", "lives"), ("kind", "bark"), ("x", "y"), ("title", "year"), ("first", "second")),
    *(("samples", "times"), ("value", "children"), ("count", "when"), ("name",), ("data",)),
)


def _model(choices: Choices, depth: int) -> bytes:
    """Return documents that models ask for, or nearly so."""
    names = choices.pick(_MODELS)
    return wire.pairs((wire.pack(name), value(choices, depth + 1)) for name in names)


_LEAVES: Final = (_plain, _text, _array, _array, _chains, _scalar, _bin, _complex, _extension)
_MAKERS: Final = (*_LEAVES, *_LEAVES, _list, _list, _map, _map, _model, _model, _deep)

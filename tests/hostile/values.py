"""Values of every kind that msgpack can express, and some that it should not."""

from __future__ import annotations

import struct
from typing import Any, Final

import msgpack
import numpy as np

from binary_middleware import packb
from tests.hostile import wire

_EIGHT: Final = (5).to_bytes(8, "little")
_ROWS: Final = [["a", "<i4"], ["b", "<M8[s]"]]
_ARRAYS: Final[dict[str, Any]] = {
    "0-d int": np.array(1234567890123456789),
    "0-d one": np.array(1),
    "0-d float": np.array(1.5),
    "0-d bool": np.array(True),
    "0-d text": np.array("a"),
    "one int": np.array([1]),
    "two ints": np.array([1, 2]),
    "large ints": np.array([1234567890123456789, 2**62]),
    "unsigned": np.array([2**64 - 1], "u8"),
    "big endian": np.array([1, 2], ">i4"),
    "float16": np.array([1.5], "f2"),
    "nan": np.array([np.nan, np.inf]),
    "bools": np.array([True, False]),
    "rows": np.arange(6).reshape(2, 3),
    "long rows": np.zeros((300, 2)),
    "no rows": np.zeros((3, 0)),
    "empty": np.zeros(0),
    "texts": np.array(["a", "b"]),
    "bytes": np.array([b"a", b"\xff"]),
    "complex": np.array([1j]),
    "long doubles": np.array([0.1], "longdouble"),
    "times": np.zeros(2, "M8[ns]"),
    "days": np.array(["2024-01-01", "NaT"], "M8[D]"),
    "durations": np.zeros(2, "m8[s]"),
    "structured": np.zeros(2, [("a", "i4"), ("b", "f8")]),
    "structured 0-d": np.zeros((), [("a", "i4")]),
    "void": np.zeros(2, "V3"),
    "nested": {"size": np.array([1]), "values": np.array([1, 2]), "array": np.array([1])},
    "values 1-d": {"values": np.arange(3)},
    "list of arrays": [np.array([1, 2]), np.array([3, 4])],
    "list of 0-d": [np.array(1), np.array(2.5)],
    "mixed list": [1, np.array([1]), "a"],
    "ragged arrays": [np.zeros(1), np.zeros(2)],
    "map of arrays": {"a": np.array(1), "b": np.array([2]), "kind": np.array(["cat"])},
}
_PLAIN: Final[dict[str, Any]] = {
    "nil": None,
    "true": True,
    "int": 5,
    "minus": -1,
    "huge int": 2**64 - 1,
    "float": 1.5,
    "float nan": float("nan"),
    "infinity": float("inf"),
    "text": "a",
    "red": "red",
    "number text": "1",
    "long text": "x" * 3000,
    "bin": b"a",
    "no text": b"\xff\xfe",
    "list": [1, 2],
    "texts": ["a", "b"],
    "deep": [[[[1]]]],
    "empty list": [],
    "map": {"size": 1, "ndim": 2},
    "cat": {"kind": "cat"},
    "lizard": {"kind": "lizard" * 1000},
    "dog": {"kind": "dog", "puppies": [{"kind": "cat"}]},
    "unknown": {"unknown": 1},
    "array map": {"shape": [2], "dtype": "float32", "data": bytes(8)},
    "wrong map": {"shape": [3], "dtype": "float32", "data": bytes(8)},
    "json map": {"shape": [2], "dtype": "float32", "data_b64": "AAAAAAAAAAA="},
    "list of bytes": [b"\xff"],
    "list of maps": [{"size": 1}, {"size": b"\xff"}],
}
UNUSUAL: Final[dict[str, bytes]] = {
    "timestamp": wire.extension(-1, struct.pack(">I", 1)),
    "far timestamp": msgpack.packb(msgpack.Timestamp(2**40)),
    "timestamp of year 9999": wire.extension(-1, struct.pack(">Iq", 999_999_999, 253402300799)),
    "complex": msgpack.packb({b"complex": True, b"data": "(1+2j)"}),
    "complex nan": msgpack.packb({b"complex": True, b"data": "(nan+0j)"}),
    "M8 without unit": wire.scalar("<M8", _EIGHT),
    "m8 without unit": wire.scalar("<m8", _EIGHT),
    "M8[ns]": wire.scalar("<M8[ns]", _EIGHT),
    "M8[D]": wire.scalar("<M8[D]", _EIGHT),
    "M8[Y]": wire.scalar("<M8[Y]", b"\xff" * 7 + b"\x7f"),
    "NaT": wire.scalar("<M8[s]", bytes(7) + b"\x80"),
    "m8[ns]": wire.scalar("<m8[ns]", _EIGHT),
    "long double": wire.scalar("<f16", np.longdouble("0.1").tobytes()),
    "large long double": wire.scalar("<f16", (np.longdouble(2) ** 63 + 1).tobytes()),
    "long complex": wire.scalar("<c32", (np.clongdouble(1) / 3).tobytes()),
    "array without unit": wire.array("<M8", [2], bytes(16)),
    "rows with times": wire.array(_ROWS, [2], bytes(24)),
    "a row": wire.array(_ROWS, [], bytes(12)),
    "64 dimensions": wire.array("|u1", [1] * 64, b"a"),
    "long texts": wire.array("<U999999999", [0], b""),
    "long bytes": wire.array("|S999999999", [0]),
    "no rows": wire.array("<f8", [2**40, 0], b""),
    "many empty rows": wire.array("<f8", [10**7, 0], b""),
    "datetime": wire.chains("dt_datetime_iso", "2024-01-01T00:00:00+01:00"),
    "odd offset": wire.chains("dt_datetime_iso", "2026-01-31T12:00:00+23:59"),
    "date": wire.chains("dt_date_iso", "2024-01-01"),
    "time": wire.chains("dt_time_iso", "12:00:00"),
    "time with an offset": wire.chains("dt_time_iso", "12:00:00-23:59:59.999999"),
    "timedelta": wire.chains("dt_timedelta", [1, 2, 3]),
    "long timedelta": wire.chains("dt_timedelta", [999999999, 86399, 999999]),
    "decimal": wire.chains("decimal", "1.50"),
    "decimal nan": wire.chains("decimal", "NaN"),
    "decimal snan": wire.chains("decimal", "sNaN123"),
    "decimal infinity": wire.chains("decimal", "-Infinity"),
    "large decimal": wire.chains("decimal", "1E+4000"),
    "larger decimal": wire.chains("decimal", "1E+4300"),
    "largest decimal": wire.chains("decimal", "-9e+999999999999999999"),
    "small decimal": wire.chains("decimal", "1E-4300"),
    "uuid": wire.chains("uuid", "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"),
    "list of uuids": b"\x91" + wire.chains("uuid", "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"),
    "map of M8": wire.fields(size=wire.scalar("<M8", _EIGHT)),
    "list of M8": wire.items(wire.scalar("<M8[ns]", _EIGHT)),
}
"""What few fields are for; some of it is refused."""

_CHARACTERS: Final = struct.pack("<2I", 0x110000, 0xD800)
IMPOSSIBLE_TEXTS: Final[dict[str, bytes]] = {
    "beyond Unicode": wire.text_array("<U2", 0x110000, 65),
    "far beyond": wire.text_array("<U2", 0xFFFFFFFF, 65),
    "a surrogate": wire.text_array("<U2", 65, 0xD800),
    "a pair of surrogates": wire.text_array("<U2", 0xD83D, 0xDE00),
    "in the other order": wire.text_array(">U2", 65, 0xDFFF),
    "without dimensions": wire.array("<U2", [], _CHARACTERS),
    "in a field": wire.array([["a", "<U2"]], [1], _CHARACTERS),
    "deep in fields": wire.array(
        [["a", "|u1"], ["b", [["c", "<U1", [2, 1]]], [1]]], [1], b"\x01" + _CHARACTERS
    ),
    "at the end of many": wire.array(
        "<U1", [20_000], struct.pack("<I", 65) * 19_999 + struct.pack("<I", 0xDC00)
    ),
}
"""Arrays of text whose characters do not exist, which are refused everywhere."""

PLAIN: Final = {name: msgpack.packb(value) for name, value in _PLAIN.items()}
"""Documents that JSON, or nearly JSON, could be."""

VALUES: Final[dict[str, bytes]] = {
    **{f"array: {name}": packb(value) for name, value in _ARRAYS.items()},
    **{f"plain: {name}": value for name, value in PLAIN.items()},
    **{f"unusual: {name}": value for name, value in UNUSUAL.items()},
    **{f"impossible text: {name}": value for name, value in IMPOSSIBLE_TEXTS.items()},
}
"""All values by name, in msgpack."""

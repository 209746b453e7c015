"""Fields of every kind, and values of every kind that msgpack can express."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import pathlib
import re
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple

import msgpack
import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AnyUrl,
    Base64Bytes,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    Json,
    PastDate,
    PositiveInt,
    RootModel,
    SecretStr,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    condecimal,
)
from typing_extensions import TypedDict

from binary_middleware import packb
from binary_middleware.arrays import ArraySpec
from binary_middleware.fields import BinaryBytes, NumpyArrayField


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    A = "a"


class Row(TypedDict):
    size: int


class Pair(NamedTuple):
    size: int
    ndim: int


@dataclass
class Shape:
    size: int
    ndim: int = 0


class Sized(BaseModel):
    """All of its fields are attributes of an array."""

    size: int
    ndim: int = 0
    real: Any = None


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 0


class Allowing(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]


class OwnInit(BaseModel):
    values: list[int] = []
    array: Any = None

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    values: list[float] = []


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]
    puppies: list[Dog] = []


class Numbers(RootModel[list[int]]):
    pass


class Anything(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    array: np.ndarray


FIELDS: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "bytes": bytes,
    "binary bytes": BinaryBytes,
    "none": None,
    "complex": complex,
    "decimal": Decimal,
    "condecimal": condecimal(max_digits=3),
    "fraction": Fraction,
    "date": dt.date,
    "past": PastDate,
    "datetime": dt.datetime,
    "time": dt.time,
    "timedelta": dt.timedelta,
    "uuid": uuid.UUID,
    "enum": Colour,
    "int enum": Level,
    "str enum": Name,
    "literal": Literal["a", 1],
    "typed dict": Row,
    "named tuple": Pair,
    "dataclass": Shape,
    "model": Sized,
    "forbidding": Forbidding,
    "allowing": Allowing,
    "own init": OwnInit,
    "strict model": Strict,
    "root": Numbers,
    "arbitrary": Anything,
    "union": int | str,
    "union of lists": list[int] | list[str] | None,
    "array or list": Annotated[NDArray[np.float64], ArraySpec()] | list[int],
    "discriminated": Annotated[Cat | Dog, Field(discriminator="kind")],
    "models": Cat | Dog | Sized,
    "positive": PositiveInt,
    "short": Annotated[str, Field(max_length=3)],
    "stripped": Annotated[str, StringConstraints(strip_whitespace=True, pattern="a")],
    "strict int": StrictInt,
    "strict float": StrictFloat,
    "strict bool": StrictBool,
    "list of str": list[str],
    "list of int": list[int],
    "list of float": list[float],
    "rows": list[list[float]],
    "list of models": list[Sized],
    "list of enums": list[Colour],
    "short list": Annotated[list[int], Field(max_length=2)],
    "set": set[int],
    "frozenset": frozenset[str],
    "tuple": tuple[int, ...],
    "tuple of two": tuple[int, str],
    "deque": deque[int],
    "sequence": Sequence[int],
    "iterable": Iterable[int],
    "dict": dict[str, int],
    "dict of dates": dict[dt.date, float],
    "mapping": Mapping[str, list[int]],
    "counter": Counter[str],
    "default dict": defaultdict[str, int],
    "hashable": Hashable,
    "url": AnyUrl,
    "ip": ipaddress.IPv4Address,
    "network": ipaddress.IPv6Network,
    "path": pathlib.Path,
    "pattern": re.Pattern,
    "json": Json[list[int]],
    "secret": SecretStr,
    "byte size": ByteSize,
    "base64": Base64Bytes,
    "any": Any,
    "array": NumpyArrayField,
    "float array": Annotated[NDArray[np.float32], ArraySpec("n")],
    "cast array": Annotated[NDArray[np.int16], ArraySpec(casting="same_kind", ge=0)],
    "safe array": Annotated[
        NDArray[np.float64], ArraySpec(None, None, casting="safe", finite=True)
    ],
    "array of lists": Annotated[NDArray[np.int32], ArraySpec(2, accept_lists=True)],
    "any lists": Annotated[np.ndarray, ArraySpec(accept_lists=True)],
    "time array": Annotated[np.ndarray, ArraySpec(dtype="datetime64[s]", casting="same_kind")],
    "text array": Annotated[np.ndarray, ArraySpec(dtype="U8", casting="same_kind")],
}


def _raw(type_: Any, shape: list[int], data: bytes, kind: bytes = b"") -> bytes:
    map_ = {b"nd": True, b"type": type_, b"kind": kind, b"shape": shape, b"data": data}
    return msgpack.packb(map_)


def _scalar(type_: str, data: bytes) -> bytes:
    return msgpack.packb({b"nd": False, b"type": type_, b"data": data})


def _chains(marker: bytes, data: Any) -> bytes:
    return msgpack.packb({marker: True, b"data": data})


_EIGHT = (5).to_bytes(8, "little")
_ARRAYS: dict[str, Any] = {
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
    "dict of arrays": {"a": np.array(1), "b": np.array([2])},
}
_PLAIN: dict[str, Any] = {
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
    "no text": b"\xff",
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
_ENCODED: dict[str, bytes] = {
    "timestamp": msgpack.packb(msgpack.Timestamp(0)),
    "far timestamp": msgpack.packb(msgpack.Timestamp(2**40)),
    "complex": msgpack.packb({b"complex": True, b"data": "(1+2j)"}),
    "complex nan": msgpack.packb({b"complex": True, b"data": "(nan+0j)"}),
    "M8 without unit": _scalar("<M8", _EIGHT),
    "m8 without unit": _scalar("<m8", _EIGHT),
    "M8[ns]": _scalar("<M8[ns]", _EIGHT),
    "M8[D]": _scalar("<M8[D]", _EIGHT),
    "M8[Y]": _scalar("<M8[Y]", b"\xff" * 7 + b"\x7f"),
    "NaT": _scalar("<M8[s]", bytes(7) + b"\x80"),
    "m8[ns]": _scalar("<m8[ns]", _EIGHT),
    "long double": _scalar("<f16", np.longdouble("0.1").tobytes()),
    "large long double": _scalar("<f16", (np.longdouble(2) ** 63 + 1).tobytes()),
    "long complex": _scalar("<c32", (np.clongdouble(1) / 3).tobytes()),
    "array without unit": _raw("<M8", [2], bytes(16)),
    "impossible text": _raw("<U1", [1], b"\xff\xff\xff\x7f"),
    "impossible 0-d text": _raw("<U1", [], b"\xff\xff\xff\x7f"),
    "surrogate": _raw("<U1", [1], b"\x00\xd8\0\0"),
    "high surrogate pair": _raw("<U2", [1], b"\x3d\xd8\0\0\x00\xde\0\0"),
    "long texts": _raw("<U999999999", [0], b""),
    "no rows": _raw("<f8", [2**40, 0], b""),
    "many empty rows": _raw("<f8", [10**7, 0], b""),
    "datetime": _chains(b"__dt_datetime_iso__", "2024-01-01T00:00:00+01:00"),
    "date": _chains(b"__dt_date_iso__", "2024-01-01"),
    "time": _chains(b"__dt_time_iso__", "12:00:00"),
    "timedelta": _chains(b"__dt_timedelta__", [1, 2, 3]),
    "decimal": _chains(b"__decimal__", "1.50"),
    "decimal nan": _chains(b"__decimal__", "NaN"),
    "decimal snan": _chains(b"__decimal__", "sNaN"),
    "decimal infinity": _chains(b"__decimal__", "-Infinity"),
    "large decimal": _chains(b"__decimal__", "1E+4000"),
    "small decimal": _chains(b"__decimal__", "1E-4000"),
    "uuid": _chains(b"__uuid__", "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"),
    "list of uuids": b"\x91" + _chains(b"__uuid__", "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"),
    "map of M8": b"\x81\xa4size" + _scalar("<M8", _EIGHT),
    "list of M8": b"\x91" + _scalar("<M8[ns]", _EIGHT),
}
VALUES: dict[str, bytes] = {
    **{f"array: {name}": packb(value) for name, value in _ARRAYS.items()},
    **{f"plain: {name}": msgpack.packb(value) for name, value in _PLAIN.items()},
    **{f"other: {name}": value for name, value in _ENCODED.items()},
}
"""Values by name, in msgpack."""

"""packb, unpackb and their buffer-level forms, row by row."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import re
import types
import uuid
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pydantic
import pytest
from pydantic_core import to_jsonable_python

from binary_middleware.errors import DecodeError, EncodeError, LimitExceeded
from binary_middleware.fields import NumpyArrayField, from_map
from binary_middleware.formats.msgpack import (
    pack_buffers,
    packb,
    unpackb,
)
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from binary_middleware.formats.msgpack._unpack import MAX_SPLIT_DEPTH
from binary_middleware.formats.msgpack._views import MIN_VIEW_SHARE
from tests.formats.owned import owned, received, unpack_owned
from tests.sameness import raw_bytes

UTC = dt.UTC
EXTENDED = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


def peer_unpackb(document: bytes) -> Any:
    """What the reference library reads, without numpy."""
    return msgpack.unpackb(document, strict_map_key=False)


def peer_packb(obj: Any) -> bytes:
    """What the reference libraries write."""
    packed: bytes = msgpack.packb(obj, default=msgpack_numpy.encode)
    return packed


class Colour(enum.Enum):
    RED = "red"
    NONE = None
    PAIR = (1, "a")


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    HELLO = "hello"


class Point(pydantic.BaseModel):
    x: int
    long_name: float = pydantic.Field(0.5, alias="longName")
    data: bytes = b"\xff"
    at: dt.date | None = None


class Holder(pydantic.BaseModel):
    field: NumpyArrayField
    points: list[Point] = []


class Root(pydantic.RootModel[list[int]]):
    pass


@dataclasses.dataclass
class Plain:
    a: int
    b: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    when: dt.date


@pydantic.dataclasses.dataclass
class Checked:
    a: int


@dataclasses.dataclass
class ArrayLike:
    """Offers itself as an array, and is one to every library that asks."""

    inner: np.ndarray[Any, Any]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.inner, dtype=dtype)


class Tensor:
    def __init__(self, inner: np.ndarray[Any, Any]) -> None:
        self.inner = inner

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.inner.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.inner.__dlpack_device__()


class OnAnotherDevice:
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class Number(int):
    __slots__ = ()


class Real(float):
    __slots__ = ()


class Raw(bytes):
    __slots__ = ()


Pair = collections.namedtuple("Pair", "a b")


# -- writing: values -----------------------------------------------------------------------------

EXACT = [
    *[None, True, False, "", "text", "é\N{SNOWMAN}\N{GRINNING FACE}", "\x00", b"", b"\x00\xff"],
    *[0, 1, 127, 128, 255, 256, 2**16 - 1, 2**16, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1],
    *[-1, -32, -33, -128, -129, -(2**15), -(2**15) - 1, -(2**31), -(2**31) - 1, -(2**63)],
    *[0.0, -0.0, 1.5, 1e308, 5e-324, float("inf"), float("-inf")],
    *[[], {}, [1, [2, [3]]], {"a": {"b": {}}}, {"": 0}, [None] * 16, [0] * 70_000],
    *["x" * 31, "x" * 32, "x" * 256, "x" * 70_000, b"x" * 256, b"x" * 70_000],
    {f"key {index}": index for index in range(70_000)},
]


@pytest.mark.parametrize("value", EXACT, ids=lambda value: repr(value)[:20])
def test_plain_values_are_written_as_msgpack_writes_them(value: Any) -> None:
    document = packb(value)
    assert document == peer_packb(value)
    again = unpackb(document)
    assert type(again) is type(value)
    assert again == value
    assert repr(again) == repr(value)  # the sign of zero


def test_nan_is_itself() -> None:
    (again,) = unpackb(packb([float("nan")]))
    assert type(again) is float
    assert again != again


LEAVES = [
    # numpy scalars: the number they are
    *[(np.dtype(code).type(7), 7) for code in "bBhHiIlLqQ"],
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.float16(0.1), 0.0999755859375),
    (np.float32(0.1), 0.10000000149011612),
    (np.float64(0.1), 0.1),
    (np.longdouble(0.1), 0.1),
    (np.bool_(True), True),
    (np.str_("é"), "é"),
    (np.bytes_(b"a"), b"a"),
    # bytes
    (bytearray(b"a\xff"), b"a\xff"),
    (memoryview(b"abcd")[::2], b"ac"),
    (memoryview(np.array([1, 2], "<i2")), b"\1\0\2\0"),
    (Raw(b"a"), b"a"),
    # subclasses
    (Text("plain"), "plain"),
    (Number(3), 3),
    (Real(1.5), 1.5),
    # enumerations
    (Colour.RED, "red"),
    (Colour.NONE, None),
    (Colour.PAIR, [1, "a"]),
    (Level.LOW, 1),
    (Word.HELLO, "hello"),
    # what JSON has as text
    (dt.datetime(2020, 1, 2, 3, 4, 5, 678901), "2020-01-02T03:04:05.678901"),
    (dt.datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00Z"),
    (
        dt.datetime(2020, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "2020-01-02T00:00:00+02:00",
    ),
    (dt.date(2020, 1, 2), "2020-01-02"),
    (dt.time(3, 4, 5), "03:04:05"),
    (dt.timedelta(days=1, seconds=2), "P1DT2S"),
    (decimal.Decimal("1.10"), "1.10"),
    (decimal.Decimal("NaN"), "NaN"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (pathlib.Path("a"), "a"),
    (pydantic.HttpUrl("http://example.com/a"), "http://example.com/a"),
    (pydantic.TypeAdapter(pydantic.AnyUrl).validate_python("s3://b/c"), "s3://b/c"),
    (ipaddress.ip_address("::1"), "::1"),
    (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
    (re.compile("a+"), "a+"),
    (pydantic.SecretStr("secret"), "**********"),
    # containers
    ((1, 2), [1, 2]),
    (Pair(1, 2), [1, 2]),
    ({3}, [3]),
    (frozenset({3}), [3]),
    (collections.deque([1, 2]), [1, 2]),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (collections.defaultdict(int, a=1), {"a": 1}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    (collections.ChainMap({"a": 1}), {"a": 1}),
    (types.MappingProxyType({"a": 1}), {"a": 1}),
    # models
    (Point(x=1, longName=2.0), {"x": 1, "longName": 2.0, "data": b"\xff", "at": None}),
    (Root([1, 2]), [1, 2]),
    (Plain(1, Plain(2)), {"a": 1, "b": {"a": 2, "b": None}}),
    (Slotted(dt.date(2020, 1, 2)), {"when": "2020-01-02"}),
    (Checked(1), {"a": 1}),
]


@pytest.mark.parametrize(("value", "plain"), LEAVES, ids=lambda value: repr(value)[:11])
def test_every_other_value_has_its_place(value: Any, plain: Any) -> None:
    document = packb(value)
    assert document == packb(plain)
    assert peer_unpackb(document) == plain
    read = unpackb(document)
    assert read == plain
    assert type(read) is type(plain)
    assert packb({"a": [value]}) == packb({"a": [plain]})


@pytest.mark.parametrize(
    "value",
    [value for value, plain in LEAVES if type(plain) is str and not isinstance(value, np.generic)],
    ids=repr,
)
def test_text_is_as_pydantic_writes_it_in_json(value: Any) -> None:
    expected = str.__str__(value) if isinstance(value, str) else to_jsonable_python(value)
    assert unpackb(packb(value)) == expected


def test_iterators_are_used_up() -> None:
    items = [np.arange(2), b"\xff"]
    for iterator in ((item for item in items), iter(items), map(NumpyArrayField, items[:1])):
        array, *rest = unpackb(packb(iterator))
        assert array.tolist() == [0, 1]
        assert rest in ([], [b"\xff"])
        assert list(iterator) == []


def test_sets_of_several() -> None:
    assert sorted(unpackb(packb({1, 2, 3}))) == [1, 2, 3]
    assert sorted(unpackb(packb({dt.date(2020, 1, 2), dt.date(2021, 1, 2)}))) == [
        "2020-01-02",
        "2021-01-02",
    ]


COMPLEX = [1 + 2j, 0j, np.complex64(1 + 2j), np.complex128(1 - 2.5j), complex("inf"), -0j]


@pytest.mark.parametrize("value", COMPLEX, ids=repr)
def test_complex_numbers(value: Any) -> None:
    document = packb(value)
    assert document == peer_packb(complex(value))
    assert repr(unpackb(document)) == repr(complex(value))
    assert msgpack.unpackb(document, object_hook=msgpack_numpy.decode) == complex(value)


def test_complex_nan() -> None:
    value = unpackb(packb([complex("nan+1j"), np.complex64(complex("nan"))]))
    assert [repr(item) for item in value] == ["(nan+1j)", "(nan+0j)"]


DATES = [
    np.datetime64("2020-01-02"),
    np.datetime64("2020-01-02T03:04:05.123456789"),
    np.datetime64("NaT"),
    np.timedelta64(3, "s"),
    np.timedelta64(3),
]


@pytest.mark.parametrize("value", DATES, ids=repr)
def test_numpy_dates_are_scalar_maps(value: Any) -> None:
    document = packb({"a": value})
    for read in (unpackb(document), msgpack.unpackb(document, object_hook=msgpack_numpy.decode)):
        assert read["a"].dtype == value.dtype
        assert np.array_equal(read["a"], value, equal_nan=True)


@pytest.mark.skipif(not EXTENDED, reason="long double is double here")
def test_long_doubles_keep_their_digits() -> None:
    third = np.longdouble(1) / 3
    assert unpackb(packb(third)) == third
    assert unpackb(packb(third)) != 1 / 3
    assert type(unpackb(packb(np.longdouble(2)))) is float


KEYS = [
    (1, "1"),
    (-5, "-5"),
    (2**70, "1180591620717411303424"),
    (True, "true"),
    (None, "None"),
    (1.5, "1.5"),
    (1e20, "1e+20"),
    (float("nan"), "nan"),
    (Colour.RED, "red"),
    (Level.LOW, "1"),
    (Word.HELLO, "hello"),
    (Text("plain"), "plain"),
    (dt.date(2020, 1, 2), "2020-01-02"),
    (dt.datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00Z"),
    (dt.timedelta(seconds=1), "PT1S"),
    (decimal.Decimal("1.10"), "1.10"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (pathlib.Path("a"), "a"),
    ((1, 2), "1,2"),
    (np.int8(3), "3"),
    (np.float32(0.5), "0.5"),
    (np.bool_(False), "false"),
    (np.str_("x"), "x"),
    (np.datetime64("2020-01-02"), "2020-01-02"),
]


@pytest.mark.parametrize(("key", "text"), KEYS, ids=lambda value: repr(value)[:30])
def test_keys_become_the_strings_of_json(key: Any, text: str) -> None:
    assert peer_unpackb(packb({key: 1})) == {text: 1}
    assert peer_unpackb(packb({"z": 0, key: bytes(OUT_OF_LINE_THRESHOLD)})) == {
        "z": 0,
        text: bytes(OUT_OF_LINE_THRESHOLD),
    }
    if not isinstance(key, (np.generic, str)):
        assert to_jsonable_python({key: 1}) == {text: 1}


class Recursive(pydantic.BaseModel):
    child: Any = None


class Failing(pydantic.BaseModel):
    a: int = 1

    @pydantic.field_serializer("a")
    def fail(self, value: int) -> int:
        raise ValueError("no such thing")


def holds_itself(kind: type) -> Any:
    if kind is dict:
        map_: dict[str, Any] = {}
        map_["self"] = map_
        return map_
    if kind is Recursive:
        model = Recursive()
        model.child = model
        return model
    if kind is Plain:
        plain = Plain(1)
        plain.b = plain
        return plain
    items: list[Any] = []
    items.append(kind([items]))
    return items


REFUSED = [
    (2**64, "cannot encode a value as msgpack"),
    (-(2**63) - 1, "cannot encode a value as msgpack"),
    (10**400, "cannot encode a value as msgpack"),
    (Number(2**64), "cannot encode a value as msgpack"),
    ("\ud800", "cannot encode a value as msgpack: 'utf-8' codec can't encode"),
    ("a" * 100_000 + "\udfff", "cannot encode a value as msgpack"),
    (pathlib.Path("\udcff"), "cannot encode a value as msgpack"),
    ({"\ud800": 1}, "cannot encode a value as msgpack"),
    ({Text("\ud800"): 1}, "as a map key"),
    ({b"a": 1}, "cannot encode bytes as a map key"),
    ({np.bytes_(b"a"): 1}, "cannot encode bytes as a map key"),
    ({frozenset({1}): 1}, "cannot encode frozenset as a map key"),
    ({object(): 1}, "cannot encode object as a map key"),
    ({np.longdouble(1.5): 1}, "cannot encode longdouble as a map key"),
    ({np.datetime64("2020-01-02", "ns"): 1}, "cannot encode datetime64 as a map key"),
    ({np.datetime64("NaT"): 1}, "cannot encode datetime64 as a map key"),
    ({np.timedelta64(3, "ns"): 1}, "cannot encode timedelta64 as a map key"),
    ({10**5000: 1}, "as a map key"),
    ({1: "a", "1": "b"}, "two keys become '1'"),
    ({None: "a", "None": "b"}, "two keys become 'None'"),
    ({float("nan"): 1, np.float64("nan"): 2}, "two keys become 'nan'"),
    (object(), "cannot encode object as msgpack"),
    (int, "cannot encode type as msgpack"),
    (len, "cannot encode builtin_function_or_method as msgpack"),
    (Plain, "cannot encode type as msgpack"),
    (ValueError("x"), "cannot encode ValueError as msgpack"),
    (range(3), "cannot encode range as msgpack"),
    ({}.keys(), "cannot encode dict_keys as msgpack"),
    (np.ma.masked_array([1, 2], mask=[False, True]), "masked arrays are not supported"),
    (np.ma.masked, "masked arrays are not supported"),
    (np.array([None]), "object arrays are not supported"),
    (np.array([("a", 1)], [("a", object), ("b", "i4")]), "object arrays are not supported"),
    (np.array([("a", 1)], [("a", object), ("b", "i4")])[0], "object arrays are not supported"),
    (np.array(["a"], np.dtypes.StringDType()), "arrays of dtype .* not supported|object arrays"),
    (ArrayLike(np.array([None])), "object arrays are not supported"),
    (OnAnotherDevice(), "cannot be read as a numpy array: can't convert cuda:0"),
    (Holder.model_construct(field=[1]), "cannot encode Holder as msgpack: .*got list"),
    (Failing(), "cannot encode Failing as msgpack: .*no such thing"),
    (holds_itself(list), "nests too deeply or holds itself"),
    (holds_itself(tuple), "nests too deeply or holds itself"),
    (holds_itself(collections.deque), "nests too deeply or holds itself"),
    (holds_itself(dict), "nests too deeply or holds itself"),
    (holds_itself(Plain), "nests too deeply or holds itself"),
    (holds_itself(Recursive), "nests too deeply or holds itself"),
]


@pytest.mark.parametrize(
    ("value", "message"), REFUSED, ids=[message[:60] for _, message in REFUSED]
)
def test_what_has_no_place_is_refused(value: Any, message: str) -> None:
    for document in (value, [value], {"a": value, "large": bytes(OUT_OF_LINE_THRESHOLD)}):
        with pytest.raises(EncodeError, match=message) as info:
            packb(document)
        assert len(str(info.value)) < 400
        with pytest.raises(EncodeError, match=message):
            packb(document, arrays="map")


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"items": [0, 1, {"score": object()}]}, "$.items[2].score"),
        ({"items": ({"a": 1}, {2: 2**64})}, "$.items[1].2"),
        ([[], ["x", "\ud800", object]], "$[1][2]"),
        ([np.arange(3), [1, -(2**63) - 1]], "$[1][1]"),
        ({"large": bytes(OUT_OF_LINE_THRESHOLD), "after": [2**64]}, "$.after[0]"),
        ([0, {"a": [bytes(OUT_OF_LINE_THRESHOLD), "x", "\udfff"]}], "$[1].a[2]"),
        ([1, {"x": {b"a": 1}}], "$[1].x"),
        ({"a": Plain(1, [np.array([None])])}, "$.a.b[0]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals_name_the_place(document: Any, place: str) -> None:
    with pytest.raises(EncodeError, match=re.escape(f"(at {place})")):
        packb(document)


def test_models_with_arrays_inside() -> None:
    holder = Holder(field=np.arange(3, dtype="<i4"), points=[Point(x=1)])
    read = unpackb(packb(holder))
    assert list(read) == ["field", "points"]
    assert read["field"].tolist() == [0, 1, 2]
    assert read["field"].dtype == np.int32
    assert read["points"] == [{"x": 1, "longName": 0.5, "data": b"\xff", "at": None}]
    assert packb(holder.field) == packb(np.arange(3, dtype="<i4"))
    assert packb(Plain(1, np.arange(3))) == packb({"a": 1, "b": np.arange(3)})


@pytest.mark.parametrize("arrays", ["", "Map", "json", None, "numpy "])
def test_an_unknown_form_of_arrays_is_a_mistake(arrays: Any) -> None:
    with pytest.raises(ValueError, match="arrays must be 'numpy' or 'map'"):
        packb(1, arrays=arrays)


# -- arrays: golden bytes and the peers ----------------------------------------------------------


def golden(type_: str, kind: str, shape: str, data: str) -> bytes:
    """msgpack-numpy's map of an array, of the hexadecimal msgpack of its parts."""
    return bytes.fromhex(
        f"85 c4026e64 c3 c40474797065 {type_} c4046b696e64 {kind}"
        f"c4057368617065 {shape} c40464617461 {data}"
    )


GOLDEN = {
    "uint8": (
        np.array([1, 2], "u1"),
        golden("a37c7531", "c400", "9102", "c402 0102"),
    ),
    "int16": (
        np.array([1, -2], "<i2"),
        golden("a33c6932", "c400", "9102", "c404 0100feff"),
    ),
    "int32, big-endian": (
        np.array([1, -2], ">i4"),
        golden("a33e6934", "c400", "9102", "c408 00000001fffffffe"),
    ),
    "uint64": (
        np.array([2**64 - 1], "<u8"),
        golden("a33c7538", "c400", "9101", "c408 ffffffffffffffff"),
    ),
    "float16": (
        np.array([1.5], "<f2"),
        golden("a33c6632", "c400", "9101", "c402 003e"),
    ),
    "float32": (
        np.array([[0.5, 1.5]], "<f4"),
        golden("a33c6634", "c400", "920102", "c408 0000003f0000c03f"),
    ),
    "float64, no dimensions": (
        np.array(1.5, "<f8"),
        golden("a33c6638", "c400", "90", "c408 000000000000f83f"),
    ),
    "float64, big-endian": (
        np.array([1.5], ">f8"),
        golden("a33e6638", "c400", "9101", "c408 3ff8000000000000"),
    ),
    "bool": (
        np.array([True, False]),
        golden("a37c6231", "c400", "9102", "c402 0100"),
    ),
    "complex64": (
        np.array([1 + 2j], "<c8"),
        golden("a33c6338", "c400", "9101", "c408 0000803f00000040"),
    ),
    "bytes": (
        np.array([b"a", b"bc"]),
        golden("a37c5332", "c400", "9102", "c404 61006263"),
    ),
    "text": (
        np.array(["é"], "<U1"),
        golden("a33c5531", "c400", "9101", "c404 e9000000"),
    ),
    "void": (
        np.frombuffer(b"abcdef", "V3"),
        golden("91 92a0a37c5633", "c40156", "9102", "c406 616263646566"),
    ),
    "structured": (
        np.array([(1, 2.5)], [("a", "<i4"), ("b", "<f8")]),
        golden(
            "92 92a161a33c6934 92a162a33c6638",
            "c40156",
            "9101",
            "c40c 010000000000000000000440",
        ),
    ),
    "nested": (
        np.array([((1, 2), 3)], [("p", [("x", "|u1"), ("y", ">u2")]), ("q", "|i1")]),
        golden(
            "92 92a170 92 92a178a37c7531 92a179a33e7532 92a171a37c6931",
            "c40156",
            "9101",
            "c404 01000203",
        ),
    ),
    "sub-array": (
        np.array([([1, 2],)], [("v", "<u2", (2,))]),
        golden("91 93a176a33c75329102", "c40156", "9101", "c404 01000200"),
    ),
    "padded": (
        np.zeros(1, np.dtype([("a", "|i1"), ("b", "<i2")], align=True)),
        golden("93 92a161a37c6931 92a0a37c5631 92a162a33c6932", "c40156", "9101", "c404 00000000"),
    ),
    "titled": (
        np.zeros(1, [(("t", "a"), "|u1")]),
        golden("91 92 92a174a161 a37c7531", "c40156", "9101", "c401 00"),
    ),
    "Fortran order": (
        np.asfortranarray(np.arange(4, dtype="u1").reshape(2, 2)),
        golden("a37c7531", "c400", "920202", "c404 00010203"),
    ),
    "strided": (
        np.arange(6, dtype="u1")[::2],
        golden("a37c7531", "c400", "9103", "c403 000204"),
    ),
    "empty": (
        np.empty(0, "<f4"),
        golden("a33c6634", "c400", "9100", "c400"),
    ),
    "no elements": (
        np.empty((2, 0), "<f4"),
        golden("a33c6634", "c400", "920200", "c400"),
    ),
    "complex number": (
        1 + 2j,
        bytes.fromhex("82 c407636f6d706c6578 c3 c40464617461 a6 28312b326a29"),
    ),
    "document": (
        {"a": [np.array([1], "u1"), b"x", 1.5, None], "b": {"c": True}},
        bytes.fromhex("82 a161 94")
        + golden("a37c7531", "c400", "9101", "c401 01")
        + bytes.fromhex("c40178 cb3ff8000000000000 c0 a162 81 a163 c3"),
    ),
}

EXTENSION = {
    "datetime64": (
        np.array(["2020-01-01"], "<M8[D]"),
        golden("a63c4d385b445d", "c400", "9101", "c408 5647000000000000"),
    ),
    "timedelta64": (
        np.array([1], "<m8[s]"),
        golden("a63c6d385b735d", "c400", "9101", "c408 0100000000000000"),
    ),
    "date in a field": (
        np.zeros(1, [("d", "<M8[D]")]),
        golden("91 92a164a63c4d385b445d", "c40156", "9101", "c408 0000000000000000"),
    ),
    "datetime64, no array": (
        np.datetime64("2020-01-01", "D"),
        bytes.fromhex("83 c4026e64 c2 c40474797065 a63c4d385b445d c40464617461 c408 5647")
        + bytes(6),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_are_those_of_msgpack_numpy(name: str) -> None:
    value, document = GOLDEN[name]
    assert packb(value).hex(" ") == document.hex(" ")
    assert peer_packb(value).hex(" ") == document.hex(" ")


@pytest.mark.parametrize("name", EXTENSION)
def test_golden_bytes_of_what_msgpack_numpy_only_reads(name: str) -> None:
    value, document = EXTENSION[name]
    assert packb(value).hex(" ") == document.hex(" ")
    with pytest.raises((ValueError, TypeError), match=r"buffer|serialize"):
        peer_packb(value)
    theirs = msgpack.unpackb(document, object_hook=msgpack_numpy.decode)
    assert theirs.dtype == value.dtype
    assert np.array_equal(theirs, value)


def assert_same_array(array: Any, expected: np.ndarray[Any, Any]) -> None:
    assert type(array) is np.ndarray
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    assert raw_bytes(array) == raw_bytes(expected)
    assert array.flags.writeable
    assert array.flags.aligned
    assert array.flags.c_contiguous


@pytest.mark.parametrize("name", [*GOLDEN, *EXTENSION])
def test_golden_bytes_are_read(name: str) -> None:
    value, document = {**GOLDEN, **EXTENSION}[name]
    read = unpackb(document)
    if isinstance(value, np.ndarray):
        assert_same_array(read, value)
    elif isinstance(value, dict):
        assert_same_array(read["a"].pop(0), value["a"][0])
        assert read == {"a": [b"x", 1.5, None], "b": {"c": True}}
    else:
        assert read == value


ALIGNED = np.dtype([("flag", "i1"), ("value", "f8")], align=True)
CODES = ["?", *"bBhHiIlLqQefdgFDG", "S3", "U3", "V3", "M8[ns]", "m8[s]"]
DTYPES: list[Any] = [
    *CODES,
    *[
        f">{code}"
        for code in ("i2", "i4", "i8", "u2", "f2", "f4", "f8", "c8", "c16", "U3", "M8[s]")
    ],
    [("a", "<i4"), ("b", ">f8")],
    [("a", [("b", "<i4"), ("c", ">f8", (2,))]), ("d", "S3")],
    [("points", [("x", "<f4"), ("y", "<f4")], (3,))],
    [("one", "<u2")],
    [(("a title", "x"), "<i4"), ("y", "<f8")],
    ALIGNED,
]


def filled(dtype: Any, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """An array of bytes 1, 2, 3, ... that every dtype can show."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=int))
    data = np.resize(np.arange(1, 124, dtype=np.uint8), count * dtype.itemsize)
    if dtype.kind == "U":
        data.view(np.uint32)[:] = 97
        if dtype.byteorder == ">":
            data.view(np.uint32).byteswap(inplace=True)
    if dtype.kind == "b":
        data %= 2
    return np.ndarray(shape, dtype, data)


# Larger and smaller than LARGE, and of every shape that is out of the ordinary.
SHAPES: list[tuple[int, ...]] = [(), (0,), (3, 0, 2), (5,), (2, 3, 4), (1,) * 64, (6000,)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_and_shape_there_and_back(dtype: Any) -> None:
    for shape in SHAPES:
        array = filled(dtype, shape)
        assert_same_array(unpackb(packb(array)), array)
        (read,) = unpackb(packb({"a": [array]}))["a"]
        assert_same_array(read, array)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_string_keyed_map_there_and_back(dtype: Any) -> None:
    for shape in SHAPES:
        array = filled(dtype, shape)
        map_ = unpackb(packb(array, arrays="map"))
        assert list(map_) == ["shape", "dtype", "data"]
        assert map_["shape"] == list(shape)
        assert type(map_["data"]) is bytes
        assert_same_array(from_map(map_), array)


def test_the_string_keyed_map_is_plain_msgpack() -> None:
    assert packb(np.array([1, 2], ">i2"), arrays="map") == peer_packb(
        {"shape": [2], "dtype": ">i2", "data": b"\0\1\0\2"}
    )
    large = np.zeros(OUT_OF_LINE_THRESHOLD, np.uint8)
    assert peer_unpackb(packb([large, {"b": large}], arrays="map")) == [
        {"shape": [OUT_OF_LINE_THRESHOLD], "dtype": "uint8", "data": bytes(OUT_OF_LINE_THRESHOLD)},
        {
            "b": {
                "shape": [OUT_OF_LINE_THRESHOLD],
                "dtype": "uint8",
                "data": bytes(OUT_OF_LINE_THRESHOLD),
            }
        },
    ]


LAYOUTS = {
    "Fortran order": np.asfortranarray(filled("<f4", (40, 200))),
    "transposed": filled("<i8", (10, 20, 30)).transpose(1, 2, 0),
    "strided": filled("<i4", (10_000,))[::2],
    "negative stride": filled("<i4", (5000,))[::-1],
    "zero stride": np.broadcast_to(np.arange(100), (50, 100)),
    "read-only": np.frombuffer(bytes(20_000), "<i2"),
    "not aligned": np.frombuffer(bytes(20_001), np.uint8)[1:].view("<i4"),
    "column of a table": filled("<i4,<f8", (3000,))["f1"],
    "structured, strided": filled(ALIGNED, (3000,))[::2],
    "small, strided": filled("<i4", (10,))[::-2],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_there_and_back(name: str) -> None:
    array = LAYOUTS[name]
    document = packb(array)
    if array.dtype != ALIGNED:  # msgpack-numpy sends what was in the padding's memory before
        assert document == peer_packb(array)
    assert_same_array(unpackb(document), array)


def test_subclasses_of_ndarray_are_arrays(tmp_path: pathlib.Path) -> None:
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1, 2], [3, 4]])
    mapped = np.memmap(tmp_path / "data", "<i4", "w+", shape=(8000,))
    mapped[:] = np.arange(8000)
    records = np.rec.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")])
    for array in (matrix, mapped, records):
        assert packb(array) == peer_packb(array)
        assert_same_array(unpackb(packb(array)), array.view(np.ndarray))


@pytest.mark.parametrize("offer", [ArrayLike, Tensor, NumpyArrayField])
def test_whatever_offers_itself_as_an_array_is_one(offer: Any) -> None:
    for inner in (np.arange(6.0).reshape(2, 3), np.zeros(OUT_OF_LINE_THRESHOLD, np.uint8)):
        assert packb(offer(inner)) == packb(inner)
        assert packb({"a": [offer(inner)]}, arrays="map") == packb({"a": [inner]}, arrays="map")
        large = pack_buffers(offer(inner))[-1]
        shared = isinstance(large, memoryview)
        assert shared is (inner.nbytes >= OUT_OF_LINE_THRESHOLD)
        assert np.shares_memory(np.frombuffer(large, np.uint8), inner) is shared


# -- writing: buffers ----------------------------------------------------------------------------


def buffer_documents() -> dict[str, Any]:
    large = np.arange(OUT_OF_LINE_THRESHOLD, dtype="<f4")
    return {
        "small": {"a": [1, np.arange(3), b"x"]},
        "array alone": large,
        "bytes alone": bytes(OUT_OF_LINE_THRESHOLD),
        "just below": [bytes(OUT_OF_LINE_THRESHOLD - 1), np.zeros(OUT_OF_LINE_THRESHOLD - 1, "u1")],
        "just at": [bytes(OUT_OF_LINE_THRESHOLD), np.zeros(OUT_OF_LINE_THRESHOLD, "u1")],
        "just above": [bytes(OUT_OF_LINE_THRESHOLD + 1), np.zeros(OUT_OF_LINE_THRESHOLD + 1, "u1")],
        "bin 16 and 32": [bytes(65535), bytes(65536), np.zeros(65535, "u1"), np.zeros(65536, "u1")],
        "first": [large, 1, 2],
        "last": [1, 2, large],
        "twice the same": [large, large],
        "neighbours": [large, bytes(OUT_OF_LINE_THRESHOLD), large],
        "nested": {
            "a": [{"b": large, "c": [1, {"d": bytes(OUT_OF_LINE_THRESHOLD)}]}, {"e": {}}],
            "f": [[large]],
        },
        "long containers": [large] * 20,
        "very long": [*range(70_000), large],
        "many keys": {**{str(index): index for index in range(70_000)}, "large": large},
        "sixteen": {**{str(index): [] for index in range(15)}, "large": large},
        "beside empty ones": [[], large, {}, [[]], "", b"", np.empty(0)],
        "not contiguous": [large[::2], np.asfortranarray(large.reshape(128, 128))],
        "models": Holder(field=large, points=[Point(x=1, data=bytes(OUT_OF_LINE_THRESHOLD))]),
        "complex beside": [1 + 2j, large, np.datetime64("2020-01-01")],
    }


@pytest.mark.parametrize("name", buffer_documents())
def test_buffers_together_are_the_document(name: str) -> None:
    document = buffer_documents()[name]
    for arrays in ("numpy", "map"):
        buffers = pack_buffers(document, arrays=arrays)
        assert b"".join(buffers) == packb(document, arrays=arrays)
        for buffer in buffers:
            view = memoryview(buffer)
            assert (view.format, view.ndim, view.c_contiguous) == ("B", 1, True)
            assert len(buffer) > 0
            assert isinstance(buffer, bytes) or len(buffer) >= OUT_OF_LINE_THRESHOLD
    if name not in ("models", "complex beside"):
        assert packb(document) == peer_packb(document)


def test_large_arrays_and_bytes_are_not_copied() -> None:
    array = np.arange(OUT_OF_LINE_THRESHOLD, dtype="<f4").reshape(128, 128)
    raw = bytes(OUT_OF_LINE_THRESHOLD)
    document = {"a": [array, {"b": raw}], "c": np.zeros(10)}
    head, first, middle, second, tail = pack_buffers(document)
    assert isinstance(first, memoryview)
    assert isinstance(second, memoryview)
    assert np.shares_memory(np.frombuffer(first, np.uint8), array)
    assert np.shares_memory(np.frombuffer(second, np.uint8), np.frombuffer(raw, np.uint8))
    assert all(type(buffer) is bytes for buffer in (head, middle, tail))
    array[0, 0] = 7
    assert bytes(first[:4]) == np.float32(7).tobytes()  # shows what happens to it later


def test_small_arrays_are_copied() -> None:
    array = np.zeros(OUT_OF_LINE_THRESHOLD - 1, "u1")
    (document,) = pack_buffers([array])
    array[:] = 1
    assert not any(bytes(document[-len(array) :]))


@pytest.mark.parametrize("levels", [1, 100, 150])
def test_deep_documents(levels: int) -> None:
    for inner in (None, np.zeros(OUT_OF_LINE_THRESHOLD, "u1")):
        value: Any = inner
        for _ in range(levels):
            value = {"a": [value]}
        document = packb(value)
        read = unpackb(document)
        for _ in range(levels):
            (read,) = read["a"]
        assert read is None or len(read) == OUT_OF_LINE_THRESHOLD


# -- reading -------------------------------------------------------------------------------------

READ = [
    # every code of msgpack
    ("00", 0),
    ("7f", 127),
    ("e0", -32),
    ("ff", -1),
    ("c0", None),
    ("c2", False),
    ("c3", True),
    ("cc ff", 255),
    ("cd 0001", 1),  # not the shortest form, and yet valid
    ("ce 00000001", 1),
    ("cf ffffffffffffffff", 2**64 - 1),
    ("d0 80", -128),
    ("d1 8000", -(2**15)),
    ("d2 80000000", -(2**31)),
    ("d3 8000000000000000", -(2**63)),
    ("ca 3fc00000", 1.5),
    ("cb 3ff8000000000000", 1.5),
    ("a0", ""),
    ("a1 61", "a"),
    ("d9 01 61", "a"),
    ("da 0001 61", "a"),
    ("db 00000001 61", "a"),
    ("c4 01 61", b"a"),
    ("c5 0001 61", b"a"),
    ("c6 00000001 61", b"a"),
    ("90", []),
    ("91 01", [1]),
    ("dc 0001 01", [1]),
    ("dd 00000001 01", [1]),
    ("80", {}),
    ("81 a161 01", {"a": 1}),
    ("de 0001 a161 01", {"a": 1}),
    ("df 00000001 a161 01", {"a": 1}),
    # timestamps
    ("d6 ff 00000000", dt.datetime(1970, 1, 1, tzinfo=UTC)),
    ("d6 ff ffffffff", dt.datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)),
    ("d7 ff 0000000400000001", dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
    ("c7 0c ff 00000000 ffffffffffffffff", dt.datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ("c7 0c ff 1dcd6500 0000000000000000", dt.datetime(1970, 1, 1, 0, 0, 0, 500000, tzinfo=UTC)),
    # keys
    ("81 01 02", {"1": 2}),
    ("81 ff 02", {"-1": 2}),
    ("81 c0 02", {"None": 2}),
    ("82 c2 02 c3 03", {"false": 2, "true": 3}),
    ("81 cb 3ff8000000000000 02", {"1.5": 2}),
    ("81 d6 ff 00000000 02", {"1970-01-01T00:00:00Z": 2}),
    ("82 a161 01 a161 02", {"a": 2}),
]


@pytest.mark.parametrize(("document", "value"), READ, ids=[row[0] for row in READ])
def test_every_code_is_read(document: str, value: Any) -> None:
    data = bytes.fromhex(document)
    assert unpackb(data) == value
    assert type(unpackb(data)) is type(value)
    # and where the document is taken apart: as an item, and as a value beside large ones
    large = packb(bytes(OUT_OF_LINE_THRESHOLD))
    assert unpackb(b"\x92" + large + data) == [bytes(OUT_OF_LINE_THRESHOLD), value]
    assert unpackb(b"\x82\xa1x" + large + b"\xa1y" + data) == {
        "x": bytes(OUT_OF_LINE_THRESHOLD),
        "y": value,
    }
    if isinstance(value, dict) and value and document.startswith("81"):
        (key,) = value
        assert unpackb(data[:-1] + large) == {key: bytes(OUT_OF_LINE_THRESHOLD)}


KEYS_REFUSED = [
    ("81 c4 01 61 01", "must be a string, not binary"),
    ("81 c4 00 01", "must be a string, not binary"),
    ("81 91 01 01", "not a container"),
    ("81 90 01", "not a container"),
    ("81 80 01", "hashable"),
    ("81 91 80 01", "hashable"),
    ("81 d4 05 00 01", "hashable|must be a string"),
    ("82 01 01 a131 02", "duplicate map key '1'"),
    ("82 a131 02 01 01", "duplicate map key '1'"),
    ("82 c0 02 a44e6f6e65 01", "duplicate map key 'None'"),
    ("82 cb 7ff8000000000000 01 cb 7ff8000000000000 01", "duplicate map key 'nan'"),
    ("82 a161 01 c4 01 61 01", "must be a string, not binary"),
    ("82 c4 01 61 01 a161 01", "must be a string, not binary"),
]


@pytest.mark.parametrize(
    ("document", "message"), KEYS_REFUSED, ids=[row[0] for row in KEYS_REFUSED]
)
def test_keys_that_json_could_not_have_are_refused(document: str, message: str) -> None:
    data = bytes.fromhex(document)
    for whole in (data, b"\x91" + data, b"\x92" + packb(bytes(OUT_OF_LINE_THRESHOLD)) + data):
        with pytest.raises(DecodeError, match=message):
            unpackb(whole)
    assert data.endswith((b"\1", b"\2"))
    with pytest.raises(DecodeError, match=message):
        unpackb(data[:-1] + packb(bytes(2 * OUT_OF_LINE_THRESHOLD)))


@pytest.mark.parametrize("container", [bytes, bytearray, memoryview, np.array, "2-D", "items"])
def test_any_contiguous_buffer_is_read(container: Any) -> None:
    document = packb([b"abc", np.arange(10_000, dtype="<i8"), "e" * 8])
    assert len(document) % 3 == 0
    source = np.frombuffer(document, np.uint8).copy()
    wholes: dict[Any, Any] = {
        np.array: source,
        "2-D": source.reshape(3, -1),
        "items": source.view("S3"),
    }
    data = wholes[container] if container in wholes else container(document)
    before = bytes(data)
    raw, array, text = unpackb(data)
    assert (raw, text) == (b"abc", "e" * 8)
    assert np.array_equal(array, np.arange(10_000))
    assert not np.shares_memory(array, source)
    array[:] = 0
    assert bytes(data) == before


def test_nothing_of_the_input_is_held() -> None:
    data = bytearray(
        packb({"a": np.arange(10_000), "b": [bytes(OUT_OF_LINE_THRESHOLD), np.arange(3)]})
    )
    value = unpackb(data)
    data.clear()  # an error while somebody has a view of it
    assert value["a"].sum() == 49_995_000


@pytest.mark.parametrize(
    "data",
    [
        None,
        1,
        "text",
        [1],
        object(),
        memoryview(b"\x90\x00\x00")[::2],
        np.zeros((2, 2), "u1").T[::2],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_buffer_is_refused(data: Any) -> None:
    with pytest.raises(DecodeError, match=r"is not a contiguous buffer|truncated"):
        unpackb(data)


def test_a_string_keyed_array_map_stays_a_map() -> None:
    for size in (3, OUT_OF_LINE_THRESHOLD):
        map_ = {"shape": [size], "dtype": "uint8", "data": bytes(size)}
        assert unpackb(packb(map_)) == map_


SCALARS = [np.int8(-3), np.uint64(2**64 - 1), np.float16(0.5), np.float32(0.1), np.bool_(True)]


@pytest.mark.parametrize("scalar", [*SCALARS, np.complex64(1 + 2j), np.longdouble(2)], ids=repr)
def test_scalar_maps_of_msgpack_numpy_are_read(scalar: Any) -> None:
    document = peer_packb({"a": [scalar]})
    assert document != packb({"a": [scalar]})  # ours is the number itself
    (value,) = unpackb(document)["a"]
    assert value == scalar.item()
    assert type(value) in (int, float, bool, complex)


# -- reading an owned buffer ---------------------------------------------------------------------


VIEWED = ["u1", "S5", "i2", "f2", ">f4", "f4", "i8", "f8", "c8", "c16", "U3", "M8[ns]", "V7", "?"]


@pytest.mark.parametrize(
    "dtype", [*VIEWED, ALIGNED, "<i4,<f8", [("a", ALIGNED), ("b", "u1", (3,))]], ids=str
)
def test_large_arrays_are_aligned_views_wherever_they_stand(dtype: Any) -> None:
    array = filled(dtype, (150, 200))
    shifts = set()
    for offset in range(16):
        document = packb(["x" * offset, array, 1])
        for start in (0, 3):
            buffer = owned(document, start)
            (text, view, one), moved = unpack_owned(buffer)
            assert (text, one) == ("x" * offset, 1)
            assert_same_array(view, array)
            assert np.shares_memory(view, buffer)
            for name in view.dtype.names if view.dtype == ALIGNED else ():
                assert view[name].flags.aligned
            assert received(buffer, moved) == document
            assert bool(moved) is (buffer.tobytes() != document)
            shifts |= {len(item.overwritten) for item in moved}
            assert all(item.length == array.nbytes for item in moved)
    alignment = 8 if array.dtype.names else array.dtype.alignment
    assert shifts == set(range(1, alignment))  # every shift there is


@pytest.mark.skipif(np.dtype("g").alignment <= 8, reason="long double is aligned to 8 here")
@pytest.mark.parametrize(
    "dtype", ["g", "G", np.dtype([("a", "u1"), ("b", "g")], align=True)], ids=str
)
def test_arrays_that_want_more_than_8_are_copied(dtype: Any) -> None:
    array = filled(dtype, (2000,))
    document = packb(array)
    for start in range(16):
        buffer = owned(document, start)
        copied, moved = unpack_owned(buffer)
        assert_same_array(copied, array)
        assert not np.shares_memory(copied, buffer)
        assert moved == []
        assert buffer.tobytes() == document


def test_several_arrays_in_one_body() -> None:
    arrays = [filled(code, (21_000,)) for code in ("f8", "u1", "i4", "c16", "i2")]
    for offset in range(8):
        document = packb({"a": arrays[:3], "pad": "x" * offset, "b": {"c": arrays[3:]}})
        buffer = owned(document)
        value, moved = unpack_owned(buffer)
        views = [*value["a"], *value["b"]["c"]]
        for view, array in zip(views, arrays, strict=True):
            assert_same_array(view, array)
            large = array.nbytes * MIN_VIEW_SHARE >= len(document)
            assert np.shares_memory(view, buffer) is large
        assert received(buffer, moved) == document
        for index, view in enumerate(views):
            for other in views[:index]:
                assert not np.shares_memory(view, other)


@pytest.mark.parametrize(("share", "view"), [(4, True), (8, True), (9, False), (100, False)])
def test_a_small_array_does_not_keep_the_body_alive(share: int, view: bool) -> None:
    array = np.zeros(30_000, "u1")
    rest = bytes(array.nbytes * share - len(packb([array, b""])) - 3)
    document = packb([array, rest])
    assert len(document) == array.nbytes * share
    buffer = owned(document)
    (read, same), moved = unpack_owned(buffer)
    assert same == rest
    assert_same_array(read, array)
    assert np.shares_memory(read, buffer) is view
    assert moved == []


def test_small_bodies_are_copied() -> None:
    document = packb(np.arange(100))
    buffer = owned(document, 1)
    array, moved = unpack_owned(buffer)
    assert_same_array(array, np.arange(100))
    assert not np.shares_memory(array, buffer)
    assert moved == []


def array_document(array: np.ndarray[Any, Any], *keys: str) -> bytes:
    """msgpack-numpy's map with its keys in this order."""
    map_ = {key.decode(): value for key, value in msgpack_numpy.encode(array).items()}
    body = b"".join(peer_packb(key.encode()) + peer_packb(map_[key]) for key in keys)
    return bytes([0x80 + len(keys)]) + body


@pytest.mark.parametrize(
    "keys",
    [
        ("data", "nd", "type", "kind", "shape"),
        ("nd", "data", "type", "kind", "shape"),
        ("shape", "kind", "data", "type", "nd"),
        ("nd", "type", "shape", "data"),
        ("data", "shape", "type", "nd"),
    ],
    ids=" ".join,
)
def test_the_order_of_the_keys_does_not_matter(keys: tuple[str, ...]) -> None:
    for array in (filled("f8", (5000,)), filled("f8", (5,))):
        inner = array_document(array, *keys)
        for offset in range(8):
            document = b"\x92" + packb("x" * offset) + inner
            assert_same_array(unpackb(document)[1], array)
            buffer = owned(document)
            (_, read), moved = unpack_owned(buffer)
            assert_same_array(read, array)
            assert np.shares_memory(read, buffer) is (array.size == 5000)
            assert received(buffer, moved) == document


@pytest.mark.parametrize("size", [3, 5000])
def test_of_a_key_that_stands_twice_the_last_counts(size: int) -> None:
    first, last = filled("f8", (size,)), filled("f8", (size,)) * 2
    keys = ("data", "nd", "type", "kind", "shape")
    whole = array_document(last, *keys)
    data = peer_packb(b"data") + peer_packb(first.tobytes())
    for offset in range(8):
        document = b"\x92" + packb("x" * offset) + b"\x86" + data + whole[1:]
        assert_same_array(unpackb(document)[1], last)
        buffer = owned(document)
        (_, read), moved = unpack_owned(buffer)
        assert_same_array(read, last)
        assert received(buffer, moved) == document


def test_arrays_are_views_down_to_the_last_level_that_is_taken_apart() -> None:
    array = filled("f8", (50_000,))
    for levels in (MAX_SPLIT_DEPTH - 1, MAX_SPLIT_DEPTH):
        for wrap in (lambda value: [value], lambda value: {"a": value}):
            value: Any = array
            for _ in range(levels):
                value = wrap(value)
            document = packb(value)
            buffer = owned(document, 5)
            read, moved = unpack_owned(buffer)
            for _ in range(levels):
                (read,) = read.values() if isinstance(read, dict) else read
            assert_same_array(read, array)
            assert np.shares_memory(read, buffer) is (levels < MAX_SPLIT_DEPTH)
            assert received(buffer, moved) == document


def test_keys_other_than_strings_beside_large_arrays() -> None:
    array = filled("f8", (5000,))
    document = b"\x83\x01" + packb(array) + b"\xc2" + packb(array) + b"\xa1a" + packb(array)
    buffer = owned(document)
    value, moved = unpack_owned(buffer)
    assert list(value) == ["1", "false", "a"]
    for read in value.values():
        assert_same_array(read, array)
        assert np.shares_memory(read, buffer)
    assert received(buffer, moved) == document


def test_a_body_without_arrays_stays_as_it_is() -> None:
    document = packb({"a": [1, "b", b"c" * OUT_OF_LINE_THRESHOLD, None], "d": {"e": 1.5}})
    buffer = owned(document)
    value, moved = unpack_owned(buffer)
    assert value == {"a": [1, "b", b"c" * OUT_OF_LINE_THRESHOLD, None], "d": {"e": 1.5}}
    assert moved == []
    assert buffer.tobytes() == document


def test_refusals_come_before_anything_moves() -> None:
    document = array_document(filled("f8", (5000,)), "data", "nd", "type", "kind", "shape")
    wrong = document.replace(b"\xcd" + (5000).to_bytes(2), b"\xcd" + (5001).to_bytes(2))
    assert wrong != document
    buffer = owned(wrong, 3)
    with pytest.raises(DecodeError, match="need 40008 bytes, got 40000"):
        unpack_owned(buffer)
    assert buffer.tobytes() == wrong


NUMBERS = {str(index): index for index in range(1000)}
STRUCTURE = {
    "a list": ([0] * 99_995, 100_000),
    "a map": (NUMBERS, len(packb(NUMBERS))),
    "inside a map of two": ({"a": [0] * 99_995, "b": 1}, 100_007),
    "beside what is large": ([bytes(1_000_000), [0] * 99_995], 100_003),
    "in two parts": ([[0] * 49_997, bytes(1_000_000), [0] * 49_997], 100_004),
    "the description of an array": (
        [np.zeros(30_000, "<u1")],
        2 + len(packb(np.zeros(30_000, "<u1"))) - 30_002,
    ),
    "small arrays": ([np.zeros(100, "u1")] * 100, 3 + 100 * len(packb(np.zeros(100, "u1")))),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_the_limit_of_structure(name: str) -> None:
    value, size = STRUCTURE[name]
    document = packb(value)
    assert packb(unpack_owned(owned(document), size).value) == document
    with pytest.raises(LimitExceeded, match=rf"max_structure_size \({size - 1} bytes\)"):
        unpack_owned(owned(document), size - 1)


def test_large_leaves_are_not_structure() -> None:
    array = filled("f8", (100_000,))
    document = packb({"a": [array, array], "b": bytes(500_000), "c": "x" * 500_000})
    value, _ = unpack_owned(owned(document), 1000)
    assert_same_array(value["a"][1], array)
    assert_same_array(unpack_owned(owned(packb(array)), 1000).value, array)
    assert unpack_owned(owned(packb(bytes(50_000))), 0).value == bytes(50_000)
    assert unpack_owned(owned(packb(1)), 0).value == 1

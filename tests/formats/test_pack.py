"""Encoding of each kind of value, and its buffers."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import itertools
import pathlib
import re
import types
import uuid
from typing import Any

import msgpack
import numpy as np
import pydantic
import pytest
from pydantic_core import to_jsonable_python

from binary_middleware.errors import EncodeError
from binary_middleware.fields import NumpyArrayField, from_map
from binary_middleware.formats.msgpack import pack_buffers, packb, unpackb
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from tests.formats.documents import peer_packb

UTC = dt.UTC


def peer_unpackb(document: bytes) -> Any:
    """Unpack with the reference library, without numpy."""
    return msgpack.unpackb(document, strict_map_key=False)


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


# -- values ----------------------------------------------------------------------------------------


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


def test_models_with_arrays_inside() -> None:
    holder = Holder(field=np.arange(3, dtype="<i4"), points=[Point(x=1)])
    read = unpackb(packb(holder))
    assert list(read) == ["field", "points"]
    assert read["field"].tolist() == [0, 1, 2]
    assert read["field"].dtype == np.int32
    assert read["points"] == [{"x": 1, "longName": 0.5, "data": b"\xff", "at": None}]
    assert packb(holder.field) == packb(np.arange(3, dtype="<i4"))
    assert packb(Plain(1, np.arange(3))) == packb({"a": 1, "b": np.arange(3)})


@pytest.mark.parametrize("offer", [ArrayLike, Tensor, NumpyArrayField])
def test_whatever_offers_itself_as_an_array_is_one(offer: Any) -> None:
    for inner in (np.arange(6.0).reshape(2, 3), np.zeros(OUT_OF_LINE_THRESHOLD, np.uint8)):
        assert packb(offer(inner)) == packb(inner)
        assert packb({"a": [offer(inner)]}, arrays="map") == packb({"a": [inner]}, arrays="map")
        large = pack_buffers(offer(inner))[-1]
        shared = isinstance(large, memoryview)
        assert shared is (inner.nbytes >= OUT_OF_LINE_THRESHOLD)
        assert np.shares_memory(np.frombuffer(large, np.uint8), inner) is shared


@pytest.mark.parametrize("arrays", ["", "Map", "json", None, "numpy "])
def test_an_unknown_form_of_arrays_is_a_mistake(arrays: Any) -> None:
    with pytest.raises(ValueError, match="arrays must be 'numpy' or 'map'"):
        packb(1, arrays=arrays)


# -- refusals --------------------------------------------------------------------------------------


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
    (np.zeros(1 << 32, "u1"), "cannot encode 4 GiB or more in one value"),
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


# -- buffers ---------------------------------------------------------------------------------------


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


def test_nothing_but_the_document_is_in_the_document() -> None:
    """What is large is written once, and nothing marks its place."""
    document = [
        1,
        bytes(OUT_OF_LINE_THRESHOLD),
        {"a": bytes(OUT_OF_LINE_THRESHOLD), "b": [bytes(OUT_OF_LINE_THRESHOLD)]},
        "z",
    ]
    assert packb(document) == msgpack.packb(document)
    assert packb(bytes(OUT_OF_LINE_THRESHOLD)) == msgpack.packb(bytes(OUT_OF_LINE_THRESHOLD))


# -- alignment -------------------------------------------------------------------------------------


STRUCTURED = [("shape", "<f4"), ("dtype", "<i4", (2,)), ("data", "u1")]


@pytest.mark.parametrize("shift", range(9))
@pytest.mark.parametrize("dtype", ["<f8", STRUCTURED], ids=["plain", "structured"])
def test_large_arrays_start_at_multiples_of_eight(shift: int, dtype: Any) -> None:
    array = np.zeros(OUT_OF_LINE_THRESHOLD, dtype)
    other = bytes(OUT_OF_LINE_THRESHOLD + 1)
    document = [
        "x" * shift,
        array,
        {"y" * shift: [array[: OUT_OF_LINE_THRESHOLD // 2]]},
        other,
        array,
    ]
    buffers = pack_buffers(document, arrays="map")
    starts = itertools.accumulate(map(len, buffers), initial=0)
    places = [
        start
        for start, buffer in zip(starts, buffers, strict=False)
        if type(buffer) is memoryview and len(buffer) != len(other)
    ]
    assert len(places) == 3
    assert not any(start % 8 for start in places)

    packed = b"".join(buffers)
    plain = msgpack.unpackb(packed)
    assert plain == unpackb(packed)
    assert plain[1] == plain[4]
    assert list(plain[1]) == ["shape", "dtype", "data"]
    assert np.array_equal(from_map(plain[1]), array)
    assert np.array_equal(from_map(plain[2]["y" * shift][0]), array[: OUT_OF_LINE_THRESHOLD // 2])


def test_the_place_costs_seven_bytes_at_most() -> None:
    array = np.zeros(OUT_OF_LINE_THRESHOLD, "u1")
    plain = {"shape": [OUT_OF_LINE_THRESHOLD], "dtype": "uint8", "data": array.tobytes()}
    more = {
        len(packb(["x" * shift, array], arrays="map")) - len(msgpack.packb(["x" * shift, plain]))
        for shift in range(8)
    }
    assert more == set(range(8))


def test_maps_of_msgpack_numpy_are_left_alone() -> None:
    array = np.zeros(OUT_OF_LINE_THRESHOLD, "u1")
    sizes = {len(packb(["x" * shift, array])) - shift for shift in range(8)}
    assert len(sizes) == 1

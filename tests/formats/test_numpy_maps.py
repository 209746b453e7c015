"""Arrays, numpy scalars and complex numbers as msgpack-numpy's maps."""

from __future__ import annotations

import pathlib
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest
from numpy._core._rational_tests import rational  # the one type that numpy does not build in

from binary_middleware import fields
from binary_middleware.errors import DecodeError
from binary_middleware.fields import from_map
from binary_middleware.formats.msgpack import packb, unpackb
from binary_middleware.formats.msgpack._numpy_maps import (
    array_header,
    array_map,
    is_numpy_map,
    read_numpy_map,
    scalar_value,
    view_array,
)
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from tests.formats.documents import ALIGNED, assert_same_array, filled, peer_packb
from tests.sameness import raw_bytes

# -- golden bytes ----------------------------------------------------------------------------------


def golden(type_: str, kind: str, shape: str, data: str) -> bytes:
    """msgpack-numpy's map of an array, of the hexadecimal msgpack of its parts."""
    return bytes.fromhex(
        f"85 c4026e64 c3 c40474797065 {type_} c4046b696e64 {kind}"
        f"c4057368617065 {shape} c40464617461 {data}"
    )


GOLDEN = {
    "uint8": (np.array([1, 2], "u1"), golden("a37c7531", "c400", "9102", "c402 0102")),
    "int16": (np.array([1, -2], "<i2"), golden("a33c6932", "c400", "9102", "c404 0100feff")),
    "int32, big-endian": (
        np.array([1, -2], ">i4"),
        golden("a33e6934", "c400", "9102", "c408 00000001fffffffe"),
    ),
    "uint64": (
        np.array([2**64 - 1], "<u8"),
        golden("a33c7538", "c400", "9101", "c408 ffffffffffffffff"),
    ),
    "float16": (np.array([1.5], "<f2"), golden("a33c6632", "c400", "9101", "c402 003e")),
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
    "bool": (np.array([True, False]), golden("a37c6231", "c400", "9102", "c402 0100")),
    "complex64": (
        np.array([1 + 2j], "<c8"),
        golden("a33c6338", "c400", "9101", "c408 0000803f00000040"),
    ),
    "bytes": (np.array([b"a", b"bc"]), golden("a37c5332", "c400", "9102", "c404 61006263")),
    "text": (np.array(["é"], "<U1"), golden("a33c5531", "c400", "9101", "c404 e9000000")),
    "void": (
        np.frombuffer(b"abcdef", "V3"),
        golden("91 92a0a37c5633", "c40156", "9102", "c406 616263646566"),
    ),
    "structured": (
        np.array([(1, 2.5)], [("a", "<i4"), ("b", "<f8")]),
        golden(
            "92 92a161a33c6934 92a162a33c6638", "c40156", "9101", "c40c 010000000000000000000440"
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
    "strided": (np.arange(6, dtype="u1")[::2], golden("a37c7531", "c400", "9103", "c403 000204")),
    "empty": (np.empty(0, "<f4"), golden("a33c6634", "c400", "9100", "c400")),
    "no elements": (np.empty((2, 0), "<f4"), golden("a33c6634", "c400", "920200", "c400")),
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


# -- there and back --------------------------------------------------------------------------------


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
    assert msgpack.unpackb(packb([large, {"b": large}], arrays="map")) == [
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


EXTENDED = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


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


# -- single maps -----------------------------------------------------------------------------------


def marked(**changes: Any) -> dict[Any, Any]:
    """Return the map of the array [1, 2], with changes; ``None`` removes a key."""
    plain = {"nd": True, "type": "<i4", "kind": b"", "shape": [2], "data": b"\1\0\0\0\2\0\0\0"}
    return {k.encode(): v for k, v in {**plain, **changes}.items() if v is not None}


@pytest.mark.parametrize("map_", [{b"nd": True}, {b"nd": 1}, {b"complex": True}, marked()])
def test_is_numpy_map(map_: dict[Any, Any]) -> None:
    assert is_numpy_map(map_)


@pytest.mark.parametrize("map_", [{}, {"nd": True}, {"complex": True}, {b"data": b""}, {1: 2}])
def test_is_not_marked(map_: dict[Any, Any]) -> None:
    assert not is_numpy_map(map_)


def test_array_map_for_others() -> None:
    array = np.zeros((2, 3), ">f4")
    map_ = array_map(array, b"...", "map")
    assert list(map_.items()) == [("shape", [2, 3]), ("dtype", ">f4"), ("data", b"...")]
    table = np.zeros(1, [("a", "<i4", (2,))])
    assert array_map(table, b"", "map")["dtype"] == [["a", "<i4", [2]]]


def test_array_map_of_a_registered_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_EXTENSIONS", {})
    fields.register_dtype(rational)
    array = np.array([rational(1, 2), rational(-3, 4)])
    map_ = array_map(array, b"", "numpy")
    assert (map_[b"type"], map_[b"kind"]) == ("rational", b"")
    assert_same_array(unpackb(packb(array)), array)


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        (np.int64(-(2**63)), -(2**63)),
        (np.float32("inf"), float("inf")),
        (np.bool_(False), False),
        (np.complex64(1 + 2j), 1 + 2j),
        (np.complex128(1 - 2j), 1 - 2j),
        (np.clongdouble(1 - 2j), 1 - 2j),
    ],
    ids=repr,
)
def test_scalars_become_the_value_they_are(scalar: np.generic, value: Any) -> None:
    plain = scalar_value(scalar)
    assert plain == value
    assert type(plain) is type(value)


@pytest.mark.parametrize("type_", [np.float16, np.float32, np.float64, np.longdouble])
def test_nan_scalars_become_nan(type_: type[np.floating[Any]]) -> None:
    plain = scalar_value(type_("nan"))
    assert type(plain) is float
    assert plain != plain


KEPT = [
    np.datetime64("2020-01-02"),
    np.datetime64("2020-01-02T03:04:05.123456789"),
    np.datetime64("NaT"),
    np.timedelta64(3, "s"),
    np.timedelta64("NaT"),
    np.timedelta64(3),
]


if EXTENDED:  # elsewhere a long double is a double
    KEPT += [np.longdouble(1) / 3, np.longdouble("1e4000"), np.clongdouble(1j) / 3]


@pytest.mark.parametrize("scalar", KEPT, ids=repr)
def test_scalars_that_python_does_not_have_keep_their_type(scalar: np.generic) -> None:
    map_ = scalar_value(scalar)
    assert map_ == {b"nd": False, b"type": scalar.dtype.str, b"data": raw_bytes(np.asarray(scalar))}
    again = read_numpy_map(map_)
    assert (type(again), again.dtype) == (type(scalar), scalar.dtype)
    assert np.array_equal(again, scalar, equal_nan=True)


def test_structured_scalars_become_arrays_without_dimensions() -> None:
    table = np.array([(1, 2.5), (3, 4.5)], "i4,f8")
    array = scalar_value(table[1])
    assert isinstance(array, np.ndarray)
    assert (array.shape, array.dtype, array.tolist()) == ((), table.dtype, (3, 4.5))
    assert scalar_value(np.void(b"abc")).tobytes() == b"abc"


@pytest.mark.parametrize("data", ["(1+2j)", b"(1+2j)", "1+2j", " 1+2j "])
def test_complex_numbers_in_other_spellings(data: Any) -> None:
    assert read_numpy_map({b"complex": True, b"data": data}) == 1 + 2j


@pytest.mark.parametrize(
    "map_",
    [
        {b"complex": True},
        {b"complex": True, b"data": None},
        {b"complex": True, b"data": 1.5},
        {b"complex": True, b"data": ""},
        {b"complex": True, b"data": "1e999j"},
        {b"complex": True, b"data": "1+2i"},
        {b"complex": True, b"data": "(1+2j"},
        {b"complex": True, b"data": b"\xff"},
        {b"complex": True, b"data": "__import__('os')"},
        {b"complex": True, b"data": "1" * 129},
        {b"complex": True, b"data": "1j", b"more": 1},
        {b"complex": True, b"data": "1j", b"nd": False},
    ],
)
def test_complex_maps_that_are_refused(map_: dict[Any, Any]) -> None:
    with pytest.raises(DecodeError, match="complex"):
        read_numpy_map(map_)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": None},  # old versions wrote none
        {"kind": ""},
        {"kind": b"V"},
        {"kind": "V"},
        {"type": b"<i4"},
        {"type": "int32"},
        {"shape": (2,)},
    ],
)
def test_array_maps_in_other_spellings(changes: dict[str, Any]) -> None:
    array = read_numpy_map(marked(**changes))
    assert array.dtype == np.dtype("<i4")
    assert array.tolist() == [1, 2]
    assert array.flags.writeable
    assert array.flags.aligned


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": b"O"}, "object arrays are refused: their data is a pickle"),
        ({"kind": b"X"}, "kind of an array map"),
        ({"kind": []}, "kind of an array map"),
        ({"kind": {}}, "kind of an array map"),
        ({"kind": 0}, "kind of an array map"),
        ({"type": "|O"}, "dtype '|O' is not allowed"),
        ({"type": 4}, "dtype must be"),
        ({"type": None}, "must have the keys"),
        ({"shape": None}, "must have the keys"),
        ({"data": None}, "must have the keys"),
        ({"more": 1}, "must have the keys"),
        ({"complex": True}, "complex map"),
        ({"nd": 1}, "must be true or false"),
        ({"nd": 0}, "must be true or false"),
        ({"nd": "yes"}, "must be true or false"),
        ({"shape": [3]}, "need 12 bytes, got 8"),
        ({"shape": []}, "need 4 bytes, got 8"),
        ({"shape": 2}, "list of sizes"),
        ({"data": "12345678"}, "data of an array map must be bin, got str"),
        ({"data": [1, 2]}, "data of an array map must be bin, got list"),
        ({"data": b""}, "need 8 bytes, got 0"),
    ],
)
def test_array_maps_that_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        read_numpy_map(marked(**changes))


def scalar_map(type_: Any, data: Any, **more: Any) -> dict[Any, Any]:
    return {b"nd": False, b"type": type_, b"data": data, **{k.encode(): v for k, v in more.items()}}


@pytest.mark.parametrize(
    "scalar",
    [
        *[np.dtype(code).type(3) for code in "bBhHiIlLqQefdgFDG"],
        np.bool_(True),
        np.float16("nan"),
        np.longdouble("nan"),
        np.clongdouble(complex("nan")),
        np.timedelta64(3, "s"),
    ],
    ids=repr,
)
def test_scalar_maps_of_msgpack_numpy_become_numbers(scalar: Any) -> None:
    theirs = msgpack_numpy.encode(scalar)
    value = read_numpy_map({**theirs, b"data": bytes(theirs[b"data"])})
    assert value == scalar or value != value
    assert type(value) in (bool, int, float, complex, np.timedelta64)


@pytest.mark.parametrize(
    ("map_", "message"),
    [
        (scalar_map("<i4", b"123"), "need 4 bytes, got 3"),
        (scalar_map("<i4", b"12345678"), "need 4 bytes, got 8"),
        (scalar_map("<i4", "1234"), "must be bin"),
        (scalar_map("<i4", b"1234", shape=[]), "must have the keys nd, type and data"),
        (scalar_map("<i4", b"1234", kind=b""), "must have the keys nd, type and data"),
        (scalar_map("|O", b"12345678"), "not allowed"),
        (scalar_map("S4", b"1234"), "must hold a number"),
        (scalar_map("U1", b"1234"), "must hold a number"),
        (scalar_map("V4", b"1234"), "must hold a number"),
        (scalar_map([["a", "<i4"]], b"1234"), "must hold a number"),
        (scalar_map([["a", "|O"]], b"12345678"), "not allowed"),
        (scalar_map("M8[0s]", b"12345678"), "not allowed"),
        ({b"nd": False}, "must have the keys nd, type and data"),
    ],
)
def test_scalar_maps_that_are_refused(map_: dict[Any, Any], message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        read_numpy_map(map_)


def test_array_header_leaves_the_data_alone() -> None:
    assert array_header(marked(data=b"")) == (np.dtype("<i4"), [2])
    with pytest.raises(DecodeError, match="must have the keys"):
        array_header({b"nd": True})


def test_view_array_shows_the_memory_of_its_data() -> None:
    data = bytearray(b"\1\0\0\0\2\0\0\0")
    view = view_array(data, np.dtype("<i4"), [2])
    data[0] = 9
    assert view.tolist() == [9, 2]
    with pytest.raises(DecodeError, match="need 12 bytes, got 8"):
        view_array(data, np.dtype("<i4"), [3])


def test_an_array_that_is_read_has_the_padding_of_the_original() -> None:
    dtype = np.dtype([("a", "i1"), ("b", "<f8")], align=True)
    data = bytes(range(32))
    array = read_numpy_map(array_map(np.zeros(2, dtype), data, "numpy"))
    assert array.view(np.uint8).tobytes() == data

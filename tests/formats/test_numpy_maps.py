"""Arrays, numpy scalars and complex numbers as msgpack-numpy's maps."""

from __future__ import annotations

from typing import Any

import msgpack_numpy
import numpy as np
import pytest

from binary_middleware.errors import DecodeError
from binary_middleware.formats.msgpack._numpy_maps import (
    array_header,
    array_map,
    complex_map,
    is_numpy_map,
    read_numpy_map,
    scalar_value,
    view_array,
)
from tests.sameness import raw_bytes

EXTENDED = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


def marked(**changes: Any) -> dict[Any, Any]:
    """The map of the array [1, 2], with changes; ``None`` takes a key away."""
    plain = {"nd": True, "type": "<i4", "kind": b"", "shape": [2], "data": b"\1\0\0\0\2\0\0\0"}
    return {k.encode(): v for k, v in {**plain, **changes}.items() if v is not None}


@pytest.mark.parametrize("map_", [{b"nd": True}, {b"nd": 1}, {b"complex": True}, marked()])
def test_is_numpy_map(map_: dict[Any, Any]) -> None:
    assert is_numpy_map(map_)


@pytest.mark.parametrize("map_", [{}, {"nd": True}, {"complex": True}, {b"data": b""}, {1: 2}])
def test_is_not_marked(map_: dict[Any, Any]) -> None:
    assert not is_numpy_map(map_)


ARRAYS = [
    np.arange(3, dtype="<f4"),
    np.arange(6, dtype=">i2").reshape(2, 3),
    np.array(True),
    np.array([b"a", b"bc"]),
    np.array(["a", "bc"]),
    np.zeros(2, "V3"),
    np.zeros(2, [("a", "<i4", (2,)), ("b", [("c", ">f8")])]),
    np.empty((3, 0)),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.str)
def test_array_map_is_that_of_msgpack_numpy(array: np.ndarray[Any, Any]) -> None:
    theirs = msgpack_numpy.encode(array)
    ours = array_map(array, theirs[b"data"], "numpy")
    assert list(ours.items()) == list(theirs.items())  # the order counts: bytes are compared


def test_array_map_for_others() -> None:
    array = np.zeros((2, 3), ">f4")
    map_ = array_map(array, b"...", "map")
    assert list(map_.items()) == [("shape", [2, 3]), ("dtype", ">f4"), ("data", b"...")]
    table = np.zeros(1, [("a", "<i4", (2,))])
    assert array_map(table, b"", "map")["dtype"] == [["a", "<i4", [2]]]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        *[(np.dtype(code).type(3), 3) for code in "bBhHiIlLqQ"],
        (np.int64(-(2**63)), -(2**63)),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float16(0.1), 0.0999755859375),
        (np.float32(0.1), 0.10000000149011612),
        (np.float64(0.1), 0.1),
        (np.longdouble(0.1), 0.1),
        (np.float32("inf"), float("inf")),
        (np.bool_(True), True),
        (np.bool_(False), False),
        (np.complex64(1 + 2j), 1 + 2j),
        (np.complex128(1 - 2j), 1 - 2j),
        (np.clongdouble(1 - 2j), 1 - 2j),
        (np.str_("é"), "é"),
        (np.bytes_(b"a"), b"a"),
    ],
    ids=lambda value: repr(value),
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


@pytest.mark.parametrize("number", [0j, 1 + 2j, complex("nan"), complex(-0.0, float("inf"))])
def test_complex_numbers(number: complex) -> None:
    map_ = complex_map(number)
    assert map_ == msgpack_numpy.encode(number)
    assert repr(read_numpy_map(map_)) == repr(number)


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
        ({"kind": "O"}, "object arrays are refused"),
        ({"kind": b"O", "type": "|O", "data": b"\x80\x04N."}, "object arrays are refused"),
        ({"kind": b"X"}, "kind of an array map"),
        ({"kind": []}, "kind of an array map"),
        ({"kind": {}}, "kind of an array map"),
        ({"kind": 0}, "kind of an array map"),
        ({"type": "|O"}, "dtype '|O' is not allowed"),
        ({"type": "O", "kind": b"V"}, "dtype 'O' is not allowed"),
        ({"type": [["a", "|O"]], "kind": b"V"}, "not allowed"),
        ({"type": [["a", "|O"]]}, "not allowed"),
        ({"type": "i4,O"}, "not allowed"),
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

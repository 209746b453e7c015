"""The dtype policy, the maps of an array, and ``NumpyArrayField`` in pydantic models."""

from __future__ import annotations

import ast
import base64
import copy
import json
import shutil
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy._core._rational_tests import rational  # a dtype that is not one of numpy's own
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from binary_middleware import fields, packb, unpackb
from binary_middleware.fields import (
    MAX_DIMS,
    MAX_DTYPE_DEPTH,
    MAX_DTYPE_FIELDS,
    BinaryBytes,
    NumpyArrayField,
    as_ndarray,
    check_dtype,
    dtype_spec,
    from_buffer,
    from_map,
    is_array_like,
    parse_dtype,
    to_buffer,
)
from tests.array_likes import (
    Offers,
    OffersArray,
    OffersDLPack,
    OnAnotherDevice,
    OnAnotherDLPackDevice,
    error_of,
)
from tests.sameness import raw_bytes

ALIGNED = np.dtype([("flag", "i1"), ("value", "f8")], align=True)
TITLED = np.dtype([(("a title", "x"), "<i4"), ("y", "<f8")])


# -- the dtype policy --------------------------------------------------------------------------

SPELLINGS = [
    *["bool", "|b1"],
    *["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"],
    *["<i2", ">i2", "<i8", ">u4", "|u1", "=i4"],
    *["float16", "float32", "float64", "<f2", ">f2", ">f8"],
    *["complex64", "complex128", ">c8", "<c16"],
    *["S5", "|S5", "U3", "<U3", ">U3", "S0", "U0", "V0", "V8", "|V8"],
    *["<M8[ns]", ">M8[D]", "datetime64[us]", "datetime64[25s]", "datetime64", "<M8"],
    *["<m8[s]", "timedelta64[ms]", "timedelta64"],
]


@pytest.mark.parametrize("name", [*SPELLINGS, np.dtype("g").str, np.dtype("G").str])
def test_numpys_own_spellings_are_read_and_written(name: str) -> None:
    dtype = np.dtype(name)
    assert parse_dtype(name) == dtype
    assert parse_dtype(name.encode()) == dtype
    assert check_dtype(dtype) is dtype
    assert dtype_spec(dtype) == str(dtype)
    assert parse_dtype(str(dtype)) == dtype


@pytest.mark.parametrize(
    "name",
    [
        *["O", "|O", "<O", "O8", "|O8", "object", "object_", "i4,O", "O,O", "(2,)O", "2O", "O,i4"],
        *["i4,i4", "(2,3)f4", "3f4", "f4,(2)i4", "{'names':['a'],'formats':['O']}"],
        *["T", "str", "bytes", "int", "float", "complex", "void", "a5", "c", "B", "d", "?"],
        *["", " ", "i4 ", " i4", "i4\n", "\x00", "é", "f4" * 100_000, "i" * 50],
        *["i3", "f3", "f5", "c7", "b2", "u16", "i16", "float96x", "int128", "f99"],
        *["S9999999999", "U999999999", "S-1", "V-1", "S1.5"],
        *["M8[0s]", "<M8[0ns]", "m8[00D]", "datetime64[0D]", "M8[07D]"],
        *["M8[]", "M8[xx]", "M8[B]", "M8[generic]", "M8[s/2]", "M8[s/0]", "M8[1.5s]", "M8[-1s]"],
        *["M8[9999999999s]", "M8[ns", "M4", "M8ns", "datetime64ns", "datetime64[]"],
        *["numpy.float32", "np.int8", "<class 'int'>", "float32,", "bfloat16", "float8_e4m3"],
    ],
)
def test_parse_dtype_refuses_every_other_spelling(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"^(dtype .* is not allowed|numpy does not support dtype .* here)$"
    ) as info:
        parse_dtype(name)
    assert len(str(info.value)) < 130


@pytest.mark.parametrize("spec", [None, 1, 1.5, True, {}, {"names": []}, int, np.dtype("i4"), {1}])
def test_parse_dtype_refuses_other_types(spec: object) -> None:
    with pytest.raises(ValueError, match="dtype must be a string or a list of fields, got"):
        parse_dtype(spec)


STRUCTURED = [
    np.dtype([("x", "<f4")]),
    np.dtype([("x", "<f4"), ("id", "<i8")]),
    np.dtype([("x", ">f8"), ("name", "<U5"), ("raw", "S3"), ("blob", "V2"), ("when", "<M8[s]")]),
    np.dtype([("m", "<i4", (2, 3)), ("v", "<f4", (4,))]),
    np.dtype([("point", [("x", "<f4"), ("y", ">f4")]), ("id", "u1")]),
    np.dtype([("points", [("x", "<f4"), ("p", [("q", "?")])], (3, 2)), ("id", "u1")]),
    ALIGNED,
    np.dtype([("a", ALIGNED), ("b", "i1")], align=True),
    np.dtype({"names": ["a"], "formats": ["<i4"], "offsets": [4], "itemsize": 16}),
    np.dtype([("naïve name, with \N{SNOWMAN}", "<i4")]),
    np.dtype([("empty", "S0"), ("x", "<i4")]),
    TITLED,
]


@pytest.mark.parametrize("dtype", STRUCTURED, ids=str)
def test_structured_types_survive_their_field_list(dtype: np.dtype[Any]) -> None:
    spec = dtype_spec(dtype)
    assert isinstance(spec, list)
    assert parse_dtype(spec) == dtype
    assert parse_dtype(json.loads(json.dumps(spec))) == dtype
    assert parse_dtype(dtype.descr) == dtype
    assert parse_dtype(spec).fields == dtype.fields  # offsets and titles too
    assert check_dtype(dtype) is dtype


def test_dtype_spec_of_a_structured_type_is_lists_only() -> None:
    dtype = np.dtype([(("t", "x"), "<f4"), ("id", "<i8", (2,)), ("p", [("q", "|u1")])])
    assert dtype_spec(dtype) == [[["t", "x"], "<f4"], ["id", "<i8", [2]], ["p", [["q", "|u1"]]]]


@given(hnp.nested_dtypes(max_itemsize=64) | hnp.array_dtypes(allow_subarrays=True))
def test_every_allowed_dtype_survives_json(dtype: np.dtype[Any]) -> None:
    dtype = dtype.base  # of a sub-array type
    check_dtype(dtype)
    assert parse_dtype(json.loads(json.dumps(dtype_spec(dtype)))) == dtype


LISTED = st.recursive(
    st.sampled_from(["<i4", "|V0", "|V3", "S0", "U2", ">c8", "M8[s]", "|O", "i4,O", "nonsense"]),
    lambda types: st.lists(
        st.tuples(st.sampled_from(["", "a", "b", b"c"]), types).map(list)
        | st.tuples(
            st.sampled_from(["a", "d", ["title", "e"], ["", "f"]]),
            types,
            st.lists(st.integers(0, 3), max_size=2) | st.integers(),
        ).map(list),
        max_size=4,
    ),
    max_leaves=8,
)


@given(LISTED)
def test_whatever_field_list_is_read_can_be_written(spec: Any) -> None:
    try:
        dtype = parse_dtype(spec)
    except ValueError:
        return
    assert not dtype.hasobject
    check_dtype(dtype)
    assert parse_dtype(dtype_spec(dtype)) == dtype


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([["a", "|O"]], "is not allowed"),
        ([["a", "i4,O"]], "is not allowed"),
        ([["a", [["b", [["c", "O"]]]]]], "is not allowed"),
        ([["a", "|O", [2]]], "is not allowed"),
        ([["", "|O"]], "is not allowed"),
        ([["a", None]], "dtype must be a string or a list of fields"),
        ([], "must have a field"),
        ([["a", []]], "must have a field"),
        ([["", "V4"], ["", "V4"]], "must have a field"),
        ([["", "V4", [2]]], "must be padding"),
        ([["", "<i4"]], "must be padding"),
        ([["", [["a", "<i4"]]]], "must be padding"),
        ([["a"]], r"\[name, type\]"),
        ([["a", "<i4", [2], 3]], r"\[name, type\]"),
        (["a", "<i4"], r"\[name, type\]"),
        ([{"a": "<i4"}], r"\[name, type\]"),
        ([[1, "<i4"]], "name of a dtype field"),
        ([[None, "<i4"]], "name of a dtype field"),
        ([[["t", "a", "b"], "<i4"]], "name of a dtype field"),
        ([[["t", ""], "<i4"]], "name of a dtype field"),
        ([[["t", 1], "<i4"]], "name of a dtype field"),
        ([["a", "<i4"], ["a", "<i4"]], "not a structured dtype"),
        ([[["a", "b"], "<i4"], ["a", "<i4"]], "not a structured dtype"),
        ([["a", "<i4", [-1]]], "integers from 0"),
        ([["a", "<i4", -1]], "integers from 0"),
        ([["a", "<i4", True]], "integers from 0"),
        ([["a", "<i4", [1.5]]], "integers from 0"),
        ([["a", "<i4", "2"]], "list of sizes"),
        ([["a", "<i4", None]], "list of sizes"),
        ([["a", "<i4", [2**40, 2**40]]], "not a structured dtype"),
        ([["a", "<i4", [2**80]]], "integers from 0"),
        ([["a", "<i4", [1] * 65]], "65 dimensions"),
        ([["a", "V999999999"], ["b", "V999999999"], ["c", "V999999999"]], "not a structured"),
    ],
)
def test_parse_dtype_refuses_field_lists(spec: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as info:
        parse_dtype(spec)
    assert len(str(info.value)) < 130


def nested(levels: int) -> list[Any]:
    spec: Any = "<i4"
    for _ in range(levels):
        spec = [["a", spec]]
    return spec


def wide(count: int) -> list[list[str]]:
    return [[f"f{index}", "|u1"] for index in range(count)]


def test_structured_types_are_bounded() -> None:
    assert len(parse_dtype(wide(MAX_DTYPE_FIELDS)).names or ()) == MAX_DTYPE_FIELDS
    assert parse_dtype(nested(MAX_DTYPE_DEPTH)).names == ("a",)
    half = wide(MAX_DTYPE_FIELDS // 2)
    for spec, message in [
        (wide(MAX_DTYPE_FIELDS + 1), "more than 1024 fields"),
        (wide(20_000), "more than 1024 fields"),
        ([["a", half], ["b", half]], "more than 1024 fields"),
        (nested(MAX_DTYPE_DEPTH + 1), "deeper than 8"),
        (nested(1000), "deeper than 8"),
    ]:
        with pytest.raises(ValueError, match=message):
            parse_dtype(spec)


def test_the_bounds_hold_for_arrays_of_the_app_too() -> None:
    deep = np.dtype("i4")
    for _ in range(MAX_DTYPE_DEPTH + 1):
        deep = np.dtype([("a", deep)])
    with pytest.raises(ValueError, match="deeper than 8"):
        check_dtype(deep)
    with pytest.raises(ValueError, match="more than 1024 fields"):
        check_dtype(np.dtype([(name, kind) for name, kind in wide(MAX_DTYPE_FIELDS + 1)]))


def layout(**keys: Any) -> np.dtype[Any]:
    return np.dtype(keys)


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (np.dtype(object), "object arrays are not supported"),
        (np.dtype([("a", "i4"), ("b", object)]), "object arrays are not supported"),
        (np.dtype([("a", [("b", object, (2,))])]), "object arrays are not supported"),
        (np.dtypes.StringDType(), "not supported"),
        (np.dtype(rational), "arrays of dtype rational are not supported"),
        (np.dtype([("a", rational)]), "arrays of dtype rational are not supported"),
        (np.dtype([("a", rational, (2,))]), "arrays of dtype rational are not supported"),
        (layout(names=["a", "b"], formats=["<i4", "<i4"], offsets=[0, 2]), "overlapping"),
        (layout(names=["a", "b"], formats=["<i4", "<i4"], offsets=[4, 0]), "unordered"),
        (np.dtype([]), "must have a field"),
        (layout(names=[], formats=[], itemsize=8), "describes another one"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_check_dtype_refuses(dtype: np.dtype[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_dtype(dtype)


# -- arrays and their bytes --------------------------------------------------------------------


def test_from_buffer_is_a_view() -> None:
    data = bytearray(np.arange(6, dtype="<i4").tobytes())
    array = from_buffer(data, np.dtype("<i4"), [2, 3])
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    array[0, 0] = 7
    assert data[0] == 7


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (b"", "f8", [0]),
        (b"", "f8", [3, 0, 2]),
        (b"", "S0", [0]),
        (b"12345678", "f8", []),
        (b"12345678", "f8", ()),
        (b"a", "u1", [1] * MAX_DIMS),
        (memoryview(b"abcd"), "S2", [2]),
        (np.zeros(8, np.uint8), "u2", [2, 2]),
        (np.zeros((2, 2), np.int16), "u1", [8]),  # any buffer: its bytes count, not its items
    ],
)
def test_from_buffer_takes(data: Any, dtype: str, shape: Any) -> None:
    array = from_buffer(data, np.dtype(dtype), shape)
    assert array.shape == tuple(shape)
    assert array.dtype == np.dtype(dtype)
    assert array.tobytes() == bytes(data)


@pytest.mark.parametrize(
    ("nbytes", "dtype", "shape", "message"),
    [
        (8, "f8", [2], r"need 16 bytes, got 8"),
        (8, "f8", [0], r"need 0 bytes, got 8"),
        (0, "f8", [], r"need 8 bytes, got 0"),
        (7, "f8", [1], r"need 8 bytes, got 7"),
        (8, "f8", [-1], "integers from 0"),
        (8, "f8", [-1, -1], "integers from 0"),
        (8, "u1", [True, 8], "integers from 0"),
        (8, "u1", [8.0], "integers from 0"),
        (8, "u1", ["8"], "integers from 0"),
        (8, "u1", [[8]], "integers from 0"),
        (8, "u1", [None], "integers from 0"),
        (8, "u1", [2**64], "integers from 0"),
        (8, "u1", [10**5000], "integers from 0"),
        (8, "u1", 8, "list of sizes"),
        (8, "u1", "8", "list of sizes"),
        (8, "u1", {8: 8}, "list of sizes"),
        (8, "u1", None, "list of sizes"),
        (1, "u1", [1] * 65, "65 dimensions"),
        (1, "u1", [1] * 100_000, "100000 dimensions"),
        (8, "f8", [2**62, 2**62], "need .* bytes, got 8"),
        (0, "f8", [2**62, 2**62, 0], "not an array"),  # no elements, and yet too large for numpy
        (8, "f8", [2**61 + 1], "need .* bytes, got 8"),  # 8 modulo 2**64
        (0, "S0", [1], "has no size but the shape has elements"),
        (0, "U0", [2**40], "has no size but the shape has elements"),
        (0, "V0", [], "has no size but the shape has elements"),
    ],
)
def test_from_buffer_refuses(nbytes: int, dtype: str, shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as info:
        from_buffer(bytes(nbytes), np.dtype(dtype), shape)
    assert len(str(info.value)) < 300


LAYOUTS = {
    "C order": np.arange(6, dtype="<f4").reshape(2, 3),
    "Fortran order": np.asfortranarray(np.arange(6, dtype="<f4").reshape(2, 3)),
    "transposed": np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0),
    "strided": np.arange(10)[::3],
    "negative stride": np.arange(10)[::-1],
    "zero stride": np.broadcast_to(np.arange(3), (2, 3)),
    "read-only": np.frombuffer(b"12345678", "<i2"),
    "0-d": np.array(1.5),
    "empty": np.empty(0),
    "no elements": np.empty((2, 0, 3), "<i2"),
    "column of a table": np.zeros(3, "i4,f8")["f1"],
    "structured": np.zeros(3, ALIGNED),
    "structured, strided": np.zeros(6, ALIGNED)[::2],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_to_buffer_is_flat_bytes_in_c_order(name: str) -> None:
    array = LAYOUTS[name]
    view = to_buffer(array)
    assert (view.format, view.ndim, view.nbytes) == ("B", 1, array.nbytes)
    assert bytes(view) == raw_bytes(array)
    has_gaps = array.dtype.names is not None
    contiguous = array.flags.c_contiguous and array.size > 0 and not has_gaps
    assert np.shares_memory(np.frombuffer(view, np.uint8), array) is contiguous


@pytest.mark.parametrize("offer", [OffersArray, OffersDLPack])
def test_as_ndarray_takes_what_offers_itself_without_a_copy(offer: type[Offers]) -> None:
    inner = np.arange(6.0).reshape(2, 3)
    array = as_ndarray(offer(inner))
    assert is_array_like(offer(inner))
    assert type(array) is np.ndarray
    assert np.shares_memory(array, inner)
    assert array.shape == (2, 3)


def test_as_ndarray_gives_plain_arrays(tmp_path: Path) -> None:
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1, 2], [3, 4]])
    mapped = np.memmap(tmp_path / "data", "<i4", "w+", shape=(3,))
    mapped[:] = [1, 2, 3]
    records = np.rec.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")])
    for value in (matrix, mapped, records, np.float32(1.5), np.arange(3)):
        array = as_ndarray(value)
        assert type(array) is np.ndarray
        assert array.shape == value.shape
        assert array.tolist() == np.asarray(value).tolist()
    same = np.arange(3)
    assert as_ndarray(same) is same
    assert as_ndarray(NumpyArrayField(same)) is same


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "expected an array, got NoneType"),
        ("abc", "expected an array, got str"),
        (b"abc", "expected an array, got bytes"),
        ([1, 2, 3], "expected an array, got list"),
        (1.5, "expected an array, got float"),
        (np.ndarray, "expected an array, got type"),
        (OffersArray, "expected an array, got type"),
        (np.ma.masked_array([1, 2], mask=[0, 1]), "masked arrays are not supported"),
        (np.ma.masked_array([1, 2]), "masked arrays are not supported"),
        (np.ma.masked, "masked arrays are not supported"),
        (np.array([None]), "object arrays are not supported"),
        (np.array([1, "a", None], object), "object arrays are not supported"),
        (OffersArray([None]), "object arrays are not supported"),
        (np.array(["a"], np.dtypes.StringDType()), "not supported"),
        (OnAnotherDevice(), "a OnAnotherDevice cannot be read as a numpy array: can't convert"),
        (OnAnotherDLPackDevice(np.ones(3)), "cannot be read as a numpy array"),
        (OffersDLPack(np.array(["a"])), "cannot be read as a numpy array"),
        (np.zeros(3, [("a", "S0"), ("b", "i4")])["a"], "no size"),
        (np.empty(3, "V0"), "no size"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_as_ndarray_refuses(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as info:
        as_ndarray(value)
    assert len(str(info.value)) < 160


def json_map(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the JSON form, made without the package."""
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "data_b64": base64.b64encode(array.tobytes()).decode(),
    }


def binary_map(array: np.ndarray[Any, Any], data: type = bytes) -> dict[str, Any]:
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "data": data(array.tobytes()),
    }


FOUR = np.array([[1, 2], [3, 4]], dtype="<i8")


@pytest.mark.parametrize(
    "value",
    [
        json_map(FOUR),
        binary_map(FOUR),
        binary_map(FOUR, bytearray),
        binary_map(FOUR, memoryview),
        OrderedDict(reversed(json_map(FOUR).items())),
        MappingProxyType(json_map(FOUR)),
        {**json_map(FOUR), "dtype": "<i8"},
        {**json_map(FOUR), "dtype": b"<i8"},
        {**json_map(FOUR), "shape": (2, 2)},
    ],
    ids=["json", "bytes", "bytearray", "memoryview", "order", "mapping", "str", "bin", "tuple"],
)
def test_from_map_reads_both_maps(value: Mapping[str, Any]) -> None:
    array = from_map(value)
    assert np.array_equal(array, FOUR)
    assert array.dtype == FOUR.dtype
    assert array.flags.writeable
    assert array.flags.aligned


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8", "c16", "g", "G", "U3", "M8[s]", ALIGNED])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (1000,)])
def test_from_map_gives_memory_of_its_own(dtype: Any, shape: tuple[int, ...]) -> None:
    source = np.zeros(shape, dtype)
    given_map = {"shape": list(shape), "dtype": dtype_spec(source.dtype), "data": source.tobytes()}
    array = from_map(given_map)
    assert (array.dtype, array.shape) == (source.dtype, source.shape)
    assert array.flags.writeable
    assert array.flags.aligned
    assert not np.shares_memory(array, np.frombuffer(given_map["data"], np.uint8))


WRONG_BASE64 = [
    "AQ",  # no padding
    "AQ=",
    "AQ===",
    "A===",
    "====",
    "AQ==AQ==",
    "AQ==\n",
    " AQ==",
    "A Q==",
    "AQ==\x00",
    "_-==",  # the alphabet of URLs
    "+/-_",
    "é===",
    "A\N{FULLWIDTH LATIN CAPITAL LETTER Q}==",
    "%%%%",
]


@pytest.mark.parametrize("text", WRONG_BASE64)
def test_from_map_wants_strict_base64(text: str) -> None:
    with pytest.raises(ValueError, match="data_b64 is not base64"):
        from_map({"shape": [1], "dtype": "uint8", "data_b64": text})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_b64": b"AQ=="}, "data_b64 must be a base64 string, got bytes"),
        ({"data_b64": None}, "data_b64 must be a base64 string, got NoneType"),
        ({"data_b64": [1]}, "data_b64 must be a base64 string, got list"),
        ({"data_b64": ""}, "need 1 bytes, got 0"),
        ({"data_b64": "AQI="}, "need 1 bytes, got 2"),
        ({"data_b64": "A" * 100_000}, "need 1 bytes, got 75000"),
        ({"dtype": "object"}, "dtype 'object' is not allowed"),
        ({"dtype": "i4,O"}, "dtype 'i4,O' is not allowed"),
        ({"dtype": None}, "dtype must be a string"),
        ({"dtype": {}}, "dtype must be a string"),
        ({"shape": None}, "shape must be a list"),
        ({"shape": [-1]}, "shape must hold integers"),
        ({"shape": ["1"]}, "shape must hold integers"),
        ({"extra": 1}, "exactly the keys shape, dtype and data_b64"),
        ({"data": b"a"}, "exactly the keys shape, dtype and data_b64"),
        *[({key: ...}, "exactly the keys shape") for key in ("shape", "dtype", "data_b64")],
        *[
            ({"data_b64": ..., "data": data}, "data must be bytes, got")
            for data in ("AQ==", None, 1, [1], np.array([1], np.uint8))
        ],
    ],
)
def test_from_map_refuses(changes: dict[str, Any], message: str) -> None:
    value = {"shape": [1], "dtype": "uint8", "data_b64": "AQ==", **changes}
    value = {key: item for key, item in value.items() if item is not ...}
    with pytest.raises(ValueError, match=message) as info:
        from_map(value)
    assert len(str(info.value)) < 160


# -- the field ---------------------------------------------------------------------------------


class Sample(BaseModel):
    name: str = "a"
    data: NumpyArrayField


class Special(NumpyArrayField):
    """A subclass keeps its own type."""


adapter = TypeAdapter(NumpyArrayField)


def test_repr_is_that_of_the_original() -> None:
    field = NumpyArrayField(FOUR)
    assert repr(field) == ("NumpyArrayField(shape=(2, 2), dtype=int64, data=[[1 2]\n [3 4]])")
    assert repr(Special(np.float32(1.5))) == "Special(shape=(), dtype=float32, data=1.5)"
    assert len(repr(NumpyArrayField(np.arange(1_000_000)))) < 200


def test_the_field_holds_the_very_array() -> None:
    array = np.arange(3)
    assert NumpyArrayField(array).array is array
    assert Sample(data=array).data.array is array
    field = NumpyArrayField(array)
    assert Sample(data=field).data is field
    with pytest.raises(AttributeError):
        field.other = 1


@pytest.mark.parametrize(
    "value",
    [
        FOUR,
        np.asfortranarray(FOUR),
        NumpyArrayField(FOUR),
        Special(FOUR),
        json_map(FOUR),
        MappingProxyType(json_map(FOUR)),
        binary_map(FOUR),
        OffersArray(FOUR),
        OffersDLPack(FOUR),
        FOUR.view(np.recarray),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_field_accepts(value: Any) -> None:
    field = Sample.model_validate({"data": value}).data
    assert isinstance(field, NumpyArrayField)
    assert type(field.array) is np.ndarray
    assert field == NumpyArrayField(FOUR)
    assert TypeAdapter(list[NumpyArrayField]).validate_python([value]) == [field]
    assert TypeAdapter(NumpyArrayField | None).validate_python(value) == field
    assert type(TypeAdapter(Special).validate_python(value)) is Special


HUGE = np.arange(100_000, dtype="<i8") + 7_000_000


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        1.5,
        "text",
        b"bytes",
        [1, 2, 3],
        [[1.0] * 1000] * 100,
        object(),
        NumpyArrayField,
        {},
        {1: 2},
        {"shape": [2]},
        {**json_map(HUGE), "shape": [3]},
        {**json_map(HUGE), "dtype": "object"},
        {**json_map(HUGE), "data_b64": "?" * 100_000},
        {**json_map(HUGE), "more": 1},
        {**binary_map(HUGE), "shape": [2**70]},
        {**binary_map(HUGE), "shape": [10**5000]},
        {**binary_map(HUGE), "dtype": nested(1000)},
        {**binary_map(HUGE), "data": HUGE},
        {b"nd": True, b"type": "<i8", b"kind": b"", b"shape": [1], b"data": bytes(8)},
        np.ma.masked_array(HUGE),
        HUGE.astype(object),
        OffersArray(HUGE.astype(object)),
        OnAnotherDevice(),
        OnAnotherDLPackDevice(HUGE),
    ],
    ids=lambda value: repr(type(value).__name__),
)
def test_every_refusal_is_a_validation_error_that_prints_no_data(value: Any) -> None:
    with pytest.raises(ValidationError) as info:
        Sample.model_validate({"data": value})
    (error,) = info.value.errors()
    assert error["type"] == "value_error"
    assert error["loc"] == ("data",)
    assert len(error["msg"]) < 200
    assert "700" not in error["msg"]
    assert len(str(info.value)) < 1000


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
    | st.fixed_dictionaries(
        {
            "shape": st.lists(st.integers() | st.none(), max_size=3) | st.integers(),
            "dtype": st.text(max_size=6) | LISTED,
            "data_b64": st.text(max_size=8) | st.binary(max_size=8).map(base64.b64encode),
        }
    )
)
def test_the_field_never_raises_another_kind_of_error(value: Any) -> None:
    try:
        field = adapter.validate_python(value)
    except ValidationError:
        return
    assert adapter.validate_json(adapter.dump_json(field)) == field


def test_python_form_is_the_array_itself() -> None:
    sample = Sample(data=FOUR)
    assert sample.model_dump()["data"] is FOUR
    assert adapter.dump_python(NumpyArrayField(FOUR)) is FOUR
    assert Sample.model_validate(sample.model_dump()) == sample


def test_json_form() -> None:
    expected = {
        "shape": [2, 2],
        "dtype": "int64",
        "data_b64": "AQAAAAAAAAACAAAAAAAAAAMAAAAAAAAABAAAAAAAAAA=",
    }
    sample = Sample(data=FOUR)
    assert sample.model_dump(mode="json") == {"name": "a", "data": expected}
    assert json.loads(sample.model_dump_json()) == {"name": "a", "data": expected}
    assert list(json.loads(sample.model_dump_json())["data"]) == SCHEMA["required"]
    assert Sample.model_validate_json(sample.model_dump_json()) == sample


@given(st.data(), hnp.nested_dtypes(max_itemsize=64), hnp.array_shapes(min_dims=0, min_side=0))
def test_json_round_trip(data: st.DataObject, dtype: Any, shape: Any) -> None:
    dtype = dtype.base
    # With characters that UTF-8 has: the default ones include surrogates, which are refused.
    elements = hnp.from_dtype(dtype, alphabet=st.characters(codec="utf-8"))
    array = data.draw(hnp.arrays(dtype, shape, elements=elements))
    field = adapter.validate_json(adapter.dump_json(NumpyArrayField(array)))
    assert field.array.dtype == array.dtype
    assert field.array.shape == array.shape
    assert field == NumpyArrayField(array)


SCHEMA = {
    "type": "object",
    "properties": {
        "shape": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
            "maxItems": 64,
        },
        "dtype": {"anyOf": [{"type": "string"}, {"type": "array", "items": {}}]},
        "data_b64": {"type": "string", "contentEncoding": "base64"},
    },
    "required": ["shape", "dtype", "data_b64"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_json_schema(mode: Any) -> None:
    assert adapter.json_schema(mode=mode) == SCHEMA
    in_model = Sample.model_json_schema(mode=mode)["properties"]["data"]
    assert in_model == {"title": "Data", **SCHEMA}  # as any field, for generators of clients
    assert Sample.model_json_schema(mode=mode)["required"] == ["data"]


NAN = np.array([1.0, np.nan])


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (FOUR, FOUR.copy(), True),
        (FOUR, np.asfortranarray(FOUR), True),
        (FOUR, FOUR + 1, False),
        (FOUR, FOUR.astype("<i4"), False),
        (FOUR, FOUR.astype(">i8"), False),
        (FOUR, FOUR.reshape(4), False),
        (NAN, NAN.copy(), True),
        (NAN, NAN[::-1], False),
        (NAN.astype("c16"), NAN.astype("c16"), True),
        (np.array(["NaT", "2020"], "M8[s]"), np.array(["NaT", "2020"], "M8[s]"), True),
        (np.array([b"a"]), np.array([b"a"]), True),
        (np.array(["a"]), np.array(["b"]), False),
        (np.zeros(2, "V3"), np.zeros(2, "V3"), True),
        (np.empty((0, 3)), np.empty((0, 3)), True),
        (np.empty((0, 3)), np.empty((3, 0)), False),
        (np.array(1.0), np.array(1.0), True),
        (np.zeros(2, "i4,f8"), np.zeros(2, "i4,f8"), True),
        (np.zeros(2, "i4,f8"), np.ones(2, "i4,f8"), False),
        (np.full(2, np.nan, "f4,f8"), np.full(2, np.nan, "f4,f8"), True),
        (np.zeros(2, [("p", "f4,f8", 2)]), np.zeros(2, [("p", "f4,f8", 2)]), True),
        (np.zeros(2, [("p", "f4,f8", 2)]), np.ones(2, [("p", "f4,f8", 2)]), False),
    ],
)
def test_equality(left: Any, right: Any, equal: bool) -> None:
    assert (NumpyArrayField(left) == NumpyArrayField(right)) is equal
    assert (Sample(data=left) == Sample(data=right)) is equal


def test_a_field_equals_nothing_else_and_is_no_key() -> None:
    assert NumpyArrayField(FOUR) != 1
    assert NumpyArrayField(FOUR) != json_map(FOUR)
    with pytest.raises(TypeError, match="unhashable"):
        hash(NumpyArrayField(FOUR))


def test_a_field_is_an_array_to_numpy() -> None:
    field = NumpyArrayField(FOUR)
    assert np.asarray(field) is FOUR
    assert np.array(field, copy=False) is FOUR
    assert not np.shares_memory(np.array(field, copy=True), FOUR)
    assert np.asarray(field, dtype="f4").dtype == np.float32
    assert np.sum(field) == 10
    with pytest.raises(ValueError, match="copy"):
        np.array(field, dtype="f4", copy=False)


def test_copies_of_a_model() -> None:
    sample = Sample(data=FOUR)
    assert sample.model_copy().data is sample.data
    deep = copy.deepcopy(sample)
    assert deep == sample
    assert not np.shares_memory(deep.data.array, FOUR)


def test_models_that_were_not_validated() -> None:
    bare = Sample.model_construct(name="a", data=FOUR)
    assert bare.model_dump()["data"] is FOUR
    assert bare.model_dump(mode="json")["data"] == json_map(FOUR)
    for wrong in (None, [1], HUGE.astype(object)):
        with pytest.raises(PydanticSerializationError, match=r"expected an array|object arrays"):
            Sample.model_construct(name="a", data=wrong).model_dump_json()


def test_an_array_that_was_replaced_is_checked_when_it_is_written() -> None:
    sample = Sample(data=FOUR)
    sample.data.array = np.array([None])
    with pytest.raises(PydanticSerializationError, match="object arrays are not supported"):
        sample.model_dump_json()


# -- bytes -------------------------------------------------------------------------------------


class Picture(BaseModel):
    png: BinaryBytes


RAW = bytes(range(256))


@pytest.mark.parametrize("value", [RAW, bytearray(RAW), memoryview(RAW)])
def test_bytes_stay_bytes_in_python(value: Any) -> None:
    picture = Picture(png=value)
    assert picture.png == RAW
    assert type(picture.png) is bytes
    assert picture.model_dump() == {"png": RAW}
    assert Picture.model_validate(unpackb(packb(picture))) == picture


def test_bytes_are_base64_in_json() -> None:
    picture = Picture(png=RAW)
    text = base64.b64encode(RAW).decode()
    assert picture.model_dump(mode="json") == {"png": text}
    assert json.loads(picture.model_dump_json()) == {"png": text}
    for spelling in (
        text,
        text.rstrip("="),
        base64.urlsafe_b64encode(RAW).decode(),
        base64.urlsafe_b64encode(RAW).decode().rstrip("="),
    ):
        assert Picture.model_validate({"png": spelling}) == picture
        assert Picture.model_validate_json(json.dumps({"png": spelling})) == picture


@given(st.binary(max_size=64))
def test_any_bytes_round_trip(raw: bytes) -> None:
    picture = Picture(png=raw)
    assert Picture.model_validate_json(picture.model_dump_json()) == picture


@pytest.mark.parametrize(
    "text", ["A", "AQ=", "AQ===", "A===", "=", "AQ==AQ==", "A Q=", "AQ==\n", "é"]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    error = error_of(lambda: Picture.model_validate({"png": text}))
    assert error["type"] == "bytes_invalid_encoding"
    assert error["loc"] == ("png",)
    assert error["msg"].startswith("Data should be valid base64: ")


@pytest.mark.parametrize("value", [None, 1, [1], {}, np.zeros(1, "u1")])
def test_what_is_no_bytes_is_refused(value: Any) -> None:
    assert error_of(lambda: Picture.model_validate({"png": value}))["type"] == "bytes_type"


def test_bytes_can_be_constrained_and_are_described() -> None:
    class Short(BaseModel):
        raw: Annotated[BinaryBytes, Field(max_length=2)] = b"\xff"
        maybe: BinaryBytes | None = None

    assert Short(raw=b"ab").raw == b"ab"
    assert error_of(lambda: Short(raw="YWJj"))["type"] == "too_long"
    schema = Short.model_json_schema(mode="serialization")
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["raw"]["contentEncoding"] == "base64"
    assert Short(maybe=None).model_dump_json() == '{"raw":"/w==","maybe":null}'


# -- the file on its own -----------------------------------------------------------------------

ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from pydantic import BaseModel
from fields import BinaryBytes, NumpyArrayField

class Model(BaseModel):
    data: NumpyArrayField
    raw: BinaryBytes

model = Model(data=np.arange(3, dtype="<i4"), raw=bytes(3))
assert Model.model_validate_json(model.model_dump_json()) == model

assert sys.modules["fields"].__file__.startswith(sys.argv[1]), sys.modules["fields"].__file__
roots = {name.partition(".")[0] for name in sys.modules}
assert "binary_middleware" not in roots
print(*sorted(roots & {"msgspec", "msgpack", "starlette", "fastapi", "msgpack_numpy"}), "works")
"""


def test_the_file_works_alone(tmp_path: Path) -> None:
    shutil.copy(fields.__file__, tmp_path / "fields.py")
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", ALONE, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "works\n"


def test_the_file_imports_pydantic_and_numpy_only() -> None:
    roots = set()
    for node in ast.walk(ast.parse(Path(fields.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add((node.module or "").partition(".")[0])
    assert roots - sys.stdlib_module_names == {"numpy", "pydantic", "pydantic_core"}

"""``ArraySpec`` and what belongs to it: dtype and shape in the type of a field, ``BinaryBytes``."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from scipy import sparse
from typing_extensions import TypeAliasType

from binary_middleware import EncodeError, NumpyArrayField, arrays, fields, packb, unpackb
from binary_middleware.arrays import (
    ArrayModel,
    ArraySpec,
    BoolArray,
    Complex64Array,
    Dim,
    Float32Array,
    UInt8Array,
)
from binary_middleware.arrays._spec import BoundArray
from binary_middleware.fields import BinaryBytes, dtype_spec, to_map
from tests.test_fields import OffersArray, OffersDLPack, OnAnotherDevice

S = TypeVar("S", bound=np.generic)
POINT = np.dtype([("x", "<f4"), ("id", "<i8")])
TEXT_OF_TYPE = "Input should be an array of the declared "


def adapter(array: ArraySpec, kind: Any = np.ndarray) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[kind, array])


def error_of(check: Callable[[], Any]) -> Mapping[str, Any]:
    with pytest.raises(ValidationError) as info:
        check()
    (error,) = info.value.errors()
    return error


def refusal(array: ArraySpec, value: Any, kind: Any = np.ndarray) -> Mapping[str, Any]:
    return error_of(lambda: adapter(array, kind).validate_python(value))


# -- what is declared --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "array", "expected"),
    [
        (NDArray[np.float32], ArraySpec("batch", 3), "float32 (batch, 3)"),
        (NDArray[np.float32], ArraySpec(), "float32"),
        (NDArray[np.float32], ArraySpec(shape=()), "float32 ()"),
        (NDArray[np.float32], ArraySpec(shape=["n"]), "float32 (n,)"),
        (NDArray[np.uint8], ArraySpec(None, 3, ...), "uint8 (*, 3, ...)"),
        (NDArray[np.uint8], ArraySpec(..., "h", "w"), "uint8 (..., h, w)"),
        (
            NDArray[np.uint8],
            ArraySpec(Dim(ge=1), Dim(le=8), Dim(ge=2, le=4)),
            "uint8 (1.., 0..8, 2..4)",
        ),
        (NDArray[np.uint8], ArraySpec(Dim("n", le=8), Dim("m", ge=3, le=3)), "uint8 (n=0..8, m=3)"),
        (NDArray[np.bool_], ArraySpec(), "bool"),
        (NDArray[np.float32 | np.float64], ArraySpec(2), "float32 or float64 (2,)"),
        (NDArray[np.floating], ArraySpec(), "floating"),
        (NDArray[np.floating[Any]], ArraySpec(), "floating"),
        (NDArray[np.integer | np.bool_], ArraySpec(), "bool or integer"),
        (NDArray[np.str_], ArraySpec(), "str"),
        (NDArray[np.str_], ArraySpec(dtype="<U8"), "<U8"),
        (NDArray[np.datetime64], ArraySpec(dtype="datetime64[ms]"), "datetime64[ms]"),
        (NDArray[np.void], ArraySpec(dtype=POINT), "[('x', '<f4'), ('id', '<i8')]"),
        (NDArray[Any], ArraySpec(2), "any dtype (2,)"),
        (NDArray[np.generic], ArraySpec(), "any dtype"),
        (np.ndarray, ArraySpec(dtype="f4"), "float32"),
        (np.ndarray[Any, Any], ArraySpec(), "any dtype"),
        (np.ndarray[tuple[int, int], np.dtype[np.uint8]], ArraySpec(), "uint8 (*, *)"),
        (np.ndarray[tuple[int, Literal[3]], np.dtype[np.uint8]], ArraySpec(), "uint8 (*, 3)"),
        (np.ndarray[tuple[()], np.dtype[np.uint8]], ArraySpec(), "uint8 ()"),
        (np.ndarray[tuple[int, int], np.dtype[np.uint8]], ArraySpec("n", 3), "uint8 (n, 3)"),
        (np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ArraySpec("n", 3), "uint8 (n, 3)"),
        (NDArray[S], ArraySpec("n"), "any dtype (n,)"),
        (TypeAliasType("Alias", NDArray[np.int8]), ArraySpec("n"), "int8 (n,)"),
    ],
)
def test_expectation_as_text(kind: Any, array: ArraySpec, expected: str) -> None:
    assert array.bind(kind).expected == expected
    assert refusal(array, None, kind)["ctx"]["expected"] == expected


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: ArraySpec(3, shape=(3,)), "as arguments or as shape="),
        (lambda: ArraySpec(casting="unsafe"), "casting is one of"),
        (lambda: ArraySpec(order="A"), "order of"),
        (lambda: ArraySpec(ge=2, le=1), "ge must not be greater than le"),
        (lambda: ArraySpec(dtype=object), "object arrays are not supported"),
        (lambda: ArraySpec(dtype="nonsense"), "nonsense"),
        (lambda: Dim(""), "a name that is not empty"),
        (lambda: Dim(ge=-1), "0 <= ge <= le"),
        (lambda: Dim("n", ge=3, le=2), "0 <= ge <= le"),
        (lambda: adapter(ArraySpec(-1)), "0 <= ge <= le"),
        (lambda: adapter(ArraySpec(1.5)), "1.5 is not a size"),
        (lambda: adapter(ArraySpec(True)), "True is not a size"),
        (lambda: adapter(ArraySpec(..., 2, ...)), "one ... at most"),
        (lambda: adapter(ArraySpec(*([1] * 65))), "64 dimensions"),
        (lambda: adapter(ArraySpec(), list[int]), "ArraySpec annotates a numpy array"),
        (lambda: adapter(ArraySpec(), NumpyArrayField), "ArraySpec annotates a numpy array"),
        (lambda: adapter(ArraySpec(), NDArray[np.object_]), "object arrays are not supported"),
        (
            lambda: adapter(ArraySpec(), np.ndarray[Any, np.dtype[int]]),
            "is not a scalar type of numpy",
        ),
        (
            lambda: adapter(ArraySpec(dtype="f8"), NDArray[np.float32]),
            "is not of the annotated type",
        ),
        (
            lambda: adapter(ArraySpec(2), np.ndarray[tuple[int, int], Any]),
            r"the shape \(2,\) is not",
        ),
        (
            lambda: adapter(ArraySpec(2), np.ndarray[tuple[Literal[3]], Any]),
            r"the shape \(2,\) is not that",
        ),
        (lambda: adapter(ArraySpec(ge=0)), "need a dtype of integers or floats"),
        (
            lambda: adapter(ArraySpec(le=0), NDArray[np.complex64]),
            "need a dtype of integers or floats",
        ),
        (
            lambda: adapter(ArraySpec(ge=0), NDArray[np.number]),
            "need a dtype of integers or floats",
        ),
        (lambda: adapter(ArraySpec(finite=True), NDArray[np.str_]), "numbers or times"),
        (
            lambda: adapter(ArraySpec(accept_lists=True), NDArray[np.str_]),
            "accept_lists needs a dtype of numbers",
        ),
    ],
)
def test_wrong_declarations_fail_where_they_are_made(
    declare: Callable[[], Any], message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        declare()


def test_settings_of_the_outer_annotation_replace_those_of_the_inner_one() -> None:
    inner = Annotated[NDArray[np.float32], ArraySpec("n", casting="safe", ge=0, finite=True)]
    outer = TypeAdapter(Annotated[inner, ArraySpec(ge=1, copy=True)])
    value = np.array([1, 2], "f2")
    assert outer.validate_python(value).dtype == np.float32
    assert error_of(lambda: outer.validate_python(value - 1))["ctx"] == {"ge": 1}
    assert error_of(lambda: outer.validate_python(value * np.nan))["type"] == "array_finite"
    assert outer.json_schema()["description"] == "float32 (n,)"
    short = TypeAdapter(Annotated[Float32Array, ArraySpec("n", 2)])
    assert error_of(lambda: short.validate_python(value))["msg"] == (
        TEXT_OF_TYPE + "dtype and shape: expected float32 (n, 2), got float16 (2,)"
    )


def test_copies_can_be_refused_by_the_outer_annotation() -> None:
    field = TypeAdapter(Annotated[Float32Array, ArraySpec(copy=False)])
    swapped = np.zeros(2, ">f4")
    assert error_of(lambda: field.validate_python(swapped))["type"] == "array_copy"


def test_settings_are_values() -> None:
    array = ArraySpec("n", None, dtype="f4", finite=True)
    assert array == ArraySpec(shape=["n", None], dtype=np.float32, finite=True)
    assert hash(array) == hash(ArraySpec("n", None, dtype="f4", finite=True))
    assert array != ArraySpec("n", None, dtype="f4")
    assert repr(array) == "ArraySpec('n', None, dtype=dtype('float32'), finite=True)"
    assert repr(ArraySpec(shape=(), ge=0)) == "ArraySpec(shape=(), ge=0)"
    assert repr(ArraySpec(copy=False)) == "ArraySpec(copy=False)"
    assert repr(ArraySpec()) == "ArraySpec()"


def test_validators_that_follow_get_the_array() -> None:
    def doubled(array: NDArray[np.int64]) -> NDArray[np.int64]:
        return array * 2

    kind = TypeAdapter(Annotated[NDArray[np.int64], ArraySpec("n"), AfterValidator(doubled)])
    assert kind.validate_python(np.arange(3)).tolist() == [0, 2, 4]
    assert error_of(lambda: kind.validate_python(np.arange(3.0)))["type"] == "array_dtype"


# -- what comes in -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        np.arange(3),
        NumpyArrayField(np.arange(3)),
        to_map(np.arange(3)),
        {"shape": [3], "dtype": "<i8", "data": np.arange(3).tobytes()},
        OffersArray(np.arange(3)),
        OffersDLPack(np.arange(3)),
        np.arange(3).view(np.recarray),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_value_is_an_array_whatever_it_is_made_of(value: Any) -> None:
    array = adapter(ArraySpec("n"), NDArray[np.int64]).validate_python(value)
    assert type(array) is np.ndarray
    assert array.tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [np.float32(2), np.array(2, "f4")])
def test_scalars_of_numpy_are_arrays_without_dimensions(value: Any) -> None:
    array = adapter(ArraySpec(shape=()), NDArray[np.float32]).validate_python(value)
    assert (array.shape, array.dtype, float(array)) == ((), np.float32, 2.0)


HUGE = np.arange(100_000) + 7_000_000


@pytest.mark.parametrize(
    ("value", "type_", "reason"),
    [
        (None, "array_type", "got NoneType; in JSON it is an object with the keys shape, dtype"),
        ([[7_000_000, 7_000_001]], "array_type", "got list; in JSON"),
        (7_000_000, "array_type", "got int; in JSON"),
        ("7000000", "array_type", "got str; in JSON"),
        (b"7000000", "array_type", "got bytes; in JSON"),
        ({}, "array_parsing", "but expected an array: an object with exactly the keys"),
        ({**to_map(HUGE), "shape": [3]}, "array_parsing", "but dtype int64 and shape [3] need 24"),
        ({**to_map(HUGE), "data_b64": "?"}, "array_parsing", "but data_b64 is not base64"),
        ({**to_map(HUGE), "dtype": "O"}, "array_parsing", "but dtype 'O' is not allowed"),
        (np.ma.masked_array(HUGE), "array_type", "but masked arrays are not supported"),
        (HUGE.astype(object), "array_type", "but object arrays are not supported"),
        (OnAnotherDevice(), "array_type", "but a OnAnotherDevice cannot be read"),
        (sparse.csr_array([[7]]), "array_type", "but sparse arrays are not supported: send .toa"),
        (sparse.coo_matrix([[7]]), "array_type", "but sparse arrays are not supported: send .toa"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array_is_refused_with_the_reason(value: Any, type_: str, reason: str) -> None:
    error = refusal(ArraySpec("n", 3), value, NDArray[np.float32])
    assert error["type"] == type_
    assert error["msg"].startswith(f"Input should be an array: expected float32 (n, 3), {reason}")
    assert "700" not in error["msg"].replace("b'7000000'", "")
    assert len(error["msg"]) < 250


def test_sparse_arrays_are_refused_with_the_hint_wherever_they_are_packed() -> None:
    with pytest.raises(EncodeError, match=r"sparse arrays are not supported: send \.toarray"):
        packb({"x": sparse.csr_array([[7]])})
    with pytest.raises(ValueError, match=r"sparse arrays are not supported: send \.toarray"):
        NumpyArrayField(sparse.csr_array([[7]]))


# -- dtype -------------------------------------------------------------------------------------

F2, F4, F8 = (np.dtype(name) for name in ("f2", "f4", "f8"))


@pytest.mark.parametrize(
    ("kind", "settings", "taken", "refused"),
    [
        (NDArray[np.float32], {}, ["<f4", ">f4"], ["f2", "f8", "i4", "?", "c8", "U3"]),
        (NDArray[np.float32], {"casting": "no"}, ["<f4"], [">f4", "f2", "f8"]),
        (NDArray[np.float32], {"casting": "safe"}, ["f4", ">f2", "i2", "?"], ["f8", "i4", "c8"]),
        (NDArray[np.float32], {"casting": "same_kind"}, ["f8", ">f8", "i8", "u8"], ["c8", "M8[s]"]),
        (NDArray[np.uint8], {"casting": "same_kind"}, ["u8", "?"], ["i8", "f4"]),
        (NDArray[np.int8], {"casting": "same_kind"}, ["i8", "u8", "?"], ["f4"]),
        (NDArray[np.float32 | np.int64], {}, ["f4", "i8", ">i8"], ["f8", "i4"]),
        (NDArray[np.datetime64], {"dtype": "M8[ms]"}, ["M8[ms]", ">M8[ms]"], ["M8[s]", "m8[ms]"]),
        (NDArray[np.datetime64], {"dtype": "M8[ms]", "casting": "safe"}, ["M8[s]"], ["M8[us]"]),
        (NDArray[np.str_], {"dtype": "U4"}, ["U4", ">U4"], ["U3", "U5", "S4"]),
        (NDArray[np.str_], {"dtype": "U4", "casting": "safe"}, ["U3"], ["U5"]),
        (NDArray[np.void], {"dtype": POINT}, [POINT, POINT.newbyteorder(">")], ["V12", "f4,i8"]),
        (NDArray[np.void], {"dtype": POINT, "casting": "same_kind"}, [POINT], ["f4,i8", "V12"]),
    ],
    ids=str,
)
def test_casting(kind: Any, settings: Any, taken: list[Any], refused: list[Any]) -> None:
    array = ArraySpec(**settings)
    expected = array.bind(kind).dtypes.exact
    for dtype in map(np.dtype, taken):
        assert adapter(array, kind).validate_python(np.zeros(2, dtype)).dtype in expected
    for dtype in map(np.dtype, refused):
        error = refusal(array, np.zeros(2, dtype), kind)
        assert error["type"] == "array_dtype"
        assert error["msg"].startswith(TEXT_OF_TYPE + "dtype: expected ")
        assert error["msg"].endswith(f", got {dtype} (2,)")


@pytest.mark.parametrize(
    ("kind", "taken", "refused"),
    [
        (np.floating, ["f2", ">f8", "g"], ["i4", "c8", "?"]),
        (np.integer, ["i1", ">u8"], ["f4", "?"]),
        (np.signedinteger, ["i1"], ["u1"]),
        (np.number, ["i1", "f4", "c8"], ["?", "U1"]),
        (np.str_, ["U1", "U7"], ["S1"]),
        (np.bytes_, ["S1", "S7"], ["U1", "V1"]),
        (np.datetime64, ["M8[s]", "M8[D]", "M8"], ["m8[s]", "i8"]),
        (np.void, ["V3", POINT], ["S3"]),
        (np.generic, ["V3", "f4", "U3"], []),
    ],
)
def test_scalar_types_of_more_than_one_dtype(
    kind: Any, taken: list[Any], refused: list[Any]
) -> None:
    for dtype in map(np.dtype, taken):
        value = np.zeros(2, dtype)
        assert adapter(ArraySpec(), NDArray[kind]).validate_python(value) is value
    for dtype in map(np.dtype, refused):
        assert refusal(ArraySpec(), np.zeros(2, dtype), NDArray[kind])["type"] == "array_dtype"


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("i1", np.array([1, 300])),
        ("i1", np.array([1, -300])),
        ("u1", np.array([256], "u8")),
        ("i8", np.array([2**63], "u8")),
        ("f4", np.array([1e300])),
        ("f4", np.array([[-1e300]], ">f8")),
        ("f2", np.array([70_000])),
        ("c8", np.array([1e300 + 0j])),
        ("c8", np.array([1e300j])),
        ("U2", np.array(["abc"])),
        ("S2", np.array([b"abc"])),
        ("M8[ns]", np.array(["3000-01-01"], "M8[s]")),
        ("m8[as]", np.array([2**40], "m8[s]")),
    ],
)
def test_values_that_do_not_fit_are_refused(target: str, value: np.ndarray[Any, Any]) -> None:
    error = refusal(ArraySpec(dtype=target, casting="same_kind"), value)
    assert error["type"] == "array_range"
    assert error["msg"] == f"Input should hold values that fit {np.dtype(target)}"


@pytest.mark.parametrize(
    ("target", "value", "expected"),
    [
        ("i1", np.array([127, -128]), [127, -128]),
        ("u1", np.array([True]), [1]),
        ("f4", np.array([0.5, np.inf, np.nan]), [0.5, np.inf, np.nan]),
        ("f4", np.array([2**24 + 1]), [2.0**24]),
        ("U2", np.array(["ab", ""], "U9"), ["ab", ""]),
        ("M8[ns]", np.array(["2000-01-01", "NaT"], "M8[s]"), None),
        ("M8[s]", np.array(["2000-01-01T00:00:00.5"], "M8[ms]"), None),
        ("i1", np.zeros((0, 3), "i8"), []),
    ],
)
def test_values_that_fit_are_converted(
    target: str, value: np.ndarray[Any, Any], expected: Any
) -> None:
    array = adapter(ArraySpec(dtype=target, casting="same_kind")).validate_python(value)
    assert array.dtype == np.dtype(target)
    wanted = value.astype(target) if expected is None else np.array(expected, target)
    assert np.array_equal(array, wanted.reshape(value.shape), equal_nan=array.dtype.kind in "fM")


# -- shape -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "taken", "refused"),
    [
        (ArraySpec(), [(), (0,), (2, 3), (1,) * 64], []),
        (ArraySpec(shape=()), [()], [(1,), (0,)]),
        (ArraySpec(2, None), [(2, 0), (2, 9)], [(2,), (3, 2), (2, 2, 2), ()]),
        (ArraySpec("n", "n"), [(0, 0), (3, 3)], [(2, 3), (3,)]),
        (ArraySpec(Dim(ge=1), Dim(le=4)), [(1, 4), (9, 0)], [(0, 4), (1, 5)]),
        (ArraySpec(Dim("n", le=4), "n"), [(4, 4), (0, 0)], [(5, 5), (3, 4)]),
        (ArraySpec(..., 3), [(3,), (1, 3), (1, 2, 3)], [(), (4,), (3, 4)]),
        (ArraySpec(3, ...), [(3,), (3, 1), (3, 1, 2)], [(), (4,), (4, 3)]),
        (ArraySpec("n", ..., "n"), [(2, 2), (2, 5, 6, 2)], [(2,), (2, 3), (2, 2, 3)]),
        (ArraySpec(...), [(), (1, 2)], []),
    ],
    ids=lambda value: value.bind(np.ndarray).expected if isinstance(value, ArraySpec) else "",
)
def test_shapes(array: ArraySpec, taken: list[Any], refused: list[Any]) -> None:
    for shape in taken:
        assert adapter(array).validate_python(np.zeros(shape)).shape == shape
    for shape in refused:
        error = refusal(array, np.zeros(shape))
        assert error["type"] == "array_shape"
        assert error["msg"] == (
            f"{TEXT_OF_TYPE}shape: expected {array.bind(np.ndarray).expected}, got float64 {shape}"
        )


def test_dtype_and_shape_are_reported_together() -> None:
    error = refusal(ArraySpec("batch", 3), np.zeros((10, 4)), NDArray[np.float32])
    assert error["type"] == "array_dtype"
    assert error["msg"] == (
        TEXT_OF_TYPE + "dtype and shape: expected float32 (batch, 3), got float64 (10, 4)"
    )
    assert error["ctx"] == {
        "what": "dtype and shape",
        "expected": "float32 (batch, 3)",
        "got": "float64 (10, 4)",
    }


def test_descriptions_of_huge_types_are_short() -> None:
    wide = np.dtype([(f"field{index}", "f4") for index in range(500)])
    error = refusal(ArraySpec(dtype=wide), np.zeros((1,) * 64))
    assert len(error["msg"]) < 400


# -- order and copies --------------------------------------------------------------------------

ROWS = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("settings", "value", "is_same", "flag"),
    [
        ({}, ROWS, True, "C_CONTIGUOUS"),
        ({}, ROWS.T, True, "F_CONTIGUOUS"),
        ({"order": "C"}, ROWS, True, "C_CONTIGUOUS"),
        ({"order": "C"}, ROWS.T, False, "C_CONTIGUOUS"),
        ({"order": "F"}, ROWS.T, True, "F_CONTIGUOUS"),
        ({"order": "F"}, ROWS, False, "F_CONTIGUOUS"),
        ({"copy": True}, ROWS, False, "OWNDATA"),
        ({"copy": True, "order": "C"}, ROWS[:, ::2], False, "C_CONTIGUOUS"),
        ({"copy": False}, ROWS[:, ::2], True, "ALIGNED"),
        ({"copy": False, "order": "C"}, ROWS, True, "C_CONTIGUOUS"),
    ],
)
def test_order_and_copy(settings: Any, value: Any, is_same: bool, flag: str) -> None:
    array = adapter(ArraySpec(**settings), NDArray[np.float64]).validate_python(value)
    assert (array is value) is is_same
    assert np.shares_memory(array, value) is is_same
    assert np.array_equal(array, value)
    assert array.flags[flag]


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"order": "C"}, ROWS.T),
        ({"order": "F"}, ROWS),
        ({}, ROWS.astype(">f8")),
        ({"casting": "safe"}, ROWS.astype("f4")),
    ],
)
def test_copies_are_refused_where_they_are_not_wanted(settings: Any, value: Any) -> None:
    error = refusal(ArraySpec(copy=False, **settings), value, NDArray[np.float64])
    assert error["type"] == "array_copy"
    assert error["msg"] == (
        "Input should be an array that need not be copied: expected float64 in order "
        f"{settings.get('order', 'K')}, got {value.dtype} {value.shape}"
    )


@pytest.mark.parametrize("copy_setting", [None, True, False])
def test_arrays_made_of_json_are_writable_and_not_copied_again(
    copy_setting: bool | None,
) -> None:
    array = adapter(ArraySpec(copy=copy_setting)).validate_python(to_map(ROWS))
    assert type(array.base) is bytearray  # that of from_map
    assert array.flags.writeable


# -- values ------------------------------------------------------------------------------------

MANY = np.linspace(0.0, 1.0, 3 * fields.BLOCK_SIZE).reshape(3, -1)


@pytest.mark.parametrize(
    "layout",
    [
        lambda a: a,
        lambda a: a.T,
        lambda a: a[:, ::-1],
        lambda a: a.astype(">f8"),
        lambda a: np.lib.stride_tricks.as_strided(a, strides=(0, 8), shape=(5, a.shape[1])),
    ],
    ids=["C", "F", "reversed", "swapped", "repeated"],
)
@pytest.mark.parametrize("place", [0, 1, -1, 12345])
def test_every_element_is_compared(layout: Any, place: int) -> None:
    for settings, wrong, type_ in [
        ({"finite": True}, np.nan, "array_finite"),
        ({"finite": True}, np.inf, "array_finite"),
        ({"finite": True}, -np.inf, "array_finite"),
        ({"ge": 0}, -0.5, "array_greater_than_equal"),
        ({"le": 1}, 1.5, "array_less_than_equal"),
        ({"ge": 0}, np.nan, "array_greater_than_equal"),
        ({"le": 1}, np.nan, "array_less_than_equal"),
        ({"le": 1}, np.inf, "array_less_than_equal"),
        ({"ge": 0, "le": 1, "finite": True}, np.nan, "array_finite"),
    ]:
        values = MANY.copy()
        array = ArraySpec(casting="equiv", **settings)
        good = layout(values)
        assert adapter(array, NDArray[np.float64]).validate_python(good) is not None
        values[0, place] = wrong
        bad = layout(values)
        assert refusal(array, bad, NDArray[np.float64])["type"] == type_


@pytest.mark.parametrize(
    ("settings", "value", "message"),
    [
        ({"ge": 1}, np.array([1, 0], "u1"), "greater than or equal to 1"),
        ({"ge": -1}, np.array([0, 255], "u1"), None),
        ({"le": 300}, np.array([0, 255], "u1"), None),
        ({"le": 254.5}, np.array([0, 255], "u1"), "less than or equal to 254.5"),
        ({"le": 2**70}, np.array([2**63], "u8"), None),
        ({"le": 70_000}, np.array([1], "f2"), None),
        ({"le": 0.1}, np.array([0.1], "f4"), None),
        ({"ge": 0}, np.empty((0, 3)), None),
        ({"ge": 0}, np.array(-1.0), "greater than or equal to 0"),
        ({"finite": True}, np.array([1, 2]), None),
        ({"finite": True}, np.array([1j, np.nan]), "finite values"),
        ({"finite": True}, np.array([complex(0, np.inf)]), "finite values"),
        ({"finite": True}, np.array(["NaT", "2000"], "M8[s]"), "finite values"),
        ({"finite": True}, np.array([1], "m8[s]"), None),
    ],
)
def test_bounds(settings: Any, value: np.ndarray[Any, Any], message: str | None) -> None:
    array = ArraySpec(dtype=value.dtype, **settings)
    if message is None:
        assert adapter(array).validate_python(value) is value
    else:
        assert refusal(array, value)["msg"].endswith(message)


# -- lists -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (np.float32, [[1, 2], [3, 4.5]], [[1, 2], [3, 4.5]]),
        (np.float32, 0.1, 0.1),
        (np.float32, [], []),
        (np.float32, [2**70], [2.0**70]),
        (np.float32, [float("nan"), float("inf")], [np.nan, np.inf]),
        (np.float32, ((1, 2), (3, 4)), [[1, 2], [3, 4]]),
        (np.uint8, [[0, 255]], [[0, 255]]),
        (np.uint8, [], []),
        (np.uint64, [2**63, 1], [2**63, 1]),
        (np.uint64, [2**64 - 1], [2**64 - 1]),
        (np.int64, [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
        (np.bool_, [True, False], [True, False]),
        (np.complex64, [1, 2.5], [1, 2.5]),
        (np.complex64, [1, 2j], [1, 2j]),
        (np.float32 | np.int64, [1, 2], [1, 2]),
        (np.int64 | np.float64, [1, 2.5], [1, 2.5]),
        (np.floating, [1, 2], [1.0, 2.0]),
        (np.integer, [1, 2], [1, 2]),
        (np.unsignedinteger, [1, 2], [1, 2]),
        (np.number, [1, 2j], [1, 2j]),
        (Any, [1.5, 2], [1.5, 2]),
        (Any, True, True),
        (np.int64, [np.arange(2), np.arange(2)], [[0, 1], [0, 1]]),
    ],
)
def test_lists_of_numbers(kind: Any, value: Any, expected: Any) -> None:
    array = adapter(ArraySpec(accept_lists=True), NDArray[kind]).validate_python(value)
    wanted = np.array(expected, array.dtype)
    assert np.array_equal(array, wanted, equal_nan=array.dtype.kind in "fc")
    if kind is not Any:
        assert issubclass(np.dtype(array.dtype.str).type, kind)  # not ulonglong


@pytest.mark.parametrize(
    ("kind", "value", "type_"),
    [
        (np.uint8, [256], "array_range"),
        (np.uint8, [-1], "array_range"),
        (np.uint64, [2**64], "array_range"),
        (np.uint64, [2**63, -1], "array_range"),
        (np.int64, [2**63], "array_range"),
        (np.float32, [1e300], "array_range"),
        (np.float32, [10**400], "array_range"),
        (np.float32, [10**39], "array_range"),
        (Any, [10**400], "array_range"),
        (np.uint8, [1.5], "array_dtype"),
        (np.uint8, [1.0], "array_dtype"),
        (np.uint8, [True], "array_dtype"),
        (np.float32, [True], "array_dtype"),
        (np.float32, [1j], "array_dtype"),
        (np.bool_, [1, 0], "array_dtype"),
        (np.float32, ["1"], "array_parsing"),
        (np.float32, [1, "a"], "array_parsing"),
        (np.float32, [b"1"], "array_parsing"),
        (np.float32, [True, 2], "array_parsing"),
        (np.float32, [np.zeros(2), np.zeros(3)], "array_parsing"),
        (np.float32, [np.zeros((2, 2)), np.zeros((2, 3))], "array_parsing"),
        (np.float32, [np.datetime64("2000")], "array_parsing"),
        (np.float32, [None], "array_parsing"),
        (np.float32, [1, None], "array_parsing"),
        (np.float32, [{}], "array_parsing"),
        (np.float32, [[1], [2, 3]], "array_parsing"),
        (np.float32, [[1], 2], "array_parsing"),
        (np.float32, [object()], "array_parsing"),
        (np.float32, "1", "array_type"),
        (np.float32, b"1", "array_type"),
        (np.float32, None, "array_type"),
        (np.float32, {1}, "array_type"),
    ],
)
def test_lists_that_are_no_arrays(kind: Any, value: Any, type_: str) -> None:
    error = refusal(ArraySpec(accept_lists=True), value, NDArray[kind])
    assert error["type"] == type_
    assert len(error["msg"]) < 200


def test_lists_that_nest_too_deeply() -> None:
    value: Any = 1
    for _ in range(65):
        value = [value]
    assert (
        refusal(ArraySpec(accept_lists=True), value, NDArray[np.int64])["type"] == "array_parsing"
    )
    assert adapter(ArraySpec(accept_lists=True)).validate_python(value[0]).ndim == 64


def test_one_long_text_among_many_short_ones_does_not_take_memory_for_as_many_long_ones() -> None:
    value = ["x" * 10_000_000, *(["a"] * 100_000)]  # 4 TB as an array of text
    error = refusal(ArraySpec(accept_lists=True), value, np.ndarray)
    assert error["type"] == "array_parsing"


def test_lists_of_arrays_are_stacked() -> None:
    kind = adapter(ArraySpec(None, None, accept_lists=True), NDArray[np.int64])
    rows = [np.array([1234567890123456789, 1]), np.array([2**62 + 1, 2])]
    array = kind.validate_python(rows)
    assert array.dtype == np.int64
    assert array.tolist() == [[1234567890123456789, 1], [2**62 + 1, 2]]
    # Of several dtypes, none by way of another: together numpy would make floats of these.
    mixed = [np.array([2**62 + 1]), np.array([2**62 + 3], "u8")]
    assert kind.validate_python(mixed).tolist() == [[2**62 + 1], [2**62 + 3]]
    assert kind.validate_python([np.zeros(0), np.zeros(0)]).shape == (2, 0)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ([np.zeros(2), np.zeros(3)], "array_parsing"),
        ([np.zeros(2), [0.0, 0.0]], "array_parsing"),
        ([np.zeros(2), 1.0], "array_parsing"),
        ([np.zeros(2, "M8[s]")], "array_parsing"),
        ([np.zeros(2, [("a", "i4")])], "array_parsing"),
        ([np.array(["a", "b"])], "array_parsing"),
        ([np.zeros((1,) * 64)], "array_parsing"),
        ([np.zeros(2, bool), np.zeros(2)], "array_parsing"),
        ([np.zeros(5)], "array_shape"),
        ([np.full(2, 2**40), np.zeros(2, "u1")], "array_range"),
    ],
)
def test_lists_of_arrays_that_are_no_array(value: Any, type_: str) -> None:
    kind = ArraySpec(None, 2, accept_lists=True, casting="same_kind")
    target = NDArray[np.int32] if type_ == "array_range" else NDArray[np.float64]
    assert refusal(kind, value, target)["type"] == type_


def test_lists_of_numpys_numbers() -> None:
    kind = adapter(ArraySpec(accept_lists=True), NDArray[np.float32])
    assert kind.validate_python([np.float64(1.5), np.int8(2)]).tolist() == [1.5, 2.0]
    flags = adapter(ArraySpec(accept_lists=True), NDArray[np.bool_])
    assert flags.validate_python([np.True_, False]).tolist() == [True, False]


@pytest.mark.parametrize("copy_setting", [None, True, False])
def test_lists_and_maps_may_be_converted_whatever_is_said_of_copies(
    copy_setting: bool | None,
) -> None:
    kind = adapter(ArraySpec(accept_lists=True, copy=copy_setting), NDArray[np.float32])
    assert kind.validate_python([1, 2]).dtype == np.float32
    assert kind.validate_python(to_map(np.arange(2, dtype=">f4"))).tolist() == [0, 1]


def test_arrays_of_64_dimensions_are_checked() -> None:
    array = np.ones((1,) * 64)
    assert (
        adapter(ArraySpec(finite=True, ge=0), NDArray[np.float64]).validate_python(array) is array
    )
    assert refusal(ArraySpec(finite=True), array * np.nan, NDArray[np.float64])["type"] == (
        "array_finite"
    )


def test_lists_are_checked_as_arrays_are() -> None:
    array = ArraySpec("n", 2, accept_lists=True, ge=0, order="F")
    kind = adapter(array, NDArray[np.float32])
    assert kind.validate_json("[[1, 2], [3, 4]]").flags.f_contiguous
    for text, type_ in [
        ("[[1, 2, 3]]", "array_shape"),
        ("[1, 2]", "array_shape"),
        ("[[1, -2]]", "array_greater_than_equal"),
        ("[[1, NaN]]", "array_greater_than_equal"),
    ]:
        assert error_of(lambda text=text: kind.validate_json(text))["type"] == type_


# -- models ------------------------------------------------------------------------------------


class Measurement(ArrayModel):
    name: str = "m"
    samples: Annotated[NDArray[np.float32], ArraySpec("n", casting="safe")]
    more: list[Annotated[NDArray[np.int64], ArraySpec()]] = Field(default_factory=list)
    either: Annotated[NDArray[np.uint8], ArraySpec(2)] | BoolArray | None = None
    table: dict[str, UInt8Array] = Field(default_factory=dict)


def test_a_model_holds_and_dumps_the_very_array() -> None:
    samples, more = np.zeros(3, "f4"), np.arange(2)
    model = Measurement(samples=samples, more=[more], table={"a": np.zeros(1, "u1")})
    assert model.samples is samples
    dumped = model.model_dump()
    assert dumped["samples"] is samples
    assert dumped["more"][0] is more
    assert Measurement.model_validate(dumped) == model
    assert dict(model)["samples"] is samples


def test_json_form_is_that_of_the_array_field() -> None:
    class Other(BaseModel):
        samples: NumpyArrayField

    samples = np.arange(3, dtype="f4")
    model = Measurement(samples=samples)
    expected = Other(samples=samples).model_dump(mode="json")["samples"]
    assert model.model_dump(mode="json")["samples"] == expected
    assert json.loads(model.model_dump_json())["samples"] == expected
    assert Measurement.model_validate_json(model.model_dump_json()) == model


def test_errors_have_the_location_of_the_array() -> None:
    wrong = {"samples": np.zeros(3), "more": [np.arange(1), None], "table": {"a": np.zeros(1)}}
    with pytest.raises(ValidationError) as info:
        TypeAdapter(list[Measurement]).validate_python([{"samples": np.zeros(1, "f4")}, wrong])
    assert [(error["type"], error["loc"]) for error in info.value.errors()] == [
        ("array_dtype", (1, "samples")),
        ("array_type", (1, "more", 1)),
        ("array_dtype", (1, "table", "a")),
    ]


@pytest.mark.parametrize("value", [np.zeros(2, "u1"), np.zeros(5, bool), None])
def test_unions(value: Any) -> None:
    model = Measurement(samples=np.zeros(1, "f4"), either=value)
    assert model.either is value
    assert Measurement.model_validate_json(model.model_dump_json()) == model


def test_generic_models() -> None:
    class Box(BaseModel, Generic[S]):
        array: Annotated[NDArray[S], ArraySpec("n")]

    value = np.zeros(2, "f4")
    assert Box(array=value).array is value
    assert Box[np.float32](array=value).array is value
    assert error_of(lambda: Box[np.float64](array=value))["type"] == "array_dtype"


def test_models_that_were_not_validated() -> None:
    for value in (OffersArray(np.zeros(2, "f4")), NumpyArrayField(np.zeros(2, "f4"))):
        bare = Measurement.model_construct(samples=value)
        assert bare.model_dump(mode="json")["samples"] == to_map(np.zeros(2, "f4"))
    for wrong in (None, [1], np.array([None])):
        with pytest.raises(PydanticSerializationError, match=r"expected an array|object arrays"):
            Measurement.model_construct(samples=wrong).model_dump_json()


def test_a_default_that_is_an_array() -> None:
    class WithDefault(ArrayModel):
        array: Annotated[NDArray[np.int64], ArraySpec(2)] = Field(
            default_factory=lambda: np.arange(2)
        )

    one, two = WithDefault(), WithDefault()
    assert one == two
    assert one.array is not two.array
    assert WithDefault.model_validate_json("{}") == one
    jsonschema.Draft202012Validator.check_schema(WithDefault.model_json_schema())


# -- round trips -------------------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda a: a,
    "F": lambda a: np.asfortranarray(a),
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1] if a.ndim else a,
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2] if a.ndim else a,
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) if a.size else a,
}
DTYPES = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes()
    | hnp.complex_number_dtypes()
    | hnp.datetime64_dtypes()
    | hnp.timedelta64_dtypes()
    | hnp.unicode_string_dtypes()
    | hnp.byte_string_dtypes()
    | hnp.array_dtypes(allow_subarrays=True).filter(lambda dtype: dtype.subdtype is None)
)


@given(st.data(), DTYPES, st.sampled_from(sorted(LAYOUTS)))
def test_any_array_comes_back_equal(data: st.DataObject, dtype: Any, layout: str) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    array = LAYOUTS[layout](data.draw(hnp.arrays(dtype, shape)))

    class Model(ArrayModel):
        array: Annotated[np.ndarray, ArraySpec(shape=array.shape, dtype=dtype, casting="no")]

    model = Model(array=array)
    assert model.array is array
    assert Model.model_validate(model.model_dump()) == model
    assert Model.model_validate_json(model.model_dump_json()) == model
    assert Model.model_validate(unpackb(packb(model.model_dump()))) == model
    assert Model.model_validate(unpackb(packb(model.model_dump(), arrays="map"))) == model
    for copied in (model.model_copy(), copy.copy(model), copy.deepcopy(model)):
        assert copied == model
    assert copy.copy(model).array is array
    assert copy.deepcopy(model).array is not array


def test_a_model_survives_pickling_by_its_owner() -> None:
    model = Measurement(samples=np.arange(3, dtype="f4"), more=[np.arange(2)])
    assert pickle.loads(pickle.dumps(model)) == model


NAN = np.array([np.nan, 1], "f4")


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ({"samples": NAN}, {"samples": NAN.copy()}, True),
        ({"samples": NAN}, {"samples": NAN[::-1]}, False),
        ({"samples": NAN}, {"samples": NAN[:1]}, False),
        ({"samples": NAN, "name": "x"}, {"samples": NAN, "name": "y"}, False),
        ({"samples": NAN, "more": [np.arange(2)]}, {"samples": NAN, "more": [np.arange(2)]}, True),
        ({"samples": NAN, "more": [np.arange(2)]}, {"samples": NAN, "more": []}, False),
        ({"samples": NAN, "either": np.zeros(2, "u1")}, {"samples": NAN}, False),
        (
            {"samples": NAN, "either": np.zeros(2, "u1")},
            {"samples": NAN, "either": np.zeros(2, "?")},
            False,
        ),
        (
            {"samples": NAN, "table": {"a": np.zeros(1, "u1")}},
            {"samples": NAN, "table": {"a": np.ones(1, "u1")}},
            False,
        ),
        (
            {"samples": NAN, "table": {"a": np.zeros(1, "u1")}},
            {"samples": NAN, "table": {"b": np.zeros(1, "u1")}},
            False,
        ),
    ],
)
def test_equality_of_models(left: Any, right: Any, equal: bool) -> None:
    one, other = Measurement(**left), Measurement(**right)
    assert (one == other) is equal
    assert (one != other) is not equal
    assert one != left


def test_equality_sees_extra_values_private_ones_and_other_models() -> None:
    class Inner(BaseModel):
        array: UInt8Array

    class Outer(ArrayModel, extra="allow"):
        inner: Inner
        _private: int = 0

    def outer(**more: Any) -> Outer:
        return Outer(inner=Inner(array=np.zeros(2, "u1")), **more)

    assert outer() == outer()
    assert outer(x=np.arange(2)) == outer(x=np.arange(2))
    assert outer(x=np.arange(2)) != outer(x=np.arange(3))
    other = outer()
    other._private = 1
    assert outer() != other
    other = outer()
    other.inner.array[0] = 1
    assert outer() != other
    with pytest.raises(ValueError, match="ambiguous"):
        assert outer().inner == outer().inner


def test_models_with_arrays_are_no_keys() -> None:
    class Frozen(ArrayModel, frozen=True):
        array: UInt8Array

    for model in (Frozen(array=np.zeros(1, "u1")), Measurement(samples=NAN)):
        with pytest.raises(TypeError, match="unhashable"):
            hash(model)


# -- the JSON schema ---------------------------------------------------------------------------

SCHEMAS: list[tuple[Any, ArraySpec]] = [
    (NDArray[np.float32], ArraySpec("batch", 3)),
    (NDArray[np.float32], ArraySpec()),
    (NDArray[np.float32], ArraySpec(shape=())),
    (NDArray[np.float32], ArraySpec(shape=(), accept_lists=True)),
    (NDArray[np.float32], ArraySpec(..., 3, accept_lists=True)),
    (NDArray[np.float32], ArraySpec(2, ..., casting="safe")),
    (NDArray[np.float32], ArraySpec("n", "n", ge=0.5, le=2, finite=True)),
    (NDArray[np.uint8], ArraySpec(Dim("n", ge=3, le=9), Dim("n", ge=5), accept_lists=True, ge=7)),
    (NDArray[np.int8], ArraySpec(Dim(le=0), Dim(le=1), le=-1.5)),
    (NDArray[np.bool_], ArraySpec("n", 2, accept_lists=True)),
    (NDArray[np.float32 | np.float64], ArraySpec("n")),
    (NDArray[np.floating], ArraySpec("n", accept_lists=True)),
    (NDArray[np.integer | np.str_], ArraySpec("n")),
    (NDArray[np.number], ArraySpec("n")),
    (NDArray[np.complex64], ArraySpec("n", casting="same_kind", accept_lists=True)),
    (NDArray[np.str_], ArraySpec("n")),
    (NDArray[np.bytes_], ArraySpec("n")),
    (NDArray[np.void], ArraySpec("n")),
    (NDArray[np.datetime64], ArraySpec("n")),
    (NDArray[np.timedelta64], ArraySpec("n")),
    (NDArray[np.str_], ArraySpec("n", dtype="U4")),
    (NDArray[np.datetime64], ArraySpec("n", dtype="M8[ms]")),
    (NDArray[np.void], ArraySpec("n", dtype=POINT)),
    (np.ndarray, ArraySpec("n")),
    (np.ndarray, ArraySpec(accept_lists=True)),
]


@pytest.mark.parametrize(
    ("kind", "array"), SCHEMAS, ids=[array.bind(kind).expected for kind, array in SCHEMAS]
)
def test_schemas_are_valid_and_their_examples_round_trip(kind: Any, array: ArraySpec) -> None:
    field = adapter(array, kind)
    schemas = {mode: field.json_schema(mode=mode) for mode in ("validation", "serialization")}
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["description"] == array.bind(kind).expected
    examples = schemas["validation"]["examples"]
    assert len(examples) == 2 if array.accept_lists and "complex" not in str(kind) else 1
    for example in examples:
        jsonschema.validate(example, schemas["validation"])
        value = field.validate_json(json.dumps(example))
        written = json.loads(field.dump_json(value))
        jsonschema.validate(written, schemas["serialization"])
        assert fields.same_elements(field.validate_python(written), value)
        if isinstance(example, dict):
            assert written == example


def test_schema_in_full() -> None:
    schema = adapter(ArraySpec("batch", Dim(ge=1, le=8), 3), NDArray[np.float32]).json_schema()
    assert schema == {
        "description": "float32 (batch, 1..8, 3)",
        "type": "object",
        "properties": {
            "shape": {
                "type": "array",
                "minItems": 3,
                "maxItems": 3,
                "prefixItems": [
                    {"type": "integer", "minimum": 0, "title": "batch"},
                    {"type": "integer", "minimum": 1, "maximum": 8},
                    {"type": "integer", "const": 3},
                ],
            },
            "dtype": {"type": "string", "const": "float32"},
            "data_b64": {"type": "string", "contentEncoding": "base64"},
        },
        "required": ["shape", "dtype", "data_b64"],
        "additionalProperties": False,
        "examples": [to_map(np.zeros((2, 1, 3), "f4"))],
    }


@pytest.mark.parametrize(
    ("kind", "array", "mode", "dtype"),
    [
        (NDArray[np.float32], ArraySpec(), "validation", {"const": "float32"}),
        (
            NDArray[np.float32],
            ArraySpec(casting="safe"),
            "validation",
            {"enum": ["float32", "bool", "float16", "int8", "int16", "uint8", "uint16"]},
        ),
        (NDArray[np.float32], ArraySpec(casting="safe"), "serialization", {"const": "float32"}),
        (
            NDArray[np.float32 | np.float64],
            ArraySpec(),
            "serialization",
            {"enum": ["float32", "float64"]},
        ),
        (
            NDArray[np.signedinteger],
            ArraySpec(),
            "validation",
            {"enum": ["int64", "int8", "int16", "int32"]},
        ),
        (NDArray[np.str_], ArraySpec(), "validation", {"pattern": "^[<>]U[0-9]+$"}),
    ],
)
def test_schema_of_the_dtype(kind: Any, array: ArraySpec, mode: Any, dtype: Any) -> None:
    schema = adapter(array, kind).json_schema(mode=mode)
    assert schema["properties"]["dtype"] == {"type": "string", **dtype}


def test_schema_refuses_what_the_field_refuses() -> None:
    array = ArraySpec("n", Dim(ge=1, le=2), 3)
    field = adapter(array, NDArray[np.float32])
    validator = jsonschema.Draft202012Validator(field.json_schema())
    for shape, dtype, fits in [
        ((4, 2, 3), "f4", True),
        ((4, 3, 3), "f4", False),
        ((4, 0, 3), "f4", False),
        ((4, 2, 4), "f4", False),
        ((4, 2), "f4", False),
        ((4, 2, 3, 1), "f4", False),
        ((4, 2, 3), "f8", False),
    ]:
        value = to_map(np.zeros(shape, dtype))
        assert validator.is_valid(value) is fits
        if fits:
            assert field.validate_python(value).shape == shape
        else:
            assert error_of(lambda value=value: field.validate_python(value))


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0, max_side=3)))
def test_whatever_is_written_is_valid(array: np.ndarray[Any, Any]) -> None:
    kind = NDArray[array.dtype.type]  # type: ignore[misc]
    field = adapter(ArraySpec(shape=array.shape, dtype=array.dtype.newbyteorder("=")), kind)
    written = json.loads(field.dump_json(field.validate_python(array)))
    jsonschema.validate(written, field.json_schema(mode="serialization"))


def test_large_arrays_have_no_example() -> None:
    assert "examples" not in adapter(ArraySpec(224, 224, 3), NDArray[np.uint8]).json_schema()
    unsatisfiable = adapter(ArraySpec(ge=300), NDArray[np.uint8])
    assert "examples" not in unsatisfiable.json_schema()


def test_description_and_title_of_the_field_come_first() -> None:
    class Model(BaseModel):
        array: Annotated[NDArray[np.uint8], ArraySpec(3), Field(description="RGB", title="Colour")]

    schema = Model.model_json_schema()["properties"]["array"]
    assert (schema["description"], schema["title"]) == ("RGB", "Colour")
    assert schema["properties"]["dtype"]["const"] == "uint8"


def test_short_names_stand_for_their_dtypes() -> None:
    names = [name for name in arrays.__all__ if name.endswith("Array")]
    assert len(names) == 14
    for name in names:
        dtype = np.dtype(name.removesuffix("Array").lower())
        value = np.zeros(2, dtype)
        kind = TypeAdapter(getattr(arrays, name))
        assert kind.validate_python(value) is value
        assert error_of(lambda kind=kind: kind.validate_python(np.zeros(2, "V3")))["type"] == (
            "array_dtype"
        )
    assert TypeAdapter(Complex64Array).json_schema()["description"] == "complex64"


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


def test_dtype_spec_of_an_example_is_that_of_the_field() -> None:
    bound = BoundArray(ArraySpec(2, dtype=POINT), (), None)
    assert bound.json_schema("validation")["properties"]["dtype"] == {
        "type": "array",
        "const": dtype_spec(POINT),
    }

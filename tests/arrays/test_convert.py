"""Conversions keep values but for rounding; values are checked against the bounds of a field."""

from __future__ import annotations

import itertools
import resource
from typing import Annotated, Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from binary_middleware import fields, packb, unpackb
from binary_middleware.arrays import (
    ArraySpec,
)
from binary_middleware.arrays._convert import MAX_CONVERTED_SIZE
from binary_middleware.arrays._dtypes import Casting
from binary_middleware.fields import check_dtype, from_buffer, to_map
from tests.arrays.adapters import adapter, refusal
from tests.processes import in_child


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
        ("S4", np.array([12345])),
        ("U4", np.array([1.25e-10])),
        ("U4", np.array([b"12345"])),
        ("U4", np.array([b"\xff"])),
        ("V2", np.array([b"1234"], "V4")),
        ("S1", np.array([True])),
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


def test_arrays_of_64_dimensions_are_checked() -> None:
    array = np.ones((1,) * 64)
    assert (
        adapter(ArraySpec(finite=True, ge=0), NDArray[np.float64]).validate_python(array) is array
    )
    assert refusal(ArraySpec(finite=True), array * np.nan, NDArray[np.float64])["type"] == (
        "array_finite"
    )


# -- all pairs of dtypes -----------------------------------------------------------------------

DTYPES: list[Any] = [
    *("?", "i1", "u1", "i2", ">i4", "i8", "u8", "f2", "f4", ">f8", "f8", "g", "c8", "c16"),
    *("S1", "S4", "S40", "U1", "U8", ">U4", "U40", "V1", "V8", "V40"),
    *("M8[D]", "M8[ns]", "M8[s]", "m8[s]", "m8[D]", "m8", "M8"),
    [("a", "i1"), ("b", "f8")],
    [("b", ">f8"), ("a", "i1")],
    [("a", "U2"), ("b", "S3", (2,))],
]
HUGE = ["S999999999", "V999999999", "U500000000", [("a", "S999999999"), ("b", "u1")]]
SHAPES = [[0], [], [3], [2, 0, 3]]


def samples(dtype: Any, shape: list[int]) -> list[np.ndarray[Any, Any]]:
    """Arrays of many kinds of bytes, as a client may send them."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=int)) * dtype.itemsize
    fillings = [b"\0", b"\1", b"7", b"\x7f", b"\xff", bytes(range(48, 58)), b"\0\0\0\0\0\0\0\xc0"]
    found = []
    for filling in fillings if size else fillings[:1]:
        data = bytearray((filling * (size // len(filling) + 1))[:size])
        try:
            found.append(from_buffer(data, dtype, shape))
        except ValueError:  # no characters
            assert "U" in str(dtype)
    if size and dtype.kind not in "MV":
        found.append(np.ones(shape, dtype))
    return found


def means_the_same(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
    """Whether the elements are the same but for rounding, by other means than those of the code."""
    if before.dtype == after.dtype or not before.size:
        return before.tobytes() == after.tobytes()
    kinds = before.dtype.kind + after.dtype.kind
    if after.dtype.kind == "V" and after.dtype.names is None:
        raw = [item.tobytes() for item in before.reshape(-1)]
        return [item.tobytes() for item in after.reshape(-1)] == [
            item.ljust(after.itemsize, b"\0") for item in raw
        ]
    if kinds in ("SS", "UU"):
        return bool(before.tolist() == after.tolist())
    if after.dtype.kind in "SU":
        return bool(before.astype("U").tolist() == after.astype("U").tolist())
    if kinds in ("mm", "MM"):
        return bool(np.array_equal(before, after.astype(before.dtype), equal_nan=True)) or bool(
            np.array_equal(after, before.astype(after.dtype), equal_nan=True)
        )
    if after.dtype.names is not None:
        return before.tolist() == after.tolist()
    if after.dtype.kind in "iu":
        return [int(item) for item in before.reshape(-1)] == after.reshape(-1).tolist()
    with np.errstate(all="ignore"):
        # Rounding may not make an infinity of a number.
        wide = before.astype("G")
        finite = bool((np.isfinite(wide) == np.isfinite(after)).all())
        near = np.allclose(wide, after.astype("G"), rtol=1e-2, atol=1e-4, equal_nan=True)
    return after.dtype.kind == "m" or (finite and bool(near))


@pytest.mark.parametrize("casting", get_args(Casting))
@pytest.mark.parametrize("target", DTYPES, ids=str)
def test_every_pair_of_dtypes(target: Any, casting: Casting) -> None:
    kept, copied, viewed = (
        adapter(ArraySpec(dtype=target, casting=casting, copy=copy)) for copy in (None, True, False)
    )
    errors = set()
    for source, shape in itertools.product([*DTYPES, *HUGE], SHAPES):
        if source in HUGE and 0 not in shape:
            continue
        for array in samples(check_dtype(np.dtype(source)), shape):
            for field in (kept, copied, viewed):
                try:
                    value = field.validate_python(array)
                except ValidationError as exc:
                    errors.add(exc.errors()[0]["type"])
                    continue
                assert value.shape == tuple(shape)
                assert value.dtype == np.dtype(target)
                assert value.flags.writeable or value is array or field is viewed
                assert means_the_same(array, value), (array, value)
    assert errors <= {"array_dtype", "array_range", "array_copy"}


def convert_nothing(source: Any) -> list[Any]:
    """Return what comes of arrays without elements where there is no memory for one."""
    resource.setrlimit(resource.RLIMIT_AS, (900 * 2**20, 900 * 2**20))
    outcomes: list[Any] = []
    empty = np.ndarray([0], np.dtype(source), b"")
    for target, copy in itertools.product(("U8", "S8", "V8", source), (None, True, False)):
        spec = ArraySpec(dtype=target, casting="same_kind", copy=copy)
        try:
            value = adapter(spec).validate_python(empty)
        except ValidationError as exc:
            outcomes.append(exc.errors()[0]["type"])
        else:
            unpackb(packb(value))
            outcomes.append(list(value.shape))
    return outcomes


@pytest.mark.parametrize("source", HUGE, ids=str)
def test_no_elements_take_no_memory(source: Any) -> None:
    outcomes = in_child(convert_nothing, source)
    assert outcomes[-3:] == [[0], [0], [0]]
    assert all(outcome in ([0], "array_dtype", "array_copy") for outcome in outcomes)


def test_a_conversion_makes_no_more_than_its_limit() -> None:
    """What ``casting`` makes of a body is bounded; what comes in its dtype is not."""
    field = TypeAdapter(Annotated[NDArray[np.complex128], ArraySpec(casting="safe")])
    most = MAX_CONVERTED_SIZE // 16
    assert field.validate_python(np.zeros(most // 64, "?")).dtype == np.complex128
    with pytest.raises(ValidationError, match="a conversion may make 268435456") as caught:
        field.validate_python(np.zeros(most + 1, "?"))
    assert caught.value.errors()[0]["type"] == "array_too_large"
    lists = TypeAdapter(Annotated[NDArray[np.complex128], ArraySpec(accept_lists=True)])
    with pytest.raises(ValidationError, match="a conversion may make"):
        lists.validate_python([np.zeros(most, "u1"), np.zeros(most, "u1")])
    half = TypeAdapter(Annotated[NDArray[np.float16], ArraySpec(casting="same_kind")])
    # Made of zeros that nobody has touched, it takes no memory.
    assert half.validate_python(np.zeros(64, "f8")).dtype == np.float16
    same = np.zeros(most + 1, "c16")
    assert field.validate_python(same) is same

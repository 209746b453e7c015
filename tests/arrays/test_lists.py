"""Arrays from numbers, and from arrays, in nested lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from binary_middleware.arrays import (
    ArraySpec,
)
from binary_middleware.fields import to_map
from tests.array_likes import error_of
from tests.arrays.adapters import adapter, refusal


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
        (np.float32, [np.float64(1.5), np.int8(2)], [1.5, 2]),
        (np.bool_, [np.True_, False], [True, False]),
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


@pytest.mark.parametrize("copy_setting", [None, True, False])
def test_lists_and_maps_may_be_converted_whatever_is_said_of_copies(
    copy_setting: bool | None,
) -> None:
    kind = adapter(ArraySpec(accept_lists=True, copy=copy_setting), NDArray[np.float32])
    assert kind.validate_python([1, 2]).dtype == np.float32
    assert kind.validate_python(to_map(np.arange(2, dtype=">f4"))).tolist() == [0, 1]


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

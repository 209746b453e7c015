"""Which dtypes a field accepts, and which of them it converts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from binary_middleware.arrays import (
    ArraySpec,
)
from tests.arrays.adapters import MISMATCH, POINT, adapter, refusal


@pytest.mark.parametrize(
    ("kind", "settings", "accepted", "refused"),
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
def test_casting(kind: Any, settings: Any, accepted: list[Any], refused: list[Any]) -> None:
    array = ArraySpec(**settings)
    expected = array.bind(kind).dtypes.exact
    for dtype in map(np.dtype, accepted):
        assert adapter(array, kind).validate_python(np.zeros(2, dtype)).dtype in expected
    for dtype in map(np.dtype, refused):
        error = refusal(array, np.zeros(2, dtype), kind)
        assert error["type"] == "array_dtype"
        assert error["msg"].startswith(MISMATCH + "dtype: expected ")
        assert error["msg"].endswith(f", got {dtype} (2,)")


@pytest.mark.parametrize(
    ("kind", "accepted", "refused"),
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
    kind: Any, accepted: list[Any], refused: list[Any]
) -> None:
    for dtype in map(np.dtype, accepted):
        value = np.zeros(2, dtype)
        assert adapter(ArraySpec(), NDArray[kind]).validate_python(value) is value
    for dtype in map(np.dtype, refused):
        assert refusal(ArraySpec(), np.zeros(2, dtype), NDArray[kind])["type"] == "array_dtype"

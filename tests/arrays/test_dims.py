"""Which shapes a field accepts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from binary_middleware.arrays import (
    ArraySpec,
    Dim,
)
from tests.arrays.adapters import MISMATCH, adapter, refusal


@pytest.mark.parametrize(
    ("spec", "accepted", "refused"),
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
def test_shapes(spec: ArraySpec, accepted: list[Any], refused: list[Any]) -> None:
    for shape in accepted:
        assert adapter(spec).validate_python(np.zeros(shape)).shape == shape
    for shape in refused:
        error = refusal(spec, np.zeros(shape))
        assert error["type"] == "array_shape"
        assert error["msg"] == (
            f"{MISMATCH}shape: expected {spec.bind(np.ndarray).expected}, got float64 {shape}"
        )


def test_dtype_and_shape_are_reported_together() -> None:
    error = refusal(ArraySpec("batch", 3), np.zeros((10, 4)), NDArray[np.float32])
    assert error["type"] == "array_dtype"
    assert error["msg"] == (
        MISMATCH + "dtype and shape: expected float32 (batch, 3), got float64 (10, 4)"
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

"""Whether two decoded documents are the same, more strictly than ``==`` has it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np


def same(left: Any, right: Any) -> bool:
    """Equal in type and value, arrays by their bytes, and NaN of all kinds equal to NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, np.ndarray):
        return (
            left.dtype == right.dtype
            and left.shape == right.shape
            and raw_bytes(left) == raw_bytes(right)
        )
    if isinstance(left, (float, complex, Decimal, np.generic)):
        return repr(left) == repr(right)
    return bool(left == right)


def raw_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """The bytes in C order, with the padding, which numpy's own copies leave out."""
    return array.view(f"V{array.itemsize}").tobytes() if array.itemsize else b""

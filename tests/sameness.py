"""Equality of two decoded documents, more strictly than ``==``."""

from __future__ import annotations

import math
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
    """Return the bytes in C order, gaps and the padding of long doubles as zeros."""
    if not array.itemsize:
        return b""
    items = np.frombuffer(array.view(f"V{array.itemsize}").tobytes(), np.uint8)
    return (items.reshape(-1, array.itemsize) * value_bytes(array.dtype)).tobytes()


def value_bytes(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """For each byte of an item, whether it belongs to a value."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.tile(value_bytes(base), math.prod(shape))
    is_value = np.full(dtype.itemsize, dtype.names is None, np.uint8)
    for name in dtype.names or ():
        field, offset = dtype.fields[name][:2]
        is_value[offset : offset + field.itemsize] = value_bytes(field)
    if dtype.char in "gG" and np.finfo(np.longdouble).nmant == 63:  # 80 bits
        parts = is_value.reshape(-1, np.dtype("g").itemsize)
        parts[:, 10:] = 0
        if not dtype.isnative:
            parts[:] = parts[:, ::-1].copy()
    return is_value

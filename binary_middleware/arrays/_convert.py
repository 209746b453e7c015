"""Conversion of arrays to another dtype or order, and checks of their values.

What is refused is a ``PydanticCustomError`` that names what was expected, and never the data.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from pydantic_core import PydanticCustomError

from binary_middleware.arrays._dtypes import array_text, dtype_text, kind_of
from binary_middleware.fields import iter_blocks

Order = Literal["K", "C", "F"]

MAX_CONVERTED_SIZE: Final = 256 * 1024 * 1024
"""Maximum size in bytes of an array converted to a wider dtype. A limit of bodies does not bound
what ``casting`` makes of them, 32 bytes of each for ``S1`` to ``U8``. An array that comes in the
dtype of its field has no such limit."""


def array_error(type_: Any, expected: str, reason: str) -> PydanticCustomError:
    """Return the error for a value that is no array, or none that is supported."""
    return PydanticCustomError(
        type_,
        "Input should be an array: expected {expected}, {reason}",
        {"expected": expected, "reason": reason},
    )


def mismatch_error(what: str, expected: str, got: str) -> PydanticCustomError:
    """Return the error for another dtype or shape, according to ``what``."""
    return PydanticCustomError(
        "array_shape" if what == "shape" else "array_dtype",
        "Input should be an array of the declared {what}: expected {expected}, got {got}",
        {"what": what, "expected": expected, "got": got},
    )


def check_size(count: int, target: np.dtype[Any], expected: str) -> None:
    """Raise an error if a conversion to so many elements would exceed the limit.

    Raises:
        PydanticCustomError: of the type ``array_too_large``.
    """
    size = count * target.itemsize
    if size > MAX_CONVERTED_SIZE:
        raise PydanticCustomError(
            "array_too_large",
            "Input should be smaller, or sent as {expected}: as {target} it would take {size} "
            "bytes, and a conversion may make {limit}",
            {
                "expected": expected,
                "target": dtype_text(target),
                "size": size,
                "limit": MAX_CONVERTED_SIZE,
            },
        )


def convert(
    array: np.ndarray[Any, Any],
    target: np.dtype[Any],
    expected: str,
    *,
    order: Order = "K",
    copy: bool | None = None,
) -> np.ndarray[Any, Any]:
    """Return an array in another dtype and order; values change by rounding only.

    Args:
        array: the array.
        target: the dtype.
        expected: what the field expects, as text.
        order: as in ``numpy.array``.
        copy: as in ``numpy.array``.

    Raises:
        PydanticCustomError: a value does not fit, the result would be too large, or a copy is
            needed and not allowed.
    """
    if array.dtype != target and target.itemsize > array.itemsize:
        check_size(array.size, target, expected)
    try:
        if not array.size:
            return _convert_empty(array, target, copy)
        if array.dtype == target:
            return np.array(array, order=order, copy=copy)
        with np.errstate(over="raise", invalid="ignore"):
            _check_range(array, target)
            return np.array(array, dtype=target, order=order, copy=copy)
    except (FloatingPointError, OverflowError, UnicodeError) as exc:
        raise PydanticCustomError(
            "array_range",
            "Input should hold values that fit {expected}",
            {"expected": dtype_text(target)},
        ) from exc
    except (ValueError, TypeError, MemoryError, SystemError) as exc:
        if copy is False:
            raise _copy_error(array, expected, order) from exc
        reason = f"but numpy cannot convert {array_text(array)}"
        raise array_error("array_conversion", expected, reason) from exc


def _copy_error(array: np.ndarray[Any, Any], expected: str, order: Order) -> PydanticCustomError:
    return PydanticCustomError(
        "array_copy",
        "Input should be an array that need not be copied: expected {expected} in order {order}, "
        "got {got}",
        {"expected": expected, "order": order, "got": array_text(array)},
    )


def _convert_empty(
    array: np.ndarray[Any, Any], target: np.dtype[Any], copy: bool | None
) -> np.ndarray[Any, Any]:
    # numpy allocates one item for such an array, and a client may have chosen items of 1 GB.
    if array.dtype == target and not copy:
        return array
    if copy is False:
        raise ValueError("another dtype")
    return np.ndarray(array.shape, target, bytearray())


def _check_range(array: np.ndarray[Any, Any], target: np.dtype[Any]) -> None:
    """Raise ``OverflowError`` if a value does not fit ``target``; for floats, numpy does."""
    fits = True
    if target.kind in "iu":
        limits = np.iinfo(target)
        fits = bool(limits.min <= array.min() and array.max() <= limits.max)
    elif target.kind in "SU" and target.itemsize:
        # Compared with text of any length, in blocks, as that of numbers is 10 times their size.
        fits = all(
            (block.astype(target) == block.astype(target.kind, copy=False)).all()
            for block in iter_blocks(array)
        )
    elif target.kind == "V" and target.isbuiltin != 2 and target.itemsize:
        fits = array.itemsize <= target.itemsize
    elif target.kind in "Mm" and np.can_cast(array.dtype, target, "safe"):
        converted = array.astype(target)
        fits = bool(((converted.astype(array.dtype) == array) | np.isnat(converted)).all())
    if not fits:
        raise OverflowError


def check_values(
    array: np.ndarray[Any, Any], *, finite: bool, ge: float | None, le: float | None
) -> None:
    """Check every element against the bounds of a field.

    Raises:
        PydanticCustomError: an element is out of bounds.
    """
    kind = kind_of(array.dtype)
    finite = finite and kind in "fcmM"
    if not finite and ge is None and le is None:
        return
    with np.errstate(all="ignore"):
        for block in iter_blocks(array):
            # NaN is the minimum and the maximum of all that it is among.
            ends = block if kind in "cmM" else np.array([block.min(), block.max()])
            if finite and not np.isfinite(ends).all():
                raise PydanticCustomError("array_finite", "Input should hold finite values")
            if ge is not None and not ends[0] >= ge:
                raise PydanticCustomError(
                    "array_greater_than_equal",
                    "Input should hold values greater than or equal to {ge}",
                    {"ge": ge},
                )
            if le is not None and not ends[1] <= le:
                raise PydanticCustomError(
                    "array_less_than_equal",
                    "Input should hold values less than or equal to {le}",
                    {"le": le},
                )

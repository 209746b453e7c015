"""Arrays made of numbers, or of arrays, in nested lists."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any, Final

import numpy as np
from pydantic_core import PydanticCustomError

from binary_middleware.arrays._convert import check_size, convert, mismatch_error
from binary_middleware.arrays._dims import Shape
from binary_middleware.arrays._dtypes import NUMBERS, AcceptedDtypes, dtype_text, kind_of
from binary_middleware.fields import MAX_DIMS, shorten

_ACCEPTED_KINDS: Final = {"b": "b", "i": "iu", "u": "iu", "f": "iuf", "c": "iufc"}
"""By the kind of a dtype, the kinds of numbers in lists that it accepts."""

_NUMBER_KINDS: Final = (
    ((bool, np.bool_), "b"),
    ((int, np.integer), "i"),
    ((float, np.floating), "f"),
    ((complex, np.complexfloating), "c"),
)


def array_from_lists(
    value: Any, dtypes: AcceptedDtypes, shape: Shape, expected: str
) -> np.ndarray[Any, Any]:
    """Make an array of a number, or of numbers in lists, in an accepted dtype.

    Shape and dtype are compared before anything is made of the numbers.

    Args:
        value: a number, or lists or tuples of numbers or of arrays.
        dtypes: the dtypes that the field accepts.
        shape: the shape that it accepts.
        expected: both as text.

    Raises:
        PydanticCustomError: lists of different lengths, or of other values, or numbers that do
            not fit.
    """
    leaves, sizes, kind = _flatten(value)
    candidates = [*dtypes.exact, *filter(dtypes.in_categories, NUMBERS)] or [*NUMBERS]
    # The first of the same kind, or else the first that accepts this kind as well.
    candidates.sort(key=lambda dtype: kind_of(dtype) != kind)
    for target in candidates:
        if kind in _ACCEPTED_KINDS[kind_of(target)] or 0 in sizes:
            break
    else:
        natural = next(dtype for dtype in NUMBERS if dtype.kind == kind)
        raise mismatch_error("dtype", expected, f"{natural} {shorten(str(sizes))}")
    if not shape.accepts(sizes):
        got = f"{dtype_text(target)} {shorten(str(sizes))}"
        raise mismatch_error("shape", expected, got)
    check_size(math.prod(sizes), target, expected)
    if leaves and type(leaves[0]) is np.ndarray:
        array = _stack(leaves, target, expected)
    else:
        # Integers stay Python's, of any size: numpy would make floats of some.
        array = np.empty(len(leaves), object)
        array[:] = leaves
        if kind != "i":
            array = array.astype({"b": "?", "f": "f8", "c": "c16"}[kind])
    return convert(array.reshape(sizes), target, expected)


def _stack(
    arrays: list[np.ndarray[Any, Any]], target: np.dtype[Any], expected: str
) -> np.ndarray[Any, Any]:
    if len({array.dtype for array in arrays}) == 1:
        return np.stack(arrays)
    whole = np.empty((len(arrays), *arrays[0].shape), target)
    for index, array in enumerate(arrays):
        whole[index] = convert(array, target, expected)
    return whole


def _flatten(value: Any) -> tuple[list[Any], tuple[int, ...], str]:
    """Return the numbers or arrays in lists, the shape of the whole, and the kind of numbers.

    Raises:
        PydanticCustomError: lists or arrays differ in length, or do not hold numbers.
    """
    leaves: list[Any] = [value]
    shape: list[int] = []
    types = {type(value)}
    while types <= {list, tuple} and types and len(shape) <= MAX_DIMS:
        lengths = {*map(len, leaves)}
        if len(lengths) > 1:
            raise _ragged()
        shape += lengths
        leaves = list(chain.from_iterable(leaves))
        types = {*map(type, leaves)}
    if np.ndarray in types:
        if len(types) > 1 or len({leaf.shape for leaf in leaves}) > 1:
            raise _ragged()
        shape += leaves[0].shape
        kinds = {leaf.dtype.kind.replace("u", "i") for leaf in leaves}
    elif any(issubclass(kind, (list, tuple, np.ndarray)) for kind in types):
        raise _ragged()
    else:
        kinds = {*map(_number_kind, types)} or {"f"}
    if len(shape) > MAX_DIMS:
        raise _ragged()
    if not kinds <= {*"bifc"} or ("b" in kinds and len(kinds) > 1):
        raise PydanticCustomError("array_parsing", "Input should hold numbers only, or bools only")
    return leaves, tuple(shape), max(kinds, key="bifc".index)


def _ragged() -> PydanticCustomError:
    return PydanticCustomError(
        "array_parsing", "Input should be lists of equal lengths, nested 64 levels at most"
    )


def _number_kind(type_: type) -> str:
    return next((letter for kinds, letter in _NUMBER_KINDS if issubclass(type_, kinds)), "")

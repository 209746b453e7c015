"""Dtypes that are expected of arrays."""

from __future__ import annotations

from functools import lru_cache
from types import UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

import numpy as np

from binary_middleware.fields import check_dtype, shorten

Casting = Literal["no", "equiv", "safe", "same_kind"]

NUMBERS: Final = tuple(
    np.dtype(name)
    for name in (
        *("float64", "int64", "uint64", "complex128", "bool", "float32", "float16"),
        *("int8", "int16", "int32", "uint8", "uint16", "uint32", "complex64"),
    )
)
"""The dtypes that a JSON schema lists for a kind of numbers, numpy's own choice first."""

FLEXIBLE: Final = {
    "<U8": "^[<>]U[0-9]+$",
    "|S8": r"^\|S[0-9]+$",
    "|V8": r"^\|V[0-9]+$",
    "datetime64[s]": r"^datetime64(\[[0-9]*[A-Za-z]+\])?$",
    "timedelta64[s]": r"^timedelta64(\[[0-9]*[A-Za-z]+\])?$",
}
"""A dtype of each kind that has any length or unit, and the pattern of the names of all."""

_INTEGERS: Final = {np.number, np.integer, np.signedinteger}
_ABSTRACT: Final = {
    *_INTEGERS,
    *(np.unsignedinteger, np.inexact, np.floating, np.complexfloating),
    *(np.flexible, np.character),
}


class AcceptedDtypes:
    """The dtypes that arrays may have, and those that they are converted to.

    Args:
        types: scalar types, ``()`` for any.
        dtype: the one dtype, if the scalar types do not tell.
        casting: see :class:`~binary_middleware.arrays.ArraySpec`.

    Attributes:
        exact: the dtypes of values.
        categories: scalar types of more than one dtype; values keep their dtype.

    Raises:
        TypeError, ValueError: the dtype is not supported, or not of the scalar types.
    """

    def __init__(
        self, types: tuple[Any, ...], dtype: np.dtype[Any] | None, casting: Casting | None
    ) -> None:
        self._casting = casting or "equiv"
        exact: list[np.dtype[Any]] = []
        categories: list[Any] = []
        if dtype is not None:
            if types and not any(issubclass(dtype.type, kind) for kind in types):
                raise TypeError(f"dtype {dtype} is not of the annotated type")
            exact, types = [dtype], ()
        for kind in types:
            if kind in _ABSTRACT or issubclass(kind, (np.flexible, np.datetime64, np.timedelta64)):
                categories.append(kind)
            else:
                exact.append(check_dtype(np.dtype(kind)))
        self.exact, self.categories = tuple(exact), tuple(categories)

    def __str__(self) -> str:
        names = [dtype_text(dtype) for dtype in self.exact]
        names += [category.__name__.rstrip("_") for category in self.categories]
        return " or ".join(names) or "any dtype"

    @property
    def is_any(self) -> bool:
        """Whether every supported dtype is accepted as it is."""
        return not (self.exact or self.categories)

    @property
    def kinds(self) -> set[str]:
        """The letters of numpy for the kinds of values, ``any`` if every kind is accepted."""
        kinds = {kind_of(dtype) for dtype in self.exact}
        examples = (*NUMBERS, *map(np.dtype, FLEXIBLE))
        kinds |= {dtype.kind for dtype in examples if self.in_categories(dtype)}
        return kinds or {"any"}

    def in_categories(self, dtype: np.dtype[Any]) -> bool:
        """Return whether a dtype is of one of the categories."""
        # To numpy, durations are integers.
        types = self.categories if dtype.kind != "m" else {*self.categories} - _INTEGERS
        return any(issubclass(dtype.type, category) for category in types)

    def target(self, dtype: np.dtype[Any]) -> np.dtype[Any] | None:
        """Return the dtype that an array of ``dtype`` is converted to, ``None`` if refused."""
        if dtype in self.exact or self.is_any:
            return dtype
        for rule in ("equiv", self._casting) if self._casting != "no" else ():
            for exact in self.exact:
                # By the other rules, numpy casts fields by their position.
                if (rule == "equiv" or exact.names is None) and np.can_cast(dtype, exact, rule):
                    return exact
        return dtype if self.in_categories(dtype) else None


def scalar_types(declared: Any) -> tuple[Any, ...]:
    """Return the scalar types of the argument of ``NDArray[...]``, ``()`` for any.

    Raises:
        TypeError: not a scalar type of numpy.
    """
    if isinstance(declared, TypeVar):
        alternatives = declared.__constraints__ or (declared.__bound__ or Any,)
    elif get_origin(declared) in (Union, UnionType):
        alternatives = get_args(declared)
    else:
        kind = get_origin(declared) or declared  # np.floating[Any], too
        if kind is Any or kind is np.generic:
            return ()
        if not (isinstance(kind, type) and issubclass(kind, np.generic)):
            raise TypeError(f"{declared!r} is not a scalar type of numpy")
        return (kind,)
    types = [scalar_types(alternative) for alternative in alternatives]
    return sum(types, ()) if all(types) else ()


def kind_of(dtype: np.dtype[Any]) -> str:
    """Return ``dtype.kind``, and that of floats for such dtypes of other libraries."""
    return dtype.kind if dtype.isbuiltin != 2 else _kind_of_extension(dtype)


@lru_cache(maxsize=64)
def _kind_of_extension(dtype: np.dtype[Any]) -> str:
    return "f" if np.can_cast(dtype, np.float64) else dtype.kind


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Return the name of a dtype for messages."""
    return shorten(str(dtype))


def array_text(array: np.ndarray[Any, Any]) -> str:
    """Return dtype and shape of an array for messages."""
    return f"{dtype_text(array.dtype)} {shorten(str(array.shape))}"

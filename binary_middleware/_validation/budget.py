"""The budget for converting the arrays of one document to lists."""

from __future__ import annotations

import math
from contextvars import ContextVar
from typing import Any, Final

import numpy as np
from pydantic_core import PydanticCustomError

from binary_middleware.formats.base import DocumentFacts

_LIST_SIZE: Final = 9
"""Bytes of structure that a list in a converted array counts as, in addition to its items."""


class LargeStructureError(BaseException):
    """Converted arrays make the document large. No ``except`` in a user's validator catches it."""


class ArrayBudget:
    """Counts converted arrays as structure while one document is validated.

    Args:
        facts: The facts about the document.
        large_structure: Bytes of structure from which the validator has to stop at first errors;
            ``None`` if it does.
    """

    conversions = 0
    """Number of arrays and numpy scalars that were converted."""

    def __init__(self, facts: DocumentFacts, large_structure: int | None) -> None:
        self.holds_scalars = facts.holds_scalars
        self._limit = facts.max_structure_size
        self._size = facts.structure_size
        self._large_structure = large_structure
        # By the id of an object; with that object, so that no other one gets its id.
        self._originals: dict[int, tuple[Any, Any]] = {}
        self._lists: dict[int, tuple[Any, list[Any]]] = {}

    def replace(self, original: Any, replacement: Any) -> Any:
        """Return the replacement, and note for error reports what it replaces."""
        self._originals[id(replacement)] = (replacement, original)
        return replacement

    def original(self, value: Any) -> Any:
        """Return what the client sent where an error report names a value."""
        if type(value) is RejectedMember:
            return value.value
        return self._originals.get(id(value), (value, value))[1]

    def as_list(self, array: np.ndarray[Any, Any]) -> list[Any]:
        """Convert an array to a list of the same values.

        Raises:
            PydanticCustomError: The values have no exact form in a list, or the list exceeds the
                limit of structure.
            LargeStructureError: The validator has to stop at first errors from here on.
        """
        self.conversions += 1
        if id(array) in self._lists:  # each choice of a union asks for it
            return self._lists[id(array)][1]
        if array.ndim == 0 or not has_exact_items(array.dtype):
            raise PydanticCustomError(
                "array_as_list",
                "Input should be a list: {array} has no exact form as one",
                {"array": describe_array(array)},
            )
        size = self._size + _size_as_list(array)
        if size > self._limit:
            raise PydanticCustomError(
                "array_as_list",
                "Input should be a shorter list: the elements of {array} are over "
                "max_structure_size ({limit} bytes); an array field has no such limit",
                {"array": describe_array(array), "limit": self._limit},
            )
        if self._large_structure is not None and size > self._large_structure:
            raise LargeStructureError
        self._size = size
        items: list[Any] = exact_items(array)
        self._lists[id(array)] = (array, items)
        self.replace(array, items)
        return items


current_budget: ContextVar[ArrayBudget] = ContextVar("binary_middleware_array_budget")


class RejectedMember:
    """Replaces a member of a list or map that no scalar field accepts, for pydantic to report."""

    def __init__(self, value: Any) -> None:
        self.value = value


def has_exact_items(dtype: np.dtype[Any]) -> bool:
    """Return whether ``tolist`` keeps the values of a dtype exactly."""
    if dtype.kind in "fc":
        return dtype.itemsize <= (8 if dtype.kind == "f" else 16)
    return dtype.kind in "biuU"


def exact_items(array: np.ndarray[Any, Any]) -> Any:
    """Return an array as nested lists, or as one value if it has no dimensions.

    Raises:
        PydanticCustomError: The array holds text that is not Unicode.
    """
    try:
        items = array.tolist()
        if array.dtype.kind == "U":
            "".join(map(str, array.reshape(-1).tolist())).encode()
    except (ValueError, SystemError) as exc:
        raise PydanticCustomError(
            "string_unicode", "Input should hold characters that exist in Unicode"
        ) from exc
    return items


def _size_as_list(array: np.ndarray[Any, Any]) -> int:
    """Return about how many bytes of msgpack the nested lists of an array are."""
    kind, item = array.dtype.kind, array.dtype.itemsize
    if kind == "f":
        item = 9
    elif kind == "c":
        item = 64
    elif kind == "U":
        item += 5
    elif kind != "b" and array.size:
        low, high = int(array.min()), int(array.max())
        item = 1 if low >= -32 and high < 128 else item + 1
    lists = sum(math.prod(array.shape[:axis]) for axis in range(array.ndim))
    return int(array.size * item + lists * _LIST_SIZE)


def describe_array(value: Any) -> str:
    """Return the dtype and the shape of an array as short text."""
    text = f"ndarray {value.dtype} {value.shape}"
    return text if len(text) <= 80 else f"{text[:77]}..."

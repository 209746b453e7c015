"""The budget for reading one document."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from binary_middleware.errors import LimitExceeded
from binary_middleware.formats.msgpack._wire import MAX_WEIGHT, WEIGHT, max_weight, weigh

BYTES_PER_CONVERSION: Final = 64
"""Bytes of ``max_structure_size`` for which a document may hold one value that Python code makes,
up to 100 times slower than C code: a small array, each field of its dtype, a numpy scalar, a
complex number, a date of Chains, a map with keys other than strings."""

BYTES_PER_TEXT: Final = 8
"""The same for a value that only becomes text in JSON: bytes, a timestamp."""

BYTES_PER_STRUCTURE: Final = 36
"""Bytes of memory that objects may take for each byte of ``max_structure_size``."""


class Budget:
    """Counts what one document costs, and refuses what is over a limit.

    Args:
        max_structure_size: bytes of structure; ``None`` for no limit of structure, of the memory
            of its objects, and of conversions.
        document_size: bytes of the whole document.
    """

    def __init__(self, max_structure_size: int | None, document_size: int = 0) -> None:
        self.max_structure_size = max_structure_size
        self.structure_size = 0
        """Bytes of structure that were counted."""
        self.rescans = 2 * document_size + 32 * 1024 * 1024
        """Bytes left to pass over once more, large leaves aside. Nothing is split without them."""
        self.splits = document_size // 512 + 512
        """Containers of large items left to split; the others are structure."""
        self.attempts = 2 * document_size
        """Bytes left to decode as plain data in vain."""
        self.headers = 2 * 1024 * 1024
        """Headers left to look at one by one."""
        self._conversions = 0
        self._unweighed: list[memoryview | bytes] = []
        self._weight = self._last_weight = 0

    def count_structure(self, part: memoryview | bytes) -> None:
        """Count what is about to be decoded as small objects.

        Raises:
            LimitExceeded: structure is over the limit, or its objects would take too much memory.
        """
        self.structure_size += len(part)
        limit = self.max_structure_size
        if limit is None:
            return
        if self.structure_size > limit:
            raise LimitExceeded(
                f"the structure of the document, large arrays and bytes aside, is over "
                f"max_structure_size ({limit} bytes)"
            )
        self._unweighed.append(part)
        # Most documents are too small to be weighed.
        if self.structure_size * MAX_WEIGHT * WEIGHT > limit * BYTES_PER_STRUCTURE:
            self._weigh(limit)

    def uncount_structure(self, part: memoryview) -> None:
        """Undo the last :meth:`count_structure`, which was of ``part``."""
        self.structure_size -= len(part)
        if self._unweighed:
            self._unweighed.pop()
        else:
            self._weight -= self._last_weight
            self._last_weight = 0

    def _weigh(self, limit: int) -> None:
        max_units = limit * BYTES_PER_STRUCTURE // WEIGHT
        parts, self._unweighed = self._unweighed, []
        weights = list(map(max_weight, parts))
        if self._weight + sum(weights) > max_units:
            for index, part in enumerate(parts):
                exact, seen = weigh(memoryview(part), self.headers)
                self.headers -= seen
                if exact is None:
                    break
                weights[index] = exact
        self._weight += sum(weights)
        self._last_weight = weights[-1]
        if self._weight > max_units:
            raise LimitExceeded(
                f"the document holds more lists and maps than max_structure_size ({limit} bytes) "
                f"allows: their objects would take over {BYTES_PER_STRUCTURE} times as much memory"
            )

    def count_conversions(self, count: int = 1, price: int = BYTES_PER_CONVERSION) -> None:
        """Count values that Python code makes.

        Raises:
            LimitExceeded: they are over the limit.
        """
        self._conversions += count * price
        limit = self.max_structure_size
        if limit is not None and self._conversions > limit:
            raise LimitExceeded(
                f"the document holds more small arrays, maps with keys other than strings, or "
                f"dates and bytes for JSON, than max_structure_size ({limit} bytes) allows: one "
                f"for each {price} bytes of it"
            )

    def count_array(self, dtype: np.dtype[Any], price: int = BYTES_PER_CONVERSION) -> None:
        """Count a small array: reading a field of a dtype takes as long as two arrays of numbers.

        Raises:
            LimitExceeded: conversions are over the limit.
        """
        self.count_conversions(1 + 2 * _count_fields(dtype) if dtype.kind == "V" else 1, price)


def _count_fields(dtype: np.dtype[Any]) -> int:
    """Return the number of fields of a dtype, nested ones included."""
    if dtype.subdtype is not None:
        return _count_fields(dtype.base)
    return sum(1 + _count_fields(dtype[name]) for name in dtype.names or ())

"""A limit to what Python code makes of a document, up to 100 times slower than C code."""

from __future__ import annotations

from typing import Final

from binary_middleware.errors import LimitExceeded

BYTES_PER_CONVERSION: Final = 64
"""Bytes of ``max_structure_size`` for which a document may hold one value that Python code makes:
a small array, each field of its dtype, a numpy scalar, a complex number, a date of Chains, a map
with keys other than strings."""

TEXT_CONVERSION: Final = 8
"""The same for a value that only becomes text in JSON: bytes, a timestamp."""


class Conversions:
    """Counts what Python code makes of one document.

    Args:
        max_structure_size: the limit in bytes that they are a share of; ``None`` for no limit.
    """

    def __init__(self, max_structure_size: int | None) -> None:
        self._max_structure_size = max_structure_size
        self._left = float("inf") if max_structure_size is None else max_structure_size

    def count(self, count: int = 1, price: int = BYTES_PER_CONVERSION) -> None:
        """Count some values.

        Raises:
            LimitExceeded: there are more than the limit allows.
        """
        self._left -= count * price
        if self._left < 0:
            raise LimitExceeded(
                f"the document holds more small arrays, maps with keys other than strings, or "
                f"dates and bytes for JSON, than max_structure_size "
                f"({self._max_structure_size} bytes) allows: one for each {price} bytes of it"
            )

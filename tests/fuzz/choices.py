"""Decisions made of the bytes of an input: the same bytes, the same decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Choices:
    """Reads an input from its start; past its end everything is the first choice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def bytes(self, count: int) -> bytes:
        """Return the next bytes, with zeros where there are none."""
        part = self._data[self._at : self._at + count]
        self._at += count
        return part.ljust(count, b"\x00")

    def number(self, below: int) -> int:
        """Return an integer from 0 on."""
        size = (max(1, below - 1).bit_length() + 7) // 8
        return int.from_bytes(self.bytes(size)) % below

    def one_in(self, count: int) -> bool:
        """Whether something rare is to be; not, if the input has ended."""
        return self.number(count) == count - 1

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.number(len(items))]

    @property
    def has_ended(self) -> bool:
        """Whether all of the input was read."""
        return self._at >= len(self._data)

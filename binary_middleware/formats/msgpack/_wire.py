"""The headers of msgpack: kinds, counts and sizes of items, without decoding them.

The format: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np


class Header(NamedTuple):
    """The sizes and counts that the first byte of an item stands for."""

    size: int
    """Bytes of the item without those that its length counts."""
    width: int = 0
    """Bytes of the length, which follow the first byte."""
    bytes_each: int = 0
    """Bytes of the item for each unit of its length."""
    items: int = 0
    """Items inside; an entry of a map is two."""
    items_each: int = 0
    """Items inside for each unit of its length."""


# fmt: off
_WITH_LENGTH: Final = {
    0xC4: (1, 1, 0), 0xC5: (2, 1, 0), 0xC6: (4, 1, 0),  # bin
    0xC7: (1, 1, 0), 0xC8: (2, 1, 0), 0xC9: (4, 1, 0),  # extensions
    0xD9: (1, 1, 0), 0xDA: (2, 1, 0), 0xDB: (4, 1, 0),  # strings
    0xDC: (2, 0, 1), 0xDD: (4, 0, 1), 0xDE: (2, 0, 2), 0xDF: (4, 0, 2),  # arrays and maps
}
_SIZES: Final = {
    0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9,
    0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18,  # extensions of a fixed size
}
# fmt: on


def _header(code: int) -> Header:
    if code in _WITH_LENGTH:
        width, bytes_each, items_each = _WITH_LENGTH[code]
        is_extension = 0xC7 <= code <= 0xC9  # its type is one more byte
        return Header(1 + width + is_extension, width, bytes_each, 0, items_each)
    if 0x80 <= code < 0xA0:
        return Header(1, items=(code & 0x0F) * (2 if code < 0x90 else 1))
    if 0xA0 <= code < 0xC0:
        return Header(1 + (code & 0x1F))
    return Header(_SIZES.get(code, 1))


HEADERS: Final = tuple(map(_header, range(256)))
"""The header of each first byte."""

_KINDS: Final = {
    **dict.fromkeys((*range(0x80, 0x90), 0xDE, 0xDF), dict),
    **dict.fromkeys((*range(0x90, 0xA0), 0xDC, 0xDD), list),
}
CONTAINER_CODES: Final = frozenset(_KINDS)
"""First bytes of lists and maps."""
BIN_CODES: Final = frozenset((0xC4, 0xC5, 0xC6))
STR_CODES: Final = frozenset((*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB))


def read_container(view: memoryview) -> tuple[type | None, int]:
    """Return ``dict``, ``list`` or ``None``, and the items that the header announces."""
    code = view[0]
    kind = _KINDS.get(code)
    if kind is None:
        return None, 0
    _, width, _, items, items_each = HEADERS[code]
    return kind, items + items_each * int.from_bytes(view[1 : 1 + width])


def has_binary_key(view: memoryview) -> bool:
    """Return whether the first key of a map is bin, as those of an array map are."""
    return view[HEADERS[view[0]].size] in BIN_CODES


def may_have_large_map(view: memoryview) -> bool:
    """Return whether any bytes of an item look like the header of a map of over 511 entries."""
    return _LARGE_MAP.search(view) is not None


_LARGE_MAP: Final = re.compile(rb"\xde[\x02-\xff]|\xdf")


def has_other_keys(view: memoryview, max_entries: int, max_objects: int) -> tuple[bool | None, int]:
    """Return whether a map of many entries in an item has a key that is not a string.

    Args:
        view: the item.
        max_entries: entries up to which a map is not looked at.
        max_objects: objects to look at.

    Returns:
        ``None`` if there are more objects, and the number of those looked at.
    """
    # Of the containers that are open: items left, and whether every second one must be a string.
    left, is_checked, start = 1, False, 0
    outer: list[tuple[int, bool]] = []
    for seen in range(max_objects + 1):
        while not left and outer:
            left, is_checked = outer.pop()
        if not left or start >= len(view):
            return False, seen
        code = view[start]
        if is_checked and not left & 1 and code not in STR_CODES:
            return True, seen
        left -= 1
        size, width, bytes_each, items, items_each = HEADERS[code]
        length = int.from_bytes(view[start + 1 : start + 1 + width]) if width else 0
        start += size + bytes_each * length
        if items or items_each:
            outer.append((left, is_checked))
            left = items + items_each * length
            is_checked = code >= 0xDE and left > 2 * max_entries
    return None, max_objects


# -- the memory of objects -------------------------------------------------------------------------

WEIGHT: Final = 4
"""Bytes of memory in a unit of weight."""

MAX_WEIGHT: Final = 24
"""Maximum units of weight of a byte of msgpack, on average: a map that holds an empty map."""


def _weight(code: int) -> int:
    if code == 0x80:
        return 20  # an empty dict, and its place in a list
    if code == 0x90:
        return 18
    if code not in CONTAINER_CODES:
        return 1
    return 50 if _KINDS[code] is dict else 24


_WEIGHTS: Final = np.array([_weight(code) for code in range(256)], np.uint8)
_EXTRA_WEIGHTS: Final = tuple(_weight(code) - 1 for code in range(256))


def max_weight(part: memoryview | bytes) -> int:
    """Return an upper bound of the memory that an item takes as objects, in :data:`WEIGHT`.

    Each byte counts as a header. Text of most languages and numbers have bytes that could be
    headers of maps and lists: see :func:`weigh`.
    """
    return int(_WEIGHTS[np.frombuffer(part, np.uint8)].sum())


def weigh(view: memoryview, max_objects: int) -> tuple[int | None, int]:
    """Return the memory that an item takes as objects, by its headers only.

    Returns:
        The weight in :data:`WEIGHT`, ``None`` if there are more than ``max_objects``; and the
        number of objects looked at.
    """
    start, pending, weight = 0, 1, len(view)
    for seen in range(max_objects + 1):
        if not pending or start >= len(view):
            return weight, seen
        code = view[start]
        size, width, bytes_each, items, items_each = HEADERS[code]
        length = int.from_bytes(view[start + 1 : start + 1 + width]) if width else 0
        pending += items + items_each * length - 1
        start += size + bytes_each * length
        weight += _EXTRA_WEIGHTS[code]
    return None, max_objects


def is_sparse(view: memoryview) -> bool:
    """Return whether an item has at most one object in 64 bytes."""
    return weigh(view, len(view) // 64)[0] is not None

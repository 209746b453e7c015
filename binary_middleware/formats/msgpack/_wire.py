"""What the headers of msgpack say: kinds, counts and sizes of items, without decoding them."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

CONTAINER_CODES: Final = frozenset((*range(0x80, 0xA0), *range(0xDC, 0xE0)))
"""First bytes of lists and maps."""


def container(view: memoryview) -> tuple[type | None, int]:
    """Whether a list or a map starts here, and how many items its header promises."""
    code = view[0]
    if 0x80 <= code < 0x90:
        return dict, 2 * (code & 0x0F)
    if 0x90 <= code < 0xA0:
        return list, code & 0x0F
    if code in (0xDC, 0xDE):
        count = int.from_bytes(view[1:3])
        return (list, count) if code == 0xDC else (dict, 2 * count)
    if code in (0xDD, 0xDF):
        count = int.from_bytes(view[1:5])
        return (list, count) if code == 0xDD else (dict, 2 * count)
    return None, 0


def header_size(view: bytes | memoryview) -> int:
    """Bytes of the header of the list or map that starts here."""
    return {0xDC: 3, 0xDD: 5, 0xDE: 3, 0xDF: 5}.get(view[0], 1)


def has_binary_key(view: memoryview) -> bool:
    """Whether the first key of the map that starts here is bin, as those of an array map are."""
    return 0xC4 <= view[header_size(view)] <= 0xC6


def is_sparse(view: memoryview) -> bool:
    """Whether an item has at most one object in 64 bytes."""
    return count_objects(view, len(view) // 64) is not None


def count_objects(view: memoryview, most: int) -> int | None:
    """How many objects an item consists of, ``None`` if more than ``most``; by headers alone."""
    start, pending = 0, 1
    for seen in range(most + 1):
        if not pending or start >= len(view):
            return seen
        size, width, bytes_each, items, items_each = _HEADERS[view[start]]
        length = int.from_bytes(view[start + 1 : start + 1 + width]) if width else 0
        pending += items + items_each * length - 1
        start += size + bytes_each * length
    return None


def may_have_large_map(view: memoryview) -> bool:
    """Whether a map of more than 511 entries can be in an item: any byte may be its header."""
    return _LARGE_MAP.search(view) is not None


def has_many_other_keys(view: memoryview, most: int, most_objects: int) -> tuple[bool | None, int]:
    """Whether a map in an item has more than ``most`` keys that are not strings; by headers alone.

    Returns:
        ``None`` if there are more than ``most_objects`` to look at, and at how many it looked.
    """
    # Of the containers that are open: items left, whether it is a map, keys that are not strings.
    left, is_map, others, start = 1, False, 0, 0
    outer: list[tuple[int, bool, int]] = []
    for seen in range(most_objects + 1):
        while not left and outer:
            left, is_map, others = outer.pop()
        if not left or start >= len(view):
            return False, seen
        code = view[start]
        if is_map and not left & 1 and code not in _TEXT_CODES:
            others += 1
            if others > most:
                return True, seen
        left -= 1
        size, width, bytes_each, items, items_each = _HEADERS[code]
        length = int.from_bytes(view[start + 1 : start + 1 + width]) if width else 0
        start += size + bytes_each * length
        if items or items_each:
            outer.append((left, is_map, others))
            left, is_map, others = items + items_each * length, code < 0x90 or code >= 0xDE, 0
    return None, most_objects


def weigh(part: memoryview | bytes) -> int:
    """An upper bound of the memory that an item takes as objects, in units of :data:`WEIGHT`."""
    return int(_WEIGHTS[np.frombuffer(part, np.uint8)].sum())


def weigh_exactly(view: memoryview, most_objects: int) -> tuple[int | None, int]:
    """Weigh an item as :func:`weigh` does, but its headers only.

    Text of most languages and numbers have bytes that could be headers of maps and lists.

    Returns:
        The weight, ``None`` if there are more than ``most_objects``, and how many there are.
    """
    start, pending, weight = 0, 1, len(view)
    for seen in range(most_objects + 1):
        if not pending or start >= len(view):
            return weight, seen
        code = view[start]
        size, width, bytes_each, items, items_each = _HEADERS[code]
        length = int.from_bytes(view[start + 1 : start + 1 + width]) if width else 0
        pending += items + items_each * length - 1
        start += size + bytes_each * length
        weight += _EXTRA_WEIGHTS[code]
    return None, most_objects


def _header(code: int) -> tuple[int, int, int, int, int]:
    """What follows from the first byte of an item.

    Returns:
        Bytes of the item without those that its length counts; bytes that the length is in; bytes
        for each unit of length; items inside; items inside for each unit of length.
    """
    if code in _WITH_LENGTH:
        width, bytes_each, items_each = _WITH_LENGTH[code]
        kind_of_extension = 0xC7 <= code <= 0xC9
        return 1 + width + kind_of_extension, width, bytes_each, 0, items_each
    if 0x80 <= code < 0xA0:
        return 1, 0, 0, (code & 0x0F) * (2 if code < 0x90 else 1), 0
    if 0xA0 <= code < 0xC0:
        return 1 + (code & 0x1F), 0, 0, 0, 0
    return _SIZES.get(code, 1), 0, 0, 0, 0


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
_HEADERS: Final = tuple(map(_header, range(256)))

_TEXT_CODES: Final = frozenset((*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB))
_LARGE_MAP: Final = re.compile(rb"\xde[\x02-\xff]|\xdf")

WEIGHT: Final = 4
"""Bytes of memory in a unit of weight."""

MAX_WEIGHT: Final = 24
"""Most units of weight that a byte of msgpack has, on average: a map that holds an empty map."""


def _weight(code: int) -> int:
    if code == 0x80:
        return 20  # an empty dict, and its place in a list
    if code == 0x90:
        return 18
    if code not in CONTAINER_CODES:
        return 1
    return 50 if code < 0x90 or code >= 0xDE else 24


_WEIGHTS: Final = np.array([_weight(code) for code in range(256)], np.uint8)
_EXTRA_WEIGHTS: Final = tuple(_weight(code) - 1 for code in range(256))

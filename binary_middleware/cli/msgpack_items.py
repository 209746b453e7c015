"""The items of msgpack, one header at a time: what they are and where they start and end."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import msgspec

Kind = Literal["value", "float32", "str", "bin", "ext", "array", "map"]


class Malformed(Exception):
    """There is no whole item here."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


class Item(NamedTuple):
    """A header, and with it the whole item if that is a number, a bool or nil."""

    kind: Kind
    start: int
    payload: int
    """Where its contents start."""
    length: int
    """Bytes of the contents; for an array its items, for a map its pairs."""
    value: Any = None
    """Of an item without contents, or the type of an extension."""

    @property
    def children(self) -> int:
        """Items inside an array or a map."""
        return self.length * (2 if self.kind == "map" else 1 if self.kind == "array" else 0)

    @property
    def next(self) -> int:
        """Where the item ends, or for a container where its first child starts."""
        return self.payload if self.kind in ("array", "map") else self.payload + self.length


_Reading = tuple[Kind, struct.Struct | None, int]
"""Kind; the form of the number that follows, which is a value or a length; else that number."""

_FORMS: Final[dict[int, _Reading]] = {
    **{0xC4 + i: ("bin", struct.Struct(f">{form}"), 0) for i, form in enumerate("BHI")},
    **{0xC7 + i: ("ext", struct.Struct(f">{form}"), 0) for i, form in enumerate("BHI")},
    0xCA: ("float32", struct.Struct(">f"), 0),
    0xCB: ("value", struct.Struct(">d"), 0),
    **{0xCC + i: ("value", struct.Struct(f">{form}"), 0) for i, form in enumerate("BHIQbhiq")},
    **{0xD4 + i: ("ext", None, 1 << i) for i in range(5)},
    **{0xD9 + i: ("str", struct.Struct(f">{form}"), 0) for i, form in enumerate("BHI")},
    **{0xDC + i: ("array", struct.Struct(f">{form}"), 0) for i, form in enumerate("HI")},
    **{0xDE + i: ("map", struct.Struct(f">{form}"), 0) for i, form in enumerate("HI")},
}
_SINGLE: Final = {0xC0: None, 0xC2: False, 0xC3: True}


def read_item(view: memoryview, start: int) -> Item:
    """The item that starts at ``start``. Its contents may reach beyond the end of ``view``.

    Raises:
        Malformed: the header is not whole, or the byte starts no item.
    """
    if start >= len(view):
        raise Malformed(start, "the input ends")
    code = view[start]
    if code < 0x80 or code >= 0xE0:
        return Item("value", start, start + 1, 0, code - 256 if code >= 0xE0 else code)
    if code < 0xC0:
        kind: Kind = "map" if code < 0x90 else "array" if code < 0xA0 else "str"
        return Item(kind, start, start + 1, code & (0x1F if kind == "str" else 0x0F))
    if code in _SINGLE:
        return Item("value", start, start + 1, 0, _SINGLE[code])
    if code == 0xC1:
        raise Malformed(start, "0xc1 is no code of msgpack")
    kind, form, number = _FORMS[code]
    after = start + 1 + (form.size if form else 0) + (kind == "ext")
    if after > len(view):
        raise Malformed(len(view), "the input ends in the header of an item")
    if form:
        number = form.unpack_from(view, start + 1)[0]
    if kind in ("value", "float32"):
        return Item(kind, start, after, 0, number)
    code_of_type = struct.unpack_from(">b", view, after - 1)[0] if kind == "ext" else None
    return Item(kind, start, after, number, code_of_type)


_skip_in_c: Final[Callable[[memoryview], Any]] = msgspec.msgpack.Decoder(msgspec.Raw).decode
_TRAILING: Final = re.compile(r"trailing characters \(byte (\d+)\)")


def quick_end(view: memoryview, start: int) -> int | None:
    """Where a whole item ends, ``None`` if that cannot be told quickly.

    msgspec passes over items without making objects, 50 times faster than :func:`skip`. Where
    one ends is what it then says of the bytes behind it.
    """
    try:
        _skip_in_c(view[start:])
    except msgspec.DecodeError as exc:
        match = _TRAILING.search(str(exc))
        return start + int(match[1]) if match else None
    except RecursionError:
        return None
    return len(view)


def skip(view: memoryview, start: int, count: int) -> int:
    """Where ``count`` items end, however deep they are.

    Raises:
        Malformed: they do not.
    """
    end = len(view)
    while count:
        if start >= end:
            raise Malformed(end, "the input ends")
        code = view[start]
        width = _WIDTHS[code]
        if width:
            start += width
            count += _CHILDREN[code] - 1
        else:
            item = read_item(view, start)
            count += item.children - 1
            start = item.next
    if start > end:
        raise Malformed(end, "the input ends")
    return start


def _width(code: int) -> int:
    """Bytes of an item, its children aside, if its first byte tells them; else 0."""
    if code < 0xA0 or code >= 0xE0:
        return 1
    if code < 0xC0:
        return 1 + (code & 0x1F)
    if code in _SINGLE:
        return 1
    kind, form, _ = _FORMS.get(code, ("bin", None, 0))
    return 1 + form.size if form and kind in ("value", "float32") else 0


_WIDTHS: Final = [_width(code) for code in range(256)]
_CHILDREN: Final = [
    2 * (code & 0x0F) if 0x80 <= code < 0x90 else code & 0x0F if 0x90 <= code < 0xA0 else 0
    for code in range(256)
]

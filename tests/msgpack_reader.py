"""A reader of msgpack in plain Python, from the specification alone: a witness for the tests."""

from __future__ import annotations

import struct
from typing import Any


def read(data: bytes) -> Any:
    """Read the one document in ``data``.

    Raises:
        ValueError: it is not one document, or two keys of a map are equal.
    """
    reader = _Reader(data)
    value = reader.item()
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes after the document")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def bytes(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise ValueError("truncated")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(f">{form}", self.bytes(struct.calcsize(form)))[0]

    def list(self, count: int) -> list[Any]:
        return [self.item() for _ in range(count)]

    def map(self, count: int) -> dict[Any, Any]:
        found = {}
        for _ in range(count):
            key = self.item()
            if key in found:
                raise ValueError("two keys are equal")
            found[key] = self.item()
        return found

    def text(self, count: int) -> str:
        return self.bytes(count).decode()

    def item(self) -> Any:
        code = self.number("B")
        if code < 0x80:
            return code
        if code < 0x90:
            return self.map(code - 0x80)
        if code < 0xA0:
            return self.list(code - 0x90)
        if code < 0xC0:
            return self.text(code - 0xA0)
        if code >= 0xE0:
            return code - 0x100
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            return self.number(_NUMBERS[code])
        if code in _SIZED:
            kind, form = _SIZED[code]
            return getattr(self, kind)(self.number(form))
        raise ValueError(f"unexpected code {code:#x}")


_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = dict(zip(range(0xCA, 0xD4), "fdBHIQbhiq", strict=True))
_SIZED = {
    **dict(zip((0xC4, 0xC5, 0xC6), (("bytes", form) for form in "BHI"), strict=True)),
    **dict(zip((0xD9, 0xDA, 0xDB), (("text", form) for form in "BHI"), strict=True)),
    **dict(zip((0xDC, 0xDD), (("list", form) for form in "HI"), strict=True)),
    **dict(zip((0xDE, 0xDF), (("map", form) for form in "HI"), strict=True)),
}

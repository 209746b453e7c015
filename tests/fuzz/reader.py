"""A reader of msgpack of its own, after the specification alone: what it reads, anybody reads."""

from __future__ import annotations

import struct
from typing import Any, Final

_NUMBERS: Final = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}
_BYTES: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_TEXT: Final = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_LISTS: Final = {0xDC: 2, 0xDD: 4}
_MAPS: Final = {0xDE: 2, 0xDF: 4}


def read(data: bytes) -> Any:
    """Return the one document that ``data`` is; keys of maps may be ``bytes``.

    Raises:
        ValueError: it is none, or more than one.
    """
    reader = _Reader(data)
    value = reader.item()
    if reader.at != len(data):
        raise ValueError(f"the document ends at byte {reader.at} of {len(data)}")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        part = self.data[self.at : self.at + count]
        if len(part) != count:
            raise ValueError(f"{count} bytes at {self.at} of {len(self.data)}")
        self.at += count
        return part

    def size(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def item(self) -> Any:
        (code,) = self.take(1)
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 0x100
        if code < 0x90:
            return self.map(code & 0x0F)
        if code < 0xA0:
            return self.list(code & 0x0F)
        if code < 0xC0:
            return self.take(code & 0x1F).decode()
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            form = _NUMBERS[code]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if code in _BYTES:
            return self.take(self.size(_BYTES[code]))
        if code in _TEXT:
            return self.take(self.size(_TEXT[code])).decode()
        if code in _LISTS:
            return self.list(self.size(_LISTS[code]))
        if code in _MAPS:
            return self.map(self.size(_MAPS[code]))
        raise ValueError(f"{code:#x} at {self.at - 1}: an extension, which we never write, or none")

    def list(self, count: int) -> list[Any]:
        return [self.item() for _ in range(count)]

    def map(self, count: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for _ in range(count):
            key = self.item()
            if isinstance(key, (dict, list)):
                raise ValueError(f"a container as a key, before {self.at}")
            if key in found:
                raise ValueError(f"the key {key!r:.50} is duplicated")
            found[key] = self.item()
        return found

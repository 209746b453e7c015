"""Values in one short line each: type, size and how they begin."""

from __future__ import annotations

import codecs
from typing import Any, Final

import numpy as np

from binary_middleware.cli.byte_sizes import format_size
from binary_middleware.cli.escaping import printable, quoted
from binary_middleware.cli.file_kinds import extension_of

_MOST_BYTES: Final = 16
_MOST_ELEMENTS: Final = 8
_LARGEST_ELEMENT: Final = 256
_LONGEST_DTYPE: Final = 200
_NOT_SHOWN: Final = (ValueError, OverflowError, SystemError)
"""What numpy raises for values that have no text: dates without a unit, characters that there
are not."""


def text_preview(text: str, width: int) -> str:
    """A string, and its length if it is longer than ``width`` characters."""
    if len(text) <= width:
        return quoted(text)
    return f"str, {len(text):,} characters: {quoted(text[:width])}..."


def utf8_preview(data: memoryview, width: int) -> str:
    """A string that is there as bytes, of which only those that are shown are decoded."""
    # In parts, because a character may end beyond what is cut off; 4 bytes are the longest one.
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    text = decoder.decode(bytes(data[: 4 * width + 4]), final=len(data) <= 4 * width + 4)
    if len(data) <= 4 * width + 4 and len(text) <= width:
        return quoted(text)
    return f"str, {format_size(len(data))}: {quoted(text[:width])}..."


def bytes_preview(data: bytes | memoryview) -> str:
    """Bytes: their number, their kind where that is known, and the first ones."""
    parts = ["bin", format_size(len(data))]
    kind = extension_of(data)
    if kind:
        parts.append(kind)
    return ", ".join(parts) + _start_of(data)


def _start_of(data: bytes | memoryview) -> str:
    if not len(data):
        return ""
    return f": {bytes(data[:_MOST_BYTES]).hex(' ')}{'...' if len(data) > _MOST_BYTES else ''}"


def extension_preview(code: int, data: bytes | memoryview) -> str:
    """A value of a type that an application has made for itself."""
    return f"ext {code}, {format_size(len(data))}{_start_of(data)}"


def array_preview(array: np.ndarray[Any, Any], width: int) -> str:
    """An array: its dtype, shape and size, and the first of its elements in C order."""
    dtype = _cut(printable(str(array.dtype)), _LONGEST_DTYPE)
    text = f"ndarray {dtype} {array.shape}, {format_size(array.nbytes)}"
    if not array.size or not array.itemsize:
        return text
    if array.itemsize > _LARGEST_ELEMENT:
        return text + _start_of(array.reshape(-1)[:1].tobytes())
    try:
        elements = [_element(value) for value in array.reshape(-1)[:_MOST_ELEMENTS]]
    except _NOT_SHOWN:
        return text + _start_of(array.reshape(-1)[:1].tobytes())
    shown = ""
    for count, element in enumerate(elements):
        if count and len(shown) + len(element) >= width:
            return f"{text}: {shown} ..."
        shown = f"{shown} {element}" if count else _cut(element, width)
    return f"{text}: {shown}{' ...' if array.size > _MOST_ELEMENTS else ''}"


def _element(value: Any) -> str:
    return quoted(str(value)) if isinstance(value, np.str_) else printable(str(value))


def value_preview(value: Any, width: int) -> str:
    """Any other value that is no container."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _cut(str(value), width)
    try:
        text = printable(str(value))
    except _NOT_SHOWN:
        return array_preview(np.asarray(value), width)
    return f"{type(value).__name__} {_cut(text, width)}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[:width]}..."

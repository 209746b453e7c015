"""Documents as trees, with a line for each value: its type, its size and how it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import click
import msgspec
import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from binary_middleware.cli._console import cut, format_size, printable, quoted
from binary_middleware.fields import from_map

_SHOWN_BYTES: Final = 16
_SHOWN_ELEMENTS: Final = 8
_MAX_ELEMENT_SIZE: Final = 256
_MAX_DTYPE_LENGTH: Final = 200
_NO_TEXT: Final = (ValueError, OverflowError, SystemError)
"""Exceptions of numpy for values without a text: dates without a unit, invalid code points."""

_SIGNATURES: Final = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpg",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\x00": "tif",
    b"MM\x00*": "tif",
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"%PDF-": "pdf",
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gz",
    b"\x93NUMPY": "npy",
}
_RIFF_KINDS: Final = {b"WAVE": "wav", b"WEBP": "webp", b"AVI ": "avi"}

_ARRAY_MAP: Final = frozenset({"shape", "dtype", "data"})
"""Keys of an array under ``arrays="map"``."""


@dataclass(frozen=True)
class Limits:
    """Limits of what is shown of a document."""

    items: int = 20
    """Members of each container."""
    depth: int = 16
    """Containers inside each other."""
    lines: int = 1000
    width: int = 60
    """Characters of a string."""


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each field of :class:`Limits`; the command gets them under these names."""
    for name, maximum, text in (
        ("width", 10_000, "Characters of a string that are shown."),
        ("lines", 1_000_000, "Lines that are shown."),
        ("depth", 300, "Containers inside each other that are shown."),
        ("items", 1_000_000, "Members of each container that are shown."),
    ):
        command = click.option(
            f"--{name}", type=click.IntRange(1, maximum), default=getattr(Limits, name), help=text
        )(command)
    return command


def tree_of(document: Any, limits: Limits) -> RenderableType:
    """Draw a decoded document."""
    document, remark = _restore_array(document)
    root = Tree(_line("", document, remark, limits, 0), guide_style="dim")
    path = [(root, _members(document, limits))]
    lines = 1
    while path:
        node, members = path[-1]
        member = next(members, None)
        if member is None:
            path.pop()
            continue
        if lines == limits.lines:
            return Group(root, f"... stopped after {lines:,} lines; --lines shows more")
        lines += 1
        label, value = member
        if label is None:
            node.add(Text(value, style="dim"))
            continue
        value, remark = _restore_array(value)
        child = node.add(_line(label, value, remark, limits, len(path)))
        if len(path) < limits.depth:
            path.append((child, _members(value, limits)))
    return root


def _restore_array(value: Any) -> tuple[Any, str]:
    """Return the array in a string-keyed map and a remark about it, or the value as it is."""
    if isinstance(value, Mapping) and value.keys() == _ARRAY_MAP:
        try:
            return from_map(value), " (string keys)"
        except ValueError:
            pass
    return value, ""


def _line(label: str, value: Any, remark: str, limits: Limits, depth: int) -> Text:
    if isinstance(value, (Mapping, list, tuple)):
        name = "map" if isinstance(value, Mapping) else "array"
        text = f"{name} of {len(value):,}{' ...' if value and depth == limits.depth else ''}"
    else:
        text = preview(value, limits.width) + remark
    return Text.assemble((label, "cyan"), ": ", text) if label else Text(text)


def _members(value: Any, limits: Limits) -> Iterator[tuple[str | None, Any]]:
    """Yield label and value of each member that is shown, and a remark about the others."""
    pairs: Iterator[tuple[str, Any]]
    if isinstance(value, Mapping):
        pairs = ((_label(str(key), limits.width), item) for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        pairs = ((str(index), item) for index, item in enumerate(value))
    else:
        return
    yield from islice(pairs, limits.items)
    if len(value) > limits.items:
        yield None, f"... {len(value) - limits.items:,} more"


def _label(key: str, width: int) -> str:
    """Return a key, in quotation marks where it would not be clear without."""
    if len(key) > width:
        return f"{quoted(key[:width])}..."
    is_clear = key == key.strip() and key.isprintable() and not set(key) & {'"', ":", "\\"}
    return key if key and is_clear else quoted(key)


def preview(value: Any, width: int) -> str:
    """Return the line of a value that is no container."""
    if isinstance(value, np.ndarray):
        return _preview_array(value, width)
    if isinstance(value, (bytes, bytearray, memoryview)):
        kind = file_extension(value)
        return f"bin, {format_size(len(value))}{f', {kind}' if kind else ''}{_start_of(value)}"
    if isinstance(value, msgspec.msgpack.Ext):
        data = bytes(value.data)
        return f"ext {value.code}, {format_size(len(data))}{_start_of(data)}"
    if isinstance(value, str):
        length = f"str, {len(value):,} characters: " if len(value) > width else ""
        return f"{length}{quoted(value[:width])}{'...' if length else ''}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return cut(str(value), width)
    try:
        text = printable(str(value))
    except _NO_TEXT:
        return _preview_array(np.asarray(value), width)
    return f"{type(value).__name__} {cut(text, width)}"


def _preview_array(array: np.ndarray[Any, Any], width: int) -> str:
    dtype = cut(printable(str(array.dtype)), _MAX_DTYPE_LENGTH)
    text = f"ndarray {dtype} {array.shape}, {format_size(array.nbytes)}"
    if not array.size or not array.itemsize:
        return text
    first = array.reshape(-1)[:_SHOWN_ELEMENTS]
    try:
        if array.itemsize > _MAX_ELEMENT_SIZE:
            raise ValueError("elements too long to be shown")
        elements = [
            quoted(str(value)) if isinstance(value, np.str_) else printable(str(value))
            for value in first
        ]
    except _NO_TEXT:
        return text + _start_of(first[:1].tobytes())
    shown = cut(elements[0], width)
    for element in elements[1:]:
        if len(shown) + len(element) >= width:
            return f"{text}: {shown} ..."
        shown += f" {element}"
    return f"{text}: {shown}{' ...' if array.size > _SHOWN_ELEMENTS else ''}"


def _start_of(data: bytes | bytearray | memoryview) -> str:
    text = bytes(data[:_SHOWN_BYTES]).hex(" ")
    return f": {text}{'...' if len(data) > _SHOWN_BYTES else ''}" if text else ""


def file_extension(data: bytes | bytearray | memoryview) -> str:
    """Return the usual extension of a file that begins like ``data``; empty if unknown."""
    start = bytes(data[:12])
    if start.startswith(b"RIFF"):
        return _RIFF_KINDS.get(start[8:], "")
    return next((name for magic, name in _SIGNATURES.items() if start.startswith(magic)), "")

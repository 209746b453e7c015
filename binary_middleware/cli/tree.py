"""Documents as trees, line by line: what is drawn, how much of it, and the lines of an object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

import click
import numpy as np

from binary_middleware.cli.escaping import is_in_charset, printable, quoted
from binary_middleware.cli.previews import (
    array_preview,
    bytes_preview,
    text_preview,
    value_preview,
)


class Entry(NamedTuple):
    """One line of a tree."""

    depth: int
    """How many containers it is in."""
    is_last: bool
    """Whether nothing more of its container follows."""
    label: str
    """The key or the index that it has in its container; empty for a remark."""
    text: str
    start: int | None = None
    """Where it starts, in bytes, if it was read from a file."""


@dataclass(frozen=True)
class Limits:
    """How much of a document is shown."""

    items: int = 20
    """Members of each container."""
    depth: int = 16
    """Containers inside each other."""
    lines: int = 1000
    width: int = 60
    """Characters of a string."""


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that shows a tree; it gets ``items``, ``depth`` and so on."""
    defaults = Limits()
    for name, most, text in (
        ("width", 10_000, "Characters of a string that are shown."),
        ("lines", 10_000_000, "Lines that are shown."),
        ("depth", 300, "Containers inside each other that are shown."),
        ("items", 10_000_000, "Members of each container that are shown."),
    ):
        command = click.option(
            f"--{name}",
            type=click.IntRange(1, most),
            default=getattr(defaults, name),
            show_default=True,
            help=text,
        )(command)
    return command


_LINES: Final = ("│  ", "   ", "├─ ", "└─ ")
_ASCII_LINES: Final = ("|  ", "   ", "+- ", "`- ")


def drawn(entries: Iterable[Entry], limits: Limits, offset_width: int = 0) -> Iterator[str]:
    """The lines of a tree.

    Args:
        entries: what they show, each after the container that it is in.
        limits: how many there may be.
        offset_width: characters of the column with the offsets; 0 for none.
    """
    passing, blank, branch, end = _LINES if is_in_charset("".join(_LINES)) else _ASCII_LINES
    above: list[str] = []
    for number, entry in enumerate(entries):
        if number == limits.lines:
            yield f"... stopped after {limits.lines:,} lines; --lines shows more"
            return
        column = ""
        if offset_width:
            column = f"{'' if entry.start is None else entry.start:>{offset_width}}  "
        del above[max(entry.depth - 1, 0) :]
        lead = "".join(above)
        if entry.depth:
            lead += end if entry.is_last else branch
            above.append(blank if entry.is_last else passing)
        yield f"{column}{lead}{f'{entry.label}: ' if entry.label else ''}{entry.text}"


def label_of(key: str, width: int) -> str:
    """The key of a member, within quotation marks where it would not be clear without."""
    if len(key) > width:
        return f"{quoted(key[:width])}..."
    is_clear = key == key.strip() and key.isprintable() and not set(key) & {'"', ":", "\\"}
    return key if key and is_clear else quoted(key)


def entries_of(document: Any, limits: Limits) -> Iterator[Entry]:
    """The lines of a document that was decoded."""
    text, members = _shown(document, 0, limits)
    yield Entry(0, True, "", text)
    levels = [members]
    while levels:
        member = next(levels[-1], None)
        if member is None:
            levels.pop()
            continue
        label, value, is_last = member
        if not label:  # a remark
            yield Entry(len(levels), True, "", value)
            continue
        text, members = _shown(value, len(levels), limits)
        yield Entry(len(levels), is_last, label, text)
        levels.append(members)


_Members = Iterator[tuple[str, Any, bool]]
"""Label and value of each, and whether it is the last. Without a label it is a remark."""


def _shown(value: Any, depth: int, limits: Limits) -> tuple[str, _Members]:
    """The line of a value, and its members."""
    labels: Iterable[str]
    items: Collection[Any]
    if isinstance(value, Mapping):
        labels = (label_of(str(key), limits.width) for key in value)
        text, items = f"map of {len(value):,}", value.values()
    elif isinstance(value, (list, tuple)):
        labels = map(str, range(len(value)))
        text, items = f"array of {len(value):,}", value
    else:
        return _leaf(value, limits.width), iter(())
    if depth == limits.depth and items:
        return f"{text} ...", iter(())
    return text, _members(labels, items, len(value), limits)


def _members(labels: Iterable[str], items: Iterable[Any], count: int, limits: Limits) -> _Members:
    for index, (label, item) in enumerate(islice(zip(labels, items, strict=True), limits.items)):
        yield label, item, index == count - 1
    if count > limits.items:
        yield "", f"... {count - limits.items:,} more", True


def _leaf(value: Any, width: int) -> str:
    if isinstance(value, np.ndarray):
        return array_preview(value, width)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes_preview(bytes(value) if isinstance(value, bytearray) else value)
    if isinstance(value, str):
        return text_preview(value, width)
    return value_preview(value, width)


def plain_text(text: str) -> str:
    """Text of several lines, without anything that a terminal would obey."""
    return "\n".join(map(printable, text.expandtabs().splitlines()))

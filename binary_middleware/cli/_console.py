"""Output to a terminal, a file or a pipe, and the sizes in it."""

from __future__ import annotations

from typing import Final

import click
from pydantic import ByteSize, TypeAdapter, ValidationError
from rich.console import Console, RenderableType

_UNBOUNDED: Final = 1_000_000
"""Columns of a console on which rich neither wraps nor crops; terminals wrap by themselves."""

_SIZE: Final = TypeAdapter(ByteSize)


def show(renderable: RenderableType, *, err: bool = False) -> None:
    """Print to stdout or stderr, in colours only on a terminal that has them."""
    console = Console(
        stderr=err,
        width=_UNBOUNDED,
        height=25,  # without it, rich disregards the width on a dumb terminal
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(renderable)


def printable(text: str) -> str:
    """Escape control characters and marks of direction, which a terminal would obey.

    ``rich.markup.escape`` leaves them in, and ``rich.text.Text`` strips a few of them only.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def quoted(text: str) -> str:
    """Escape text and put it in quotation marks."""
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def cut(text: str, width: int) -> str:
    """Cut text after ``width`` characters."""
    return text if len(text) <= width else f"{text[:width]}..."


def format_size(number: int) -> str:
    """Return a number of bytes for people: ``57 B``, ``1.5 KiB``."""
    return ByteSize(number).human_readable(separator=" ")


def size(text: str) -> int:
    """Parse a number of bytes: ``500``, ``64KiB``, ``10MB``; a type of click's options."""
    try:
        return int(_SIZE.validate_python(text))
    except ValidationError as exc:
        raise click.BadParameter(f"{text!r} is not a size; write 500, 64KiB or 10MB") from exc

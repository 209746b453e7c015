"""``inspect``: any msgpack body as a tree."""

from __future__ import annotations

import contextlib
import mmap
import re
from typing import Any, BinaryIO, Final

import click
import msgspec

from binary_middleware.cli._console import printable, show, size
from binary_middleware.cli._tree import Limits, limit_options, tree_of
from binary_middleware.errors import BinaryError, LimitExceeded
from binary_middleware.formats.msgpack import unpackb

MAX_STREAM_SIZE: Final = 1024 * 1024 * 1024
"""Limit in bytes of a pipe or a device, which may never end."""

_MIN_PADDING: Final = 64 * 1024
_MAX_PADDING: Final = 64 * 1024 * 1024
_MAX_RAW_SIZE: Final = 4 * 1024 * 1024
"""Limit in bytes of a body that is decoded although it is refused. A byte can take 70 bytes of
memory."""

_TRAILING: Final = re.compile(r"trailing characters \(byte (\d+)\)")
_NOT_WHOLE: Final = "Not one whole msgpack document"
_TRUNCATED: Final = "input data was truncated"
_NOTHING: Final = object()


@click.command("inspect", context_settings={"show_default": True})
@click.argument("file", type=click.File("rb"))
@click.option(
    "--max-structure-size",
    type=size,
    default="64MiB",
    help="Limit of a body, large arrays and bytes aside.",
)
@limit_options
def command(file: BinaryIO, max_structure_size: int, **limits: Any) -> None:
    """Show the msgpack body in FILE, or on standard input for "-", as a tree.

    Arrays are shown with dtype, shape and first elements; nothing is unpickled. Several documents
    one after another are shown one by one, and one that is cut short as far as it goes. The exit
    code is 1 if the body is not one document that servers accept.
    """
    data, shown = _contents(file), Limits(**limits)
    start, problems = 0, []
    for number in range(1, shown.items + 1):
        document, length, problem = _read_first(data[start:], max_structure_size)
        if number > 1:
            click.echo(f"document {number}, from byte {start:,}:")
        if document is not _NOTHING:
            show(tree_of(document, shown))
        if problem:
            problems.append(f"document {number}: {problem}" if number > 1 else problem)
        start += length
        if start >= len(data):
            break
        if number == 1:
            hint = _guess_format(data)
            rest = f"{len(data) - start:,} bytes follow the first document, from byte {start:,}"
            problems.append(f"{_NOT_WHOLE}: {rest}{hint}")
            if hint:
                break
    else:
        click.echo("... more documents; --items shows more")
    for problem in problems:
        click.echo(printable(problem), err=True)
    if problems:
        click.get_current_context().exit(1)


def _contents(file: BinaryIO) -> memoryview:
    """Map a file into memory; read a pipe or a device.

    Raises:
        ClickException: It cannot be read, or is too long.
    """
    try:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (ValueError, OSError):  # it is empty, or no file
        data = bytearray()
    try:
        while len(data) <= MAX_STREAM_SIZE and (chunk := file.read(1024 * 1024)):
            data += chunk
    except OSError as exc:
        raise click.ClickException(f"{printable(file.name)}: {exc.strerror}") from exc
    if len(data) > MAX_STREAM_SIZE:
        raise click.ClickException(
            f"{printable(file.name)} is longer than 1 GiB: save it in a file first"
        )
    return memoryview(data).toreadonly()


def _read_first(data: memoryview, max_structure_size: int) -> tuple[Any, int, str]:
    """Return the first document, its length in bytes, and why ``unpackb`` does not read it."""
    try:
        return unpackb(data, max_structure_size=max_structure_size), len(data), ""
    except LimitExceeded as exc:
        return _NOTHING, len(data), f"Refused: {exc}"
    except BinaryError as exc:
        reason = str(exc)
    if match := _TRAILING.search(reason):
        end = int(match[1])
        document, _, problem = _read_first(data[:end], max_structure_size)
        return document, end, problem
    if _TRUNCATED in reason:
        return _read_truncated(data, max_structure_size)
    if len(data) <= _MAX_RAW_SIZE:  # arrays as the maps that they are; nothing is unpickled
        with contextlib.suppress(ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
            return msgspec.msgpack.decode(data), len(data), f"Refused: {reason}"
    return _NOTHING, len(data), f"{_NOT_WHOLE}: {reason}"


def _read_truncated(data: memoryview, max_structure_size: int) -> tuple[Any, int, str]:
    """Return what there is of a document that is cut short, completed with zeros.

    The error of ``unpackb`` for trailing bytes tells how many of the zeros are part of it.
    """
    problem = f"{_NOT_WHOLE}: the input ends at byte {len(data):,}"
    if not data:
        return _NOTHING, 0, problem
    padding = bytes(min(max(len(data), _MIN_PADDING), _MAX_PADDING))
    padded = memoryview(b"".join((data, padding)))
    try:
        unpackb(padded, max_structure_size=max_structure_size)
    except BinaryError as exc:
        if match := _TRAILING.search(str(exc)):
            document, end, _ = _read_first(padded[: int(match[1])], max_structure_size)
            problem += f"; zeros are shown for {end - len(data):,} or more bytes that are missing"
            return document, len(data), problem
    return _NOTHING, len(data), problem


def _guess_format(data: memoryview) -> str:
    """Return what a file may be that only begins like msgpack, with a small number."""
    start = bytes(data[:64])
    if start.startswith(b"\x1f\x8b"):
        return "; this looks like gzip: unpack it first"
    return "; this looks like JSON" if start.lstrip()[:1] in (b"{", b"[") else ""

"""``inspect``: any msgpack body as a tree."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from binary_middleware.cli.escaping import printable
from binary_middleware.cli.msgpack_tree import MsgpackTree
from binary_middleware.cli.tree import Limits, drawn, limit_options

_LARGEST_STREAM: Final = 1024 * 1024 * 1024
"""Bytes that are read of a pipe or a device, which may never end."""


@click.command(name="inspect")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--offsets", is_flag=True, help="Show at which byte each item starts.")
@limit_options
def command(file: str, offsets: bool, **limits: Any) -> None:
    """Show the msgpack body in FILE, or on standard input for "-", as a tree.

    Arrays are shown with dtype, shape and first elements. What a server would refuse is shown with
    the reason; nothing is unpickled. The exit code is 1 if the body is not one whole msgpack
    document.
    """
    shown = Limits(**limits)
    view = _contents(file)
    tree = MsgpackTree(view, shown)
    width = len(str(len(view))) if offsets else 0
    for line in drawn(tree.entries(), shown, width):
        click.echo(line)
    tree.check()
    if tree.problem:
        click.echo(f"Not one whole msgpack document: {tree.problem}", err=True)
        sys.exit(1)


def _contents(file: str) -> memoryview:
    """The bytes of a file, which are read where they are shown, or of standard input."""
    if file == "-":
        return _read_stream("standard input", sys.stdin.buffer)
    try:
        with Path(file).open("rb") as opened:
            try:
                return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
            except (ValueError, OSError):  # it is empty, or a pipe
                return _read_stream(printable(file), opened)
    except OSError as exc:
        raise click.ClickException(f"{printable(file)} cannot be read: {exc.strerror}") from exc


def _read_stream(name: str, stream: BinaryIO) -> memoryview:
    data = bytearray()
    while part := stream.read(1024 * 1024):
        data += part
        if len(data) > _LARGEST_STREAM:
            raise click.ClickException(f"{name} is over 1 GiB: save it in a file first")
    return memoryview(data).toreadonly()

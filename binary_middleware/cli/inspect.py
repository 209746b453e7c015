"""``inspect``: any msgpack body as a tree."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Any

import click

from binary_middleware.cli.msgpack_tree import MsgpackTree
from binary_middleware.cli.tree import Limits, drawn, limit_options


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
        return memoryview(sys.stdin.buffer.read())
    try:
        with Path(file).open("rb") as opened:
            try:
                return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
            except (ValueError, OSError):  # it is empty, or a pipe
                return memoryview(opened.read())
    except OSError as exc:
        raise click.ClickException(f"{file} cannot be read: {exc.strerror}") from exc

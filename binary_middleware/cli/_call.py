"""``call``: a request in binary mode, its response shown as a tree or saved as files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args

import click
import httpx2
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
)
from rich.text import Text

from binary_middleware.cli._client import JSON, Call, call_options, media_type_of, text_of
from binary_middleware.cli._console import format_size, printable, show
from binary_middleware.cli._saving import check_folder, save
from binary_middleware.cli._tree import Limits, limit_options, tree_of
from binary_middleware.client import TransferProgress
from binary_middleware.options import Arrays

MIN_PROGRESS_SIZE: Final = 1024 * 1024
"""Bytes of a body from which a terminal shows a progress bar."""

_REASON_WIDTH: Final = 1000
"""Characters of a string in an error: a reason is to be read whole."""

_MAX_HEADER_WIDTH: Final = 200


@click.command("call", context_settings={"show_default": True})
@call_options
@click.option("--json-mode", is_flag=True, help="Use JSON, to compare.")
@click.option("--arrays", type=click.Choice(get_args(Arrays)), help="The encoding of arrays.")
@click.option("-L", "--follow-redirects", is_flag=True, help="Follow redirects.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Save the response: arrays as .npy, bytes by their kind, the rest as document.json.",
)
@click.option("--force", is_flag=True, help="Save even if FOLDER is not empty.")
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Show progress bars. [default: in a terminal, from 1 MiB]",
)
@limit_options
def command(
    call: Call,
    json_mode: bool,
    out: Path | None,
    force: bool,
    progress: bool | None,
    items: int,
    depth: int,
    lines: int,
    width: int,
    **settings: Any,
) -> None:
    """Call URL in binary mode, and show the response as a tree.

    A VALUE is JSON if it can be read as that, else text. Dots in a KEY or NAME lead into maps. The
    exit code is 1 if the call fails.
    """
    limits = Limits(items, depth, lines, width)
    if out is not None:
        check_folder(out, force=force)
    if json_mode:
        settings["media_type"] = JSON
    try:
        with contextlib.ExitStack() as stack:
            settings["progress"] = _progress_bars(stack, progress)
            value, response = call.send(stack.enter_context(call.open_client(**settings)))
    except httpx2.HTTPStatusError as exc:
        _show_status(exc.response)
        _show_error(exc, limits)
        if call.document and not json_mode and not call.is_binary(exc.response):
            click.echo("If the server has no binary mode, try --json-mode.", err=True)
        click.get_current_context().exit(1)
    _show_status(response)
    if isinstance(value, bytes) and media_type_of(response).startswith("text/"):
        _show_text(text_of(response, value), limits)
    else:
        show(tree_of(value, limits))
    if out is not None:
        for path in save(value, out, force=force):
            click.echo(f"saved {path}", err=True)


def _progress_bars(
    stack: contextlib.ExitStack, choice: bool | None
) -> Callable[[TransferProgress], None] | None:
    """Return a callback that draws a bar for each body, until the stack is closed.

    Args:
        stack: Restores the terminal.
        choice: ``None`` for bars on a terminal, and for large bodies only.
    """
    bars = Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(30),
        TaskProgressColumn(),
        DownloadColumn(binary_units=True),
        console=Console(stderr=True),
    )
    if choice is False or (choice is None and not bars.console.is_terminal):
        return None
    tasks: dict[str, TaskID] = {}

    def draw(transfer: TransferProgress) -> None:
        size = transfer.done if transfer.total is None else transfer.total
        if choice is None and size < MIN_PROGRESS_SIZE:
            return
        if not tasks:
            stack.enter_context(bars)
        if transfer.direction not in tasks:
            tasks[transfer.direction] = bars.add_task(transfer.direction, total=transfer.total)
        bars.update(tasks[transfer.direction], completed=transfer.done, total=transfer.total)

    return draw


def _show_status(response: Any) -> None:
    parts = [
        f"{response.status_code} {response.reason_phrase}".strip(),
        response.headers.get("content-type", "")[:_MAX_HEADER_WIDTH],
        format_size(response.num_bytes_downloaded),
    ]
    line = printable(", ".join(filter(None, parts)))
    show(Text(line, style="green" if response.is_success else "red"), err=True)


def _show_error(error: httpx2.HTTPStatusError, limits: Limits) -> None:
    response, problem = error.response, getattr(error, "problem", None)
    location = response.headers.get("location")
    if response.is_redirect and location is not None:
        where = printable(location[:_REASON_WIDTH])
        click.echo(f"redirected to {where}; --follow-redirects follows", err=True)
    elif problem is not None:
        wider = replace(limits, width=max(limits.width, _REASON_WIDTH))
        show(tree_of(problem, wider), err=True)
    elif media_type_of(response).startswith("text/"):
        _show_text(text_of(response, response.content), limits, err=True)


def _show_text(text: str, limits: Limits, *, err: bool = False) -> None:
    lines = text.expandtabs().splitlines() or [""]
    click.echo("\n".join(map(printable, lines[: limits.lines])), err=err)
    if len(lines) > limits.lines:
        click.echo(f"... {len(lines) - limits.lines:,} more lines; --lines shows more", err=err)

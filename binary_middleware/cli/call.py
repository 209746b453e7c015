"""``call``: a request in binary mode, its answer shown as a tree or saved as files."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from binary_middleware._http.media_types import JSON, parse_media_type
from binary_middleware.cli.byte_sizes import format_size
from binary_middleware.cli.calling import (
    Refused,
    check_url,
    fetch,
    headers_of,
    method_for,
    open_client,
    request_options,
)
from binary_middleware.cli.escaping import printable
from binary_middleware.cli.progress_bar import ProgressBar
from binary_middleware.cli.request_document import document_of, document_options
from binary_middleware.cli.saving import check_folder, save
from binary_middleware.cli.tree import Limits, drawn, entries_of, limit_options, plain_text
from binary_middleware.client._error_text import decode_text
from binary_middleware.options import MEDIA_TYPES, Arrays

if TYPE_CHECKING:
    from binary_middleware.client._httpx import Response


_REASON_WIDTH: Final = 1000
"""Characters of a string in what a server says of an error: a reason is to be read whole."""

_LONGEST_TYPE: Final = 200
"""Characters of a media type that are shown."""


@click.command(name="call")
@request_options
@document_options
@click.option("--json-mode", is_flag=True, help="Speak JSON, to compare.")
@click.option(
    "--media-type",
    default=MEDIA_TYPES[0],
    show_default=True,
    help="The name that the server has for msgpack.",
)
@click.option("--arrays", type=click.Choice(get_args(Arrays)), help="How arrays are written.")
@click.option("-L", "--follow-redirects", is_flag=True, help="Follow redirects.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Save the answer: arrays as .npy, bytes by their kind, the rest as document.json.",
)
@click.option("--force", is_flag=True, help="Save even if FOLDER is not empty.")
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Draw a bar while bodies travel. [default: in a terminal, from 1 MiB]",
)
@limit_options
def command(
    url: str,
    method: str | None,
    headers: tuple[str, ...],
    timeout: float,
    max_response_size: int,
    max_structure_size: int,
    members: tuple[str, ...],
    json_file: str | None,
    npy: tuple[str, ...],
    files: tuple[str, ...],
    json_mode: bool,
    media_type: str,
    arrays: Arrays | None,
    follow_redirects: bool,
    out: Path | None,
    force: bool,
    progress: bool | None,
    **limits: Any,
) -> None:
    """Call URL in binary mode, and show the answer as a tree.

    A VALUE is JSON if it can be read as that, else text. Dots in a KEY or NAME lead into maps.
    The exit code is 1 if the call fails.
    """
    check_url(url)
    document = document_of(members, json_file, npy, files)
    fields = headers_of(headers)
    if out is not None:
        check_folder(out, force=force)
    bar = None
    if progress or (progress is None and sys.stderr.isatty()):
        bar = ProgressBar(0) if progress else ProgressBar()
    shown = Limits(**limits)
    try:
        with open_client(
            media_type=JSON if json_mode else media_type,
            arrays=arrays,
            progress=bar,
            max_response_size=max_response_size,
            max_structure_size=max_structure_size,
            timeout=timeout,
            follow_redirects=follow_redirects,
        ) as client:
            try:
                reply = fetch(client, method_for(method, document), url, document, fields)
            finally:
                if bar is not None:
                    bar.end_line()
    except Refused as exc:
        _show_problem(exc, shown)
        sys.exit(exc.exit_code)
    _show_status(reply.response)
    _show(reply.value, reply.response, shown)
    if out is not None:
        for path in save(reply.value, out, force=force):
            click.echo(f"saved {path}", err=True)


def _show_problem(refused: Refused, limits: Limits) -> None:
    response = refused.response
    _show_status(response)
    location = response.headers.get("location")
    if response.is_redirect and location is not None:
        click.echo(f"redirected to {printable(location[:_REASON_WIDTH])}; -L follows", err=True)
    elif refused.problem is not None:
        limits = replace(limits, width=max(limits.width, _REASON_WIDTH))
        for line in drawn(entries_of(refused.problem, limits), limits):
            click.echo(line, err=True)
    elif _is_text(response):
        _show_text(response.content, response, limits, err=True)
    if refused.advice:
        click.echo(refused.advice, err=True)


def _show_status(response: Response) -> None:
    parts = [
        f"{response.status_code} {response.reason_phrase}".strip(),
        response.headers.get("content-type", "")[:_LONGEST_TYPE],
        format_size(response.num_bytes_downloaded),
    ]
    click.echo(printable(", ".join(filter(None, parts))), err=True)


def _show(value: Any, response: Response, limits: Limits) -> None:
    if isinstance(value, bytes) and _is_text(response):
        _show_text(value, response, limits)
        return
    for line in drawn(entries_of(value, limits), limits):
        click.echo(line)


def _show_text(data: bytes, response: Response, limits: Limits, *, err: bool = False) -> None:
    text = decode_text(data, response.headers.get("content-type", ""))
    lines = plain_text(text).split("\n")
    click.echo("\n".join(lines[: limits.lines]), err=err)
    if len(lines) > limits.lines:
        click.echo(f"... {len(lines) - limits.lines:,} more lines; --lines shows more", err=err)


def _is_text(response: Response) -> bool:
    media_type = parse_media_type(response.headers.get("content-type", ""))
    return media_type is not None and media_type.essence.startswith("text/")

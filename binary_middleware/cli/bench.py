"""``bench``: the same call in JSON and in binary mode, with a table and a chart."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from binary_middleware._http.media_types import JSON, is_binary, parse_media_type
from binary_middleware.cli.bar_chart import Bar, Group, to_svg, to_text
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
from binary_middleware.cli.mistakes import CallFailed, Mistake
from binary_middleware.cli.request_document import document_of, document_options
from binary_middleware.cli.rounds import Call, Figures, measure
from binary_middleware.client._core import NO_DOCUMENT
from binary_middleware.options import MEDIA_TYPES

if TYPE_CHECKING:
    from binary_middleware.client._httpx import Response


_LONGEST: Final = 40
"""Characters of the line that says how far a measurement is, and of a media type."""


@click.command(name="bench")
@request_options
@document_options
@click.option(
    "--media-type",
    default=MEDIA_TYPES[0],
    show_default=True,
    help="The name that the server has for msgpack.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    help="Calls that are measured in each mode.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="How long to measure, in place of a number of rounds.",
)
@click.option(
    "--chart",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.svg",
    help="Write the chart as SVG as well.",
)
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
    media_type: str,
    rounds: int,
    seconds: float | None,
    chart: Path | None,
) -> None:
    """Call URL in JSON and in binary mode, in turn, and compare sizes and times.

    The document is made as for "call"; in JSON its arrays and bytes are base64. A time is that of a
    whole call, with writing the request and reading the answer. The endpoint is called once more in
    each mode before that. The exit code is 1 if there is nothing to compare.
    """
    check_url(url)
    document = document_of(members, json_file, npy, files)
    fields = headers_of(headers)
    verb = method_for(method, document)
    title = f"{verb} {_without_secrets(url)}"
    if chart is not None and not chart.absolute().parent.is_dir():
        raise Mistake(f"there is no folder {chart.parent}")
    options = {
        "max_response_size": max_response_size,
        "max_structure_size": max_structure_size,
        "timeout": timeout,
    }
    with (
        open_client(media_type=JSON, **options) as plain,
        open_client(media_type=media_type, **options) as binary,
    ):
        calls = [
            (Figures(name), partial(fetch, client, verb, url, document, fields))
            for name, client in (("JSON", plain), ("binary", binary))
        ]
        in_json, in_binary = (call for _, call in calls)
        _check_modes(in_json, in_binary, media_type, has_body=document is not NO_DOCUMENT)
        try:
            measure(calls, rounds, seconds, partial(_tell, rounds if seconds is None else None))
        finally:
            _tell(None, None)
    json_figures, binary_figures = (figures for figures, _ in calls)
    groups = _groups(json_figures, binary_figures)
    click.echo(f"{title}, {len(json_figures.times)} calls in each mode\n")
    click.echo(_table(json_figures, binary_figures))
    click.echo(f"\n{to_text(groups)}")
    if chart is not None:
        try:
            chart.write_text(to_svg(f"{title}: JSON and binary", groups), "utf-8")
        except OSError as exc:
            raise Mistake(f"{chart} cannot be written: {exc.strerror}") from exc


def _tell(rounds: int | None, done: int | None) -> None:
    """Say in a terminal how far the measurement is; without a number clear the line."""
    if sys.stderr.isatty():
        of = "" if rounds is None else f" of {rounds:,}"
        line = "" if done is None else f"{done:,}{of} calls in each mode"
        click.echo(f"\r{line:<{_LONGEST}}\r", nl=False, err=True)


def _check_modes(in_json: Call, in_binary: Call, media_type: str, *, has_body: bool) -> None:
    """Call once in each mode, and find out whether there are two.

    Raises:
        CallFailed: there are not.
    """
    try:
        in_json()
    except Refused as exc:
        if exc.response.status_code in (406, 415):
            raise CallFailed(f"the endpoint does not speak JSON: {exc.message}") from exc
        raise
    try:
        response = in_binary().response
    except Refused as exc:
        if _is_msgpack(exc.response, media_type):
            raise
        status = exc.response.status_code
        raise CallFailed(
            f"the endpoint has no binary mode: it answers {status} to a request in msgpack"
        ) from exc
    if _is_msgpack(response, media_type):
        return
    what = response.headers.get("content-type", "")
    parsed = parse_media_type(what)
    what = printable(what[:_LONGEST])
    if parsed is not None and parsed.is_json:
        raise CallFailed(f"the endpoint has no binary mode: its answer is {what} all the same")
    if not has_body:
        raise CallFailed(f"nothing to compare: the answer is {what or 'empty'} in both modes")


def _is_msgpack(response: Response, name: str) -> bool:
    media_type = parse_media_type(response.headers.get("content-type", ""))
    return media_type is not None and is_binary(media_type.essence, (*MEDIA_TYPES, name))


def _without_secrets(url: str) -> str:
    """A URL for the eyes of others: without a password and without a query."""
    parts = urlsplit(url)
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


_COLUMNS = ("", "sent", "received", "median", "middle half")


def _table(in_json: Figures, in_binary: Figures) -> str:
    rows: list[Sequence[str]] = [_COLUMNS]
    for figures in (in_json, in_binary):
        low, high = figures.quartiles
        sizes = format_size(figures.sent), format_size(figures.received)
        spread = f"{low:.2f} to {high:.2f} ms"
        rows.append((figures.name, *sizes, f"{figures.median:.2f} ms", spread))
    pairs = [(getattr(in_binary, each), getattr(in_json, each)) for each in _COMPARED]
    ratios = [f"{ours / theirs:.2f}" if theirs else "" for ours, theirs in pairs]
    rows.append(("binary / JSON", *ratios, ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    )


_COMPARED = ("sent", "received", "median")


def _groups(in_json: Figures, in_binary: Figures) -> list[Group]:
    both = (in_json, in_binary)
    groups = [
        Group(
            "median time",
            [
                Bar(each.name, each.median, f"{each.median:.2f} ms", each is in_binary)
                for each in both
            ],
        )
    ]
    for title in ("sent", "received"):
        sizes = [(each, getattr(each, title)) for each in both]
        bars = [Bar(each.name, size, format_size(size), each is in_binary) for each, size in sizes]
        if any(size for _, size in sizes):
            groups.append(Group(title, bars))
    return groups

"""``bench``: the same call in JSON and in binary mode, compared in a table."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import click
import httpx2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from binary_middleware.cli._client import JSON, Call, call_options, error_line, media_type_of
from binary_middleware.cli._console import cut, format_size, printable, show
from binary_middleware.client import BinaryClient, Result

MIN_ROUNDS: Final = 3
"""Rounds that are made, however long they take."""

_MAX_TYPE_WIDTH: Final = 40

Send = Callable[[], Result[Any]]


@dataclass
class Figures:
    """The measured calls in one mode."""

    name: str
    sent: int = 0
    """Bytes of the body of a request."""
    received: int = 0
    """Bytes of the body of a response, in its content coding."""
    times: list[float] = field(default_factory=list)
    """Milliseconds of each call, with writing the request and reading the response."""

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """The times in milliseconds below which 25, 50 and 75 % of the calls are."""
        low, median, high = np.percentile(self.times, (25, 50, 75))
        return low, median, high

    def measure(self, send: Send) -> None:
        """Add a call."""
        start = time.perf_counter()
        response = send().response
        self.times.append((time.perf_counter() - start) * 1000)
        self.sent = int(response.request.headers.get("content-length", 0))
        self.received = response.num_bytes_downloaded


@click.command("bench", context_settings={"show_default": True})
@call_options
@click.option(
    "--rounds",
    type=click.IntRange(1, 1_000_000),
    default=20,
    help="Calls that are measured in each mode.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Duration of the measurement, instead of a number of rounds.",
)
def command(call: Call, rounds: int, seconds: float | None) -> None:
    """Call URL in JSON and in binary mode, in turn, and compare sizes and times.

    The document is made as for "call"; in JSON its arrays and bytes are base64. A time is that of a
    whole call, with writing the request and reading the response. The endpoint is called once more
    in each mode before that. The exit code is 1 if there is nothing to compare.
    """
    in_json, in_binary = Figures("JSON"), Figures("binary")
    try:
        with call.open_client(media_type=JSON) as json_client, call.open_client() as client:
            calls = (
                (in_json, partial(call.send, json_client)),
                (in_binary, partial(call.send, client)),
            )
            _check_modes(call, json_client, client)
            measure(calls, rounds, seconds)
    except httpx2.HTTPStatusError as exc:
        raise click.ClickException(f"the call failed: {error_line(exc)}") from exc
    # Neither the password nor the query is shown.
    url = printable(f"{call.url.scheme}://{call.url.netloc.decode()}{call.url.path}")
    click.echo(f"{call.method} {url}, {len(in_json.times)} calls in each mode\n")
    show(_table(in_json, in_binary))


def measure(
    calls: Sequence[tuple[Figures, Send]], rounds: int, seconds: float | None = None
) -> None:
    """Make the calls in turn, so that all meet the same disturbances.

    Args:
        calls: Each with the figures that it adds to. Each round begins with another one.
        rounds: Number of calls of each kind.
        seconds: Duration instead of a number; there are at least 3 rounds.
    """
    end = None if seconds is None else time.perf_counter() + seconds
    console = Console(stderr=True)
    with Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("calls in each mode"),
        console=console,
        auto_refresh=False,  # a thread would disturb the measurement
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=rounds if end is None else None)
        for number in itertools.count():
            is_enough = number >= (rounds if end is None else MIN_ROUNDS)
            if is_enough and (end is None or time.perf_counter() >= end):
                return
            progress.update(task, completed=number, refresh=True)
            shift = number % len(calls)
            for figures, send in (*calls[shift:], *calls[:shift]):
                figures.measure(send)


def _check_modes(call: Call, json_client: BinaryClient, client: BinaryClient) -> None:
    """Call once in each mode.

    Raises:
        click.ClickException: There are not two modes.
        httpx2.HTTPStatusError: The call failed for another reason.
    """
    try:
        call.send(json_client)
    except httpx2.HTTPStatusError as exc:
        if exc.response.status_code in (406, 415):
            raise click.ClickException(
                f"the endpoint does not accept JSON: {error_line(exc)}"
            ) from exc
        raise
    try:
        response = call.send(client).response
    except httpx2.HTTPStatusError as exc:
        if call.is_binary(exc.response):
            raise
        raise click.ClickException(
            "the endpoint has no binary mode: its response to a request in msgpack is "
            f"{exc.response.status_code}"
        ) from exc
    media_type = media_type_of(response)
    shown = cut(printable(media_type), _MAX_TYPE_WIDTH) or "empty"
    if media_type.endswith(("/json", "+json")):
        raise click.ClickException(f"the endpoint has no binary mode: its response is {shown}")
    if not call.document and not call.is_binary(response):
        raise click.ClickException(f"nothing to compare: the response is {shown} in both modes")


def _table(in_json: Figures, in_binary: Figures) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for heading in ("sent", "received", "median", "middle half"):
        table.add_column(heading, justify="right")
    numbers = []
    for each in (in_json, in_binary):
        low, median, high = each.quartiles
        sizes = (format_size(each.sent), format_size(each.received))
        table.add_row(each.name, *sizes, f"{median:.2f} ms", f"{low:.2f} to {high:.2f} ms")
        numbers.append((each.sent, each.received, median))
    ratios = (f"{binary / json:.2f}" if json else "" for json, binary in zip(*numbers, strict=True))
    table.add_row("binary / JSON", *ratios, style="bold")
    return table

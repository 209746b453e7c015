"""The README's table: this package beside its peers, with the figures of the last full run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.benchmarks.measure import Figures
from tests.benchmarks.processes import ROOT
from tests.benchmarks.spread import ratios, spread

README: Final = ROOT / "README.md"

_TIME: Final = "array 8 MiB"
_SHORTER_TIME: Final = "array 1 MiB"
"""For those who would take too long."""
_MEMORY: Final = "memory"
_OURS: Final = "object-lane"
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_TABLE: Final = re.compile(r"(?<=<!-- peers -->\n).*?(?=<!-- end of peers -->)", re.DOTALL)


class Peer(NamedTuple):
    """A line of the table.

    Attributes:
        variant: its name in the results.
        title: what it is called, in Markdown.
        arrays: whether arrays arrive as arrays.
        raw: whether bytes arrive as bytes.
        json: whether the same endpoint serves clients that speak JSON.
        remark: what else there is to know.
    """

    variant: str
    title: str
    arrays: str
    raw: str
    json: str
    remark: str


PEERS: Final = (
    Peer(_OURS, "**binary_middleware**", "yes", "yes", "yes", "one line in the app"),
    Peer("grpc", "gRPC", "as bytes", "yes", "no", "another server, another client, a schema"),
    Peer("litestar", "Litestar's msgpack", "as bytes", "yes", "no", "another framework"),
    Peer(
        "msgpack-endpoint",
        "msgpack-numpy in the endpoint",
        "yes",
        "yes",
        "no",
        "unpickles its input",
    ),
    Peer("fastapi-json", "JSON with base64", "decoded by a type", "as base64", "yes", ""),
    Peer("msgpack-asgi", "msgpack-asgi, base64", "decoded by a type", "as base64", "yes", ""),
    Peer("fastapi-lists", "JSON with lists", "as lists", "no", "yes", ""),
)


def table(results: Mapping[str, Figures]) -> str:
    """Return the table in Markdown.

    Args:
        results: figures by the name of the work, as a full run has them.
    """
    lines = [
        "| | 8 MiB there and back | memory, 64 MiB | arrays | bytes | JSON as well | |",
        "|---|---:|---:|---|---|---|---|",
    ]
    for peer in PEERS:
        held = results[_MEMORY].get(peer.variant)
        cells = (
            peer.title,
            _time(results, peer.variant),
            f"{spread(held).median:.1f} {_TIMES} the array" if held else "",
            *peer[2:],
        )
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def _time(results: Mapping[str, Figures], variant: str) -> str:
    name = _TIME if variant in results[_TIME] else _SHORTER_TIME
    time = spread(results[name][variant]).median
    if variant == _OURS:
        return f"{time * 1e3:.1f} ms"
    multiple = spread(ratios(results[name][variant], results[name][_OURS])).median
    if name == _SHORTER_TIME:
        return f"{multiple:.0f} {_TIMES} at 1 MiB"
    return f"{time * 1e3:.1f} ms ({multiple:.1f} {_TIMES})"


def written_into(page: str, results: Mapping[str, Figures]) -> str:
    """Return a page with the table between its marks.

    Raises:
        ValueError: the page has no such marks.
    """
    if _TABLE.search(page) is None:
        raise ValueError("there is no table of peers to replace")
    return _TABLE.sub(lambda _: table(results), page)


def write(results: Mapping[str, Figures], page: Path = README) -> None:
    """Write the table into a page, in place of the one that is there."""
    page.write_text(written_into(page.read_text(), results))

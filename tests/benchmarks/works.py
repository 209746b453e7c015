"""The work that is measured: each piece, with the variants that do it and the number of rounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from tests.benchmarks.documents import KIB, MIB
from tests.benchmarks.variants import VARIANTS

Kind = Literal[
    "round trip", "server cpu", "peak memory", "loop delay", "client time", "client memory"
]

MULTIPLES: Final = frozenset({"peak memory", "client memory"})
"""The kinds whose figures are multiples of the array; all others are seconds."""


class Effort(NamedTuple):
    """How often a piece of work is measured.

    Attributes:
        starts: how often all servers are started afresh: how memory lies in a process is decided
            when it starts, and can make twice the difference.
        rounds: how many there are for each start; each gives one figure for each variant.
    """

    starts: int
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """One piece of work.

    Attributes:
        name: what it is called in results, in goals, and by ``--only``.
        title: the same for readers.
        kind: what is measured.
        path: what is asked for.
        array_bytes: size of the document's array; 0 for the small document.
        variants: the names of the variants that do it.
        quick_variants: those of a quick run.
        baselines: the variants among them that the others are compared with.
        full: the effort of a full run.
        quick: the effort of a quick run.
        requests: how many make one figure, at most.
        seconds: how long these may take before there are fewer, but at least one.
    """

    name: str
    title: str
    kind: Kind
    path: str
    array_bytes: int = 0
    variants: tuple[str, ...]
    quick_variants: tuple[str, ...]
    baselines: tuple[str, ...] = ()
    full: Effort
    quick: Effort
    requests: int
    seconds: float = 0.1


CONCURRENCY: Final = 16
"""Connections for the small document."""

_ARRAY_VARIANTS: Final = (
    "limit",
    "limit-reused",
    "starlette-echo",
    "object-lane",
    "json-lane",
    "fastapi-json",
    "fastapi-lists",
    "msgpack-asgi",
    "msgpack-asgi-lists",
    "msgpack-endpoint",
    "litestar",
    "grpc",
)

_QUICK_ARRAY_VARIANTS: Final = ("limit", "starlette-echo", "object-lane")
_QUICK_WITH_JSON: Final = (*_QUICK_ARRAY_VARIANTS, "json-lane", "fastapi-json")


def _can_move(name: str, nbytes: int) -> bool:
    largest = VARIANTS[name].largest_array
    return largest is None or nbytes <= largest


def _round_trip(
    size: str,
    nbytes: int,
    *,
    full: Effort,
    quick: Effort,
    requests: int,
    seconds: float = 0.1,
    quick_variants: tuple[str, ...] = _QUICK_ARRAY_VARIANTS,
) -> Work:
    return Work(
        name=f"array {size}",
        title=f"Array round trip, {size}",
        kind="round trip",
        path="/array",
        array_bytes=nbytes,
        variants=tuple(name for name in _ARRAY_VARIANTS if _can_move(name, nbytes)),
        quick_variants=quick_variants,
        baselines=("starlette-echo", "limit"),
        full=full,
        quick=quick,
        requests=requests,
        seconds=seconds,
    )


def _round_trip_on(server: str) -> Work:
    variants = (f"limit@{server}", f"starlette-echo@{server}", f"object-lane@{server}")
    return Work(
        name=f"array 8 MiB {server}",
        title=f"Array round trip on {server}, 8 MiB",
        kind="round trip",
        path="/array",
        array_bytes=8 * MIB,
        variants=variants,
        quick_variants=variants,
        baselines=(f"starlette-echo@{server}", f"limit@{server}"),
        full=Effort(5, 5),
        quick=Effort(2, 3),
        requests=5,
    )


def _document(name: str, title: str, path: str, *variants: str) -> Work:
    quick = ("fastapi-json", "object-lane", "object-lane+json", "json-lane+json")
    return Work(
        name=name,
        title=title,
        kind="server cpu",
        path=path,
        variants=("fastapi-json", *variants),
        quick_variants=tuple(name for name in ("fastapi-json", *variants) if name in quick),
        baselines=("fastapi-json",),
        full=Effort(3, 7),
        quick=Effort(1, 6),
        requests=1200,
        seconds=10,
    )


def _client(name: str, kind: Kind, title: str, full: Effort, quick: Effort) -> Work:
    return Work(
        name=name,
        title=title,
        kind=kind,
        path="/array",
        array_bytes=64 * MIB,
        variants=(
            "client-ours",
            "client-ours-async",
            "client-requests",
            "client-httpx2",
            "client-chains",
        ),
        quick_variants=("client-ours", "client-requests"),
        baselines=("client-requests",),
        full=full,
        quick=quick,
        requests=3,
    )


def _memory(name: str, title: str, path: str, requests: int, *variants: str) -> Work:
    return Work(
        name=name,
        title=title,
        kind="peak memory",
        path=path,
        array_bytes=64 * MIB,
        variants=variants,
        quick_variants=("object-lane",),
        full=Effort(2, 1),
        quick=Effort(1, 1),
        requests=requests,
    )


_ALL: Final = (
    _round_trip("64 KiB", 64 * KIB, full=Effort(5, 5), quick=Effort(2, 4), requests=100),
    _round_trip("1 MiB", MIB, full=Effort(5, 5), quick=Effort(2, 4), requests=20),
    _round_trip(
        "8 MiB",
        8 * MIB,
        full=Effort(5, 5),
        quick=Effort(2, 3),
        requests=5,
        quick_variants=_QUICK_WITH_JSON,
    ),
    _round_trip(
        "64 MiB",
        64 * MIB,
        full=Effort(3, 3),
        quick=Effort(2, 1),
        requests=3,
        seconds=0.5,
        quick_variants=_QUICK_WITH_JSON,
    ),
    _round_trip_on("hypercorn"),
    _round_trip_on("granian"),
    _document(
        "document",
        "Document of 20 fields",
        "/document",
        "object-lane",
        "json-lane",
        "msgpack-endpoint",
        "msgpack-asgi",
        "litestar",
        "grpc",
        "starlette-echo",
        "limit",
    ),
    _document(
        "document injected",
        "Document of 20 fields, a dependency and an injected Response",
        "/document/injected",
        "object-lane",
        "json-lane",
        "msgpack-asgi",
    ),
    _document(
        "document untyped",
        "Document of 20 fields, no response model",
        "/document/untyped",
        "object-lane",
        "json-lane",
        "msgpack-asgi",
    ),
    _document(
        "document json",
        "Document of 20 fields, JSON clients of an app in binary mode",
        "/document",
        "object-lane+json",
        "json-lane+json",
    ),
    _memory(
        "memory",
        "One round trip, 64 MiB",
        "/array",
        1,
        *(name for name in _ARRAY_VARIANTS if _can_move(name, 64 * MIB)),
    ),
    _memory(
        "memory distinct",
        "One round trip, 64 MiB, the response with an array of its own",
        "/distinct",
        1,
        "object-lane",
        "json-lane",
        "fastapi-json",
        "msgpack-endpoint",
        "litestar",
    ),
    _memory(
        "memory repeated",
        "Eight round trips in a row, 64 MiB",
        "/array",
        8,
        "limit",
        "starlette-echo",
        "object-lane",
        "json-lane",
        "fastapi-json",
        "msgpack-endpoint",
        "litestar",
    ),
    Work(
        name="loop delay",
        title="Worst wait of a small request while 64 MiB bodies flow",
        kind="loop delay",
        path="/array",
        array_bytes=64 * MIB,
        variants=(
            "limit",
            "starlette-echo",
            "object-lane",
            "json-lane",
            "fastapi-json",
            "litestar",
        ),
        quick_variants=("starlette-echo", "object-lane"),
        baselines=("starlette-echo",),
        full=Effort(3, 3),
        quick=Effort(2, 2),
        requests=3,
        seconds=1,
    ),
    _client("client time", "client time", "One call, 64 MiB", Effort(3, 4), Effort(1, 2)),
    _client("client memory", "client memory", "Memory of one call", Effort(2, 1), Effort(1, 1)),
)

WORKS: Final[Mapping[str, Work]] = {work.name: work for work in _ALL}
"""By name, in the order in which they are done."""

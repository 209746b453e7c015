"""The goals of the library, as limits for the figures of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.measure import Figures
from tests.benchmarks.spread import Spread, ratios, spread


@dataclass(frozen=True)
class Goal:
    """One goal.

    Attributes:
        name: what it is about, for readers.
        work: a name of ``works.WORKS``.
        variant: whose figure has to be small.
        baseline: as a multiple of whose figure; ``None`` for one that is a multiple already.
        limit: the largest multiple that is good enough.
    """

    name: str
    work: str
    variant: str
    baseline: str | None
    limit: float

    def reached(self, results: Mapping[str, Figures]) -> Spread | None:
        """Return the multiple, with its quartiles; ``None`` if it was not measured."""
        figures = results.get(self.work, {})
        values = figures.get(self.variant)
        if not values:
            return None
        if self.baseline is None:
            return spread(values)
        baseline = figures.get(self.baseline)
        return spread(ratios(values, baseline)) if baseline else None


GOALS: Final = (
    Goal("object lane, 64 KiB", "array 64 KiB", "object-lane", "starlette-echo", 2.0),
    Goal("object lane, 1 MiB", "array 1 MiB", "object-lane", "starlette-echo", 0.65),
    Goal("object lane, 8 MiB", "array 8 MiB", "object-lane", "starlette-echo", 0.50),
    Goal("object lane, 8 MiB", "array 8 MiB", "object-lane", "limit", 1.10),
    Goal("object lane, 64 MiB", "array 64 MiB", "object-lane", "starlette-echo", 0.50),
    Goal("object lane, 64 MiB", "array 64 MiB", "object-lane", "limit", 1.10),
    Goal("JSON lane, 8 MiB", "array 8 MiB", "json-lane", "fastapi-json", 1.3),
    Goal("JSON lane, 64 MiB", "array 64 MiB", "json-lane", "fastapi-json", 1.3),
    Goal(
        "object lane on hypercorn, 8 MiB",
        "array 8 MiB hypercorn",
        "object-lane@hypercorn",
        "starlette-echo@hypercorn",
        0.8,
    ),
    Goal(
        "object lane on hypercorn, 8 MiB",
        "array 8 MiB hypercorn",
        "object-lane@hypercorn",
        "limit@hypercorn",
        1.1,
    ),
    Goal(
        "object lane on granian, 8 MiB",
        "array 8 MiB granian",
        "object-lane@granian",
        "starlette-echo@granian",
        0.8,
    ),
    Goal(
        "object lane on granian, 8 MiB",
        "array 8 MiB granian",
        "object-lane@granian",
        "limit@granian",
        1.1,
    ),
    Goal("small document, plain route, CPU", "document", "object-lane", "fastapi-json", 0.80),
    Goal(
        "small document, injected `Response`, CPU",
        "document injected",
        "object-lane",
        "fastapi-json",
        1.05,
    ),
    Goal(
        "small document, no response model, CPU",
        "document untyped",
        "object-lane",
        "fastapi-json",
        1.05,
    ),
    Goal(
        "JSON clients of `add_binary_mode`, CPU",
        "document json",
        "object-lane+json",
        "fastapi-json",
        1.05,
    ),
    Goal(
        "JSON clients of the middleware, CPU",
        "document json",
        "json-lane+json",
        "fastapi-json",
        1.05,
    ),
    Goal("peak memory, 64 MiB", "memory", "object-lane", None, 1.1),
    Goal(
        "peak memory, response with an array of its own",
        "memory distinct",
        "object-lane",
        None,
        2.1,
    ),
    Goal("peak memory, eight times 64 MiB", "memory repeated", "object-lane", None, 1.1),
    Goal("time of a call, 64 MiB", "client time", "client-ours", "client-requests", 0.7),
    Goal("client's memory for a call, 64 MiB", "client memory", "client-ours", None, 1.1),
    Goal("worst wait of a small request", "loop delay", "object-lane", "starlette-echo", 1.1),
)
"""All of them."""

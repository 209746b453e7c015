"""The same calls in JSON and in binary mode, in turn, so that both meet the same disturbances."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from binary_middleware.client import Result

Call = Callable[[], "Result[Any]"]

_FEWEST = 3
"""Rounds that are made, however long they take."""


@dataclass
class Figures:
    """What the calls in one mode came to."""

    name: str
    sent: int = 0
    """Bytes of the body of a request."""
    received: int = 0
    """Bytes of the body of an answer, in the content coding in which they came."""
    times: list[float] = field(default_factory=list)
    """Milliseconds of each call, with writing the request and reading the answer."""

    @property
    def median(self) -> float:
        """Milliseconds."""
        return statistics.median(self.times)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Milliseconds between which the middle half of the calls is."""
        if len(self.times) == 1:
            return self.times[0], self.times[0]
        low, _, high = statistics.quantiles(self.times, method="inclusive")
        return low, high


def measure(
    calls: Sequence[tuple[Figures, Call]],
    rounds: int,
    seconds: float | None = None,
    tell: Callable[[int], None] = lambda number: None,
) -> None:
    """Make calls until there are enough.

    Args:
        calls: each with the figures that it adds to. Each round begins with another one.
        rounds: how many calls of each kind are made.
        seconds: in place of a number, how long calls are made; at least 3 of each.
        tell: is told, before each round, how many there have been.
    """
    end = None if seconds is None else time.perf_counter() + seconds
    for number in itertools.count():
        if number >= (rounds if end is None else _FEWEST) and (
            end is None or time.perf_counter() >= end
        ):
            return
        tell(number)
        shift = number % len(calls)
        for figures, call in (*calls[shift:], *calls[:shift]):
            _measure_one(figures, call)


def _measure_one(figures: Figures, call: Call) -> None:
    start = time.perf_counter()
    response = call().response
    figures.times.append((time.perf_counter() - start) * 1000)
    figures.sent = int(response.request.headers.get("content-length", 0))
    figures.received = response.num_bytes_downloaded

"""Medians and quartiles, of figures and of ratios that belong together round by round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """A median with the quartiles around it, in the unit of the values."""

    low: float
    median: float
    high: float


def quantile(values: Sequence[float], fraction: float) -> float:
    """Return the quantile of some values, interpolated between neighbours.

    Args:
        values: at least one, in any order.
        fraction: 0 for the least of them, 1 for the greatest.
    """
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def spread(values: Sequence[float]) -> Spread:
    """Return the median of some values, and the quartiles."""
    return Spread(quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75))


def ratios(values: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Each round's value as a multiple of the baseline's in the same round.

    What disturbs the machine for longer than a round disturbs both, and cancels out.
    """
    return [value / base for value, base in zip(values, baseline, strict=True)]

"""Numbers of bytes as people write them: ``64MiB``, ``10 MB``, ``500``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

import click

_UNITS: Final = {
    "": 1,
    "b": 1,
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", start=1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgt", start=1)},
}
_SIZE: Final = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([a-zA-Z]*)", re.ASCII)


def parse_size(text: str) -> int:
    """The number of bytes that a text stands for: kB is 1000 of them, KiB is 1024.

    Raises:
        ValueError: it is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a size; write 500, 64KiB, 10MB or the like")
    return int(Decimal(match[1]) * unit)


def format_size(size: int) -> str:
    """A number of bytes with the unit that suits it: ``57 B``, ``1.5 KiB``, ``64 MiB``."""
    if size < 1024:
        return f"{size} B"
    value, units = float(size), ["TiB", "GiB", "MiB", "KiB"]
    while value >= 1000 and units:
        value, unit = value / 1024, units.pop()
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def byte_size(text: str) -> int:
    """The type of an option that is a size; a mistake is one of usage."""
    try:
        return parse_size(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc

"""Short forms of what a client sent, for error reports that JSON must be able to hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

LARGEST: Final = 1024
"""Characters of text, or about as many of JSON, that are reported as they are."""


def summarize_errors(errors: Sequence[Any]) -> list[Any]:
    """Pydantic's error list, its inputs and contexts summarised where JSON could not hold them.

    What JSON can hold, and is not larger than about 1 KiB, stays exactly as it is.
    """
    return [
        {
            key: summarize_input(value) if key in ("input", "ctx") else value
            for key, value in error.items()
        }
        for error in errors
    ]


def summarize_input(value: Any) -> Any:
    """``value`` if JSON can hold it and it is small, else text such as ``<bytes 1024>``.

    Containers are kept where they are small once their members are summarised.
    """
    try:
        summary, size = _summarize(value)
    except RecursionError:
        return f"<{type(value).__name__} that nests too deeply>"
    return summary if size <= LARGEST else describe(value)


def describe(value: Any) -> str:
    """The type and the size of a value: ``<ndarray float32 (3, 2)>``, ``<bytes 1024>``."""
    if isinstance(value, np.ndarray):
        return f"<ndarray {value.dtype} {value.shape}>"[:LARGEST]
    if isinstance(value, (bytes, str, dict, list, tuple)):
        return f"<{type(value).__name__} {len(value)}>"
    return f"<{type(value).__name__}>"


def _summarize(value: Any) -> tuple[Any, int]:
    """The summary, and about how many characters of JSON it is; stops where that is too many."""
    if value is None or isinstance(value, (bool, int)):
        return value, 4 if not isinstance(value, int) else value.bit_length() // 3 + 1
    if isinstance(value, float):
        return (value, 24) if math.isfinite(value) else (f"<float {value}>", 24)
    if isinstance(value, str):
        return (value, len(value)) if len(value) <= LARGEST else (describe(value), 24)
    if isinstance(value, complex):
        return f"<complex {value}>", 48
    if isinstance(value, (bytes, np.ndarray)):
        return describe(value), 48
    if isinstance(value, np.generic):
        return f"<{value.dtype} {value}>"[:LARGEST], 48
    if isinstance(value, Mapping):
        return _summarize_members(value, dict(value).items())
    if isinstance(value, (list, tuple)):
        return _summarize_members(value, enumerate(value))
    return value, 24  # FastAPI knows what to make of the rest


def _summarize_members(value: Any, members: Any) -> tuple[Any, int]:
    summaries: dict[Any, Any] = {}
    total = 2
    for key, member in members:
        summaries[key], size = _summarize(member)
        total += size + (len(key) if isinstance(key, str) else 4)
        if total > LARGEST:
            return describe(value), 24
    if isinstance(value, Mapping):
        return summaries, total
    return type(value)(summaries.values()) if type(value) in (list, tuple) else list(
        summaries.values()
    ), total

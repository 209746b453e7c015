"""Short forms of what a client sent, for error reports that JSON must be able to hold."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import numpy as np

from binary_middleware.fields import is_array_like

Encode = Callable[[Any], Any]

LARGEST: Final = 1024
"""Characters of text, or about as many of JSON, that are reported as they are."""


def summarize_errors(errors: Sequence[Any], encode: Encode) -> list[Any]:
    """A list of validation errors, summarised where JSON could not hold them.

    An input that JSON can hold, and that is not larger than about 1 KiB, stays exactly as it is,
    and so does everything but the inputs as long as JSON can hold it.

    Args:
        errors: as pydantic's ``ValidationError.errors()`` gives them.
        encode: how the framework prepares values that are not plain data for JSON.
    """
    known: dict[int, Any] = {}
    summaries: list[Any] = []
    size = 0
    for error in errors:
        summary = _summarize_error(error, encode, known)
        size += _approximate_length(summary)
        if size > MAX_REPORT:
            message = f"Input has {len(errors) - len(summaries)} further errors"
            summaries.append({"type": "too_many_errors", "loc": ("body",), "msg": message})
            break
        summaries.append(summary)
    return summaries


def _summarize_error(error: Any, encode: Encode, known: dict[int, Any]) -> Any:
    if not isinstance(error, Mapping):
        return error  # of the app's own making
    summary = dict(error)
    if "input" in summary:
        # All fields that a map lacks have the map for their input.
        value = summary["input"]
        if id(value) not in known:
            known[id(value)] = summarize_input(value, encode)
        summary["input"] = known[id(value)]
    if isinstance(summary.get("loc"), (list, tuple)):
        summary["loc"] = type(summary["loc"])(map(_shorten, summary["loc"]))
    if "msg" in summary:
        summary["msg"] = _shorten(summary["msg"])
    if isinstance(summary.get("ctx"), Mapping):
        summary["ctx"] = {
            key: summarize_input(value, encode)
            if _length_in_json(value, encode) is None
            else _shorten(value)
            for key, value in summary["ctx"].items()
        }
    return summary


def _shorten(value: Any) -> Any:
    """Cut text that repeats what a client sent: a key in a place, a tag in a message."""
    if isinstance(value, str) and len(value) > MAX_TEXT_LENGTH:
        return f"{value[: MAX_TEXT_LENGTH - 3]}..."
    return value


def _approximate_length(error: Any) -> int:
    """About how many characters of JSON an error is, its input aside: that is small."""
    try:
        return len(str(error))
    except Exception:  # an object of the app's own
        return LARGEST


MAX_TEXT_LENGTH: Final = 16 * 1024
"""Characters of a place, a message or a part of a context that are reported."""

MAX_REPORT: Final = 1024 * 1024
"""Characters of a report, about; the errors beyond are counted only."""


def summarize_input(value: Any, encode: Encode) -> Any:
    """``value`` if JSON can hold it and it is small, else text such as ``<bytes 1024>``.

    Containers are kept where they are small once their members are summarised.
    """
    try:
        summary, size = _summarize(value, encode)
    except RecursionError:
        return f"<{type(value).__name__} that nests too deeply>"
    return summary if size <= LARGEST else describe(value)


def describe(value: Any) -> str:
    """The type and the size of a value: ``<ndarray float32 (3, 2)>``, ``<bytes 1024>``."""
    if isinstance(value, np.ndarray):
        return f"<ndarray {value.dtype} {value.shape}>"[:LARGEST]
    if isinstance(value, Sized) and not is_array_like(value):
        return f"<{type(value).__name__} {len(value)}>"
    return f"<{type(value).__name__}>"


def _describe_scalar(value: np.generic) -> str:
    try:
        return f"<{value.dtype} {value}>"[:LARGEST]
    except ValueError:  # a time without a unit has no text
        return f"<{value.dtype}>"


def _summarize(value: Any, encode: Encode) -> tuple[Any, int]:
    """The summary, and about how many characters of JSON it is; stops where that is too many."""
    if value is None or isinstance(value, (bool, int)):
        return value, 4 if not isinstance(value, int) else value.bit_length() // 3 + 1
    if isinstance(value, float):
        return (value, 24) if math.isfinite(value) else (f"<float {value}>", 24)
    if isinstance(value, str):
        return (value, len(value)) if len(value) <= LARGEST else (describe(value), 24)
    if isinstance(value, complex):
        return f"<complex {value}>", 48
    if isinstance(value, np.generic):
        return _describe_scalar(value), 48
    if isinstance(value, (bytes, bytearray, memoryview)) or is_array_like(value):
        return describe(value), 48
    if type(value) is dict and all(type(key) is str for key in islice(value, LARGEST)):
        return _summarize_members(value, value.items(), encode)
    if type(value) in (list, tuple):
        return _summarize_members(value, enumerate(value), encode)
    # What a validator made of an input can be anything.
    length = _length_in_json(value, encode)
    return (value, length) if length is not None else (describe(value), 24)


def _summarize_members(
    value: Any, members: Iterable[tuple[Any, Any]], encode: Encode
) -> tuple[Any, int]:
    summaries: dict[Any, Any] = {}
    total = 2
    for key, member in members:
        summaries[key], size = _summarize(member, encode)
        total += size + (len(key) if isinstance(key, str) else 4)
        if total > LARGEST:
            return describe(value), 24
    return (summaries if type(value) is dict else type(value)(summaries.values())), total


def _length_in_json(value: Any, encode: Encode) -> int | None:
    """How long a value is as JSON, ``None`` if it cannot be written."""
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) > LARGEST:
        return None  # FastAPI's encoder would make an integer of it, all digits
    try:
        return len(json.dumps(encode(value), allow_nan=False))
    except Exception:  # whatever the encoder, or the value's own code, raises
        return None

"""Validation errors that JSON can hold: few of them, with short inputs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from binary_middleware.fields import is_array_like

Errors = list[dict[str, Any]]
"""Errors as from ``ValidationError.errors()``."""
Encode = Callable[[Any], Any]
"""Prepares values that are not plain data for JSON, as the framework does."""

MAX_ERRORS: Final = 1000
"""Errors of a report; where there are more, only their number is reported."""
MAX_INPUT_LENGTH: Final = 1024
"""Characters of JSON, about, up to which an input is reported unchanged."""
MAX_TEXT_LENGTH: Final = 16 * 1024
"""Characters of a location, a message or a part of a context that are reported."""
MAX_REPORT: Final = 1024 * 1024
"""Characters of a report, about; the errors beyond are only counted."""

_SHORT: Final = 24
"""Characters of a description, about."""


def make_error(type_: str, message: str, document: Any) -> dict[str, Any]:
    """Return an error about a whole document."""
    return {"type": type_, "loc": (), "msg": message, "input": document}


def errors_of(exc: ValidationError, document: Any) -> Errors:
    """Return the errors of a document, or one that says how many there are."""
    count = exc.error_count()
    if count > MAX_ERRORS:
        message = f"Input should be valid: {count} errors were found"
        return [make_error("too_many_errors", message, document)]
    errors: Any = exc.errors(include_url=False)
    for error in errors:
        cause = error.get("ctx", {}).get("error")
        while isinstance(cause, BaseException):
            # Its frames refer to those that hold the document and the errors, which would stay
            # in memory until the garbage collector runs.
            cause.__traceback__ = None
            cause = cause.__cause__ or cause.__context__
    return list(errors)


def summarize_errors(errors: Sequence[Any], encode: Encode) -> list[Any]:
    """Return validation errors with summaries of the values that JSON cannot hold.

    An input that JSON can hold, of at most about 1 KiB, is reported unchanged. So is everything
    else that JSON can hold.

    Args:
        errors: The errors, as from ``ValidationError.errors()``.
        encode: Prepares values for JSON.
    """
    inputs: dict[int, Any] = {}
    summaries: list[Any] = []
    size = 0
    for error in errors:
        summary = _summarize_error(error, encode, inputs)
        try:
            size += len(str(summary))
        except Exception:  # an object of the app's own
            size += MAX_INPUT_LENGTH
        if size > MAX_REPORT:
            message = f"Input has {len(errors) - len(summaries)} further errors"
            summaries.append({"type": "too_many_errors", "loc": ("body",), "msg": message})
            break
        summaries.append(summary)
    return summaries


def _summarize_error(error: Any, encode: Encode, inputs: dict[int, Any]) -> Any:
    if not isinstance(error, Mapping):
        return error  # made by the app
    summary = dict(error)
    if "input" in summary:
        # The input of all fields that a map lacks is the map.
        value = summary["input"]
        if id(value) not in inputs:
            inputs[id(value)] = summarize_input(value, encode)
        summary["input"] = inputs[id(value)]
    if isinstance(summary.get("loc"), (list, tuple)):
        summary["loc"] = type(summary["loc"])(map(_shorten, summary["loc"]))
    if "msg" in summary:
        summary["msg"] = _shorten(summary["msg"])
    if isinstance(summary.get("ctx"), Mapping):
        summary["ctx"] = {
            key: summarize_input(value, encode)
            if _json_length(value, encode) is None
            else _shorten(value)
            for key, value in summary["ctx"].items()
        }
    return summary


def _shorten(value: Any) -> Any:
    """Cut text that repeats what a client sent: a key in a location, a tag in a message."""
    if isinstance(value, str) and len(value) > MAX_TEXT_LENGTH:
        return f"{value[: MAX_TEXT_LENGTH - 3]}..."
    return value


def summarize_input(value: Any, encode: Encode) -> Any:
    """Return a value if it is small and JSON can hold it, else text such as ``<bytes 1024>``.

    Containers are kept if they are small once their members are summarized.
    """
    try:
        summary, size = _summarize(value, encode)
    except RecursionError:
        return f"<{type(value).__name__} that nests too deeply>"
    return summary if size <= MAX_INPUT_LENGTH else describe(value)


def describe(value: Any) -> str:
    """Return the type and size of a value: ``<ndarray float32 (3, 2)>``, ``<bytes 1024>``."""
    if isinstance(value, np.ndarray):
        return f"<ndarray {value.dtype} {value.shape}>"[:MAX_INPUT_LENGTH]
    if isinstance(value, np.generic):
        try:
            return f"<{value.dtype} {value}>"[:MAX_INPUT_LENGTH]
        except ValueError:  # a time without a unit has no text
            return f"<{value.dtype}>"
    if isinstance(value, Sized) and not is_array_like(value):
        return f"<{type(value).__name__} {len(value)}>"
    return f"<{type(value).__name__}>"


def _summarize(value: Any, encode: Encode) -> tuple[Any, int]:
    """Return a summary and its length in JSON, about; stop where it is too long."""
    if value is None or isinstance(value, (bool, int)):
        return value, 4 if value is None else value.bit_length() // 3 + 1
    if isinstance(value, float):
        return (value if math.isfinite(value) else f"<float {value}>"), _SHORT
    if isinstance(value, complex):
        return f"<complex {value}>", 2 * _SHORT
    if isinstance(value, str) and len(value) <= MAX_INPUT_LENGTH:
        return value, len(value)
    is_opaque = isinstance(value, (str, bytes, bytearray, memoryview, np.generic))
    if is_opaque or is_array_like(value):
        return describe(value), 2 * _SHORT
    if type(value) is dict and all(type(key) is str for key in islice(value, MAX_INPUT_LENGTH)):
        return _summarize_members(value, value.items(), encode)
    if type(value) in (list, tuple):
        return _summarize_members(value, enumerate(value), encode)
    # What a validator made of an input can be of any type.
    length = _json_length(value, encode)
    return (value, length) if length is not None else (describe(value), _SHORT)


def _summarize_members(
    value: Any, members: Iterable[tuple[Any, Any]], encode: Encode
) -> tuple[Any, int]:
    summaries: dict[Any, Any] = {}
    total = 2
    for key, member in members:
        summaries[key], size = _summarize(member, encode)
        total += size + (len(key) if isinstance(key, str) else 4)
        if total > MAX_INPUT_LENGTH:
            return describe(value), _SHORT
    return (summaries if type(value) is dict else type(value)(summaries.values())), total


def _json_length(value: Any, encode: Encode) -> int | None:
    """Return how long a value is in JSON, ``None`` if JSON cannot hold it."""
    if (
        isinstance(value, Decimal)
        and value.is_finite()
        and abs(value.adjusted()) > MAX_INPUT_LENGTH
    ):
        return None  # FastAPI's encoder would make an integer of it, with all of its digits
    try:
        return len(json.dumps(encode(value), allow_nan=False))
    except Exception:  # whatever the encoder or the value's own code raises
        return None

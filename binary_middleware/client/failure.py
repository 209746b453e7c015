"""What a server says of an error, short enough for the message of an exception."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, Final

LONGEST: Final = 1024
"""Characters of a server's own text in a message."""

_MOST_ERRORS: Final = 10

_brief: Final = reprlib.Repr()
_brief.maxstring = _brief.maxother = LONGEST // 4
_brief.maxdict = _brief.maxlist = 10


def describe(document: Any) -> str:
    """One line about an error.

    Args:
        document: the body of the answer: problem details (RFC 9457 §3), what FastAPI answers
            (``detail``, a list for errors of validation), text, or anything else.
    """
    return _shorten(_describe_map(document) if type(document) is dict else _text(document))


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else _brief.repr(value)


def _describe_map(document: Mapping[str, Any]) -> str:
    title, detail = document.get("title"), document.get("detail")
    errors = document.get("errors")  # as our own answers have them
    if isinstance(detail, list):
        detail, errors = None, detail
    parts = [_text(title), _text(detail)]
    if isinstance(errors, list):
        parts.append(_describe_errors(errors))
    return ": ".join(filter(None, parts)) or _text(document)


def _describe_errors(errors: list[Any]) -> str:
    described = [_describe_error(error) for error in errors[:_MOST_ERRORS]]
    if len(errors) > _MOST_ERRORS:
        described.append(f"and {len(errors) - _MOST_ERRORS} more")
    return "; ".join(described)


def _describe_error(error: Any) -> str:
    if not isinstance(error, Mapping) or "msg" not in error:
        return _text(error)
    place = error.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{where}: {_text(error['msg'])}" if where else _text(error["msg"])


def _shorten(text: str) -> str:
    # A terminal would obey control characters.
    text = "".join(char if char.isprintable() else " " for char in text[: LONGEST + 1])
    text = text.strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."

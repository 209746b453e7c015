"""The text of a server's error, short enough for the message of an exception."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Any, Final

from binary_middleware._http.media_types import parse_media_type
from binary_middleware._validation.errors import describe as summarize

MAX_TEXT_LENGTH: Final = 1024
"""Characters of a server's own text in a message."""

_MAX_ERRORS: Final = 10

_MAX_LOCATION_STEPS: Final = 10


class _Brief(reprlib.Repr):
    """Short forms of values, which are cut before they are written at full length."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = MAX_TEXT_LENGTH // 4
        self.maxdict = self.maxlist = 10
        self.maxlevel = 4

    def repr_ndarray(self, value: Any, _level: int) -> str:
        return summarize(value)


_brief: Final = _Brief()

_CHARSETS: Final = frozenset(aliases) | frozenset(aliases.values())
"""The names of charsets. Python's other codecs are not for text on the wire: ``idna``,
``punycode``, ``undefined``. Python never forgets a name that it looked up in vain."""


def decode_text(data: bytes, content_type: str) -> str:
    """Decode text in the charset of its Content-Type, otherwise in UTF-8; never raise an error."""
    media_type = parse_media_type(content_type)
    charset = "" if media_type is None else media_type.parameters.get("charset", "")
    name = normalize_encoding(charset).lower() if charset.isascii() else ""
    if name in _CHARSETS:
        try:
            return data.decode(name, "replace")
        except (LookupError, UnicodeError):  # not a charset: hex, zlib, rot13
            pass
    return data.decode("utf-8", "replace")


def describe(document: Any) -> str:
    """Describe an error in one line.

    Args:
        document: the body of the response: problem details (RFC 9457 §3), FastAPI's ``detail`` (a
            list for validation errors), text, or anything else.
    """
    return _shorten(_describe_map(document) if type(document) is dict else _text(document))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value[: MAX_TEXT_LENGTH + 1] if isinstance(value, str) else _brief.repr(value)


def _describe_map(document: Mapping[str, Any]) -> str:
    title, detail = document.get("title"), document.get("detail")
    errors = document.get("errors")  # as in this package's own responses
    if isinstance(detail, list):
        detail, errors = None, detail
    parts = [_text(title), _text(detail)]
    if isinstance(errors, list):
        parts.append(_describe_errors(errors))
    return ": ".join(filter(None, parts)) or _text(document)


def _describe_errors(errors: list[Any]) -> str:
    described = [_describe_error(error) for error in errors[:_MAX_ERRORS]]
    if len(errors) > _MAX_ERRORS:
        described.append(f"and {len(errors) - _MAX_ERRORS} more")
    return "; ".join(described)


def _describe_error(error: Any) -> str:
    if not isinstance(error, Mapping) or "msg" not in error:
        return _text(error)
    location = error.get("loc")
    steps = location[:_MAX_LOCATION_STEPS] if isinstance(location, list) else ()
    return ": ".join(filter(None, (".".join(map(_text, steps)), _text(error["msg"]))))


def _shorten(text: str) -> str:
    # A terminal would obey control characters.
    text = "".join(char if char.isprintable() else " " for char in text[: MAX_TEXT_LENGTH + 1])
    text = text.strip()
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[: MAX_TEXT_LENGTH - 3]}..."

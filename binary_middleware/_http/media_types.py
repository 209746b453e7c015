"""Media types and media ranges: RFC 9110 §8.3, §12.4 and §12.5.1."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

JSON: Final = "application/json"

MAX_FIELD_LENGTH: Final = 8 * 1024
"""Maximum characters of an Accept or Content-Type header; most servers have this limit as well.
A longer header is ignored: it could hold millions of ranges."""

_MAX_CACHED_LENGTH: Final = 256
"""Maximum characters of a media type whose parts are cached."""

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
# An unterminated quoted string extends to the end. If it did not match here, each quote in it would
# be tried as the beginning of one, in quadratic time.
_QUOTED_OR_OPEN: Final = rf"{_QUOTED[:-1]}(?:\"|\\?\Z)"
_TYPE: Final = re.compile(rf"[ \t]*({_TOKEN})/({_TOKEN})")
_PARAMETER: Final = re.compile(rf"[ \t]*;[ \t]*(?:({_TOKEN})=({_TOKEN}|{_QUOTED}))?")
_ELEMENT: Final = re.compile(rf"(?:[^,\"]|{_QUOTED_OR_OPEN})++", re.DOTALL)
_QVALUE: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


class MediaType(NamedTuple):
    """A media type or a media range."""

    essence: str
    """Type and subtype in lower case: ``application/json``, ``text/*``, ``*/*``."""
    parameters: Mapping[str, str]
    """Names in lower case; values unquoted, their case kept."""

    @property
    def is_json(self) -> bool:
        """Whether this is JSON: ``application/json`` or any ``+json`` (RFC 6839 §3.1)."""
        return self.essence == JSON or self.essence.endswith("+json")


def parse_media_type(value: str) -> MediaType | None:
    """Parse a media type with parameters (RFC 9110 §8.3.1); ``None`` if it is malformed."""
    if len(value) <= _MAX_CACHED_LENGTH:
        return _parse_cached(value)
    return _parse_media_type(value) if len(value) <= MAX_FIELD_LENGTH else None


def _parse_media_type(value: str) -> MediaType | None:
    match = _TYPE.match(value)
    if match is None:
        return None
    parameters: dict[str, str] = {}
    end = match.end()
    while found := _PARAMETER.match(value, end):
        end = found.end()
        if found[1] is not None:
            parameters.setdefault(found[1].lower(), _unquote(found[2]))
    if value[end:].strip(" \t"):
        return None
    return MediaType(f"{match[1]}/{match[2]}".lower(), parameters)


_parse_cached: Final = lru_cache(maxsize=1024)(_parse_media_type)


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


class Range(NamedTuple):
    """One element of an Accept header."""

    media_type: MediaType
    q: float


def parse_accept(values: Iterable[str]) -> list[Range]:
    """Parse the Accept headers of a request (RFC 9110 §12.5.1).

    Malformed elements are ignored, and so are all if they are longer than ``MAX_FIELD_LENGTH``.
    """
    ranges: list[Range] = []
    values = list(values)
    if sum(map(len, values)) > MAX_FIELD_LENGTH:
        return ranges
    for value in values:
        for element in _ELEMENT.findall(value):
            media_type = parse_media_type(element.strip(" \t"))
            if media_type is None:
                continue
            parameters = dict(media_type.parameters)
            weight = parameters.pop("q", "1")
            if _QVALUE.fullmatch(weight):
                ranges.append(Range(MediaType(media_type.essence, parameters), float(weight)))
    return ranges


def weight_of(essence: str, ranges: Sequence[Range]) -> float:
    """Return the weight of a media type: that of the most specific range, 0 without any.

    Parameters of a range do not restrict it.
    """
    main_type = essence.partition("/")[0]
    for pattern in (essence, f"{main_type}/*", "*/*"):
        weights = [range_.q for range_ in ranges if range_.media_type.essence == pattern]
        if weights:
            return max(weights)
    return 0.0


def is_binary(essence: str, media_types: Sequence[str]) -> bool:
    """Return whether a media type is one of ``media_types``, or has a ``+suffix`` among them."""
    # A token may contain a star, the name of a type may not (RFC 6838 §4.2).
    if essence in media_types:
        return True
    suffixes = tuple(each for each in media_types if each.startswith("+"))
    return bool(suffixes) and essence.endswith(suffixes) and "*" not in essence


def best_listed(ranges: Sequence[Range], media_types: Sequence[str]) -> Range | None:
    """Return the binary media type that is listed by name with the highest weight above 0."""
    listed = (each for each in ranges if is_binary(each.media_type.essence, media_types))
    best = max(listed, key=lambda range_: range_.q, default=None)
    return best if best is not None and best.q else None


def names_binary(ranges: Sequence[Range], media_types: Sequence[str]) -> bool:
    """Return whether an Accept header lists a binary media type by name."""
    return best_listed(ranges, media_types) is not None


def is_list(value: str) -> bool:
    """Return whether a Content-Type lists several media types, or has nothing between commas.

    A comma in a value that should have been quoted, as in a boundary, does not make a list.
    """
    if "," not in value or len(value) > MAX_FIELD_LENGTH:
        return False
    elements = [element.strip(" \t") for element in _ELEMENT.findall(value)]
    return not any(elements) or sum(map(bool, map(_TYPE.match, elements))) > 1


def binary_counterpart(json_essence: str, chosen: str, suffix: str) -> str:
    """Return the binary media type for a JSON one: ``x`` and ``suffix`` for ``x+json``."""
    return f"{json_essence[:-5]}{suffix}" if json_essence.endswith("+json") else chosen

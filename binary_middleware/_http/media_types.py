"""Media types and the choice between them: RFC 9110 §8.3, §12.4 and §12.5.1.

Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

JSON: Final = "application/json"

MAX_FIELD_LENGTH: Final = 8 * 1024
"""Characters of an Accept or a Content-Type that are read, which is what most servers take for one
field. A longer one counts as absent, so that nobody makes us read millions of ranges."""

_LONGEST_KEPT: Final = 256
"""Characters of a media type that is worth remembering."""

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
# A quoted string that is not closed reaches to the end. If it did not match here, each quote in it
# would be tried as the beginning of one, which takes the square of the length.
_QUOTED_OR_OPEN: Final = rf"{_QUOTED[:-1]}(?:\"|\\?\Z)"
_TYPE: Final = re.compile(rf"[ \t]*({_TOKEN})/({_TOKEN})")
_PARAMETER: Final = re.compile(rf"[ \t]*;[ \t]*(?:({_TOKEN})=({_TOKEN}|{_QUOTED}))?")
_ELEMENT: Final = re.compile(rf"(?:[^,\"]|{_QUOTED_OR_OPEN})++", re.DOTALL)
_QVALUE: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


class MediaType(NamedTuple):
    """A media type or a range of them."""

    essence: str
    """Type and subtype in lower case: ``application/json``, ``text/*``, ``*/*``."""
    parameters: Mapping[str, str]
    """Names in lower case; values as they stand, quotes resolved."""

    @property
    def is_json(self) -> bool:
        """Whether this is JSON: ``application/json`` or any ``+json`` (RFC 6839 §3.1)."""
        return self.essence == JSON or self.essence.endswith("+json")


def parse_media_type(value: str) -> MediaType | None:
    """Read one media type with its parameters (RFC 9110 §8.3.1), ``None`` if it is not one."""
    if len(value) <= _LONGEST_KEPT:
        return _remembered(value)
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


_remembered: Final = lru_cache(maxsize=1024)(_parse_media_type)


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


class Range(NamedTuple):
    """One element of an Accept header."""

    media_type: MediaType
    q: float


def parse_accept(values: Iterable[str]) -> list[Range]:
    """Read the Accept header fields of a request (RFC 9110 §12.5.1).

    Elements that are not media ranges, or whose weight is not one, are left out, and so are all
    if together they are longer than ``MAX_FIELD_LENGTH``.
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


def quality(essence: str, ranges: Sequence[Range]) -> float:
    """The weight that the ranges give a media type: that of the most specific that matches it.

    Parameters of a range do not restrict it. 0 where nothing matches.
    """
    main_type = essence.partition("/")[0]
    for pattern in (essence, f"{main_type}/*", "*/*"):
        weights = [range_.q for range_ in ranges if range_.media_type.essence == pattern]
        if weights:
            return max(weights)
    return 0.0


def is_binary(essence: str, media_types: Sequence[str]) -> bool:
    """Return whether a media type is one of ``media_types``, where ``+suffix`` stands for many."""
    # A token may have a star in it, the name of a type may not (RFC 6838 §4.2).
    if essence in media_types:
        return True
    suffixes = tuple(each for each in media_types if each.startswith("+"))
    return bool(suffixes) and essence.endswith(suffixes) and "*" not in essence


def is_list(value: str) -> bool:
    """Whether a Content-Type names several media types, or none between its commas.

    A comma in a value that should have been quoted, as in a boundary, makes no list.
    """
    if "," not in value or len(value) > MAX_FIELD_LENGTH:
        return False
    elements = [element.strip(" \t") for element in _ELEMENT.findall(value)]
    return not any(elements) or sum(map(bool, map(_TYPE.match, elements))) > 1


class Choice(NamedTuple):
    """What the answer shall be."""

    media_type: str | None
    """The binary media type, or ``None`` for JSON."""
    parameters: Mapping[str, str]
    """The parameters that the client put on that media type."""


_NONE: Final[Mapping[str, str]] = {}


def choose(
    ranges: Sequence[Range], media_types: Sequence[str], mirror: str | None
) -> Choice | None:
    """Choose between JSON and the binary media types.

    The higher weight wins. At equal weight a binary type that is listed by name wins over JSON,
    and JSON that is listed by name over binary types that only a wildcard covers; where wildcards
    cover both, the answer is as the request was.

    Args:
        ranges: the Accept header; empty for none, which accepts everything.
        media_types: the binary media types on offer, the preferred one first.
        mirror: the binary media type of the request, ``None`` if it had none.

    Returns:
        The choice, or ``None`` if nothing on offer is acceptable.
    """
    if not ranges:
        return Choice(mirror, _NONE)
    json = quality(JSON, ranges)
    best = _best_listed(ranges, media_types)
    if best is not None and best.q >= json:
        return Choice(best.media_type.essence, best.media_type.parameters)
    covered = mirror or media_types[0]
    binary = quality(covered, ranges)
    if binary > json:
        return Choice(covered, _NONE)
    if not json:
        return None
    json_is_listed = any(range_.media_type.essence == JSON for range_ in ranges)
    if binary == json and mirror and not json_is_listed:
        return Choice(mirror, _NONE)
    return Choice(None, _NONE)


def is_mirror_decisive(ranges: Sequence[Range], media_types: Sequence[str]) -> bool:
    """Whether some ``mirror`` would change what :func:`choose` comes to."""
    json = quality(JSON, ranges)
    best = _best_listed(ranges, media_types)
    if ranges and best is not None and best.q >= json:
        return False
    wildcard = max((range_.q for range_ in ranges if "*" in range_.media_type.essence), default=0.0)
    if wildcard > json or not json:
        return True
    json_is_listed = any(range_.media_type.essence == JSON for range_ in ranges)
    return wildcard == json and not json_is_listed


def names_binary(ranges: Sequence[Range], media_types: Sequence[str]) -> bool:
    """Whether an Accept header lists a binary media type by its name."""
    return _best_listed(ranges, media_types) is not None


def _best_listed(ranges: Sequence[Range], media_types: Sequence[str]) -> Range | None:
    listed = [range_ for range_ in ranges if is_binary(range_.media_type.essence, media_types)]
    best = max(listed, key=lambda range_: range_.q, default=None)
    return best if best is not None and best.q else None


def choose_binary(
    ranges: Sequence[Range], media_types: Sequence[str], mirror: str | None
) -> Choice | None:
    """Choose between the binary media types only; arguments and result as for :func:`choose`."""
    best = _best_listed(ranges, media_types)
    if best is not None:
        return Choice(best.media_type.essence, best.media_type.parameters)
    covered = mirror or media_types[0]
    if not ranges or quality(covered, ranges):
        return Choice(covered, _NONE)
    return None


def accept_with_json(ranges: Sequence[Range], media_types: Sequence[str]) -> str:
    """The Accept header with JSON in the place of the binary media types, weights kept."""
    elements: dict[str, float] = {}
    for media_type, q in ranges:
        essence = JSON if is_binary(media_type.essence, media_types) else media_type.essence
        elements[essence] = max(q, elements.get(essence, 0.0))
    return ", ".join(essence if q == 1 else f"{essence};q={q:g}" for essence, q in elements.items())


def binary_counterpart(json_essence: str, chosen: str, suffix: str) -> str:
    """Return the binary media type for a JSON one: ``x`` and ``suffix`` for ``x+json``."""
    return f"{json_essence[:-5]}{suffix}" if json_essence.endswith("+json") else chosen

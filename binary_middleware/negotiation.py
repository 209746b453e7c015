"""What a request and its answer shall be, decided from two header fields and the options."""

from __future__ import annotations

from typing import Final, NamedTuple

from binary_middleware import media
from binary_middleware.errors import NotAcceptable, RequestError, UnsupportedMediaType
from binary_middleware.options import BinaryOptions

_MOST_PLANS: Final = 1024
_LONGEST_KEPT: Final = 512
"""Bytes of header fields, beyond what real clients send, whose plan is made each time: a hostile
client must not fill the memory with them."""


class Plan(NamedTuple):
    """What one pair of Content-Type and Accept comes to under certain options."""

    request: str | None
    """The media type of a binary request, ``None`` for any other."""
    answer: str | None
    """The Content-Type of a binary answer, ``None`` if JSON stays JSON."""
    arrays: str
    """How arrays are written in it: ``"numpy"`` or ``"map"``."""
    accept: str | None
    """The Accept header for the app, ``None`` to leave it as it is."""
    refusal: RequestError | None
    """Why the request is refused, judged by these headers alone."""
    problems_in_binary: bool
    """Whether the client's own format, for our errors, is msgpack."""
    is_none_of_ours: bool
    """Whether the request is to be left alone."""


class Negotiator:
    """Makes plans under one set of options, and keeps them: clients repeat themselves.

    Args:
        options: the options.
    """

    def __init__(self, options: BinaryOptions) -> None:
        self.options = options
        self._plans: dict[tuple[bytes | None, bytes | None], Plan] = {}

    def plan(self, content_type: bytes | None, accept: bytes | None) -> Plan:
        """The plan for two header fields, several Accept lines joined by commas."""
        plan = self._plans.get((content_type, accept))
        if plan is None:
            plan = make_plan(
                None if content_type is None else content_type.decode("latin-1"),
                None if accept is None else accept.decode("latin-1"),
                self.options,
            )
            if len(content_type or b"") + len(accept or b"") <= _LONGEST_KEPT:
                if len(self._plans) >= _MOST_PLANS:
                    self._plans.clear()
                self._plans[content_type, accept] = plan
        return plan


def make_plan(content_type: str | None, accept: str | None, options: BinaryOptions) -> Plan:
    """Negotiate by RFC 9110 §12.5.1; see ``BinaryOptions.mode`` for what the modes mean."""
    parsed = media.parse_media_type(content_type) if content_type else None
    is_binary = parsed is not None and media.is_binary(parsed.essence, options.media_types)
    request = parsed.essence if parsed is not None and is_binary else None
    ranges = media.parse_accept((accept,) if accept else ())
    choice = prefers = media.choose(ranges, options.media_types, request)
    refusal: RequestError | None = None
    if options.mode == "require":
        choice = media.choose_binary(ranges, options.media_types, request)
        refusal = _refusal(parsed, choice, ", ".join(options.media_types))
        if parsed is not None and parsed.is_json and not ranges:
            prefers = None  # what it sent is the only sign of what it speaks
    elif choice is None:
        # Nothing acceptable: the header is disregarded, as RFC 9110 §12.5.1 allows.
        choice = prefers = media.Choice(request, {})
    answer, arrays = _answer(choice, options)
    return Plan(
        request=request,
        answer=answer,
        arrays=arrays,
        accept=media.accept_with_json(ranges, options.media_types) if answer and ranges else None,
        refusal=refusal,
        problems_in_binary=prefers is not None and prefers.media_type is not None,
        is_none_of_ours=request is None and answer is None and refusal is None,
    )


def _refusal(
    parsed: media.MediaType | None, choice: media.Choice | None, taken: str
) -> RequestError | None:
    if parsed is not None and parsed.is_json:
        return UnsupportedMediaType(f"JSON is not taken here, only {taken}", {"accept": taken})
    if choice is None:
        return NotAcceptable(f"the answer can only be one of {taken}")
    return None


def _answer(choice: media.Choice | None, options: BinaryOptions) -> tuple[str | None, str]:
    if choice is None or choice.media_type is None:
        return None, options.arrays
    asked = choice.parameters.get("arrays")
    if asked in ("numpy", "map"):
        return f"{choice.media_type}; arrays={asked}", asked
    return choice.media_type, options.arrays

"""Content negotiation: the plan for a request, from its headers, its method and an offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from starlette.types import Scope

from binary_middleware._http import media_types as media
from binary_middleware._http.media_types import JSON, Range
from binary_middleware.errors import NotAcceptable, RejectedRequest, UnsupportedMediaType
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import Variant

Mode = Literal["negotiate", "require", "off"]

SEVERAL: Final = b","
"""Stands for several Content-Type headers: a list without an element that could be the type."""
VARY: Final = (b"vary", b"Accept")
_VARY_BY_TYPE: Final = (b"vary", b"Accept, Content-Type")

_MAX_PLANS: Final = 1024
_MAX_CACHED_LENGTH: Final = 512
"""Maximum bytes of headers whose plan is cached, more than real clients send: a hostile client must
not fill the memory."""


class Offer(NamedTuple):
    """The media types and variants that clients can choose from."""

    mode: Mode
    """See ``BinaryOptions.mode``."""
    media_types: tuple[str, ...]
    """The binary media types, the preferred one first, and the suffix of others such as ``+x``."""
    parameters: Mapping[str, Mapping[str, str]]
    """For each media type, the parameters of the format where a client asks for none."""
    listed: str
    """The media types for messages and headers."""


class Plan(NamedTuple):
    """The result of negotiation."""

    request: str | None
    """The media type of a binary request, ``None`` for any other."""
    variant: Variant | None
    """The variant of a binary response, ``None`` if JSON stays JSON."""
    accept: str | None
    """The Accept header for the app, ``None`` to leave it unchanged."""
    refusal: RejectedRequest | None
    """The reason to refuse the request, judged by these headers alone."""
    problems_in_binary: bool
    """Whether problem details are binary: the format that the client prefers."""
    is_passthrough: bool
    """Whether the request and its response stay unchanged, ``Vary`` apart."""
    vary: tuple[bytes, bytes]
    """The Vary header of the response: with Content-Type if another type could have changed it."""


PlanKey = tuple[bytes | None, bytes | None, bool, bool]
"""The arguments of :meth:`Negotiator.plan`."""


def plan_key(scope: Scope) -> PlanKey:
    """Return all that the plan for a request depends on.

    A body is announced by Content-Length or Transfer-Encoding (RFC 9112 §6.3). HTTP/2 and HTTP/3
    need neither, and test clients and adapters send neither with HTTP/1.1. There a Content-Type is
    evidence enough, with methods that usually have a body.
    """
    content_type = accept = None
    has_body = has_length = False
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value if content_type is None else SEVERAL
        elif name == b"accept":
            accept = value if accept is None else accept + b", " + value
        elif name == b"content-length":
            has_length = True
            has_body = has_body or value.strip(b" 0") != b""
        elif name == b"transfer-encoding":
            has_body = True
    can_mirror = scope["method"] not in ("GET", "HEAD")
    if content_type is not None and not (has_body or has_length):
        has_body = can_mirror or not scope.get("http_version", "1.1").startswith("1")
    return content_type, accept, can_mirror, has_body


def plan_for(scope: Scope, offer: Offer) -> Plan:
    """Return the plan for one request, without a cache."""
    return Negotiator(offer).plan(*plan_key(scope))


class Negotiator:
    """Plans for one offer, cached because clients repeat themselves.

    Args:
        offer: the offer.
    """

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self._plans: dict[PlanKey, Plan] = {}

    def plan(
        self,
        content_type: bytes | None,
        accept: bytes | None,
        can_mirror: bool = True,
        has_body: bool = True,
    ) -> Plan:
        """Return the plan for a request, by the result of :func:`plan_key`.

        Args:
            content_type: the Content-Type header, ``SEVERAL`` for more than one.
            accept: the Accept headers, joined by commas.
            can_mirror: whether the response may have the type of the request by default: not to
                GET and HEAD, whose responses are cached.
            has_body: whether a body is announced.
        """
        plan = self._plans.get((content_type, accept, can_mirror, has_body))
        if plan is None:
            plan = make_plan(
                None if content_type is None else content_type.decode("latin-1"),
                None if accept is None else accept.decode("latin-1"),
                self.offer,
                can_mirror=can_mirror,
                has_body=has_body,
            )
            if len(content_type or b"") + len(accept or b"") <= _MAX_CACHED_LENGTH:
                if len(self._plans) >= _MAX_PLANS:
                    self._plans.clear()
                self._plans[content_type, accept, can_mirror, has_body] = plan
        return plan


def make_plan(
    content_type: str | None,
    accept: str | None,
    offer: Offer,
    *,
    can_mirror: bool = True,
    has_body: bool = True,
) -> Plan:
    """Negotiate by RFC 9110 §12.5.1; see ``BinaryOptions.mode`` for the modes.

    Arguments as for :meth:`Negotiator.plan`.
    """
    sent = media.parse_media_type(content_type) if content_type else None
    is_binary = sent is not None and media.is_binary(sent.essence, offer.media_types)
    request = sent.essence if sent is not None and is_binary else None
    mirror = request if can_mirror and has_body else None
    ranges = media.parse_accept((accept,) if accept else ())
    choice = preferred = choose(ranges, offer.media_types, mirror)
    offers_json = offer.mode != "require"
    if not offers_json:
        choice = choose(ranges, offer.media_types, mirror, offers_json=False)
    elif choice is None:  # RFC 9110 §12.5.1 allows to disregard the header
        choice = preferred = Choice(mirror)
    is_mirror_decisive = _is_mirror_decisive(ranges, offer.media_types, offers_json=offers_json)
    is_json = sent is not None and sent.is_json
    is_unsupported = is_json or (has_body and not is_binary)
    refusal = _refusal(content_type, choice, offer, is_json=is_json, is_unsupported=is_unsupported)
    is_by_type = refusal is not None and not isinstance(refusal, NotAcceptable)
    variant = _variant(choice, offer)
    return Plan(
        request=request,
        variant=variant,
        accept=_accept_with_json(ranges, offer.media_types) if variant and ranges else None,
        refusal=refusal,
        problems_in_binary=preferred is not None and preferred.media_type is not None,
        is_passthrough=request is None and variant is None and refusal is None,
        vary=_VARY_BY_TYPE if is_by_type or (can_mirror and is_mirror_decisive) else VARY,
    )


def _refusal(
    content_type: str | None,
    choice: Choice | None,
    offer: Offer,
    *,
    is_json: bool,
    is_unsupported: bool,
) -> RejectedRequest | None:
    if content_type is not None and media.is_list(content_type):
        # The app might parse another one of them than this package (RFC 9110 §5.3).
        return RejectedRequest("several values in Content-Type; send one media type")
    if offer.mode != "require":
        return None
    if is_unsupported:
        sent = "a body without a Content-Type"
        if content_type:
            sent = "JSON" if is_json else f"Content-Type {content_type[:40]!r}"
        return UnsupportedMediaType(
            f"{sent} is not accepted here; send {offer.listed}", {"accept": offer.listed}
        )
    if choice is None:
        return NotAcceptable(f"the response can only be one of {offer.listed}")
    return None


def _variant(choice: Choice | None, offer: Offer) -> Variant | None:
    if choice is None or choice.media_type is None:
        return None
    defaults = offer.parameters.get(choice.media_type, offer.parameters[offer.media_types[0]])
    return FORMAT.variant(choice.media_type, choice.parameters, defaults)


# -- the Accept header -----------------------------------------------------------------------------


class Choice(NamedTuple):
    """The media type of a response."""

    media_type: str | None
    """The binary media type, or ``None`` for JSON."""
    parameters: Mapping[str, str] = {}
    """The parameters of that media type in the Accept header."""


def choose(
    ranges: Sequence[Range],
    media_types: Sequence[str],
    mirror: str | None,
    *,
    offers_json: bool = True,
) -> Choice | None:
    """Choose between JSON and the binary media types, or among the latter.

    The higher weight wins. At equal weight, a binary type that is listed by name wins over JSON,
    and JSON that is listed by name wins over binary types that only a wildcard covers; if wildcards
    cover both, the response mirrors the request.

    Args:
        ranges: the Accept header; empty for none, which accepts everything.
        media_types: the binary media types on offer, the preferred one first.
        mirror: the media type of a binary request, ``None`` for any other.
        offers_json: whether JSON is on offer.

    Returns:
        The choice, or ``None`` if nothing on offer is acceptable.
    """
    covered = mirror or media_types[0]
    if not ranges:
        return Choice(mirror if offers_json else covered)
    json = media.weight_of(JSON, ranges) if offers_json else 0.0
    best = media.best_listed(ranges, media_types)
    if best is not None and best.q >= json:
        return Choice(best.media_type.essence, best.media_type.parameters)
    binary = media.weight_of(covered, ranges)
    if binary > json:
        return Choice(covered)
    if not json:
        return None
    return Choice(mirror if binary == json and not _lists_json(ranges) else None)


def _is_mirror_decisive(
    ranges: Sequence[Range], media_types: Sequence[str], *, offers_json: bool
) -> bool:
    """Return whether the result of :func:`choose` depends on ``mirror``."""
    json = media.weight_of(JSON, ranges) if offers_json else 0.0
    best = media.best_listed(ranges, media_types)
    if ranges and best is not None and best.q >= json:
        return False
    wildcard = max((range_.q for range_ in ranges if "*" in range_.media_type.essence), default=0.0)
    if wildcard > json or not json:
        return True
    return wildcard == json and not _lists_json(ranges)


def _lists_json(ranges: Sequence[Range]) -> bool:
    return any(range_.media_type.essence == JSON for range_ in ranges)


def _accept_with_json(ranges: Sequence[Range], media_types: Sequence[str]) -> str:
    """Return the Accept header with JSON instead of the binary media types, weights kept."""
    elements: dict[str, float] = {}
    for media_type, q in ranges:
        is_binary = media.is_binary(media_type.essence, media_types)
        essence = JSON if is_binary else media_type.essence
        elements[essence] = max(q, elements.get(essence, 0.0))
    return ", ".join(essence if q == 1 else f"{essence};q={q:g}" for essence, q in elements.items())

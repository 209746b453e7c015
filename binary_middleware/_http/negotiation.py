"""What a request and its answer shall be, decided from header fields, method and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from starlette.types import Scope

from binary_middleware._http import media_types as media
from binary_middleware.errors import NotAcceptable, RejectedRequest, UnsupportedMediaType
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import Variant

Mode = Literal["negotiate", "require", "off"]

SEVERAL: Final = b","
"""Stands for several Content-Type fields: a list without one element that could be the type."""
VARY: Final = (b"vary", b"Accept")
_VARY_BY_TYPE: Final = (b"vary", b"Accept, Content-Type")

_MOST_PLANS: Final = 1024
_LONGEST_KEPT: Final = 512
"""Bytes of header fields, beyond what real clients send, whose plan is made each time: a hostile
client must not fill the memory with them."""


class Offer(NamedTuple):
    """What is offered to clients."""

    mode: Mode
    """See ``BinaryOptions.mode``."""
    media_types: tuple[str, ...]
    """The binary media types, the preferred one first, and the suffix of others such as ``+x``."""
    parameters: Mapping[str, Mapping[str, str]]
    """For each media type, the parameters of the format where a client asks for none."""
    listed: str
    """The media types for messages and headers."""


Asked = tuple[bytes | None, bytes | None, bool, bool]
"""The arguments of :meth:`Negotiator.plan`."""


def plan_for(scope: Scope, offer: Offer) -> Plan:
    """Make a plan for one request, and keep none."""
    content_type, accept, can_mirror, has_body = asked(scope)
    return make_plan(
        None if content_type is None else content_type.decode("latin-1"),
        None if accept is None else accept.decode("latin-1"),
        offer,
        can_mirror=can_mirror,
        has_body=has_body,
    )


def asked(scope: Scope) -> Asked:
    """Read from a request what a plan depends on.

    A body is announced by Content-Length or Transfer-Encoding (RFC 9112 §6.3). HTTP/2 and HTTP/3
    need neither, and test clients and adapters send neither with HTTP/1.1: there a Content-Type has
    to do, with methods that usually have a body.
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


class Plan(NamedTuple):
    """What is negotiated for the headers and the method of a request."""

    request: str | None
    """The media type of a binary request, ``None`` for any other."""
    variant: Variant | None
    """The variant of a binary response, ``None`` if JSON stays JSON."""
    accept: str | None
    """The Accept header for the app, ``None`` to leave it as it is."""
    refusal: RejectedRequest | None
    """Why the request is refused, judged by these headers alone."""
    problems_in_binary: bool
    """Whether the client's own format, for our errors, is msgpack."""
    is_passthrough: bool
    """Whether the request is to be left alone."""
    vary: tuple[bytes, bytes]
    """The Vary field of the answer: with Content-Type where another one could have changed it."""


class Negotiator:
    """Plans for one offer, kept because clients repeat themselves.

    Args:
        offer: the offer.
    """

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self._plans: dict[Asked, Plan] = {}

    def plan(
        self,
        content_type: bytes | None,
        accept: bytes | None,
        can_mirror: bool = True,
        has_body: bool = True,
    ) -> Plan:
        """Give the plan for a request, as :func:`asked` reads it.

        Args:
            content_type: the Content-Type, ``SEVERAL`` for more than one.
            accept: the Accept lines, joined by commas.
            can_mirror: whether the method lets the answer be as the body was: not GET and HEAD,
                whose answers caches keep.
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
            if len(content_type or b"") + len(accept or b"") <= _LONGEST_KEPT:
                if len(self._plans) >= _MOST_PLANS:
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
    parsed = media.parse_media_type(content_type) if content_type else None
    is_binary = parsed is not None and media.is_binary(parsed.essence, offer.media_types)
    request = parsed.essence if parsed is not None and is_binary else None
    mirror = request if can_mirror and has_body else None
    ranges = media.parse_accept((accept,) if accept else ())
    choice = prefers = media.choose(ranges, offer.media_types, mirror)
    is_mirror_decisive = media.is_mirror_decisive(ranges, offer.media_types)
    refusal: RejectedRequest | None = None
    if offer.mode == "require":
        choice = media.choose_binary(ranges, offer.media_types, mirror)
        is_mirror_decisive = not media.names_binary(ranges, offer.media_types)
        if request is None and (has_body or (parsed is not None and parsed.is_json)):
            refusal = _unsupported(content_type, parsed, offer)
        elif choice is None:
            refusal = NotAcceptable(f"the response can only be one of {offer.listed}")
        if parsed is not None and parsed.is_json and not ranges:
            prefers = None  # what it sent is the only sign of what it speaks
    elif choice is None:
        # Nothing acceptable: the header is disregarded, as RFC 9110 §12.5.1 allows.
        choice = prefers = media.Choice(mirror, {})
    if content_type is not None and media.is_list(content_type):
        # Whoever is behind us may read another one of them than we do (RFC 9110 §5.3).
        refusal = RejectedRequest("several values in Content-Type; send one media type")
    varies_by_type = can_mirror and is_mirror_decisive
    if refusal is not None and not isinstance(refusal, NotAcceptable):
        varies_by_type = True
    variant = _variant(choice, offer)
    return Plan(
        request=request,
        variant=variant,
        accept=media.accept_with_json(ranges, offer.media_types) if variant and ranges else None,
        refusal=refusal,
        problems_in_binary=prefers is not None and prefers.media_type is not None,
        is_passthrough=request is None and variant is None and refusal is None,
        vary=_VARY_BY_TYPE if varies_by_type else VARY,
    )


def _unsupported(
    content_type: str | None, parsed: media.MediaType | None, offer: Offer
) -> RejectedRequest:
    if parsed is not None and parsed.is_json:
        sent = "JSON"
    elif content_type:
        sent = f"Content-Type {content_type[:40]!r}"
    else:
        sent = "a body without a Content-Type"
    return UnsupportedMediaType(
        f"{sent} is not accepted here; send {offer.listed}", {"accept": offer.listed}
    )


def _variant(choice: media.Choice | None, offer: Offer) -> Variant | None:
    if choice is None or choice.media_type is None:
        return None
    defaults = offer.parameters.get(choice.media_type, offer.parameters[offer.media_types[0]])
    return FORMAT.variant(choice.media_type, choice.parameters, defaults)

"""Entity tags of resources that are JSON for one client and binary for another.

JSON has the tag of the app. A binary response has the same tag with a suffix, because two
representations must not share a strong tag (RFC 9110 §8.8.3). Conditions of a client name the tags
that it has, so the suffix is removed for the app (RFC 9110 §13.1). Weak tags stay unchanged: they
mark representations as equivalent, which these are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_TAG: Final = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*+)"')
_LIST: Final = re.compile(rb'(?:[ \t,]*+(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+")++[ \t,]*+')


def of_completed(etag: bytes, digest: str) -> bytes:
    """Return the tag, strong or weak, of a completed OpenAPI document with this digest."""
    match = _TAG.fullmatch(etag.strip())
    if match is None:
        return etag
    return b'%b"%b--openapi-%b"' % (match[1] or b"", match[2], digest.encode())


def matches(if_none_match: bytes, etag: bytes) -> bool:
    """Return whether ``If-None-Match`` names a tag, by weak comparison (RFC 9110 §13.1.2)."""
    own = _TAG.fullmatch(etag.strip())
    if own is None or (if_none_match.strip() != b"*" and not _LIST.fullmatch(if_none_match)):
        return False
    tags = [match[2] for match in _TAG.finditer(if_none_match)]
    return own[2] in tags or not tags


def with_suffix(etag: bytes, suffix: bytes) -> bytes:
    """Return the tag of a binary response, from that of the JSON."""
    match = _TAG.fullmatch(etag.strip())
    if match is None or match[1]:
        return etag
    return b'"%b%b"' % (match[2], suffix)


def without_suffix(tags: bytes, suffixes: Sequence[bytes]) -> bytes:
    """Return a condition of an unsafe method for the app: the tags of the JSON.

    Such a condition is about the state of the resource, in whichever form the client saw it.

    Args:
        tags: ``If-Match``, or ``If-None-Match`` of a method other than GET and HEAD.
        suffixes: those of all variants.
    """

    def strip(match: re.Match[bytes]) -> bytes:
        opaque = match[2]
        for suffix in suffixes:
            if opaque.endswith(suffix):
                return b'%b"%b"' % (match[1] or b"", opaque.removesuffix(suffix))
        return match[0]

    return _TAG.sub(strip, tags) if _LIST.fullmatch(tags) else tags


def of_json(tags: bytes, suffix: bytes) -> bytes:
    """Return the ``If-None-Match`` of a read with a binary response, for the app.

    A strong tag without the suffix is that of the JSON, which the client would not get now. It
    gets the suffix, and so matches no tag of the app. Without the header, the app would evaluate
    If-Modified-Since instead (RFC 9110 §13.1.3).
    """

    def exchange(match: re.Match[bytes]) -> bytes:
        opaque = match[2]
        if opaque.endswith(suffix):
            return b'%b"%b"' % (match[1] or b"", opaque.removesuffix(suffix))
        return match[0] if match[1] else b'"%b%b"' % (opaque, suffix)

    return _TAG.sub(exchange, tags) if _LIST.fullmatch(tags) else tags

"""Entity tags of a resource that is JSON to one client and msgpack to another.

The JSON has the tag that the app gave it. The msgpack has the same with a suffix, as two
representations must not share a strong tag (RFC 9110 §8.8.3). A client's conditions name what the
client has, so that the suffix comes off on the way to the app (RFC 9110 §13.1). Weak tags say that
two representations mean the same, which ours do: they are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_TAG: Final = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*+)"')
_LIST: Final = re.compile(rb'(?:[ \t,]*+(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+")++[ \t,]*+')


def of_completed(etag: bytes, digest: str) -> bytes:
    """The tag, strong or weak, of an OpenAPI document that was completed to one of this digest."""
    match = _TAG.fullmatch(etag.strip())
    if match is None:
        return etag
    return b'%b"%b--openapi-%b"' % (match[1] or b"", match[2], digest.encode())


def matches(if_none_match: bytes, etag: bytes) -> bool:
    """Whether ``If-None-Match`` names a tag, by weak comparison (RFC 9110 §8.8.3.2 and §13.1.2)."""
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
    """``If-Match``, or ``If-None-Match`` with a method that changes something, for the app.

    Such a condition is about the state that the client saw, in whichever form it saw it.
    """

    def strip(match: re.Match[bytes]) -> bytes:
        opaque = match[2]
        for suffix in suffixes:
            if opaque.endswith(suffix):
                return b'%b"%b"' % (match[1] or b"", opaque.removesuffix(suffix))
        return match[0]

    return _TAG.sub(strip, tags) if _LIST.fullmatch(tags) else tags


def of_json(tags: bytes, suffix: bytes) -> bytes:
    """``If-None-Match`` of a GET or HEAD that is answered in msgpack, for the app.

    A strong tag without the suffix is that of the JSON, which is not what the client would get
    now. It is given the suffix, so that it matches nothing that the app has; without the whole
    header the app would look at If-Modified-Since (RFC 9110 §13.1.3).
    """

    def exchange(match: re.Match[bytes]) -> bytes:
        opaque = match[2]
        if opaque.endswith(suffix):
            return b'%b"%b"' % (match[1] or b"", opaque.removesuffix(suffix))
        return match[0] if match[1] else b'"%b%b"' % (opaque, suffix)

    return _TAG.sub(exchange, tags) if _LIST.fullmatch(tags) else tags

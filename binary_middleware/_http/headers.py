"""The heads of requests and answers: header fields as the other side must have them. Sans I/O."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.types import Message

from binary_middleware._http import etags as etag
from binary_middleware._http import media_types as media
from binary_middleware._http.content_coding import content_codings, is_taken
from binary_middleware._http.negotiation import VARY, Plan
from binary_middleware.errors import RejectedRequest
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import Variant

Headers = list[tuple[bytes, bytes]]

# -- requests --------------------------------------------------------------------------------------


class RequestHead(NamedTuple):
    """What the header fields of a request come to."""

    headers: Headers
    """The fields for the app: they say JSON where the client's say msgpack."""
    content_length: int | None = None
    """Bytes of a binary request that the client announced, if it did."""
    codings: Sequence[str] = ()
    """The content codings of a binary request."""


def request_head(client_headers: Headers, method: str, plan: Plan) -> RequestHead:
    """The head of a request for the app, under the plan that was made for it."""
    headers: Headers = []
    codings: list[bytes] = []
    content_length = None
    is_binary = plan.request is not None
    accept = plan.accept
    for field in client_headers:
        name, value = field
        if is_binary:
            if name == b"content-length":
                if value.isdigit():
                    # More digits than any limit has; all of them could take very long.
                    content_length = int(value.lstrip(b"0")[:20] or 0)
                continue  # the length of the JSON text is known, and added, when the text is
            if name == b"transfer-encoding":
                continue  # the JSON text has a length (RFC 9112 §6.2)
            if name == b"content-encoding":
                codings.append(value)
                continue  # it is undone, or the request is refused
            if name == b"content-type":
                field = _CONTENT_TYPE_JSON
        if name == b"if-match" or name == b"if-none-match":
            field = (name, _condition_for_app(name, value, method, plan))
        if accept is None or name != b"accept":
            headers.append(field)
    if accept is not None:
        headers.append((b"accept", accept.encode("latin-1")))
    return RequestHead(headers, content_length, content_codings(codings) if codings else ())


def _condition_for_app(name: bytes, tags: bytes, method: str, plan: Plan) -> bytes:
    if name == b"if-match" or method not in ("GET", "HEAD"):
        return etag.without_suffix(tags, FORMAT.tag_suffixes)
    return tags if plan.variant is None else etag.of_json(tags, plan.variant.tag_suffix)


_CONTENT_TYPE_JSON: Final = (b"content-type", media.JSON.encode())

# -- answers ---------------------------------------------------------------------------------------

_BODILESS: Final = (204, 205, 206, 304)
_DESCRIBE_THE_JSON: Final = (
    "accept-ranges",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "digest",
    "repr-digest",
    "transfer-encoding",
)
_NOT_IN_A_304: Final = (
    b"content-digest",
    b"content-encoding",
    b"content-length",
    b"content-md5",
    b"content-type",
    b"digest",
    b"repr-digest",
)


def is_convertible(start: Message) -> bool:
    """Whether an answer is JSON, whole, in UTF-8, in a coding we know, and may be transformed."""
    found = {name.lower(): value.lower() for name, value in start.get("headers", ())}
    content_type = found.get(b"content-type", b"")
    if b"json" not in content_type or start["status"] < 200 or start["status"] in _BODILESS:
        return False
    parsed = media.parse_media_type(content_type.decode("latin-1"))
    codings = content_codings_of(start)
    return (
        parsed is not None
        and parsed.is_json
        and parsed.parameters.get("charset", "utf-8") in ("utf-8", "utf8")
        and (not codings or is_one_that_is_taken(codings))
        and not any(b"no-transform" in value for value in _values(start, b"cache-control"))
    )


def content_codings_of(start: Message) -> list[str]:
    """The content codings of an answer."""
    return content_codings(_values(start, b"content-encoding"))


def is_one_that_is_taken(codings: Sequence[str]) -> bool:
    """Whether there is one coding, and it can be undone."""
    return len(codings) == 1 and is_taken(codings[0])


def _values(start: Message, wanted: bytes) -> list[bytes]:
    return [value.lower() for name, value in start["headers"] if name.lower() == wanted]


def converted(start: Message, variant: Variant, content_length: int | None) -> Message:
    """The start of a JSON answer that leaves as msgpack.

    Args:
        start: as the app sent it; one that is convertible.
        variant: that of the response.
        content_length: bytes of the msgpack, ``None`` if not known: in an answer to HEAD.
    """
    headers = _mutable_headers(with_binary_etag(start, variant))
    parsed = media.parse_media_type(headers["content-type"])
    assert parsed is not None
    headers["content-type"] = media.binary_counterpart(
        parsed.essence, variant.content_type, FORMAT.suffix
    )
    return with_other_body({**start, "headers": headers.raw}, content_length)


def with_other_body(start: Message, content_length: int | None) -> Message:
    """An answer's start without what it says of the bytes that the app wrote.

    Args:
        start: as the app sent it.
        content_length: bytes of the other body, ``None`` if not known: in an answer to HEAD.
    """
    headers = _mutable_headers(start)
    for name in _DESCRIBE_THE_JSON:
        del headers[name]
    # Trailers follow chunks (RFC 9112 §7.1.2), so that such an answer has no length.
    if content_length is not None and not start.get("trailers", False):
        headers["content-length"] = str(content_length)
    return {**start, "headers": headers.raw}


def with_binary_etag(start: Message, variant: Variant) -> Message:
    """An answer's start with the entity tag of the msgpack instead of that of the JSON."""
    headers = start.get("headers", ())
    for name, _ in headers:
        if len(name) == 4 and name.lower() == b"etag":
            break
    else:
        return start
    exchanged = [
        (name, etag.with_suffix(value, variant.tag_suffix) if name.lower() == b"etag" else value)
        for name, value in headers
    ]
    return {**start, "headers": exchanged}


def not_modified(start: Message, variant: Variant) -> Message:
    """The start of a 304 to a client that has the msgpack: nothing in it describes the JSON.

    A cache updates what it stored with these fields (RFC 9111 §4.3.4), and RFC 9110 §15.4.5 asks
    for no more than the tag and what governs caching.
    """
    start = with_binary_etag(start, variant)
    headers = [field for field in start["headers"] if field[0].lower() not in _NOT_IN_A_304]
    return {**start, "headers": headers}


def with_vary(start: Message, vary: tuple[bytes, bytes] = VARY) -> Message:
    """An answer's start with the names of a Vary field among its own (RFC 9110 §12.5.5)."""
    headers = list(start.get("headers", ()))  # an iterable, perhaps one to be read once
    for name, _ in headers:
        if len(name) == 4 and name.lower() == b"vary":
            return _with_merged_vary({**start, "headers": headers}, vary)
    headers.append(vary)
    return {**start, "headers": headers}


def _with_merged_vary(start: Message, vary: tuple[bytes, bytes]) -> Message:
    headers = _mutable_headers(start)
    present = [name.strip().lower() for line in headers.getlist("vary") for name in line.split(",")]
    missing = [name for name in vary[1].decode().split(", ") if name.lower() not in present]
    if not missing or "*" in present:
        return start
    headers.add_vary_header(", ".join(missing))
    return {**start, "headers": headers.raw}


def with_server_timing(start: Message, **seconds: float) -> Message:
    """An answer's start with a ``Server-Timing`` field (W3C Server Timing §3), in milliseconds."""
    metrics = ", ".join(f"{name};dur={1000 * each:.3f}" for name, each in seconds.items())
    return {**start, "headers": [*start["headers"], (b"server-timing", metrics.encode())]}


def _mutable_headers(start: Message) -> MutableHeaders:
    # ASGI wants lower case, which Starlette relies on; not every app does as it should.
    return MutableHeaders(raw=[(name.lower(), value) for name, value in start["headers"]])


ADAPTED: Final = frozenset({b"accept-ranges", b"etag", b"vary"})
"""Fields of an answer that are not the same in msgpack."""


_PROBLEM: Final = FORMAT.variant(f"application/problem{FORMAT.suffix}", {}, {})


def problem_response(
    error: RejectedRequest, *, in_binary: bool
) -> tuple[Message, Sequence[bytes | memoryview]]:
    """The start and the body of an answer that refuses a request (RFC 9457)."""
    if in_binary:
        content_type = f"application/problem{FORMAT.suffix}".encode()
        body = b"".join(FORMAT.encode(error.problem(), _PROBLEM))
    else:
        content_type, body = b"application/problem+json", json.dumps(error.problem()).encode()
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        # It hangs on more than Vary can name: the body, its length and its coding.
        (b"cache-control", b"no-store"),
        *((name.encode(), value.encode("latin-1")) for name, value in error.headers.items()),
    ]
    return {"type": "http.response.start", "status": error.status, "headers": headers}, [body]

"""Headers of requests for the app, and of responses for the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.types import Message

from binary_middleware._http import etags
from binary_middleware._http import media_types as media
from binary_middleware._http.content_coding import content_codings, is_supported
from binary_middleware._http.negotiation import Plan
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import Variant

Headers = list[tuple[bytes, bytes]]

# -- requests --------------------------------------------------------------------------------------


class RequestHeaders(NamedTuple):
    """The headers of a request for the app, and facts about its body."""

    headers: Headers
    """The headers for the app: JSON instead of the binary media types."""
    content_length: int | None = None
    """The Content-Length of a binary request, in bytes."""
    codings: Sequence[str] = ()
    """The content codings of a binary request."""


def request_headers(client_headers: Headers, method: str, plan: Plan) -> RequestHeaders:
    """Return the headers of a request for the app, under its plan."""
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
                    # More digits than any limit has: parsing is quadratic in their number.
                    content_length = int(value.lstrip(b"0")[:20] or 0)
                continue  # that of the JSON text is added with the text
            if name == b"transfer-encoding":
                continue  # the JSON text has a length (RFC 9112 §6.2)
            if name == b"content-encoding":
                codings.append(value)
                continue  # the body is decompressed, or refused
            if name == b"content-type":
                field = _CONTENT_TYPE_JSON
        if name == b"if-match" or name == b"if-none-match":
            field = (name, _condition_for_app(name, value, method, plan))
        if accept is None or name != b"accept":
            headers.append(field)
    if accept is not None:
        headers.append((b"accept", accept.encode("latin-1")))
    return RequestHeaders(headers, content_length, content_codings(codings) if codings else ())


def _condition_for_app(name: bytes, tags: bytes, method: str, plan: Plan) -> bytes:
    if name == b"if-match" or method not in ("GET", "HEAD"):
        return etags.without_suffix(tags, FORMAT.tag_suffixes)
    return tags if plan.variant is None else etags.of_json(tags, plan.variant.tag_suffix)


_CONTENT_TYPE_JSON: Final = (b"content-type", media.JSON.encode())

# -- responses -------------------------------------------------------------------------------------

_WITHOUT_BODY: Final = (204, 205, 206, 304)
_OF_THE_BODY: Final = (
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
    """Return whether a response may be converted.

    It is complete JSON in UTF-8, its content coding is supported, and it has no ``no-transform``.
    """
    found = {name.lower(): value.lower() for name, value in start.get("headers", ())}
    content_type = found.get(b"content-type", b"")
    if b"json" not in content_type or start["status"] < 200 or start["status"] in _WITHOUT_BODY:
        return False
    parsed = media.parse_media_type(content_type.decode("latin-1"))
    codings = content_codings_of(start)
    return (
        parsed is not None
        and parsed.is_json
        and parsed.parameters.get("charset", "utf-8") in ("utf-8", "utf8")
        and (not codings or can_decompress(codings))
        and not any(b"no-transform" in value for value in _values(start, b"cache-control"))
    )


def content_codings_of(start: Message) -> list[str]:
    """Return the content codings of a response."""
    return content_codings(_values(start, b"content-encoding"))


def can_decompress(codings: Sequence[str]) -> bool:
    """Return whether there is one coding, and it is supported."""
    return len(codings) == 1 and is_supported(codings[0])


def _values(start: Message, wanted: bytes) -> list[bytes]:
    return [value.lower() for name, value in start["headers"] if name.lower() == wanted]


def converted(start: Message, variant: Variant, content_length: int | None) -> Message:
    """Return the start of a JSON response that is converted.

    Args:
        start: the ``http.response.start`` of the app, which is convertible.
        variant: the variant of the response.
        content_length: bytes of the binary body, ``None`` if unknown, for HEAD.
    """
    headers = _mutable_headers(with_binary_etag(start, variant))
    parsed = media.parse_media_type(headers["content-type"])
    assert parsed is not None
    headers["content-type"] = media.binary_counterpart(
        parsed.essence, variant.content_type, FORMAT.suffix
    )
    return with_other_body({**start, "headers": headers.raw}, content_length)


def with_other_body(start: Message, content_length: int | None) -> Message:
    """Return the start of a response whose body is replaced.

    Args:
        start: the ``http.response.start`` of the app.
        content_length: bytes of the other body, ``None`` if unknown, for HEAD.
    """
    headers = _mutable_headers(start)
    for name in _OF_THE_BODY:
        del headers[name]
    # Trailers follow a chunked body (RFC 9112 §7.1.2), which has no length.
    if content_length is not None and not start.get("trailers", False):
        headers["content-length"] = str(content_length)
    return {**start, "headers": headers.raw}


def with_binary_etag(start: Message, variant: Variant) -> Message:
    """Return the start of a response with the entity tag of the variant."""
    headers = start.get("headers", ())
    for name, _ in headers:
        if len(name) == 4 and name.lower() == b"etag":
            break
    else:
        return start
    exchanged = [
        (name, etags.with_suffix(value, variant.tag_suffix) if name.lower() == b"etag" else value)
        for name, value in headers
    ]
    return {**start, "headers": exchanged}


def not_modified(start: Message, variant: Variant) -> Message:
    """Return the start of a 304 for a client that has the variant, without headers of the JSON.

    A cache updates its stored response with these headers (RFC 9111 §4.3.4), and RFC 9110 §15.4.5
    requires only the tag and those that control caching.
    """
    start = with_binary_etag(start, variant)
    headers = [field for field in start["headers"] if field[0].lower() not in _NOT_IN_A_304]
    return {**start, "headers": headers}


def with_vary(start: Message, vary: tuple[bytes, bytes]) -> Message:
    """Return the start of a response with ``vary`` merged into its own (RFC 9110 §12.5.5)."""
    headers = list(start.get("headers", ()))  # ASGI allows any iterable, an iterator too
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
    """Return the start of a response with ``Server-Timing`` (W3C Server Timing §3)."""
    metrics = ", ".join(f"{name};dur={1000 * each:.3f}" for name, each in seconds.items())
    return {**start, "headers": [*start["headers"], (b"server-timing", metrics.encode())]}


def _mutable_headers(start: Message) -> MutableHeaders:
    # ASGI requires lower case, and Starlette relies on it, but not every app complies.
    return MutableHeaders(raw=[(name.lower(), value) for name, value in start["headers"]])


ADAPTED: Final = frozenset({b"accept-ranges", b"etag", b"vary"})
"""Headers of a response that differ if it is binary."""

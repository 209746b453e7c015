"""Entity tags, conditional requests and ranges."""

from __future__ import annotations

from tests.conformance.apps import (
    LAST_MODIFIED,
    body,
    conditional,
    responds,
    responds_with_bytes,
    sends,
    start,
)
from tests.conformance.expect import (
    app_saw,
    as_written,
    field,
    is_json,
    is_msgpack,
    no_body,
    status,
    vary,
)
from tests.conformance.message import (
    DOCUMENT,
    JSON,
    MSGPACK,
    Request,
    Seen,
    binary_get,
    fields,
    json_get,
    packed,
    text,
)
from tests.conformance.rule import Expectation, Topic, Unmet, rule

IN_MSGPACK = is_msgpack(DOCUMENT)
TAG, WEAK = '"abc"', 'W/"abc"'
RESOURCE = conditional(DOCUMENT, TAG)
WEAK_RESOURCE = conditional(DOCUMENT, WEAK)
PICTURE = conditional(b"\x89PNG", TAG, "image/png")


def tag_of(seen: Seen) -> str:
    """Return the entity tag of a response."""
    tag = seen.field("etag")
    if tag is None:
        raise Unmet("no ETag")
    return tag


def is_another_strong_tag(seen: Seen) -> None:
    """Check that the response has a strong tag, and not that of the JSON."""
    tag = tag_of(seen)
    if tag == TAG or not (tag.startswith('"') and tag.endswith('"')):
        raise Unmet(f"ETag: {tag}")


def put(accept: str, **conditions: str) -> Request:
    """Return a PUT of the document, in the format that is accepted."""
    data = packed(DOCUMENT) if accept == MSGPACK else text(DOCUMENT)
    return Request("PUT", fields(content_type=accept, accept=accept, **conditions), data)


def head(**named: str) -> Request:
    """Return a HEAD by a client that wants msgpack."""
    return Request("HEAD", fields(accept=MSGPACK, **named))


def same_tag_as(seen: Seen) -> Expectation:
    """Check that the response has the same entity tag as that one."""
    return field("etag", tag_of(seen))


def app_does_not_see_the_tag_of_the_json(seen: Seen) -> None:
    """Check that the app is not told that a client which has msgpack has its JSON."""
    if seen.witness.app_fields("if-range") == [TAG]:
        raise Unmet(f"the app sees If-Range: {TAG}")


PARTIAL = sends(
    start(
        206,
        (
            ("content-type", JSON),
            ("content-range", "bytes 0-3/77"),
            ("content-length", "4"),
            ("etag", TAG),
        ),
    ),
    body(b'{"id'),
)

ENTITY_TAGS = Topic(
    "Entity tags and conditional requests",
    [
        rule(
            "A strong tag differs between JSON and msgpack",
            "RFC 9110 §8.8.3.3",
            RESOURCE,
            binary_get(),
            IN_MSGPACK,
            is_another_strong_tag,
        ),
        rule(
            "The strong tag of HEAD is that of GET",
            "RFC 9110 §9.3.2",
            RESOURCE,
            lambda seen: head(x_tag_of_get=tag_of(seen)),
            is_another_strong_tag,
            lambda seen: field("etag", dict(seen.request.fields)["x-tag-of-get"])(seen),
            after=binary_get(),
        ),
        rule(
            "A weak tag may stay: JSON and msgpack say the same",
            "RFC 9110 §8.8.1",
            WEAK_RESOURCE,
            binary_get(),
            IN_MSGPACK,
            field("etag", WEAK),
        ),
        rule(
            "The tag for JSON clients stays",
            "RFC 9110 §8.8.3",
            RESOURCE,
            json_get(),
            is_json(DOCUMENT),
            field("etag", TAG),
        ),
        rule(
            "The tag of what is not JSON stays",
            "RFC 9110 §8.8.3",
            PICTURE,
            binary_get(),
            as_written(b"\x89PNG", "image/png"),
            field("etag", TAG),
        ),
        rule(
            "The tag of JSON that stays JSON stays",
            "RFC 9110 §8.8.3",
            responds_with_bytes(b"18446744073709551616", etag=TAG),
            binary_get(),
            as_written(b"18446744073709551616", JSON),
            field("etag", TAG),
        ),
        rule(
            "A binary client that has the msgpack gets 304",
            "RFC 9110 §13.1.2",
            RESOURCE,
            lambda seen: binary_get(if_none_match=tag_of(seen)),
            status(304),
            no_body,
            vary("accept"),
            after=binary_get(),
        ),
        rule(
            "304 has the tag that 200 has",
            "RFC 9110 §15.4.5",
            RESOURCE,
            lambda seen: binary_get(if_none_match=tag_of(seen)),
            status(304),
            is_another_strong_tag,
            lambda seen: field("etag", dict(seen.request.fields)["if-none-match"])(seen),
            after=binary_get(),
        ),
        rule(
            "HEAD of a client that has the msgpack gets 304",
            "RFC 9110 §13.1.2",
            RESOURCE,
            lambda seen: head(if_none_match=tag_of(seen)),
            status(304),
            after=binary_get(),
        ),
        rule(
            "The tag may be one of several",
            "RFC 9110 §13.1.2",
            RESOURCE,
            lambda seen: binary_get(if_none_match=f'"x", W/"y",{tag_of(seen)}'),
            status(304),
            after=binary_get(),
        ),
        rule(
            "The tag may be in the second line",
            "RFC 9110 §5.3",
            RESOURCE,
            lambda seen: binary_get(if_none_match=['"x"', tag_of(seen)]),
            status(304),
            after=binary_get(),
        ),
        rule(
            "A tag that a proxy has weakened still matches",
            "RFC 9110 §13.1.2",
            RESOURCE,
            lambda seen: binary_get(if_none_match=f"W/{tag_of(seen)}"),
            status(304),
            after=binary_get(),
        ),
        rule(
            "A weak tag still matches",
            "RFC 9110 §13.1.2",
            WEAK_RESOURCE,
            binary_get(if_none_match=WEAK),
            status(304),
            field("etag", WEAK),
        ),
        rule(
            "`If-None-Match: *` still matches",
            "RFC 9110 §13.1.2",
            RESOURCE,
            binary_get(if_none_match="*"),
            status(304),
        ),
        rule(
            "A client that has another version gets this one",
            "RFC 9110 §13.1.2",
            RESOURCE,
            binary_get(if_none_match='"old"'),
            IN_MSGPACK,
        ),
        rule(
            "A client that has the JSON gets the msgpack that it asks for",
            "RFC 9110 §13.1.2",
            RESOURCE,
            binary_get(if_none_match=TAG),
            IN_MSGPACK,
        ),
        rule(
            "A client that has the msgpack gets the JSON that it asks for",
            "RFC 9110 §13.1.2",
            RESOURCE,
            lambda seen: json_get(if_none_match=tag_of(seen)),
            is_json(DOCUMENT),
            after=binary_get(),
        ),
        rule(
            "A JSON client that has the JSON gets 304",
            "RFC 9110 §13.1.2",
            RESOURCE,
            json_get(if_none_match=TAG),
            status(304),
            field("etag", TAG),
        ),
        rule(
            "Where a tag does not match, the date does not count",
            "RFC 9110 §13.1.3",
            RESOURCE,
            binary_get(if_none_match=TAG, if_modified_since=LAST_MODIFIED),
            IN_MSGPACK,
        ),
        rule(
            "A date alone still counts",
            "RFC 9110 §13.1.3",
            RESOURCE,
            binary_get(if_modified_since=LAST_MODIFIED),
            status(304),
        ),
        rule(
            "A change on condition of the tag of the msgpack goes through",
            "RFC 9110 §13.1.1",
            RESOURCE,
            lambda seen: put(MSGPACK, if_match=tag_of(seen)),
            status(200),
            after=binary_get(),
        ),
        rule(
            "A change in JSON on condition of the tag of the msgpack goes through",
            "RFC 9110 §13.1.1",
            RESOURCE,
            lambda seen: put(JSON, if_match=tag_of(seen)),
            status(200),
            after=binary_get(),
        ),
        rule(
            "A change in msgpack on condition of the tag of the JSON goes through",
            "RFC 9110 §13.1.1",
            RESOURCE,
            put(MSGPACK, if_match=TAG),
            status(200),
        ),
        rule(
            "A change on condition of an old tag fails",
            "RFC 9110 §13.1.1",
            RESOURCE,
            put(MSGPACK, if_match='"old"'),
            status(412),
            is_msgpack({"error": "precondition"}),
        ),
        rule(
            "A change on condition of a weak tag fails",
            "RFC 9110 §13.1.1",
            RESOURCE,
            lambda seen: put(MSGPACK, if_match=f"W/{tag_of(seen)}"),
            status(412),
            after=binary_get(),
        ),
        rule(
            "`If-Match: *` goes through",
            "RFC 9110 §13.1.1",
            RESOURCE,
            put(MSGPACK, if_match="*"),
            status(200),
        ),
        rule(
            "`If-None-Match: *` keeps a change from what exists",
            "RFC 9110 §13.1.2",
            RESOURCE,
            put(MSGPACK, if_none_match="*"),
            status(412),
        ),
        rule(
            "If-None-Match keeps a change from the version whose msgpack the client has",
            "RFC 9110 §13.1.2",
            RESOURCE,
            lambda seen: put(MSGPACK, if_none_match=tag_of(seen)),
            status(412),
            after=binary_get(),
        ),
        *(
            rule(
                f"`{name}: {value}`, which is no list of tags, reaches the app as it is",
                "RFC 9110 §8.8.3",
                responds(DOCUMENT),
                binary_get(**{name.lower().replace("-", "_"): value}),
                app_saw(name.lower(), value),
                IN_MSGPACK,
            )
            for name in ("If-None-Match", "If-Match")
            for value in ("abc--msgpack", '"abc')
        ),
    ],
)

RANGES = Topic(
    "Ranges and responses that must not be transformed",
    [
        rule(
            "A part of a JSON document is sent as it is",
            "RFC 9110 §15.3.7",
            PARTIAL,
            binary_get(range="bytes=0-3"),
            status(206),
            as_written(b'{"id', JSON),
            field("content-range", "bytes 0-3/77"),
            field("etag", TAG),
        ),
        rule(
            "The Range of a request reaches the app",
            "RFC 9110 §14.2",
            PARTIAL,
            binary_get(range="bytes=0-3", if_range=TAG),
            app_saw("range", "bytes=0-3"),
            app_saw("if-range", TAG),
        ),
        rule(
            "A part of the JSON is not joined to the msgpack: If-Range does not match",
            "RFC 9110 §13.1.5",
            RESOURCE,
            lambda seen: binary_get(range="bytes=0-3", if_range=tag_of(seen)),
            app_does_not_see_the_tag_of_the_json,
            after=binary_get(),
        ),
        rule(
            "Ranges of the JSON are not offered with the msgpack",
            "RFC 9110 §14.3",
            responds(DOCUMENT, accept_ranges="bytes"),
            binary_get(),
            IN_MSGPACK,
            field("accept-ranges", None),
        ),
        rule(
            "Ranges of what is not converted are still offered",
            "RFC 9110 §14.3",
            responds_with_bytes(b"hello", "text/plain", accept_ranges="bytes"),
            binary_get(),
            field("accept-ranges", "bytes"),
        ),
        rule(
            "Ranges are still offered to JSON clients",
            "RFC 9110 §14.3",
            responds(DOCUMENT, accept_ranges="bytes"),
            json_get(),
            field("accept-ranges", "bytes"),
        ),
        *(
            rule(
                f"`Cache-Control: {value}` keeps JSON as it is",
                "RFC 9111 §5.2.2.6",
                responds(DOCUMENT, cache_control=value, etag=TAG),
                binary_get(),
                as_written(text(DOCUMENT), JSON),
                field("etag", TAG),
            )
            for value in ("no-transform", "public, No-Transform, max-age=60")
        ),
    ],
)

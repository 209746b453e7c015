"""The headers of responses, and responses without a body."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.conformance.apps import (
    body,
    echo,
    read,
    responds,
    responds_with_bytes,
    sends,
    start,
    streams,
)
from tests.conformance.expect import (
    as_written,
    field,
    is_json,
    is_msgpack,
    lines,
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
    binary_post,
    fields,
    get,
    json_get,
    json_post,
    packed,
    text,
)
from tests.conformance.rule import Topic, Unmet, rule

IN_MSGPACK = is_msgpack(DOCUMENT)
TEXT = text(DOCUMENT)
PACKED_LENGTH = str(len(packed(DOCUMENT)))

KEPT = {
    "location": "/things/7",
    "cache_control": "max-age=60, private",
    "last_modified": "Sun, 06 Nov 1994 08:49:37 GMT",
    "expires": "Sun, 06 Nov 1994 09:49:37 GMT",
    "retry_after": "120",
    "www_authenticate": 'Basic realm="x"',
    "link": "</style.css>; rel=preload",
    "content_language": "de",
    "content_disposition": "attachment",
    "content_location": "/things/7",
    "x_request_id": "17",
}

DIGESTS = [
    # field, reference
    ("Content-Digest", "RFC 9530 §2"),
    ("Repr-Digest", "RFC 9530 §3"),
    ("Digest", "RFC 3230 §4.3.2"),
    ("Content-MD5", "RFC 1864 §2"),
]

SUFFIXES = [
    # JSON, msgpack
    ("application/problem+json", "application/problem+msgpack"),
    ("application/vnd.api+json", "application/vnd.api+msgpack"),
    ("application/hal+json; profile=x", "application/hal+msgpack"),
]


def sends_headers(make: Callable[[], Iterable[Iterable[bytes]]]) -> ASGIApp:
    """Respond with the document, under headers in a form of its own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await send({"type": "http.response.start", "status": 200, "headers": make()})
        await send(body(TEXT))

    return app


def is_not_the_tag_of_the_json(seen: Seen) -> None:
    """Check that the entity tag is not the one that the app gave to its JSON."""
    if seen.field("etag") == '"abc"':
        raise Unmet('ETag: "abc"')


def length_or_chunks(seen: Seen) -> None:
    """Check that the response has one of Content-Length and Transfer-Encoding at most."""
    if seen.field("content-length") is not None and seen.field("transfer-encoding") is not None:
        raise Unmet("both are sent")


JSON_LABEL = [b"content-type", JSON.encode()]

NOT_JSON = ["application/json-seq", "application/geo+json-seq", "application/json5", "text/x-json"]

FIELDS = Topic(
    "Headers of the response",
    [
        rule(
            "The Content-Length is that of the msgpack",
            "RFC 9110 §8.6",
            responds(DOCUMENT),
            binary_get(),
            IN_MSGPACK,
            field("content-length", PACKED_LENGTH),
        ),
        rule(
            "A response without Content-Length is converted",
            "RFC 9112 §6.3",
            sends(start(fields=(("content-type", JSON),)), body(TEXT)),
            binary_get(),
            IN_MSGPACK,
        ),
        *(
            rule(
                f"`{content_type}` is JSON",
                reference,
                responds(DOCUMENT, content_type),
                binary_get(),
                IN_MSGPACK,
            )
            for content_type, reference in [
                ("application/json; charset=utf-8", "RFC 8259 §8.1"),
                ('application/json;charset="UTF-8"', "RFC 9110 §8.3.2"),
                ("Application/JSON", "RFC 9110 §8.3.1"),
                ("application/json; profile=x", "RFC 9110 §8.3.1"),
            ]
        ),
        rule(
            "The charset of the JSON does not stay on msgpack",
            "RFC 9110 §8.3.2",
            responds(DOCUMENT, "application/json; charset=utf-8"),
            binary_get(),
            field("content-type", MSGPACK),
        ),
        rule(
            "JSON in another charset is sent as it is",
            "RFC 9110 §8.3.2",
            responds_with_bytes(b'"\xe4"', "application/json; charset=latin-1"),
            binary_get(),
            as_written(b'"\xe4"', "application/json; charset=latin-1"),
        ),
        *(
            rule(
                f"`{json_type.partition(';')[0]}` becomes `{binary}`",
                "Wire format: media types",
                responds(DOCUMENT, json_type),
                binary_get(),
                is_msgpack(DOCUMENT, binary),
            )
            for json_type, binary in SUFFIXES
        ),
        *(
            rule(
                f"`{json_type.partition(';')[0]}` stays that for JSON clients",
                "RFC 6839 §3.1",
                responds(DOCUMENT, json_type),
                json_get(),
                as_written(TEXT, json_type),
            )
            for json_type, _ in SUFFIXES
        ),
        rule(
            "Problem details in JSON may be asked for as msgpack",
            "Wire format: media types",
            responds(
                {"type": "about:blank", "status": 409}, "application/problem+json", status=409
            ),
            binary_post(DOCUMENT),
            status(409),
            is_msgpack({"type": "about:blank", "status": 409}, "application/problem+msgpack"),
        ),
        rule(
            "Other fields stay",
            "RFC 9110 §6.3",
            responds(DOCUMENT, **KEPT),
            binary_get(),
            IN_MSGPACK,
            *(field(name.replace("_", "-"), value) for name, value in KEPT.items()),
        ),
        rule(
            "Several cookies stay several lines",
            "RFC 6265 §3",
            sends(
                start(fields=(("content-type", JSON), ("set-cookie", "a=1"), ("set-cookie", "b"))),
                body(TEXT),
            ),
            binary_get(),
            IN_MSGPACK,
            lines("set-cookie", "a=1", "b"),
        ),
        rule(
            "The names of an app's headers may be in any case",
            "RFC 9110 §5.1",
            sends(
                start(fields=(("Content-Type", JSON), ("Content-Length", str(len(TEXT))))),
                body(TEXT),
            ),
            binary_get(),
            IN_MSGPACK,
        ),
        rule(
            "ETag, Vary and Accept-Ranges of an app may be in any case",
            "RFC 9110 §5.1",
            sends(
                start(
                    fields=(
                        ("Content-Type", JSON),
                        ("Vary", "Origin"),
                        ("ETag", '"abc"'),
                        ("Accept-Ranges", "bytes"),
                    )
                ),
                body(TEXT),
            ),
            binary_get(),
            IN_MSGPACK,
            vary("origin", "accept"),
            field("accept-ranges", None),
            is_not_the_tag_of_the_json,
        ),
        *(
            rule(
                f"The headers of an app may be {what}",
                "ASGI HTTP: Response start",
                sends_headers(make),
                binary_get(),
                IN_MSGPACK,
                vary("accept"),
                seen_over=["ASGI"],
            )
            for what, make in [
                ("lists", lambda: [JSON_LABEL]),
                ("a tuple", lambda: (tuple(JSON_LABEL),)),
                ("an iterator", lambda: iter([JSON_LABEL])),
            ]
        ),
        rule(
            "The headers of an app may be an iterator where nothing is converted",
            "ASGI HTTP: Response start",
            sends_headers(lambda: iter([[b"content-type", b"text/plain"]])),
            json_get(),
            as_written(TEXT, "text/plain"),
            seen_over=["ASGI"],
        ),
        rule(
            "Transfer-Encoding of an app does not stay beside Content-Length",
            "RFC 9112 §6.2",
            sends(
                start(fields=(("content-type", JSON), ("transfer-encoding", "chunked"))), body(TEXT)
            ),
            binary_get(),
            IN_MSGPACK,
            length_or_chunks,
        ),
        *(
            rule(
                f"`{content_type}` is not JSON",
                "RFC 6839 §3.1",
                responds_with_bytes(b"1", content_type),
                binary_get(),
                as_written(b"1", content_type),
            )
            for content_type in NOT_JSON
        ),
        *(
            rule(
                f"{name} of the JSON does not stay on msgpack",
                reference,
                responds(DOCUMENT, **{name.lower(): "x"}),
                binary_get(),
                IN_MSGPACK,
                field(name.lower(), None),
            )
            for name, reference in DIGESTS
        ),
        *(
            rule(
                f"{name} stays on what is not converted",
                reference,
                responds_with_bytes(b"hello", "text/plain", **{name.lower(): "x"}),
                binary_get(),
                as_written(b"hello", "text/plain"),
                field(name.lower(), "x"),
            )
            for name, reference in DIGESTS
        ),
        rule(
            "Digests stay for JSON clients",
            "RFC 9530 §2",
            responds(DOCUMENT, **{name.lower(): "x" for name, _ in DIGESTS}),
            json_get(),
            *(field(name.lower(), "x") for name, _ in DIGESTS),
        ),
    ],
)

VARY = Topic(
    "Vary",
    [
        *(
            rule(
                f"{title}: {client}",
                "RFC 9110 §12.5.5",
                app,
                request,
                vary(*names),
            )
            for title, app, names in [
                ("`Vary: Accept` is on JSON that may be msgpack", responds(DOCUMENT), ["accept"]),
                (
                    "`Accept` joins other fields in Vary",
                    responds(DOCUMENT, vary="Origin, Cookie"),
                    ["origin", "cookie", "accept"],
                ),
                (
                    "`Accept` is not listed twice",
                    responds(DOCUMENT, vary="Cookie, ACCEPT"),
                    ["cookie", "accept"],
                ),
                (
                    "`Accept-Encoding` is not `Accept`",
                    responds(DOCUMENT, vary="Accept-Encoding"),
                    ["accept-encoding", "accept"],
                ),
                ("`Vary: *` is left", responds(DOCUMENT, vary="*"), ["*"]),
                (
                    "`Vary: Accept` is on errors",
                    responds({"error": "none"}, status=404),
                    ["accept"],
                ),
                (
                    "`Vary: Accept` is on streamed JSON",
                    streams([b"[1,", b"2]"]),
                    ["accept"],
                ),
            ]
            for client, request in [("binary client", binary_get()), ("JSON client", json_get())]
        ),
        rule(
            "`Vary: Accept` is on the response to a request without Accept",
            "RFC 9110 §12.5.5",
            responds(DOCUMENT),
            get(),
            vary("accept"),
        ),
        rule(
            "`Vary: Accept` is on the response to a JSON body",
            "RFC 9110 §12.5.5",
            echo,
            json_post(DOCUMENT),
            vary("accept"),
        ),
        rule(
            "`Vary: Accept` is on JSON that stays JSON for a binary client",
            "RFC 9110 §12.5.5",
            responds_with_bytes(b"18446744073709551616"),
            binary_get(),
            vary("accept"),
        ),
        *(
            rule(
                f"`Vary: Accept` is on 304, as on 200: {client}",
                "RFC 9110 §15.4.5",
                sends(start(304, (("etag", 'W/"a"'),)), body()),
                request(if_none_match='W/"a"'),
                status(304),
                vary("accept"),
            )
            for client, request in [("binary client", binary_get), ("JSON client", json_get)]
        ),
        rule(
            "Vary in several lines is one list",
            "RFC 9110 §5.3",
            sends(
                start(fields=(("content-type", JSON), ("vary", "Origin"), ("vary", "Cookie"))),
                body(TEXT),
            ),
            binary_get(),
            IN_MSGPACK,
            vary("origin", "cookie", "accept"),
        ),
    ],
)


def is_not_labelled_json(seen: Seen) -> None:
    """Check that the response does not say that it is JSON."""
    if seen.media_type == JSON:
        raise Unmet(f"Content-Type: {JSON}")


STATUSES = Topic(
    "Methods, statuses and responses without a body",
    [
        *(
            rule(
                f"A JSON response with status {code} is converted",
                f"RFC 9110 §15.{section}",
                responds(DOCUMENT, status=code),
                binary_post(DOCUMENT),
                status(code),
                IN_MSGPACK,
            )
            for code, section in [
                (201, "3.2"),
                (202, "3.3"),
                (303, "4.4"),
                (400, "5.1"),
                (401, "5.2"),
                (404, "5.5"),
                (409, "5.10"),
                (416, "5.17"),
                (422, "5.21"),
                (500, "6.1"),
                (503, "6.4"),
            ]
        ),
        rule(
            "204 has no body and gets none",
            "RFC 9110 §15.3.5",
            sends(start(204), body()),
            binary_post(DOCUMENT),
            status(204),
            no_body,
            field("content-type", None),
            field("content-length", None),
        ),
        rule(
            "204 that is labelled JSON gets no body",
            "RFC 9110 §15.3.5",
            sends(start(204, (("content-type", JSON),)), body()),
            binary_post(DOCUMENT),
            status(204),
            no_body,
        ),
        rule(
            "205 has no body and gets none",
            "RFC 9110 §15.3.6",
            responds_with_bytes(b"", JSON, status=205),
            binary_post(DOCUMENT),
            status(205),
            no_body,
            field("content-length", "0"),
        ),
        rule(
            "304 has no body and gets none",
            "RFC 9110 §15.4.5",
            sends(start(304, (("content-type", JSON), ("etag", 'W/"a"'))), body()),
            binary_get(if_none_match='W/"a"'),
            status(304),
            no_body,
            field("etag", 'W/"a"'),
        ),
        rule(
            "304 does not carry the Content-Length of the JSON",
            "RFC 9110 §8.6",
            sends(start(304, (("content-type", JSON), ("content-length", "77"))), body()),
            binary_get(if_none_match='W/"a"'),
            status(304),
            field("content-length", None),
        ),
        rule(
            "304 does not relabel the msgpack that the client has",
            "RFC 9111 §4.3.4",
            sends(start(304, (("content-type", JSON), ("etag", '"a"'))), body()),
            binary_get(if_none_match="*"),
            status(304),
            is_not_labelled_json,
        ),
        *(
            rule(
                f"304 does not carry {name} of the JSON",
                reference,
                sends(start(304, (("etag", '"a"'), (name.lower(), "x"))), body()),
                binary_get(if_none_match="*"),
                status(304),
                field(name.lower(), None),
            )
            for name, reference in DIGESTS[:2]
        ),
        rule(
            "A redirect without a body passes",
            "RFC 9110 §15.4.8",
            sends(start(307, (("location", "/b"), ("content-length", "0"))), body()),
            binary_post(DOCUMENT),
            status(307),
            field("location", "/b"),
            field("content-length", "0"),
            no_body,
        ),
        rule(
            "A response without Content-Type passes as it is",
            "RFC 9110 §8.3",
            responds_with_bytes(TEXT, None),
            binary_get(),
            as_written(TEXT, None),
        ),
        rule(
            "A response without any header passes",
            "ASGI HTTP: Response start",
            sends({"type": "http.response.start", "status": 200}, {"type": "http.response.body"}),
            binary_get(),
            status(200),
            no_body,
        ),
        rule(
            "An empty body that is labelled JSON passes as it is",
            "RFC 9110 §6.4",
            responds_with_bytes(b""),
            binary_get(),
            status(200),
            as_written(b"", JSON),
        ),
        rule(
            "HEAD has the headers of GET, Content-Length included",
            "RFC 9110 §9.3.2",
            responds(DOCUMENT),
            Request("HEAD", fields(accept=MSGPACK)),
            status(200),
            field("content-type", MSGPACK),
            field("content-length", PACKED_LENGTH),
            no_body,
        ),
        rule(
            "HEAD does not carry the Content-Length of the JSON",
            "RFC 9110 §9.3.2",
            sends(start(fields=(("content-type", JSON), ("content-length", "77"))), body()),
            Request("HEAD", fields(accept=MSGPACK)),
            status(200),
            field("content-type", MSGPACK),
            field("content-length", None),
        ),
        rule(
            "HEAD without a body has the tag of GET",
            "RFC 9110 §9.3.2",
            sends(start(fields=(("content-type", JSON), ("etag", '"abc"'))), body()),
            Request("HEAD", fields(accept=MSGPACK)),
            field("content-type", MSGPACK),
            is_not_the_tag_of_the_json,
        ),
        rule(
            "HEAD without a body has the content coding of GET",
            "RFC 9110 §9.3.2",
            sends(start(fields=(("content-type", JSON), ("content-encoding", "gzip"))), body()),
            Request("HEAD", fields(accept=MSGPACK)),
            field("content-type", MSGPACK),
            field("content-encoding", None),
        ),
        rule(
            "HEAD for a JSON client is left",
            "RFC 9110 §9.3.2",
            sends(start(fields=(("content-type", JSON), ("content-length", "77"))), body()),
            Request("HEAD", fields(accept=JSON)),
            field("content-type", JSON),
            field("content-length", "77"),
        ),
        rule(
            "HEAD of what is not JSON is left",
            "RFC 9110 §9.3.2",
            sends(start(fields=(("content-type", "text/plain"), ("content-length", "5"))), body()),
            Request("HEAD", fields(accept=MSGPACK)),
            field("content-type", "text/plain"),
            field("content-length", "5"),
        ),
        rule(
            "OPTIONS reaches the app, and its response the client",
            "RFC 9110 §9.3.7",
            sends(start(204, (("allow", "GET, POST"),)), body()),
            Request("OPTIONS", fields(accept=MSGPACK)),
            status(204),
            field("allow", "GET, POST"),
            no_body,
        ),
        rule(
            "A JSON response to OPTIONS is converted",
            "RFC 9110 §9.3.7",
            responds(DOCUMENT),
            Request("OPTIONS", fields(accept=MSGPACK)),
            IN_MSGPACK,
        ),
        rule(
            "DELETE without a body gets a response in msgpack",
            "RFC 9110 §9.3.5",
            responds(DOCUMENT),
            Request("DELETE", fields(accept=MSGPACK)),
            IN_MSGPACK,
        ),
        rule(
            "A JSON client's response is left byte for byte",
            "RFC 9110 §7.7",
            responds_with_bytes(b'{ "a" :1 }\n', "application/json; charset=utf-8"),
            json_get(),
            as_written(b'{ "a" :1 }\n', "application/json; charset=utf-8"),
            is_json({"a": 1}),
        ),
    ],
)

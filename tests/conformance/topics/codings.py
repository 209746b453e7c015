"""Content codings of requests and of responses."""

from __future__ import annotations

import gzip
import zlib

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from tests.conformance.apps import (
    CODINGS,
    body,
    echo,
    responds,
    responds_with_bytes,
    sends,
    start,
    streams,
)
from tests.conformance.expect import (
    app_did_not_run,
    app_received,
    app_received_bytes,
    app_saw,
    app_saw_right_length,
    as_written,
    field,
    is_json,
    is_msgpack,
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
    json_get,
    packed,
    post,
    text,
)
from tests.conformance.rule import Expectation, Topic, rule

IN_MSGPACK = is_msgpack(DOCUMENT)
PACKED, TEXT = packed(DOCUMENT), text(DOCUMENT)
ZIPPED = gzip.compress(PACKED)
DEFLATED, ZLIBBED = zlib.compress(PACKED), zlib.compress(TEXT)
LONG = {"text": "abc " * 2000}


def coded(data: bytes, *codings: str) -> Request:
    """Return a POST of msgpack under these content codings, each in a line of its own."""
    return post(data, content_type=MSGPACK, accept=MSGPACK, content_encoding=codings)


def unzips_to(expectation: Expectation) -> Expectation:
    """Check that the response is under gzip, and without it meets the expectation."""

    def check(seen: Seen) -> None:
        field("content-encoding", "gzip")(seen)
        plain = Seen(seen.request, seen.witness, seen.status, seen.fields)
        plain.body = gzip.decompress(seen.body)
        expectation(plain)

    return check


def zipped(data: bytes) -> bytes:
    """Compress with gzip, without a date."""
    return gzip.compress(data, mtime=0)


def first_half(data: bytes) -> bytes:
    """Return a body that is cut short."""
    return data[: len(data) // 2]


REQUEST_CODINGS = Topic(
    "Content codings of requests",
    [
        *(
            rule(
                f"{what} is decoded",
                reference,
                echo,
                coded(data, coding),
                app_received(DOCUMENT),
                app_saw("content-encoding"),
                app_saw_right_length,
                IN_MSGPACK,
            )
            for what, reference, coding, data in [
                ("gzip", "RFC 9110 §8.4.1.3", "gzip", ZIPPED),
                ("x-gzip", "RFC 9110 §8.4.1.3", "x-gzip", ZIPPED),
                ("gzip in any case", "RFC 9110 §8.4.1", "GZip", ZIPPED),
                (
                    "gzip of several members",
                    "RFC 1952 §2.2",
                    "gzip",
                    gzip.compress(PACKED[:9]) + gzip.compress(PACKED[9:]),
                ),
                ("deflate", "RFC 9110 §8.4.1.2", "deflate", DEFLATED),
            ]
        ),
        *(
            rule(
                f"{what} is no coding",
                reference,
                echo,
                coded(PACKED, coding),
                app_received(DOCUMENT),
                IN_MSGPACK,
            )
            for what, reference, coding in [
                ("identity", "RFC 9110 §12.5.3", "identity"),
                ("An empty list", "RFC 9110 §5.6.1.2", ""),
            ]
        ),
        rule(
            "gzip in chunks is decoded",
            "RFC 9110 §8.4.1.3",
            echo,
            post(
                (ZIPPED[:7], ZIPPED[7:20], ZIPPED[20:]),
                content_type=MSGPACK,
                accept=MSGPACK,
                content_encoding="gzip",
            ),
            app_received(DOCUMENT),
            IN_MSGPACK,
        ),
        *(
            rule(
                f"{what} is refused with 400",
                "RFC 9110 §15.5.1",
                echo,
                coded(data, coding),
                status(400),
            )
            for what, coding, data in [
                ("What is labelled gzip and is not", "gzip", PACKED),
                ("What is labelled deflate and is not", "deflate", PACKED),
                ("gzip that is cut short", "gzip", first_half(ZIPPED)),
                ("gzip without its end", "gzip", ZIPPED[:-4]),
                ("gzip with a wrong checksum", "gzip", ZIPPED[:-8] + bytes(8)),
                ("gzip with something behind it", "gzip", ZIPPED + b"more"),
                ("deflate that is cut short", "deflate", first_half(DEFLATED)),
                ("deflate with something behind it", "deflate", DEFLATED + b"more"),
            ]
        ),
        *(
            rule(
                f"{what} is refused with 415 before the app runs",
                "RFC 9110 §15.5.16",
                echo,
                coded(ZIPPED, *codings),
                status(415),
                app_did_not_run,
            )
            for what, codings in [
                ("br", ["br"]),
                ("zstd", ["zstd"]),
                ("A coding that nobody knows", ["x-acme"]),
                ("A list of codings", ["gzip, deflate"]),
                ("A list of codings in two lines", ["gzip", "deflate"]),
            ]
        ),
        rule(
            "The refusal of a coding tells which ones are accepted",
            "RFC 9110 §15.5.16",
            echo,
            coded(ZIPPED, "br"),
            status(415),
            field("accept-encoding", "gzip, deflate"),
        ),
        rule(
            "A compressed JSON body reaches the app as it came",
            "RFC 9110 §8.4",
            responds(DOCUMENT),
            post(zipped(TEXT), content_type=JSON, accept=MSGPACK, content_encoding="gzip"),
            app_received_bytes(zipped(TEXT)),
            app_saw("content-encoding", "gzip"),
            IN_MSGPACK,
        ),
    ],
)


def compressed(coding: str, data: bytes = TEXT, **more: str) -> ASGIApp:
    """Return an app that compresses its JSON by itself, whatever the client accepts."""
    return responds_with_bytes(CODINGS[coding](data), content_encoding=coding, **more)


RESPONSE_CODINGS = Topic(
    "Content codings of responses",
    [
        *(
            rule(
                f"JSON under {coding} is converted, and leaves without it",
                f"RFC 9110 §8.4.1.{section}",
                compressed(coding),
                binary_get(accept_encoding="gzip, deflate"),
                field("content-encoding", None),
                IN_MSGPACK,
            )
            for coding, section in [("gzip", 3), ("x-gzip", 3), ("deflate", 2)]
        ),
        rule(
            "JSON that streams under gzip is converted",
            "RFC 9110 §8.4.1.3",
            streams([zipped(TEXT)[:9], zipped(TEXT)[9:]], content_encoding="gzip"),
            binary_get(accept_encoding="gzip"),
            field("content-encoding", None),
            IN_MSGPACK,
        ),
        rule(
            "JSON under identity is converted",
            "RFC 9110 §12.5.3",
            responds(DOCUMENT, content_encoding="identity"),
            binary_get(),
            IN_MSGPACK,
        ),
        *(
            rule(
                f"JSON under {coding} is sent as it is",
                "RFC 9110 §8.4",
                responds_with_bytes(b"\x0b\x02\x80[1]\x03", content_encoding=coding),
                binary_get(accept_encoding="gzip, br, zstd"),
                as_written(b"\x0b\x02\x80[1]\x03", JSON),
                field("content-encoding", coding),
            )
            for coding in ("br", "zstd", "gzip, gzip")
        ),
        *(
            rule(
                f"{what} is sent as it is",
                "RFC 9110 §8.4",
                responds_with_bytes(data, content_encoding=coding, etag='"abc"'),
                binary_get(accept_encoding="gzip, deflate"),
                as_written(data, JSON),
                field("content-encoding", coding),
                field("etag", '"abc"'),
            )
            for what, coding, data in [
                ("What is labelled gzip and is not", "gzip", TEXT),
                ("JSON under gzip that is cut short", "gzip", first_half(zipped(TEXT))),
                (
                    "JSON under deflate that is cut short",
                    "deflate",
                    first_half(zlib.compress(TEXT)),
                ),
                ("What is under gzip and is not JSON", "gzip", zipped(b"hello")),
            ]
        ),
        rule(
            "Text under gzip is sent as it is",
            "RFC 9110 §8.4",
            responds_with_bytes(zipped(b"hello"), "text/plain", content_encoding="gzip"),
            binary_get(accept_encoding="gzip"),
            as_written(zipped(b"hello"), "text/plain"),
            field("content-encoding", "gzip"),
        ),
        rule(
            "JSON under gzip is left for JSON clients",
            "RFC 9110 §8.4",
            responds_with_bytes(zipped(TEXT), content_encoding="gzip"),
            json_get(accept_encoding="gzip"),
            as_written(zipped(TEXT), JSON),
            field("content-encoding", "gzip"),
        ),
        rule(
            "HEAD of JSON under gzip announces msgpack without it",
            "RFC 9110 §9.3.2",
            sends(
                start(fields=(("content-type", JSON), ("content-encoding", "gzip"))),
                body(zipped(TEXT)),
            ),
            binary_get(accept_encoding="gzip").but(method="HEAD"),
            field("content-type", MSGPACK),
            field("content-encoding", None),
        ),
        rule(
            "GZipMiddleware inside: its JSON is converted",
            "RFC 9110 §8.4.1.3",
            GZipMiddleware(responds(LONG)),
            binary_get(accept_encoding="gzip"),
            field("content-encoding", None),
            is_msgpack(LONG),
            vary("accept-encoding", "accept"),
        ),
        rule(
            "GZipMiddleware inside: what it streams is converted",
            "RFC 9110 §8.4.1.3",
            GZipMiddleware(streams([text(LONG)[:999], text(LONG)[999:]])),
            binary_get(accept_encoding="gzip"),
            field("content-encoding", None),
            is_msgpack(LONG),
        ),
        rule(
            "GZipMiddleware inside: other responses stay compressed",
            "RFC 9110 §8.4.1.3",
            GZipMiddleware(responds_with_bytes(b"hello " * 500, "text/plain")),
            binary_get(accept_encoding="gzip"),
            unzips_to(as_written(b"hello " * 500, "text/plain")),
        ),
        rule(
            "GZipMiddleware outside: msgpack is compressed",
            "RFC 9110 §8.4.1.3",
            responds(LONG),
            binary_get(accept_encoding="gzip"),
            unzips_to(is_msgpack(LONG)),
            vary("accept", "accept-encoding"),
            outside=GZipMiddleware,
        ),
        rule(
            "GZipMiddleware outside: msgpack goes plain to those who do not take gzip",
            "RFC 9110 §12.5.3",
            responds(LONG),
            binary_get(),
            field("content-encoding", None),
            is_msgpack(LONG),
            outside=GZipMiddleware,
        ),
        rule(
            "GZipMiddleware outside: JSON clients get compressed JSON",
            "RFC 9110 §8.4.1.3",
            responds(LONG),
            json_get(accept_encoding="gzip"),
            unzips_to(is_json(LONG)),
            vary("accept", "accept-encoding"),
            outside=GZipMiddleware,
        ),
        rule(
            "GZipMiddleware inside and outside: msgpack is compressed once",
            "RFC 9110 §8.4.1.3",
            GZipMiddleware(responds(LONG)),
            binary_get(accept_encoding="gzip"),
            unzips_to(is_msgpack(LONG)),
            outside=GZipMiddleware,
        ),
        rule(
            "GZipMiddleware inside: a msgpack body and a compressed response at once",
            "RFC 9110 §8.4.1.3",
            GZipMiddleware(echo),
            binary_post(LONG, accept_encoding="gzip"),
            app_received(LONG),
            is_msgpack(LONG),
        ),
    ],
)

"""Streams, files, and messages beside the body."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.conformance.apps import body, responds_with_bytes, sends, start, streams, streams_in_step
from tests.conformance.expect import (
    as_written,
    field,
    forwarded,
    is_msgpack,
    messages,
    status,
)
from tests.conformance.message import (
    DOCUMENT,
    JSON,
    MSGPACK,
    Seen,
    binary_get,
    binary_post,
    get,
    json_get,
    text,
)
from tests.conformance.rule import Topic, Unmet, rule
from tests.conformance.witness import WITNESS, until

IN_MSGPACK = is_msgpack(DOCUMENT)
TEXT = text(DOCUMENT)
JSON_START = start(fields=(("content-type", JSON),))
TEXT_START = start(fields=(("content-type", "text/plain"),))

FILE: Final = Path(__file__).with_name("document.json")
FILE_AS_BYTES: Final = FILE.read_bytes()

STREAMS_OF_OTHER_TYPES = [
    ("server-sent events", "text/event-stream", [b"data: 1\n\n", b"data: 2\n\n"]),
    ("JSON lines", "application/jsonl", [b'{"a": 1}\n', b'{"a": 2}\n']),
    ("NDJSON", "application/x-ndjson", [b'{"a": 1}\n', b'{"a": 2}\n']),
    ("a JSON text sequence", "application/json-seq", [b"\x1e1\n", b"\x1e2\n"]),
    ("text", "text/plain; charset=utf-8", [b"one ", b"two"]),
    ("bytes", "application/octet-stream", [b"\x00\x01", b"\x02"]),
]


async def sends_a_file(request: StarletteRequest) -> Response:
    return FileResponse(FILE, media_type=request.path_params["type"])


async def hints_early(request: StarletteRequest) -> Response:
    await request.send_early_hints("</style.css>; rel=preload")
    return JSONResponse(DOCUMENT)


async def streams_json(request: StarletteRequest) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield TEXT[:10]
        yield b""
        yield TEXT[10:]

    return StreamingResponse(chunks(), media_type=JSON)


async def streams_views(request: StarletteRequest) -> Response:
    async def chunks() -> AsyncIterator[memoryview]:
        yield memoryview(TEXT)[:10]
        yield memoryview(TEXT)[10:]

    return StreamingResponse(chunks(), media_type=JSON)


def continues_after_its_response(data: bytes, content_type: str) -> ASGIApp:
    """Respond, and is done only when the client has the response, as with a background task."""
    response = responds_with_bytes(data, content_type)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await response(scope, receive, send)
        await until(lambda: WITNESS.get().client_has > 0)

    return app


STARLETTE = Starlette(
    routes=[
        Route("/files/{type:path}", sends_a_file),
        Route("/early", hints_early),
        Route("/stream", streams_json),
        Route("/views", streams_views),
    ]
)
PATHSEND = "http.response.pathsend"
PICTURE_PATH, JSON_PATH = "/files/image/png", "/files/application/json"

STREAMS = Topic(
    "Streams and files",
    [
        *(
            rule(
                f"A stream of {what} is sent as it is made",
                "ASGI HTTP: Response body",
                streams_in_step(chunks, content_type),
                binary_get(),
                status(200),
                as_written(b"".join(chunks), content_type),
            )
            for what, content_type, chunks in STREAMS_OF_OTHER_TYPES
        ),
        rule(
            "A stream of JSON is sent as it is made to JSON clients",
            "ASGI HTTP: Response body",
            streams_in_step([b"[1,", b"2]"], JSON),
            json_get(),
            as_written(b"[1,2]", JSON),
        ),
        rule(
            "Server-sent events are sent as they are made in response to msgpack",
            "ASGI HTTP: Response body",
            streams_in_step([b"data: 1\n\n", b"data: 2\n\n"], "text/event-stream"),
            binary_post(DOCUMENT, accept="text/event-stream"),
            as_written(b"data: 1\n\ndata: 2\n\n", "text/event-stream"),
        ),
        rule(
            "JSON in chunks is one msgpack document",
            "RFC 9112 §7.1",
            streams([TEXT[:5], b"", TEXT[5:]]),
            binary_get(),
            IN_MSGPACK,
        ),
        rule(
            "StreamingResponse of JSON is one msgpack document",
            "RFC 9112 §7.1",
            STARLETTE,
            binary_get().but(path="/stream"),
            IN_MSGPACK,
        ),
        rule(
            "The pieces of a stream may be views of memory",
            "Starlette: StreamingResponse",
            STARLETTE,
            binary_get().but(path="/views"),
            IN_MSGPACK,
        ),
        *(
            rule(
                f"What an app does after its response does not hold that back: {what}",
                "ASGI HTTP: Response body",
                continues_after_its_response(data, content_type),
                binary_get(),
                as_expected,
            )
            for what, data, content_type, as_expected in [
                ("msgpack", TEXT, JSON, IN_MSGPACK),
                ("what is not JSON", b"no", JSON, as_written(b"no", JSON)),
                ("text", b"hello", "text/plain", as_written(b"hello", "text/plain")),
            ]
        ),
        rule(
            "A stream that is labelled JSON and is not is sent as it is",
            "RFC 9110 §8.3",
            streams([b'{"a": 1}\n', b'{"a": 2}\n']),
            binary_get(),
            as_written(b'{"a": 1}\n{"a": 2}\n', JSON),
        ),
        rule(
            "A file is sent as it is",
            "RFC 9110 §8.3",
            STARLETTE,
            binary_get().but(path=PICTURE_PATH),
            status(200),
            as_written(FILE_AS_BYTES, "image/png"),
            field("content-length", str(len(FILE_AS_BYTES))),
            field("accept-ranges", "bytes"),
        ),
        rule(
            "A part of a file is sent as it is",
            "RFC 9110 §14.2",
            STARLETTE,
            binary_get(range="bytes=0-3").but(path=JSON_PATH),
            status(206),
            as_written(FILE_AS_BYTES[:4], JSON),
            field("content-range", f"bytes 0-3/{len(FILE_AS_BYTES)}"),
        ),
        rule(
            "A JSON file is converted",
            "RFC 9110 §12.5.1",
            STARLETTE,
            binary_get().but(path=JSON_PATH),
            is_msgpack({"of": "a file"}),
            field("accept-ranges", None),
        ),
        rule(
            "A file that the server sends by its path is left to it",
            "ASGI extensions: Path send",
            STARLETTE,
            binary_get().but(path=PICTURE_PATH, extensions=(PATHSEND,)),
            messages("start", "pathsend"),
            as_written(FILE_AS_BYTES, "image/png"),
            seen_over=["ASGI"],
        ),
        rule(
            "A JSON file that the server sends by its path stays JSON",
            "ASGI extensions: Path send",
            STARLETTE,
            binary_get().but(path=JSON_PATH, extensions=(PATHSEND,)),
            messages("start", "pathsend"),
            as_written(FILE_AS_BYTES, JSON),
            seen_over=["ASGI"],
        ),
        rule(
            "A file that the server sends by its descriptor is left to it",
            "ASGI extensions: Zero copy send",
            sends(TEXT_START, {"type": "http.response.zerocopysend", "file": 3}),
            binary_get(),
            messages("start", "zerocopysend"),
            forwarded({"type": "http.response.zerocopysend", "file": 3}),
            seen_over=["ASGI"],
        ),
        rule(
            "A JSON file that the server sends by its descriptor stays JSON",
            "ASGI extensions: Zero copy send",
            sends(JSON_START, {"type": "http.response.zerocopysend", "file": 3}),
            binary_get(),
            messages("start", "zerocopysend"),
            field("content-type", JSON),
            seen_over=["ASGI"],
        ),
    ],
)

TRAILERS: Message = {"type": "http.response.trailers", "headers": [(b"x-sum", b"7")]}
DEBUG: Message = {"type": "http.response.debug", "info": {"template": "x.html"}}
HINT: Message = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
PUSH: Message = {"type": "http.response.push", "path": "/style.css", "headers": []}
UNKNOWN: Message = {"type": "http.response.acme", "of": ["the", "future"]}


def announces_trailers(seen: Seen) -> None:
    """Check that the start of the response says that trailers come."""
    if not seen.messages[0].get("trailers", False):
        raise Unmet("trailers are not announced")


MESSAGES = Topic(
    "Messages beside the body",
    [
        *(
            rule(
                f"{title}: {what}",
                reference,
                sends(message, first, body(data)),
                binary_get(),
                messages(message["type"].removeprefix("http.response."), "start", "body"),
                forwarded(message),
                as_expected,
                seen_over=["ASGI"],
            )
            for title, reference, message in [
                ("Early hints go before the response", "RFC 8297 §2", HINT),
                ("Pushes go before the response", "ASGI extensions: HTTP/2 Server Push", PUSH),
                ("Debug information is forwarded", "ASGI extensions: Debug", DEBUG),
                ("An unknown message is forwarded", "ASGI: Extensions", UNKNOWN),
            ]
            for what, first, data, as_expected in [
                ("msgpack", JSON_START, TEXT, IN_MSGPACK),
                ("text", TEXT_START, b"hello", as_written(b"hello", "text/plain")),
            ]
        ),
        *(
            rule(
                f"Trailers follow the response: {what}",
                "ASGI extensions: Trailers",
                sends({**first, "trailers": True}, body(data), TRAILERS),
                request,
                messages("start", "body", "trailers"),
                forwarded(TRAILERS),
                announces_trailers,
                as_expected,
                seen_over=["ASGI"],
            )
            for what, first, data, request, as_expected in [
                ("msgpack", JSON_START, TEXT, binary_get(), IN_MSGPACK),
                ("JSON", JSON_START, TEXT, json_get(), as_written(TEXT, JSON)),
                (
                    "text",
                    TEXT_START,
                    b"hello",
                    binary_get(),
                    as_written(b"hello", "text/plain"),
                ),
                ("what is not JSON", JSON_START, b"no", binary_get(), as_written(b"no", JSON)),
            ]
        ),
        rule(
            "Trailers follow chunks: their response gets no Content-Length",
            "RFC 9112 §7.1.2",
            sends({**JSON_START, "trailers": True}, body(TEXT), TRAILERS),
            binary_get(),
            IN_MSGPACK,
            field("content-length", None),
            seen_over=["ASGI"],
        ),
        rule(
            "Debug information between start and body is forwarded",
            "ASGI extensions: Debug",
            sends(JSON_START, DEBUG, body(TEXT)),
            binary_get(),
            forwarded(DEBUG),
            IN_MSGPACK,
            seen_over=["ASGI"],
        ),
        rule(
            "Starlette's early hints go before the response",
            "RFC 8297 §2",
            STARLETTE,
            binary_get().but(path="/early", extensions=("http.response.early_hint",)),
            messages("early_hint", "start", "body"),
            forwarded(HINT),
            IN_MSGPACK,
            seen_over=["ASGI"],
        ),
        rule(
            "The body may be left out of a message",
            "ASGI HTTP: Response body",
            sends(
                JSON_START,
                {"type": "http.response.body", "more_body": True},
                body(TEXT, more_body=True),
                {"type": "http.response.body"},
            ),
            binary_get(),
            IN_MSGPACK,
        ),
        rule(
            "Messages of a response that is not converted stay as they are",
            "ASGI HTTP: Response body",
            sends(
                start(201, (("content-type", "text/plain"),)),
                body(b"he", more_body=True),
                body(b"llo", more_body=True),
                body(),
            ),
            binary_get(),
            status(201),
            messages("start", "body", "body", "body"),
            forwarded(body(b"he", more_body=True), body(b"llo", more_body=True), body()),
            seen_over=["ASGI"],
        ),
        rule(
            "A large response goes under one Content-Length",
            "RFC 9110 §8.6",
            responds_with_bytes(text(list(range(100_000)))),
            get(accept=MSGPACK),
            is_msgpack(list(range(100_000))),
            lambda seen: field("content-length", str(len(seen.body)))(seen),
        ),
    ],
)

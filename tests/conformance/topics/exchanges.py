"""The course of an exchange: 100 Continue, clients that go away, exceptions, concurrency."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.conformance.apps import (
    body,
    catches_what_receive_raises,
    echo,
    echo_together,
    ignores_the_body,
    raises,
    refuses_everybody,
    start,
    waits_for_the_client_to_leave,
)
from tests.conformance.expect import (
    app_did_not_run,
    app_received,
    app_received_bytes,
    app_received_messages,
    as_written,
    interim,
    is_json,
    is_msgpack,
    messages,
    status,
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
    json_post,
    packed,
    post,
    text,
)
from tests.conformance.rule import Topic, Unmet, rule
from tests.conformance.witness import WITNESS, until

JSON_START = start(fields=(("content-type", JSON),))
TEXT_START = start(fields=(("content-type", "text/plain"),))

EXPECT = Topic(
    "Expect: 100-continue",
    [
        rule(
            "An app that reads the body has the client send it",
            "RFC 9110 §10.1.1",
            echo,
            binary_post(DOCUMENT).but(expects_100=True),
            interim(100),
            app_received(DOCUMENT),
            is_msgpack(DOCUMENT),
            seen_over=["socket"],
        ),
        rule(
            "An app that reads a JSON body has the client send it",
            "RFC 9110 §10.1.1",
            echo,
            json_post(DOCUMENT).but(expects_100=True),
            interim(100),
            app_received(DOCUMENT),
            seen_over=["socket"],
        ),
        rule(
            "An app that refuses without a look at the body gets none",
            "RFC 9110 §10.1.1",
            refuses_everybody,
            binary_post(DOCUMENT).but(expects_100=True),
            status(401),
            interim(),
            is_msgpack({"status": 401}),
            seen_over=["socket"],
        ),
        rule(
            "A coding that is refused is refused before the body is sent",
            "RFC 9110 §10.1.1",
            echo,
            binary_post(DOCUMENT, content_encoding="br").but(expects_100=True),
            status(415),
            interim(),
            seen_over=["socket"],
        ),
    ],
)

IN_PIECES = tuple(packed(DOCUMENT)[start : start + 9] for start in range(0, 27, 9))


def leaving(content_type: str, chunks: tuple[bytes, ...], when: str) -> Request:
    """Return a POST by a client that goes away."""
    return post(chunks, content_type=content_type, accept=MSGPACK).but(leaves=when)


DISCONNECTS = Topic(
    "Clients that go away",
    [
        rule(
            "Before the body: the app is notified",
            "ASGI HTTP: Disconnect",
            echo,
            leaving(MSGPACK, (), "in the body"),
            app_received_messages("disconnect"),
            seen_over=["ASGI"],
        ),
        rule(
            "In the body: the app is notified, and gets no part of a document",
            "ASGI HTTP: Disconnect",
            echo,
            leaving(MSGPACK, IN_PIECES, "in the body"),
            app_received_messages("disconnect"),
            app_received_bytes(b""),
        ),
        rule(
            "After the body: an app that waits for that is notified",
            "ASGI HTTP: Disconnect",
            waits_for_the_client_to_leave,
            leaving(MSGPACK, (packed(DOCUMENT),), "after the body"),
            app_received(DOCUMENT),
            app_received_messages("request", "disconnect"),
        ),
        rule(
            "In a JSON body: the app is notified, as ever",
            "ASGI HTTP: Disconnect",
            echo,
            leaving(JSON, (b"[1,", b"2,"), "in the body"),
            app_received_bytes(b"[1,2,"),
            seen_over=["ASGI"],
        ),
    ],
)


class Failure(Exception):
    """What an app under test raises."""


class Teapot(Exception):
    """What an app under test has a handler for."""


async def raises_http_exception(request: StarletteRequest) -> Response:
    await request.json()
    raise HTTPException(403, "not you")


async def raises_what_is_handled(request: StarletteRequest) -> Response:
    await request.json()
    raise Teapot


async def on_teapot(request: StarletteRequest, exc: Exception) -> Response:
    return JSONResponse({"handled": True}, status_code=418)


async def on_http_exception(request: StarletteRequest, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    return JSONResponse({"detail": exc.detail}, status_code=exc.status_code)


async def reads_json(request: StarletteRequest) -> Response:
    return JSONResponse(await request.json())


async def handles_any_exception(request: StarletteRequest) -> Response:
    try:
        return JSONResponse(await request.json())
    except Exception:
        return JSONResponse({"handled": False}, status_code=500)


async def streams_in_step(request: StarletteRequest) -> Response:
    witness = WITNESS.get()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one "
        await until(lambda: witness.client_has >= 4)
        yield b"two"

    return StreamingResponse(chunks(), media_type="text/plain")


STARLETTE = Starlette(
    routes=[
        Route("/forbidden", raises_http_exception, methods=["POST"]),
        Route("/teapot", raises_what_is_handled, methods=["POST"]),
        Route("/read", reads_json, methods=["POST"]),
        Route("/stream", streams_in_step, methods=["POST"]),
        Route("/careful", handles_any_exception, methods=["POST"]),
    ],
    exception_handlers={HTTPException: on_http_exception, Teapot: on_teapot},
)


def is_cut_off(seen: Seen) -> None:
    """Check that the end of the body is missing."""
    if seen.fault != "the response is cut off":
        raise Unmet(seen.fault or "the response looks complete")


EXCEPTIONS = Topic(
    "Exceptions of the app",
    [
        *(
            rule(
                f"Before the response, the server gets it as it is: {client}",
                "ASGI: Error handling",
                raises(Failure()),
                request,
                messages(),
                raises=Failure,
                seen_over=["ASGI"],
            )
            for client, request in [
                ("binary client", binary_post(DOCUMENT)),
                ("JSON client", json_post(DOCUMENT)),
            ]
        ),
        rule(
            "Before the response, the server responds with 500",
            "RFC 9110 §15.6.1",
            raises(Failure()),
            binary_post(DOCUMENT),
            status(500),
            raises=Failure,
            seen_over=["socket"],
        ),
        rule(
            "After the start of JSON, nothing of that is sent: the server can respond with 500",
            "RFC 9110 §15.6.1",
            raises(Failure(), JSON_START),
            binary_post(DOCUMENT),
            status(500),
            raises=Failure,
            seen_over=["socket"],
        ),
        rule(
            "In the midst of JSON, no part of a document is sent",
            "RFC 9110 §15.6.1",
            raises(Failure(), JSON_START, body(b"[1,", more_body=True)),
            binary_post(DOCUMENT),
            messages(),
            raises=Failure,
            seen_over=["ASGI"],
        ),
        rule(
            "In the midst of text, what was sent stays sent",
            "ASGI: Error handling",
            raises(Failure(), TEXT_START, body(b"hel", more_body=True)),
            binary_post(DOCUMENT),
            messages("start", "body"),
            as_written(b"hel", "text/plain"),
            raises=Failure,
            seen_over=["ASGI"],
        ),
        rule(
            "In the midst of text, the client can tell that something is missing",
            "RFC 9112 §8",
            raises(Failure(), TEXT_START, body(b"hel", more_body=True)),
            binary_post(DOCUMENT),
            status(200),
            as_written(b"hel", "text/plain"),
            is_cut_off,
            raises=Failure,
            seen_over=["socket"],
        ),
        rule(
            "After the response, it still reaches the server, and the response the client",
            "ASGI: Error handling",
            raises(Failure(), JSON_START, body(text(DOCUMENT))),
            binary_get(),
            is_msgpack(DOCUMENT),
            raises=Failure,
        ),
        rule(
            "The framework's own response is converted",
            "RFC 9110 §15.5.4",
            STARLETTE,
            binary_post(DOCUMENT).but(path="/forbidden"),
            status(403),
            is_msgpack({"detail": "not you"}),
        ),
        rule(
            "The response of a handler is converted",
            "RFC 9110 §15.5",
            STARLETTE,
            binary_post(DOCUMENT).but(path="/teapot"),
            status(418),
            is_msgpack({"handled": True}),
        ),
        rule(
            "404 of the framework passes",
            "RFC 9110 §15.5.5",
            STARLETTE,
            binary_get().but(path="/nowhere"),
            status(404),
            is_msgpack({"detail": "Not Found"}),
        ),
        rule(
            "405 of the framework passes, with Allow",
            "RFC 9110 §15.5.6",
            Starlette(routes=STARLETTE.routes),
            binary_get().but(path="/read"),
            status(405),
            as_written(b"Method Not Allowed", "text/plain; charset=utf-8"),
        ),
    ],
)

BAD = [
    # what, body
    ("A byte that msgpack does not have", b"\xc1"),
    ("msgpack that is cut short", b"\x92\x01"),
    ("Something behind the document", b"\x01\x01"),
    ("A string that is not UTF-8", b"\xa2\xffd"),
    ("JSON that is labelled msgpack", b'{"a": 1}'),
    ("An extension that is not known", b"\xd4\x05a"),
    ("A map whose key is a map", b"\x81\x80\x01"),
]

REFUSALS = Topic(
    "Bodies that are refused",
    [
        *(
            rule(
                f"{what} is refused with 400",
                "RFC 9110 §15.5.1",
                echo,
                post(data, content_type=MSGPACK, accept=MSGPACK),
                status(400),
            )
            for what, data in BAD
        ),
        rule(
            "A document that nests 100,000 deep is refused with 413",
            "RFC 9110 §15.5.14",
            echo,
            post(b"\x91" * 100_000 + b"\x01", content_type=MSGPACK, accept=MSGPACK),
            status(413),
        ),
        *(
            rule(
                f"A refusal is a refusal whatever the app makes of it: {what}",
                "RFC 9110 §15.5.1",
                app,
                post(b"\xc1", content_type=MSGPACK, accept=MSGPACK).but(path=path),
                status(400),
            )
            for what, app, path in [
                ("a framework", STARLETTE, "/read"),
                ("an endpoint that catches everything", STARLETTE, "/careful"),
                ("a raw app that does", catches_what_receive_raises, "/"),
                ("a framework in debug mode", Starlette(True, routes=STARLETTE.routes), "/read"),
            ]
        ),
        rule(
            "A body that the app does not read is not refused",
            "RFC 9110 §9.3",
            ignores_the_body,
            post(b"\xc1", content_type=MSGPACK, accept=MSGPACK),
            status(200),
            is_msgpack({"status": 200}),
        ),
        *(
            rule(
                f"A stream that has begun is not cut off by a body that nobody reads: {what}",
                "RFC 9112 §8",
                STARLETTE,
                post(data, content_type=MSGPACK, accept=MSGPACK).but(path="/stream", is_late=True),
                status(200),
                as_written(b"one two", "text/plain; charset=utf-8"),
            )
            for what, data in [("msgpack", packed(DOCUMENT)), ("what is not msgpack", b"\xc1")]
        ),
        rule(
            "A JSON body that is not JSON is the app's business",
            "RFC 9110 §15.5.1",
            echo,
            post(b"{", content_type=JSON, accept=JSON),
            status(200),
            as_written(b"{", JSON),
        ),
    ],
)

EIGHT = [{"number": number} for number in range(8)]
CONCURRENCY = Topic(
    "Requests at the same time",
    [
        rule(
            "Each gets the response to its own body, in its own format",
            "ASGI: Applications",
            echo_together,
            binary_post(DOCUMENT),
            is_msgpack(DOCUMENT),
            alongside=[
                *((binary_post(document), is_msgpack(document)) for document in EIGHT),
                *((json_post(document), is_json(document)) for document in EIGHT),
                *(
                    (json_post(document, accept=MSGPACK), is_msgpack(document))
                    for document in EIGHT
                ),
                *((binary_post(document, accept=JSON), is_json(document)) for document in EIGHT),
            ],
        ),
        rule(
            "One that is refused does not disturb the others",
            "ASGI: Applications",
            ignores_the_body,
            binary_post(DOCUMENT),
            is_msgpack({"status": 200}),
            alongside=[
                (binary_post(DOCUMENT, content_encoding="br"), status(415)),
                (binary_post(DOCUMENT, content_encoding="br"), app_did_not_run),
                (json_post(DOCUMENT), is_json({"status": 200})),
                (Request("HEAD", fields(accept=MSGPACK)), status(200)),
            ],
        ),
    ],
)

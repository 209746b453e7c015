"""Requests as the app receives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.asgi_app import http_scope
from tests.conformance.apps import body, echo, ignores_the_body, responds, start
from tests.conformance.expect import (
    app_received,
    app_received_bytes,
    app_received_chunks,
    app_received_messages,
    app_saw,
    app_saw_right_length,
    is_json,
    is_msgpack,
    status,
)
from tests.conformance.message import (
    DOCUMENT,
    JSON,
    MSGPACK,
    Request,
    Seen,
    binary_post,
    fields,
    get,
    json_post,
    packed,
    post,
    text,
)
from tests.conformance.rule import Middleware, Scenario, Topic, Unmet, rule

BINARY = [(b"content-type", MSGPACK.encode()), (b"accept", MSGPACK.encode())]
responds_to_anything: ASGIApp = responds(DOCUMENT)
LARGE = {"text": "x" * 200_000, "numbers": list(range(20_000))}


def chunks(data: bytes, size: int) -> tuple[bytes, ...]:
    """Bytes in pieces of this size."""
    return tuple(data[start : start + size] for start in range(0, len(data), size))


async def scope_is_left(middleware: Middleware) -> None:
    scope = http_scope(headers=[("content-type", MSGPACK), ("accept", MSGPACK)])
    headers, before = scope["headers"], {**scope, "headers": list(scope["headers"])}

    async def receive() -> Message:
        return {"type": "http.request", "body": packed(DOCUMENT), "more_body": False}

    async def send(message: Message) -> None:
        pass

    await middleware(echo)(scope, receive, send)
    if headers != before["headers"]:
        raise Unmet("the server's list of headers is changed")
    if any(scope[key] != value for key, value in before.items()):
        raise Unmet("the server's scope is changed")


def passes_untouched(kind: str) -> Any:
    """Run a scenario: a scope that is not HTTP reaches the app with its own two channels."""

    async def run(middleware: Middleware) -> None:
        seen: list[Any] = []

        async def app(*arguments: Any) -> None:
            seen.extend(arguments)

        async def receive() -> Message:
            return {"type": f"{kind}.startup"}

        async def send(message: Message) -> None:
            pass

        scope = {"type": kind, "headers": [(b"content-type", MSGPACK.encode())]}
        before = {**scope, "headers": list(scope["headers"])}
        await middleware(app)(scope, receive, send)
        if seen[1:] != [receive, send]:
            raise Unmet("other channels")
        if seen[0] != before:
            raise Unmet("another scope")

    return run


async def lifespan_runs(middleware: Middleware) -> None:
    """Startup and shutdown, as a server does them, with state for the requests."""
    received = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            scope["state"]["seen"] = kind
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    async def receive() -> Message:
        return received.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    state: dict[str, Any] = {}
    await middleware(app)({"type": "lifespan", "state": state}, receive, send)
    if sent != ["lifespan.startup.complete", "lifespan.shutdown.complete"]:
        raise Unmet(", ".join(sent))
    if state != {"seen": "lifespan.shutdown"}:
        raise Unmet("another state")


async def drive(
    app: ASGIApp, received: list[Message], headers: Sequence[Any] = BINARY
) -> dict[bytes, bytes]:
    """Run an app on these messages; gives the headers of its response, and its body."""
    response: dict[bytes, bytes] = {}

    async def receive() -> Message:
        return received.pop(0)

    async def send(message: Message) -> None:
        response.update(message.get("headers", ()))
        response[b""] = response.get(b"", b"") + message.get("body", b"")

    await app({**http_scope(), "headers": headers}, receive, send)
    return response


def is_the_document(response: dict[bytes, bytes]) -> None:
    """Check that the response is the document in msgpack."""
    if response.get(b"content-type") != MSGPACK.encode():
        raise Unmet(f"Content-Type: {response.get(b'content-type', b'').decode()}")
    if response[b""] != packed(DOCUMENT):
        raise Unmet("another document")


async def takes_lists_as_headers(middleware: Middleware) -> None:
    """Daphne makes the headers lists."""
    received: list[Message] = [
        {"type": "http.request", "body": packed(DOCUMENT), "more_body": False}
    ]
    headers = [list(field) for field in BINARY]
    is_the_document(await drive(middleware(echo), received, headers))


async def takes_messages_without_more_body(middleware: Middleware) -> None:
    received: list[Message] = [{"type": "http.request", "body": packed(DOCUMENT)}]
    is_the_document(await drive(middleware(echo), received))


async def takes_messages_without_body(middleware: Middleware) -> None:
    received: list[Message] = [
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": packed(DOCUMENT), "more_body": True},
        {"type": "http.request"},
    ]
    is_the_document(await drive(middleware(echo), received))


def comes_back_for_the_body(*chunks: bytes) -> Any:
    """Run a scenario: an app looks whether a body is there, and comes back when all of it is.

    Args:
        chunks: what is there when it looks, and what comes later.
    """

    async def run(middleware: Middleware) -> None:
        *there, later = chunks
        is_there = anyio.Event()
        pending = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in there]
        sent: list[Message] = []
        read = b""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal read
            with anyio.CancelScope() as look:
                look.cancel()
                while True:
                    read += (await receive())["body"]
            is_there.set()
            more_body = True
            while more_body:
                message = await receive()
                read += message["body"]
                more_body = message["more_body"]
            await send(start(fields=(("content-type", JSON),)))
            await send(body(read))

        async def receive() -> Message:
            if pending:
                return pending.pop(0)
            await is_there.wait()
            return {"type": "http.request", "body": later, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await middleware(app)({**http_scope(), "headers": list(BINARY)}, receive, send)
        if read == b"".join(chunks):
            raise Unmet("the app gets msgpack that is labelled JSON")
        is_the_document({**dict(sent[0]["headers"]), b"": sent[1]["body"]})

    return run


def what_is_found_out_is_seen_outside(*headers: tuple[bytes, bytes]) -> Any:
    """Run a scenario: a framework puts something into the scope for the middleware around it."""

    async def run(middleware: Middleware) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.update(route="/things/{id}", endpoint="look", path_params={"id": 7})
            await responds_to_anything(scope, receive, send)

        async def receive() -> Message:
            return {"type": "http.request", "body": packed(DOCUMENT), "more_body": False}

        async def send(message: Message) -> None:
            pass

        scope = {**http_scope(), "headers": list(headers)}
        await middleware(app)(scope, receive, send)
        if (scope.get("route"), scope.get("path_params")) != ("/things/{id}", {"id": 7}):
            raise Unmet("not seen outside")

    return run


async def errors_of_send_reach_the_app(middleware: Middleware) -> None:
    """Raise ``OSError`` when the client is gone, as a server may."""
    caught: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await echo(scope, receive, send)
        except OSError as exc:
            caught.append(exc)

    async def receive() -> Message:
        return {"type": "http.request", "body": packed(DOCUMENT), "more_body": False}

    async def send(message: Message) -> None:
        raise OSError("gone")

    await middleware(app)({**http_scope(), "headers": list(BINARY)}, receive, send)
    if not caught:
        raise Unmet("the app is not notified")


def length_or_chunks(seen: Seen) -> None:
    """Check that the app sees one of Content-Length and Transfer-Encoding at most."""
    assert seen.witness.scope is not None
    names = {name for name, _ in seen.witness.scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        raise Unmet("the app sees both")


async def polls(request: StarletteRequest) -> Response:
    value = await request.json()
    return JSONResponse({"value": value, "is_gone": await request.is_disconnected()})


async def asks_twice(scope: Scope, receive: Receive, send: Send) -> None:
    """Receives again after the body, when the response is complete."""
    await echo(scope, receive, send)
    await receive()


REQUESTS = Topic(
    "What the app sees of a request",
    [
        rule(
            "A msgpack body arrives as JSON",
            "RFC 9110 §8.3",
            echo,
            binary_post(DOCUMENT),
            app_received(DOCUMENT),
        ),
        rule(
            "A Content-Length is that of the body which arrives",
            "RFC 9110 §8.6",
            echo,
            binary_post(DOCUMENT),
            app_received(DOCUMENT),
            app_saw_right_length,
        ),
        rule(
            "A msgpack body may come in chunks",
            "RFC 9112 §7.1",
            echo,
            post(chunks(packed(DOCUMENT), 5), content_type=MSGPACK, accept=MSGPACK),
            app_received(DOCUMENT),
            app_saw_right_length,
            is_msgpack(DOCUMENT),
        ),
        rule(
            "A large body arrives, and goes, whole",
            "RFC 9110 §8.6",
            echo,
            binary_post(LARGE),
            app_received(LARGE),
            is_msgpack(LARGE),
        ),
        rule(
            "A large body in chunks arrives, and goes, whole",
            "RFC 9112 §7.1",
            echo,
            post(chunks(packed(LARGE), 30_000), content_type=MSGPACK, accept=MSGPACK),
            app_received(LARGE),
            is_msgpack(LARGE),
        ),
        rule(
            "The JSON comes as the one end of a body",
            "ASGI HTTP: Request",
            echo,
            post(chunks(packed(DOCUMENT), 5), content_type=MSGPACK, accept=MSGPACK),
            app_received_messages("request"),
        ),
        rule(
            "A body that came in chunks has no Content-Length beside its Transfer-Encoding",
            "RFC 9112 §6.2",
            echo,
            post(chunks(packed(DOCUMENT), 5), content_type=MSGPACK, accept=MSGPACK),
            app_received(DOCUMENT),
            length_or_chunks,
        ),
        rule(
            "An empty msgpack body is an empty body",
            "RFC 9110 §6.4",
            responds_to_anything,
            post(b"", content_type=MSGPACK, accept=MSGPACK),
            app_received_bytes(b""),
            is_msgpack(DOCUMENT),
        ),
        rule(
            "An app need not read a msgpack body",
            "ASGI HTTP: Request",
            ignores_the_body,
            binary_post(DOCUMENT),
            app_received_messages(),
            is_msgpack({"status": 200}),
        ),
        rule(
            "The end of the exchange reaches an app that goes on receiving",
            "ASGI HTTP: Disconnect",
            asks_twice,
            binary_post(DOCUMENT),
            app_received_messages("request", "disconnect"),
            is_msgpack(DOCUMENT),
        ),
        rule(
            "An app may ask whether the client is still there",
            "ASGI HTTP: Disconnect",
            Starlette(routes=[Route("/", polls, methods=["POST"])]),
            binary_post(DOCUMENT),
            is_msgpack({"value": DOCUMENT, "is_gone": False}),
        ),
        *(
            rule(
                f"{method} may carry msgpack",
                section,
                echo,
                Request(method, fields(content_type=MSGPACK, accept=MSGPACK), packed(DOCUMENT)),
                app_received(DOCUMENT),
                is_msgpack(DOCUMENT),
            )
            for method, section in [
                ("PUT", "RFC 9110 §9.3.4"),
                ("PATCH", "RFC 5789 §2"),
                ("DELETE", "RFC 9110 §9.3.5"),
            ]
        ),
        rule(
            "A JSON body arrives byte for byte, chunk for chunk",
            "ASGI HTTP: Request",
            responds_to_anything,
            post((b'{"a"', b" : ", b"1}"), content_type=JSON, accept=JSON),
            app_received_chunks([b'{"a"', b" : ", b"1}"]),
            is_json(DOCUMENT),
            seen_over=["ASGI"],
        ),
        rule(
            "The Content-Length of a JSON body is left",
            "RFC 9110 §8.6",
            responds_to_anything,
            json_post(DOCUMENT),
            app_saw("content-length", str(len(text(DOCUMENT)))),
        ),
        *(
            rule(
                f"An upload in {what} reaches the app while it is sent",
                "ASGI HTTP: Request",
                responds_to_anything,
                Request(
                    "POST",
                    fields(content_type=content_type, accept=accept),
                    (b'{"a"', b" : ", b"1}"),
                    in_step=True,
                ),
                app_received_bytes(b'{"a" : 1}'),
            )
            for what, content_type, accept in [
                ("JSON", JSON, JSON),
                ("JSON, for a response in msgpack,", JSON, MSGPACK),
                ("bytes", "application/octet-stream", MSGPACK),
            ]
        ),
        rule(
            "A form reaches the app as it came",
            "RFC 9110 §8.3",
            responds_to_anything,
            post(b"a=1&b=2", content_type="application/x-www-form-urlencoded", accept=MSGPACK),
            app_received_bytes(b"a=1&b=2"),
            app_saw("content-type", "application/x-www-form-urlencoded"),
            app_saw("content-length", "7"),
            is_msgpack(DOCUMENT),
        ),
        rule(
            "Other headers arrive, line by line",
            "RFC 9110 §5.3",
            echo,
            binary_post(
                DOCUMENT,
                authorization="Bearer x",
                cookie="a=b",
                x_list=["1", "2"],
                if_modified_since="Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            app_saw("authorization", "Bearer x"),
            app_saw("cookie", "a=b"),
            app_saw("x-list", "1", "2"),
            app_saw("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ),
        rule(
            "Accept-Encoding is left to the app and the server",
            "RFC 9110 §12.5.3",
            responds_to_anything,
            get(accept=MSGPACK, accept_encoding="gzip, br;q=0.5"),
            app_saw("accept-encoding", "gzip, br;q=0.5"),
            status(200),
        ),
        rule(
            "Nothing changes for an app whose clients speak JSON",
            "RFC 9110 §12.5.1",
            echo,
            json_post(DOCUMENT, user_agent="x"),
            app_received_bytes(text(DOCUMENT)),
            app_saw("accept", JSON),
            app_saw("content-type", JSON),
            is_json(DOCUMENT),
        ),
        Scenario(
            "The headers of a scope may be lists",
            "ASGI HTTP: Connection scope",
            takes_lists_as_headers,
        ),
        Scenario(
            "`more_body` may be left out of a request's message",
            "ASGI HTTP: Request",
            takes_messages_without_more_body,
        ),
        Scenario(
            "`body` may be left out of a request's message",
            "ASGI HTTP: Request",
            takes_messages_without_body,
        ),
        Scenario(
            "An app that stops waiting for the body can come back for it",
            "ASGI HTTP: Request",
            comes_back_for_the_body(packed(DOCUMENT)),
        ),
        Scenario(
            "An app that stops waiting for the rest of the body can come back for it",
            "ASGI HTTP: Request",
            comes_back_for_the_body(packed(DOCUMENT)[:5], packed(DOCUMENT)[5:]),
        ),
        Scenario(
            "An error of the server's `send` reaches the app",
            "ASGI HTTP: Disconnect",
            errors_of_send_reach_the_app,
        ),
        *(
            Scenario(
                f"What a router found out is there for middleware outside: {client}",
                "Starlette: Routing",
                what_is_found_out_is_seen_outside(*headers),
            )
            for client, headers in [
                ("binary client", BINARY),
                ("JSON client", [(b"accept", JSON.encode())]),
                (
                    "JSON client with a condition",
                    [(b"accept", JSON.encode()), (b"if-match", b'"abc--msgpack"')],
                ),
            ]
        ),
        Scenario("The server's scope is not changed", "ASGI: Middleware", scope_is_left),
        Scenario("WebSockets pass untouched", "ASGI: Middleware", passes_untouched("websocket")),
        Scenario("The lifespan passes untouched", "ASGI: Middleware", passes_untouched("lifespan")),
        Scenario("Startup and shutdown run", "ASGI lifespan", lifespan_runs),
    ],
)

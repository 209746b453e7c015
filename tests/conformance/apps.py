"""Apps under test: raw ASGI, without state, and as unaware of msgpack as apps are."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import anyio
import anyio.lowlevel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.conformance.message import JSON, Fields, text
from tests.conformance.witness import WITNESS, until

CODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


def start(status: int = 200, fields: Fields = (), **more: Any) -> Message:
    """Return the message that starts a response."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(data: bytes = b"", *, more_body: bool = False) -> Message:
    """Return a message with a piece of a response's body."""
    return {"type": "http.response.body", "body": data, "more_body": more_body}


async def read(receive: Receive) -> bytes | None:
    """Return the body of a request; ``None`` if the client goes away."""
    data = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk: bytes = message.get("body", b"")
        data += chunk
        if not message.get("more_body", False):
            return data


def sends(*messages: Message) -> ASGIApp:
    """Read the body, and send these messages."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if await read(receive) is not None:
            for message in messages:
                # A middleware is free to change a message that it is given.
                copy = dict(message)
                if "headers" in copy:
                    copy["headers"] = list(copy["headers"])
                await send(copy)

    return app


def responds_with_bytes(data: bytes, content_type: str | None = JSON, /, **more: Any) -> ASGIApp:
    """Respond with this body under its Content-Length.

    Args:
        data: the body.
        content_type: ``None`` for none.
        more: ``status``, or headers by name.
    """
    status = more.pop("status", 200)
    fields = [] if content_type is None else [("content-type", content_type)]
    fields += [(name.replace("_", "-"), value) for name, value in more.items()]
    if status not in (204, 304):
        fields.append(("content-length", str(len(data))))
    return sends(start(status, tuple(fields)), body(data))


def responds(document: Any, content_type: str = JSON, /, **more: Any) -> ASGIApp:
    """Respond with a document in JSON; ``more`` as for :func:`responds_with_bytes`."""
    return responds_with_bytes(text(document), content_type, **more)


def streams(chunks: Sequence[bytes], content_type: str = JSON, /, **fields: str) -> ASGIApp:
    """Respond in chunks, without a Content-Length."""
    named = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return sends(
        start(fields=(("content-type", content_type), *named)),
        *(body(chunk, more_body=True) for chunk in chunks),
        body(),
    )


def streams_in_step(chunks: Sequence[bytes], content_type: str) -> ASGIApp:
    """Respond in chunks, and waits with each until the client has what was sent before it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(receive)
        await send(start(fields=(("content-type", content_type),)))
        witness, sent = WITNESS.get(), 0
        for chunk in chunks:
            await send(body(chunk, more_body=True))
            sent += len(chunk)
            await until(lambda: witness.client_has >= sent)  # noqa: B023
        await send(body())

    return app


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the JSON that it received, byte for byte."""
    data = await read(receive)
    if data is not None:
        fields = (("content-type", JSON), ("content-length", str(len(data))))
        await send(start(fields=fields))
        await send(body(data))


async def echo_together(scope: Scope, receive: Receive, send: Send) -> None:
    """As :func:`echo`, but only when all requests that were made together are here."""
    data = await read(receive)
    companions = WITNESS.get().companions
    await until(lambda: all(other.app_has_all for other in companions))
    await send(start(fields=(("content-type", JSON),)))
    await anyio.lowlevel.checkpoint()
    await send(body(data or b""))


async def ignores_the_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond without a look at the body."""
    await responds_now(receive, send, 200)


async def refuses_everybody(scope: Scope, receive: Receive, send: Send) -> None:
    """401, without a look at the body."""
    await responds_now(receive, send, 401)


async def responds_now(receive: Receive, send: Send, status: int) -> None:
    """Send a small JSON response with this status, whatever the request."""
    data = text({"status": status})
    fields = (("content-type", JSON), ("content-length", str(len(data))))
    await send(start(status, fields))
    await send(body(data))


async def waits_for_the_client_to_leave(scope: Scope, receive: Receive, send: Send) -> None:
    """Send nothing until the client is gone, as a long poll does."""
    await read(receive)
    await receive()


def raises(exception: Exception, *before: Message) -> ASGIApp:
    """Read the body, send these messages, and raise."""
    send_first = sends(*before)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_first(scope, receive, send)
        raise exception

    return app


async def catches_what_receive_raises(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond itself when its ``receive`` raises, as frameworks do."""
    try:
        await receive()
        status = 200
    except Exception:
        status = 500
    await responds_now(receive, send, status)


async def only_json(scope: Scope, receive: Receive, send: Send) -> None:
    """Negotiates by itself: 406 to those who do not name JSON."""
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
    await responds_now(receive, send, 200 if b"application/json" in accept else 406)


# -- conditional requests ---------------------------------------------------------------------

TAG: Final = re.compile(r'(W/)?("[^"]*")')
LAST_MODIFIED: Final = "Sun, 06 Nov 1994 08:49:37 GMT"


def conditional(document: Any, tag: str, content_type: str = JSON, /, **more: str) -> ASGIApp:
    """Return a resource with an entity tag, and a date at which it was last modified.

    It follows RFC 9110 §13.2.2: If-Match, then If-None-Match, and If-Modified-Since only where
    that is absent. The date is compared as the text that it is.
    """
    fresh = sends(start(304, (("etag", tag),)), body())
    failed = responds({"error": "precondition"}, status=412)
    data = text(document) if content_type == JSON else document
    whole = responds_with_bytes(data, content_type, etag=tag, last_modified=LAST_MODIFIED, **more)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        def sent(name: str) -> str | None:
            found = [v.decode("latin-1") for k, v in scope["headers"] if k == name.encode()]
            return ", ".join(found) if found else None

        is_read = scope["method"] in ("GET", "HEAD")
        if_match, if_none_match = sent("if-match"), sent("if-none-match")
        if if_match is not None and not _lists(if_match, tag, strong=True):
            chosen = failed
        elif if_none_match is not None:
            is_listed = _lists(if_none_match, tag, strong=False)
            chosen = whole if not is_listed else fresh if is_read else failed
        elif is_read and sent("if-modified-since") == LAST_MODIFIED:
            chosen = fresh
        else:
            chosen = whole
        await chosen(scope, receive, send)

    return app


def _lists(field: str, tag: str, *, strong: bool) -> bool:
    """Whether a field lists an entity tag, by the comparison of RFC 9110 §8.8.3.2."""
    if field.strip() == "*":
        return True
    for weak, opaque in TAG.findall(field):
        if opaque == tag.removeprefix("W/") and not (strong and (weak or tag.startswith("W/"))):
            return True
    return False

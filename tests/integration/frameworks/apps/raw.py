"""A raw ASGI callable."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.integration.frameworks.service import (
    PICTURE,
    RELEASE,
    Feed,
    FullyBookedError,
    Uploads,
    checksum,
    invoice,
    normalize,
    reserve,
)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

feed = Feed()
uploads = Uploads()
WORK: dict[str, Callable[[Any], Any]] = {
    "/invoice": invoice,
    "/checksum": checksum,
    "/normalize": normalize,
    "/reserve": reserve,
    "/events": lambda request: feed.publish(request["text"]),
}


class ClientLeftError(Exception):
    """The client went away before the end of its request."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    match scope["method"], scope["path"]:
        case "POST", "/uploads":
            await response(send, 200, uploads.add(await read(receive)))
        case "POST", path if path in WORK:
            try:
                document = WORK[path](json.loads(await read(receive)))
            except (KeyError, TypeError, ValueError) as exc:
                await response(send, 400, {"error": f"{type(exc).__name__}: {exc}"})
            except FullyBookedError as exc:
                await response(send, 409, {"error": str(exc)})
            else:
                await response(send, 200, document)
        case "GET", "/uploads":
            await response(send, 200, uploads.report())
        case "GET", "/release":
            await response(send, 200, RELEASE)
        case "GET", "/latest":
            await start(send, 307, location="/release")
            await send({"type": "http.response.body"})
        case "GET", "/picture":
            await start(send, 200, content_type="image/png")
            await send({"type": "http.response.body", "body": PICTURE.read_bytes()})
        case "GET", "/events":
            await start(send, 200, content_type="text/event-stream")
            async for event in feed.events():
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body"})
        case "GET", "/crash":
            raise ZeroDivisionError
        case _:
            await response(send, 404, {"error": "there is nothing here"})


async def read(receive: Receive) -> bytes:
    body, more_body = b"", True
    while more_body:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        body += message.get("body", b"")
        more_body = message.get("more_body", False)
    return body


async def start(send: Send, status: int, **fields: str) -> None:
    headers = [(name.replace("_", "-").encode(), text.encode()) for name, text in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def response(send: Send, status: int, document: Any) -> None:
    body = json.dumps(document).encode()
    await start(send, status, content_type="application/json", content_length=str(len(body)))
    await send({"type": "http.response.body", "body": body})

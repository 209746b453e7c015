"""A raw ASGI driver: one exchange with an app, message by message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from starlette.types import ASGIApp, Message

MSGPACK = {"content-type": "application/msgpack"}


@dataclass
class Received:
    """The messages that an app sent."""

    messages: list[Message] = field(default_factory=list)

    @property
    def start(self) -> Message:
        (start,) = (m for m in self.messages if m["type"] == "http.response.start")
        return start

    @property
    def status(self) -> int:
        return self.start["status"]

    @property
    def headers(self) -> dict[str, str]:
        pairs = [(k.decode(), v.decode()) for k, v in self.start.get("headers", [])]
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    @property
    def bodies(self) -> list[Message]:
        return [m for m in self.messages if m["type"] == "http.response.body"]

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.bodies)


def http_scope(
    method: str = "POST",
    path: str = "/",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    **more: Any,
) -> dict[str, Any]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",  # which needs no header to announce a body
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in pairs],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        **more,
    }


async def exchange(
    app: ASGIApp,
    scope: dict[str, Any],
    body: bytes | Iterable[bytes | Message] = b"",
) -> Received:
    """Run one request; ``body`` may be chunks, or whole messages among them."""
    chunks: list[Any] = [body] if isinstance(body, bytes) else list(body)
    messages: list[Message] = []
    for index, chunk in enumerate(chunks):
        if isinstance(chunk, bytes):
            chunk = {
                "type": "http.request",
                "body": chunk,
                "more_body": index + 1 < len(chunks),
            }
        messages.append(chunk)
    response = Received()

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        response.messages.append(message)

    await app(scope, receive, send)
    return response


def call(
    app: ASGIApp,
    body: bytes | Iterable[bytes | Message] = b"",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = MSGPACK,
    **scope: Any,
) -> Received:
    """Send a POST of msgpack, or of other headers."""
    return anyio.run(exchange, app, http_scope(headers=headers, **scope), body)


class Recorder:
    """An app that records requests, and sends a fixed response.

    Args:
        body: the body of its response.
        headers: the headers of its response.
        reads: whether it reads the request's body.
    """

    def __init__(
        self,
        body: bytes | Sequence[bytes] = b"{}",
        headers: Mapping[str, str] | None = None,
        *,
        status: int = 200,
        reads: bool = True,
    ) -> None:
        self.response = [body] if isinstance(body, bytes) else list(body)
        self.headers = {"content-type": "application/json"} if headers is None else headers
        self.status = status
        self.reads = reads
        self.scope: Any = None
        self.received: list[Message] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        while self.reads:
            self.received.append(await receive())
            if not self.received[-1].get("more_body", False):
                break
        raw = [(k.encode(), v.encode()) for k, v in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        for index, chunk in enumerate(self.response):
            more_body = index + 1 < len(self.response)
            await send({"type": "http.response.body", "body": chunk, "more_body": more_body})

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.received)

    @property
    def request_headers(self) -> dict[str, str]:
        return {k.decode(): v.decode() for k, v in self.scope["headers"]}

"""Exchanges on ASGI, message by message."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
from starlette.types import ASGIApp, Message

from tests.asgi_app import http_scope
from tests.conformance.message import Request, Seen
from tests.conformance.witness import DEADLINE, HANGS, WITNESS, Witness, until

BODILESS: Final = (204, 304)
ENDS: Final = ("http.response.body", "http.response.pathsend", "http.response.zerocopysend")


class InProcess:
    """A transport that is no more than two functions, so that each message can be seen."""

    def ask(self, app: ASGIApp, requests: Sequence[Request]) -> list[Seen]:
        """Send the requests, all at once, and wait for what comes of them."""
        witnesses = [Witness() for _ in requests]
        exchanged = [
            Seen(request, witness) for request, witness in zip(requests, witnesses, strict=True)
        ]

        async def run() -> None:
            with anyio.move_on_after(DEADLINE) as deadline:
                async with anyio.create_task_group() as group:
                    for seen in exchanged:
                        seen.witness.companions = witnesses
                        group.start_soon(_exchange, app, seen)
            if deadline.cancelled_caught:
                for seen in exchanged:
                    seen.fault = HANGS

        anyio.run(run)
        return exchanged


async def _exchange(app: ASGIApp, seen: Seen) -> None:
    request, witness = seen.request, seen.witness
    WITNESS.set(witness)
    pending = _request_messages(request)
    handed_over = 0
    answered = anyio.Event()

    async def receive() -> Message:
        nonlocal handed_over
        if request.in_step:
            await until(lambda: len(witness.app_received) >= handed_over)
        if request.is_late:
            await until(lambda: witness.client_has > 0)
        if pending:
            message = pending.pop(0)
            handed_over += len(message.get("body", b""))
            return message
        if request.leaves == "never":
            # As a server does: nothing to tell until the response is complete.
            await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        seen.messages.append(message)
        witness.client_has += len(message.get("body", b""))
        if message["type"] in ENDS and not message.get("more_body", False):
            answered.set()

    scope = http_scope(
        request.method,
        request.root_path + request.path,
        request.all_fields,
        root_path=request.root_path,
        extensions={name: {} for name in request.extensions},
    )
    with contextlib.suppress(Exception):  # the witness has it
        await app(scope, receive, send)
    _take_down(seen)


def _request_messages(request: Request) -> list[Message]:
    chunks = request.chunks or ((b"",) if request.leaves != "in the body" else ())
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    if messages and request.leaves != "in the body":
        messages[-1]["more_body"] = False
    return messages


def _take_down(seen: Seen) -> None:
    """Return what a server would have sent to the client, and whether it could."""
    starts = [message for message in seen.messages if message["type"] == "http.response.start"]
    ends = [message for message in seen.messages if message["type"] in ENDS]
    for message in starts[:1]:
        seen.status = message["status"]
        seen.fields = [
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in message.get("headers", ())
        ]
    for message in ends:
        if message["type"] == "http.response.pathsend":
            seen.body += Path(message["path"]).read_bytes()
        seen.body += message.get("body", b"")
    for message in seen.messages:
        if message["type"] == "http.response.trailers":
            seen.trailers += [(name.decode(), value.decode()) for name, value in message["headers"]]
    seen.fault = _fault(seen, starts, ends)
    if seen.request.method == "HEAD":
        seen.body = b""


def _fault(seen: Seen, starts: list[Message], ends: list[Message]) -> str:
    if seen.request.leaves != "never":
        return ""
    if len(starts) != 1:
        return "responds twice" if starts else "no response"
    if not ends or ends[-1].get("more_body", False):
        return "the response never ends"
    if any(not message.get("more_body", False) for message in ends[:-1]):
        return "goes on after the end of the response"
    if seen.messages.index(starts[0]) > seen.messages.index(ends[0]):
        return "the body comes before the start"
    for name in ("content-length", "content-type", "etag"):
        if len(seen.lines(name)) > 1:
            return f"two lines of {name.title()}"
    length = seen.field("content-length")
    if seen.status in BODILESS and seen.body:
        return f"a body with status {seen.status}"
    if (
        length is not None
        and seen.status not in BODILESS
        and seen.request.method != "HEAD"
        and int(length) != len(seen.body)
    ):
        return f"Content-Length {length} of {len(seen.body)} bytes"
    return ""

"""What an app sees of a request, and what comes out of it, written down beside the exchange.

A witness stands right around the app, inside the middleware that is tested, and right inside the
server, outside of all middleware. It is found by a context variable, so that nothing in the
request tells of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE: Final = 5.0
"""Seconds until something counts as held back. Nothing waits this long if all is well."""

DEADLINE: Final = 10.0
"""Seconds until an exchange counts as one that hangs."""

HELD_BACK: Final = "held back"
HANGS: Final = "hangs"


class HeldBack(Exception):
    """What one side sent does not reach the other one before more is sent."""


@dataclass
class Witness:
    """One exchange.

    Attributes:
        scope: the app's; ``None`` as long as it has not run.
        fields_at_first: the headers that the app found when it was called; a middleware
            may go on changing those in the scope.
        received: what the app received.
        client_has: bytes of the response's body that have reached the client.
        exception: what came out of the outermost app.
        finished: whether that is done with the exchange.
        companions: the witnesses of exchanges that were begun together, this one among them.
    """

    scope: Scope | None = None
    fields_at_first: list[tuple[bytes, bytes]] = field(default_factory=list)
    received: list[Message] = field(default_factory=list)
    client_has: int = 0
    exception: BaseException | None = None
    finished: threading.Event = field(default_factory=threading.Event)
    companions: Sequence[Witness] = ()

    @property
    def app_ran(self) -> bool:
        """Whether the request reached the app."""
        return self.scope is not None

    @property
    def app_received(self) -> bytes:
        """The body that the app received."""
        return b"".join(message.get("body", b"") for message in self.received)

    @property
    def app_has_all(self) -> bool:
        """Whether the app received the end of a body."""
        return any(
            message["type"] == "http.request" and not message.get("more_body", False)
            for message in self.received
        )

    def app_fields(self, name: str) -> list[str]:
        """Return the lines of a header that the app saw."""
        return [
            value.decode("latin-1") for key, value in self.fields_at_first if key == name.encode()
        ]


WITNESS: Final[ContextVar[Witness]] = ContextVar("WITNESS")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread or task does.

    Raises:
        HeldBack: it does not happen.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise HeldBack
        await anyio.sleep(0.001)


def witnessed(app: ASGIApp) -> ASGIApp:
    """Return the app, with what it sees written down."""

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        witness = WITNESS.get()
        witness.scope = scope
        witness.fields_at_first = list(scope["headers"])

        async def receive_and_note() -> Message:
            message = await receive()
            witness.received.append(message)
            return message

        await app(scope, receive_and_note, send)

    return observed


def witnessing(app: ASGIApp) -> ASGIApp:
    """Return the outermost app, with what comes out of it written down."""

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        witness = WITNESS.get()
        try:
            await app(scope, receive, send)
        except Exception as exc:
            witness.exception = exc
            raise
        finally:
            witness.finished.set()

    return outermost

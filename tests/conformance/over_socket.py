"""Exchanges over a real uvicorn, read by h11, which reports every part of a response."""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import h11
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.conformance.message import Request, Seen
from tests.conformance.witness import (
    DEADLINE,
    HANGS,
    HELD_BACK,
    PATIENCE,
    WITNESS,
    HeldBack,
    Witness,
)
from tests.serving import serving


class _Switchboard:
    """The one app that is served. The first segment of a path names the app that is asked."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._connected: dict[str, tuple[ASGIApp, Seen]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError("only HTTP is served here")
        segment, _, path = scope["path"].removeprefix("/").partition("/")
        app, seen = self._connected[segment]
        WITNESS.set(seen.witness)
        root_path = seen.request.root_path
        path = f"{root_path}/{path}"
        scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": root_path}
        await app(scope, receive, send)

    @contextlib.contextmanager
    def connected(self, app: ASGIApp, seen: Seen) -> Iterator[str]:
        """Connect an app for one exchange; gives the target of the request."""
        segment = str(next(self._numbers))
        self._connected[segment] = app, seen
        try:
            yield f"/{segment}{seen.request.path}"
        finally:
            del self._connected[segment]


class OverSocket:
    """A transport that is a connection to uvicorn.

    Args:
        switchboard: the app that it serves.
        url: where.
    """

    def __init__(self, switchboard: _Switchboard, url: str) -> None:
        self._switchboard = switchboard
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 0)

    def ask(self, app: ASGIApp, requests: Sequence[Request]) -> list[Seen]:
        """Send the requests, all at once, and wait for what comes of them."""
        witnesses = [Witness() for _ in requests]
        exchanged = []
        for request, witness in zip(requests, witnesses, strict=True):
            witness.companions = witnesses
            exchanged.append(Seen(request, witness))
        if len(exchanged) == 1:
            self._exchange(app, exchanged[0])
        else:
            with ThreadPoolExecutor(len(exchanged)) as threads:
                list(threads.map(lambda seen: self._exchange(app, seen), exchanged))
        return exchanged

    def _exchange(self, app: ASGIApp, seen: Seen) -> None:
        with self._switchboard.connected(app, seen) as target:
            with socket.create_connection(self._address, timeout=DEADLINE) as connection:
                try:
                    _Client(connection, seen).run(target)
                except HeldBack:
                    seen.fault = HELD_BACK
                except TimeoutError:
                    seen.fault = HANGS
            # An exception may come after the response, or after the client is gone.
            if not seen.witness.finished.wait(DEADLINE):
                seen.fault = HANGS


@contextlib.contextmanager
def over_socket(http: str) -> Iterator[OverSocket]:
    """Return a transport over a server that runs during the ``with`` block.

    Args:
        http: uvicorn's HTTP implementation, ``"httptools"`` or ``"h11"``.
    """
    switchboard = _Switchboard()
    with serving(switchboard, http=http, server_header=False, date_header=False) as url:
        yield OverSocket(switchboard, url)


class _Client:
    """One request on a connection of its own, which the server closes after it."""

    def __init__(self, connection: socket.socket, seen: Seen) -> None:
        self._connection = connection
        self._seen = seen
        self._h11 = h11.Connection(h11.CLIENT)

    def run(self, target: str) -> None:
        request = self._seen.request
        headers = [*request.all_fields]
        if not request.is_late:  # where the server would close on what comes late
            headers.append(("connection", "close"))
        if request.leaves == "in the body" and not isinstance(request.body, tuple):
            raise ValueError("only a body in chunks can be left in its midst")
        self._send(h11.Request(method=request.method, target=target, headers=headers))
        if request.is_late:
            while not self._seen.body:
                self._note(self._next_event())
        if not request.expects_100 or self._read_interim():
            # Whoever refuses a body may close the connection before all of it is sent.
            with contextlib.suppress(ConnectionError):
                self._send_body()
        if request.leaves == "after the body":
            _wait(lambda: self._seen.witness.app_has_all)
        if request.leaves == "never":
            self._read()

    def _send(self, event: Any) -> None:
        data = self._h11.send(event)
        assert data is not None
        self._connection.sendall(data)

    def _send_body(self) -> None:
        request = self._seen.request
        sent = 0
        for chunk in request.chunks:
            if request.in_step:
                _wait(lambda: len(self._seen.witness.app_received) >= sent)  # noqa: B023
            self._send(h11.Data(data=chunk))
            sent += len(chunk)
        if request.leaves != "in the body":
            self._send(h11.EndOfMessage())

    def _read_interim(self) -> bool:
        """Wait for 100 Continue; not if the final response comes instead, which is noted."""
        event = self._next_event()
        if isinstance(event, h11.InformationalResponse):
            self._seen.interim.append(event.status_code)
            return True
        self._note(event)
        return False

    def _read(self) -> None:
        try:
            while not isinstance(event := self._next_event(), h11.EndOfMessage):
                self._note(event)
            self._note(event)
        except (h11.RemoteProtocolError, ConnectionError):
            self._seen.fault = "the response is cut off" if self._seen.status else "no response"
            return
        if self._h11.trailing_data[0] or (not self._seen.request.is_late and self._follows()):
            self._seen.fault = "bytes follow the response"

    def _follows(self) -> bool:
        with contextlib.suppress(ConnectionError):
            return self._connection.recv(1) != b""
        return False

    def _next_event(self) -> Any:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(self._connection.recv(65536))
        return event

    def _note(self, event: Any) -> None:
        seen = self._seen
        if isinstance(event, h11.InformationalResponse):
            seen.interim.append(event.status_code)
        elif isinstance(event, h11.Response):
            seen.status = event.status_code
            seen.fields = _decoded(event.headers)
        elif isinstance(event, h11.Data):
            seen.body += bytes(event.data)
            seen.witness.client_has += len(event.data)
        elif isinstance(event, h11.EndOfMessage):
            seen.trailers = _decoded(event.headers)


def _decoded(headers: Any) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise HeldBack
        time.sleep(0.001)

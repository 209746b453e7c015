"""A server in a process of its own, the cost of a request, and how long others wait meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgpack

from tests.soak.server import Server, running

MIB: Final = 1024 * 1024
ADDRESS_SPACE: Final = 6 * 1024 * MIB
"""Bytes that a server gets, so that a fault here does not take the machine with it."""
MAX_CPU: Final = 12.0
"""Seconds of CPU after which a server is assumed to hang, and is killed."""
TIMEOUT: Final = 120.0
"""Seconds after which a server is assumed to hang even if it does nothing."""

Headers = Sequence[tuple[str, str]]


class Response(NamedTuple):
    """A response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return the value of a header, its lines joined; empty without it."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    @property
    def document(self) -> Any:
        """The decoded body.

        Raises:
            ValueError: The body is not what its Content-Type says.
        """
        if "msgpack" in self.header("content-type"):
            return msgpack.unpackb(self.body, strict_map_key=False)
        return json.loads(self.body.decode())


@dataclass
class Cost:
    """The cost of a request."""

    cpu: float = 0.0
    """Seconds that the server worked."""
    memory: int = 0
    """Bytes of memory at the peak, beyond what it had before."""
    waits: list[float] = field(default_factory=list)
    """Seconds that each of the other requests meanwhile waited."""


class Service:
    """A server that is started again if a request makes it hang or end."""

    def __init__(self, app: str) -> None:
        self.app = app
        self._stack = contextlib.ExitStack()
        self.server: Server = self._start()

    def _start(self) -> Server:
        return self._stack.enter_context(running(self.app, ADDRESS_SPACE))

    def wait_until_ready(self) -> None:
        """Wait until the app is loaded and responds."""
        assert self.request("GET", "/health").status == 200

    def stop(self) -> None:
        """Stop the server."""
        self._stack.close()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Headers = ()
    ) -> Response:
        """Send one request on a connection of its own; a header may occur more than once."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            # A server that refuses may respond and close before it has read everything.
            with contextlib.suppress(ConnectionError):
                connection.endheaders()
                if body:
                    connection.send(body)
            response = connection.getresponse()
            return Response(response.status, response.getheaders(), response.read())

    def measure(self, *arguments: Any) -> tuple[Response, Cost]:
        """Send a request, and measure it while another client asks for ``/health``.

        Raises:
            AssertionError: There was no response: the server ended, or was assumed to hang and
                killed. Another one was started.
        """
        cost = Cost()
        before, cpu = self.server.resident(), self.server.cpu_seconds()
        self.server.forget_peak()
        try:
            with self._others(cost.waits, cpu + MAX_CPU):
                response = self.request(*arguments)
        except (OSError, http.client.HTTPException) as exc:
            log = self.server.log()[-2000:]
            self.server.process.kill()
            self.stop()
            self.server = self._start()
            self.wait_until_ready()
            raise AssertionError(f"no response, but {exc!r}; {log}") from None
        cost.cpu = self.server.cpu_seconds() - cpu
        cost.memory = self.server.peak() - before
        return response, cost

    @contextlib.contextmanager
    def _others(self, waits: list[float], max_cpu: float) -> Iterator[None]:
        done = threading.Event()

        def ask() -> None:
            while True:
                start = time.monotonic()
                try:
                    self.request("GET", "/health")
                except (OSError, http.client.HTTPException):
                    waits.append(float("inf"))
                    return
                waits.append(time.monotonic() - start)
                if done.wait(0.05):
                    return

        def watch() -> None:
            server = self.server
            while not done.wait(0.2):
                with contextlib.suppress(OSError):  # it may have ended
                    if server.cpu_seconds() > max_cpu:
                        server.process.kill()

        threads = [threading.Thread(target=ask), threading.Thread(target=watch)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join()

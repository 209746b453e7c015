"""A server in a process of its own, what it spends on a request, and who waits meanwhile."""

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
"""What a server gets, so that a fault here does not take the machine with it."""

PATIENCE: Final = 12.0
"""Seconds of CPU after which a server is taken to hang, and ended."""
LONGEST_WAIT: Final = 120.0
"""Seconds after which a server is taken to hang even if it does nothing."""

Headers = Sequence[tuple[str, str]]


def _integer(text: str) -> int | str:
    return int(text) if len(text) < 4300 else text  # of which Python makes no number


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, all of its lines joined; empty without it."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    @property
    def document(self) -> Any:
        """The decoded body; ``bin`` keys and strings that are none are what they are.

        Raises:
            ValueError: it is not what its Content-Type says.
        """
        if "msgpack" in self.header("content-type"):
            return msgpack.unpackb(self.body, strict_map_key=False)
        return json.loads(self.body.decode(), parse_int=_integer)


@dataclass
class Spent:
    """What a request cost."""

    cpu: float = 0.0
    """Seconds that the server worked."""
    memory: int = 0
    """Most bytes of memory, beyond what it had before."""
    waits: list[float] = field(default_factory=list)
    """Seconds that each of the other requests meanwhile waited."""


class Service:
    """A server that is started anew if a request made it hang or end."""

    def __init__(self, app: str) -> None:
        self.app = app
        self._stack = contextlib.ExitStack()
        self.server: Server = self._start()

    def _start(self) -> Server:
        return self._stack.enter_context(running(self.app, ADDRESS_SPACE))

    def ready(self) -> None:
        """Wait until the app is loaded and answers."""
        assert self.request("GET", "/health").status == 200

    def stop(self, *, at_once: bool = False) -> None:
        """End the server."""
        if at_once:
            self.server.process.kill()
        self._stack.close()

    def restart(self) -> None:
        """End the server, which may hang, and start another one."""
        self.stop(at_once=True)
        self.server = self._start()
        self.ready()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Headers = (),
    ) -> Reply:
        """Send one request on a connection of its own; a header may come more than once."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=LONGEST_WAIT)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            # A server that refuses may answer and close before it has read everything.
            with contextlib.suppress(ConnectionError):
                connection.endheaders()
                if body:
                    connection.send(body)
            response = connection.getresponse()
            return Reply(response.status, response.getheaders(), response.read())

    def measured(self, *arguments: Any, **more: Any) -> tuple[Reply, Spent]:
        """As :meth:`request`, measured, while another client asks for ``/health``.

        Raises:
            AssertionError: no response; the server ended, or was ended as it was taken to hang, and
                another one was started.
        """
        spent = Spent()
        before, cpu = self.server.resident(), self.server.cpu_seconds()
        self.server.forget_peak()
        try:
            with self._others(spent.waits, cpu + PATIENCE):
                reply = self.request(*arguments, **more)
        except (OSError, http.client.HTTPException) as exc:
            log = self.server.log()[-2000:]
            self.restart()
            raise AssertionError(f"no response, but {exc!r}; {log}") from None
        spent.cpu = self.server.cpu_seconds() - cpu
        spent.memory = self.server.peak() - before
        return reply, spent

    @contextlib.contextmanager
    def _others(self, waits: list[float], most_cpu: float) -> Iterator[None]:
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
                    if server.cpu_seconds() > most_cpu:
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

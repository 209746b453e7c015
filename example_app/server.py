"""The service under uvicorn in a process of its own, for as long as a ``with`` block lasts."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx2

STARTUP_SECONDS = 60.0
SHUTDOWN_SECONDS = 10.0
REQUEST_SECONDS = 60.0
LOG_TAIL_BYTES = 4096


class ServerError(Exception):
    """The server did not start or did not respond as it should; the message ends with its log."""


@dataclass(frozen=True)
class Server:
    """A running uvicorn process, where it listens, and its log."""

    process: subprocess.Popen[bytes]
    url: str
    log: IO[bytes]

    def client(self) -> httpx2.Client:
        """Return a client for the server, one that ignores any proxy in the environment."""
        return httpx2.Client(base_url=self.url, timeout=REQUEST_SECONDS, trust_env=False)

    def error(self, message: str) -> ServerError:
        """Return an error, for the caller to raise, that also tells what became of the server."""
        # A server that has just dropped a connection may need a moment to be gone altogether.
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.5)
        code = self.process.returncode
        state = "is still running" if code is None else f"ended with exit code {code}"
        # Reading at a position of our own: the server writes at the one that the file object has.
        start = max(0, os.fstat(self.log.fileno()).st_size - LOG_TAIL_BYTES)
        tail = os.pread(self.log.fileno(), LOG_TAIL_BYTES, start).decode(errors="replace").strip()
        return ServerError(f"{message}\nThe server {state}; its log ends:\n{tail or '(empty)'}")


@contextmanager
def running_server() -> Iterator[Server]:
    """Run the app on a free port of 127.0.0.1, and beside it the service that it calls.

    Raises:
        ServerError: if one of them ends early or does not respond within ``STARTUP_SECONDS``.
    """
    with (
        _running("example_app.gradients:app") as gradients,
        _running("example_app.app:app", GRADIENTS_URL=gradients.url) as server,
    ):
        yield server


@contextmanager
def _running(app: str, **environment: str) -> Iterator[Server]:
    """Run an app under uvicorn on a free port of 127.0.0.1; stop it at the end.

    Args:
        app: module and name, as for uvicorn.
        environment: variables for its process.

    Raises:
        ServerError: if the server ends early or does not respond within ``STARTUP_SECONDS``.
    """
    with tempfile.TemporaryFile() as log:
        # Binding here and handing over the socket lets the system choose a free port without a
        # moment in which another process could take it.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            # uvicorn takes a socket that it is handed for a UNIX one and leaves this option alone.
            # Without it, Nagle's algorithm holds a short response back for 40 ms.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            server = Server(_start_uvicorn(app, listener.fileno(), log, environment), url, log)
        try:
            _wait_until_healthy(server)
            yield server
        finally:
            _stop(server.process)


def _start_uvicorn(
    app: str, listener: int, log: IO[bytes], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start uvicorn on an open socket, with everything it prints going to ``log``."""
    command = [sys.executable, "-m", "uvicorn", app]
    command += ["--app-dir", str(Path(__file__).resolve().parent.parent)]
    command += ["--fd", str(listener), "--no-access-log"]
    return subprocess.Popen(
        command,
        pass_fds=[listener],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        # Ctrl-C in the terminal then reaches the demonstration alone, which stops the server.
        start_new_session=True,
    )


def _wait_until_healthy(server: Server) -> None:
    """Return as soon as the server responds to /health; raise ServerError if it never does."""
    deadline = time.monotonic() + STARTUP_SECONDS
    with server.client() as client:
        while time.monotonic() < deadline:
            if server.process.poll() is not None:
                raise server.error("The server did not start.")
            # Until the server listens, the connection is refused.
            with suppress(httpx2.TransportError):
                if client.get("/health").status_code == 200:
                    return
            time.sleep(0.05)
    raise server.error(f"The server was not healthy within {STARTUP_SECONDS:.0f} s.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, and kill it if it does not within ``SHUTDOWN_SECONDS``."""
    try:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(SHUTDOWN_SECONDS)
    finally:
        # Also reached on a second Ctrl-C. Killing a process that has ended does nothing.
        process.kill()
        process.wait()

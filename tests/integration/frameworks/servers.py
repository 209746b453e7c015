"""ASGI servers in processes of their own, started as their users start them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]

COMMANDS: Final[dict[str, list[str]]] = {
    "uvicorn": ["uvicorn", "--port", "{port}", "--log-level", "error"],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:{port}", "--log-level", "ERROR"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "--log-level", "error"],
}

START_TIMEOUT: Final = 60
"""Seconds; a machine that does many other things may need a part of it."""


@contextlib.contextmanager
def serving(server: str, app: str, log: Path, **environment: str) -> Iterator[str]:
    """Serve an app on loopback, for the length of a ``with`` block; gives the URL.

    Args:
        server: one of ``COMMANDS``.
        app: ``module:name``.
        log: a file for what the server prints, which is shown if it does not start.
        environment: variables that the process has besides those of this one.

    Raises:
        RuntimeError: it did not start.
    """
    port = _free_port()
    command = [word.format(port=port) for word in COMMANDS[server]]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, app],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _await_listener(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    """Return a port that nobody has. Not all of the servers take a socket that is open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _await_listener(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")

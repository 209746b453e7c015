"""The command line in processes of its own, as a shell runs it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "binary_middleware"]

# What the surroundings set must not show in what is compared.
_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("UVICORN_", "BINARY_MIDDLEWARE_")) and name != "WEB_CONCURRENCY"
} | {"PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(REPOSITORY)}


class Done(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


def run(
    *arguments: str | Path,
    stdin: bytes = b"",
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Done:
    """Run the command line to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env={**_ENVIRONMENT, **(environment or {})},
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_in_terminal(*arguments: str | Path, folder: Path) -> Done:
    """Run the command line to its end, with a terminal for what it says beside its output."""
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as screen:
        with subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            cwd=folder,
            env=_ENVIRONMENT,
        ) as process:
            os.close(theirs)
            said = b""
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                while part := screen.read(4096):
                    said += part
            assert process.stdout is not None
            out = process.stdout.read()
        return Done(process.returncode, out.decode(), said.decode())


class Served(NamedTuple):
    """A server that was started by ``serve``."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def interrupt(self) -> int:
        """Press Ctrl-C, and wait; gives the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


@contextlib.contextmanager
def serve(folder: Path, *arguments: str) -> Iterator[Served]:
    """``serve`` from a folder, ready to be called, for the length of a ``with`` block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", *arguments, "--port", str(port)],
            cwd=folder,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while "startup complete" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Served(f"http://127.0.0.1:{port}", process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def worker_ids(log: Path) -> set[int]:
    """The processes that served, as uvicorn's log has them."""
    return set(map(int, re.findall(r"Started server process \[(\d+)\]", log.read_text())))

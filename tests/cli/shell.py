"""The command line, in this process or, where a test needs one, in a process of its own."""

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

from click.testing import CliRunner

from binary_middleware.cli import main

REPOSITORY = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "binary_middleware"]

# Settings of the surroundings must not show in what is compared.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("UVICORN_", "BINARY_MIDDLEWARE_"))
    and name not in ("WEB_CONCURRENCY", "FORCE_COLOR", "TTY_COMPATIBLE")
} | {"PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"}


class Done(NamedTuple):
    """The output and the exit code of a command."""

    code: int
    out: str
    err: str


def run(*arguments: str | Path, stdin: bytes = b"", charset: str = "utf-8") -> Done:
    """Run the command line in this process."""
    runner = CliRunner(charset=charset, env={"FORCE_COLOR": None, "TTY_COMPATIBLE": None})
    result = runner.invoke(main, list(map(str, arguments)), input=stdin, catch_exceptions=False)
    return Done(result.exit_code, result.stdout, result.stderr)


def run_process(
    *arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None
) -> Done:
    """Run the command line in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=folder,
        env={**ENVIRONMENT, **(environment or {})},
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_in_terminal(*arguments: str | Path) -> Done:
    """Run the command line in a process whose stderr is a terminal."""
    ours, theirs = os.openpty()
    with (
        open(ours, "rb", buffering=0) as screen,
        subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=ENVIRONMENT,
        ) as process,
    ):
        os.close(theirs)
        err = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while chunk := screen.read(4096):
                err += chunk
        assert process.stdout is not None
        out = process.stdout.read()
    return Done(process.returncode, out.decode(), err.decode())


class Served(NamedTuple):
    """A server that was started by ``serve``."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)

    def worker_ids(self) -> set[int]:
        """Return the processes that served, by uvicorn's log."""
        return set(map(int, re.findall(r"Started server process \[(\d+)\]", self.log.read_text())))


@contextlib.contextmanager
def serve(folder: Path, *arguments: str) -> Iterator[Served]:
    """Run ``serve`` in a folder, for the length of a ``with`` block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", *arguments, "--port", str(port)],
            cwd=folder,
            env=ENVIRONMENT,
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

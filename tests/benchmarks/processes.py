"""Servers and clients in processes of their own, which end with the block that started them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks import chains_environment
from tests.benchmarks.variants import Variant

ROOT = Path(__file__).parent.parent.parent


class Worker:
    """A Python process that responds to each line that it reads with another one.

    Args:
        name: what it is called in errors.
        arguments: of the interpreter.
        python: the interpreter.

    Attributes:
        pid: of its process.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], python: str | Path = sys.executable
    ) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [python, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is ours alone; the process ends when its standard input does.
            start_new_session=True,
        )
        self.pid = self._process.pid

    def line(self) -> str:
        """Return the next line of output.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended, see above")
        return line.strip()

    def tell(self, command: str) -> str:
        """Send it a line, and give its response.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self.line()

    def collect_garbage(self) -> None:
        """Let it run Python's garbage collector."""
        self.tell("collect")

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    # What the kernel knows of it.

    def cpu_seconds(self) -> float:
        """User and system time of all of its threads so far, to the nanosecond (Linux)."""
        # clock_getcpuclockid(3): the bits of the scheduler's clock of a process.
        return time.clock_gettime((~self.pid << 3) | 2)

    def resident_bytes(self) -> int:
        """Its memory now (Linux)."""
        return self._status("VmRSS")

    def peak_resident_bytes(self) -> int:
        """Return the most memory it had since ``forget_peak`` (Linux)."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Let the peak begin anew from what it has now (Linux)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"/proc/{self.pid}/status has no {name}")


class Server(Worker):
    """A variant's server.

    Attributes:
        variant: which one.
        port: of 127.0.0.1, known once ``await_port`` has returned.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__(
            f"the server of {variant.name}", ["-m", "tests.benchmarks.serve", variant.name]
        )
        self.variant = variant
        self.port = 0

    def await_port(self) -> None:
        """Wait until it listens.

        Raises:
            RuntimeError: it ended instead.
        """
        self.port = int(self.line())


class Caller(Worker):
    """A variant's client, where that is what is measured.

    Args:
        server: what it calls.
        nbytes: size of the array that it sends, in bytes.
    """

    def __init__(self, server: Server, nbytes: int) -> None:
        variant = server.variant
        super().__init__(
            f"the client of {variant.name}",
            ["-m", "tests.benchmarks.call", variant.client, str(server.port), str(nbytes)],
            chains_environment.PYTHON if variant.client == "chains" else sys.executable,
        )
        self.variant = variant


@contextlib.contextmanager
def calling(servers: Sequence[Server], nbytes: int) -> Iterator[list[Caller]]:
    """Start a client for each server, all at once; end all of them, whatever happens."""
    callers: list[Caller] = []
    try:
        for server in servers:
            callers.append(Caller(server, nbytes))
        for caller in callers:
            caller.line()
        yield callers
    finally:
        for caller in callers:
            caller.stop()


@contextlib.contextmanager
def running(variants: Sequence[Variant]) -> Iterator[list[Server]]:
    """Start a server for each variant, all at once; end all of them, whatever happens."""
    servers: list[Server] = []
    try:
        for variant in variants:
            servers.append(Server(variant))
        for server in servers:
            server.await_port()
        yield servers
    finally:
        for server in servers:
            server.stop()

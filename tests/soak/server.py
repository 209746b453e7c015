"""uvicorn in a process of its own, its memory and its log.

As a program, ``python -m tests.soak.server MODULE:APP [BYTES]``, it listens on a free port of
127.0.0.1, prints the port, and ends when its standard input does. It never outlives who started it.
With a number of bytes it gets no more memory than that.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    process: subprocess.Popen[str]
    port: int
    _log: IO[str]

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def resident(self) -> int:
        """Its memory now, in bytes (Linux); 0 if it has just ended."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """Its most memory since :meth:`forget_peak`, in bytes (Linux); 0 if it has just ended."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Let what it has now be its most memory so far."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def cpu_seconds(self) -> float:
        """Return the time that all of its threads have worked (Linux)."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        return 0

    def log(self) -> str:
        """Its warnings and errors so far; nothing, unless something is wrong."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")


@contextlib.contextmanager
def running(app: str, memory: int | None = None) -> Iterator[Server]:
    """Serve ``app``, a ``module:name``, for the length of a ``with`` block.

    Args:
        app: what to serve.
        memory: the most bytes of address space that the server gets.

    Raises:
        RuntimeError: it did not start.
    """
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.server", app, *([str(memory)] if memory else [])],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C is for who started it
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            server = Server(process, int(line or 0), log)
            if not line:
                process.wait(10)
                raise RuntimeError(f"the server did not start:\n{server.log()}")
            yield server
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def _serve(app: str) -> None:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    server = uvicorn.Server(
        uvicorn.Config(app, ws="none", access_log=False, log_level="warning", lifespan="off")
    )

    def stop_at_end_of_input() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    # The socket listens already: connections wait until the app is loaded.
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])


if __name__ == "__main__":
    if len(sys.argv) > 2:
        import resource  # which Windows does not have

        resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
    _serve(sys.argv[1])

"""A progress bar on a terminal, a line for each piece of work elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Final, TextIO

_WIDTH: Final = 24


class ProgressBar:
    """Shows how far a run has come; a context manager.

    Args:
        total: steps until it is complete.
        stream: where it is shown.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._on_terminal = self._stream.isatty()
        self._started = time.monotonic()
        self._title = ""

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()

    def start(self, title: str) -> None:
        """Say what is done next."""
        self._title = title
        if self._on_terminal:
            self._draw("")
        else:
            line = f"{self.done * 100 // self.total:3}% {self._elapsed()} {title}"
            print(line, file=self._stream, flush=True)

    def advance(self, detail: str = "") -> None:
        """One step more is done."""
        self.done += 1
        if self._on_terminal:
            self._draw(detail)

    def clear(self) -> None:
        """Leave the line to somebody else."""
        if self._on_terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _elapsed(self) -> str:
        """Minutes and seconds since the start."""
        elapsed = int(time.monotonic() - self._started)
        return f"{elapsed // 60}:{elapsed % 60:02}"

    def _draw(self, detail: str) -> None:
        filled = self.done * _WIDTH // self.total
        line = (
            f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {self.done * 100 // self.total:3}% "
            f"{self._elapsed()} {self._title}"
        )
        line = f"{line} ({detail})" if detail else line
        self._stream.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
        self._stream.flush()

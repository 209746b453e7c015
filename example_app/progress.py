"""A progress bar for the bodies of large calls."""

from __future__ import annotations

import sys
from typing import TextIO

from binary_middleware.client import TransferProgress

WIDTH = 30


class ProgressBar:
    """Draws the progress of a body: ``client.post(url, document, progress=ProgressBar())``.

    Nothing is drawn unless the stream is a terminal.

    Args:
        stream: the stream to draw on, standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def __call__(self, progress: TransferProgress) -> None:
        """Draw one line over the last one, and start a new one when the body is complete."""
        if not self.stream.isatty():
            return
        line = f"{progress.direction:8} {progress.done / 2**20:8.1f} MiB"
        if progress.total:
            filled = progress.done * WIDTH // progress.total
            line += f" [{'#' * filled:.<{WIDTH}}] {progress.done * 100 // progress.total:3}%"
        end = "\n" if progress.done == progress.total else ""
        self.stream.write(f"\r{line}{end}")
        self.stream.flush()

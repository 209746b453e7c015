"""A progress bar for the bodies of large calls."""

from __future__ import annotations

import sys
from typing import TextIO

from binary_middleware.client import TransferProgress

WIDTH = 30


class ProgressBar:
    """Draws how far a body has come; ``client.post(url, document, progress=ProgressBar())``.

    Nothing is drawn where nobody is watching.

    Args:
        stream: where it is drawn, standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def __call__(self, progress: TransferProgress) -> None:
        """Draw one line in place of the last one, and go on below it when the body is whole."""
        if not self.stream.isatty():
            return
        line = f"{progress.direction:8} {progress.done / 2**20:8.1f} MiB"
        if progress.total:
            filled = progress.done * WIDTH // progress.total
            line += f" [{'#' * filled:.<{WIDTH}}] {progress.done * 100 // progress.total:3}%"
        end = "\n" if progress.done == progress.total else ""
        self.stream.write(f"\r{line}{end}")
        self.stream.flush()

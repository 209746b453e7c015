"""A bar on stderr for bodies that take a while."""

from __future__ import annotations

import sys
from typing import Final

from binary_middleware.cli.byte_sizes import format_size
from binary_middleware.client import TransferProgress

LARGE: Final = 1024 * 1024
"""Bytes of a body from which it gets a bar of its own accord."""

_WIDTH: Final = 30
_LONGEST: Final = 79


class ProgressBar:
    """Draws each body that it is told of on a line of its own.

    Args:
        smallest: bytes from which a body is drawn.
    """

    def __init__(self, smallest: int = LARGE) -> None:
        self._smallest = smallest
        self._direction = ""
        self._line = ""

    def __call__(self, progress: TransferProgress) -> None:
        size = progress.done if progress.total is None else progress.total
        if size < self._smallest:
            return
        if progress.direction != self._direction:
            self.end_line()
            self._direction = progress.direction
        line = _line(progress)
        if line != self._line:
            self._line = line
            sys.stderr.write(f"\r{line:<{_LONGEST}}")
            sys.stderr.flush()

    def end_line(self) -> None:
        """Leave the line of the last body as it is."""
        if self._line:
            sys.stderr.write("\n")
            self._line = ""


def _line(progress: TransferProgress) -> str:
    done = format_size(progress.done)
    if not progress.total:
        return f"{progress.direction:<8} {done}"
    share = min(progress.done / progress.total, 1)
    bar = "#" * int(share * _WIDTH)
    total = format_size(progress.total)
    return f"{progress.direction:<8} [{bar:-<{_WIDTH}}] {share:4.0%}  {done} of {total}"

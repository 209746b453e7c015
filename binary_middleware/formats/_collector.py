"""Pausing Python's garbage collector while many objects are made, none of which is garbage.

It would look at all objects that were made so far again and again, which takes several times as
long as to make them.
"""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager
from threading import Lock
from types import TracebackType
from typing import Final


class _Pause(AbstractContextManager[None]):
    """Pauses the collector for all threads, until the last of those who asked for it is done."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._was_enabled = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._count:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._count -= 1
            if not self._count and self._was_enabled:
                gc.enable()


_PAUSE: Final = _Pause()


def collector_paused() -> AbstractContextManager[None]:
    """Return a context in which the collector does not run; it may be entered within itself."""
    return _PAUSE

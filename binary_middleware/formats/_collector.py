"""Pauses of Python's garbage collector while many objects are made, none of which is garbage.

It would look at all objects that were made so far again and again, which takes several times as
long as to make them.
"""

from __future__ import annotations

import gc
from threading import Lock
from typing import ClassVar


class CollectorPause:
    """Pause the collector for all threads, until the last of the contexts that overlap ends."""

    __slots__ = ()
    _lock: ClassVar = Lock()
    _count: ClassVar = 0
    _was_enabled: ClassVar = False

    def __enter__(self) -> None:
        pauses = CollectorPause
        with pauses._lock:
            if not pauses._count:
                pauses._was_enabled = gc.isenabled()
                gc.disable()
            pauses._count += 1

    def __exit__(self, *exc_info: object) -> None:
        pauses = CollectorPause
        with pauses._lock:
            pauses._count -= 1
            if not pauses._count and pauses._was_enabled:
                gc.enable()

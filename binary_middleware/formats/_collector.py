"""Pauses of Python's garbage collector while many objects are made, none of which is garbage.

It would look at all objects that were made so far again and again, which takes several times as
long as to make them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import ClassVar


class _Pauses:
    lock: ClassVar = Lock()
    count: ClassVar = 0
    was_enabled: ClassVar = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector for all threads, until the last of the contexts that overlap ends."""
    with _Pauses.lock:
        if not _Pauses.count:
            _Pauses.was_enabled = gc.isenabled()
            gc.disable()
        _Pauses.count += 1
    try:
        yield
    finally:
        with _Pauses.lock:
            _Pauses.count -= 1
            if not _Pauses.count and _Pauses.was_enabled:
                gc.enable()

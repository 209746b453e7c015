"""Functions that run in a process of their own, and the memory that they need."""

from __future__ import annotations

import gc
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

P = ParamSpec("P")
R = TypeVar("R")

MIB = 2**20

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

# A process with these modules in it is forked for each call: to import them takes a second.
PRELOADED = [
    "anyio._backends._asyncio",
    "binary_middleware.client",
    "tests.asgi_app",
    "tests.hostile.wire",
    "tests.processes",
]


def in_child(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what a function of a module returns in a new process, or raise what it raises."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result(timeout=300)


class Peak:
    """The memory that a process has needed since this was made, at its most.

    Not ``ru_maxrss``: a new process inherits that of its parent.
    """

    def __init__(self) -> None:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _status("VmRSS")

    @property
    def mib(self) -> float:
        return (_status("VmHWM") - self._before) / MIB


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))

"""Memory of a call, measured in a process of its own."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


def peak(call: Callable[[], object]) -> int:
    """Return the bytes by which this process grew at most during a call."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    idle = _status("VmRSS")
    call()
    return _status("VmHWM") - idle


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def run(code: str, *arguments: str) -> float:
    """Return the number that a script prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)

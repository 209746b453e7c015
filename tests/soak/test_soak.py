"""The soak test itself: a short run passes, and a leak and wrong responses are found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.exchanges import EXCHANGES

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")


def soak(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.soak", *options]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )


def test_a_short_run_passes() -> None:
    done = soak("--seconds", "8")
    assert (done.returncode, done.stderr) == (0, "")
    rows = re.findall(r"^(.+?) {2,}(\d+)(?: MiB)?$", done.stdout, re.MULTILINE)
    counts = {name: int(count) for name, count in rows}
    assert list(counts)[: len(EXCHANGES)] == list(EXCHANGES)
    assert min(counts.values()) > 0, done.stdout
    assert counts["all"] == sum(counts[name] for name in EXCHANGES)
    for third in ("first", "middle", "last"):
        assert 40 < counts[f"RSS, {third} third"] < 2_000


def test_a_leak_is_found() -> None:
    done = soak("--seconds", "8", "--app", "tests.soak.leaking_app:app")
    assert done.returncode == 1
    assert re.fullmatch(r"the server's memory grew by \d+ MiB in the last third\n", done.stderr)


def test_wrong_answers_are_found() -> None:
    done = soak("--seconds", "2", "--app", "example_app.app:app")  # which has none of the routes
    assert done.returncode == 1
    assert done.stderr.startswith("large array: Wrong: (404, ")
    assert "failures more" in done.stderr


def test_a_server_that_does_not_start_is_reported() -> None:
    done = soak("--app", "tests.soak.absent:app")
    assert done.returncode == 1
    assert "tests.soak.absent" in done.stderr

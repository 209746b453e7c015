"""mypy and pyright on ``tests/typing``: a typed array is the array itself, to both."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TYPING = Path(__file__).parent.parent / "typing"
ROOT = TYPING.parent.parent
ACCEPTED, REFUSED = TYPING / "arrays_accepted.py", TYPING / "arrays_refused.py"

Errors = dict[str, list[int]]


def run(*command: str | Path) -> str:
    """The output of a checker; 1 is its status where it finds errors."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy() -> Errors:
    found: Errors = {ACCEPTED.name: [], REFUSED.name: []}
    options = ("--config-file=", "--strict", "--ignore-missing-imports", "--output=json")
    for line in run("mypy", *options, ACCEPTED, REFUSED).splitlines():
        error = json.loads(line)
        if error["severity"] == "error":
            found[Path(error["file"]).name].append(error["line"])
    return found


def pyright() -> Errors:
    output = run("pyright", "--outputjson", "--pythonpath", sys.executable, ACCEPTED, REFUSED)
    report = json.loads(output)
    assert report["summary"]["filesAnalyzed"] == 2
    found: Errors = {ACCEPTED.name: [], REFUSED.name: []}
    for error in report["generalDiagnostics"]:
        found[Path(error["file"]).name].append(error["range"]["start"]["line"] + 1)
    return found


@pytest.mark.parametrize("errors_found_by", [mypy, pyright])
def test_type_checkers_see_the_array(errors_found_by: Callable[[], Errors]) -> None:
    found = errors_found_by()
    lines = REFUSED.read_text().splitlines()
    expected = [number for number, line in enumerate(lines, 1) if "# refused" in line]
    assert len(expected) > 10
    assert found == {ACCEPTED.name: [], REFUSED.name: expected}

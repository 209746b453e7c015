"""mypy and pyright on ``tests/typing``.

To both, a typed array is the array itself, a stub the service, and a response what was asked for.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TYPING = Path(__file__).parent.parent / "typing"
ROOT = TYPING.parent.parent
SUBJECTS = ["arrays", "options", "services"]

Errors = dict[str, list[int]]


def run(*command: str | Path) -> str:
    """Return the output of a checker; 1 is its status where it finds errors."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(*files: Path) -> Errors:
    found: Errors = {file.name: [] for file in files}
    options = ("--config-file=", "--strict", "--ignore-missing-imports", "--output=json")
    for line in run("mypy", *options, *files).splitlines():
        error = json.loads(line)
        if error["severity"] == "error":
            found[Path(error["file"]).name].append(error["line"])
    return {name: sorted(set(lines)) for name, lines in found.items()}


def pyright(*files: Path) -> Errors:
    output = run("pyright", "--outputjson", "--pythonpath", sys.executable, *files)
    report = json.loads(output)
    assert report["summary"]["filesAnalyzed"] == 2
    found: Errors = {file.name: [] for file in files}
    for error in report["generalDiagnostics"]:
        found[Path(error["file"]).name].append(error["range"]["start"]["line"] + 1)
    return found


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("errors_found_by", [mypy, pyright])
def test_type_checkers_see_what_is_meant(
    errors_found_by: Callable[..., Errors], subject: str
) -> None:
    accepted, refused = TYPING / f"{subject}_accepted.py", TYPING / f"{subject}_refused.py"
    found = errors_found_by(accepted, refused)
    lines = refused.read_text().splitlines()
    expected = [number for number, line in enumerate(lines, 1) if "# refused" in line]
    assert len(expected) > 10
    assert found == {accepted.name: [], refused.name: expected}

"""The fuzzer of ``tests/fuzz``: it runs, it covers the package, and it finds a fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.session import ROOT, fuzz
from tests.fuzz.targets import ALL

pytest.importorskip("atheris")


@pytest.mark.parametrize("target", ALL)
def test_nothing_is_found_in_three_seconds(target: str, tmp_path: Path) -> None:
    result = fuzz(target, 3, tmp_path)
    assert result.exit_code == 0, result.log[-4000:]
    assert result.artifact is None
    assert list(tmp_path.iterdir()) == []
    assert result.runs > 100, result.log[-4000:]
    assert result.coverage > 100  # of the package; without tracing it would be next to nothing


def test_a_planted_fault_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seconds", "60", "--target", "planted", "--found", str(tmp_path)]
    assert main(arguments) == 1
    (artifact,) = tmp_path.iterdir()
    printed = capsys.readouterr().out
    assert f"saved as:   {artifact}" in printed
    command = f"python -m tests.fuzz.child planted {artifact}"
    assert f"reproduce:  {command}" in printed
    again = subprocess.run(
        [sys.executable, *command.split()[1:]], cwd=ROOT, capture_output=True, check=False
    )
    assert again.returncode != 0
    assert b"AssertionError: planted" in again.stdout + again.stderr


def test_seconds_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least a second"):
        fuzz("planted", 0)

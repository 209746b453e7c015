"""One run of libFuzzer on a target, in a process of its own."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOUND = Path(__file__).parent / "found"
LONGEST = 16 * 1024
"""Most bytes of an input: some large items, which are read in another way than small ones."""

_RUNS = re.compile(r"^Done (\d+) runs in ", re.MULTILINE)
_COVERAGE = re.compile(r"\bcov: (\d+)")
_ARTIFACT = re.compile(r"Test unit written to (\S.*)")


class Result(NamedTuple):
    """The result of a run."""

    exit_code: int
    runs: int
    """Inputs that were tried; 0 if the run did not end by itself."""
    coverage: int
    """Branches and comparisons of the package that were seen."""
    artifact: Path | None
    """The input that showed a fault."""
    log: str


def fuzz(target: str, seconds: int, found: Path = FOUND) -> Result:
    """Fuzz a target.

    Args:
        target: the name of a module in ``targets``.
        seconds: how long, at least 1: libFuzzer reads 0 as for ever.
        found: the folder for an input that shows a fault.
    """
    if seconds < 1:
        raise ValueError(f"a target needs at least a second, not {seconds}")
    module = importlib.import_module(f"tests.fuzz.targets.{target}")
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus, tokens = Path(folder, "corpus"), Path(folder, "tokens")
        corpus.mkdir()
        for index, seed in enumerate(module.seeds()):
            (corpus / f"{index:03}").write_bytes(seed)
        command = [sys.executable, "-m", "tests.fuzz.child", target]
        command += [
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST}",
            "-rss_limit_mb=2048",
            "-timeout=10",
            f"-artifact_prefix={found}/{target}-",
        ]
        if module.TOKENS:  # an empty dictionary is an error
            tokens.write_text(_dictionary(module.TOKENS))
            command.append(f"-dict={tokens}")
        command.append(str(corpus))
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    log = done.stdout.decode(errors="replace")
    runs, artifact = _RUNS.search(log), _ARTIFACT.search(log)
    return Result(
        exit_code=done.returncode,
        runs=int(runs[1]) if runs else 0,
        coverage=max(map(int, _COVERAGE.findall(log)), default=0),
        artifact=Path(artifact[1]) if artifact else None,
        log=log,
    )


def _dictionary(tokens: Iterable[bytes]) -> str:
    """Return the tokens as libFuzzer reads them, all bytes escaped."""
    escaped = ("".join(map(r"\x{:02x}".format, token)) for token in tokens)
    return "".join(f'"{token}"\n' for token in escaped)

"""Looks for inputs that break the package: ``python -m tests.fuzz``, or ``make fuzz``.

Exits with 1 if one was found, and says where it was saved and how to reproduce the fault.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.session import FOUND, fuzz
from tests.fuzz.targets import ALL


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--target", help=f"one of {', '.join(ALL)}; all unless given")
    parser.add_argument("--found", type=Path, default=FOUND, help="folder for what is found")
    asked = parser.parse_args(arguments)
    targets = [asked.target] if asked.target else ALL
    exit_code = 0
    for target in targets:
        result = fuzz(target, max(1, asked.seconds // len(targets)), asked.found.resolve())
        if result.exit_code == 0 and result.runs:
            print(f"{target}: {result.runs} runs, {result.coverage} places covered", flush=True)
            continue
        exit_code = 1
        print(result.log[-8000:])
        print(f"{target}: failed with exit code {result.exit_code}")
        if result.artifact is not None:
            print(f"saved as:   {result.artifact}")
            print(f"reproduce:  python -m tests.fuzz.child {target} {result.artifact}", flush=True)
    return exit_code


if __name__ == "__main__":
    raise SystemExit(main())

"""Runs one target in this process: ``python -m tests.fuzz.child TARGET [libFuzzer's arguments]``.

With the path of a file as the last argument that input alone is run, which is how to reproduce what
was found. libFuzzer ends the process.
"""

from __future__ import annotations

import importlib
import sys
import warnings

import atheris


def main() -> None:
    name, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=["binary_middleware"]):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    warnings.simplefilter("error")  # as in the tests
    atheris.Setup([sys.argv[0], *arguments], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

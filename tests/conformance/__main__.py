"""Tries the rules: ``python -m tests.conformance``.

Without arguments, tries this package and msgpack-asgi, and writes ``docs/conformance.md``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
from collections.abc import Sequence

from tests.conformance.report import DOCUMENT, Column, column, render
from tests.conformance.subject import OURS, PEER, Subject, load
from tests.conformance.topics import rules
from tests.conformance.verdict import judge_all


def peer_column() -> Column:
    """Return the verdicts on msgpack-asgi, in the version that is installed."""
    version = importlib.metadata.version("msgpack-asgi")
    return column(f"msgpack-asgi {version}", judge_all(load(PEER)))


def write_document() -> None:
    """Write the page on this package and msgpack-asgi."""
    ours, peer = column(OURS.name, judge_all(OURS)), peer_column()
    DOCUMENT.write_text(render([ours, peer]))
    print(f"{DOCUMENT} is written")
    print_failures(ours)


def try_middleware(subject: Subject) -> None:
    """Say which rules a middleware does not keep."""
    print_failures(column(subject.name, judge_all(subject)))


def print_failures(found: Column) -> None:
    """Return the rules that do not pass, and how many do."""
    tried = {title: cell for title, cell in found.cells.items() if cell != "n/a"}
    for rule in rules(ours=True):
        if tried.get(rule.title, "pass") != "pass":
            print(f"{rule.title} ({rule.reference}): {tried[rule.title]}")
    passed = list(tried.values()).count("pass")
    print(f"{found.title}: {passed} of {len(tried)} rules pass")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument(
        "--middleware",
        metavar="MODULE:FACTORY",
        help="try this one, which makes an app of an app, and write nothing",
    )
    chosen = parser.parse_args(arguments)
    # What comes out of an app is in the result; the server need not log it.
    logging.getLogger("uvicorn.error").addFilter(lambda record: False)
    if chosen.middleware is None:
        write_document()
    else:
        try_middleware(load(chosen.middleware))


if __name__ == "__main__":
    main()

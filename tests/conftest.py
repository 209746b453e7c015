"""Settings for all tests."""

from __future__ import annotations

import functools
import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "default")

HEAVY = [Path(__file__).parent / each for each in ("benchmarks", "fuzz", "integration", "soak")]
"""Folders whose tests have the marker ``heavy``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-path",
        action="store_true",
        help="run all tests of the FastAPI lane on the fast path and on FastAPI's",
    )


@functools.cache
def is_heavy(path: Path) -> bool:
    return any(folder == path or folder in path.parents for folder in HEAVY)


def pytest_configure(config: pytest.Config) -> None:
    """Run heavy tests where their path is given, as if ``-m`` had been."""
    paths = [Path(arg.partition("::")[0]).resolve() for arg in config.args]
    if config.option.markexpr == "not heavy" and any(map(is_heavy, paths)):
        config.option.markexpr = ""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave heavy modules alone that are not asked for: what they import may not be installed."""
    is_left = is_heavy(collection_path) and config.option.markexpr == "not heavy"
    return is_left or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_heavy(item.path):
            item.add_marker(pytest.mark.heavy)


def pytest_collection_finish() -> None:
    """Keep the garbage collector, which many tests call, from the tests themselves.

    To look through thousands of them takes it half a second each time.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that were skipped in CI, where everything is installed."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("CI"):
        terminalreporter.section("skipped tests are failures in CI", red=True)
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

"""Which versions of msgpack work with msgpack-numpy 0.4.8: the table of ``docs/binary-io.md``.

Each version is installed into a folder of the test run. ``msgpack_client.py`` finds it there,
compiled or in pure Python, and exchanges documents with the example app over a real connection.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from binary_middleware import packb
from example_app import digits
from example_app.app import app
from tests.integration.msgpack_client import DOCUMENTS, IMAGES
from tests.serving import serving

PAGE = Path(__file__).parent.parent.parent / "docs" / "binary-io.md"
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TABLE = {version: (compiled, pure) for version, compiled, pure in ROW.findall(PAGE.read_text())}
WORKS, ONE_DIMENSION, NO_BUILD = "works", "one dimension only", "no build"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(app) as url:
        yield url


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the documents as ``packb`` writes them."""
    folder = tmp_path_factory.mktemp("golden")
    for name, document in DOCUMENTS.items():
        (folder / name).write_bytes(packb(document))
    return folder


@pytest.fixture(scope="module", params=sorted(TABLE))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def packages(version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one version of msgpack."""
    folder = tmp_path_factory.mktemp(f"msgpack-{version}")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    command += [str(folder), f"msgpack=={version}", "msgpack-numpy==0.4.8"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def run_client(packages: Path, url: str, golden: Path, *, pure: bool) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    environment.pop("MSGPACK_PUREPYTHON", None)
    if pure:
        environment["MSGPACK_PUREPYTHON"] = "1"
    script = Path(__file__).with_name("msgpack_client.py")
    done = subprocess.run(
        [sys.executable, str(script), url, str(golden)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("pure", [False, True], ids=["compiled", "pure Python"])
def test_table_is_what_is_found(
    version: str, packages: Path, url: str, golden: Path, pure: bool
) -> None:
    expected = TABLE[version][pure]
    report = run_client(packages, url, golden, pure=pure)
    assert report["version"] == version
    if not pure and not report["is_compiled"]:
        # The table is that of one version of Python, for which packages were built or not.
        assert expected == NO_BUILD or sys.version_info[:2] != (3, 11)
        return
    assert report["is_compiled"] is not pure

    assert all(report["read"].values()), "each reads what packb writes"
    wrong = {
        name
        for name, document in DOCUMENTS.items()
        if report["written"][name] != packb(document).hex()
    }
    if expected == WORKS:
        assert not wrong
        probabilities = digits.class_probabilities(IMAGES)
        assert report["digits"] == probabilities.argmax(axis=1).tolist()
    else:
        assert expected == ONE_DIMENSION
        assert wrong == {"two dimensions", "three dimensions"}
        assert report["status"] == 400
    assert report["amplitudes"] == [129, 3]


def test_table_has_the_oldest_and_a_recent_version() -> None:
    assert "1.0.2" in TABLE
    assert len(TABLE) == 6
    assert {text for row in TABLE.values() for text in row} == {WORKS, ONE_DIMENSION, NO_BUILD}

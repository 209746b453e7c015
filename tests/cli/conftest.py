"""Real servers, one of each for all tests of the command line, and files to send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.apps import PNG, SAMPLES, app, hostile_app, plain_app
from tests.serving import serving


@pytest.fixture(scope="session")
def binary_url() -> Iterator[str]:
    with serving(app) as url:
        yield url


@pytest.fixture(scope="session")
def plain_url() -> Iterator[str]:
    with serving(plain_app) as url:
        yield url


@pytest.fixture(scope="session")
def hostile_url() -> Iterator[str]:
    with serving(hostile_app) as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with files to send."""
    np.save(tmp_path / "samples.npy", SAMPLES)
    np.save(tmp_path / "large.npy", np.zeros(500_000, "f4"))
    np.savez(tmp_path / "both.npz", first=SAMPLES, second=np.arange(3))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "icon.png").write_bytes(PNG)
    (tmp_path / "document.json").write_text('{"rate": 8000, "more": {"a": [1]}}')
    monkeypatch.chdir(tmp_path)
    return tmp_path

"""Real servers, one of each for all tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.apps import app, hostile_app, plain_app
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

"""The three servers, in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.service import Service

APPS = {
    "example": "example_app.app:app",
    "fastapi": "tests.hostile.apps:fastapi_app",
    "starlette": "tests.hostile.apps:starlette_app",
}


@pytest.fixture(scope="session")
def services() -> Iterator[dict[str, Service]]:
    """All servers; they load at the same time."""
    started: dict[str, Service] = {}
    try:
        for name, app in APPS.items():
            started[name] = Service(app)
        for service in started.values():
            service.wait_until_ready()
        yield started
    finally:
        for service in started.values():
            service.stop()

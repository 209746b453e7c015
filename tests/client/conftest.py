"""Both clients, over every kind of HTTP client, with one blocking interface."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import pytest
from starlette.testclient import TestClient

from binary_middleware.client import AsyncBinaryClient, BinaryClient
from tests.client import apps
from tests.serving import serving

KINDS = ["httpx2", "httpx", "httpx2 async", "httpx async"]


class Blocking:
    """An async client with an event loop of its own, so that one test serves both."""

    def __init__(self, client: AsyncBinaryClient) -> None:
        self.client = client
        self.runner = asyncio.Runner()
        self.http = client.http

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.client, name)
        if not inspect.iscoroutinefunction(attribute):
            return attribute

        def run(*arguments: Any, **options: Any) -> Any:
            return self.runner.run(attribute(*arguments, **options))

        return run

    def close(self) -> None:
        if not self.http.is_closed:
            self.runner.run(self.http.aclose())
            self.runner.close()


def package_of(kind: str) -> Any:
    return httpx if kind.startswith("httpx ") or kind == "httpx" else httpx2


def hook(kind: str, function: Callable[[Any], object]) -> Any:
    """Return an event hook for a client of this kind."""
    if not kind.endswith("async"):
        return function

    async def run(event: Any) -> None:
        function(event)

    return run


MakeClient = Callable[..., Any]


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Make clients of some kind for a URL, with the options of both; close them."""
    made: list[Any] = []

    def make(kind: str, url: str, *, settings: dict[str, Any] | None = None, **options: Any) -> Any:
        package = package_of(kind)
        if kind.endswith("async"):
            inner = package.AsyncClient(base_url=url, **options)
            client: Any = Blocking(AsyncBinaryClient(inner, **(settings or {})))
        else:
            client = BinaryClient(package.Client(base_url=url, **options), **(settings or {}))
        made.append(client)
        return client

    yield make
    for client in made:
        (client if isinstance(client, Blocking) else client.http).close()


@pytest.fixture(scope="session")
def binary_url() -> Iterator[str]:
    with serving(apps.binary_app()) as url:
        yield url


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(params=[*KINDS, "TestClient"])
def client(request: pytest.FixtureRequest, binary_url: str, make_client: MakeClient) -> Any:
    """Return a client of each kind, for the app in binary mode."""
    if request.param == "TestClient":
        return BinaryClient(TestClient(apps.binary_app()))
    return make_client(request.param, binary_url)

"""Clients of the object lane's apps, and comparisons of their responses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from httpx2 import Response
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import _handlers as handlers
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import MSGPACK

ACCEPT = {"accept": "application/msgpack"}
OBJECTS, TEXT = "application/msgpack", "application/json"
ARRAY = np.arange(4, dtype="int16")
NOT_TEXT = b"\xff"
DOCUMENT = {"array": ARRAY, "raw": NOT_TEXT}


class Item(BaseModel):
    """The model of ``DOCUMENT``."""

    array: NumpyArrayField
    raw: bytes = b""


def echo(item: Item) -> Item:
    """Return the item."""
    return item


def enabled(endpoint: Callable[..., Any], *, path: str = "/", **settings: Any) -> TestClient:
    """Return a client of an enabled app with this one endpoint, which takes POST and GET."""
    app = FastAPI()
    app.add_api_route(path, endpoint, methods=["POST", "GET"], **settings)
    return binary_client(app)


def binary_client(app: FastAPI, **options: Any) -> TestClient:
    """Add binary mode to an app, and return a client of it."""
    add_binary_mode(app, **options)
    return TestClient(app)


def twins(build: Callable[[FastAPI], Any], **settings: Any) -> tuple[TestClient, TestClient]:
    """Clients of the same app twice: as it was, and enabled."""
    clients = []
    for is_enabled in (False, True):
        app = FastAPI(**settings)
        build(app)
        if is_enabled:
            add_binary_mode(app, body_agnostic=(Noting,))
        clients.append(TestClient(app, raise_server_exceptions=False, follow_redirects=False))
    return clients[0], clients[1]


class Lanes:
    """Notes the Content-Types of responses inside the middleware of ``add_binary_mode``."""

    def __init__(self, app: FastAPI | None = None) -> None:
        self.content_types: list[str | None] = []
        if app is not None:
            self.note(app)

    def note(self, app: FastAPI) -> None:
        """Note the responses of an app; those on the object lane are msgpack."""
        app.add_middleware(Noting, content_types=self.content_types)

    def within(self, build: Callable[[FastAPI], Any]) -> Callable[[FastAPI], None]:
        """Return ``build``, for an app whose responses are noted."""

        def build_and_note(app: FastAPI) -> None:
            build(app)
            self.note(app)

        return build_and_note


class Noting:
    def __init__(self, app: ASGIApp, content_types: list[str | None]) -> None:
        self.app = app
        self.content_types = content_types

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.content_types.append(Headers(raw=message["headers"]).get("content-type"))
            await send(message)

        await self.app(scope, receive, note)


def post(client: TestClient, document: Any, path: str = "/", **headers: str) -> Response:
    """Post a document in msgpack; underscores in names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, content=packb(document), headers={**MSGPACK, **named})


def get(client: TestClient, path: str = "/") -> Response:
    """Ask for an response in msgpack."""
    return client.get(path, headers=ACCEPT)


def value(response: Response, content_type: str = "application/msgpack") -> Any:
    """Return the document of a response that is msgpack, with the headers it must have."""
    assert response.headers["content-type"] == content_type, response.text
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers["vary"] == vary(response)
    return unpackb(response.content)


def vary(response: Response) -> str:
    """Return the Vary of a response: with Content-Type where that could have decided."""
    request = response.request
    mirrors = request.method not in ("GET", "HEAD")
    named = "msgpack" in request.headers.get("accept", "")
    return "Accept, Content-Type" if mirrors and not named else "Accept"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All tests run on both paths with ``--every-path``, those that ask for it always."""
    if "serving_path" not in metafunc.fixturenames or hasattr(metafunc.module, "CHOOSES_PATH"):
        return
    asked = any("serving_path" in mark.args for mark in metafunc.definition.iter_markers())
    both = asked or metafunc.config.getoption("every_path")
    paths = ["fast path", "FastAPI's handler"] if both else ["fast path"]
    metafunc.parametrize("serving_path", paths, indirect=True)


@pytest.fixture(autouse=True)
def serving_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve routes on the fast path, or all by FastAPI's handler."""
    if getattr(request, "param", None) == "FastAPI's handler":
        monkeypatch.setattr(handlers, "can_use_fast_path", lambda _: False)

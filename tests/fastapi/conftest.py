"""How the tests of the object lane talk to their apps, and compare what comes back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from httpx2 import Response
from starlette.datastructures import Headers
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from binary_middleware import packb, unpackb
from binary_middleware.fastapi import _route as route
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import MSGPACK

ACCEPT = {"accept": "application/msgpack"}


def enabled(endpoint: Callable[..., Any], *, path: str = "/", **settings: Any) -> TestClient:
    """A client of an enabled app with this one endpoint, which takes POST and GET."""
    app = FastAPI()
    app.add_api_route(path, endpoint, methods=["POST", "GET"], **settings)
    add_binary_mode(app)
    return TestClient(app)


def twins(build: Callable[[FastAPI], Any], **settings: Any) -> tuple[TestClient, TestClient]:
    """Clients of the same app twice: as it was, and enabled."""
    clients = []
    for is_enabled in (False, True):
        app = FastAPI(**settings)
        build(app)
        if is_enabled:
            add_binary_mode(app, body_agnostic=(NotesAnswers,))
        clients.append(TestClient(app, raise_server_exceptions=False, follow_redirects=False))
    return clients[0], clients[1]


class Lanes:
    """Notes in which form responses leave an app, inside the middleware of ``add_binary_mode``."""

    def __init__(self) -> None:
        self.answers: list[str | None] = []

    def within(self, build: Callable[[FastAPI], Any]) -> Callable[[FastAPI], None]:
        """``build``, for an app that notes its answers here."""

        def build_and_note(app: FastAPI) -> None:
            build(app)
            app.add_middleware(NotesAnswers, answers=self.answers)

        return build_and_note


class NotesAnswers:
    def __init__(self, app: ASGIApp, answers: list[str | None]) -> None:
        self.app = app
        self.answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answers.append(Headers(raw=message["headers"]).get("content-type"))
            await send(message)

        await self.app(scope, receive, note)


def post(client: TestClient, document: Any, path: str = "/", **headers: str) -> Response:
    """Post a document in msgpack; underscores in names of header fields stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, content=packb(document), headers={**MSGPACK, **named})


def get(client: TestClient, path: str = "/") -> Response:
    """Ask for an answer in msgpack."""
    return client.get(path, headers=ACCEPT)


def value(response: Response, content_type: str = "application/msgpack") -> Any:
    """The document of an answer that is msgpack, with the header fields it must have."""
    assert response.headers["content-type"] == content_type, response.text
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers["vary"] == vary(response)
    return unpackb(response.content)


def vary(response: Response) -> str:
    """The Vary field that an answer must have: with Content-Type where that could have decided."""
    request = response.request
    mirrors = request.method not in ("GET", "HEAD")
    named = "msgpack" in request.headers.get("accept", "")
    return "Accept, Content-Type" if mirrors and not named else "Accept"


def same(actual: Any, expected: Any) -> bool:
    """Whether two documents are equal, in the types of their values as well; NaN equals NaN."""
    if type(actual) is not type(expected):
        return False
    if isinstance(expected, dict):
        return list(actual) == list(expected) and all(
            same(actual[key], expected[key]) for key in expected
        )
    if isinstance(expected, (list, tuple)):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    if isinstance(expected, np.ndarray):
        return (
            actual.dtype == expected.dtype
            and actual.shape == expected.shape
            and actual.tobytes() == expected.tobytes()
        )
    return bool(actual == expected or (actual != actual and expected != expected))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All tests run on both paths with ``--every-path``, those that ask for it always."""
    if "serving_path" not in metafunc.fixturenames or hasattr(metafunc.module, "DIRECT_ONLY"):
        return
    asked = any("serving_path" in mark.args for mark in metafunc.definition.iter_markers())
    both = asked or metafunc.config.getoption("every_path")
    paths = ["direct", "not direct"] if both else ["direct"]
    metafunc.parametrize("serving_path", paths, indirect=True)


@pytest.fixture(autouse=True)
def serving_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain routes are served directly, or all by FastAPI's handler."""
    if getattr(request, "param", "direct") == "not direct":
        monkeypatch.setattr(route, "can_use_fast_path", lambda _: False)

"""FastAPI in binary mode by ``BinaryMiddleware(app)`` and by ``add_binary_mode``: the differences.

The first hands over JSON, the second objects. So it is the models of an app that say which one it
wants. docs/frameworks.md tells the same.
"""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from binary_middleware import BinaryMiddleware, NumpyArrayField
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import MSGPACK
from tests.integration.frameworks.exchanges import Client, unpack


class SpelledOut(BaseModel):
    shape: list[int]
    dtype: str
    data_b64: str


class Text(BaseModel):
    """A model for JSON alone: whoever reads it knows that there is base64 in it."""

    content: str = ""
    samples: SpelledOut | None = None


class Typed(BaseModel):
    """A model for both."""

    model_config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")

    content: bytes = b""
    samples: NumpyArrayField | None = None


def make_app() -> FastAPI:
    app = FastAPI()

    @app.post("/text")
    async def text(document: Text) -> Text:
        return document

    @app.post("/typed")
    async def typed(document: Typed) -> Typed:
        return document

    @app.get("/samples")
    async def samples() -> SpelledOut:
        return SpelledOut(shape=[2], dtype="uint8", data_b64="AQI=")

    @app.get("/crash")
    async def crash() -> None:
        raise ZeroDivisionError

    @app.get("/lookup")
    async def lookup() -> None:
        raise LookupError

    @app.exception_handler(Exception)
    @app.exception_handler(LookupError)
    async def report(request: Any, exc: Exception) -> JSONResponse:
        return JSONResponse({"error": type(exc).__name__}, 500)

    return app


@pytest.fixture
def wrapped() -> TestClient:
    return client_of(BinaryMiddleware(make_app()))


@pytest.fixture
def enabled() -> TestClient:
    app = make_app()
    add_binary_mode(app)
    return client_of(app)


def client_of(app: ASGIApp) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


def post(client: TestClient, path: str, document: Any) -> tuple[int, Any]:
    body = Client("", "application/msgpack").encode(document)
    response = client.post(path, content=body, headers=MSGPACK)
    return response.status_code, unpack(response.content)


def get(client: TestClient, path: str) -> tuple[int, str, bytes]:
    response = client.get(path, headers={"Accept": "application/msgpack"})
    return response.status_code, response.headers["content-type"], response.content


def test_wrapping_serves_models_that_spell_out_base64(wrapped: TestClient) -> None:
    status, value = post(wrapped, "/text", {"content": b"\xff\x00", "samples": np.arange(3)})
    assert status == 200
    assert value["content"] == "/wA="
    assert np.array_equal(value["samples"], np.arange(3))


def test_enable_does_not_serve_them(enabled: TestClient) -> None:
    status, value = post(enabled, "/text", {"samples": np.arange(3)})
    assert (status, value["detail"][0]["loc"][:2]) == (422, ["body", "samples"])
    status, value = post(enabled, "/text", {"content": b"\xff\x00"})
    assert (status, value["detail"][0]["loc"]) == (422, ["body", "content"])
    # pydantic takes bytes for text if they are UTF-8.
    assert post(enabled, "/text", {"content": b"abcd"})[1]["content"] == "abcd"


def test_answers_that_spell_out_an_array(wrapped: TestClient, enabled: TestClient) -> None:
    _, _, body = get(wrapped, "/samples")
    assert np.array_equal(unpack(body), np.array([1, 2], "uint8"))
    _, _, body = get(enabled, "/samples")
    assert unpack(body) == {"shape": [2], "dtype": "uint8", "data_b64": "AQI="}


@pytest.mark.parametrize("way", ["wrapped", "enabled"])
def test_typed_models_serve_both(way: str, request: pytest.FixtureRequest) -> None:
    client: TestClient = request.getfixturevalue(way)
    status, value = post(client, "/typed", {"content": b"\xff\x00", "samples": np.arange(3)})
    assert status == 200
    assert value["content"] == (b"\xff\x00" if way == "enabled" else "_wA=")
    assert np.array_equal(value["samples"], np.arange(3))


def test_handler_of_all_exceptions_is_around_what_enable_adds(
    wrapped: TestClient, enabled: TestClient
) -> None:
    status, content_type, body = get(wrapped, "/crash")
    assert (status, content_type) == (500, "application/msgpack")
    assert msgpack.unpackb(body) == {"error": "ZeroDivisionError"}
    assert get(enabled, "/crash") == (500, "application/json", b'{"error":"ZeroDivisionError"}')
    assert get(enabled, "/lookup")[:2] == (500, "application/msgpack")

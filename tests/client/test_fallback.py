"""Servers without binary mode: calls fail and say so, or are made again in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, EncodeError
from binary_middleware.client import BinaryClient
from tests.client import apps
from tests.client.apps import Sample
from tests.client.conftest import MakeClient, package_of
from tests.serving import serving

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
SAMPLE = Sample(sampleName="a", array=ARRAY, raw=b"\xfe\xff")
IN_BINARY = {"sampleName": "a", "array": ARRAY, "raw": b"\xfe\xff"}
JSON = {"fallback": "json"}


@pytest.fixture
def plain_app() -> Any:
    return apps.fastapi_app()


@pytest.fixture
def plain_url(plain_app: Any) -> Iterator[str]:
    with serving(plain_app) as url:
        yield url


def test_failing_names_the_option(kind: str, plain_url: str, make_client: MakeClient) -> None:
    client = make_client(kind, plain_url)
    with pytest.raises(package_of(kind).HTTPStatusError) as caught:
        client.post("/sample", SAMPLE)
    assert "the server has no binary mode" in str(caught.value)
    assert "fallback='json'" in str(caught.value)
    assert caught.value.response.status_code == 500


@pytest.mark.parametrize("document", [SAMPLE, IN_BINARY], ids=["model", "dict"])
def test_json_from_then_on(
    kind: str, plain_app: Any, plain_url: str, make_client: MakeClient, document: Any
) -> None:
    client = make_client(kind, plain_url, ours=JSON)
    for _ in range(2):
        found = client.post("/sample", document)
        assert np.array_equal(found.pop("array"), ARRAY + 1)
        assert found == {"sampleName": "a", "raw": "_v8=", "when": "2026-01-02"}
    assert client.post("/sample", document, Sample).raw == b"\xfe\xff"
    msgpack, json = "application/msgpack", "application/json"
    # FastAPI fails to report bytes that are not UTF-8, so the second one asks whether it reads any.
    assert plain_app.state.seen == [msgpack, msgpack, json, json, json]


def test_header_fields_of_a_call_in_json(
    kind: str, plain_url: str, make_client: MakeClient
) -> None:
    client = make_client(kind, plain_url, ours=JSON)
    headers = {"Content-Type": "application/x-msgpack", "Accept": "application/x-msgpack"}
    sent = client.send("PATCH", "/number", 5, headers=headers).response.request.headers
    assert sent["content-type"] == "application/json"
    assert sent["accept"] == "application/json, */*;q=0.1"
    assert sent["content-length"] == "1"


@pytest.mark.parametrize("status", [400, 415, 422, 500])
def test_every_way_to_refuse(status: int) -> None:
    client = BinaryClient(TestClient(apps.strict_app(status)), fallback="json")
    assert np.array_equal(client.post("/", ARRAY), ARRAY)
    failing = BinaryClient(TestClient(apps.strict_app(status)))
    with pytest.raises(Exception, match="no binary mode"):
        failing.post("/", ARRAY)


@pytest.mark.parametrize("status", [401, 403, 404, 409, 413, 501, 503])
def test_other_errors_are_errors(status: int) -> None:
    client = BinaryClient(TestClient(apps.strict_app(status)), fallback="json")
    with pytest.raises(Exception, match=r"send JSON$") as caught:
        client.post("/", ARRAY)
    assert "binary mode" not in str(caught.value)


def test_content_that_is_wrong_in_json_too(
    kind: str, plain_app: Any, plain_url: str, make_client: MakeClient
) -> None:
    client = make_client(kind, plain_url, ours=JSON)
    for _ in range(2):  # the server is not remembered by this
        with pytest.raises(package_of(kind).HTTPStatusError, match=r"body\.sampleName: Field requ"):
            client.post("/sample", {"array": ARRAY})
    assert (
        plain_app.state.seen
        == ["application/msgpack", "application/msgpack", "application/json"] * 2
    )


def test_errors_in_binary_mode_are_not_taken_for_its_absence(
    kind: str, binary_url: str, make_client: MakeClient
) -> None:
    client = make_client(kind, binary_url, ours=JSON)
    for path in ("/refuse", "/text-error"):
        with pytest.raises(package_of(kind).HTTPStatusError) as caught:
            client.post(path, 1)
        assert caught.value.request.headers["content-type"] == "application/msgpack"
        assert "binary mode" not in str(caught.value)
    assert client.send("POST", "/echo", 1).response.headers["content-type"].endswith("msgpack")


def test_endpoints_that_fail_are_not_called_again(kind: str, make_client: MakeClient) -> None:
    calls: list[Any] = []

    async def fail(request: Request) -> Response:
        calls.append(await request.json())
        raise RuntimeError("in the middle of something")

    app = Starlette(
        routes=[Route("/", fail, methods=["POST"])], middleware=[Middleware(BinaryMiddleware)]
    )
    with serving(app, log_config=None) as url:
        client = make_client(kind, url, ours=JSON)
        with pytest.raises(package_of(kind).HTTPStatusError) as caught:
            client.post("/", [1])
    assert caught.value.response.status_code == 500
    assert caught.value.request.headers["content-type"] == "application/msgpack"
    assert calls == [[1]]


def test_errors_of_a_server_that_is_known_to_have_binary_mode(kind: str, make_client: Any) -> None:
    async def fail(request: Request) -> Response:
        raise RuntimeError("in the middle of something")

    app = Starlette(
        routes=[Route("/", fail, methods=["POST"]), Route("/echo", apps.echo, methods=["POST"])],
        middleware=[Middleware(BinaryMiddleware)],
    )
    with serving(app, log_config=None) as url:
        # uvicorn closes the connection after such an error.
        client = make_client(kind, url, headers={"Connection": "close"})
        with pytest.raises(package_of(kind).HTTPStatusError, match="no binary mode"):
            client.post("/", [1])
        assert client.post("/echo", [1]) == [1]
        with pytest.raises(package_of(kind).HTTPStatusError) as caught:
            client.post("/", [1])
        assert "binary mode" not in str(caught.value)


def test_servers_are_told_apart(
    kind: str, plain_url: str, binary_url: str, make_client: MakeClient
) -> None:
    client = make_client(kind, plain_url, ours=JSON)
    assert client.patch("/number", 1) == 1
    reply = client.send("POST", f"{binary_url}/echo", 1)
    assert reply.response.request.headers["content-type"] == "application/msgpack"
    assert reply.response.headers["content-type"] == "application/msgpack"
    reply = client.send("PATCH", f"{plain_url}/number", 1)
    assert reply.response.request.headers["content-type"] == "application/json"
    assert reply.response.request.headers["accept"] == "application/json, */*;q=0.1"


def test_json_answers_of_calls_without_a_body(
    kind: str, plain_url: str, make_client: MakeClient
) -> None:
    client = make_client(kind, plain_url)
    assert client.get("/sum", int, params={"first": 1, "second": 2}) == 3
    with pytest.raises(package_of(kind).HTTPStatusError, match=r"query\.second: Field") as caught:
        client.get("/sum", params={"first": 1})
    assert "binary mode" not in str(caught.value)


def test_large_documents_in_json(plain_url: str, make_client: MakeClient) -> None:
    client = make_client("httpx2", plain_url, ours=JSON)
    array = np.random.default_rng(1).random(300_000)
    assert np.array_equal(client.post("/sample", {**IN_BINARY, "array": array})["array"], array + 1)


def test_server_that_is_redirected_to_is_known_by_the_first() -> None:
    async def moved(request: Request) -> Response:
        return RedirectResponse("/", 307)

    app = apps.strict_app(415)
    app.router.routes.append(Route("/moved", moved, methods=["POST"]))
    client = BinaryClient(TestClient(app), fallback="json")
    assert client.post("/moved", [1]) == [1]
    assert (
        client.send("POST", "/moved", [1]).response.request.headers["content-type"].endswith("json")
    )


class Model(BaseModel):
    items: Any


@dataclass
class Record:
    items: Any


@pytest.mark.parametrize(
    "wrap",
    [
        lambda items: items,
        lambda items: {"a": items},
        lambda items: [1, (items,)],
        lambda items: Model(items=items),
        lambda items: Record(items),
    ],
)
def test_iterators_are_not_silently_empty(wrap: Any) -> None:
    client = BinaryClient(TestClient(apps.strict_app(400)), fallback="json")
    with pytest.raises(EncodeError, match="pass a list"):
        client.post("/", wrap(number for number in range(3)))
    client.post("/", wrap([0, 1, 2]))
    found = client.post("/", wrap(number for number in range(3)))  # JSON at once
    assert "[0, 1, 2]" in str(found)


def test_json_errors_of_the_json_call_are_the_ones_raised() -> None:
    async def endpoint(request: Request) -> Response:
        if request.headers["content-type"] == "application/json":
            return JSONResponse({"detail": "asleep"}, 503)
        return JSONResponse({"detail": "send JSON"}, 415)

    app = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    client = BinaryClient(TestClient(app), fallback="json")
    with pytest.raises(Exception, match="asleep"):
        client.post("/", 1)

"""All of httpx stays: authentication, redirects, cookies, hooks, timeouts, HTTP/2, streaming."""

from __future__ import annotations

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import httpx2
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from binary_middleware import packb
from binary_middleware.client import AsyncBinaryClient, BinaryClient
from tests.client import apps
from tests.client.apps import LARGE
from tests.client.conftest import MakeClient, package_of
from tests.serving import serving


def test_options_of_a_call(kind: str, binary_url: str, make_client: MakeClient) -> None:
    seen: list[str] = []

    def note(name: str, info: Any) -> None:
        seen.append(name)

    async def note_async(name: str, info: Any) -> None:
        seen.append(name)

    own = {"params": {"a": "1"}, "headers": {"X-A": "1"}, "cookies": {"a": "1"}, "auth": ("a", "1")}
    client = make_client(kind, f"{binary_url}/moved/..", **own)
    result = client.send(
        "POST",
        "../reflect",
        None,
        params={"b": "2"},
        headers={"X-B": "2"},
        auth=("b", "2"),
        extensions={"trace": note_async if kind.endswith("async") else note},
    )
    assert result.response.request.url.query == b"a=1&b=2"
    headers = {name: result.value["headers"].get(name) for name in ("x-a", "x-b", "cookie")}
    assert headers == {"x-a": "1", "x-b": "2", "cookie": "a=1"}
    assert result.value["headers"]["authorization"] == "Basic Yjoy"
    assert "http11.send_request_body.complete" in seen
    assert "authorization" not in client.post("../reflect", None, auth=None)["headers"]
    assert client.get(package_of(kind).URL(f"{binary_url}/reflect"))["method"] == "GET"


def test_cookies_persist(kind: str, binary_url: str, make_client: MakeClient) -> None:
    client = make_client(kind, binary_url)
    assert client.post("/log-in", None) == "welcome"
    assert client.post("/reflect", None)["headers"]["cookie"] == "session=42"


@pytest.mark.parametrize("document", [[1, 2], LARGE], ids=["small", "large"])
def test_digest_authentication_sends_a_body_again(
    kind: str, binary_url: str, make_client: MakeClient, document: Any
) -> None:
    package = package_of(kind)
    client = make_client(kind, binary_url)
    result = client.send("POST", "/guarded", document, auth=package.DigestAuth("me", apps.SECRET))
    assert result.value["user"] == "me"
    assert result.value["size"] > 2
    assert [each.status_code for each in result.response.history] == [401]
    with pytest.raises(package.HTTPStatusError, match="who are you"):
        client.post("/guarded", document, auth=package.DigestAuth("me", "another"))


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("document", [[1, 2], LARGE], ids=["small", "large"])
def test_redirects_send_a_body_again(
    kind: str, binary_url: str, make_client: MakeClient, document: Any, status: int
) -> None:
    client = make_client(kind, binary_url)
    result = client.send(
        "POST", "/moved", document, params={"status": status}, follow_redirects=True
    )
    assert np.array_equal(result.value, document)
    assert [each.status_code for each in result.response.history] == [status]


def test_redirects_that_turn_into_get(kind: str, binary_url: str, make_client: MakeClient) -> None:
    client = make_client(kind, binary_url, follow_redirects=True)
    found = client.post("/see-other", LARGE)
    assert found["method"] == "GET"
    assert found["size"] == 0


def test_event_hooks_that_read_the_bodies(
    kind: str, binary_url: str, make_client: MakeClient
) -> None:
    seen: list[int] = []

    async def read_async(event: Any) -> None:
        seen.append(len(await event.aread()))

    def read(event: Any) -> None:
        seen.append(len(event.read()))

    function = read_async if kind.endswith("async") else read
    hooks = {"request": [function], "response": [function]}
    client = make_client(kind, binary_url, event_hooks=hooks)
    assert np.array_equal(client.post("/echo", LARGE), LARGE)
    assert seen == [len(packb(LARGE))] * 2


def test_timeouts_and_other_transport_errors(kind: str, make_client: MakeClient) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        while (await receive())["type"] != "http.disconnect":
            pass

    package = package_of(kind)
    with serving(silent) as url:
        client = make_client(kind, url, timeout=20, limits=package.Limits(max_connections=2))
        with pytest.raises(package.ReadTimeout):
            client.post("/", 1, timeout=package.Timeout(20, read=0.05))
    with pytest.raises(package.ConnectError):
        client.post("/", 1)


@pytest.mark.parametrize("document", [[1] * 200, LARGE], ids=["small", "large"])
def test_compressed_responses(kind: str, make_client: MakeClient, document: Any) -> None:
    with serving(apps.compressing_app()) as url:
        client = make_client(kind, url)
        result = client.send("POST", "/echo", document)
        assert result.response.headers["content-encoding"] == "gzip"
        assert np.array_equal(result.value, document)
        if document is LARGE:
            assert result.value.flags.writeable


def test_compressed_responses_with_a_length() -> None:
    async def endpoint(request: Request) -> Response:
        headers = {"content-encoding": "gzip", "content-type": "application/msgpack"}
        return Response(gzip.compress(packb(LARGE)), headers=headers)

    client = BinaryClient(TestClient(Starlette(routes=[Route("/", endpoint)])))
    assert np.array_equal(client.get("/"), LARGE)


def test_one_client_in_eight_threads(binary_url: str) -> None:
    with BinaryClient(binary_url, timeout=60, limits=httpx2.Limits(max_connections=4)) as client:

        def work(number: int) -> bool:
            array = np.full(100_000 + number, number, "float32")
            found = client.post("/sample", {"sampleName": str(number), "array": array}, apps.Sample)
            return found.name == str(number) and np.array_equal(found.array.array, array + 1)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(48)))


def test_many_tasks_share_a_client(binary_url: str) -> None:
    async def run() -> list[int]:
        async with AsyncBinaryClient(binary_url, timeout=60) as client:
            calls = (client.post("/echo", number, int) for number in range(30))
            return list(await asyncio.gather(*calls))

    assert asyncio.run(run()) == list(range(30))


def test_cancelled_calls_return_their_connection(binary_url: str) -> None:
    async def run() -> None:
        limits = httpx2.Limits(max_connections=1)
        async with AsyncBinaryClient(binary_url, timeout=20, limits=limits) as client:
            got: list[int] = []

            def cancel(progress: Any) -> None:
                if progress.direction == "download":
                    got.append(progress.done)
                    task.cancel()

            task = asyncio.ensure_future(client.post("/echo", LARGE, progress=cancel))
            with pytest.raises(asyncio.CancelledError):
                await task
            assert 0 < got[0] < LARGE.nbytes
            assert await client.post("/echo", 1) == 1

    asyncio.run(run())


@pytest.mark.parametrize("package", [httpx2, httpx], ids=["httpx2", "httpx"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_http2(package: Any, asynchronous: bool, make_client: MakeClient) -> None:
    pytest.importorskip("h2")
    pytest.importorskip("hypercorn")
    from tests.client.http2 import serving_http2

    kind = f"{package.__name__}{' async' if asynchronous else ''}"
    with serving_http2(apps.binary_app()) as url:
        client = make_client(kind, url, http1=False, http2=True, timeout=60)
        for _ in range(2):
            result = client.send("POST", "/echo", LARGE)
            assert result.response.http_version == "HTTP/2"
            assert np.array_equal(result.value, LARGE)
        with pytest.raises(package.HTTPStatusError, match="Field required"):
            client.post("/sample", {})
    with serving_http2(apps.fastapi_app()) as url:
        options = {"settings": {"fallback": "json"}, "timeout": 60}
        client = make_client(kind, url, http1=False, http2=True, **options)
        sample = {"sampleName": "a", "array": LARGE}
        for _ in range(2):
            assert np.array_equal(client.post("/sample", sample)["array"], LARGE + 1)

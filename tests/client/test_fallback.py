"""``fallback="json"``: a server gets JSON until a response proves that it has binary mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, EncodeError, packb
from binary_middleware.client import BinaryClient
from tests.client import apps
from tests.client.apps import ARRAY, Sample
from tests.client.conftest import MakeClient, package_of
from tests.serving import serving

SAMPLE = Sample(sampleName="a", array=ARRAY, raw=b"\xfe\xff")
FALLBACK = {"fallback": "json"}
JSON, MSGPACK = "application/json", "application/msgpack"


@pytest.fixture
def plain_app() -> Any:
    return apps.fastapi_app()


@pytest.fixture
def plain_url(plain_app: Any) -> Iterator[str]:
    with serving(plain_app) as url:
        yield url


class Script:
    """An app whose endpoint sends the given responses in turn and notes what it received."""

    def __init__(self, *responses: Response) -> None:
        self.received: list[str] = []
        self._responses = iter(responses)
        app = Starlette(routes=[Route("/", self.respond, methods=["GET", "POST"])])
        self.client = BinaryClient(TestClient(app), fallback="json")

    async def respond(self, request: Request) -> Response:
        self.received.append(request.headers.get("content-type", ""))
        return next(self._responses)


def msgpack(value: Any = None, status: int = 200, **headers: str) -> Response:
    return Response(packb(value), status, headers, MSGPACK)


def sent_type(client: Any, *arguments: Any, **options: Any) -> str:
    """Return the Content-Type of a request that succeeds."""
    response = client.send(*arguments, **options).response
    content_type: str = response.request.headers["content-type"]
    return content_type


# -- proof -----------------------------------------------------------------------------------------


def test_msgpack_after_a_response_in_msgpack(
    kind: str, binary_url: str, make_client: MakeClient
) -> None:
    client = make_client(kind, binary_url, settings=FALLBACK)
    for content_type in (JSON, MSGPACK, MSGPACK):
        result = client.send("POST", "/sample", SAMPLE, Sample)
        assert np.array_equal(result.value.array.array, ARRAY + 1)
        assert result.value.raw == b"\xfe\xff"
        sent = result.response.request.headers
        assert sent["content-type"] == content_type
        assert sent["accept"] == "application/msgpack, application/json;q=0.9, */*;q=0.1"
        assert result.response.headers["content-type"] == MSGPACK


def test_a_call_without_a_body_is_proof_enough(client_of_binary_app: Any) -> None:
    client_of_binary_app.get("/sum", params={"first": 1, "second": 2})
    assert sent_type(client_of_binary_app, "POST", "/echo", ARRAY) == MSGPACK


def test_an_error_in_msgpack_is_proof(client_of_binary_app: Any) -> None:
    with pytest.raises(httpx2.HTTPStatusError, match=r"body\.sampleName: Field required"):
        client_of_binary_app.post("/sample", {})
    assert sent_type(client_of_binary_app, "POST", "/echo", ARRAY) == MSGPACK


@pytest.fixture
def client_of_binary_app() -> BinaryClient:
    return BinaryClient(TestClient(apps.binary_app()), fallback="json")


@pytest.mark.parametrize(
    ("response", "is_proof"),
    [
        (msgpack(), True),
        (Response(packb(1), media_type="application/x+msgpack"), True),
        (Response(status_code=204, headers={"Accept-Post": "text/csv, application/msgpack"}), True),
        (Response(status_code=204, headers={"Accept": "application/x-msgpack"}), True),
        (Response(status_code=204, headers={"Accept": "application/msgpack;q=0"}), False),
        (Response(status_code=204, headers={"Accept-Post": "*/*"}), False),
        (JSONResponse(1, headers={"Vary": "Accept"}), False),  # others negotiate, too
        (Response(b"\x89PNG", media_type="image/png"), False),
    ],
)
def test_what_is_proof(response: Response, is_proof: bool) -> None:
    script = Script(response, msgpack())
    script.client.post("/", 1)
    script.client.post("/", 1)
    assert script.received == [JSON, MSGPACK if is_proof else JSON]


def test_json_stays_without_proof(
    kind: str, plain_app: Any, plain_url: str, make_client: Any
) -> None:
    client = make_client(kind, plain_url, settings=FALLBACK)
    for _ in range(3):
        found = client.post("/sample", SAMPLE)
        assert np.array_equal(found.pop("array"), ARRAY + 1)
        assert found == {"sampleName": "a", "raw": "_v8=", "when": "2026-01-02"}
    with pytest.raises(package_of(kind).HTTPStatusError, match=r"body\.sampleName: Field requ"):
        client.post("/sample", {"array": ARRAY})
    assert plain_app.state.seen == [JSON] * 4


def test_servers_are_told_apart(
    kind: str, plain_url: str, binary_url: str, make_client: MakeClient
) -> None:
    client = make_client(kind, plain_url, settings=FALLBACK)
    client.post(f"{binary_url}/echo", 1)
    assert sent_type(client, "POST", f"{binary_url}/echo", 1) == MSGPACK
    assert sent_type(client, "PATCH", "/number", 1) == JSON


def test_a_redirect_proves_nothing_about_its_own_server(binary_url: str) -> None:
    async def moved(request: Request) -> Response:
        return RedirectResponse(f"{binary_url}/echo", 307)

    with (
        serving(Starlette(routes=[Route("/", moved, methods=["POST"])])) as url,
        BinaryClient(url, fallback="json", follow_redirects=True) as client,
    ):
        target = f"{binary_url}/echo"
        sent = [sent_type(client, "POST", each, [1]) for each in ("/", "/", target, target)]
    assert sent == [JSON, JSON, JSON, MSGPACK]


@pytest.mark.parametrize("name", ["accept-post", "accept"])
def test_a_server_that_refuses_json_gets_msgpack(name: str) -> None:
    """The call fails all the same: whether an endpoint refused it cannot be seen."""
    refusal = JSONResponse("no JSON", 415, {name: "application/msgpack"})
    script = Script(refusal, msgpack())
    with pytest.raises(httpx2.HTTPStatusError, match=r"accepts msgpack only\. Call again:"):
        script.client.post("/", 1)
    script.client.post("/", 1)
    assert script.received == [JSON, MSGPACK]


def test_mode_require() -> None:
    app = BinaryMiddleware(
        Starlette(routes=[Route("/", apps.echo, methods=["POST"])]), mode="require"
    )
    client = BinaryClient(TestClient(app), fallback="json")
    with pytest.raises(httpx2.HTTPStatusError, match="accepts msgpack only"):
        client.post("/", 1)
    assert client.post("/", 1) == 1


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 415, 422, 500])
def test_a_server_that_loses_binary_mode_gets_json(status: int) -> None:
    script = Script(msgpack(), JSONResponse("what?", status), msgpack(), msgpack())
    script.client.post("/", 1)
    with pytest.raises(httpx2.HTTPStatusError, match="Call again: the client now sends JSON"):
        script.client.post("/", 1)
    for _ in range(2):  # and it stays at that, whatever the responses are
        script.client.post("/", 1)
    assert script.received == [JSON, MSGPACK, JSON, JSON]


@pytest.mark.parametrize(
    "refusal",
    [
        *(JSONResponse("no", status) for status in (401, 403, 404, 409, 413, 501, 503)),
        *(msgpack("no", status) for status in (400, 415, 422, 500)),
        *(JSONResponse("no", status, {"Vary": "Accept"}) for status in (400, 422, 500)),
    ],
    ids=lambda response: f"{response.status_code} {response.media_type}",
)
def test_other_errors_are_errors(refusal: Response) -> None:
    script = Script(msgpack(), refusal, msgpack())
    script.client.post("/", 1)
    with pytest.raises(httpx2.HTTPStatusError, match=r"no$"):
        script.client.post("/", 1)
    script.client.post("/", 1)
    assert script.received == [JSON, MSGPACK, MSGPACK]


def test_binary_mode_for_some_routes(kind: str, make_client: MakeClient) -> None:
    """At most one call fails: the first one to the other routes in msgpack."""
    plain = apps.fastapi_app()
    app = Starlette(routes=[Mount("/binary", apps.binary_app()), Mount("/plain", plain)])
    with serving(app, log_config=None) as url:
        # uvicorn closes the connection after an error that it logs.
        client = make_client(kind, url, settings=FALLBACK, headers={"Connection": "close"})
        document = {"sampleName": "a", "array": ARRAY}
        client.post("/binary/sample", document)
        with pytest.raises(package_of(kind).HTTPStatusError, match="has it for other routes only"):
            client.post("/plain/sample", document)
        for path in ("/plain", "/binary", "/plain"):
            found = client.post(f"{path}/sample", document)
            assert np.array_equal(found["array"], ARRAY + 1)
    assert plain.state.seen == [MSGPACK, JSON, JSON]


def test_no_endpoint_is_called_twice(kind: str, make_client: MakeClient) -> None:
    calls: list[Any] = []

    async def fail(request: Request) -> Response:
        calls.append(await request.json())
        raise RuntimeError("in the middle of something")

    routes = [Route("/", fail, methods=["POST"]), Route("/echo", apps.echo, methods=["POST"])]
    with serving(BinaryMiddleware(Starlette(routes=routes)), log_config=None) as url:
        client = make_client(kind, url, settings=FALLBACK, headers={"Connection": "close"})
        for document in (1, 2):  # in JSON, and in msgpack
            with pytest.raises(package_of(kind).HTTPStatusError, match="500"):
                client.post("/", document)
            client.post("/echo", 0)
    assert calls == [1, 2]


# -- without fallback ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 415, 422, 500])
def test_an_error_may_mean_that_there_is_no_binary_mode(status: int) -> None:
    client = BinaryClient(TestClient(apps.strict_app(status)))
    with pytest.raises(httpx2.HTTPStatusError, match=r"may lack binary mode.*fallback='json'"):
        client.post("/", ARRAY)


def test_the_first_call_is_in_msgpack(
    kind: str, plain_app: Any, plain_url: str, make_client: Any
) -> None:
    client = make_client(kind, plain_url, headers={"Connection": "close"})
    with pytest.raises(package_of(kind).HTTPStatusError, match="may lack binary mode"):
        client.post("/sample", SAMPLE)
    assert plain_app.state.seen == [MSGPACK]
    with pytest.raises(package_of(kind).HTTPStatusError, match=r"query\.second: Field required$"):
        client.get("/sum", params={"first": 1})


def test_errors_of_a_server_that_is_known_to_have_binary_mode() -> None:
    errors = (JSONResponse("no", status) for status in (500, 500, 415))
    script = Script(next(errors), msgpack(), *errors)
    client = BinaryClient(script.client.http)
    with pytest.raises(httpx2.HTTPStatusError, match="may lack binary mode"):
        client.post("/", 1)
    client.post("/", 1)
    with pytest.raises(httpx2.HTTPStatusError, match=r"no$"):
        client.post("/", 1)
    with pytest.raises(httpx2.HTTPStatusError, match="may lack binary mode"):
        client.post("/", 1)


# -- documents in JSON -----------------------------------------------------------------------------


def test_headers_of_a_call_in_json(client_of_binary_app: Any) -> None:
    headers = {"Content-Type": "application/x-msgpack", "Accept": "application/x-msgpack"}
    for content_type in (JSON, "application/x-msgpack"):
        result = client_of_binary_app.send("PATCH", "/number", 5, headers=headers)
        sent = result.response.request.headers
        assert sent["content-type"] == content_type
        assert sent["accept"] == "application/x-msgpack"
        assert sent["content-length"] == "1"


class Model(BaseModel):
    raw: bytes


@dataclass
class Record:
    items: Any


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (b"a", r"\$"),
        ({"a": [1, bytearray(b"a")]}, r"\$\.a\[1\]"),
        ((1, {"b": memoryview(b"a")}), r"\$\[1\]\.b"),
        (Record({"a": b"a"}), r"\$\.items\.a"),
    ],
    ids=["bytes", "list", "tuple", "dataclass"],
)
def test_bytes_need_proof_first(document: Any, place: str) -> None:
    """An endpoint in binary mode would get base64 with the first call, and the bytes later."""
    script = Script(msgpack(), msgpack())
    with pytest.raises(EncodeError, match=rf"JSON has no bytes \(at `{place}`\); .*BinaryBytes"):
        script.client.post("/", document)
    script.client.get("/")
    script.client.post("/", document)
    assert script.received == ["", MSGPACK]


def test_bytes_of_models_are_as_they_declare() -> None:
    client = BinaryClient(TestClient(apps.strict_app(415)), fallback="json")
    assert client.post("/", [SAMPLE])[0]["raw"] == "_v8="
    assert client.post("/", Model(raw=b"text")) == {"raw": "text"}
    with pytest.raises(EncodeError, match=r"invalid utf-8.*declare bytes as BinaryBytes"):
        client.post("/", Model(raw=b"\xff"))


def test_iterators_are_written_once() -> None:
    client = BinaryClient(TestClient(apps.strict_app(415)), fallback="json")
    assert client.post("/", {"a": (number for number in range(3))}) == {"a": [0, 1, 2]}


def test_large_documents_in_json(plain_url: str, make_client: MakeClient) -> None:
    client = make_client("httpx2", plain_url, settings=FALLBACK)
    array = np.random.default_rng(1).random(300_000)
    found = client.post("/sample", {"sampleName": "a", "array": array})
    assert np.array_equal(found["array"], array + 1)

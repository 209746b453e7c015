"""``Request`` for an endpoint or a dependency, beside the declared body."""

import json
from base64 import b64encode
from typing import Annotated, Any

import msgpack
import numpy as np
import pytest
from fastapi import Body, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import MSGPACK, call
from tests.fastapi.conftest import binary_client, value
from tests.sameness import same

LARGE = np.arange(100_003, dtype="float64")
DOCUMENTS: dict[str, bytes] = {
    "small": packb({"array": np.arange(3), "raw": b"\xff"}),
    "nothing in it": packb({}),
    "unusual spelling": b"\xdf\x00\x00\x00\x01\xd9\x03raw\xc6\x00\x00\x00\x01\xff",
    **{f"large, {pad} off": packb({"raw": bytes(pad), "array": LARGE}) for pad in range(8)},
    "two large": packb({"raw": b"1", "array": LARGE, "other": [LARGE.astype("int16")]}),
    "string-keyed map": packb({"array": LARGE}, arrays="map"),
    "of msgpack": msgpack.packb({"raw": b"x" * 100_000, "n": 1.5}),
}


async def _body(request: Request) -> bytes:
    return await request.body()


async def _stream(request: Request) -> bytes:
    return b"".join([chunk async for chunk in request.stream()])


async def _json_then_body(request: Request) -> bytes:
    await request.json()
    return await request.body()


async def _twice(request: Request) -> bytes:
    assert await request.body() == await request.body()
    return b"".join([chunk async for chunk in request.stream()])


READERS = [_body, _stream, _json_then_body, _twice]
readers = pytest.mark.parametrize("reader", READERS, ids=lambda f: f.__name__.strip("_"))
documents = pytest.mark.parametrize("body", DOCUMENTS.values(), ids=DOCUMENTS.keys())


@documents
@readers
def test_body_is_what_the_client_sent(reader: Any, body: bytes) -> None:
    seen: list[bytes] = []
    app = FastAPI()

    @app.post("/endpoint")
    async def endpoint(
        request: Request,
        array: Annotated[NumpyArrayField | None, Body()] = None,
        raw: Annotated[bytes, Body()] = b"",
    ) -> None:
        seen.append(await reader(request))

    async def dependency(request: Request) -> None:
        seen.append(await reader(request))

    @app.post("/dependency", dependencies=[Depends(dependency)])
    async def behind_it(
        array: Annotated[NumpyArrayField | None, Body()] = None,
        raw: Annotated[bytes, Body()] = b"",
    ) -> None:
        assert array is None or array.array.flags.writeable

    client = binary_client(app)
    for path in ("/endpoint", "/dependency"):
        assert client.post(path, content=body, headers=MSGPACK).status_code == 200
    assert seen == [body, body]


def test_json_is_the_decoded_object() -> None:
    app = FastAPI()

    @app.post("/")
    async def endpoint(request: Request, raw: Annotated[bytes, Body()], n: Annotated[int, Body()]):
        document = await request.json()
        assert document is await request.json()
        return document

    add_binary_mode(app)
    document = {"raw": b"\xff", "n": 1, "more": [np.arange(3)], "nan": float("nan")}
    response = TestClient(app).post("/", content=packb(document), headers=MSGPACK)
    assert same(value(response), document)


@documents
@pytest.mark.parametrize("how", ["body", "json", "stream"])
def test_without_a_declared_body_it_is_json_text(how: str, body: bytes) -> None:
    app = FastAPI()

    @app.post("/")
    async def endpoint(request: Request) -> Any:
        if how == "json":
            return await request.json()
        return json.loads(await (_body if how == "body" else _stream)(request))

    response = binary_client(app).post("/", content=body, headers=MSGPACK)
    assert response.status_code == 200
    assert same(value(response), _as_json(unpackb(body)))


def _as_json(document: Any) -> Any:
    """Return the JSON lane's form of bytes and arrays."""
    if isinstance(document, dict) and document.keys() == {"shape", "dtype", "data"}:
        document = np.frombuffer(document["data"], document["dtype"])
    if isinstance(document, np.ndarray):
        return {
            "shape": list(document.shape),
            "dtype": document.dtype.name,
            "data_b64": b64encode(document.tobytes()).decode(),
        }
    if isinstance(document, bytes):
        return b64encode(document).decode()
    if isinstance(document, dict):
        return {key: _as_json(item) for key, item in document.items()}
    return [_as_json(item) for item in document] if isinstance(document, list) else document


def test_state_and_client_are_there() -> None:
    async def dependency(request: Request) -> None:
        request.state.user = "u"

    app = FastAPI()

    @app.post("/{number}", dependencies=[Depends(dependency)])
    async def endpoint(request: Request, raw: Annotated[bytes, Body()], number: int) -> Any:
        assert not await request.is_disconnected()
        return [
            request.state.user,
            request.path_params["number"],
            request.query_params["q"],
            str(request.url_for("endpoint", number=7)),
            request.method,
            request.app is app,
        ]

    response = binary_client(app).post("/5?q=x", content=packb(b"\xff"), headers=MSGPACK)
    assert value(response) == ["u", "5", "x", "http://testserver/7", "POST", True]


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "not declared"])
def test_exception_handler_reads_the_request_as_json_text(declared: bool) -> None:
    class Refused(Exception):
        pass

    app = FastAPI()

    if declared:

        @app.post("/")
        async def endpoint(raw: Annotated[bytes, Body(embed=True)]) -> None:
            raise Refused

    else:

        @app.post("/")
        async def endpoint_without() -> None:
            raise Refused

    @app.exception_handler(Refused)
    async def handler(request: Request, exc: Refused) -> JSONResponse:
        body = await request.body()
        assert not await request.is_disconnected()
        return JSONResponse([json.loads(body), await request.json()], status_code=409)

    response = binary_client(app).post("/", content=packb({"raw": b"\xff"}), headers=MSGPACK)
    assert response.status_code == 409
    assert value(response) == [{"raw": "/w=="}, {"raw": "/w=="}]


def test_exception_handler_reads_a_body_that_is_too_large_as_json() -> None:
    app = FastAPI()

    @app.post("/")
    async def endpoint(raw: Annotated[bytes, Body(embed=True)]) -> None:
        raise LookupError

    @app.exception_handler(LookupError)
    async def handler(request: Request, exc: LookupError) -> JSONResponse:
        return JSONResponse(await request.json())

    client = binary_client(app, max_json_size=1000)
    assert client.post("/", content=packb({"raw": bytes(2000)}), headers=MSGPACK).status_code == 413


def test_disconnect_in_the_body_is_an_error_of_the_body() -> None:
    app = FastAPI()
    seen: list[Any] = []

    @app.post("/")
    async def endpoint(raw: Annotated[bytes, Body(embed=True)]) -> None:
        raise AssertionError("not complete")

    @app.exception_handler(HTTPException)
    async def handler(request: Request, exc: HTTPException) -> JSONResponse:
        seen.append(exc.detail)
        with pytest.raises(ClientDisconnect):
            await request.body()
        return JSONResponse(None, exc.status_code)

    add_binary_mode(app)
    cut_off = [
        {"type": "http.request", "body": packb({"raw": bytes(9)})[:5], "more_body": True},
        {"type": "http.disconnect"},
    ]
    assert call(app, cut_off).status == 400
    assert seen == ["There was an error parsing the body"]


def test_rejection_by_the_channel_of_the_body_keeps_its_status() -> None:
    app = FastAPI()

    @app.post("/")
    async def endpoint(raw: Annotated[bytes, Body()]) -> None:
        raise AssertionError("not complete")

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        async def refuse() -> Any:
            raise HTTPException(413)

        await app(scope, refuse, send)

    add_binary_mode(app)
    assert call(limited).status == 413


def test_body_was_changed_by_the_endpoint_and_is_read_again() -> None:
    """What the endpoint changed in an array is changed in the one buffer that there is."""
    app = FastAPI()

    @app.post("/")
    async def endpoint(
        request: Request, array: Annotated[NumpyArrayField, Body(embed=True)]
    ) -> int:
        array.array[0] = 7
        return len(await request.body())

    add_binary_mode(app)
    body = packb({"array": LARGE})
    assert value(TestClient(app).post("/", content=body, headers=MSGPACK)) == len(body)

"""Other middlewares around the object lane, calls within the process, and many at once."""

import json
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import httpx2
import numpy as np
import pytest
from fastapi import Body, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import add_binary_mode
from tests.asgi_app import exchange, http_scope
from tests.fastapi.conftest import (
    NOT_TEXT,
    OBJECTS,
    TEXT,
    Item,
    Lanes,
    Noting,
    binary_client,
    echo,
    get,
    post,
    value,
)
from tests.sameness import same

ARRAY = np.arange(2000, dtype="float64")
DOCUMENT = {"array": ARRAY, "raw": NOT_TEXT}


def _app(
    *middlewares: tuple[type, dict[str, Any]],
    where: str = "inside",
    lanes: Lanes | None = None,
    agnostic: tuple[Any, ...] = (Noting,),
) -> TestClient:
    app = FastAPI()
    app.post("/")(echo)
    app.post("/none", response_model=None)(echo)
    (lanes or Lanes()).note(app)
    if where == "outside":
        add_binary_mode(app, body_agnostic=agnostic)
    for middleware, settings in middlewares:
        app.add_middleware(middleware, **settings)
    if where == "inside":
        add_binary_mode(app, body_agnostic=agnostic)
    return TestClient(app)


both_places = pytest.mark.parametrize("where", ["inside", "outside"])


@both_places
@pytest.mark.parametrize("reads", [False, True], ids=["leaves the body", "reads the body"])
@pytest.mark.parametrize("is_named", [False, True], ids=["unknown", "named"])
def test_function_middleware(where: str, reads: bool, is_named: bool) -> None:
    seen: list[bytes] = []

    async def dispatch(request: Request, call_next: Any) -> Any:
        if reads:
            seen.append(await request.body())
        response = await call_next(request)
        response.headers["x-passed"] = "yes"
        return response

    lanes = Lanes()
    agnostic = (Noting, *([dispatch] if is_named else []))
    middleware = (BaseHTTPMiddleware, {"dispatch": dispatch})
    client = _app(middleware, where=where, lanes=lanes, agnostic=agnostic)
    response = post(client, DOCUMENT)
    assert response.headers["x-passed"] == "yes"
    assert same(value(response), DOCUMENT)
    # Middleware inside BinaryMiddleware that may look sees JSON; the route gets objects anyway.
    is_shown = where == "inside" and not is_named
    assert lanes.content_types == [TEXT if is_shown else OBJECTS]
    if reads and where == "outside":
        assert seen == [packb(DOCUMENT)]
    elif reads:
        assert json.loads(seen[0])["raw"] == "/w=="


@both_places
@pytest.mark.parametrize("path", ["/", "/none"])
def test_compression(where: str, path: str) -> None:
    client = _app((GZipMiddleware, {"minimum_size": 10}), where=where)
    response = post(client, DOCUMENT, path, accept_encoding="gzip")
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"] == OBJECTS
    assert int(response.headers["content-length"]) < ARRAY.nbytes
    assert {name.strip() for name in response.headers["vary"].split(",")} == {
        "Accept",
        "Accept-Encoding",
        "Content-Type",
    }
    assert same(unpackb(response.content), DOCUMENT)
    plain = post(client, DOCUMENT, path, accept_encoding="identity")
    assert "content-encoding" not in plain.headers
    assert same(unpackb(plain.content), DOCUMENT)


def test_compressed_response_of_the_json_lane() -> None:
    app = FastAPI()
    app.get("/", response_model=None)(lambda: {"big": 2**64, "pad": "x" * 1000})
    app.add_middleware(GZipMiddleware, minimum_size=10)
    response = get(binary_client(app))
    assert response.headers["content-type"] == TEXT
    assert response.json()["big"] == 2**64


@both_places
def test_cross_origin(where: str) -> None:
    settings = {
        "allow_origins": ["https://a.example"],
        "allow_headers": ["content-type"],
        "expose_headers": ["x-y"],
        "allow_methods": ["POST"],
    }
    client = _app((CORSMiddleware, settings), where=where)
    response = post(client, DOCUMENT, origin="https://a.example")
    assert response.headers["access-control-allow-origin"] == "https://a.example"
    assert response.headers["access-control-expose-headers"] == "x-y"
    assert {name.strip().lower() for name in response.headers["vary"].split(",")} == {
        "accept",
        "content-type",
        "origin",
    }
    assert same(unpackb(response.content), DOCUMENT)
    preflight = client.options(
        "/",
        headers={
            "origin": "https://a.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-methods"] == "POST"


@both_places
@pytest.mark.parametrize("path", ["/", "/none", "/nowhere"])
def test_middleware_that_replaces_the_response(where: str, path: str) -> None:
    async def dispatch(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        return JSONResponse({"was": response.status_code}, 203)

    client = _app((BaseHTTPMiddleware, {"dispatch": dispatch}), where=where)
    response = post(client, DOCUMENT, path)
    assert response.status_code == 203
    was = {"was": 404 if path == "/nowhere" else 200}
    if where == "inside":
        assert value(response) == was
    else:
        assert response.json() == was


# -- calls within the process ----------------------------------------------------------------------


def _with_inner_calls() -> FastAPI:
    """Endpoints that call other routes of their own app, as other clients would."""
    app = FastAPI()

    @app.get("/inner")
    async def inner(request: Request) -> dict[str, Any]:
        return {"accept": request.headers["accept"], "array": NumpyArrayField(ARRAY[:2])}

    async def call_inner(headers: dict[str, str]) -> dict[str, Any]:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://inner") as client:
            response = await client.get("/inner", headers=headers)
        return {"type": response.headers["content-type"], "body": response.content}

    async def call_by_dependency() -> dict[str, Any]:
        return await call_inner({"accept": TEXT})

    @app.post("/outer")
    async def outer(
        by_dependency: Annotated[dict[str, Any], Depends(call_by_dependency)],
        accept: Annotated[str, Body()],
        array: Annotated[NumpyArrayField, Body()],
    ) -> dict[str, Any]:
        called = await call_inner({"accept": accept})
        return {"called": called, "by_dependency": by_dependency, "array": array}

    add_binary_mode(app)
    return app


@pytest.mark.parametrize("accept", [TEXT, "*/*", OBJECTS])
def test_inner_call_is_not_touched_by_the_outer_request(accept: str) -> None:
    response = post(TestClient(_with_inner_calls()), {"accept": accept, "array": ARRAY}, "/outer")
    document = value(response)
    assert same(document["array"], ARRAY)
    called, by_dependency = document["called"], document["by_dependency"]
    in_json = b'"array":{"shape":[2],"dtype":"float64","data_b64":"AAAAAAAAAAAAAAAAAADwPw=="}}'
    assert by_dependency["type"] == TEXT
    assert by_dependency["body"].endswith(in_json)
    if accept == OBJECTS:
        assert called["type"] == OBJECTS
        assert same(unpackb(called["body"])["array"], ARRAY[:2])
    else:
        assert called["type"] == TEXT
        assert called["body"].endswith(in_json)


def test_dumps_of_an_endpoint_are_its_own_business() -> None:
    """A model that an endpoint dumps for a database is JSON, whatever the client accepts."""
    dumps: list[Any] = []

    def endpoint(item: Item) -> Item:
        dumps.extend([item.model_dump_json(exclude={"raw"}), item.model_dump(mode="json")])
        return item

    app = FastAPI()
    app.post("/")(endpoint)
    add_binary_mode(app)
    document = {"array": np.zeros(1, "int8"), "raw": b"x"}
    assert same(value(post(TestClient(app), document)), document)
    as_json = {"shape": [1], "dtype": "int8", "data_b64": "AA=="}
    assert dumps[0] == '{"array":{"shape":[1],"dtype":"int8","data_b64":"AA=="}}'
    assert dumps[1] == {"array": as_json, "raw": "x"}


# -- many at once ----------------------------------------------------------------------------------


class Numbered(BaseModel):
    number: int
    array: NumpyArrayField


def test_concurrent_requests_never_mix() -> None:
    app = FastAPI()

    @app.post("/plain")
    async def plain(item: Numbered) -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        return {"number": item.number, "array": (item.array.array + item.number).tolist()}

    @app.post("/async")
    async def with_pauses(
        number: Annotated[int, Body()], array: Annotated[NumpyArrayField, Body()]
    ):
        await anyio.lowlevel.checkpoint()
        array.array += number
        await anyio.lowlevel.checkpoint()
        return {"number": number, "array": array.array.tolist()}

    @app.post("/sync")
    def in_a_thread(
        number: Annotated[int, Body()], array: Annotated[NumpyArrayField, Body()]
    ) -> dict[str, Any]:
        return {"number": number, "array": (array.array + number).tolist()}

    add_binary_mode(app)
    responses: dict[int, Any] = {}

    async def request(number: int) -> None:
        in_binary, out_binary, invalid = number % 2, number // 2 % 2, number % 7 == 0
        array = np.zeros(3 + number * 50)
        sent = "x" if invalid else number
        as_json = Item(array=NumpyArrayField(array)).model_dump(mode="json")["array"]
        text = json.dumps({"number": sent, "array": as_json}).encode()
        body = packb({"number": sent, "array": array})
        headers = {
            "content-type": OBJECTS if in_binary else TEXT,
            "accept": OBJECTS if out_binary else TEXT,
        }
        scope = http_scope(path=("/plain", "/async", "/sync")[number % 3], headers=headers)
        responses[number] = await exchange(app, scope, body if in_binary else text)

    async def all_requests() -> None:
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(request, number)

    anyio.run(all_requests)
    for number, response in responses.items():
        binary = number // 2 % 2
        assert response.headers["content-type"] == (OBJECTS if binary else TEXT)
        document = unpackb(response.body) if binary else json.loads(response.body)
        if number % 7 == 0:
            assert response.status == 422
            assert document["detail"][0]["input"] == "x"
        else:
            assert response.status == 200
            size = 3 + number * 50
            assert document == {"number": number, "array": [float(number)] * size}
    assert len(responses) == 200

"""Answers of other kinds: explicit response classes, endpoints that return responses, streams."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import Body, FastAPI, Response
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField
from binary_middleware.fastapi import add_binary_mode
from tests.fastapi.conftest import Lanes, get, post, same, twins, value

ARRAY = np.arange(3, dtype="int8")


class Item(BaseModel):
    number: int = 1
    array: NumpyArrayField = NumpyArrayField(ARRAY)


class FastJSON(JSONResponse):
    """As ``ORJSONResponse``: another encoder, the same media type."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, indent=1).encode()


class Envelope(JSONResponse):
    def render(self, content: Any) -> bytes:
        return super().render({"data": content})


class Problem(JSONResponse):
    media_type = "application/problem+json"


class Csv(Response):
    media_type = "text/csv"

    def render(self, content: Any) -> bytes:
        return ",".join(content).encode()


def build(app: FastAPI) -> None:
    app.get("/html", response_class=HTMLResponse)(lambda: "<p>")
    app.get("/text", response_class=PlainTextResponse)(lambda: "text")
    app.get("/redirect", response_class=RedirectResponse)(lambda: "/html")
    app.get("/redirect/303", response_class=RedirectResponse, status_code=303)(lambda: "/html")
    app.get("/file", response_class=FileResponse)(lambda: Path(__file__))
    app.get("/csv", response_class=Csv)(lambda: ["a", "b"])
    app.get("/plain")(lambda: Response(b"\xff", media_type="application/octet-stream"))
    app.get("/stream")(lambda: StreamingResponse(iter([b"a", b"b"]), media_type="text/csv"))
    app.get("/file/response")(lambda: FileResponse(__file__, filename="name.py"))
    app.get("/empty")(lambda: Response(status_code=204))
    app.get("/redirect/response")(lambda: RedirectResponse("/html"))

    @app.get("/lines")
    def lines() -> Iterable[Item]:
        yield Item()

    @app.get("/lines/async")
    async def lines_async() -> AsyncIterator[Item]:
        yield Item(number=2)

    @app.get("/lines/untyped")
    def lines_untyped():
        yield {"number": 3}

    @app.get("/lines/decorated")
    @_decorated
    def lines_decorated() -> Iterable[Item]:
        yield Item(number=4)

    @app.get("/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[Item]:
        yield Item()

    @app.get("/events/own", response_class=EventSourceResponse)
    def own_events() -> Iterator[ServerSentEvent]:
        yield ServerSentEvent(data={"number": 1}, event="named", id="1")

    @app.get("/raw", response_class=StreamingResponse)
    def raw() -> Iterator[bytes]:
        yield b"\xff"
        yield b"\xfe"


def _decorated(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    def call(*args: Any, **kwargs: Any) -> Any:
        return endpoint(*args, **kwargs)

    return call


PATHS = [
    "/html",
    "/text",
    "/redirect",
    "/redirect/303",
    "/file",
    "/csv",
    "/plain",
    "/stream",
    "/file/response",
    "/empty",
    "/redirect/response",
    "/lines",
    "/lines/async",
    "/lines/untyped",
    "/lines/decorated",
    "/events",
    "/events/own",
    "/raw",
]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_json_is_untouched(path: str) -> None:
    plain, binary = twins(build)
    expected, response = plain.get(path), get(binary, path)
    assert response.status_code == expected.status_code
    assert response.content == expected.content
    assert response.headers["vary"] == "Accept"
    del response.headers["vary"]
    assert response.headers == expected.headers


@pytest.mark.parametrize(
    ("response_class", "expected", "content_type"),
    [
        (JSONResponse, {"number": 1}, "application/msgpack"),
        (FastJSON, {"number": 1}, "application/msgpack"),
        (Envelope, {"data": {"number": 1}}, "application/msgpack"),
        (Problem, {"number": 1}, "application/problem+msgpack"),
    ],
)
@pytest.mark.parametrize("where", ["route", "app", "returned"])
def test_json_of_an_explicit_class_is_converted(
    response_class: type[JSONResponse], expected: Any, content_type: str, where: str
) -> None:
    settings = {"default_response_class": response_class} if where == "app" else {}

    def build(app: FastAPI) -> None:
        if where == "returned":
            app.get("/", status_code=201)(lambda: response_class({"number": 1}, 201))
        else:
            of_route = {"response_class": response_class} if where == "route" else {}
            app.get(
                "/",
                status_code=201,
                response_model=Item,
                response_model_exclude={"array"},
                **of_route,
            )(Item)

    lanes = Lanes()
    plain, binary = twins(lanes.within(build), **settings)
    in_json, response = plain.get("/"), get(binary)
    assert in_json.json() == expected
    assert response.status_code == 201
    assert value(response, content_type) == expected
    assert lanes.answers == [response_class.media_type] * 2


def test_array_of_an_explicit_class_goes_by_way_of_json() -> None:
    def endpoint() -> Item:
        return Item()

    _, binary = twins(lambda app: app.get("/", response_class=JSONResponse)(endpoint))
    assert same(value(get(binary)), {"number": 1, "array": ARRAY})


def test_objects_reach_endpoints_with_an_explicit_class() -> None:
    app = FastAPI()

    @app.post("/class", response_class=PlainTextResponse)
    def with_class(raw: Annotated[bytes, Body()], array: Annotated[NumpyArrayField, Body()]) -> str:
        return f"{raw!r} {array.array.dtype}"

    @app.post("/returned")
    def returned(raw: Annotated[bytes, Body(embed=True)]) -> Response:
        return Response(raw, media_type="image/png")

    @app.post("/lines")
    def lines(raw: Annotated[bytes, Body(embed=True)]) -> Iterable[int]:
        yield from raw

    add_binary_mode(app)
    client = TestClient(app)
    document = {"raw": b"\xff", "array": ARRAY}
    assert post(client, document, "/class").text == "b'\\xff' int8"
    assert post(client, document, "/returned").content == b"\xff"
    # A generator that was there before ``add_binary_mode`` streams what it did, from objects.
    assert post(client, document, "/lines").text.split() == ["255"]


def test_background_task_of_a_returned_response() -> None:
    ran: list[str] = []
    app = FastAPI()

    @app.get("/")
    def endpoint() -> Response:
        return JSONResponse({"x": 1}, background=BackgroundTask(ran.append, "background"))

    add_binary_mode(app)
    assert value(get(TestClient(app))) == {"x": 1}
    assert ran == ["background"]


def test_streamed_json_is_collected_and_converted() -> None:
    def endpoint() -> Response:
        return StreamingResponse(iter([b'{"x"', b": [1]}"]), media_type="application/json")

    _, binary = twins(lambda app: app.get("/", response_model=None)(endpoint))
    assert value(get(binary)) == {"x": [1]}

"""JSON clients of an enabled app get exactly what they got before, ``Vary`` aside."""

import datetime as dt
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
    UploadFile,
)
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from fastapi.security import HTTPBasic, OAuth2PasswordBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field, computed_field
from starlette.middleware.gzip import GZipMiddleware

from binary_middleware import NumpyArrayField
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import ACCEPT, twins

ARRAY_AS_JSON = {"shape": [2], "dtype": "int8", "data_b64": "AQI="}


class Item(BaseModel):
    name: Annotated[str, Field(max_length=5, alias="theName")]
    array: NumpyArrayField | None = None
    when: dt.date | None = None
    raw: bytes = b"raw"

    @computed_field
    @property
    def length(self) -> int:
        return len(self.name)


def build(app: FastAPI) -> None:
    @app.post("/items", status_code=201)
    async def create(item: Item, response: Response) -> Item:
        response.headers["location"] = "/items/1"
        response.set_cookie("a", "b")
        return item

    @app.post("/items/none", response_model=None)
    def create_without_model(item: Item, tasks: BackgroundTasks) -> Any:
        tasks.add_task(lambda: None)
        return {"name": item.name, 1: [item.when, {2}]}

    @app.post("/several")
    def several(
        item: Item, raw: Annotated[bytes, Body()], n: Annotated[int, Body(gt=0)] = 1
    ) -> Any:
        return [item.name, raw, n]

    @app.post("/embed")
    def embed(raw: Annotated[bytes | None, Body(embed=True)] = None) -> dict[str, bytes | None]:
        return {"raw": raw}

    @app.post("/optional")
    def optional(item: Item | None = None) -> bool:
        return item is None

    @app.get("/query")
    def query(
        n: int,
        tags: Annotated[list[str] | None, Query()] = None,
        x_token: Annotated[str | None, Header()] = None,
        session: Annotated[str | None, Cookie()] = None,
    ) -> dict[str, Any]:
        return {"n": n, "tags": tags, "token": x_token, "session": session}

    @app.post("/form")
    def form(name: Annotated[str, Form()], file: Annotated[bytes, File()] = b"") -> str:
        return f"{name} {len(file)}"

    @app.post("/upload")
    async def upload(file: UploadFile) -> list[Any]:
        return [file.filename, len(await file.read())]

    @app.post("/raw")
    async def raw(request: Request) -> Any:
        return {"headers": dict(request.headers), "body": (await request.body()).decode("latin-1")}

    @app.post("/raw-and-item")
    async def raw_and_item(item: Item, request: Request) -> Any:
        return {"item": item.name, "json": await request.json()}

    @app.get("/error")
    def error() -> None:
        raise HTTPException(418, {"why": "tea"}, headers={"x-pot": "1"})

    @app.get("/crash")
    def crash() -> None:
        raise RuntimeError

    @app.get("/wrong", response_model=int)
    def wrong() -> Any:
        return "not a number"

    @app.get("/nan")
    def nan() -> dict[str, float]:
        return {"x": float("nan")}

    @app.get("/nan/none", response_model=None)
    def nan_without_model() -> Any:
        return {"x": float("nan")}

    @app.get("/array")
    def array() -> NumpyArrayField:
        return NumpyArrayField(np.array([1, 2], "int8"))

    @app.get("/none")
    def none() -> None:
        return None

    @app.delete("/items/{number}", status_code=204)
    def delete(number: int) -> None:
        return None

    @app.get("/html", response_class=HTMLResponse)
    def html() -> str:
        return "<p>"

    @app.get("/text", response_class=PlainTextResponse)
    def text() -> str:
        return "text"

    @app.get("/json", response_class=JSONResponse)
    def explicit_json() -> Any:
        return {"x": dt.date(2024, 1, 1)}

    @app.get("/response")
    def response() -> Response:
        return JSONResponse({"x": 1}, 202, headers={"etag": '"1"'})

    @app.get("/redirect", response_class=RedirectResponse)
    def redirect() -> str:
        return "/none"

    @app.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"a", b"b"]), media_type="text/csv")

    @app.get("/file", response_class=FileResponse)
    def file() -> str:
        return __file__

    app.get("/csv", response_class=Csv)(lambda: ["a", "b"])
    app.get("/bytes")(lambda: Response(b"\xff", media_type="application/octet-stream"))
    app.get("/empty")(lambda: Response(status_code=204))

    @app.get("/lines")
    def lines() -> Iterable[Item]:
        yield Item(theName="a")

    @app.get("/lines/async")
    async def lines_async() -> AsyncIterator[Item]:
        yield Item(theName="b")

    @app.get("/lines/untyped")
    def lines_untyped():
        yield {"number": 3}

    @app.get("/lines/decorated")
    @_decorated
    def lines_decorated() -> Iterable[Item]:
        yield Item(theName="c")

    @app.get("/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[Item]:
        yield Item(theName="a")

    @app.get("/events/own", response_class=EventSourceResponse)
    def own_events() -> Iterator[ServerSentEvent]:
        yield ServerSentEvent(data={"number": 1}, event="named", id="1")

    @app.get("/stream/raw", response_class=StreamingResponse)
    def raw_stream() -> Iterator[bytes]:
        yield b"\xff"
        yield b"\xfe"

    @app.get("/basic")
    def basic(credentials: Annotated[Any, Depends(HTTPBasic())]) -> str:
        return str(credentials.username)

    @app.get("/bearer")
    def bearer(token: Annotated[str, Depends(OAuth2PasswordBearer("token"))]) -> str:
        return token

    router = APIRouter(prefix="/r", dependencies=[Depends(_sets_a_header)])
    router.add_api_route("/items", create, methods=["POST"])
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    app.mount("/sub", _sub_app())


class Csv(Response):
    media_type = "text/csv"

    def render(self, content: Any) -> bytes:
        return ",".join(content).encode()


def _decorated(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    def call(*args: Any, **kwargs: Any) -> Any:
        return endpoint(*args, **kwargs)

    return call


def _sets_a_header(response: Response) -> None:
    response.headers["x-router"] = "yes"


def _sub_app() -> FastAPI:
    app = FastAPI()

    @app.post("/items")
    def create(item: Item) -> Item:
        return item

    return app


JSON = {"content-type": "application/json"}
NOT_JSON = [
    *("/html", "/text", "/redirect", "/file", "/csv", "/bytes", "/empty", "/stream"),
    *("/stream/raw", "/lines", "/lines/async", "/lines/untyped", "/lines/decorated", "/events"),
    "/events/own",
]
ITEM = {"theName": "n", "array": ARRAY_AS_JSON, "when": "2024-01-01", "raw": "text"}
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "model": ("POST", "/items", {"json": ITEM}),
    "no response model": ("POST", "/items/none", {"json": ITEM}),
    "several parameters": ("POST", "/several", {"json": {"item": ITEM, "raw": "x", "n": 2}}),
    "several with an error": ("POST", "/several", {"json": {"item": ITEM, "n": 0}}),
    "embedded": ("POST", "/embed", {"json": {"raw": "x"}}),
    "embedded null": ("POST", "/embed", {"json": {"raw": None}}),
    "optional body": ("POST", "/optional", {}),
    "optional null": ("POST", "/optional", {"json": None}),
    "missing body": ("POST", "/items", {}),
    "empty body": (
        "POST",
        "/items",
        {"content": b"", "headers": JSON},
    ),
    "JSON of another type": (
        "POST",
        "/items",
        {"content": b'{"theName": "n"}', "headers": {"content-type": "application/x+json; a=b"}},
    ),
    "not JSON": (
        "POST",
        "/items",
        {"content": b"{", "headers": JSON},
    ),
    "text": ("POST", "/items", {"content": b"{}", "headers": {"content-type": "text/plain"}}),
    "no type": ("POST", "/items", {"content": b"{}"}),
    "validation errors": ("POST", "/items", {"json": {"theName": "too long", "array": 1, "x": 2}}),
    "large invalid input": ("POST", "/items", {"json": {"theName": "x" * 5000}}),
    "list for a model": ("POST", "/items", {"json": [1, 2, 3]}),
    "query": ("GET", "/query?n=1&tags=a&tags=b", {"headers": {"x-token": "t"}}),
    "cookie": ("GET", "/query?n=1", {"headers": {"cookie": "session=s"}}),
    "wrong query": ("GET", "/query?n=x", {}),
    "form": ("POST", "/form", {"data": {"name": "n"}}),
    "multipart": ("POST", "/form", {"data": {"name": "n"}, "files": {"file": b"\xff"}}),
    "missing form": ("POST", "/form", {}),
    "upload": ("POST", "/upload", {"files": {"file": ("name", b"\xff")}}),
    "raw body": (
        "POST",
        "/raw",
        {"content": b'{"x":  1}', "headers": JSON},
    ),
    "raw body and model": ("POST", "/raw-and-item", {"json": ITEM}),
    "exception": ("GET", "/error", {}),
    "crash": ("GET", "/crash", {}),
    "wrong response": ("GET", "/wrong", {}),
    "NaN": ("GET", "/nan", {}),
    "NaN without a model": ("GET", "/nan/none", {}),
    "array": ("GET", "/array", {}),
    "None": ("GET", "/none", {}),
    "204": ("DELETE", "/items/1", {}),
    "not found": ("GET", "/nowhere", {}),
    "method not allowed": ("PUT", "/items", {"json": {}}),
    "redirected slash": ("GET", "/none/", {}),
    "HEAD": ("HEAD", "/none", {}),
    "OPTIONS": ("OPTIONS", "/items", {}),
    "JSONResponse": ("GET", "/json", {}),
    "Response": ("GET", "/response", {}),
    "range of a file": ("GET", "/file", {"headers": {"range": "bytes=0-9"}}),
    **{path: ("GET", path, {}) for path in NOT_JSON},
    "basic": ("GET", "/basic", {}),
    "basic with credentials": ("GET", "/basic", {"auth": ("user", "password")}),
    "bearer": ("GET", "/bearer", {}),
    "router": ("POST", "/v1/r/items", {"json": ITEM}),
    "router under another prefix": ("POST", "/v2/r/items", {"json": {}}),
    "mounted app": ("POST", "/sub/items", {"json": ITEM}),
    "docs": ("GET", "/docs", {}),
}
ACCEPTS = {
    "any": "*/*",
    "json": "application/json",
    "browser": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "json preferred": "application/json, application/msgpack;q=0.5",
    "msgpack refused": "application/msgpack;q=0, */*",
    "neither": "image/png",
}


@pytest.mark.parametrize("accept", ACCEPTS.values(), ids=ACCEPTS.keys())
@pytest.mark.parametrize(("method", "path", "request_"), REQUESTS.values(), ids=REQUESTS.keys())
def test_same_response_as_before(
    before_and_after: dict[str, Any],
    method: str,
    path: str,
    request_: dict[str, Any],
    accept: str,
) -> None:
    before, after = before_and_after["plain"]
    _compare(before, after, method, path, _accepting(accept, request_))


@pytest.mark.parametrize(("method", "path", "request_"), REQUESTS.values(), ids=REQUESTS.keys())
def test_same_compressed_response_as_before(
    before_and_after: dict[str, Any], method: str, path: str, request_: dict[str, Any]
) -> None:
    before, after = before_and_after["compressed"]
    _compare(before, after, method, path, request_)


@pytest.mark.parametrize("path", NOT_JSON)
def test_binary_clients_receive_unchanged_what_is_not_json(
    before_and_after: dict[str, Any], path: str
) -> None:
    before, after = before_and_after["plain"]
    _compare(before, after, "GET", path, {"headers": ACCEPT})


def _accepting(accept: str, request: dict[str, Any]) -> dict[str, Any]:
    return {**request, "headers": {**request.get("headers", {}), "accept": accept}}


def _compare(before: Any, after: Any, method: str, path: str, request: dict[str, Any]) -> None:
    expected = before.request(method, path, **request)
    response = after.request(method, path, **request)
    assert response.status_code == expected.status_code
    assert response.content == expected.content
    assert _without_vary(response) == _without_vary(expected)
    # A response of the server error handler has passed no middleware.
    added = {"accept"} if response.status_code != 500 else set()
    if added and method not in ("GET", "HEAD") and "json" not in response.request.headers["accept"]:
        added = {"accept", "content-type"}
    assert _vary(response) == _vary(expected) | added


def _without_vary(response: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in response.headers.multi_items() if name != "vary"]


def _vary(response: Any) -> set[str]:
    return set(response.headers.get("vary", "").lower().replace(" ", "").split(",")) - {""}


@pytest.fixture(scope="module")
def before_and_after() -> Iterator[dict[str, Any]]:
    def build_compressed(app: FastAPI) -> None:
        build(app)
        app.add_middleware(GZipMiddleware, minimum_size=1)

    both = {"plain": twins(build), "compressed": twins(build_compressed)}
    with ExitStack() as stack:
        for client in itertools.chain(*both.values()):
            stack.enter_context(client)
        yield both


def test_the_enabled_app_has_a_binary_mode(before_and_after: dict[str, Any]) -> None:
    """So that the comparison above is not of an app with itself."""
    before, after = before_and_after["plain"]
    for client, content_type in ((before, "application/json"), (after, "application/msgpack")):
        response = client.get("/none", headers={"accept": MSGPACK["content-type"]})
        assert response.headers["content-type"] == content_type

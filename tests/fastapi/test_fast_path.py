"""The fast path responds to binary clients as FastAPI's own handler would.

Every request is made twice: once as it comes, and once with the fast path closed. Both times
the status, the headers in their order, the body, what the app did and in which order, and
what its exception handlers saw must be the same.
"""

import asyncio
import datetime as dt
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import fastapi.routing
import httpx2
import numpy as np
import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Query,
    Request,
    Security,
)
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.routing import APIRoute
from fastapi.security import SecurityScopes
from pydantic import BaseModel, Field, computed_field
from starlette.background import BackgroundTask
from starlette.testclient import TestClient
from starlette.types import Message

from binary_middleware import NumpyArrayField, packb
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from binary_middleware.fastapi import _handlers as route_module
from tests.asgi_app import MSGPACK, http_scope
from tests.fastapi.conftest import ACCEPT, binary_client, value
from tests.sameness import same

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
NOT_TEXT = b"\xff\x00\xfe"


CHOOSES_PATH = True
"""These tests choose the path themselves."""


class Item(BaseModel):
    name: str = "n"
    array: NumpyArrayField | None = None
    raw: bytes = b""
    when: dt.date | None = None
    renamed: Annotated[int, Field(alias="in", serialization_alias="out", ge=0)] = 0

    @computed_field
    @property
    def length(self) -> int:
        return len(self.name)


@dataclass
class Row:
    array: Any
    name: str = "row"


class Circle(BaseModel):
    kind: Literal["circle"]


class Square(BaseModel):
    kind: Literal["square"]
    side: float


class Refused(Exception):
    pass


events: list[Any] = []
"""What the app did in one exchange, and what its exception handlers saw."""


# -- plain endpoints: one body, nothing else -------------------------------------------------------


async def model(item: Item) -> Item:
    return item


def in_a_thread(item: Item) -> Item:
    return item


async def without_model(item: Item):
    return {"item": item, 1: {item.when, None}}


async def other_model(item: Item) -> Row:
    return Row(item.array, item.name)


async def optional(item: Item | None = None) -> Item | None:
    return item


async def aliased(number: Annotated[int, Body(alias="theNumber", validation_alias="v")]) -> int:
    return number


async def dataclass_(row: Row) -> Row:
    return row


async def union(shape: Annotated[Circle | Square, Body(discriminator="kind")]) -> Any:
    return shape


async def untyped(document: Annotated[Any, Body()]):
    return document


async def nothing(document: Annotated[Any, Body()]) -> None:
    return None


async def wrong(document: Annotated[Any, Body()]) -> Item:
    return {"name": 3, "array": document}  # type: ignore[return-value]


async def big_number(document: Annotated[Any, Body()]) -> dict[str, int]:
    return {"big": 2**64}


async def http_error(document: Annotated[Any, Body()]) -> None:
    raise HTTPException(409, {"conflict": True}, {"x-why": "conflict"})


async def own_error(document: Annotated[Any, Body()]) -> None:
    raise Refused


async def crash(document: Annotated[Any, Body()]) -> None:
    raise RuntimeError("crash")


async def raises_validation_error(document: Annotated[Any, Body()]) -> None:
    raise RequestValidationError([{"loc": ["x"], "msg": "m", "input": ARRAY}], body=document)


async def json_response(document: Annotated[Any, Body()]) -> Response:
    return JSONResponse({"x": 1}, 203, {"x-y": "1"}, background=BackgroundTask(events.append, 1))


async def no_json(document: Annotated[Any, Body()]):
    return {"x": object(), "lock": np.array([object()])}


PLAIN: list[Callable[..., Any]] = [
    model,
    in_a_thread,
    without_model,
    other_model,
    optional,
    aliased,
    dataclass_,
    union,
    untyped,
    nothing,
    wrong,
    big_number,
    http_error,
    own_error,
    crash,
    raises_validation_error,
    json_response,
    no_json,
]

# -- dependencies ----------------------------------------------------------------------------------


async def get_user(x_user: Annotated[str, Header()] = "nobody") -> str:
    events.append("user")
    if x_user == "stranger":
        raise HTTPException(403, "no strangers", {"x-why": "stranger"})
    return x_user


def get_greeting(user: Annotated[str, Depends(get_user)], response: Response) -> str:
    events.append("greeting")
    response.headers["x-greeting"] = user
    return f"hello {user}"


async def opened(request: Request) -> AsyncIterator[str]:
    events.append("open")
    try:
        yield "resource"
    except Exception as exc:
        events.append(("failed", repr(exc)))
        raise
    finally:
        events.append("close")


async def forgives() -> AsyncIterator[None]:
    try:
        yield
    except Refused as exc:
        raise HTTPException(418, "forgiven") from exc


async def fails_at_the_end() -> AsyncIterator[None]:
    yield
    raise Refused


def authorize(scopes: SecurityScopes, user: Annotated[str, Depends(get_user)]) -> str:
    return f"{user} may {scopes.scope_str}"


class CallableEndpoint:
    async def __call__(self, item: Item) -> Item:
        return item

    async def method(self, item: Item, user: Annotated[str, Depends(get_user)]) -> Any:
        return user, item


User = Annotated[str, Depends(get_user)]
Greeting = Annotated[str, Depends(get_greeting)]
Opened = Annotated[str, Depends(opened)]


async def greeted(item: Item, greeting: Greeting, user: User) -> dict[str, Any]:
    return {"greeting": greeting, "user": user, "item": item}


async def with_resource(item: Item, resource: Opened) -> Item:
    events.append(resource)
    return item


async def with_resource_of_the_function(
    item: Item, resource: Annotated[str, Depends(opened, scope="function")]
) -> Item:
    return item


async def crash_with_resource(item: Item, resource: Opened) -> None:
    raise RuntimeError("crash")


async def http_error_with_resource(item: Item, resource: Opened) -> None:
    raise HTTPException(409)


async def forgiven(item: Item, _: Annotated[None, Depends(forgives)]) -> None:
    raise Refused


async def fails_when_done(item: Item, _: Annotated[None, Depends(fails_at_the_end)]) -> Item:
    return item


def wrong_with_user_in_a_thread(item: Item, user: User) -> int:
    return "no number"  # type: ignore[return-value]


async def secured(
    item: Item, who: Annotated[str, Security(authorize, scopes=["read", "write"])]
) -> Any:
    return who, item


# -- parameters and injected objects ---------------------------------------------------------------


async def parameters(
    item: Item,
    number: Annotated[int, Query(ge=0)],
    several: Annotated[list[float], Query()] = [],  # noqa: B006
    x_token: Annotated[str | None, Header()] = None,
    biscuit: Annotated[str | None, Cookie()] = None,
) -> dict[str, Any]:
    return {"item": item, "rest": [number, several, x_token, biscuit]}


async def two_bodies(item: Item, other: Annotated[Any, Body()] = None) -> Any:
    return item, other


async def body_of_a_dependency(item: Annotated[Item, Depends(model)]) -> Item:
    return item


async def with_response(item: Item, response: Response) -> Item:
    response.status_code = 201
    response.headers["x-made"] = "here"
    response.headers["vary"] = "Cookie"
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return item


async def with_content_type(item: Item, response: Response) -> Item:
    response.headers["content-type"] = "application/problem+json"
    response.headers["content-length"] = "7"
    response.headers["etag"] = '"tag"'
    return item


async def no_content(item: Item, response: Response) -> Any:
    response.status_code = 204
    response.headers["x-made"] = "nothing"
    return None


async def with_request(item: Item, request: Request) -> Any:
    received = await request.body()
    chunks = [chunk async for chunk in request.stream()]
    return [item, await request.json(), received, chunks, dict(request.headers), request.method]


async def with_background(item: Item, tasks: BackgroundTasks, resource: Opened) -> Item:
    tasks.add_task(events.append, "background")
    return item


async def response_with_its_own_background(item: Item, tasks: BackgroundTasks) -> Response:
    tasks.add_task(events.append, "not this")
    return PlainTextResponse("text", background=BackgroundTask(events.append, "background"))


def names_of_arguments(
    func: Item, limiter: int = 1, args: int = 2, self: int = 3, request: int = 4
) -> Any:
    return [func, limiter, args, self, request]


MORE: list[Callable[..., Any]] = [
    greeted,
    with_resource,
    with_resource_of_the_function,
    crash_with_resource,
    http_error_with_resource,
    forgiven,
    fails_when_done,
    wrong_with_user_in_a_thread,
    secured,
    parameters,
    two_bodies,
    body_of_a_dependency,
    with_response,
    with_content_type,
    no_content,
    with_request,
    with_background,
    response_with_its_own_background,
    names_of_arguments,
    CallableEndpoint(),
    CallableEndpoint().method,
    functools.partial(with_resource),
]


def _name(endpoint: Any) -> str:
    return getattr(endpoint, "__name__", type(endpoint).__name__).strip("_")


# -- the same response, twice ----------------------------------------------------------------------

ITEM = {"name": "name", "array": ARRAY, "raw": NOT_TEXT, "when": "2024-01-01", "in": 3}
DOCUMENTS: dict[str, bytes] = {
    "item": packb(ITEM),
    "item with errors": packb({"name": ARRAY, "in": -1, "when": NOT_TEXT, "raw": float("nan")}),
    "items by name": packb({"item": ITEM, "other": ARRAY}),
    "empty map": packb({}),
    "list of items": packb([ITEM, {}]),
    "bytes": packb(NOT_TEXT),
    "array": packb(ARRAY),
    "large": packb({"array": np.arange(100_000), "raw": bytes(100_000)}),
    "number": packb(3),
    "negative number": packb(-3),
    "nil": packb(None),
    "NaN": packb(float("nan")),
    "text": packb("text"),
    "circle": packb({"kind": "circle"}),
    "square": packb({"kind": "square", "side": float("inf")}),
    "neither": packb({"kind": b"\xff"}),
    "deep": b"\x91" * 190 + b"\x01",
    "nothing": b"",
    "malformed": b"\xc1",
    "truncated": packb(ITEM)[:-1],
}
REQUESTS = [
    ("/x?number=1", "*/*"),
    ("/x?number=1", "application/json"),
    ("/x?number=1", "application/msgpack; arrays=map"),
    ("/router/x?number=1", "*/*"),
    ("/x?number=-1&several=a", "*/*"),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "status": {"status_code": 207},
    "exclude": {"response_model_exclude": {"array": True, "raw": True}},
    "include": {"response_model_include": {"name", "renamed"}},
    "names": {"response_model_by_alias": False},
    "unset": {"response_model_exclude_unset": True},
    "equal to defaults": {"response_model_exclude_defaults": True},
    "none": {"response_model_exclude_none": True},
}


def _app(endpoint: Callable[..., Any], **settings: Any) -> FastAPI:
    """Serve the endpoint at ``/x`` and, by way of a router, at ``/router/x``."""
    app = FastAPI()

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(ResponseValidationError)
    async def on_invalid(request: Request, exc: Any) -> JSONResponse:
        events.append(
            (
                type(exc),
                repr(exc.errors()),
                repr(exc.body),
                str(exc),
                exc.endpoint_function,
                exc.endpoint_file,
                exc.endpoint_line,
                await request.body(),
            )
        )
        return JSONResponse({"invalid": len(exc.errors())}, 422)

    @app.exception_handler(Refused)
    async def on_refused(request: Request, exc: Refused) -> JSONResponse:
        return JSONResponse({"refused": (await request.body()).decode()}, 418)

    app.post("/x", **settings)(endpoint)
    router = APIRouter()
    router.post("/x", **settings)(endpoint)
    app.include_router(router, prefix="/router")
    add_binary_mode(app)
    return app


Twice = Callable[..., httpx2.Response]


@pytest.fixture
def twice(monkeypatch: pytest.MonkeyPatch) -> Twice:
    """Make a request on both paths, and return the response once they are the same."""
    by_fastapis_handler: list[str] = []
    pack = route_module.pack_if_document

    def noted(response: Response, exchange: Any, route: Any) -> Response:
        by_fastapis_handler.append(type(response).__name__)
        return pack(response, exchange, route)

    monkeypatch.setattr(route_module, "pack_if_document", noted)

    def request(client: TestClient, *args: Any, **kwargs: Any) -> httpx2.Response:
        responses = []
        for is_open in (True, False):
            with monkeypatch.context() as patch:
                if not is_open:
                    patch.setattr(route_module, "can_use_fast_path", lambda _: False)
                events.clear()
                by_fastapis_handler.clear()
                response = client.request(*args, **kwargs)
            responses.append((response, list(events)))
            is_ours = response.headers.get("content-type", "").startswith("application/msgpack")
            if is_ours and is_open and not response.is_error:
                assert by_fastapis_handler == []
            elif is_ours and not response.is_error:
                assert by_fastapis_handler != []
        (fast, done), (expected, expected_to_be_done) = responses
        assert fast.status_code == expected.status_code
        assert fast.headers.raw == expected.headers.raw
        assert fast.content == expected.content
        assert done == expected_to_be_done
        return fast

    return request


@pytest.mark.parametrize("endpoint", [*PLAIN, *MORE], ids=_name)
def test_same_response_by_fastapis_handler(endpoint: Callable[..., Any], twice: Twice) -> None:
    with TestClient(_app(endpoint), raise_server_exceptions=False) as client:
        client.cookies["biscuit"] = "crumbs"
        for name, body in DOCUMENTS.items():
            for path, accept in REQUESTS if name.startswith("item") else REQUESTS[:1]:
                twice(client, "POST", path, content=body, headers={**MSGPACK, "accept": accept})


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize(
    "endpoint",
    [
        model,
        without_model,
        other_model,
        optional,
        nothing,
        wrong,
        big_number,
        with_resource,
        with_response,
    ],
)
def test_same_settings(
    endpoint: Callable[..., Any], settings: dict[str, Any], twice: Twice
) -> None:
    client = TestClient(_app(endpoint, **settings), raise_server_exceptions=False)
    for body in (packb(ITEM), packb({})):
        twice(client, "POST", "/x", content=body, headers=MSGPACK)


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("endpoint", [nothing, with_response])
def test_status_without_a_body(endpoint: Any, status: int, twice: Twice) -> None:
    client = TestClient(_app(endpoint, status_code=status, response_model=None))
    response = twice(client, "POST", "/x", content=packb({}), headers=MSGPACK)
    if endpoint is nothing:
        assert (response.status_code, response.content) == (status, b"")


def test_documents(twice: Twice) -> None:
    expected = {
        "name": "name",
        "array": ARRAY,
        "raw": NOT_TEXT,
        "when": "2024-01-01",
        "out": 3,
        "length": 4,
    }
    for endpoint in (model, in_a_thread, with_resource):
        client = TestClient(_app(endpoint))
        response = twice(client, "POST", "/x", content=packb(ITEM), headers=MSGPACK)
        assert same(value(response), expected)
    client = TestClient(_app(greeted))
    headers = {**MSGPACK, "x-user": "you"}
    response = twice(client, "POST", "/x", content=packb(ITEM), headers=headers)
    assert value(response)["greeting"] == "hello you"
    assert response.headers["x-greeting"] == "you"
    assert events == ["user", "greeting"]


def test_dependency_that_refuses(twice: Twice) -> None:
    client = TestClient(_app(greeted))
    headers = {**MSGPACK, "x-user": "stranger"}
    response = twice(client, "POST", "/x", content=packb(ITEM), headers=headers)
    assert response.status_code == 403
    assert value(response) == {"detail": "no strangers"}
    assert response.headers["x-why"] == "stranger"


def test_order_of_what_is_done(twice: Twice) -> None:
    client = TestClient(_app(with_background))
    twice(client, "POST", "/x", content=packb({}), headers=MSGPACK)
    assert events == ["open", "background", "close"]
    client = TestClient(_app(crash_with_resource), raise_server_exceptions=False)
    twice(client, "POST", "/x", content=packb({}), headers=MSGPACK)
    assert events == ["open", ("failed", "RuntimeError('crash')"), "close"]


def test_dependency_that_is_overridden(twice: Twice) -> None:
    app = _app(greeted)
    app.dependency_overrides[get_user] = lambda: "somebody"
    response = twice(TestClient(app), "POST", "/x", content=packb({}), headers=MSGPACK)
    assert value(response)["user"] == "somebody"


# -- requests without a body -----------------------------------------------------------------------


def _app_with_gets() -> FastAPI:
    app = FastAPI()

    @app.get("/array")
    async def get_array() -> NumpyArrayField:
        return NumpyArrayField(ARRAY)

    @app.get("/thread/{size}")
    def get_in_a_thread(size: int, greeting: Greeting):
        return {"array": ARRAY, "size": size, "greeting": greeting}

    @app.post("/undeclared")
    async def post_undeclared(request: Request, user: User) -> Any:
        return [user, await request.json()]

    add_binary_mode(app)
    return app


@pytest.mark.parametrize("path", ["/array", "/thread/3", "/thread/three"])
def test_responses_to_get(path: str, twice: Twice) -> None:
    client = TestClient(_app_with_gets())
    response = twice(client, "GET", path, headers={**ACCEPT, "x-user": "you"})
    assert response.headers["content-type"] == ACCEPT["accept"]


def test_body_that_is_not_declared(twice: Twice) -> None:
    """It is JSON for the endpoint that reads it."""
    client = TestClient(_app_with_gets())
    body = packb({"array": np.array([1], "int8")})
    response = twice(client, "POST", "/undeclared", content=body, headers=MSGPACK)
    as_json = {"array": {"shape": [1], "dtype": "int8", "data_b64": "AQ=="}}
    # What looks like an array in JSON becomes one again only on the JSON lane.
    assert value(response) == ["nobody", as_json]


def test_json_body_and_binary_response() -> None:
    """What is wrong with JSON is reported as it is, however long."""
    client = TestClient(_app(greeted))
    headers = {**ACCEPT, "content-type": "application/json"}
    response = client.post("/x", content=b'{"name": "x"}', headers=headers)
    assert value(response)["item"]["name"] == "x"
    events.clear()
    response = client.post("/x", json={"in": -1, "raw": "x" * 2000}, headers=ACCEPT)
    assert value(response) == {"invalid": 1}
    assert "x" * 2000 in events[-1][2]


# -- cancellation ----------------------------------------------------------------------------------


async def _cancelled(app: FastAPI, started: asyncio.Event) -> None:
    """One request, cancelled while its endpoint runs."""
    scope = http_scope(path="/x", headers=MSGPACK)

    async def receive() -> Message:
        return {"type": "http.request", "body": packb({}), "more_body": False}

    async def send(message: Message) -> None:
        events.append(message["type"])

    task = asyncio.create_task(app(scope, receive, send))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("is_open", [True, False], ids=["fast path", "FastAPI"])
def test_cancellation(is_open: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    started = asyncio.Event()

    async def closed() -> AsyncIterator[None]:
        try:
            yield
        except BaseException as exc:
            events.append(type(exc))
            raise
        finally:
            events.append("close")

    async def endpoint(item: Item, _: Annotated[None, Depends(closed)]) -> None:
        events.append("endpoint")
        started.set()
        await asyncio.Event().wait()

    if not is_open:
        monkeypatch.setattr(route_module, "can_use_fast_path", lambda _: False)
    events.clear()
    asyncio.run(_cancelled(_app(endpoint), started))
    assert events == ["endpoint", asyncio.CancelledError, "close"]


# -- who may watch ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["get_request_handler", "solve_dependencies", "run_endpoint_function", "serialize_response"],
)
def test_function_that_an_integration_replaces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = getattr(fastapi.routing, name)

    @functools.wraps(original)
    def watching(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(fastapi.routing, name, watching)
    for endpoint in (model, with_resource):
        calls.clear()
        client = TestClient(_app(endpoint))
        response = client.post("/x", content=packb(ITEM), headers=MSGPACK)
        assert value(response)["name"] == "name"
        assert calls


def test_route_class_that_an_integration_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    original = APIRoute.get_route_handler

    def get_route_handler(self: APIRoute) -> Callable[[Request], Any]:
        handler = original(self)

        async def watching(request: Request) -> Response:
            events.append("watched")
            response: Response = await handler(request)
            return response

        return watching

    monkeypatch.setattr(APIRoute, "get_route_handler", get_route_handler)
    events.clear()
    response = TestClient(_app(model)).post("/x", content=packb(ITEM), headers=MSGPACK)
    assert value(response)["name"] == "name"
    assert events == ["watched"]


def test_route_class_further_back() -> None:
    """A class behind ``BinaryRoute`` wraps FastAPI's handler, and must not be bypassed."""

    class Tagging(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Any]:
            handler = super().get_route_handler()

            async def tagging(request: Request) -> Response:
                response: Response = await handler(request)
                response.headers["x-tag"] = "tagged"
                return response

            return tagging

    class Both(BinaryRoute, Tagging):
        pass

    app = FastAPI()
    app.router.route_class = Both
    app.post("/x")(model)
    response = binary_client(app).post("/x", content=packb(ITEM), headers=MSGPACK)
    assert value(response)["name"] == "name"
    assert response.headers["x-tag"] == "tagged"


def test_dependency_that_is_added_to_a_route_later() -> None:
    app = _app(model)
    (route,) = (route for route in app.routes if getattr(route, "path", None) == "/x")
    client = TestClient(app)
    headers = {**MSGPACK, "x-user": "stranger"}
    assert client.post("/x", content=packb(ITEM), headers=headers).status_code == 200
    with_user = APIRoute("/x", greeted).dependant.dependencies
    route.dependant.dependencies.extend(with_user)
    assert client.post("/x", content=packb(ITEM), headers=headers).status_code == 403


needs_telemetry = pytest.mark.skipif(
    find_spec("fastapi.telemetry") is None, reason="this FastAPI has no telemetry of its own"
)


@needs_telemetry
@pytest.mark.parametrize("endpoint", [model, in_a_thread, with_resource], ids=_name)
def test_fastapis_telemetry(endpoint: Callable[..., Any]) -> None:
    spans, provider = _recorded_spans()
    app = FastAPI(telemetry={"tracer_provider": provider})
    app.post("/x")(endpoint)
    client = binary_client(app)
    client.post("/x", json={})
    expected = list(spans)
    spans.clear()
    assert value(client.post("/x", content=packb({}), headers=MSGPACK))["name"] == "n"
    assert spans == expected
    assert "fastapi.endpoint" in spans


@needs_telemetry
def test_telemetry_of_an_app_around() -> None:
    """An app without telemetry, called in the course of a request to one that has it."""
    spans, provider = _recorded_spans()
    off: Any = {"tracing": False, "metrics": False, "logs": False}
    inner = FastAPI(telemetry=off)
    inner.post("/x")(model)
    add_binary_mode(inner)
    outer = FastAPI(telemetry={"tracer_provider": provider})

    @outer.post("/")
    async def call_inner(content_type: str) -> int:
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(inner), base_url="http://inner"
        ) as client:
            content = b"{}" if content_type == "application/json" else packb({})
            headers = {"content-type": content_type}
            return (await client.post("/x", content=content, headers=headers)).status_code

    client = TestClient(outer)
    assert client.post("/", params={"content_type": "application/json"}).json() == 200
    expected = list(spans)
    spans.clear()
    assert client.post("/", params={"content_type": "application/msgpack"}).json() == 200
    assert spans == expected
    assert spans.count("fastapi.endpoint") == 2


def _recorded_spans() -> tuple[list[str], Any]:
    """Return the names of spans as they start, and what provides the tracer that notes them."""
    from opentelemetry import trace

    spans: list[str] = []

    class Tracer(trace.Tracer):
        def start_span(self, name: str, *_: Any, **__: Any) -> trace.Span:
            spans.append(name)
            return trace.INVALID_SPAN

        @contextmanager
        def start_as_current_span(self, name: str, *_: Any, **__: Any) -> Iterator[trace.Span]:
            yield self.start_span(name)

    class Provider(trace.TracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
            return Tracer()

    return spans, Provider()

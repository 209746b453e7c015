"""Middleware inside ``BinaryMiddleware`` sees JSON, and its changes reach every client."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from binary_middleware import BinaryMiddleware, NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.starlette import NegotiatedResponse, read_body
from tests.asgi_app import MSGPACK
from tests.sameness import same

ARRAY = np.arange(5000, dtype="float64")
NOT_TEXT = b"\xff\xfe"
DOCUMENT = {"password": "secret", "array": ARRAY, "raw": NOT_TEXT}
RAW_BASE64 = "//4="


class Account(BaseModel):
    password: str
    array: NumpyArrayField
    raw: bytes = b""


calls: list[Any] = []


def echo(account: Account) -> Account:
    calls.append(account)
    return account


def echo_without_model(account: Account):
    calls.append(account)
    return {"password": account.password, "array": account.array, "raw": account.raw}


async def echo_in_starlette(request: StarletteRequest) -> Response:
    account = await read_body(request, Account)
    calls.append(account)
    return NegotiatedResponse(account)


class AsgiMiddleware:
    """Reads the whole response as JSON, and sends the result of ``change``."""

    def __init__(self, app: ASGIApp, change: Callable[[Any], Any], step: int = 2**16) -> None:
        self.app = app
        self.change = change
        self.step = step

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started: list[Message] = []
        text = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
                return
            text.extend(message.get("body", b""))
            if message.get("more_body", False):
                return
            document = json.loads(text)
            changed = self.change(document)
            body = text if changed is document else json.dumps(changed).encode()
            (start,) = started
            headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
            await send({**start, "headers": headers})
            for at in range(0, len(body), self.step):
                piece = {"type": "http.response.body", "body": bytes(body[at : at + self.step])}
                await send({**piece, "more_body": True})
            await send({"type": "http.response.body"})

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, collect)


def http_middleware(change: Callable[[Any], Any]) -> Middleware:
    async def dispatch(request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        text = b"".join([chunk async for chunk in response.body_iterator])
        document = json.loads(text)
        changed = change(document)
        if changed is document:
            headers = dict(response.headers)
            return Response(text, response.status_code, headers)
        return JSONResponse(changed, response.status_code)

    return Middleware(BaseHTTPMiddleware, dispatch=dispatch)


def asgi_middleware(change: Callable[[Any], Any]) -> Middleware:
    return Middleware(AsgiMiddleware, change=change)


def asgi_middleware_in_small_chunks(change: Callable[[Any], Any]) -> Middleware:
    return Middleware(AsgiMiddleware, change=change, step=7)


def closure(change: Callable[[Any], Any]) -> Middleware:
    def make(app: ASGIApp) -> ASGIApp:
        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            await AsgiMiddleware(app, change)(scope, receive, send)

        return inner

    return Middleware(make)


MIDDLEWARE = [http_middleware, asgi_middleware, asgi_middleware_in_small_chunks, closure]


def fastapi_app(middleware: list[Middleware], endpoint: Any = echo, **options: Any) -> ASGIApp:
    app = FastAPI(middleware=middleware)
    app.post("/")(endpoint)
    add_binary_mode(app, **options)
    # ``add_binary_mode`` puts its middleware around the others.
    assert app.user_middleware[1:] == middleware
    return app


def fastapi_app_without_model(middleware: list[Middleware], **options: Any) -> ASGIApp:
    return fastapi_app(middleware, echo_without_model, **options)


def fastapi_app_inside(middleware: list[Middleware], **options: Any) -> ASGIApp:
    """Return an app whose middleware is around a mounted app with the endpoint."""
    inner = FastAPI()
    inner.post("/")(echo)
    add_binary_mode(inner)
    app = FastAPI(middleware=middleware)
    app.mount("/", inner)
    app.add_middleware(BinaryMiddleware, **options)
    return app


def starlette_app(middleware: list[Middleware], **options: Any) -> ASGIApp:
    routes = [Route("/", echo_in_starlette, methods=["POST"])]
    return BinaryMiddleware(Starlette(routes=routes, middleware=middleware), **options)


def starlette_route(middleware: list[Middleware], **options: Any) -> ASGIApp:
    route = Route("/", echo_in_starlette, methods=["POST"], middleware=middleware)
    return BinaryMiddleware(Starlette(routes=[route]), **options)


def starlette_mount(middleware: list[Middleware], **options: Any) -> ASGIApp:
    routes = [Route("/", echo_in_starlette, methods=["POST"])]
    mount = Mount("/", routes=routes, middleware=middleware)
    return BinaryMiddleware(Starlette(routes=[mount]), **options)


def starlette_router(middleware: list[Middleware], **options: Any) -> ASGIApp:
    routes = [Route("/", echo_in_starlette, methods=["POST"])]
    router = Router(routes, middleware=middleware)
    return BinaryMiddleware(Starlette(routes=[Host("testserver", router)]), **options)


APPS = [
    fastapi_app,
    fastapi_app_without_model,
    fastapi_app_inside,
    starlette_app,
    starlette_route,
    starlette_mount,
    starlette_router,
]

every_app = pytest.mark.parametrize("build", APPS, ids=lambda build: build.__name__)
every_middleware = pytest.mark.parametrize("kind", MIDDLEWARE, ids=lambda kind: kind.__name__)


def post(app: ASGIApp, document: Any = DOCUMENT, **headers: str) -> Any:
    calls.clear()
    body = packb(document)
    response = TestClient(app).post("/", content=body, headers={**MSGPACK, **headers})
    assert response.headers["content-type"] == "application/msgpack", response.text
    assert response.headers["vary"].lower().startswith("accept")
    return unpackb(response.content)


@every_app
@every_middleware
def test_redaction(build: Any, kind: Any) -> None:
    app = build([kind(lambda document: {**document, "password": "***"})])
    found = post(app)
    assert found["password"] == "***"
    assert same(found["array"], ARRAY)
    assert calls[0].raw == NOT_TEXT


@every_app
@every_middleware
def test_envelope(build: Any, kind: Any) -> None:
    found = post(build([kind(lambda document: {"data": document})]))
    assert same(found["data"]["array"], ARRAY)
    assert found["data"]["password"] == "secret"


@every_app
@every_middleware
def test_unchanged_documents_stay_exact(build: Any, kind: Any) -> None:
    """For example bytes that are not UTF-8, which JSON cannot represent."""
    seen: list[Any] = []

    def look(document: Any) -> Any:
        seen.append(document)
        return document

    assert same(post(build([kind(look)])), DOCUMENT)
    (document,) = seen
    assert document["password"] == "secret"
    assert document["array"]["dtype"] == "float64"
    assert isinstance(document["raw"], str)


@every_app
def test_stored_responses_are_json(build: Any) -> None:
    """An idempotency store: the endpoint runs once for all repeated requests."""
    stored: dict[str, bytes] = {}

    async def store(request: Request, call_next: Any) -> Response:
        key = request.headers["x-key"]
        if key not in stored:
            response = await call_next(request)
            stored[key] = b"".join([chunk async for chunk in response.body_iterator])
        return Response(stored[key], media_type="application/json")

    app = build([Middleware(BaseHTTPMiddleware, dispatch=store)])
    ran = []
    for _ in range(3):
        found = post(app, **{"x-key": "a"})
        ran.append(len(calls))
        assert same(found["array"], ARRAY)
    assert ran == [1, 0, 0]
    assert json.loads(stored["a"])["password"] == "secret"


@every_app
@pytest.mark.parametrize("reads_response", [False, True])
def test_a_body_that_was_read_is_still_exact(build: Any, reads_response: bool) -> None:
    seen: list[bytes] = []

    async def log(request: Request, call_next: Any) -> Response:
        seen.append(await request.body())
        return await call_next(request)

    more = [http_middleware(lambda document: document)] if reads_response else []
    app = build([Middleware(BaseHTTPMiddleware, dispatch=log), *more])
    assert same(post(app), DOCUMENT)
    assert json.loads(seen[0])["raw"] == RAW_BASE64
    assert calls[0].raw == NOT_TEXT


class Replacing:
    """Replaces the body of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        document = json.loads((await receive())["body"])
        document["password"] = "replaced"
        document["raw"] = "text"
        messages = [{"type": "http.request", "body": json.dumps(document).encode()}]

        async def replaced() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, replaced, send)


@every_app
def test_a_replaced_body_is_used(build: Any) -> None:
    found = post(build([Middleware(Replacing)]))
    assert found["password"] == "replaced"
    assert same(found["array"], ARRAY)
    assert calls[0].raw == b"text"


def test_signature_of_the_response() -> None:
    """The digest in a header is that of the JSON, for every client."""

    async def sign(request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        text = b"".join([chunk async for chunk in response.body_iterator])
        headers = {**response.headers, "x-digest": hashlib.sha256(text).hexdigest()}
        return Response(text, response.status_code, headers)

    client = TestClient(fastapi_app([Middleware(BaseHTTPMiddleware, dispatch=sign)]))
    document = {**DOCUMENT, "raw": b"text"}
    in_binary = client.post("/", content=packb(document), headers=MSGPACK)
    assert same(unpackb(in_binary.content), document)
    array = NumpyArrayField(ARRAY)
    text = Account(password="secret", array=array, raw=b"text").model_dump_json()
    in_json = client.post("/", content=text, headers={"content-type": "application/json"})
    digest = hashlib.sha256(in_json.content).hexdigest()
    assert in_json.headers["x-digest"] == in_binary.headers["x-digest"] == digest


class Compressing:
    """A compressing middleware of another library."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def compress(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message["headers"] if pair[0] != b"content-length"]
                message = {**message, "headers": [*headers, (b"content-encoding", b"gzip")]}
            elif message["type"] == "http.response.body":
                message = {**message, "body": gzip.compress(message["body"])}
            await send(message)

        await self.app(scope, receive, compress)


def test_compression_by_another_library() -> None:
    assert same(post(fastapi_app([Middleware(Compressing)])), DOCUMENT)


def test_streams_over_max_response_size(caplog: pytest.LogCaptureFixture) -> None:
    """An unchanged response is compared while it passes, whatever its size."""
    app = fastapi_app([http_middleware(lambda document: document)], max_response_size=1000)
    assert same(post(app), DOCUMENT)
    assert [record.name for record in caplog.records].count("binary_middleware") == 1


def test_error_of_a_middleware_after_the_endpoint() -> None:
    async def fail(request: Request, call_next: Any) -> Response:
        await call_next(request)
        return JSONResponse({"detail": "no"}, 409)

    app = fastapi_app([Middleware(BaseHTTPMiddleware, dispatch=fail)])
    response = TestClient(app).post("/", content=packb(DOCUMENT), headers=MSGPACK)
    assert (response.status_code, unpackb(response.content)) == (409, {"detail": "no"})


class Timing:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


async def timing(request: Request, call_next: Any) -> Response:
    return await call_next(request)


def _forms(middleware: list[Middleware], **options: Any) -> list[str]:
    """Return the media types of the responses that the innermost middleware sees."""
    forms = []

    class Noting(Timing):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    forms.append(dict(message["headers"])[b"content-type"].decode())
                await send(message)

            await self.app(scope, receive, note)

    agnostic = (Noting, *options.pop("body_agnostic", ()))
    app = fastapi_app([*middleware, Middleware(Noting)], body_agnostic=agnostic, **options)
    assert same(post(app), DOCUMENT)
    return forms


def test_body_agnostic(caplog: pytest.LogCaptureFixture) -> None:
    own = [
        Middleware(CORSMiddleware, allow_origins=["*"]),
        Middleware(GZipMiddleware, minimum_size=10**9),
    ]
    assert _forms([]) == ["application/msgpack"]
    assert _forms(own) == ["application/msgpack"]
    named = [Middleware(Timing), Middleware(BaseHTTPMiddleware, dispatch=timing)]
    assert _forms(named, body_agnostic=[Timing, timing]) == ["application/msgpack"]
    assert "binary_middleware" not in [record.name for record in caplog.records]
    assert _forms(named, body_agnostic=[Timing]) == ["application/json"]
    assert _forms(named, body_agnostic=[timing]) == ["application/json"]
    own = [record for record in caplog.records if record.name == "binary_middleware"]
    messages = [record.getMessage() for record in own]
    assert [message.split(": ")[1].split(";")[0] for message in messages] == ["timing", "Timing"]
    assert "body_agnostic" in messages[0]


def test_body_agnostic_excludes_subclasses() -> None:
    class Signing(Timing):
        pass

    assert _forms([Middleware(Signing)], body_agnostic=[Timing]) == ["application/json"]


def test_body_agnostic_must_be_callable() -> None:
    with pytest.raises(TypeError, match="body_agnostic"):
        BinaryMiddleware(Starlette(), body_agnostic=["Timing"])


def test_a_route_that_is_added_later_exchanges_json() -> None:
    app = fastapi_app([])
    assert same(post(app), DOCUMENT)
    seen: list[Any] = []

    def look(document: Any) -> Any:
        seen.append(document)
        return document

    late = FastAPI(middleware=[asgi_middleware(look)])
    late.post("/")(echo)
    app.router.routes.insert(0, Mount("/late", late))  # type: ignore[attr-defined]
    response = TestClient(app).post(
        "/late/", content=packb({**DOCUMENT, "raw": b"text"}), headers=MSGPACK
    )
    assert unpackb(response.content)["password"] == "secret"
    assert seen[0]["password"] == "secret"


def test_no_warning_without_object_lane_routes(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    app.add_middleware(Timing)
    app.add_middleware(BinaryMiddleware)
    app.get("/")(lambda: {"a": 1})
    with caplog.at_level(logging.INFO):
        assert TestClient(app).get("/", headers={"accept": "application/msgpack"}).content
    assert "binary_middleware" not in [record.name for record in caplog.records]


class Endless:
    """A proxy that claims to wrap another one forever."""

    @property
    def app(self) -> Endless:
        return Endless()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({"a": 1})(scope, receive, send)

    serve = __call__


def test_layers_that_cannot_be_inspected() -> None:
    """They count as observers, so that routes behind them exchange JSON."""
    route = Route("/", echo_in_starlette)
    route.app = Endless()
    for app in (Endless(), BinaryMiddleware(Endless()), Endless().serve, Starlette(routes=[route])):
        response = TestClient(BinaryMiddleware(app)).get(
            "/", headers={"accept": "application/msgpack"}
        )
        assert unpackb(response.content) == {"a": 1}


class Silent(BaseRoute):
    """A route that matches nothing and has no endpoint."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return Match.NONE, {}


def test_routes_of_starlette_in_a_router_of_fastapi() -> None:
    async def plain(request: StarletteRequest) -> Response:
        return NegotiatedResponse(await read_body(request, Any))

    router = APIRouter(routes=[Silent(), Route("/plain", plain, methods=["POST"])])
    router.post("/typed")(echo)
    app = FastAPI(routes=[Silent()])
    app.include_router(router)
    app.openapi()  # makes contexts for the routes
    add_binary_mode(app)
    client = TestClient(app)
    for path in ("/plain", "/typed"):
        response = client.post(path, content=packb(DOCUMENT), headers=MSGPACK)
        assert same(unpackb(response.content), DOCUMENT)

"""The document of an app, completed as it is sent."""

from __future__ import annotations

import gzip
import json
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, BinaryOptions, RouteRule, unpackb
from tests.asgi_app import Received, Recorder, call
from tests.openapi.documents import ARRAY, JSON, MSGPACK, completed, document, operation
from tests.openapi.test_options import endpoint, modes, required

# -- the document ---------------------------------------------------------------------------

GIVEN = document({"post /echo": operation(ARRAY, ARRAY)})
EXPECTED = completed(GIVEN, BinaryOptions())


class Serving(Recorder):
    """Responds with a document, and records the request."""

    def __init__(self, body: bytes | list[bytes] | None = None, **headers: str) -> None:
        whole = json.dumps(GIVEN).encode() if body is None else body
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(whole, {"content-type": JSON} | headers, reads=False)


def get(app: Any, method: str = "GET", path: str = "/openapi.json", **scope: Any) -> Received:
    headers = scope.pop("headers", {})
    return call(wrapped(app), headers=headers, method=method, path=path, **scope)


def wrapped(app: Any, **options: Any) -> BinaryMiddleware:
    if isinstance(app, BinaryMiddleware):
        return app
    return BinaryMiddleware(app, openapi_path="/openapi.json", **options)


TEXT = json.dumps(GIVEN).encode()
LARGE = {"x-large": "x" * 300_000}


@pytest.mark.parametrize(
    ("app", "more"),
    [
        (Serving(content_length="7"), {}),
        (Serving([TEXT[:10], TEXT[10:11], b"", TEXT[11:]]), {}),
        (Serving(content_type="application/vnd.oai.openapi+json"), {}),
        (Serving(gzip.compress(TEXT), content_encoding="gzip"), {}),
        (Serving(json.dumps(GIVEN | LARGE).encode()), LARGE),
    ],
    ids=["whole", "chunked", "another type", "compressed", "large"],
)
@pytest.mark.parametrize("root_path", ["", "/api"])
@pytest.mark.parametrize("accept", ["*/*", MSGPACK])
def test_document_is_completed(app: Any, more: Any, root_path: str, accept: str) -> None:
    path = f"{root_path}/openapi.json"
    response = get(app, path=path, root_path=root_path, headers={"accept": accept})
    is_json = accept == "*/*"
    assert (json.loads if is_json else unpackb)(response.body) == EXPECTED | more
    sent = app.headers["content-type"]
    content_type = sent if is_json else sent.replace("+json", "+msgpack").replace(JSON, MSGPACK)
    length = str(len(response.body))
    assert response.headers == {
        "content-type": content_type,
        "content-length": length,
        "vary": "Accept",
    }
    assert (len(response.bodies) > 2) is bool(more)


def test_options_of_the_middleware_hold() -> None:
    rules = [RouteRule("/echo", max_body_size=1, mode="off")]
    assert get(wrapped(Serving(), rules=rules)).body == TEXT


def test_document_is_completed_once() -> None:
    app = wrapped(Serving())
    assert get(app).bodies[0]["body"] is get(app).bodies[0]["body"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/openapi.json"), ("GET", "/openapi.json/"), ("GET", "/other")]
)
def test_other_requests_are_unchanged(method: str, path: str) -> None:
    app = wrapped(Serving())
    response = get(app, method, path, headers={"if-none-match": '"v1"'})
    assert json.loads(response.body) == GIVEN
    assert app.app.app.request_headers == {"if-none-match": '"v1"'}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"openapi": "3.1.0", "paths": {}}',
        b'{"swagger": "2.0", "paths": {"/": {"get": {}}}}',
    ],
)
def test_other_bodies_are_unchanged(body: bytes) -> None:
    response = get(Serving(body, etag='"v1"', content_md5="x", content_length=str(len(body))))
    assert response.body == body
    assert response.headers == {
        "content-type": JSON,
        "etag": '"v1"',
        "content-md5": "x",
        "content-length": str(len(body)),
        "vary": "Accept",
    }


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (404, {"content-type": JSON}),
        (201, {"content-type": JSON}),
        (200, {"content-type": "text/yaml"}),
        (200, {}),
        (200, {"content-type": "application/json; charset=utf-16"}),
        (200, {"content-type": JSON, "cache-control": "no-transform"}),
        (200, {"content-type": JSON, "content-encoding": "br"}),
        (200, {"content-type": JSON, "content-encoding": "gzip"}),
    ],
)
def test_responses_that_are_not_a_readable_document(status: int, headers: dict[str, str]) -> None:
    app = Serving()
    app.status, app.headers = status, headers
    response = get(app)
    assert response.status == status
    assert response.body == TEXT
    assert response.headers == {**headers, "vary": "Accept"}


def test_document_over_max_response_size() -> None:
    app = Serving([TEXT[:100], TEXT[100:200], TEXT[200:]], content_length="9")
    response = get(wrapped(app, max_response_size=150))
    assert response.body == TEXT
    assert [message["body"] for message in response.bodies] == [TEXT[:200], TEXT[200:]]
    assert response.headers["content-length"] == "9"


def test_headers_of_the_bytes_are_dropped() -> None:
    described = {"content_digest": "x", "content_md5": "x", "accept_ranges": "bytes"}
    response = get(Serving(**described, cache_control="max-age=1"))
    assert response.headers.keys() == {"content-type", "content-length", "cache-control", "vary"}


def test_the_app_must_not_send_files() -> None:
    """A server that sends files itself would bypass the middleware."""
    files = {"http.response.pathsend": {}, "http.response.zerocopysend": {}}
    app = Serving()
    get(app, extensions={**files, "tls": {}})
    assert app.scope["extensions"] == {"tls": {}}
    get(app)
    assert "extensions" not in app.scope


def test_the_scope_shows_the_route() -> None:
    scopes: list[Any] = []

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await inner(scope, receive, send)

    routes = [Route("/openapi.json", endpoint)]
    inner = wrapped(Starlette(routes=routes))
    TestClient(outside).get("/openapi.json")
    assert scopes[0]["endpoint"] is endpoint
    assert any(name == b"accept" for name, _ in scopes[0]["headers"])


# Conditions and HEAD.


def test_entity_tags() -> None:
    app = wrapped(Serving(etag='"v1"'))
    in_json = get(app).headers["etag"]
    in_msgpack = get(app, headers={"accept": MSGPACK}).headers["etag"]
    assert in_json.startswith('"v1--openapi-')
    assert in_msgpack == f'{in_json[:-1]}--msgpack"'
    required = wrapped(Serving(etag='"v1"'), mode="require")
    assert get(required, headers={"accept": JSON}).headers["etag"] not in (in_json, '"v1"')


@pytest.mark.parametrize("accept", [JSON, MSGPACK])
@pytest.mark.parametrize("tag", ['"v1"', 'W/"v1"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_none_match(accept: str, tag: str, method: str) -> None:
    app = Serving(etag=tag, cache_control="max-age=1", last_modified="x")
    served = wrapped(app)
    own = get(served, headers={"accept": accept}).headers["etag"]
    for condition in (own, f'"other", {own}', "*"):
        response = get(served, method, headers={"accept": accept, "if-none-match": condition})
        assert (response.status, response.body) == (304, b"")
        assert response.headers == {"etag": own, "cache-control": "max-age=1", "vary": "Accept"}
        assert "if-none-match" not in app.request_headers
    for condition in (tag, '"other"', "no tag"):
        response = get(served, method, headers={"accept": accept, "if-none-match": condition})
        assert response.status == 200, condition


def test_conditions_on_the_document_of_the_app_are_dropped() -> None:
    app = Serving()
    conditions = {"if-modified-since": "x", "range": "bytes=0-1", "if-range": '"v1"'}
    response = get(app, headers=[*conditions.items(), ("x-other", "1")])
    assert app.request_headers == {"x-other": "1"}
    assert json.loads(response.body) == EXPECTED


def test_head() -> None:
    app = wrapped(Serving(etag='"v1"'))
    assert get(app, "HEAD").headers == get(app).headers
    app = Serving(b"", etag='"v1"', content_length="700", content_md5="x", cache_control="no-cache")
    response = get(app, "HEAD")
    assert response.headers == {"content-type": JSON, "cache-control": "no-cache", "vary": "Accept"}
    assert response.body == b""


# Options.


@pytest.mark.parametrize("accept", [JSON, "text/html", MSGPACK])
def test_document_is_exempt_from_require(accept: str) -> None:
    app = wrapped(Serving(), mode="require")
    response = get(app, headers={"accept": accept})
    assert response.status == 200
    assert response.headers["content-type"] == (MSGPACK if accept == MSGPACK else JSON)
    assert get(app, path="/other", headers={"accept": JSON}).status == 406


def test_document_of_an_app_that_is_off() -> None:
    app = wrapped(Serving(), mode="off")
    response = get(app)
    assert json.loads(response.body) == GIVEN
    assert "vary" not in response.headers


def test_wrong_path() -> None:
    with pytest.raises(ValueError, match=r"openapi_path must start with '/', not 'openapi.json'"):
        BinaryMiddleware(Serving(), openapi_path="openapi.json")


def test_middleware_of_a_starlette_app() -> None:
    async def openapi(request: Request) -> Response:
        return JSONResponse(document({"get /items/{id}": operation(None, {})}))

    routes = [Route("/items/{id:int}", required), Route("/openapi.json", openapi)]
    own = [Middleware(BinaryMiddleware, openapi_path="/openapi.json", media_types=(MSGPACK,))]
    app = Starlette(routes=routes, middleware=own)
    client = TestClient(app)
    found = client.get("/openapi.json").json()["paths"]["/items/{id}"]["get"]["responses"]
    assert list(found) == ["200", "406"]
    assert list(found["200"]["content"]) == [MSGPACK]
    # A middleware around a mount finds the same.
    outer = BinaryMiddleware(Starlette(routes=[Mount("/sub", app=app)]))
    assert modes(outer.resolver, "GET /sub/items/{id}") == ["require"]


def test_other_messages_pass() -> None:
    trailers = {"type": "http.response.trailers", "headers": [], "more_trailers": False}
    hint = {"type": "http.response.early_hint", "links": []}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(hint)
        await Serving()(scope, receive, send)
        await send(trailers)

    response = get(app)
    assert response.messages[0] == hint
    assert response.messages[-1] == trailers
    assert json.loads(response.body) == EXPECTED


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_other_scopes_pass(kind: str) -> None:
    seen: list[Any] = []

    async def app(*args: Any) -> None:
        seen.extend(args)

    scope = {"type": kind, "path": "/openapi.json"}
    anyio.run(wrapped(app), scope, None, None)
    assert seen == [scope, None, None]

"""Other middleware, mounted apps and proxies: around the middleware that is tested, and in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from tests.conformance.apps import echo, raises, refuses_everybody, responds, responds_with_bytes
from tests.conformance.expect import (
    app_did_not_run,
    app_received,
    as_written,
    field,
    is_json,
    is_msgpack,
    no_body,
    status,
    vary,
)
from tests.conformance.message import (
    DOCUMENT,
    MSGPACK,
    Request,
    binary_get,
    binary_post,
    fields,
    json_post,
    post,
)
from tests.conformance.rule import Expectation, Rule, Topic, rule

IN_MSGPACK = is_msgpack(DOCUMENT)
ORIGIN = "https://example.org"
BIG = {"text": "x" * 5000}


def cors(app: ASGIApp) -> ASGIApp:
    return CORSMiddleware(app, allow_origins=[ORIGIN], allow_methods=["POST"])


def trusted(app: ASGIApp) -> ASGIApp:
    return TrustedHostMiddleware(app, allowed_hosts=["testserver", "127.0.0.1"])


def limited(app: ASGIApp) -> ASGIApp:
    return RequestBodyLimitMiddleware(app, max_body_size=1000)


async def stamp(request: StarletteRequest, call_next: Any) -> Response:
    response: Response = await call_next(request)
    response.headers["x-stamp"] = request.method
    return response


async def read_before(request: StarletteRequest, call_next: Any) -> Response:
    length = len(await request.body())
    response: Response = await call_next(request)
    response.headers["x-length"] = str(length)
    return response


def stamped(app: ASGIApp) -> ASGIApp:
    return BaseHTTPMiddleware(app, dispatch=stamp)


def read_first(app: ASGIApp) -> ASGIApp:
    return BaseHTTPMiddleware(app, dispatch=read_before)


def with_server_errors(app: ASGIApp) -> ASGIApp:
    return ServerErrorMiddleware(app)


def mounted(app: ASGIApp) -> ASGIApp:
    return Starlette(routes=[Mount("/sub", app)])


def in_and_out(
    title: str,
    reference: str,
    other: Callable[[ASGIApp], ASGIApp],
    app: ASGIApp,
    request: Request,
    *expect: Expectation,
    **more: Any,
) -> list[Rule]:
    """Return the same rule with the other middleware inside, and outside."""
    name, colon, rest = title.partition(":")
    inside, outside = f"{name} inside{colon}{rest}", f"{name} outside{colon}{rest}"
    return [
        rule(inside, reference, other(app), request, *expect, **more),
        rule(outside, reference, app, request, *expect, outside=other, **more),
    ]


PREFLIGHT = Request(
    "OPTIONS",
    fields(
        origin=ORIGIN,
        access_control_request_method="POST",
        access_control_request_headers="content-type",
        accept="*/*",
    ),
)


async def nested(request: StarletteRequest) -> Response:
    return JSONResponse(
        {
            "read": await request.json(),
            "path": request.url.path,
            "root_path": request.scope["root_path"],
            "params": request.path_params,
        }
    )


async def redirects(request: StarletteRequest) -> Response:
    return RedirectResponse("/sub/7")


INNER = Starlette(routes=[Route("/{number:int}", nested, methods=["POST"])])
OUTER = Starlette(
    routes=[Mount("/sub", INNER), Route("/moved", redirects, methods=["POST"])],
)
NESTED = {"read": DOCUMENT, "path": "/sub/7", "root_path": "/sub", "params": {"number": 7}}


class Thing(BaseModel):
    id: int
    name: str


fastapi_app = FastAPI()


@fastapi_app.post("/things")
async def make(thing: Thing) -> Thing:
    return thing


WITHOUT_NAME = {
    "detail": [
        {"type": "missing", "loc": ["body", "name"], "msg": "Field required", "input": {"id": 1}}
    ]
}

OTHER_MIDDLEWARE = Topic(
    "Other middleware and mounted apps",
    [
        *in_and_out(
            "CORSMiddleware: a response to another origin",
            "Fetch: CORS protocol",
            cors,
            echo,
            binary_post(DOCUMENT, origin=ORIGIN),
            IN_MSGPACK,
            field("access-control-allow-origin", ORIGIN),
            vary("origin", "accept"),
        ),
        *in_and_out(
            "CORSMiddleware: a preflight",
            "Fetch: CORS protocol",
            cors,
            echo,
            PREFLIGHT,
            status(200),
            field("access-control-allow-origin", ORIGIN),
            field("access-control-allow-methods", "POST"),
        ),
        rule(
            "CORSMiddleware outside: another origin may read a refusal",
            "Fetch: CORS protocol",
            echo,
            post(b"\xc1", content_type=MSGPACK, accept=MSGPACK, origin=ORIGIN),
            status(400),
            field("access-control-allow-origin", ORIGIN),
            outside=cors,
        ),
        *in_and_out(
            "TrustedHostMiddleware: a host that is trusted",
            "RFC 9110 §7.2",
            trusted,
            echo,
            binary_post(DOCUMENT),
            IN_MSGPACK,
        ),
        *in_and_out(
            "TrustedHostMiddleware: a host that is not",
            "RFC 9110 §7.2",
            trusted,
            echo,
            binary_post(DOCUMENT, host="evil.example"),
            status(400),
            as_written(b"Invalid host header", "text/plain; charset=utf-8"),
        ),
        *in_and_out(
            "BaseHTTPMiddleware",
            "ASGI: Middleware",
            stamped,
            echo,
            binary_post(DOCUMENT),
            app_received(DOCUMENT),
            IN_MSGPACK,
            field("x-stamp", "POST"),
        ),
        *in_and_out(
            "BaseHTTPMiddleware: a response without a body",
            "ASGI: Middleware",
            stamped,
            responds_with_bytes(b"", None, status=204),
            binary_post(DOCUMENT),
            status(204),
            no_body,
            field("x-stamp", "POST"),
        ),
        *in_and_out(
            "BaseHTTPMiddleware that reads the body first",
            "ASGI: Middleware",
            read_first,
            echo,
            binary_post(DOCUMENT),
            app_received(DOCUMENT),
            IN_MSGPACK,
        ),
        rule(
            "BaseHTTPMiddleware inside: a refusal is not an error of its own",
            "RFC 9110 §15.5.1",
            read_first(echo),
            post(b"\xc1", content_type=MSGPACK, accept=MSGPACK),
            status(400),
        ),
        rule(
            "BaseHTTPMiddleware outside: a refusal is not an error of its own",
            "RFC 9110 §15.5.1",
            echo,
            post(b"\xc1", content_type=MSGPACK, accept=MSGPACK),
            status(400),
            field("x-stamp", "POST"),
            outside=stamped,
        ),
        *in_and_out(
            "A body limit that the body keeps",
            "RFC 9110 §15.5.14",
            limited,
            echo,
            binary_post(DOCUMENT),
            IN_MSGPACK,
        ),
        *in_and_out(
            "A body limit that the body is over",
            "RFC 9110 §15.5.14",
            limited,
            echo,
            binary_post(BIG),
            status(413),
        ),
        *in_and_out(
            "A body limit that a body in chunks is over",
            "RFC 9110 §15.5.14",
            limited,
            echo,
            post((b"\xda\x13\x88", b"x" * 2500, b"x" * 2500), content_type=MSGPACK, accept=MSGPACK),
            status(413),
        ),
        *in_and_out(
            "ServerErrorMiddleware: no part of a document before its 500",
            "RFC 9110 §15.6.1",
            with_server_errors,
            raises(KeyError()),
            binary_post(DOCUMENT),
            status(500),
            as_written(b"Internal Server Error", "text/plain; charset=utf-8"),
            raises=KeyError,
        ),
        rule(
            "A middleware that responds itself keeps the app out of it",
            "ASGI: Middleware",
            echo,
            binary_post(DOCUMENT),
            status(401),
            is_json({"status": 401}),
            app_did_not_run,
            outside=lambda app: refuses_everybody,
        ),
        rule(
            "An app with mounted apps inside",
            "ASGI HTTP: root_path",
            OUTER,
            binary_post(DOCUMENT).but(path="/sub/7"),
            is_msgpack(NESTED),
        ),
        rule(
            "Mounted in an app",
            "ASGI HTTP: root_path",
            INNER,
            binary_post(DOCUMENT).but(path="/sub/7"),
            is_msgpack(NESTED),
            outside=mounted,
        ),
        rule(
            "Behind a proxy that cuts off a path",
            "ASGI HTTP: root_path",
            OUTER,
            binary_post(DOCUMENT).but(path="/sub/7", root_path="/proxy"),
            is_msgpack({**NESTED, "path": "/proxy/sub/7", "root_path": "/proxy/sub"}),
        ),
        rule(
            "A redirect of a mounted app",
            "RFC 9110 §15.4.8",
            OUTER,
            binary_post(DOCUMENT).but(path="/moved"),
            status(307),
            field("location", "/sub/7"),
            no_body,
        ),
        rule(
            "FastAPI reads msgpack and responds in it",
            "RFC 9110 §8.3",
            fastapi_app,
            binary_post({"id": 1, "name": "a"}).but(path="/things"),
            status(200),
            is_msgpack({"id": 1, "name": "a"}),
        ),
        *(
            rule(
                f"FastAPI's 422 is readable: {client}",
                "RFC 9110 §15.5.21",
                fastapi_app,
                request.but(path="/things"),
                status(422),
                expectation,
            )
            for client, request, expectation in [
                ("binary client", binary_post({"id": 1}), is_msgpack(WITHOUT_NAME)),
                ("JSON client", json_post({"id": 1}), is_json(WITHOUT_NAME)),
            ]
        ),
        rule(
            "FastAPI: msgpack that is none is refused with 400",
            "RFC 9110 §15.5.1",
            fastapi_app,
            post(b"\xc1", content_type=MSGPACK, accept=MSGPACK).but(path="/things"),
            status(400),
        ),
        rule(
            "FastAPI's description of itself can be had in msgpack",
            "RFC 9110 §12.5.1",
            fastapi_app,
            binary_get().but(path="/openapi.json"),
            status(200),
            is_msgpack(fastapi_app.openapi()),
        ),
        rule(
            "FastAPI's documentation page is left",
            "RFC 9110 §12.5.1",
            fastapi_app,
            binary_get().but(path="/docs"),
            status(200),
            field("content-type", "text/html; charset=utf-8"),
        ),
        *in_and_out(
            "Three of them at once, and a large response",
            "ASGI: Middleware",
            lambda app: cors(stamped(trusted(app))),
            responds(BIG),
            binary_get(origin=ORIGIN),
            is_msgpack(BIG),
            vary("origin", "accept"),
            field("x-stamp", "GET"),
        ),
    ],
)

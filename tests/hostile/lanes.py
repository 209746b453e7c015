"""Every kind of field in every lane: ``/model/KIND`` as a member, ``/bare/KIND`` as the body."""

from __future__ import annotations

import functools
import json
from typing import Annotated, Any, Final

from fastapi import Body, FastAPI
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from binary_middleware import BinaryMiddleware
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.starlette import NegotiatedResponse, read_body
from tests.hostile.kinds import KINDS, model_of

FORMS: Final = ("model", "bare")


@functools.cache
def _models() -> dict[str, Any]:
    return {kind: model_of(kind) for kind in KINDS}


def add_kinds(app: FastAPI) -> FastAPI:
    """Add routes for all kinds, each of which returns its input."""
    for kind, model in _models().items():
        app.add_api_route(f"/model/{kind}", _echo(model, model), methods=["POST"])
        bare = Annotated[KINDS[kind], Body()]
        # Once decoded, JSON and Base64 are no longer what the field accepts.
        returned = Any if kind.startswith(("json", "base64")) else KINDS[kind]
        app.add_api_route(f"/bare/{kind}", _echo(bare, returned), methods=["POST"])
    return app


def _echo(body: Any, returned: Any) -> Any:
    async def echo(body: Any) -> Any:
        return body

    echo.__annotations__ = {"body": body, "return": returned}
    return echo


def kind_routes() -> list[Route]:
    """Return the same for Starlette, by ``read_body`` and ``NegotiatedResponse``."""
    types = {"model": _models(), "bare": KINDS}

    async def echo(request: Request) -> Response:
        type_ = types[request.path_params["form"]][request.path_params["kind"]]
        value = await read_body(request, type_)
        if request.path_params["form"] == "bare":
            value = TypeAdapter(type_).dump_python(value)
        return NegotiatedResponse(value)

    return [Route("/{form}/{kind}", echo, methods=["POST"])]


class Excused:
    """An app on the JSON lane, whose own errors become 422.

    FastAPI cannot report that a number is NaN, for instance. But the app gets JSON that it can
    read, down to every character.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = b""
        messages: list[Message] = []

        async def listen() -> Message:
            nonlocal text
            message = await receive()
            text += message.get("body", b"")
            return message

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await self.app(scope, listen, keep)
        except Exception as exc:
            json.dumps(json.loads(text.decode()), ensure_ascii=False).encode()
            await JSONResponse({"detail": type(exc).__name__}, 422)(scope, receive, send)
            return
        for message in messages:
            await send(message)


def make_lanes(**options: Any) -> dict[str, ASGIApp]:
    """Return an app for each way through the package, all with the same options."""
    direct, handled = FastAPI(), FastAPI(max_body_size=1 << 40)  # which keeps FastAPI's handler
    for app in (direct, handled):
        add_binary_mode(add_kinds(app), **options)
    behind = BinaryMiddleware(Excused(add_kinds(FastAPI())), **options)
    starlette = BinaryMiddleware(Starlette(routes=kind_routes()), **options)
    return {"direct": direct, "handled": handled, "json": behind, "read": starlette}


def make_observed_lane() -> FastAPI:
    """Return a FastAPI app with middleware that reads the body as JSON text first."""
    app = add_kinds(FastAPI())

    async def read_first(request: Request, call_next: Any) -> Any:
        await request.body()
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=read_first)
    add_binary_mode(app)
    return app

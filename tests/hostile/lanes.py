"""Every kind of field in every lane: ``/model/KIND`` as a member, ``/bare/KIND`` as the body."""

from __future__ import annotations

import functools
import json
from typing import Annotated, Any, Final

from fastapi import Body, FastAPI
from pydantic import TypeAdapter
from starlette.applications import Starlette
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
    """Routes for all kinds, each of which returns what it gets."""
    for kind, model in _models().items():
        app.add_api_route(f"/model/{kind}", _echo(model, model), methods=["POST"])
        bare = Annotated[KINDS[kind], Body()]
        # What comes out of the JSON in a field is no such JSON any more.
        returned = Any if kind == "json" else KINDS[kind]
        app.add_api_route(f"/bare/{kind}", _echo(bare, returned), methods=["POST"])
    return app


def _echo(body: Any, returned: Any) -> Any:
    async def echo(body: Any) -> Any:
        return body

    echo.__annotations__ = {"body": body, "return": returned}
    return echo


def kind_routes() -> list[Route]:
    """The same for Starlette, by ``read`` and ``NegotiatedResponse``."""
    types = {"model": _models(), "bare": KINDS}

    async def echo(request: Request) -> Response:
        type_ = types[request.path_params["form"]][request.path_params["kind"]]
        value = await read_body(request, type_)
        if request.path_params["form"] == "bare":
            value = TypeAdapter(type_).dump_python(value)
        return NegotiatedResponse(value)

    return [Route("/{form}/{kind}", echo, methods=["POST"])]


class Excused:
    """An app on the JSON lane, whose own errors are answered with 422.

    FastAPI cannot report that a number was NaN, for instance, whoever sent it. But what the app
    gets is JSON that it can read, down to every character.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = b""
        messages: list[Message] = []

        async def hear() -> Message:
            nonlocal text
            message = await receive()
            text += message.get("body", b"")
            return message

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await self.app(scope, hear, keep)
        except Exception as exc:
            json.dumps(json.loads(text.decode()), ensure_ascii=False).encode()
            await JSONResponse({"detail": type(exc).__name__}, 422)(scope, receive, send)
            return
        for message in messages:
            await send(message)


def make_lanes(**options: Any) -> dict[str, ASGIApp]:
    """An app for each way through the package.

    Args:
        options: of ``BinaryMiddleware``, for all of them.
    """
    direct, handled = FastAPI(), FastAPI(max_body_size=1 << 40)  # which keeps FastAPI's handler
    for app in (direct, handled):
        add_binary_mode(add_kinds(app), **options)
    behind = BinaryMiddleware(Excused(add_kinds(FastAPI())), **options)
    starlette = BinaryMiddleware(Starlette(routes=kind_routes()), **options)
    return {"direct": direct, "handled": handled, "json": behind, "read": starlette}

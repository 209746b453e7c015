"""Apps that the commands call and serve."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from binary_middleware import NumpyArrayField, binary_options, packb
from binary_middleware.fastapi import add_binary_mode

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
SAMPLES = np.array([[1, 2, 3], [4, 5, 6]], "f4")
MSGPACK = "application/msgpack"


class Signal(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")

    samples: NumpyArrayField
    rate: float = 1.0
    icon: bytes = b""


async def double(signal: Signal) -> Signal:
    signal.samples.array *= 2
    return signal


def make_signal_app() -> FastAPI:
    """Return an app without a binary mode."""
    app = FastAPI()
    app.post("/signal")(double)
    return app


own_app = make_signal_app()
add_binary_mode(own_app, max_body_size=100)

app = make_signal_app()


@app.get("/sum")
async def total(first: int, second: int) -> dict[str, int]:
    return {"sum": first + second}


@app.put("/fields")
async def fields(request: Request) -> dict[str, Any]:
    return {"x-test": request.headers.get("x-test"), "length": len(await request.body())}


@app.get("/teapot")
async def teapot() -> None:
    raise HTTPException(418, {"pot": "short\x1b[31m and stout"})


@app.get("/reason")
async def reason() -> None:
    raise HTTPException(409, "a long reason, " * 20)


@app.get("/moved")
async def moved() -> Response:
    return Response(status_code=307, headers={"Location": "/text"})


@app.get("/text")
async def text() -> Response:
    return PlainTextResponse("one\ntwo \x1b[31mred\n")


@app.get("/rot13")
async def rot13() -> Response:
    return Response(b"uryyb", media_type="text/plain; charset=rot13")


@app.post("/strict")
@binary_options(mode="require")
async def strict(document: dict[str, int]) -> dict[str, int]:
    return document


add_binary_mode(app)


async def echo(request: Request) -> Response:
    try:
        return JSONResponse(await request.json(), headers={"X-Process": str(os.getpid())})
    except ValueError:
        return JSONResponse({"error": "no JSON"}, 400)


async def ignore(request: Request) -> Response:
    """Return a constant, whatever the body is."""
    return JSONResponse({"ok": True})


async def openapi(request: Request) -> Response:
    body = {"application/json": {}}
    operation = {
        "requestBody": {"content": body},
        "responses": {"200": {"description": "", "content": body}},
    }
    info = {"title": "", "version": ""}
    paths = {"/echo": {"post": operation}}
    return JSONResponse({"openapi": "3.1.0", "info": info, "paths": paths})


plain_app = Starlette(
    routes=[
        Route("/echo", echo, methods=["POST"]),
        Route("/ignore", ignore, methods=["GET", "POST"]),
        Route("/openapi", openapi),
    ]
)


def make_plain_app() -> Starlette:
    return plain_app


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [environ["wsgi.input"].read()]


class ASGI2App:
    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await plain_app(self.scope, receive, send)


HOSTILE_NAMES = (
    "../../escaped", "/etc/passwd", "..", ".", "", "a\x00b", "C:\\windows", "\x1b[2J", "x" * 5000,
    ".hidden", "Twice", "twice", "document", "\u202egnp.exe",
)  # fmt: skip


async def names(request: Request) -> Response:
    document: dict[str, Any] = dict.fromkeys(HOSTILE_NAMES, b"\x00")
    document["nested"] = {"../..": [np.arange(3), PNG]}
    return Response(packb(document), media_type=MSGPACK)


async def many(request: Request) -> Response:
    return Response(packb([b"x"] * 1500), media_type=MSGPACK)


async def deep(request: Request) -> Response:
    return Response("[" * 900 + "]" * 900, media_type="application/json")


async def wide(request: Request) -> Response:
    return Response(json.dumps(list(range(1000))), media_type="application/json")


hostile_app = Starlette(
    routes=[Route(f"/{endpoint.__name__}", endpoint) for endpoint in (names, many, deep, wide)]
)

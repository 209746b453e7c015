"""The FastAPI and the Starlette app that hostile input is sent to."""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from fastapi import Body, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from binary_middleware import BinaryMiddleware, NumpyArrayField
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.starlette import NegotiatedResponse, read_body
from tests.hostile.lanes import Excused, add_kinds, kind_routes


def and_a_copy(array: np.ndarray[Any, Any]) -> list[Any]:
    """Return an array, and a copy by numpy, whose padding is whatever memory held before."""
    return [NumpyArrayField(array), NumpyArrayField(array[::2].copy())]


def _make_fastapi() -> FastAPI:
    app = add_kinds(FastAPI())

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/rows")
    async def rows(rows: Annotated[NumpyArrayField, Body(embed=True)]) -> Any:
        return {"rows": and_a_copy(rows.array)}

    @app.post("/length")
    async def length(body: Annotated[Any, Body()]) -> dict[str, int]:
        return {"length": len(str(body))}

    return app


object_lane = _make_fastapi()
add_binary_mode(object_lane)
json_lane = BinaryMiddleware(Excused(_make_fastapi()))


async def fastapi_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the same routes on the object lane, and below ``/behind`` on the JSON lane."""
    path = scope.get("path", "").removeprefix("/behind")
    if path != scope.get("path", ""):
        scope = {**scope, "path": path, "raw_path": path.encode()}
        await json_lane(scope, receive, send)
    else:
        await object_lane(scope, receive, send)


# -- Starlette -------------------------------------------------------------------------------------


async def starlette_health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def echo_json(request: Request) -> Response:
    """Echo on the JSON lane; Python's ``json`` writes NaN as it reads it."""
    text = json.dumps(await request.json(), ensure_ascii=False)
    return Response(text.encode("utf-8", "surrogatepass"), media_type="application/json")


async def text_length(request: Request) -> Response:
    """Return the length of the text that the app sees."""
    return JSONResponse({"length": len(await request.body())})


async def starlette_rows(request: Request) -> Response:
    body = await read_body(request)
    return NegotiatedResponse({"rows": and_a_copy(np.asarray(body["rows"]))})


starlette_app = BinaryMiddleware(
    Starlette(
        routes=[
            Route("/health", starlette_health),
            Route("/echo", echo_json, methods=["POST"]),
            Route("/length", text_length, methods=["POST"]),
            Route("/rows", starlette_rows, methods=["POST"]),
            *kind_routes(),
        ]
    )
)

"""Servers for the client's tests: one in binary mode, and several without."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Annotated, Any

import numpy as np
from fastapi import Body, FastAPI, Header, HTTPException
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.routing import Route

from binary_middleware import BinaryMiddleware, NumpyArrayField
from binary_middleware.fastapi import add_binary_mode

SECRET = "a secret"
ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
LARGE = np.random.default_rng(1).random((512, 1024))
"""4 MiB, many slices."""

DOCUMENT = {"sampleName": "a", "array": ARRAY, "raw": b"\xfe\xff"}
"""A sample."""


class Sample(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")

    name: Annotated[str, Field(alias="sampleName", max_length=20)]
    array: NumpyArrayField
    raw: bytes = b"\xff\x00"
    when: datetime.date = datetime.date(2026, 1, 2)


def add_endpoints(app: FastAPI) -> None:
    """Return the endpoints that exist with and without binary mode."""

    @app.post("/sample")
    async def sample(sample: Sample) -> Sample:
        sample.array.array += 1
        return sample

    @app.put("/sample")
    async def many(samples: list[Sample]) -> list[Sample]:
        return samples

    @app.post("/weighted")
    async def weighted(
        sample: Sample, factor: Annotated[float, Body()], offset: Annotated[float, Body()] = 0.0
    ) -> Sample:
        sample.array.array = sample.array.array * factor + offset
        return sample

    @app.get("/sum")
    async def total(first: int, second: int, x_third: Annotated[int, Header()] = 0) -> int:
        return first + second + x_third

    @app.patch("/number")
    async def number(value: Annotated[int, Body()]) -> int:
        return value

    @app.delete("/nothing", status_code=204)
    async def nothing() -> None:
        return None

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, {"pot": "short and stout"})

    @app.get("/bad-text")
    async def bad_text() -> Response:
        return PlainTextResponse("out of\x1b[31m coffee" + "!" * 5000, 400)

    @app.get("/picture")
    async def picture() -> Response:
        return Response(b"\x89PNG", media_type="image/png")

    @app.get("/not-json")
    async def not_json() -> Response:
        return Response(b"{", media_type="application/json")

    @app.get("/not-msgpack")
    async def not_msgpack() -> Response:
        return Response(b"\xa5abc", media_type="application/msgpack")

    @app.get("/empty")
    async def empty() -> Response:
        return Response(media_type="text/plain")

    @app.post("/refuse")
    async def refuse(request: Request) -> Response:
        await request.body()
        return JSONResponse({"error": "not today"}, 422)


# -- in binary mode --------------------------------------------------------------------------------


async def echo(request: Request) -> Response:
    """Return the document as JSON, NaN included, which the middleware converts."""
    return Response(json.dumps(await request.json()), media_type="application/json")


async def reflect(request: Request) -> Response:
    """Return the headers of the request and the size of its body."""
    body = await request.body()
    fields = {name: value for name, value in request.headers.items() if name != "user-agent"}
    return JSONResponse({"method": request.method, "headers": fields, "size": len(body)})


async def moved(request: Request) -> Response:
    return RedirectResponse("/echo", int(request.query_params["status"]))


async def see_other(request: Request) -> Response:
    return RedirectResponse("/reflect", 303)


async def log_in(request: Request) -> Response:
    response = JSONResponse("welcome")
    response.set_cookie("session", "42")
    return response


async def text_error(request: Request) -> Response:
    """Return an error of the app's own that is not JSON, and so is not converted."""
    return PlainTextResponse("no", 400)


def _md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode()).hexdigest()


async def guarded(request: Request) -> Response:
    """Asks for HTTP digest authentication (RFC 7616), and checks it."""
    sent = request.headers.get("authorization", "")
    scheme, _, rest = sent.partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(",")) if rest else {}
    fields = {name: value.strip('"') for name, value in fields.items()}
    if scheme == "Digest":
        secret = _md5(fields["username"], "guarded", SECRET)
        what = _md5(request.method, fields["uri"])
        expected = _md5(
            secret, fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"], what
        )
        if fields["response"] == expected:
            return JSONResponse({"user": fields["username"], "size": len(await request.body())})
    challenge = 'Digest realm="guarded", nonce="abc", qop="auth", algorithm=MD5'
    return JSONResponse({"detail": "who are you?"}, 401, {"www-authenticate": challenge})


def binary_app() -> FastAPI:
    app = FastAPI()
    add_endpoints(app)
    for path, endpoint in (
        ("/echo", echo),
        ("/reflect", reflect),
        ("/moved", moved),
        ("/see-other", see_other),
        ("/log-in", log_in),
        ("/text-error", text_error),
        ("/guarded", guarded),
    ):
        app.router.routes.append(Route(path, endpoint, methods=["GET", "POST"]))
    add_binary_mode(app)
    return app


def compressing_app() -> Any:
    """Return the same, with gzip around it, which compresses responses and sends them in chunks."""
    return GZipMiddleware(binary_app(), minimum_size=100)


async def _filled(request: Request) -> Response:
    """Return a whole array of some size, after the body was read to its end."""
    async for _ in request.stream():
        pass
    size = int(request.query_params["mib"]) * 2**20
    return JSONResponse({"zeros": size}) if "json" in request.query_params else _zeros(size)


def _zeros(size: int) -> Response:
    from binary_middleware.formats.msgpack import pack_buffers
    from binary_middleware.starlette._response import BuffersResponse

    return BuffersResponse(pack_buffers(np.zeros(size, np.uint8)), "application/msgpack")


large_app = Starlette(routes=[Route("/", _filled, methods=["POST"])])
"""Accepts bodies of any size, and responds with an array of ``mib`` MiB."""


# -- without binary mode ---------------------------------------------------------------------------


def fastapi_app() -> FastAPI:
    """FastAPI as it is: it responds to msgpack with 422."""
    app = FastAPI()
    add_endpoints(app)
    app.state.seen = []

    @app.middleware("http")
    async def note(request: Request, call_next: Any) -> Response:
        app.state.seen.append(request.headers.get("content-type"))
        response: Response = await call_next(request)
        return response

    return app


def strict_app(status: int) -> Starlette:
    """Return an app that refuses all but JSON with a status and plain text."""

    async def endpoint(request: Request) -> Response:
        if request.headers["content-type"] != "application/json":
            return PlainTextResponse("send JSON", status)
        return JSONResponse(json.loads(await request.body()))

    return Starlette(routes=[Route("/", endpoint, methods=["POST"])])


octet_app = BinaryMiddleware(
    Starlette(routes=[Route("/echo", echo, methods=["POST"])]),
    media_types=["application/octet-stream"],
    mode="require",
)
"""Has another name for msgpack, and accepts nothing else."""

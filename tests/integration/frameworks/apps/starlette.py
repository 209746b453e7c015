"""Starlette."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from tests.integration.frameworks.service import (
    PICTURE,
    RELEASE,
    Feed,
    FullyBookedError,
    Uploads,
    checksum,
    invoice,
    normalize,
    reserve,
)

feed = Feed()
uploads = Uploads()


def endpoint(work: Callable[[Any], Any]) -> Callable[[Request], Any]:
    async def respond(request: Request) -> Response:
        try:
            return JSONResponse(work(await request.json()))
        except (KeyError, TypeError, ValueError) as exc:
            raise HTTPException(400, f"{type(exc).__name__}: {exc}") from exc
        except FullyBookedError as exc:
            raise HTTPException(409, str(exc)) from exc

    return respond


async def release(request: Request) -> Response:
    return JSONResponse(RELEASE)


async def latest(request: Request) -> Response:
    return RedirectResponse("/release")


async def crash(request: Request) -> Response:
    raise ZeroDivisionError


async def picture(request: Request) -> Response:
    return FileResponse(PICTURE)


async def listen(request: Request) -> Response:
    return StreamingResponse(feed.events(), media_type="text/event-stream")


async def upload(request: Request) -> Response:
    return JSONResponse(uploads.add(await request.body()))


async def report(request: Request) -> Response:
    return JSONResponse(uploads.report())


app = Starlette(
    routes=[
        Route("/invoice", endpoint(invoice), methods=["POST"]),
        Route("/checksum", endpoint(checksum), methods=["POST"]),
        Route("/normalize", endpoint(normalize), methods=["POST"]),
        Route("/release", release),
        Route("/latest", latest),
        Route("/reserve", endpoint(reserve), methods=["POST"]),
        Route("/crash", crash),
        Route("/picture", picture),
        Route("/events", listen, methods=["GET"]),
        Route("/events", endpoint(lambda r: feed.publish(r["text"])), methods=["POST"]),
        Route("/uploads", upload, methods=["POST"]),
        Route("/uploads", report, methods=["GET"]),
    ]
)

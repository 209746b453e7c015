"""Litestar, with dataclasses."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from litestar import Litestar, Request, get, post
from litestar.exceptions import HTTPException
from litestar.params import JSONBody
from litestar.response import File, Redirect, Stream

from tests.integration.frameworks import service
from tests.integration.frameworks.apps.records import Content, Invoice, Message, Reservation, Signal

feed = service.Feed()
uploads = service.Uploads()


@post("/invoice", status_code=200)
async def invoice(data: JSONBody[Invoice]) -> dict[str, Any]:
    return service.invoice(asdict(data))


@post("/checksum", status_code=200)
async def checksum(data: JSONBody[Content]) -> dict[str, Any]:
    return service.checksum(asdict(data))


@post("/normalize", status_code=200)
async def normalize(data: JSONBody[Signal]) -> dict[str, Any]:
    return service.normalize(asdict(data))


@get("/release")
async def release() -> dict[str, Any]:
    return service.RELEASE


@get("/latest")
async def latest() -> Redirect:
    return Redirect("/release")


@post("/reserve")
async def reserve(data: JSONBody[Reservation]) -> dict[str, Any]:
    try:
        return service.reserve(asdict(data))
    except service.FullyBookedError as exc:
        raise HTTPException(str(exc), status_code=409) from exc


@get("/crash")
async def crash() -> None:
    raise ZeroDivisionError


@get("/picture")
async def picture() -> File:
    return File(service.PICTURE, media_type="image/png", content_disposition_type="inline")


@get("/events")
async def listen() -> Stream:
    return Stream(feed.events(), media_type="text/event-stream")


@post("/events", status_code=200)
async def publish(data: JSONBody[Message]) -> dict[str, int]:
    return feed.publish(data.text)


@post("/uploads", status_code=200)
async def upload(request: Request[Any, Any, Any]) -> dict[str, int]:
    return uploads.add(await request.body())


@get("/uploads")
async def report() -> dict[str, list[int]]:
    return uploads.report()


app = Litestar(
    [
        invoice,
        checksum,
        normalize,
        release,
        latest,
        reserve,
        crash,
        picture,
        listen,
        publish,
        upload,
        report,
    ],
    request_max_body_size=16 * 2**20,  # 10 MB if it is not set
)

"""BlackSheep, with dataclasses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict

from blacksheep import Application, FromJSON, Request, Response, StreamedContent
from blacksheep.exceptions import Conflict
from blacksheep.server.responses import file, json, temporary_redirect

from tests.integration.frameworks import service
from tests.integration.frameworks.apps.records import Content, Invoice, Message, Reservation, Signal

app = Application()
feed = service.Feed()
uploads = service.Uploads()


@app.router.post("/invoice")
async def invoice(data: FromJSON[Invoice]) -> Response:
    return json(service.invoice(asdict(data.value)))


@app.router.post("/checksum")
async def checksum(data: FromJSON[Content]) -> Response:
    return json(service.checksum(asdict(data.value)))


@app.router.post("/normalize")
async def normalize(data: FromJSON[Signal]) -> Response:
    return json(service.normalize(asdict(data.value)))


@app.router.get("/release")
async def release() -> Response:
    return json(service.RELEASE)


@app.router.get("/latest")
async def latest() -> Response:
    return temporary_redirect("/release")


@app.router.post("/reserve")
async def reserve(data: FromJSON[Reservation]) -> Response:
    try:
        return json(service.reserve(asdict(data.value)))
    except service.FullyBookedError as exc:
        raise Conflict(str(exc)) from exc


@app.router.get("/crash")
async def crash() -> Response:
    raise ZeroDivisionError


@app.router.get("/picture")
async def picture() -> Response:
    return file(str(service.PICTURE), "image/png")


@app.router.get("/events")
async def listen() -> Response:
    async def events() -> AsyncIterator[bytes]:
        async for event in feed.events():
            yield event

    return Response(200, content=StreamedContent(b"text/event-stream", events))


@app.router.post("/events")
async def publish(data: FromJSON[Message]) -> Response:
    return json(feed.publish(data.value.text))


@app.router.post("/uploads")
async def upload(request: Request) -> Response:
    return json(uploads.add(await request.read() or b""))


@app.router.get("/uploads")
async def report() -> Response:
    return json(uploads.report())

"""Quart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import Quart, Response, abort, jsonify, redirect, request, send_file

from tests.integration.frameworks import service

app = Quart("laboratory")  # takes 16 MiB, if MAX_CONTENT_LENGTH is not set
feed = service.Feed()
uploads = service.Uploads()


async def worked_out(work: Callable[[Any], Any]) -> Any:
    try:
        return work(await request.get_json())
    except (KeyError, TypeError, ValueError) as exc:
        response = jsonify(error=f"{type(exc).__name__}: {exc}")
        response.status_code = 400
        return response
    except service.FullyBookedError as exc:
        abort(409, str(exc))


@app.post("/invoice")
async def invoice() -> Any:
    return await worked_out(service.invoice)


@app.post("/checksum")
async def checksum() -> Any:
    return await worked_out(service.checksum)


@app.post("/normalize")
async def normalize() -> Any:
    return await worked_out(service.normalize)


@app.get("/release")
async def release() -> Any:
    return service.RELEASE


@app.get("/latest")
async def latest() -> Any:
    return redirect("/release")


@app.post("/reserve")
async def reserve() -> Any:
    return await worked_out(service.reserve)


@app.get("/crash")
async def crash() -> Any:
    raise ZeroDivisionError


@app.get("/picture")
async def picture() -> Any:
    return await send_file(service.PICTURE)


@app.get("/events")
async def listen() -> Any:
    response = Response(feed.events(), content_type="text/event-stream")
    response.timeout = None
    return response


@app.post("/events")
async def publish() -> Any:
    return await worked_out(lambda message: feed.publish(message["text"]))


@app.post("/uploads")
async def upload() -> Any:
    return uploads.add(await request.get_data())


@app.get("/uploads")
async def report() -> Any:
    return uploads.report()

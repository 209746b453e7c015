"""Falcon's ASGI app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon
from falcon.asgi import App, Request, Response

from tests.integration.frameworks import service

feed = service.Feed()
uploads = service.Uploads()


class Work:
    """A resource that responds to a document with another."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    async def on_post(self, request: Request, response: Response) -> None:
        document = await request.get_media()
        try:
            response.media = self._work(document)
        except (KeyError, TypeError, ValueError) as exc:
            raise falcon.HTTPBadRequest(title=type(exc).__name__, description=str(exc)) from exc
        except service.FullyBookedError as exc:
            raise falcon.HTTPConflict(description=str(exc)) from exc


class Release:
    async def on_get(self, request: Request, response: Response) -> None:
        response.media = service.RELEASE


class Latest:
    async def on_get(self, request: Request, response: Response) -> None:
        raise falcon.HTTPTemporaryRedirect("/release")


class Crash:
    async def on_get(self, request: Request, response: Response) -> None:
        raise ZeroDivisionError


class Picture:
    async def on_get(self, request: Request, response: Response) -> None:
        response.content_type = "image/png"
        response.data = service.PICTURE.read_bytes()


class Events(Work):
    async def on_get(self, request: Request, response: Response) -> None:
        response.content_type = "text/event-stream"
        response.stream = feed.events()


class Uploads:
    async def on_post(self, request: Request, response: Response) -> None:
        response.media = uploads.add(await request.stream.readall())

    async def on_get(self, request: Request, response: Response) -> None:
        response.media = uploads.report()


app = App()
app.add_route("/invoice", Work(service.invoice))
app.add_route("/checksum", Work(service.checksum))
app.add_route("/normalize", Work(service.normalize))
app.add_route("/release", Release())
app.add_route("/latest", Latest())
app.add_route("/reserve", Work(service.reserve))
app.add_route("/crash", Crash())
app.add_route("/picture", Picture())
app.add_route("/events", Events(lambda message: feed.publish(message["text"])))
app.add_route("/uploads", Uploads())

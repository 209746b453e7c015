"""django-ninja on Django's ASGI handler, with pydantic schemas that spell out base64."""

from __future__ import annotations

from typing import Any

from django.core.asgi import get_asgi_application
from django.http import FileResponse, HttpRequest, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path

from tests.integration.frameworks import service
from tests.integration.frameworks.apps.django_settings import configure

configure(__name__)

# What follows reads the settings when it is imported.
from ninja import NinjaAPI, Schema  # noqa: E402
from ninja.errors import HttpError  # noqa: E402


class Line(Schema):
    item: str
    price: float
    count: int


class Invoice(Schema):
    customer: str
    paid: str | None
    lines: list[Line]


class Content(Schema):
    name: str
    content: str


class Array(Schema):
    shape: list[int]
    dtype: str
    data_b64: str


class Signal(Schema):
    rate: float
    samples: Array


class Reservation(Schema):
    week: int


class Message(Schema):
    text: str


api = NinjaAPI()
feed = service.Feed()
uploads = service.Uploads()


@api.post("/invoice")
def invoice(request: HttpRequest, invoice: Invoice) -> dict[str, Any]:
    return service.invoice(invoice.dict())


@api.post("/checksum")
def checksum(request: HttpRequest, content: Content) -> dict[str, Any]:
    return service.checksum(content.dict())


@api.post("/normalize")
async def normalize(request: HttpRequest, signal: Signal) -> dict[str, Any]:
    return service.normalize(signal.dict())


@api.get("/release")
def release(request: HttpRequest) -> dict[str, Any]:
    return service.RELEASE


@api.get("/latest")
def latest(request: HttpRequest) -> Any:
    return HttpResponseRedirect("/release")


@api.post("/reserve")
def reserve(request: HttpRequest, reservation: Reservation) -> dict[str, Any]:
    try:
        return service.reserve(reservation.dict())
    except service.FullyBookedError as exc:
        raise HttpError(409, str(exc)) from exc


@api.get("/crash")
def crash(request: HttpRequest) -> None:
    raise ZeroDivisionError


@api.get("/picture")
def picture(request: HttpRequest) -> Any:
    return FileResponse(service.PICTURE.open("rb"))


@api.get("/events")
async def listen(request: HttpRequest) -> Any:
    return StreamingHttpResponse(feed.events(), content_type="text/event-stream")


@api.post("/events")
async def publish(request: HttpRequest, message: Message) -> dict[str, int]:
    return feed.publish(message.text)


@api.post("/uploads")
def upload(request: HttpRequest) -> dict[str, int]:
    return uploads.add(request.body)


@api.get("/uploads")
def report(request: HttpRequest) -> dict[str, list[int]]:
    return uploads.report()


urlpatterns = [path("", api.urls)]

app = get_asgi_application()

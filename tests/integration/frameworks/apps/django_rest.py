"""Django REST framework on Django's ASGI handler."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.core.asgi import get_asgi_application
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.integration.frameworks import service
from tests.integration.frameworks.apps.django_settings import configure

configure(__name__, "rest_framework")

# What follows reads the settings when it is imported.
from rest_framework import serializers, status  # noqa: E402
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.exceptions import APIException  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402

feed = service.Feed()
uploads = service.Uploads()


class Line(serializers.Serializer[Any]):
    item = serializers.CharField()
    price = serializers.FloatField()
    count = serializers.IntegerField()


class Invoice(serializers.Serializer[Any]):
    customer = serializers.CharField()
    paid = serializers.DateField(allow_null=True)
    lines = Line(many=True)


class Content(serializers.Serializer[Any]):
    name = serializers.CharField()
    content = serializers.CharField()


class Array(serializers.Serializer[Any]):
    shape = serializers.ListField(child=serializers.IntegerField(min_value=0))
    dtype = serializers.CharField()
    data_b64 = serializers.CharField()


class Signal(serializers.Serializer[Any]):
    rate = serializers.FloatField()
    samples = Array()


class Reservation(serializers.Serializer[Any]):
    week = serializers.IntegerField(min_value=1, max_value=53)


class FullyBooked(APIException):
    status_code = status.HTTP_409_CONFLICT


def view(
    work: Callable[[Any], Any], serializer_class: type[serializers.Serializer[Any]]
) -> Callable[[HttpRequest], HttpResponse]:
    @api_view(["POST"])
    def respond(request: Request) -> Response:
        serializer = serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            return Response(work(serializer.validated_data))
        except service.FullyBookedError as exc:
            raise FullyBooked(str(exc)) from exc

    return respond


@api_view(["GET"])
def release(request: Request) -> Response:
    return Response(service.RELEASE)


@api_view(["GET"])
def latest(request: Request) -> HttpResponse:
    return HttpResponseRedirect("/release")


@api_view(["GET"])
def crash(request: Request) -> Response:
    raise ZeroDivisionError


@api_view(["GET"])
def picture(request: Request) -> HttpResponseBase:
    return FileResponse(service.PICTURE.open("rb"))


@api_view(["GET", "POST"])
def upload(request: Request) -> Response:
    if request.method == "POST":
        return Response(uploads.add(request.body))
    return Response(uploads.report())


@csrf_exempt
async def events(request: HttpRequest) -> HttpResponseBase:
    """Respond as a view of Django: those of the framework are not asynchronous."""
    if request.method == "POST":
        return JsonResponse(feed.publish(json.loads(request.body)["text"]))
    return StreamingHttpResponse(feed.events(), content_type="text/event-stream")


urlpatterns = [
    path("invoice", view(service.invoice, Invoice)),
    path("checksum", view(service.checksum, Content)),
    path("normalize", view(service.normalize, Signal)),
    path("release", release),
    path("latest", latest),
    path("reserve", view(service.reserve, Reservation)),
    path("crash", crash),
    path("picture", picture),
    path("events", events),
    path("uploads", upload),
]

app = get_asgi_application()

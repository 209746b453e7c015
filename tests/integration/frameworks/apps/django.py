"""Django: its ASGI handler and plain views."""

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
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tests.integration.frameworks import service
from tests.integration.frameworks.apps.django_settings import configure

feed = service.Feed()
uploads = service.Uploads()


def view(work: Callable[[Any], Any]) -> Callable[[HttpRequest], HttpResponse]:
    @require_POST
    def respond(request: HttpRequest) -> HttpResponse:
        body = request.body
        try:
            return JsonResponse(work(json.loads(body)))
        except (KeyError, TypeError, ValueError) as exc:
            return JsonResponse({"error": f"{type(exc).__name__}: {exc}"}, status=400)
        except service.FullyBookedError as exc:
            return HttpResponse(str(exc), status=409)

    return respond


@require_GET
def release(request: HttpRequest) -> HttpResponse:
    return JsonResponse(service.RELEASE)


@require_GET
def latest(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/release")


@require_GET
def crash(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


@require_GET
def picture(request: HttpRequest) -> HttpResponseBase:
    return FileResponse(service.PICTURE.open("rb"))


@require_http_methods(["GET", "POST"])
async def events(request: HttpRequest) -> HttpResponseBase:
    if request.method == "POST":
        return JsonResponse(feed.publish(json.loads(request.body)["text"]))
    return StreamingHttpResponse(feed.events(), content_type="text/event-stream")


@require_http_methods(["GET", "POST"])
async def upload(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return JsonResponse(uploads.add(request.body))
    return JsonResponse(uploads.report())


urlpatterns = [
    path("invoice", view(service.invoice)),
    path("checksum", view(service.checksum)),
    path("normalize", view(service.normalize)),
    path("release", release),
    path("latest", latest),
    path("reserve", view(service.reserve)),
    path("crash", crash),
    path("picture", picture),
    path("events", events),
    path("uploads", upload),
]

configure(__name__)
app = get_asgi_application()

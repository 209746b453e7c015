"""The page in the browser: its files, and the photographs that it offers."""

import os
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

PAGE = Path(__file__).parent / "page"

Photograph = Literal["china", "flower"]

# Pictures and sounds that the page makes or receives are blobs; the empty icon is a data URL.
# The policy is for the page alone: /docs and /redoc load their scripts and styles from a CDN and
# start them inline, which it would forbid.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "media-src": "blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(map(" ".join, POLICY.items())),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class PageFiles(StaticFiles):
    """Static files with the headers of the page."""

    def file_response(self, full_path: Any, stat_result: os.stat_result, *args: Any) -> Response:
        """Return a file, or 304 where the client has it."""
        response = super().file_response(full_path, stat_result, *args)
        response.headers.update(HEADERS)
        return response


def mount(app: FastAPI) -> None:
    """Serve the page at ``/`` and its files below ``/page``."""

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers=HEADERS)

    @app.get("/page/photographs/{name}.jpg", include_in_schema=False)
    def photograph(name: Photograph) -> FileResponse:
        path = str(resources.files("sklearn.datasets.images") / f"{name}.jpg")
        return FileResponse(path, headers=HEADERS)

    app.mount("/page", PageFiles(directory=PAGE))

"""The page in the browser: its files, and the photographs that it offers."""

from importlib import resources
from pathlib import Path
from typing import Literal

from fastapi import FastAPI
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

PAGE = Path(__file__).parent / "page"

Photograph = Literal["china", "flower"]


def mount(app: FastAPI) -> None:
    """Serve the page at ``/`` and its files below ``/page``."""

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/page/photographs/{name}.jpg", include_in_schema=False)
    def photograph(name: Photograph) -> FileResponse:
        return FileResponse(str(resources.files("sklearn.datasets.images") / f"{name}.jpg"))

    app.mount("/page", StaticFiles(directory=PAGE))

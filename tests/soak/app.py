"""The app that is soaked: it responds with the request, so that every response can be checked."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from binary_middleware import NumpyArrayField, binary_options
from binary_middleware.fastapi import add_binary_mode

MAX_BODY: Final = 12 * 1024 * 1024
MAX_STRUCTURE: Final = 256 * 1024
SMALL_BODY: Final = 64 * 1024
"""Limits in bytes; the last one holds for ``/small`` alone."""


class Document(BaseModel):
    """What is sent and comes back."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    name: str
    values: list[float]
    samples: NumpyArrayField
    cover: bytes


app = FastAPI()
add_binary_mode(app, max_body_size=MAX_BODY, max_structure_size=MAX_STRUCTURE)


@app.post("/echo")
async def echo(document: Document) -> Document:
    return document


@app.post("/threaded")
def threaded(document: Document) -> Document:
    return document


@app.post("/small")
@binary_options(max_body_size=SMALL_BODY)
async def small(document: Document) -> Document:
    return document

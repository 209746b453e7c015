"""FastAPI, with pydantic models that have real bytes and arrays; the other routes as before."""

from __future__ import annotations

import hashlib

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from binary_middleware import NumpyArrayField
from tests.integration.frameworks import service
from tests.integration.frameworks.apps.fastapi import router


class Content(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")

    name: str
    content: bytes


class Checksum(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64")

    name: str
    size: int
    sha256: str
    reversed: bytes


class Signal(BaseModel):
    rate: float
    samples: NumpyArrayField


class Normalized(Signal):
    peak: float


app = FastAPI()
app.include_router(router)


@app.post("/checksum")
async def checksum(content: Content) -> Checksum:
    data = content.content
    digest = hashlib.sha256(data).hexdigest()
    return Checksum(name=content.name, size=len(data), sha256=digest, reversed=data[::-1])


@app.post("/normalize")
async def normalize(signal: Signal) -> Normalized:
    peak, samples = service.scaled_to_one(signal.samples.array)
    return Normalized(rate=signal.rate, peak=peak, samples=NumpyArrayField(samples))

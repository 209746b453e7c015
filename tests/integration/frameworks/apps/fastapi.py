"""FastAPI, with pydantic models that spell out base64."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel

from tests.integration.frameworks import service


class Line(BaseModel):
    item: str
    price: float
    count: int


class Invoice(BaseModel):
    customer: str
    paid: str | None
    lines: list[Line]


class Total(Invoice):
    total: float


class Content(BaseModel):
    name: str
    content: str


class Array(BaseModel):
    shape: list[int]
    dtype: str
    data_b64: str


class Signal(BaseModel):
    rate: float
    samples: Array


class Normalized(Signal):
    peak: float


class Reservation(BaseModel):
    week: int


class Message(BaseModel):
    text: str


router = APIRouter()
feed = service.Feed()
uploads = service.Uploads()


@router.post("/invoice")
async def invoice(invoice: Invoice) -> Total:
    return Total.model_validate(service.invoice(invoice.model_dump()))


@router.get("/release")
async def release() -> dict[str, Any]:
    return service.RELEASE


@router.get("/latest")
async def latest() -> RedirectResponse:
    return RedirectResponse("/release")


@router.post("/reserve")
async def reserve(reservation: Reservation) -> dict[str, Any]:
    try:
        return service.reserve(reservation.model_dump())
    except service.FullyBookedError as exc:
        raise HTTPException(409, str(exc)) from exc


@router.get("/crash")
async def crash() -> None:
    raise ZeroDivisionError


@router.get("/picture")
async def picture() -> FileResponse:
    return FileResponse(service.PICTURE)


@router.get("/events")
async def listen() -> StreamingResponse:
    return StreamingResponse(feed.events(), media_type="text/event-stream")


@router.post("/events")
async def publish(message: Message) -> dict[str, int]:
    return feed.publish(message.text)


@router.post("/uploads")
async def upload(request: Request) -> dict[str, int]:
    return uploads.add(await request.body())


@router.get("/uploads")
async def report() -> dict[str, list[int]]:
    return uploads.report()


app = FastAPI()
app.include_router(router)


@app.post("/checksum")
async def checksum(content: Content) -> dict[str, Any]:
    return service.checksum(content.model_dump())


@app.post("/normalize")
async def normalize(signal: Signal) -> Normalized:
    return Normalized.model_validate(service.normalize(signal.model_dump()))

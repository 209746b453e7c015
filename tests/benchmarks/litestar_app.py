"""Litestar with its own msgpack, in its own manner: msgspec structs."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
import numpy as np
from litestar import Litestar, MediaType, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from starlette.types import ASGIApp

from tests.benchmarks.documents import LARGEST_BODY


class ArrayMap(msgspec.Struct):
    """An array as a map of plain values."""

    shape: list[int]
    dtype: str
    data: bytes

    def array(self) -> np.ndarray[Any, Any]:
        """Return a view of the data."""
        return np.frombuffer(self.data, self.dtype).reshape(self.shape)

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> ArrayMap:
        """Return the map of an array, without a copy: msgspec writes any buffer."""
        return cls(list(array.shape), str(array.dtype), array.data.cast("B"))  # type: ignore[arg-type]


class Signal(msgspec.Struct):
    """The array document."""

    name: str
    rate: float
    gain: float
    channel: int
    window: str
    calibrated: bool
    samples: ArrayMap


class Limits(msgspec.Struct):
    """A part of a :class:`Run`."""

    low: float
    high: float
    alarm: float


class Run(msgspec.Struct):
    """The small document."""

    id: str
    name: str
    operator: str
    station: str
    created: str
    finished: str
    attempt: int
    samples: int
    dropped: int
    rate: float
    gain: float
    temperature: float
    humidity: float
    calibrated: bool
    archived: bool
    comment: str
    tags: list[str]
    weights: list[float]
    limits: Limits
    previous: str | None


SignalBody = Annotated[Signal, Body(media_type=RequestEncodingType.MESSAGEPACK)]
RunBody = Annotated[Run, Body(media_type=RequestEncodingType.MESSAGEPACK)]


@post("/array", media_type=MediaType.MESSAGEPACK, status_code=200)
async def echo_signal(data: SignalBody) -> Signal:
    """Return the array document; the array is looked at, as in the other variants."""
    data.samples = ArrayMap.of(data.samples.array())
    return data


@post("/distinct", media_type=MediaType.MESSAGEPACK, status_code=200)
async def copy_signal(data: SignalBody) -> Signal:
    """Return the array document, its response with an array of its own."""
    return msgspec.structs.replace(data, samples=ArrayMap.of(data.samples.array().copy()))


@post("/document", media_type=MediaType.MESSAGEPACK, status_code=200)
async def echo_run(data: RunBody) -> Run:
    """Return the small document."""
    return data


@get("/ping", media_type=MediaType.TEXT)
async def ping() -> str:
    """Respond to the small requests that are sent while large bodies flow."""
    return "pong"


def litestar() -> ASGIApp:
    """Return the app."""
    app = Litestar(
        [echo_signal, copy_signal, echo_run, ping],
        request_max_body_size=LARGEST_BODY,
        openapi_config=None,
    )
    return cast(ASGIApp, app)

"""Uses of services and of the client that type checkers accept, each with the type that it has."""

from __future__ import annotations

import abc
from contextlib import nullcontext
from typing import Any, Protocol, TypedDict, assert_type

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from pydantic import BaseModel

from binary_middleware import NumpyArrayField
from binary_middleware.client import AsyncBinaryClient, BinaryClient
from binary_middleware.remote import Retries, connect, idempotent, serve, with_options


class Gradient(BaseModel):
    magnitude: NumpyArrayField


class Images(Protocol):
    @idempotent
    async def gradient(self, image: NumpyArrayField, *, sigma: float = 1.0) -> Gradient: ...

    def versions(self) -> list[str]: ...


class Derived(Images):
    async def gradient(self, image: NumpyArrayField, *, sigma: float = 1.0) -> Gradient:
        return Gradient(magnitude=image)

    def versions(self) -> list[str]:
        return ["1.0"]


class Similar:
    async def gradient(self, image: NumpyArrayField, *, sigma: float = 1.0) -> Gradient:
        return Gradient(magnitude=image)

    def versions(self) -> list[str]:
        return ["1.0"]


class Abstract(abc.ABC):
    @abc.abstractmethod
    def connect(self) -> int: ...


class Concrete:
    def __init__(self, number: int) -> None: ...

    def serve(self) -> int:
        return 1


serve(FastAPI(), Images, Derived(), prefix="/images")
serve(FastAPI(), Images, Similar())
serve(FastAPI(), Concrete, Concrete(1))


async def awaited(image: NumpyArrayField) -> None:
    async with connect(Images, "http://images", timeout=5) as images:
        assert_type(images, Images)
        assert_type(await images.gradient(image, sigma=2), Gradient)
        patient = with_options(images, retries=Retries(attempts=5))
        assert_type(await patient.gradient(image), Gradient)
    async with AsyncBinaryClient("http://images") as client:
        assert_type(await client.post("/", image, list[Gradient]), list[Gradient])


def blocking() -> None:
    with connect(Images, "http://images") as images, nullcontext(Derived()) as here:
        assert_type(images.versions(), list[str])
        either: Images = here
        assert_type(either.versions(), list[str])
    assert_type(connect(Images, "http://images", concurrency_limit=3).stub, Images)
    with connect(Abstract, "http://abstract") as abstract:
        assert_type(abstract.connect(), int)
    with connect(Concrete, "http://concrete") as concrete:
        assert_type(concrete.serve(), int)


class Count(TypedDict):
    count: int


def typed_results(client: BinaryClient) -> None:
    assert_type(client.post("/", {}, Gradient), Gradient)
    assert_type(client.post("/", {}, Count), Count)
    assert_type(client.get("/", NDArray[np.float32]), NDArray[np.float32])
    assert_type(client.call("/", dict[str, int], url=1, returns=2), dict[str, int])
    assert_type(client.send("GET", "/", returns=Gradient).value, Gradient)
    assert_type(client.get("/"), Any)
    client.get("/", int | None)


BinaryClient("http://images", fallback="json", arrays="map", http2=True)

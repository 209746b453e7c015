"""A contract that the tests of several modules share, and its implementation."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import BaseModel, Field

from binary_middleware import NumpyArrayField
from binary_middleware.remote import Retries

ARRAY = NumpyArrayField(np.arange(6, dtype="float32").reshape(2, 3))
NOT_TEXT = b"\xff\x00\xfe"
QUICK = Retries(wait_initial=0.001, wait_max=0.002, wait_jitter=0.001)


class Gradient(BaseModel):
    magnitude: NumpyArrayField
    largest: float


class Images(Protocol):
    """Images."""

    def gradient(self, image: NumpyArrayField, *, sigma: float = 1.0) -> Gradient:
        """Return the gradient of an image."""
        ...

    async def scaled(
        self, image: NumpyArrayField, by: Annotated[float, Field(gt=0)]
    ) -> dict[str, Any]: ...

    def bytes_of(self, data: bytes) -> list[int]: ...

    def nothing(self) -> None: ...

    async def one_model(self, gradient: Gradient) -> float: ...


class ImagesHere(Images):
    async def gradient(self, image: NumpyArrayField, *, sigma: float = 1.0) -> Gradient:
        magnitude = image.array * sigma
        return Gradient(magnitude=magnitude, largest=float(magnitude.max()))

    async def scaled(self, image: NumpyArrayField, by: float) -> dict[str, Any]:
        return {"image": image.array * by, "raw": NOT_TEXT}

    def bytes_of(self, data: bytes) -> list[int]:
        return list(data)

    def nothing(self) -> None:
        return None

    def one_model(self, gradient: Gradient) -> float:
        return gradient.largest

"""The gradient of a picture as a service of its own: ``uvicorn example_app.gradients:app``.

The app computes gradients itself unless ``GRADIENTS_URL`` in its environment says where this
service is; then it calls that. Both ends share the declaration.
"""

import os
from functools import cache
from typing import Annotated, Protocol

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray

from binary_middleware.arrays import ArraySpec
from binary_middleware.remote import Service, idempotent

from . import images

GREY_LEVELS = Annotated[NDArray[np.float32], ArraySpec("height", "width")]


class Gradients(Service, Protocol):
    """How steeply pictures change."""

    @idempotent
    def magnitude(self, luminance: GREY_LEVELS, sigma: float) -> GREY_LEVELS:
        """See ``images.gradient_magnitude``."""
        ...


class GradientsHere(Gradients):
    """Computes in this process."""

    def magnitude(self, luminance: GREY_LEVELS, sigma: float) -> GREY_LEVELS:
        """See ``images.gradient_magnitude``."""
        return images.gradient_magnitude(luminance, sigma)


@cache
def gradients() -> Gradients:
    """Whoever computes gradients for this process, by its environment."""
    url = os.environ.get("GRADIENTS_URL")
    return Gradients.connect(url) if url else GradientsHere()


app = FastAPI(title="Gradients")
Gradients.serve(app, GradientsHere())


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the service is up."""
    return {"status": "ok"}

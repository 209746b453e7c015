"""The gradient of a picture as a service of its own: ``uvicorn example_app.gradients:app``.

The app computes gradients itself unless ``GRADIENTS_URL`` in its environment is the URL of this
service; then it calls that. Both ends share the contract.
"""

import os
from functools import cache
from typing import Annotated, Protocol

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray

from binary_middleware.arrays import ArraySpec
from binary_middleware.remote import Connection, connect, idempotent, serve

from . import images

GREY_LEVELS = Annotated[NDArray[np.float32], ArraySpec("height", "width")]


class Gradients(Protocol):
    """The steepness of pictures."""

    @idempotent
    def magnitude(self, luminance: GREY_LEVELS, sigma: float) -> GREY_LEVELS:
        """See ``images.gradient_magnitude``."""
        ...


class GradientsHere(Gradients):
    """The implementation, in this process."""

    def magnitude(self, luminance: GREY_LEVELS, sigma: float) -> GREY_LEVELS:
        """See ``images.gradient_magnitude``."""
        return images.gradient_magnitude(luminance, sigma)


@cache
def connection_to(url: str) -> Connection[Gradients]:
    """Return the connections to the service at a URL."""
    return connect(Gradients, url)


def gradients() -> Gradients:
    """Return the service at ``GRADIENTS_URL``, otherwise the implementation in this process."""
    url = os.environ.get("GRADIENTS_URL")
    return connection_to(url).stub if url else GradientsHere()


app = FastAPI(title="Gradients")
serve(app, Gradients, GradientsHere())


@app.get("/health")
async def health() -> dict[str, str]:
    """Report that the service is up."""
    return {"status": "ok"}

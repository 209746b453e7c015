"""The service: typed models and thin endpoints."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import FastAPI, HTTPException
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from binary_middleware.arrays import ArrayModel, ArraySpec, Dim
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.fields import BinaryBytes

from . import digits, images, sounds, website
from .gradients import gradients


class Health(BaseModel):
    """State of the service."""

    status: Literal["ok"] = "ok"


class DigitImages(BaseModel):
    """A batch of handwritten digits."""

    images: Annotated[
        NDArray[np.integer[Any] | np.floating[Any]],
        ArraySpec(
            Dim("n", ge=1, le=digits.MAX_BATCH),
            *digits.IMAGE_SHAPE,
            ge=0,
            le=digits.MAX_INTENSITY,
            accept_lists=True,
        ),
        Field(description="Pixel intensities from 0 (paper) to 16 (ink), shape (n, 8, 8)."),
    ]


class DigitLabels(BaseModel):
    """The digits that the classifier sees in a batch of n images."""

    digits: Annotated[list[int], Field(description="Most likely digit of each image, n long.")]
    probabilities: Annotated[
        NDArray[np.float32],
        ArraySpec("n", digits.CLASSES),
        Field(description="Probability of each digit for each image, float32, shape (n, 10)."),
    ]


class Photograph(BaseModel):
    """A photograph, and the smoothing to apply."""

    image: Annotated[BinaryBytes, Field(description="Contents of a JPEG or PNG file.")]
    sigma: Annotated[
        float,
        Field(
            ge=0,
            le=images.MAX_SIGMA,
            description="Standard deviation of the smoothing before the edge filter, in pixels.",
        ),
    ] = 1.0


class Edges(BaseModel):
    """The edges of a photograph."""

    edges_png: Annotated[BinaryBytes, Field(description="Contents of a greyscale PNG file.")]
    gradient: Annotated[
        NDArray[np.float32],
        ArraySpec("height", "width"),
        Field(description="Grey levels (0 to 255) per pixel, float32, shape (height, width)."),
    ]


class Sound(BaseModel):
    """A sound and how finely to look at it."""

    wav: Annotated[BinaryBytes, Field(description="Contents of a WAV file of integer samples.")]
    window: Annotated[
        int,
        Field(
            ge=sounds.MIN_WINDOW,
            le=sounds.MAX_WINDOW,
            multiple_of=2,
            description="Frames in each window; windows overlap by half.",
        ),
    ] = 1024


class SoundSpectrogram(ArrayModel):
    """The strength of each frequency in each window of a sound."""

    rate: Annotated[int, Field(description="Frames per second.")]
    times: Annotated[
        NDArray[np.float64],
        ArraySpec("n"),
        Field(description="Middle of each of the n windows in seconds, float64, shape (n,)."),
    ]
    frequencies: Annotated[
        NDArray[np.float64],
        ArraySpec("m"),
        Field(description="The m frequencies in hertz, float64, shape (m,)."),
    ]
    amplitudes: Annotated[
        NDArray[np.float32],
        ArraySpec("m", "n"),
        Field(description="1 for a sine of full scale, float32, shape (m, n)."),
    ]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Train the classifier before the first request, so that no caller waits for it."""
    digits.trained_classifier()
    yield


app = FastAPI(title="Digits, edges and sounds", lifespan=lifespan)
add_binary_mode(app)


@app.get("/health")
async def health() -> Health:
    """Say that the service is up."""
    return Health()


# The endpoints below compute; as plain functions they run in the thread pool and leave the
# event loop free.


@app.post("/digits/classify")
def classify_digits(batch: DigitImages) -> DigitLabels:
    """Classify a batch of handwritten digits."""
    probabilities = digits.class_probabilities(batch.images)
    return DigitLabels(digits=probabilities.argmax(axis=1).tolist(), probabilities=probabilities)


@app.post("/images/edges")
def find_edges(photograph: Photograph) -> Edges:
    """Find the edges in a photograph."""
    try:
        luminance = images.read_luminance(photograph.image)
    except images.UnreadableImageError as error:
        raise HTTPException(422, str(error)) from error
    gradient = gradients().magnitude(luminance, photograph.sigma)
    return Edges(edges_png=images.edge_picture(gradient), gradient=gradient)


@app.post("/spectrogram")
def make_spectrogram(sound: Sound) -> SoundSpectrogram:
    """Find out which frequencies a sound has, and when."""
    try:
        recording = sounds.read_wav(sound.wav)
        result = sounds.spectrogram(recording, sound.window)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    return SoundSpectrogram(
        rate=recording.rate,
        times=result.times,
        frequencies=result.frequencies,
        amplitudes=result.amplitudes,
    )


website.mount(app)

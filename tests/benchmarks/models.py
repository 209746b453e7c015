"""The documents as pydantic models, for the variants that validate."""

from __future__ import annotations

from pydantic import BaseModel

from binary_middleware import NumpyArrayField


class Parameters(BaseModel):
    """What comes with the array."""

    name: str
    rate: float
    gain: float
    channel: int
    window: str
    calibrated: bool


class Signal(Parameters):
    """The array document. In JSON its array is ``{shape, dtype, data_b64}``."""

    samples: NumpyArrayField


class ListedSignal(Parameters):
    """The same with the array as a list of numbers."""

    samples: list[float]


class Limits(BaseModel):
    """A part of a :class:`Run`."""

    low: float
    high: float
    alarm: float


class Run(BaseModel):
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

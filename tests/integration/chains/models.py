"""A model as a user of Chains writes it, and what Chains generates around it."""

from __future__ import annotations

import datetime
import decimal
import uuid

import pydantic
from truss_chains import pydantic_numpy


class Measurement(pydantic.BaseModel):
    """One value of each kind that Chains carries in binary mode."""

    model_config = pydantic.ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    name: str
    samples: pydantic_numpy.NumpyArrayField
    raw: bytes
    taken: datetime.datetime
    local: datetime.datetime
    day: datetime.date
    at: datetime.time
    took: datetime.timedelta
    price: decimal.Decimal
    id: uuid.UUID


class RunRemoteInput(pydantic.BaseModel):
    """The arguments of a chainlet, as the stubs have them that Chains generates."""

    measurement: Measurement
    times: int


class RunRemoteOutput(pydantic.RootModel[tuple[Measurement, int]]):
    """The results of a chainlet in such a stub."""

"""Type adapters of annotated arrays, and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import TypeAdapter

from binary_middleware.arrays import ArraySpec
from tests.array_likes import error_of

POINT = np.dtype([("x", "<f4"), ("id", "<i8")])
MISMATCH = "Input should be an array of the declared "


def adapter(spec: ArraySpec, kind: Any = np.ndarray) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[kind, spec])


def refusal(spec: ArraySpec, value: Any, kind: Any = np.ndarray) -> Mapping[str, Any]:
    return error_of(lambda: adapter(spec, kind).validate_python(value))

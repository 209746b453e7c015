"""Typed arrays that type checkers take; ``tests/integration/test_type_checkers.py`` asks them.

Every value is the array itself, to mypy and to pyright.
"""

from typing import Annotated, Any, assert_type

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from pydantic import BaseModel

from binary_middleware.arrays import (
    ArrayModel,
    ArraySpec,
    Dim,
    Float32Array,
    UInt8Array,
)
from binary_middleware.arrays.jaxtyping import JaxtypingSpec
from binary_middleware.arrays.pandas import Columns, SeriesSpec
from binary_middleware.arrays.torch import TorchSpec
from binary_middleware.fields import BinaryBytes

Vectors = Float32[np.ndarray, "n 3"]
Image = Annotated[NDArray[np.uint8], ArraySpec("height", "width", 3)]


class Batch(ArrayModel):
    images: Annotated[NDArray[np.uint8], ArraySpec("batch", None, Dim("w", le=4), ..., order="C")]
    weights: Annotated[Float32Array, ArraySpec("batch", casting="safe", finite=True, ge=0, le=1.5)]
    frames: list[Image]
    either: Image | None = None
    any_float: Annotated[NDArray[np.floating[Any]], ArraySpec(shape=(), copy=False)]
    fixed: Annotated[
        np.ndarray[tuple[int, int], np.dtype[np.int8]], ArraySpec(2, 2, accept_lists=True)
    ]
    png: BinaryBytes = b""


class OfOthers(BaseModel):
    tensor: Annotated[torch.Tensor, TorchSpec("n", dtype=torch.float32)]
    series: Annotated[pd.Series, SeriesSpec("n")]
    frame: Annotated[pd.DataFrame, Columns({"a": SeriesSpec()})]
    typed: Annotated[Vectors, JaxtypingSpec()]


def values(batch: Batch, others: OfOthers) -> None:
    assert_type(batch.images, NDArray[np.uint8])
    assert_type(batch.weights, NDArray[np.float32])
    assert_type(batch.frames, list[NDArray[np.uint8]])
    assert_type(batch.either, NDArray[np.uint8] | None)
    assert_type(batch.fixed, np.ndarray[tuple[int, int], np.dtype[np.int8]])
    assert_type(batch.png, bytes)
    assert_type(others.typed, np.ndarray)
    assert_type(others.tensor, torch.Tensor)
    assert_type(others.tensor.shape, torch.Size)


def brighten(image: Image, by: Float32Array) -> UInt8Array:
    return (image * by).astype(np.uint8)


def construct(image: NDArray[np.uint8], weights: NDArray[np.float32]) -> Batch:
    brightened = brighten(image, weights)
    assert_type(brightened, NDArray[np.uint8])
    batch = Batch(
        images=image[None],
        weights=np.ones(1, np.float32),
        frames=[image, brightened],
        any_float=weights,
        fixed=np.zeros((2, 2), np.int8),
        png=b"",
    )
    batch.images += 1
    batch.weights = weights
    return batch

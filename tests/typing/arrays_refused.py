"""Uses of typed arrays that type checkers refuse, each in a line that says so.

``tests/integration/test_type_checkers.py`` asks them: there must be an error in each of these
lines, and in no other.
"""

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel

from binary_middleware.arrays import (
    ArrayModel,
    ArraySpec,
    Dim,
    Float32Array,
    Int64Array,
)
from binary_middleware.arrays.torch import TorchSpec
from binary_middleware.fields import BinaryBytes

Image = Annotated[NDArray[np.uint8], ArraySpec("height", "width", 3)]


class Item(ArrayModel):
    image: Image
    labels: Int64Array
    png: BinaryBytes = b""


class OfTorch(BaseModel):
    tensor: Annotated[torch.Tensor, TorchSpec("n")]


def use(item: Item, other: OfTorch, text: NDArray[np.str_]) -> Float32Array:
    print(item.image.array)  # refused: it is the array, and has no wrapper
    item.image = [[1, 2], [3, 4]]  # refused: lists are for those who send JSON
    item.image = text  # refused
    item.labels.encode()  # refused
    print(item.png.array)  # refused
    print(other.tensor.flags)  # refused
    labels: NDArray[np.str_] = item.labels  # refused
    print(labels)
    return text  # refused


ArraySpec("n", casting="unsafe")  # refused
ArraySpec("n", order="A")  # refused
ArraySpec("n", minimum=1)  # refused
ArraySpec(1.5)  # refused
Dim("n", 1, 2)  # refused

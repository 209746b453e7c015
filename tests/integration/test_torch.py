"""torch tensors on the CPU: encoded as the arrays they are, and back without a copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import BaseModel

from binary_middleware import EncodeError, NumpyArrayField, packb, unpackb
from binary_middleware.formats.msgpack import pack_buffers

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.complex64,
]


class Item(BaseModel):
    x: NumpyArrayField


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensor_is_packed_as_its_array(dtype: torch.dtype) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(dtype)
    assert packb({"x": tensor}) == packb({"x": tensor.numpy()})
    assert packb({"x": tensor.T}) == packb({"x": tensor.numpy().T.copy()})
    assert np.array_equal(Item(x=tensor).x.array, tensor.numpy())


def test_large_tensor_is_not_copied() -> None:
    tensor = torch.zeros(100_000)
    view = pack_buffers({"x": tensor})[1]
    tensor[0] = 1.0
    assert np.frombuffer(view, "float32")[0] == 1.0


def test_received_array_becomes_a_tensor_without_a_copy() -> None:
    array = unpackb(packb({"x": np.arange(6.0)}))["x"]
    tensor = torch.from_numpy(array)
    tensor[0] = 7.0
    assert array[0] == 7.0


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.bfloat16)],
    ids=["requires_grad", "bfloat16"],
)
def test_what_numpy_cannot_read_is_refused(tensor: torch.Tensor) -> None:
    with pytest.raises(EncodeError, match="a Tensor cannot be read as a numpy array"):
        packb({"x": tensor})
    with pytest.raises(ValueError, match="a Tensor cannot be read as a numpy array"):
        Item(x=tensor)

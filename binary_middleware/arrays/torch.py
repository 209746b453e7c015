"""PyTorch tensors as fields of models.

::

    class Features(BaseModel):
        tokens: Annotated[torch.Tensor, TorchSpec("batch", None, dtype=torch.int64)]
        weights: Annotated[torch.Tensor, TorchSpec("batch", dtype=torch.float32, finite=True)]

The value of the field is the tensor. It shares the memory of the received array, and is written
from its own memory, unless it is on another device: move it first, with ``.cpu()``.
``model_dump()`` returns a numpy array in the memory of the tensor, without its gradient.
"""

from __future__ import annotations

from typing import Any, ClassVar, get_origin

import numpy as np
from typing_extensions import override

from binary_middleware.arrays._dims import Size
from binary_middleware.arrays._spec import ArraySpec
from binary_middleware.fields import is_extension, parse_dtype

try:
    import torch
except ImportError as exc:
    raise ImportError("binary_middleware.arrays.torch needs PyTorch: pip install torch") from exc

__all__ = ["TorchSpec"]

_SAME_SIZE: Any = {1: (np.uint8, torch.uint8), 2: (np.uint16, torch.uint16)}
"""By the size of an element, a type that numpy and PyTorch share, as which the types of
``ml_dtypes`` are passed from one to the other."""


class TorchSpec(ArraySpec):
    """:class:`~binary_middleware.arrays.ArraySpec` for ``torch.Tensor``.

    ``dtype`` may be PyTorch's as well. ``bfloat16`` and the ``float8`` types need
    ``binary_middleware.arrays.ml_dtypes.register()``.
    """

    value_type: ClassVar[Any] = torch.Tensor

    @override
    def numpy_dtype(self, dtype: Any) -> np.dtype[Any]:
        return _numpy_dtype(dtype) if isinstance(dtype, torch.dtype) else super().numpy_dtype(dtype)

    @override
    def parse_annotation(self, source: Any) -> tuple[tuple[Any, ...], tuple[Size, ...] | None]:
        if not issubclass(get_origin(source) or source, torch.Tensor):
            raise TypeError(f"TorchSpec annotates torch.Tensor, not {source!r}")
        return (), None

    @override
    def to_numpy(self, value: Any) -> np.ndarray[Any, Any]:
        if not isinstance(value, torch.Tensor):
            return super().to_numpy(value)
        dtype = _numpy_dtype(value.dtype)
        try:
            tensor = value.detach().resolve_conj().resolve_neg()
            if is_extension(dtype):
                tensor = tensor.view(_SAME_SIZE[dtype.itemsize][1])
            array: np.ndarray[Any, Any] = tensor.numpy()
        except (RuntimeError, TypeError) as exc:  # another device, or another layout
            raise ValueError(f"a Tensor cannot be read as a numpy array: {str(exc)[:120]}") from exc
        return array.view(dtype)

    @override
    def from_numpy(self, array: np.ndarray[Any, Any], source: Any) -> Any:
        if isinstance(source, torch.Tensor):
            return source
        native = array.dtype.newbyteorder("=")
        if array.dtype != native or not array.flags.writeable or min(array.strides, default=0) < 0:
            array = array.astype(native, order="C")  # PyTorch has no such tensors
        if not is_extension(native):
            try:
                return torch.from_numpy(array)
            except TypeError as exc:
                raise ValueError(f"PyTorch has no tensors of dtype {str(native)[:40]}") from exc
        tensor = torch.from_numpy(array.view(_SAME_SIZE[native.itemsize][0]))
        return tensor.view(getattr(torch, native.name))


def _numpy_dtype(dtype: Any) -> np.dtype[Any]:
    name = str(dtype).removeprefix("torch.")
    try:
        return parse_dtype(name)
    except ValueError as exc:
        raise ValueError(
            f"tensors of {dtype} are not supported; bfloat16 and float8 are after "
            "binary_middleware.arrays.ml_dtypes.register()"
        ) from exc

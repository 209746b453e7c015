"""Annotations of ``jaxtyping`` as fields of models.

::

    class Batch(ArrayModel):
        images: Annotated[UInt8[np.ndarray, "batch h w 3"], JaxtypingSpec()]
        labels: Annotated[Int64[torch.Tensor, "batch"], JaxtypingSpec()]

Dtype and shape are those of the annotation, and the value is an array of its array type: numpy's,
PyTorch's or JAX's. Names of axes are names of dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import override

from binary_middleware.arrays._dims import Size
from binary_middleware.arrays._spec import ArraySpec, BoundArray
from binary_middleware.fields import parse_dtype

try:
    import jaxtyping
except ImportError as exc:
    raise ImportError(
        "binary_middleware.arrays.jaxtyping needs jaxtyping: pip install jaxtyping"
    ) from exc

__all__ = ["JaxtypingSpec"]


class JaxtypingSpec(ArraySpec):
    """:class:`~binary_middleware.arrays.ArraySpec` for annotations of ``jaxtyping``.

    Axes are fixed (``3``, ``rows=3``), named (``batch``), anonymous (``_``), or any number of them
    (``...``). Declaring a field with axes that are broadcast (``#``), computed (``n+1``), or named
    and of any number (``*batch``) raises ``TypeError``, as their sizes would not be checked.
    """

    @override
    def bind(self, source: Any) -> BoundArray:
        if not (isinstance(source, type) and issubclass(source, jaxtyping.AbstractArray)):
            raise TypeError(f"JaxtypingSpec annotates types of jaxtyping, not {source!r}")
        kind: Any = source
        spec = _spec_type(kind.array_type)().merged_with(self)
        return BoundArray(spec, _scalar_types(kind), _shape(kind.dim_str))


def _spec_type(array_type: Any) -> type[ArraySpec]:
    if array_type is np.ndarray:
        return ArraySpec
    library = getattr(array_type, "__module__", "").partition(".")[0]
    if library == "torch":
        from binary_middleware.arrays.torch import TorchSpec

        return TorchSpec
    if library in ("jax", "jaxlib"):
        from binary_middleware.arrays.jax import JaxSpec

        return JaxSpec
    raise TypeError(f"arrays of {array_type!r} are not supported")


def _scalar_types(source: Any) -> tuple[Any, ...]:
    if not isinstance(source.dtypes, tuple):  # any
        return ()
    types = []
    for name in source.dtypes:
        try:
            types.append(parse_dtype(str(name).rstrip("_")).type)
        except ValueError:  # an unsupported one among others
            continue
    if not types:
        raise TypeError(f"no dtype of {source!r} is supported")
    return tuple(types)


def _shape(axes: str) -> tuple[Size, ...]:
    return tuple(_size(axis) for axis in axes.split())


def _size(axis: str) -> Size:
    name, _, size = axis.rpartition("=")
    if axis == "...":
        return ...
    if size.isdecimal() and (not name or name.isidentifier()):
        return int(size)
    if axis.startswith("_"):
        return None
    if axis.isidentifier():
        return axis
    raise TypeError(f"the size of the axis {axis!r} of jaxtyping cannot be checked")

"""``numpydantic.NDArray`` as fields of models, in the forms of this package.

::

    class Batch(BaseModel):
        images: Annotated[NDArray[Shape["*, *, 3"], np.uint8], NumpydanticSpec()]

Without the annotation such a field works as well, but in its own forms: nested lists in JSON, and
neither of the maps of arrays. It needs numpydantic 2.0 or newer.
"""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, Unpack, get_args, get_origin

import numpy as np
from typing_extensions import override

from binary_middleware.arrays._dims import Dim, Size
from binary_middleware.arrays._spec import ArraySpec

try:
    import numpydantic
except ImportError as exc:
    raise ImportError(
        "binary_middleware.arrays.numpydantic needs numpydantic: pip install numpydantic"
    ) from exc

__all__ = ["NumpydanticSpec"]


class NumpydanticSpec(ArraySpec):
    """:class:`~binary_middleware.arrays.ArraySpec` for ``numpydantic.NDArray``.

    The dtype and the shape are those of the annotation, and the value is a numpy array. Labels of
    dimensions are not checked, as in numpydantic; type variables are named dimensions.
    """

    @override
    def parse_annotation(self, source: Any) -> tuple[tuple[Any, ...], tuple[Size, ...] | None]:
        if (get_origin(source) or source) is not numpydantic.NDArray:
            raise TypeError(f"NumpydanticSpec annotates numpydantic.NDArray, not {source!r}")
        shape, dtype = get_args(source) or (Any, Any)
        sizes = None if shape is Any else tuple(_size(size) for size in get_args(shape))
        return _scalar_types(dtype), sizes


_OF_PYTHON: dict[Any, Any] = {
    bool: np.bool_,
    int: np.int64,
    float: np.float64,
    complex: np.complex128,
    str: np.str_,
    bytes: np.bytes_,
}


def _scalar_types(dtype: Any) -> tuple[Any, ...]:
    if dtype is Any:
        return ()
    if isinstance(dtype, tuple):
        alternatives = dtype
    elif get_origin(dtype) in (Union, UnionType):
        alternatives = get_args(dtype)
    else:
        kind = _OF_PYTHON.get(dtype, dtype)
        if not (isinstance(kind, type) and issubclass(kind, np.generic)):
            raise TypeError(f"arrays of {dtype!r} are not supported")
        return (kind,)
    return tuple(dict.fromkeys(kind for one in alternatives for kind in _scalar_types(one)))


def _size(size: Any) -> Size:
    origin, arguments = get_origin(size), get_args(size)
    if size is int or size is Any:
        return None
    if origin is Unpack and arguments == (tuple[int, ...],):
        return ...
    if isinstance(size, TypeVar) and size.__bound__ is int:
        return size.__name__
    if origin is Literal and len(arguments) == 1:
        fixed: int = arguments[0]
        return fixed
    if origin is Annotated:
        for metadata in arguments[1:]:
            if hasattr(metadata, "ge") and hasattr(metadata, "le"):
                return Dim(ge=metadata.ge or 0, le=metadata.le)
        return _size(arguments[0])
    raise TypeError(f"the size {size!r} of numpydantic cannot be checked")

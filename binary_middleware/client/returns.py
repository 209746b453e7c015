"""The type that a call asks its answer as: what pydantic can validate, and numpy's arrays."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, Union, get_args, get_origin

import numpy as np
from pydantic import PlainValidator, TypeAdapter

from binary_middleware.fields import as_ndarray, from_map

_UNIONS: Final = (Union, types.UnionType)
_CONTAINERS: Final = (list, tuple, dict)


class Wanted:
    """What a call asks for.

    ``np.ndarray`` and ``NDArray[...]``, also within lists, tuples, maps and unions, are arrays as
    they are, of that type; either form of map that an array may travel as becomes one.

    Args:
        type_: ``Any`` for the document as it is.

    Attributes:
        may_be_bytes: whether content that is no document will do, as the bytes that it is.

    Raises:
        pydantic.PydanticUserError: pydantic does not know the type.
    """

    def __init__(self, type_: Any) -> None:
        self.may_be_bytes = type_ is Any or type_ is bytes
        self._adapter = None if type_ is Any else _adapter(type_)

    def validated(self, document: Any) -> Any:
        """A document as an instance of the type.

        Raises:
            pydantic.ValidationError: it is not valid.
        """
        return document if self._adapter is None else self._adapter.validate_python(document)


def _adapter(type_: Any) -> TypeAdapter[Any]:
    try:
        hash(type_)
    except TypeError:  # an Annotated type with, say, a list in it
        return _new_adapter(type_)
    return _kept_adapter(type_)


def _new_adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_with_arrays(type_))


_kept_adapter = lru_cache(maxsize=512)(_new_adapter)


def _with_arrays(type_: Any) -> Any:
    """``type_`` with something that pydantic can validate in the place of numpy's arrays."""
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ is np.ndarray:
        return Annotated[np.ndarray, PlainValidator(_array)]
    if origin is np.ndarray:
        return Annotated[type_, PlainValidator(_array_of(arguments[1]))]
    if origin is Annotated:
        return Annotated[(_with_arrays(arguments[0]), *type_.__metadata__)]
    if origin in _UNIONS:
        return Union[tuple(map(_with_arrays, arguments))]  # noqa: UP007  # made of a tuple
    if origin in _CONTAINERS:
        return origin[tuple(map(_with_arrays, arguments))]
    return type_


def _array(value: Any) -> np.ndarray[Any, Any]:
    return from_map(value) if isinstance(value, Mapping) else as_ndarray(value)


def _array_of(dtype: Any) -> Callable[[Any], np.ndarray[Any, Any]]:
    """What validates arrays of one type, which may be abstract.

    Args:
        dtype: as in ``NDArray``: ``np.dtype[np.float32]``; ``np.dtype[Any]`` takes every type.
    """
    (scalar,) = get_args(dtype) or (Any,)
    if scalar is Any or not isinstance(scalar, type):
        return _array

    def typed_array(value: Any) -> np.ndarray[Any, Any]:
        array = _array(value)
        if not issubclass(array.dtype.type, scalar):
            raise ValueError(f"expected an array of {scalar.__name__}, got {array.dtype}")
        return array

    return typed_array

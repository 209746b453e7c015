"""The type that a call asks for: anything that pydantic can validate, and numpy's arrays."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, Union, get_args, get_origin

import numpy as np
from pydantic import PlainValidator, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from binary_middleware._validation.validator import DocumentValidator
from binary_middleware.fields import as_ndarray, from_map
from binary_middleware.formats.base import DocumentFacts

UNIONS: Final = (Union, types.UnionType)
"""The origins of ``Union[A, B]`` and of ``A | B``."""

_CONTAINERS: Final = (list, tuple, dict)


class ResultType:
    """The type that a call returns.

    ``np.ndarray`` and ``NDArray[...]``, also within lists, tuples, maps and unions, are arrays as
    they are, of that dtype; either form of array map is converted to one.

    Args:
        type_: any type that pydantic supports; ``Any`` for the document as it is.

    Raises:
        pydantic.PydanticUserError: pydantic does not support the type.
    """

    def __init__(self, type_: Any) -> None:
        self.accepts_bytes = type_ is Any or type_ is bytes
        """Whether content that is no document is returned as bytes."""
        self._validator = None if type_ is Any else _validator(type_)

    def validate(self, document: Any, facts: DocumentFacts) -> Any:
        """Return a document as an instance of the type.

        Args:
            document: a decoded document.
            facts: facts about it.

        Raises:
            pydantic.ValidationError: it is not valid.
        """
        if self._validator is None:
            return document
        value, errors = self._validator.validate(document, facts)
        if errors:
            raise ValidationError.from_exception_data(
                "the response", list(map(_error_details, errors))
            )
        return value


def _error_details(error: dict[str, Any]) -> InitErrorDetails:
    kind = PydanticCustomError(error["type"], error["msg"])
    return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"])


def _validator(type_: Any) -> DocumentValidator:
    try:
        hash(type_)
    except TypeError:  # an Annotated type with, say, a list in it
        return _new_validator(type_)
    return _kept_validator(type_, repr(type_))


def _new_validator(type_: Any) -> DocumentValidator:
    return DocumentValidator(TypeAdapter(replace_types(type_, _with_validator)))


@lru_cache(maxsize=512)
def _kept_validator(type_: Any, _written: str) -> DocumentValidator:
    # ``A | B`` equals ``B | A``, and pydantic prefers the first: hence the type as written.
    return _new_validator(type_)


def replace_types(type_: Any, replacement: Callable[[Any], Any]) -> Any:
    """Return a type in which some types within its lists, tuples, maps and unions are replaced.

    Args:
        type_: any annotation.
        replacement: returns the replacement of a type, ``None`` to keep it.
    """
    other = replacement(type_)
    if other is not None:
        return other
    origin = get_origin(type_)
    arguments = tuple(replace_types(argument, replacement) for argument in get_args(type_))
    if origin is Annotated:
        return Annotated[(arguments[0], *type_.__metadata__)]
    if origin in UNIONS:
        return Union[arguments]  # noqa: UP007  # made of a tuple
    return origin[arguments] if origin in _CONTAINERS else type_


def _with_validator(type_: Any) -> Any:
    """Return the counterpart of a type of numpy's arrays that pydantic can validate."""
    if type_ is np.ndarray:
        return Annotated[np.ndarray, PlainValidator(_array)]
    if get_origin(type_) is np.ndarray:
        return Annotated[type_, PlainValidator(_array_of(get_args(type_)[1]))]
    return None


def _array(value: Any) -> np.ndarray[Any, Any]:
    return from_map(value) if isinstance(value, Mapping) else as_ndarray(value)


def _array_of(dtype: Any) -> Callable[[Any], np.ndarray[Any, Any]]:
    """Return a validator of arrays of one scalar type, which may be abstract.

    Args:
        dtype: as in ``NDArray``: ``np.dtype[np.float32]``; ``np.dtype[Any]`` accepts every type.
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

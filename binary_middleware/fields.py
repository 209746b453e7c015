"""Pydantic field types for numpy arrays, and the policy of which dtypes may travel.

This file imports numpy and pydantic and nothing else, so that a client can copy it into its own
code base and have the same fields as the server.

JSON form of an array (the layout of the Chains framework's ``NumpyArrayField``, ``truss`` 0.18)::

    {"shape": [2, 3], "dtype": "float32", "data_b64": "<base64 of array.tobytes(), RFC 4648 §4>"}

Binary form for peers that do not know msgpack-numpy's map::

    {"shape": [2, 3], "dtype": "float32", "data": <bytes of array.tobytes()>}

``dtype`` is numpy's name of the type (``float32``, ``>f8``, ``<U5``, ``datetime64[ns]``), or, for
structured types, the field list of ``numpy.dtype.descr`` (``[["x", "<f4"], ["id", "<i8", [2]]]``).
"""

from __future__ import annotations

import binascii
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import core_schema

__all__ = [
    "NumpyArrayField",
    "as_ndarray",
    "check_dtype",
    "dtype_spec",
    "from_buffer",
    "from_map",
    "is_array_like",
    "parse_dtype",
    "to_buffer",
]

MAX_DIMS: Final = 64
"""Most dimensions of an array: numpy 2's own limit."""

MAX_DTYPE_FIELDS: Final = 1024
"""Most fields of a structured dtype, nested ones included. A longer list is refused: building
such a type costs far more than reading the bytes that ask for it."""

MAX_DTYPE_DEPTH: Final = 8
"""Deepest nesting of structured dtypes."""

_JSON_KEYS: Final = frozenset({"shape", "dtype", "data_b64"})
_BINARY_KEYS: Final = frozenset({"shape", "dtype", "data"})

# Only spellings that numpy itself writes (``str(dtype)``, ``dtype.str``). ``numpy.dtype`` takes
# far more, among it comma lists that reach object fields ("i4,O"), and units of zero length
# ("M8[0s]"), by which comparing two dtypes divides and ends the process.
_PLAIN_DTYPE: Final = re.compile(
    r"""
      [<>=|]? (?: [biufc][0-9]{1,2} | [SUV][0-9]{1,9} )
    | (?: [<>=]?[Mm]8 | datetime64 | timedelta64 ) (?: \[ (?:[1-9][0-9]{0,9})? [A-Za-z]{1,2} \] )?
    | bool | u?int(?:8|16|32|64) | float(?:16|32|64|96|128) | complex(?:64|128|192|256)
    """,
    re.VERBOSE,
)


# -- the dtype policy --------------------------------------------------------------------------


def check_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return ``dtype`` if its arrays may travel as raw bytes.

    Allowed are numpy's own types of the kinds b, i, u, f, c, S, U, M, m and V, and structured
    types of these. Not allowed is whatever holds pointers (object, ``StringDType``), and types
    of other libraries (``ml_dtypes``), whose names numpy alone cannot read back.

    Raises:
        ValueError: the dtype is not allowed.
    """
    if dtype.hasobject:
        raise ValueError("object arrays cannot be carried: their elements are Python objects")
    if dtype.subdtype is not None:
        check_dtype(dtype.subdtype[0])
    elif dtype.names is not None:
        for name in dtype.names:
            check_dtype(dtype[name])
        _check_layout(dtype)
    elif not _is_numpys_own(dtype):
        raise ValueError(f"arrays of dtype {_shorten(str(dtype))} cannot be carried")
    return dtype


@lru_cache(maxsize=256)
def _is_numpys_own(dtype: np.dtype[Any]) -> bool:
    if dtype.kind not in "biufcSUMmV":
        return False
    try:
        return np.dtype(dtype.str) == dtype
    except TypeError:
        return False


@lru_cache(maxsize=256)
def _check_layout(dtype: np.dtype[Any]) -> None:
    # ``descr`` cannot tell every layout: it raises for overlapping fields, and a type without
    # fields comes back as plain void.
    try:
        descr = dtype.descr
    except ValueError as exc:
        raise ValueError(
            "a structured dtype with overlapping or unordered fields has no wire form"
        ) from exc
    if _parse_descr(descr, _Budget()) != dtype:
        raise ValueError("this structured dtype has no wire form: its descr describes another")


def parse_dtype(spec: object) -> np.dtype[Any]:
    """Read a dtype that somebody else wrote: a name, a type string, or a field list.

    Args:
        spec: ``"float32"``, ``"<f4"``, ``"datetime64[ns]"``, or the list form of
            ``numpy.dtype.descr``, in which padding has an empty name.

    Raises:
        ValueError: not a dtype, or one that is not allowed (see :func:`check_dtype`).
    """
    if isinstance(spec, bytes):
        spec = spec.decode("ascii", "replace")
    if isinstance(spec, str):
        return _parse_plain(spec)
    if isinstance(spec, (list, tuple)):
        return _parse_descr(spec, _Budget())
    raise ValueError(f"dtype must be a string or a list of fields, got {type(spec).__name__}")


@lru_cache(maxsize=256)
def _parse_plain(name: str) -> np.dtype[Any]:
    if _PLAIN_DTYPE.fullmatch(name) is None:
        raise ValueError(f"dtype {_shorten(name)!r} is not allowed")
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError) as exc:
        raise ValueError(f"dtype {_shorten(name)!r} is not known to numpy here") from exc
    if dtype.itemsize < 0:  # numpy 2.0 lets the size of a long string overflow
        raise ValueError(f"dtype {_shorten(name)!r} is not known to numpy here")
    return dtype


class _Budget:
    """Counts the fields of one dtype, and how deep they nest."""

    def __init__(self) -> None:
        self.fields = MAX_DTYPE_FIELDS
        self.depth = MAX_DTYPE_DEPTH


def _parse_descr(descr: Any, budget: _Budget) -> np.dtype[Any]:
    budget.fields -= len(descr)
    budget.depth -= 1
    if budget.fields < 0:
        raise ValueError(f"structured dtype has more than {MAX_DTYPE_FIELDS} fields")
    if budget.depth < 0:
        raise ValueError(f"structured dtype nests deeper than {MAX_DTYPE_DEPTH}")
    names: list[str] = []
    titles: list[str | None] = []
    formats: list[np.dtype[Any]] = []
    offsets: list[int] = []
    offset = 0
    for field in descr:
        if not isinstance(field, (list, tuple)) or len(field) not in (2, 3):
            raise ValueError("a dtype field must be [name, type] or [name, type, shape]")
        title, name = _field_name(field[0])
        dtype = _field_dtype(field, budget)
        if name == "":  # numpy's way to write padding
            if dtype.type is not np.void or dtype.names is not None or dtype.subdtype is not None:
                raise ValueError("a dtype field without a name must be padding ('|V4')")
            if len(descr) == 1:
                budget.depth += 1
                return dtype  # the descr of plain void, "|V8"
        else:
            names.append(name)
            titles.append(title)
            formats.append(dtype)
            offsets.append(offset)
        offset += dtype.itemsize
    budget.depth += 1
    if not names:
        raise ValueError("a structured dtype must have a field")
    layout: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": offset}
    if any(title is not None for title in titles):
        layout["titles"] = titles
    try:
        structured: np.dtype[Any] = np.dtype(layout)
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError(f"not a structured dtype: {_shorten(str(exc))}") from exc
    return structured


def _field_name(name: object) -> tuple[str | None, str]:
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    if isinstance(name, str):
        return None, name
    if isinstance(name, (list, tuple)) and len(name) == 2:
        title, plain = name
        if isinstance(title, str) and isinstance(plain, str) and plain:
            return title, plain
    raise ValueError("the name of a dtype field must be a string, or [title, name]")


def _field_dtype(field: Any, budget: _Budget) -> np.dtype[Any]:
    spec = field[1]
    dtype = _parse_descr(spec, budget) if isinstance(spec, (list, tuple)) else parse_dtype(spec)
    if len(field) == 2:
        return dtype
    shape = _check_shape((field[2],) if isinstance(field[2], int) else field[2])
    try:
        return np.dtype((dtype, shape))
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError(f"not a structured dtype: {_shorten(str(exc))}") from exc


def dtype_spec(dtype: np.dtype[Any]) -> str | list[Any]:
    """The JSON form of an allowed dtype: what :func:`parse_dtype` reads back as the same type."""
    if dtype.names is None:
        return str(dtype)
    return [_listed(field) for field in dtype.descr]


def _listed(item: Any) -> Any:
    return [_listed(part) for part in item] if isinstance(item, (tuple, list)) else item


# -- arrays and their bytes --------------------------------------------------------------------


def _check_shape(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, (list, tuple)):
        raise ValueError(f"shape must be a list of sizes, got {type(shape).__name__}")
    if len(shape) > MAX_DIMS:
        raise ValueError(f"shape has {len(shape)} dimensions, at most {MAX_DIMS} are allowed")
    for size in shape:
        if type(size) is not int or not 0 <= size <= sys.maxsize:
            raise ValueError(f"shape must hold integers from 0 to {sys.maxsize}")
    return tuple(shape)


def from_buffer(data: Any, dtype: np.dtype[Any], shape: object) -> np.ndarray[Any, Any]:
    """A view of ``data`` as an array; nothing is copied.

    Args:
        data: an object with the buffer protocol, of exactly as many bytes as the array needs.
        dtype: an allowed dtype.
        shape: a list or tuple of sizes, C order.

    Raises:
        ValueError: the shape is not one, or it and the dtype do not match the number of bytes.
    """
    sizes = _check_shape(shape)
    nbytes = memoryview(data).nbytes
    count = math.prod(sizes)
    if dtype.itemsize == 0 and count:
        raise ValueError(f"dtype {_shorten(str(dtype))} has no size but the shape has elements")
    if count * dtype.itemsize != nbytes:
        raise ValueError(
            f"dtype {_shorten(str(dtype))} and shape {_shorten(str(list(sizes)))} need "
            f"{_shorten(str(count * dtype.itemsize))} bytes, got {nbytes}"
        )
    try:
        return np.ndarray(sizes, dtype, data)
    except (ValueError, TypeError, OverflowError) as exc:
        raise ValueError(f"not an array: {_shorten(str(exc))}") from exc


def to_buffer(array: np.ndarray[Any, Any]) -> memoryview:
    """The bytes of ``array`` in C order: a flat view where it is contiguous, else of a copy."""
    if array.nbytes == 0:
        return memoryview(b"")
    if array.dtype.names is not None:
        # numpy copies structured items field by field, and what stood in memory before would
        # travel in the padding between the fields.
        array = array.view(f"V{array.itemsize}")
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).data


def is_array_like(value: object) -> bool:
    """Whether ``value`` is an array or offers itself as one (``__array__``, ``__dlpack__``)."""
    kind = type(value)
    return hasattr(kind, "__array__") or hasattr(kind, "__dlpack__")


def as_ndarray(value: Any) -> np.ndarray[Any, Any]:
    """``value`` as a numpy array that may travel, without a copy where its library allows that.

    Raises:
        ValueError: not an array, an array on another device, a masked array (its mask would be
            lost), or one of a dtype that is not allowed.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(
            "masked arrays cannot be carried: send .filled(...), or data and mask as two arrays"
        )
    if not isinstance(value, np.ndarray):
        if not is_array_like(value):
            raise ValueError(f"expected an array, got {type(value).__name__}")
        try:
            if hasattr(type(value), "__array__"):
                value = np.asarray(value)
            else:
                value = np.from_dlpack(value)
        except Exception as exc:  # whatever the foreign library raises
            raise ValueError(
                f"a {type(value).__name__} cannot be read as a numpy array: {_shorten(str(exc))}"
            ) from exc
    check_dtype(value.dtype)
    if value.size and not value.itemsize:
        raise ValueError(f"arrays of dtype {_shorten(str(value.dtype))} have no size to be read by")
    return value if type(value) is np.ndarray else np.asarray(value)


def from_map(value: Mapping[Any, Any]) -> np.ndarray[Any, Any]:
    """The array of a JSON map (``data_b64``) or a binary map (``data``): writable, its own memory.

    Raises:
        ValueError: other keys than these three, or values that do not make an array.
    """
    if value.keys() == _JSON_KEYS:
        data = _decode_base64(value["data_b64"])
    elif value.keys() == _BINARY_KEYS:
        data = value["data"]
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ValueError(f"data must be bytes, got {type(data).__name__}")
    else:
        raise ValueError(
            "expected an array: an object with exactly the keys shape, dtype and data_b64"
        )
    dtype = parse_dtype(value["dtype"])
    # A bytearray is memory of its own that numpy may write to.
    return from_buffer(bytearray(data), dtype, value["shape"])


def _decode_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"data_b64 must be a base64 string, got {type(text).__name__}")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as exc:  # also binascii.Error
        raise ValueError(f"data_b64 is not base64: {_shorten(str(exc))}") from exc


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _equal(mine: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> bool:
    # numpy knows no equal_nan for structured types.
    if mine.dtype.names is not None:
        return all(_equal(mine[name], theirs[name]) for name in mine.dtype.names)
    return np.array_equal(mine, theirs, equal_nan=mine.dtype.kind in "fcmM")


# -- the field ---------------------------------------------------------------------------------


# A dataclass, because FastAPI takes a parameter of such a type from the body, not the query.
@dataclass(slots=True, init=False, repr=False, eq=False)
class NumpyArrayField:
    """A numpy array as a field of a pydantic model.

    ::

        class Measurement(BaseModel):
            name: str
            samples: NumpyArrayField

        m = Measurement(name="a", samples=np.zeros((2, 3), "float32"))
        m.samples.array += 1

    ``model_dump()`` gives the array itself, ``model_dump_json()`` the JSON form, and both are
    accepted when validating, as is the binary form and whatever offers ``__array__`` or
    ``__dlpack__``. What is wrong with a value is a ``ValueError`` that names the fault and never
    prints the data.

    Two fields are equal if dtype, shape and all elements are (NaN equals NaN).

    Attributes:
        array: the array, of any shape and any allowed dtype (see :func:`check_dtype`). It is the
            one that was given, not a copy; arrays made from JSON or bytes are writable.
    """

    __hash__ = None  # type: ignore[assignment]  # mutable, so it must not be a key

    array: np.ndarray[Any, Any]

    def __init__(self, array: Any) -> None:
        self.array = as_ndarray(array)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(shape={self.array.shape}, "
            f"dtype={self.array.dtype}, data={self.array})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NumpyArrayField):
            return NotImplemented
        return self.array.dtype == other.array.dtype and _equal(self.array, other.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.array, dtype=dtype, copy=copy)

    @classmethod
    def _validate(cls, value: Any) -> NumpyArrayField:
        if isinstance(value, NumpyArrayField):
            return value if isinstance(value, cls) else cls(value.array)
        if isinstance(value, Mapping):
            return cls(from_map(value))
        return cls(value)

    @staticmethod
    def _serialize(value: Any, info: core_schema.SerializationInfo) -> Any:
        # Models made by ``model_construct`` may hold the bare array.
        array = value.array if isinstance(value, NumpyArrayField) else as_ndarray(value)
        if not info.mode_is_json():
            return array
        return {
            "shape": list(array.shape),
            "dtype": dtype_spec(check_dtype(array.dtype)),
            "data_b64": binascii.b2a_base64(to_buffer(array), newline=False).decode("ascii"),
        }

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source_type: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                cls._serialize, info_arg=True
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "object",
            "title": "NumpyArray",
            "properties": {
                "shape": {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0},
                    "maxItems": MAX_DIMS,
                },
                "dtype": {"anyOf": [{"type": "string"}, {"type": "array", "items": {}}]},
                "data_b64": {"type": "string", "contentEncoding": "base64"},
            },
            "required": ["shape", "dtype", "data_b64"],
            "additionalProperties": False,
        }


# What pydantic asks a value for where the field says ``Any``.
NumpyArrayField.__pydantic_serializer__ = TypeAdapter(NumpyArrayField).serializer  # type: ignore[attr-defined]

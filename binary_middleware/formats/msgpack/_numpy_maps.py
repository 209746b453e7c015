"""Arrays and numpy scalars as msgpack-numpy's maps.

Written byte for byte as msgpack-numpy 0.4.8 writes them, and read without ever unpickling::

    {b"nd": True, b"type": dtype.str or dtype.descr, b"kind": b"" or b"V",
     b"shape": [...], b"data": <bin>}
    {b"nd": False, b"type": dtype.str, b"data": <bin>}          a numpy scalar
    {b"complex": True, b"data": "(1+2j)"}                       a complex number

A registered dtype of another library (``fields.register_dtype``) has its name for ``type``.

The dtype policy, and the string-keyed map that other languages use, are in ``fields``.
"""

from __future__ import annotations

import cmath
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from binary_middleware.errors import DecodeError
from binary_middleware.fields import dtype_spec, from_buffer, is_extension, parse_dtype, to_buffer

_ARRAY_KEYS: Final = frozenset({b"nd", b"type", b"kind", b"shape", b"data"})
_SCALAR_KEYS: Final = frozenset({b"nd", b"type", b"data"})
_COMPLEX_KEYS: Final = frozenset({b"complex", b"data"})
_MAX_COMPLEX_LENGTH: Final = 128


# -- writing ---------------------------------------------------------------------------------------


def array_map(array: np.ndarray[Any, Any], data: Any, form: str) -> dict[Any, Any]:
    """Return the map of an array, in the order that msgpack-numpy writes.

    Args:
        array: an array of an allowed dtype.
        data: what stands for its bytes.
        form: ``"numpy"`` for msgpack-numpy's map, ``"map"`` for the string-keyed one.
    """
    if form == "map":
        return {"shape": list(array.shape), "dtype": dtype_spec(array.dtype), "data": data}
    name: Any = array.dtype.str
    structured = array.dtype.kind == "V"
    if is_extension(array.dtype):
        name, structured = array.dtype.name, False
    return {
        b"nd": True,
        b"type": array.dtype.descr if structured else name,
        b"kind": b"V" if structured else b"",
        b"shape": array.shape,
        b"data": data,
    }


def scalar_value(scalar: np.generic) -> Any:
    """Return the bool, int, float or complex of the same value as a numpy scalar.

    Values that none of these can hold (a long double with more digits, ``datetime64``) become
    msgpack-numpy's scalar map, and structured scalars an array without dimensions. Text and bytes
    become ``str`` and ``bytes``.
    """
    value = scalar.item()
    kind = scalar.dtype.kind
    if kind in "Mm" or isinstance(value, np.generic):
        plain = complex(scalar) if kind == "c" else float(scalar) if kind == "f" else None
        if plain is not None and (plain == scalar or scalar != scalar):
            return plain
        data = bytes(to_buffer(np.asarray(scalar)))
        return {b"nd": False, b"type": scalar.dtype.str, b"data": data}
    return np.asarray(scalar) if kind == "V" else value


def complex_map(value: complex) -> dict[Any, Any]:
    """Return the map of a complex number."""
    return {b"complex": True, b"data": repr(value)}


# -- reading ---------------------------------------------------------------------------------------


def is_numpy_map(map_: Mapping[Any, Any]) -> bool:
    """Return whether a decoded map claims to be one of msgpack-numpy's."""
    return b"nd" in map_ or b"complex" in map_


def read_numpy_map(map_: Mapping[Any, Any]) -> Any:
    """Return the array, number or numpy scalar of a map (see :func:`is_numpy_map`).

    Arrays are writable and have memory of their own.

    Raises:
        DecodeError: the map is not one that msgpack-numpy writes, or is refused.
    """
    if b"complex" in map_:
        return _read_complex(map_)
    if map_[b"nd"] is True:
        dtype, shape = array_header(map_)
        # A copy of bytes has the padding of the original, which a copy of an array need not have.
        return view_array(bytearray(_bin(map_)), dtype, shape)
    if map_[b"nd"] is False:
        return _read_scalar(map_)
    raise DecodeError("the nd of an array map must be true or false")


def array_header(map_: Mapping[Any, Any]) -> tuple[np.dtype[Any], Any]:
    """Return the dtype and the shape of an array map, with everything but its data checked.

    Raises:
        DecodeError: not msgpack-numpy's map of an array, or one that holds Python objects.
    """
    if not (_ARRAY_KEYS >= map_.keys() >= _ARRAY_KEYS - {b"kind"}):
        raise DecodeError("an array map must have the keys nd, type, kind, shape and data")
    kind = map_.get(b"kind", b"")
    if kind in (b"O", "O"):
        raise DecodeError("object arrays are refused: their data is a pickle")
    if kind not in (b"", "", b"V", "V"):
        raise DecodeError("the kind of an array map must be '' or 'V'")
    return read_dtype(map_[b"type"]), map_[b"shape"]


def read_dtype(spec: Any) -> np.dtype[Any]:
    """Return the dtype of ``fields.parse_dtype``; what it refuses is a DecodeError."""
    try:
        return parse_dtype(spec)
    except ValueError as exc:
        raise DecodeError(str(exc)) from exc


def view_array(data: Any, dtype: np.dtype[Any], shape: Any) -> np.ndarray[Any, Any]:
    """Return the array of ``fields.from_buffer``; what it refuses is a DecodeError."""
    try:
        return from_buffer(data, dtype, shape)
    except ValueError as exc:
        raise DecodeError(str(exc)) from exc


def _bin(map_: Mapping[Any, Any]) -> bytes:
    data = map_[b"data"]
    if not isinstance(data, bytes):
        raise DecodeError(f"the data of an array map must be bin, got {type(data).__name__}")
    return data


def _read_scalar(map_: Mapping[Any, Any]) -> Any:
    if map_.keys() != _SCALAR_KEYS:
        raise DecodeError("a scalar map must have the keys nd, type and data")
    dtype = read_dtype(map_[b"type"])
    if dtype.kind not in "biufcMm":
        raise DecodeError("a scalar map must hold a number, a bool, a date or a duration")
    scalar: Any = view_array(_bin(map_), dtype, ())[()]
    value = scalar_value(scalar)
    return scalar if isinstance(value, dict) else value


def _read_complex(map_: Mapping[Any, Any]) -> complex:
    text = map_.get(b"data")
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    if map_.keys() != _COMPLEX_KEYS or not isinstance(text, str) or len(text) > _MAX_COMPLEX_LENGTH:
        raise DecodeError("a complex map must have the keys complex and data, a number as text")
    try:
        value = complex(text)
    except ValueError as exc:
        raise DecodeError("the data of a complex map is not a complex number") from exc
    if cmath.isinf(value) and "inf" not in text.lower():
        raise DecodeError("a complex number is too large for two floats of 64 bits")
    return value

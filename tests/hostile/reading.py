"""An independent reader of array maps, and the padding in arrays."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np


def read_array(map_: Mapping[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array of any of the three maps, read without this package."""
    if b"nd" in map_:
        spec, data = map_[b"type"], map_[b"data"]
        shape = map_[b"shape"]
    else:
        spec, shape = map_["dtype"], map_["shape"]
        data = map_["data"] if "data" in map_ else base64.b64decode(map_["data_b64"])
    dtype = _dtype(spec)
    # Elements without a byte cannot be counted by their bytes.
    return np.frombuffer(data, dtype).reshape(shape) if dtype.itemsize else np.zeros(shape, dtype)


def _dtype(spec: Any) -> np.dtype[Any]:
    if isinstance(spec, (str, bytes)):
        return np.dtype(spec)
    if len(spec) == 1 and not spec[0][0]:
        return np.dtype(spec[0][1])  # plain void, all of which is data
    # ``numpy.dtype`` gives the padding in a descr a name, so it stays a field like others.
    return np.dtype([_field(each, index) for index, each in enumerate(spec)])


def _field(field: Any, index: int) -> tuple[Any, ...]:
    name, type_, *shape = field
    if isinstance(name, list):
        name = name[1]
    return (name or f"{GAP}{index}", _dtype(type_), *map(tuple, shape))


GAP = "\x00gap"
"""Prefix of the names of fields that are padding."""


def gaps_of(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return all bytes of padding in an array of :func:`read_array`."""
    parts = list(_gaps(array.reshape(-1)))
    return np.concatenate(parts) if parts else np.empty(0, np.uint8)


def _gaps(array: np.ndarray[Any, Any]) -> Any:
    for name in array.dtype.names or ():
        part = array[name]
        if name.startswith(GAP):
            yield np.frombuffer(np.ascontiguousarray(part).tobytes(), np.uint8)
        else:
            yield from _gaps(part.reshape(-1))

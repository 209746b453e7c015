"""A msgpack document as JSON text, and JSON text as msgpack. No I/O.

What msgpack has and JSON has not is written as follows, and read back where it is unambiguous:

- an array: ``{"shape": [...], "dtype": "float32", "data_b64": "..."}``, read back;
- bytes: a base64 string (RFC 4648 §4), which stays a string;
- a complex number: text such as ``"1+2j"``, as pydantic writes it;
- a timestamp: an ISO 8601 string;
- NaN and infinities: the tokens that Python's ``json`` writes and reads, read back.

The standard library's ``json`` does the text: it knows these tokens, where msgspec writes NaN as
``null`` and refuses to read it.
"""

from __future__ import annotations

import binascii
import json
from typing import Any

import numpy as np
from pydantic_core import to_jsonable_python

from binary_middleware.codec import pack_buffers
from binary_middleware.errors import ContentTooLarge, EncodeError
from binary_middleware.fields import dtype_spec, from_map, to_buffer

_BINARY_MAP = frozenset({"shape", "dtype", "data"})
_JSON_MAP = frozenset({"shape", "dtype", "data_b64"})


def to_json(value: Any) -> bytes:
    """JSON text, in UTF-8, of a msgpack document.

    Args:
        value: the document, as ``codec.unpackb`` gives it. It is changed on the way.

    Raises:
        ContentTooLarge: nested too deeply.
    """
    try:
        text = json.dumps(
            _convert_binary_maps(value),
            default=_as_json,
            ensure_ascii=False,
            check_circular=False,
            separators=(",", ":"),
        )
    except RecursionError as exc:
        raise ContentTooLarge("the document nests too deeply") from exc
    return text.encode()


def _convert_binary_maps(value: Any) -> Any:
    if type(value) is dict:
        if value.keys() == _BINARY_MAP:
            try:
                return from_map(value)
            except ValueError:
                pass  # a map like any other
        for key, item in value.items():
            if type(item) in (dict, list):
                value[key] = _convert_binary_maps(item)
    elif type(value) is list:
        for index, item in enumerate(value):
            if type(item) in (dict, list):
                value[index] = _convert_binary_maps(item)
    return value


def _as_json(value: Any) -> Any:
    """What ``json`` does not know, of the types that ``codec`` returns."""
    if isinstance(value, bytes):
        return _base64(value)
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        return {
            "shape": list(array.shape),
            "dtype": dtype_spec(array.dtype),
            "data_b64": _base64(to_buffer(array)),
        }
    if isinstance(value, complex):
        return str(value).strip("()")
    return to_jsonable_python(value)


def _base64(data: bytes | memoryview) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def to_msgpack(text: bytes, arrays: str = "numpy") -> list[bytes | memoryview]:
    """The msgpack document of JSON text, in buffers (see ``codec.pack_buffers``).

    Args:
        text: a JSON document in UTF-8, UTF-16 or UTF-32 (RFC 4627 §3).
        arrays: how arrays are written, ``"numpy"`` or ``"map"``.

    Raises:
        EncodeError: not JSON, or it holds what msgpack cannot carry exactly.
    """
    hook = _revive_array if b'"data_b64"' in text else None
    try:
        value = json.loads(text, object_hook=hook)
    except (ValueError, RecursionError) as exc:
        raise EncodeError("the answer is not JSON that can be read") from exc
    return pack_buffers(value, arrays=arrays)


def _revive_array(value: dict[str, Any]) -> Any:
    if value.keys() == _JSON_MAP:
        try:
            return from_map(value)
        except ValueError:
            pass  # a map like any other
    return value

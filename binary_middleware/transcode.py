"""Documents as JSON text and back, and JSON text as msgpack. No I/O.

What msgpack has and JSON has not is written as follows, and read back where it is unambiguous:

- an array: ``{"shape": [...], "dtype": "float32", "data_b64": "..."}``, read back;
- bytes: a base64 string (RFC 4648 §4), which stays a string;
- a complex number: text such as ``"1+2j"``, as pydantic writes it;
- a timestamp: an ISO 8601 string;
- NaN and infinities: the tokens that Python's ``json`` writes and reads, read back.

JSON text is written by the standard library's ``json``, which knows these tokens, where msgspec
writes NaN as ``null``; and read by msgspec, unless it refuses what ``json`` reads. Base64 is
pybase64's: 30 times faster than ``binascii`` with the vector instructions that most machines have.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import pybase64
from pydantic_core import SchemaSerializer, core_schema, to_jsonable_python

from binary_middleware.codec import pack_buffers, unpackb
from binary_middleware.errors import ContentTooLarge, DecodeError, EncodeError
from binary_middleware.fields import (
    as_ndarray,
    dtype_spec,
    from_buffer,
    is_array_like,
    parse_dtype,
    to_buffer,
)

_BINARY_MAP: Final = frozenset({"shape", "dtype", "data"})
_JSON_MAP: Final = frozenset({"shape", "dtype", "data_b64"})
_CONTAINERS: Final = frozenset({dict, list})

LONG: Final = 4 * 1024
"""Characters of base64 from which ``json`` does not see it: scanning it for what needs a
backslash would take longer than everything else."""


# -- msgpack to JSON -------------------------------------------------------------------------------


def to_json(value: Any) -> bytes:
    """JSON text, in UTF-8, of a msgpack document.

    Args:
        value: the document, as ``codec.unpackb`` gives it.

    Raises:
        ContentTooLarge: nested too deeply.
    """
    try:
        value = _replace_maps(value, _array_of_binary_map)
        return _Writer(LONG).write(value)
    except RecursionError as exc:
        raise ContentTooLarge("the document nests too deeply") from exc


class _Writer:
    """Writes one text. Long base64 is left out of what ``json`` writes, and put in afterwards.

    ``json`` does not say where it is in its text, so that a token holds the place. Nothing that a
    document contains can be mistaken for it: the token consists of hexadecimal digits and stands
    between quotes, so that the search finds each place, and one occurrence more for each time that
    the document has the token elsewhere. Then the number is wrong, and the text is written again
    without tokens. That the token is random, made for this one text when all of its document has
    arrived, only sees to it that nobody can make this happen.
    """

    def __init__(self, long: float) -> None:
        self.long = long
        self.token = secrets.token_hex(16)
        self.pieces: list[bytes] = []

    def write(self, value: Any) -> bytes:
        text = json.dumps(
            value,
            default=self.default,
            ensure_ascii=False,
            check_circular=False,
            separators=(",", ":"),
        ).encode()
        if not self.pieces:
            return text
        between = text.split(self.token.encode())
        if len(between) != len(self.pieces) + 1:
            return _Writer(float("inf")).write(value)
        whole = [between[0]]
        for piece, rest in zip(self.pieces, between[1:], strict=True):
            whole += (piece, rest)
        return b"".join(whole)

    def default(self, value: Any) -> Any:
        """What ``json`` does not know, of the types that ``codec`` returns."""
        if isinstance(value, bytes):
            return self.base64(value)
        if isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
            return {
                "shape": list(array.shape),
                "dtype": dtype_spec(array.dtype),
                "data_b64": self.base64(to_buffer(array)),
            }
        if isinstance(value, complex):
            return str(value).strip("()")
        return to_jsonable_python(value)

    def base64(self, data: bytes | memoryview) -> str:
        text: bytes = pybase64.b64encode(data)
        if len(text) < self.long:
            return text.decode("ascii")
        self.pieces.append(text)
        return self.token


# -- objects to JSON -------------------------------------------------------------------------------


def dump_json(obj: Any) -> bytes:
    """JSON text, in UTF-8, of what pydantic can dump, with arrays and bytes in any place.

    Models are written as their own configuration says. Elsewhere bytes are base64 as pydantic
    writes it (RFC 4648 §5), and NaN and infinities are tokens.

    Raises:
        EncodeError: a value has no place in JSON.
    """
    try:
        return _JSON.to_json(obj, fallback=_in_json, by_alias=True)
    except ValueError as exc:  # PydanticSerializationError is one
        raise EncodeError(f"a value cannot be written as JSON: {str(exc)[:200]}") from exc


def shown_json(document: Any, make: Callable[[], bytes]) -> bytes:
    """Return the JSON text that middleware is shown for a response in msgpack.

    Args:
        document: what is packed for the client.
        make: makes what JSON clients get, if JSON can hold it.

    Raises:
        ValueError: that of ``make``, where the document has no place in msgpack either.
    """
    try:
        return make()
    except ValueError as exc:  # bytes that are not text, above all
        try:
            return to_json(unpackb(b"".join(pack_buffers(document))))
        except EncodeError:
            raise exc from None


_JSON: Final = SchemaSerializer(
    core_schema.any_schema(), {"ser_json_bytes": "base64", "ser_json_inf_nan": "constants"}
)


def _in_json(value: Any) -> Any:
    """What pydantic does not know."""
    if isinstance(value, np.generic) and value.dtype.kind in "biufcSU":
        plain = value.item()
        if not isinstance(plain, np.generic):  # longdouble has no type of Python's
            return plain
    if is_array_like(value):
        array = as_ndarray(value)
        return {
            "shape": list(array.shape),
            "dtype": dtype_spec(array.dtype),
            "data_b64": pybase64.b64encode(to_buffer(array)).decode("ascii"),
        }
    if isinstance(value, memoryview):
        return bytes(value)
    raise ValueError(f"{type(value).__name__} cannot be written as JSON")


# -- JSON to objects, and to msgpack ---------------------------------------------------------------


def from_json(text: bytes | bytearray) -> Any:
    """The document in JSON text, with arrays for the maps of arrays in it.

    Args:
        text: a JSON document in UTF-8, or as ``json.loads`` finds out.

    Raises:
        DecodeError: not JSON, or nested too deeply.
    """
    try:
        value = _loads(text)
        if b'"data_b64"' in text:
            value = _replace_maps(value, _array_of_json_map)
    except (ValueError, RecursionError) as exc:
        raise DecodeError(f"the body is not JSON: {exc}") from exc
    return value


def to_msgpack(text: bytes, arrays: str = "numpy") -> list[bytes | memoryview]:
    """The msgpack document of JSON text, in buffers (see ``codec.pack_buffers``).

    Args:
        text: a JSON document in UTF-8, or as ``json.loads`` finds out.
        arrays: how arrays are written, ``"numpy"`` or ``"map"``.

    Raises:
        EncodeError: not JSON, or it holds what msgpack cannot carry exactly.
    """
    try:
        value = from_json(text)
    except DecodeError as exc:
        raise EncodeError("the answer is not JSON that can be read") from exc
    return pack_buffers(value, arrays=arrays)


def _loads(text: bytes | bytearray) -> Any:
    try:
        return msgspec.json.decode(text)
    except ValueError:  # NaN, a lone surrogate, a float that overflows, or no JSON at all
        return json.loads(text)


# -- arrays in maps --------------------------------------------------------------------------------


def _replace_maps(value: Any, array_of: Any) -> Any:
    """Return ``value`` with the arrays that ``array_of`` makes of some of its maps.

    Containers that hold such a map are copied, all others are shared.
    """
    if type(value) is dict:
        array = array_of(value)
        if array is not None:
            return array
        if _CONTAINERS.isdisjoint(map(type, value.values())):
            return value
        members: Any = value.items()
    elif type(value) is list and not _CONTAINERS.isdisjoint(map(type, value)):
        members = enumerate(value)
    else:
        return value
    copied = None
    for key, item in members:
        if type(item) in _CONTAINERS:
            replaced = _replace_maps(item, array_of)
            if replaced is not item:
                copied = value.copy() if copied is None else copied
                copied[key] = replaced
    return value if copied is None else copied


def _array_of_binary_map(value: dict[str, Any]) -> np.ndarray[Any, Any] | None:
    if value.keys() != _BINARY_MAP or type(value["data"]) is not bytes:
        return None
    return _array(value, value["data"])


def _array_of_json_map(value: dict[str, Any]) -> np.ndarray[Any, Any] | None:
    if value.keys() != _JSON_MAP or type(value["data_b64"]) is not str:
        return None
    try:
        data = pybase64.b64decode(value["data_b64"], validate=True)
    except ValueError:  # binascii.Error is one
        return None
    return _array(value, data)


def _array(value: dict[str, Any], data: bytes) -> np.ndarray[Any, Any] | None:
    """A view of ``data``, or ``None``: then it is a map like any other."""
    try:
        return from_buffer(data, parse_dtype(value["dtype"]), value["shape"])
    except ValueError:
        return None

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

from binary_middleware.errors import DecodeError, EncodeError, LimitExceeded
from binary_middleware.fields import (
    as_ndarray,
    dtype_spec,
    from_buffer,
    is_array_like,
    parse_dtype,
    to_buffer,
)
from binary_middleware.formats.msgpack import (
    TEXT_CONVERSION,
    Conversions,
    LongText,
    pack_buffers,
    unpackb,
)
from binary_middleware.formats.msgpack._numpy_maps import count_fields

_BINARY_MAP: Final = frozenset({"shape", "dtype", "data"})
_JSON_MAP: Final = frozenset({"shape", "dtype", "data_b64"})
_CONTAINERS: Final = frozenset({dict, list})
_BINARY: Final = frozenset({bytes, memoryview})

LONG: Final = 4 * 1024
"""Characters of base64 from which ``json`` does not see it: scanning it for what needs a
backslash would take longer than everything else."""


# -- msgpack to JSON -------------------------------------------------------------------------------


def to_json(
    value: Any,
    *,
    max_size: int | None = None,
    max_structure_size: int | None = None,
    may_hold_maps: bool = True,
) -> bytes:
    """JSON text, in UTF-8, of a msgpack document.

    What is large is counted before it is written. What is not, the structure, takes six times its
    bytes at most (a control character is ``\\u0000``).

    Args:
        value: the document, as ``codec.unpackb`` or ``codec.unpack_views`` gives it. It is changed
            on the way.
        max_size: limit in bytes for the text; ``None`` for no limit.
        max_structure_size: limit in bytes that bounds how much Python code converts; ``None`` for
            no limit.
        may_hold_maps: whether string-keyed array maps may be in it: not if no string is ``data``.

    Raises:
        LimitExceeded: nested too deeply, over ``max_size``, or too much to convert.
    """
    try:
        writer = _Writer(max_size, Conversions(max_structure_size))
        if may_hold_maps:
            value = _replace_maps(value, writer.array_of_binary_map)
        return writer.write(value)
    except RecursionError as exc:
        raise LimitExceeded("the document nests too deeply") from exc


class _Writer:
    """Writes one text. What is long is left out of what ``json`` writes, and put in afterwards.

    ``json`` does not say where it is in its text, so that a token holds the place. Nothing that a
    document contains can be mistaken for it: the token consists of hexadecimal digits and stands
    between quotes, so that the search finds each place, and one occurrence more for each time that
    the document has the token elsewhere. Then the number is wrong, and the text is written again
    with another one. That the token is random, made for this one text when all of its document has
    arrived, only sees to it that nobody can make this happen.

    Args:
        max_size: limit in bytes for the text.
        conversions: counts what Python code converts.
    """

    def __init__(self, max_size: int | None, conversions: Conversions) -> None:
        self.max_size = max_size
        self.conversions = conversions
        self.token = secrets.token_hex(16)
        self.pieces: list[tuple[bytes, ...]] = []
        self.size = 0

    def write(self, value: Any) -> bytes:
        text = json.dumps(
            value,
            default=self.default,
            ensure_ascii=False,
            check_circular=False,
            separators=(",", ":"),
        ).encode()
        self.count(len(text) - len(self.token) * len(self.pieces))
        if not self.pieces:
            return text
        between = text.split(self.token.encode())
        if len(between) != len(self.pieces) + 1:
            return _Writer(self.max_size, Conversions(None)).write(value)
        whole = [between[0]]
        for piece, rest in zip(self.pieces, between[1:], strict=True):
            whole += (*piece, rest)
        return b"".join(whole)

    def default(self, value: Any) -> Any:
        """What ``json`` does not know, of the types that ``codec`` returns."""
        if isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
            self.conversions.count(1 + 2 * count_fields(array.dtype), TEXT_CONVERSION)
            return {
                "shape": list(array.shape),
                "dtype": dtype_spec(array.dtype),
                "data_b64": self.base64(to_buffer(array)),
            }
        self.conversions.count(1, TEXT_CONVERSION)
        if isinstance(value, (bytes, memoryview)):
            return self.base64(value)
        if isinstance(value, LongText):
            self.count(value.escaped_size())
            return self.in_place_of(*value.escaped())
        if isinstance(value, complex):
            return str(value).strip("()")
        return to_jsonable_python(value)

    def base64(self, data: bytes | memoryview) -> str:
        size = 4 * ((len(data) + 2) // 3)
        if size < LONG:
            return pybase64.b64encode(data).decode("ascii")
        self.count(size)
        return self.in_place_of(pybase64.b64encode(data))

    def in_place_of(self, *text: bytes) -> str:
        """The token for what is put in later."""
        self.pieces.append(text)
        return self.token

    def count(self, size: int) -> None:
        """Count bytes of the text before they are made, if they are many."""
        self.size += size
        if self.max_size is not None and self.size > self.max_size:
            raise LimitExceeded(
                f"the body as JSON text is over max_json_size ({self.max_size} bytes)"
            )

    def array_of_binary_map(self, value: dict[str, Any]) -> np.ndarray[Any, Any] | None:
        if value.keys() != _BINARY_MAP or type(value["data"]) not in _BINARY:
            return None
        self.conversions.count()
        return _array(value, value["data"])


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
    """``value`` with the arrays that ``array_of`` makes of some of its maps; changed in place."""
    if type(value) is dict:
        array = array_of(value)
        if array is not None:
            return array
        if not _CONTAINERS.isdisjoint(map(type, value.values())):
            for key, item in value.items():
                if type(item) in _CONTAINERS:
                    value[key] = _replace_maps(item, array_of)
    elif type(value) is list and not _CONTAINERS.isdisjoint(map(type, value)):
        for index, item in enumerate(value):
            if type(item) in _CONTAINERS:
                value[index] = _replace_maps(item, array_of)
    return value


def _array_of_json_map(value: dict[str, Any]) -> np.ndarray[Any, Any] | None:
    if value.keys() != _JSON_MAP or type(value["data_b64"]) is not str:
        return None
    try:
        data = pybase64.b64decode(value["data_b64"], validate=True)
    except ValueError:  # binascii.Error is one
        return None
    return _array(value, data)


def _array(value: dict[str, Any], data: bytes | memoryview) -> np.ndarray[Any, Any] | None:
    """A view of ``data``, or ``None``: then it is a map like any other."""
    try:
        return from_buffer(data, parse_dtype(value["dtype"]), value["shape"])
    except ValueError:
        return None

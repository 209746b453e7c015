"""Documents as JSON text and back. No I/O.

What the binary format has and JSON has not is written as follows, and read back where it is
unambiguous:

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
    BINARY_KEYS,
    JSON_KEYS,
    as_ndarray,
    dtype_spec,
    from_buffer,
    is_array_like,
    parse_dtype,
    to_buffer,
)
from binary_middleware.formats._long_text import LongText
from binary_middleware.formats.msgpack import packb, unpackb
from binary_middleware.formats.msgpack._limits import BYTES_PER_TEXT, Budget

__all__ = ["dump_json", "from_json", "to_json"]

_CONTAINERS: Final = frozenset({dict, list})
_BINARY: Final = frozenset({bytes, memoryview})

SPLICE_THRESHOLD: Final = 4 * 1024
"""Characters of base64 from which ``json`` does not see it: scanning it for what needs a
backslash would take longer than everything else."""


# -- decoded documents to JSON ---------------------------------------------------------------------


def to_json(
    document: Any,
    *,
    max_size: int | None = None,
    max_structure_size: int | None = None,
    may_hold_maps: bool = True,
) -> bytes:
    r"""Return the JSON text, in UTF-8, of a decoded document.

    What is large is counted before it is written. What is not, the structure, takes six times its
    bytes at most (a control character is ``\u0000``).

    Args:
        document: as ``Format.decode`` or ``Format.decode_views`` returns it. It is changed.
        max_size: limit in bytes for the text; ``None`` for no limit.
        max_structure_size: limit in bytes that bounds how much Python code converts; ``None`` for
            no limit.
        may_hold_maps: whether string-keyed array maps may be in it: not if no string is ``data``.

    Raises:
        LimitExceeded: nested too deeply, over ``max_size``, or too much to convert.
    """
    try:
        writer = _Writer(max_size, Budget(max_structure_size))
        if may_hold_maps:
            document = _replace_maps(document, writer.array_of_binary_map)
        return writer.write(document)
    except RecursionError as exc:
        raise LimitExceeded("the document nests too deeply") from exc


class _Writer:
    """Writes one text. Long parts are left out of what ``json`` writes, and spliced in afterwards.

    ``json`` does not say where it is in its text, so a token holds each place: hexadecimal digits
    between quotes. A document that has the token elsewhere cannot forge a place: the text then has
    one token more than there are parts, and is written again with another token. The token is
    random, made when all of the document has arrived, only so that nobody can make this happen.

    Args:
        max_size: limit in bytes for the text.
        budget: counts what Python code converts.
    """

    def __init__(self, max_size: int | None, budget: Budget) -> None:
        self.max_size = max_size
        self.budget = budget
        self.token = secrets.token_hex(16)
        self.parts: list[tuple[bytes, ...]] = []
        self.size = 0

    def write(self, document: Any) -> bytes:
        text = json.dumps(
            document,
            default=self.default,
            ensure_ascii=False,
            check_circular=False,
            separators=(",", ":"),
        ).encode()
        self.count(len(text) - len(self.token) * len(self.parts))
        if not self.parts:
            return text
        between = text.split(self.token.encode())
        if len(between) != len(self.parts) + 1:
            return _Writer(self.max_size, Budget(None)).write(document)
        pieces = [between[0]]
        for part, rest in zip(self.parts, between[1:], strict=True):
            pieces += (*part, rest)
        return b"".join(pieces)

    def default(self, value: Any) -> Any:
        """Return what ``json`` writes for a value of a type that it does not know."""
        if isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
            self.budget.count_array(array.dtype, BYTES_PER_TEXT)
            return _json_map(array, self.base64(to_buffer(array)))
        self.budget.count_conversions(1, BYTES_PER_TEXT)
        if isinstance(value, (bytes, memoryview)):
            return self.base64(value)
        if isinstance(value, LongText):
            self.count(value.escaped_size())
            return self.splice(*value.escaped())
        if isinstance(value, complex):
            return str(value).strip("()")
        return to_jsonable_python(value)

    def base64(self, data: bytes | memoryview) -> str:
        size = 4 * ((len(data) + 2) // 3)
        if size < SPLICE_THRESHOLD:
            return pybase64.b64encode(data).decode("ascii")
        self.count(size)
        return self.splice(pybase64.b64encode(data))

    def splice(self, *part: bytes) -> str:
        """Return the token for a part that is put in later."""
        self.parts.append(part)
        return self.token

    def count(self, size: int) -> None:
        """Count bytes of the text, before they are made if they are many."""
        self.size += size
        if self.max_size is not None and self.size > self.max_size:
            raise LimitExceeded(
                f"the body as JSON text is over max_json_size ({self.max_size} bytes)"
            )

    def array_of_binary_map(self, map_: dict[str, Any]) -> np.ndarray[Any, Any] | None:
        if map_.keys() != BINARY_KEYS or type(map_["data"]) not in _BINARY:
            return None
        self.budget.count_conversions()
        return _array(map_, map_["data"])


# -- objects to JSON -------------------------------------------------------------------------------


def dump_json(obj: Any) -> bytes:
    """Return the JSON text, in UTF-8, of what pydantic can dump, with arrays and bytes anywhere.

    Models are written as their own configuration says. Elsewhere bytes are base64 as pydantic
    writes it (RFC 4648 §5), and NaN and infinities are tokens.

    Raises:
        EncodeError: a value has no place in JSON.
    """
    try:
        return _JSON.to_json(obj, fallback=_dump_other, by_alias=True)
    except ValueError as exc:  # PydanticSerializationError is one
        raise EncodeError(f"a value cannot be written as JSON: {str(exc)[:200]}") from exc


def shown_json(document: Any, make: Callable[[], bytes]) -> bytes:
    """Return the JSON text that middleware is shown for a binary response.

    Args:
        document: what is encoded for the client.
        make: makes what JSON clients get, if JSON can hold it.

    Raises:
        ValueError: that of ``make``, where the document cannot be encoded either.
    """
    try:
        return make()
    except ValueError as exc:  # bytes that are not text, above all
        try:
            return to_json(unpackb(packb(document)))
        except EncodeError:
            raise exc from None


_JSON: Final = SchemaSerializer(
    core_schema.any_schema(), {"ser_json_bytes": "base64", "ser_json_inf_nan": "constants"}
)


def _dump_other(value: Any) -> Any:
    """Return what pydantic writes for a value of a type that it does not know."""
    if isinstance(value, np.generic) and value.dtype.kind in "biufcSU":
        plain = value.item()
        if not isinstance(plain, np.generic):  # longdouble has no type of Python's
            return plain
    if is_array_like(value):
        array = as_ndarray(value)
        return _json_map(array, pybase64.b64encode(to_buffer(array)).decode("ascii"))
    if isinstance(value, memoryview):
        return bytes(value)
    raise ValueError(f"{type(value).__name__} cannot be written as JSON")


# -- JSON to documents -----------------------------------------------------------------------------


def from_json(text: bytes | bytearray) -> Any:
    """Return the document in JSON text, with arrays for the maps of arrays in it.

    Args:
        text: a JSON document in UTF-8, or in an encoding that ``json.loads`` detects.

    Raises:
        DecodeError: not JSON, or nested too deeply.
    """
    try:
        try:
            document = msgspec.json.decode(text)
        except ValueError:  # NaN, a lone surrogate, a float that overflows, or no JSON at all
            document = json.loads(text)
        if b'"data_b64"' in text:
            document = _replace_maps(document, _array_of_json_map)
    except (ValueError, RecursionError) as exc:
        raise DecodeError(f"the body is not JSON: {exc}") from exc
    return document


# -- arrays in maps --------------------------------------------------------------------------------


def _replace_maps(value: Any, array_of: Callable[[dict[str, Any]], Any]) -> Any:
    """Return ``value`` with arrays for those of its maps that are some; changed in place."""
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


def _json_map(array: np.ndarray[Any, Any], base64: str) -> dict[str, Any]:
    dtype = dtype_spec(array.dtype)
    return {"shape": list(array.shape), "dtype": dtype, "data_b64": base64}


def _array_of_json_map(map_: dict[str, Any]) -> np.ndarray[Any, Any] | None:
    if map_.keys() != JSON_KEYS or type(map_["data_b64"]) is not str:
        return None
    try:
        data = pybase64.b64decode(map_["data_b64"], validate=True)
    except ValueError:  # binascii.Error is one
        return None
    return _array(map_, data)


def _array(map_: dict[str, Any], data: bytes | memoryview) -> np.ndarray[Any, Any] | None:
    """Return a view of ``data``; ``None`` if it is a map like any other."""
    try:
        return from_buffer(data, parse_dtype(map_["dtype"]), map_["shape"])
    except ValueError:
        return None

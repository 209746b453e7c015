"""Pydantic fields for numpy arrays and bytes, and the policy of which dtypes are supported.

This file imports numpy and pydantic and nothing else, so that a client can copy it into its own
code base and have the same fields as the server::

    class Picture(BaseModel):
        pixels: NumpyArrayField
        png: BinaryBytes

JSON form of an array (the layout of the Chains framework's ``NumpyArrayField``, ``truss`` 0.18)::

    {"shape": [2, 3], "dtype": "float32", "data_b64": "<base64 of array.tobytes(), RFC 4648 §4>"}

Binary form for peers that do not support msgpack-numpy's map::

    {"shape": [2, 3], "dtype": "float32", "data": <bytes of array.tobytes()>}

``dtype`` is numpy's name of the type (``float32``, ``>f8``, ``<U5``, ``datetime64[ns]``), or, for
structured types, the field list of ``numpy.dtype.descr`` (``[["x", "<f4"], ["id", "<i8", [2]]]``).
"""

from __future__ import annotations

import binascii
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NamedTuple

import numpy as np
from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticKnownError, core_schema

__all__ = [
    "BinaryBytes",
    "NativeSerializer",
    "NumpyArrayField",
    "as_ndarray",
    "check_dtype",
    "dtype_spec",
    "from_buffer",
    "from_map",
    "is_array_like",
    "is_extension",
    "parse_dtype",
    "register_dtype",
    "to_buffer",
    "to_map",
]

MAX_DIMS: Final = 64
"""Maximum number of dimensions: numpy 2's own limit."""

MAX_DTYPE_FIELDS: Final = 1024
"""Maximum number of fields of a structured dtype, nested ones included. Building such a type costs
far more than reading the bytes that ask for it."""

MAX_DTYPE_DEPTH: Final = 8
"""Maximum nesting of structured dtypes."""

MAX_FIELD_NAME: Final = 1024
"""Maximum length of a field's name or title: ten times the longest that people write."""

MAX_FIELD_NAMES: Final = 64 * 1024
"""Maximum length of all names and titles of a structured dtype together, nested ones included.
numpy copies them into each type derived from another, so that they cost a multiple of the bytes
that ask for them."""

MAX_DESCRIBED_SIZE: Final = 4 * 2**20
"""Maximum size in bytes of all structured dtypes that are remembered. Clients choose them."""

BLOCK_SIZE: Final = 1 << 16
"""Number of elements compared at a time, so that all comparisons find them in the cache."""

JSON_KEYS: Final = frozenset({"shape", "dtype", "data_b64"})
"""Keys of the map of an array in JSON."""

BINARY_KEYS: Final = frozenset({"shape", "dtype", "data"})
"""Keys of the map of an array with ``bytes``."""

# Only spellings that numpy itself writes (``str(dtype)``, ``dtype.str``). ``numpy.dtype`` accepts
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

_MAY_HOLD_GAPS_OR_TEXT: Final = "UVgG"
"""``dtype.char`` of the dtypes whose bytes have to be looked at."""

_LONGDOUBLES: Final = (np.longdouble, np.clongdouble)

_LONGDOUBLE_PADDING: Final = (
    # The type of x86 has 80 bits, and processors write no more.
    np.dtype(np.longdouble).itemsize - 10 if np.finfo(np.longdouble).nmant == 63 else 0
)


def shorten(text: str) -> str:
    """Return ``text``, cut to 80 characters."""
    return text if len(text) <= 80 else f"{text[:77]}..."


# -- the dtype policy --------------------------------------------------------------------------


def check_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return ``dtype`` if its arrays can be sent as raw bytes.

    Supported are numpy's own types of the kinds b, i, u, f, c, S, U, M, m and V, and structured
    types of these. Not supported is whatever holds pointers (object, ``StringDType``), and types
    of other libraries (``ml_dtypes``), whose names numpy alone cannot read back, unless they
    were registered (see :func:`register_dtype`).

    Raises:
        ValueError: the dtype is not supported.
    """
    if dtype.hasobject:
        raise ValueError(
            "object arrays are not supported, as their elements are Python objects: convert them "
            "with .astype(...)"
        )
    if dtype.subdtype is not None:
        check_dtype(dtype.subdtype[0])
    elif dtype.names is not None:
        _check_structured(dtype)
    elif not _is_builtin(dtype) and not is_extension(dtype):
        raise ValueError(f"arrays of dtype {shorten(str(dtype))} are not supported")
    return dtype


def register_dtype(dtype: Any) -> None:
    """Support a dtype of another library, under its name on the wire (``"bfloat16"``).

    Its elements are sent as they are in memory, so both sides must use that name for the type.

    Args:
        dtype: a type, such as ``ml_dtypes.bfloat16``, or its dtype.

    Raises:
        ValueError: not a type that another library registered with numpy, one whose elements hold
            pointers, or a machine that is not little-endian.
    """
    dtype = np.dtype(dtype)
    if dtype.isbuiltin != 2 or dtype.hasobject or not dtype.name.isidentifier():
        raise ValueError(f"{shorten(str(dtype))} is not a dtype of another library")
    if sys.byteorder != "little":
        raise ValueError("dtypes of other libraries are supported on little-endian machines only")
    _EXTENSIONS[dtype.name] = dtype


_EXTENSIONS: Final[dict[str, np.dtype[Any]]] = {}


def is_extension(dtype: np.dtype[Any]) -> bool:
    """Return whether ``dtype`` was registered by :func:`register_dtype`."""
    if not _EXTENSIONS or dtype.isbuiltin != 2:
        return False
    return dtype.name in _EXTENSIONS and _EXTENSIONS[dtype.name] == dtype


@lru_cache(maxsize=256)
def _is_builtin(dtype: np.dtype[Any]) -> bool:
    if dtype.kind not in "biufcSUMmV":
        return False
    try:
        return np.dtype(dtype.str) == dtype
    except TypeError:
        return False


def _check_structured(dtype: np.dtype[Any]) -> None:
    if dtype in _DESCRIBED:
        return
    for name in dtype.names or ():
        check_dtype(dtype[name])
    # ``descr`` cannot describe every layout: it raises for unordered fields, and a type without
    # fields comes back as plain void.
    try:
        descr = dtype.descr
    except ValueError as exc:
        raise ValueError(_UNORDERED_FIELDS) from exc
    budget = _Budget()
    if _parse_descr(descr, budget) != dtype:
        raise ValueError("this structured dtype is not supported: its descr describes another one")
    layout = tuple(_iter_parts(dtype, 0, (), ()))
    fields = MAX_DTYPE_FIELDS - budget.fields
    size = 512 * (fields + 1) + 8 * (MAX_FIELD_NAMES - budget.characters)
    if size + sum(known.size for known in [*_DESCRIBED.values()]) > MAX_DESCRIBED_SIZE:
        _DESCRIBED.clear()
    _DESCRIBED[dtype] = _Described(size, layout)


class _Described(NamedTuple):
    size: int
    """In bytes, approximately."""
    layout: tuple[_Part, ...]


_DESCRIBED: Final[dict[np.dtype[Any], _Described]] = {}
"""Structured dtypes that their ``descr`` describes."""

_UNORDERED_FIELDS: Final = (
    "structured dtypes with overlapping or unordered fields are not supported"
)


def parse_dtype(spec: object) -> np.dtype[Any]:
    """Read a dtype that somebody else wrote: a name, a type string, or a field list.

    Args:
        spec: ``"float32"``, ``"<f4"``, ``"datetime64[ns]"``, or the list form of
            ``numpy.dtype.descr``, in which padding has an empty name.

    Raises:
        ValueError: not a dtype, or one that is not supported (see :func:`check_dtype`).
    """
    if isinstance(spec, bytes):
        spec = spec.decode("ascii", "replace")
    if isinstance(spec, str):
        extension = _EXTENSIONS.get(spec)
        return _parse_plain(spec) if extension is None else extension
    if isinstance(spec, (list, tuple)):
        return _parse_descr(spec, _Budget())
    raise ValueError(f"dtype must be a string or a list of fields, got {type(spec).__name__}")


@lru_cache(maxsize=256)
def _parse_plain(name: str) -> np.dtype[Any]:
    if _PLAIN_DTYPE.fullmatch(name) is None:
        raise ValueError(f"dtype {shorten(name)!r} is not allowed")
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError) as exc:
        raise ValueError(f"numpy does not support dtype {shorten(name)!r} here") from exc
    if dtype.itemsize < 0:  # numpy 2.0 lets the size of a long string overflow
        raise ValueError(f"numpy does not support dtype {shorten(name)!r} here")
    return dtype


@dataclass
class _Budget:
    """The fields, and characters of their names, that one dtype may still have."""

    fields: int = MAX_DTYPE_FIELDS
    characters: int = MAX_FIELD_NAMES


def _parse_descr(descr: Any, budget: _Budget, depth: int = 1) -> np.dtype[Any]:
    budget.fields -= len(descr)
    if budget.fields < 0:
        raise ValueError(f"structured dtype has more than {MAX_DTYPE_FIELDS} fields")
    if depth > MAX_DTYPE_DEPTH:
        raise ValueError(f"structured dtype nests deeper than {MAX_DTYPE_DEPTH}")
    fields: list[tuple[str, str | None, np.dtype[Any], int]] = []
    offset = 0
    for field in descr:
        if not isinstance(field, (list, tuple)) or len(field) not in (2, 3):
            raise ValueError("a dtype field must be [name, type] or [name, type, shape]")
        title, name = _parse_field_name(field[0], budget)
        dtype = _parse_field_dtype(field, budget, depth)
        if name:
            fields.append((name, title, dtype, offset))
        elif dtype.type is not np.void or dtype.names is not None or dtype.subdtype is not None:
            raise ValueError("a dtype field without a name must be padding ('|V4')")
        elif len(descr) == 1:
            return dtype  # the descr of plain void, "|V8"
        offset += dtype.itemsize
    if not fields:
        raise ValueError("a structured dtype must have a field")
    names, titles, formats, offsets = (list(column) for column in zip(*fields, strict=True))
    layout: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": offset}
    if any(title is not None for title in titles):
        layout["titles"] = titles
    return _build_dtype(layout)


def _build_dtype(layout: Any) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(layout)
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError(f"not a structured dtype: {shorten(str(exc))}") from exc
    return dtype


def _parse_field_name(name: object, budget: _Budget) -> tuple[str | None, str]:
    if isinstance(name, (str, bytes)):
        return None, _bounded_name(name, budget)
    if isinstance(name, (list, tuple)) and len(name) == 2:
        title, plain = name
        if isinstance(title, str) and isinstance(plain, str) and plain:
            return _bounded_name(title, budget), _bounded_name(plain, budget)
    raise ValueError("the name of a dtype field must be a string, or [title, name]")


def _bounded_name(name: str | bytes, budget: _Budget) -> str:
    budget.characters -= len(name)
    if len(name) > MAX_FIELD_NAME or budget.characters < 0:
        raise ValueError(
            f"the names of dtype fields may have {MAX_FIELD_NAME} characters each, and "
            f"{MAX_FIELD_NAMES} in all"
        )
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def _parse_field_dtype(field: Any, budget: _Budget, depth: int) -> np.dtype[Any]:
    spec = field[1]
    is_descr = isinstance(spec, (list, tuple))
    dtype = _parse_descr(spec, budget, depth + 1) if is_descr else parse_dtype(spec)
    if len(field) == 2:
        return dtype
    shape = _check_shape((field[2],) if isinstance(field[2], int) else field[2])
    return _build_dtype((dtype, shape))


def dtype_spec(dtype: np.dtype[Any]) -> str | list[Any]:
    """Return the JSON form of a supported dtype, which :func:`parse_dtype` reads."""
    if dtype.names is None:
        return str(dtype)
    return [_as_lists(field) for field in dtype.descr]


def _as_lists(item: Any) -> Any:
    return [_as_lists(part) for part in item] if isinstance(item, (tuple, list)) else item


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
    """View ``data`` as an array; nothing is copied.

    Args:
        data: an object with the buffer protocol, of exactly as many bytes as the array needs.
        dtype: a supported dtype.
        shape: a list or tuple of sizes, C order.

    Raises:
        ValueError: the shape is not one, it and the dtype do not match the number of bytes, or
            text holds surrogates or code points beyond U+10FFFF.
    """
    sizes = _check_shape(shape)
    nbytes = memoryview(data).nbytes
    count = math.prod(sizes)
    if dtype.itemsize == 0 and count:
        raise ValueError(f"dtype {shorten(str(dtype))} has no size but the shape has elements")
    if count * dtype.itemsize != nbytes:
        raise ValueError(
            f"dtype {shorten(str(dtype))} and shape {shorten(str(list(sizes)))} need "
            f"{shorten(str(count * dtype.itemsize))} bytes, got {nbytes}"
        )
    try:
        array = np.ndarray(sizes, dtype, data)
    except (ValueError, TypeError, OverflowError) as exc:
        raise ValueError(f"not an array: {shorten(str(exc))}") from exc
    if nbytes and dtype.char in _MAY_HOLD_GAPS_OR_TEXT:
        for part in _layout(dtype):
            if part.kind == "text":
                _check_characters(part.view(data, dtype.itemsize, count))
    return array


def to_buffer(array: np.ndarray[Any, Any]) -> memoryview:
    """Return the bytes of ``array`` in C order: a flat view if it is contiguous, else of a copy.

    The gaps between the fields of a structured dtype are zero, and so is the padding of long
    doubles: numpy's copies leave there what the memory held before, such as parts of other
    requests. Only arrays of such dtypes are copied for it.

    Args:
        array: an array of a supported dtype (see :func:`check_dtype`).

    Raises:
        ValueError: text holds surrogates or code points beyond U+10FFFF, which no reader could
            decode.
    """
    if array.nbytes == 0:
        return memoryview(b"")
    dtype = array.dtype
    if dtype.char not in _MAY_HOLD_GAPS_OR_TEXT:
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    layout = _layout(dtype)
    has_gaps = any(part.kind == "gap" for part in layout)
    items = array.view(f"V{dtype.itemsize}")  # which are copied whole, not field by field
    items = np.array(items, order="C", copy=True if has_gaps else None, subok=False)
    data = items.reshape(-1).view(np.uint8)
    for part in layout:
        view = part.view(data, dtype.itemsize, array.size)
        if part.kind == "gap":
            view[...] = np.zeros((), view.dtype)
        else:
            _check_characters(view)
    return data.data


class _Part(NamedTuple):
    """The same part of each item of an array: bytes of no value, or the characters of a text."""

    kind: Literal["gap", "text"]
    dtype: str
    offset: int
    """In bytes from the beginning of an item."""
    shape: tuple[int, ...] = ()
    """The number of times that an item has it: the sizes of the subarrays that hold it."""
    strides: tuple[int, ...] = ()

    def view(self, data: Any, itemsize: int, count: int) -> np.ndarray[Any, Any]:
        """View the part in the bytes of ``count`` items."""
        strides = (itemsize, *self.strides)
        return np.ndarray((count, *self.shape), self.dtype, data, self.offset, strides)


def _layout(dtype: np.dtype[Any]) -> Sequence[_Part]:
    if dtype.names is None:
        return _layout_without_fields(dtype)
    described = _DESCRIBED.get(dtype)
    return [*_iter_parts(dtype, 0, (), ())] if described is None else described.layout


@lru_cache(maxsize=256)
def _layout_without_fields(dtype: np.dtype[Any]) -> Sequence[_Part]:
    return [*_iter_parts(dtype, 0, (), ())]


def _iter_parts(
    dtype: np.dtype[Any], start: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Iterator[_Part]:
    """Yield the gaps and texts of a field at an offset, in subarrays of a shape and strides.

    Raises:
        ValueError: fields overlap, or are not in the order of their offsets.
    """

    def gap(begin: int, end: int) -> Iterator[_Part]:
        if begin < end:
            yield _Part("gap", f"V{end - begin}", start + begin, shape, strides)

    if dtype.subdtype is not None:
        base, sizes = dtype.subdtype
        count = math.prod(sizes)
        # numpy's promotion may pack the elements and keep the size.
        yield from gap(count * base.itemsize, dtype.itemsize)
        yield from _iter_parts(base, start, (*shape, count), (*strides, base.itemsize))
    elif dtype.names is not None:
        end = 0
        fields: Any = dtype.fields
        for field, offset, *_ in map(fields.get, dtype.names):
            if offset < end:
                raise ValueError(_UNORDERED_FIELDS)
            yield from gap(end, offset)
            if field.itemsize and field.char in _MAY_HOLD_GAPS_OR_TEXT:
                yield from _iter_parts(field, start + offset, shape, strides)
            end = offset + field.itemsize
        yield from gap(end, dtype.itemsize)
    elif dtype.kind == "U" and dtype.itemsize:
        codes = ">u4" if dtype.str.startswith(">") else "<u4"
        yield _Part("text", codes, start, (*shape, dtype.itemsize // 4), (*strides, 4))
    elif dtype.type in _LONGDOUBLES and _LONGDOUBLE_PADDING:
        size = np.dtype(np.longdouble).itemsize
        for end in range(size, dtype.itemsize + 1, size):
            begin = end - _LONGDOUBLE_PADDING if dtype.isnative else end - size
            yield from gap(begin, begin + _LONGDOUBLE_PADDING)


def _check_characters(codes: np.ndarray[Any, Any]) -> None:
    for block in (codes,) if codes.size <= BLOCK_SIZE else iter_blocks(codes):
        highest = block.max()
        if highest < 0xD800:
            continue
        # Unsigned, so that what is below wraps around to beyond.
        if highest > 0x10FFFF or (np.subtract(block, np.uint32(0xD800)) < 0x800).any():
            raise ValueError("text arrays must hold Unicode characters, without surrogates")


def iter_blocks(array: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the elements in blocks of one dimension, in the order of their memory."""
    flags: Any = ["external_loop", "buffered", "zerosize_ok"]
    with np.nditer(array, flags=flags, order="K", buffersize=BLOCK_SIZE) as blocks:
        for block in blocks:
            yield np.asarray(block)


def is_array_like(value: object) -> bool:
    """Return whether ``value`` is an array or offers one (``__array__``, ``__dlpack__``).

    Sparse arrays are included, so that :func:`as_ndarray` can refuse them with a hint.
    """
    kind = type(value)
    return hasattr(kind, "__array__") or hasattr(kind, "__dlpack__") or _is_sparse(value)


def _is_sparse(value: object) -> bool:
    # ``toarray`` is that of SciPy, ``todense`` that of the others; no array has either.
    kind = type(value)
    return hasattr(kind, "toarray") or hasattr(kind, "todense")


def as_ndarray(value: Any) -> np.ndarray[Any, Any]:
    """Convert ``value`` to a numpy array that can be sent, without a copy if its library can.

    Raises:
        ValueError: not an array, an array on another device, a masked or sparse array, or one of
            a dtype that is not supported.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(
            "masked arrays are not supported: send .filled(...), or data and mask as two arrays"
        )
    if not isinstance(value, np.ndarray):
        if not is_array_like(value):
            raise ValueError(f"expected an array, got {type(value).__name__}")
        if _is_sparse(value):
            raise ValueError(
                "sparse arrays are not supported: send .toarray() or .todense(), or their parts "
                "(data and indices) as arrays"
            )
        try:
            if hasattr(type(value), "__array__"):
                value = np.asarray(value)
            else:
                value = np.from_dlpack(value)
        except Exception as exc:  # whatever the foreign library raises
            raise ValueError(
                f"a {type(value).__name__} cannot be read as a numpy array: {shorten(str(exc))}"
            ) from exc
    check_dtype(value.dtype)
    if value.size and not value.itemsize:
        raise ValueError(
            f"arrays of dtype {shorten(str(value.dtype))} are not supported: elements of no size"
        )
    return value if type(value) is np.ndarray else np.asarray(value)


def to_map(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the JSON map of an array, which :func:`from_map` reads.

    Raises:
        ValueError: the dtype is not supported.
    """
    return {
        "shape": list(array.shape),
        "dtype": dtype_spec(check_dtype(array.dtype)),
        "data_b64": _to_base64(to_buffer(array)),
    }


def from_map(value: Mapping[Any, Any]) -> np.ndarray[Any, Any]:
    """Read the array of a JSON map (``data_b64``) or a binary map (``data``).

    Returns:
        A writable array with memory of its own.

    Raises:
        ValueError: other keys than these three, or values that do not make an array.
    """
    if value.keys() == JSON_KEYS:
        data = _decode_base64(value["data_b64"])
    elif value.keys() == BINARY_KEYS:
        data = value["data"]
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ValueError(f"data must be bytes, got {type(data).__name__}")
    else:
        raise ValueError(
            "expected an array: an object with exactly the keys shape, dtype and data_b64"
        )
    dtype = parse_dtype(value["dtype"])
    return from_buffer(bytearray(data), dtype, value["shape"])


def map_schema(
    shape: dict[str, Any] | None = None, dtype: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the JSON schema of the JSON map of an array.

    Args:
        shape: the schema of the shape, ``None`` for any.
        dtype: the schema of the dtype, ``None`` for any.
    """
    any_size = {"type": "integer", "minimum": 0}
    any_dtype = {"anyOf": [{"type": "string"}, {"type": "array", "items": {}}]}
    return {
        "type": "object",
        "properties": {
            "shape": shape or {"type": "array", "items": any_size, "maxItems": MAX_DIMS},
            "dtype": dtype or any_dtype,
            "data_b64": {"type": "string", "contentEncoding": "base64"},
        },
        "required": ["shape", "dtype", "data_b64"],
        "additionalProperties": False,
    }


def _decode_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"data_b64 must be a base64 string, got {type(text).__name__}")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as exc:  # also binascii.Error
        raise ValueError(f"data_b64 is not base64: {shorten(str(exc))}") from exc


def same_elements(mine: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> bool:
    """Return whether two arrays of one dtype have one shape and equal elements (NaN equals NaN)."""
    # numpy supports no equal_nan for structured types.
    if mine.dtype.names is not None:
        return all(same_elements(mine[name], theirs[name]) for name in mine.dtype.names)
    has_nan = mine.dtype.kind in "fcmM" or is_extension(mine.dtype)
    return np.array_equal(mine, theirs, equal_nan=has_nan)


# -- the fields --------------------------------------------------------------------------------


class NativeSerializer:
    """A serializer that writes an array or bytes, and only in JSON a map or text.

    Serializers for binary clients recognise it by its attribute ``native``.

    Args:
        native: returns the array, or the bytes, of a value.
        to_json: returns the JSON form of that.
    """

    def __init__(
        self, native: Callable[[Any], Any], to_json: Callable[[Any], Any] | None = None
    ) -> None:
        self.native = native
        self.to_json = to_map if to_json is None else to_json

    def __call__(self, value: Any, info: core_schema.SerializationInfo | None = None) -> Any:
        """Return the array or bytes of a value, or in JSON their JSON form."""
        native = self.native(value)
        # Without ``info``, it is for JSON only.
        return self.to_json(native) if info is None or info.mode_is_json() else native


def _array_of(value: Any) -> np.ndarray[Any, Any]:
    # Models made by ``model_construct`` may hold the bare array.
    return value.array if isinstance(value, NumpyArrayField) else as_ndarray(value)


# A dataclass, because FastAPI reads a parameter of such a type from the body, not the query.
@dataclass(slots=True, init=False, repr=False, eq=False)
class NumpyArrayField:
    """A numpy array as a field of a pydantic model.

    ::

        class Measurement(BaseModel):
            name: str
            samples: NumpyArrayField

        m = Measurement(name="a", samples=np.zeros((2, 3), "float32"))
        m.samples.array += 1

    ``model_dump()`` returns the array itself, ``model_dump_json()`` the JSON form, and both are
    accepted when validating, as is the binary form and whatever offers ``__array__`` or
    ``__dlpack__``. Errors are ``ValueError``s that name the fault and never print the data.

    Two fields are equal if dtype, shape and all elements are (NaN equals NaN).

    Attributes:
        array: the array, of any shape and any supported dtype (see :func:`check_dtype`). It is
            the one that was given, not a copy; arrays made from JSON or bytes are writable.
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
        return self.array.dtype == other.array.dtype and same_elements(self.array, other.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.array, dtype=dtype, copy=copy)

    @classmethod
    def _validate(cls, value: Any) -> NumpyArrayField:
        if isinstance(value, NumpyArrayField):
            return value if isinstance(value, cls) else cls(value.array)
        if isinstance(value, Mapping):
            return cls(from_map(value))
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source_type: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                NativeSerializer(_array_of), info_arg=True
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return map_schema()


# What pydantic asks a value for where the field says ``Any``.
NumpyArrayField.__pydantic_serializer__ = TypeAdapter(NumpyArrayField).serializer  # type: ignore[attr-defined]


def _read_bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return bytes(value) if isinstance(value, memoryview) else value
    text = value.translate(_STANDARD_ALPHABET)
    if "=" not in text:
        text += "=" * (-len(text) % 4)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as exc:  # also binascii.Error
        context = {"encoding": "base64", "encoding_error": shorten(str(exc))}
        raise PydanticKnownError("bytes_invalid_encoding", context) from exc


_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")  # for that of URLs, RFC 4648 §5


def _plain_bytes(value: Any) -> bytes:
    return value if type(value) is bytes else bytes(memoryview(value))


def _to_base64(value: Any) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


BinaryBytes = Annotated[
    bytes,
    BeforeValidator(_read_bytes),
    PlainSerializer(NativeSerializer(_plain_bytes, _to_base64), when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""``bytes`` that are base64 in JSON and themselves everywhere else, so that one field serves JSON
clients and binary clients. It writes the alphabet of RFC 4648 §4 and reads that of §5, for URLs, as
well, with padding or without. Text is always read as base64."""

"""Pydantic field types for numpy arrays, and the policy of which dtypes may travel.

This file imports numpy and pydantic and nothing else, so that a client can copy it into its own
code base and have the same fields as the server::

    class Picture(BaseModel):
        pixels: Annotated[NDArray[np.uint8], ArraySpec(None, None, 3)]
        histogram: Float64Array
        more: NumpyArrayField  # an array of any dtype and shape
        png: BinaryBytes

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from itertools import chain
from types import EllipsisType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PydanticSchemaGenerationError,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

__all__ = [
    "ArraySpec",
    "BinaryBytes",
    "BoolArray",
    "BoundArray",
    "Complex64Array",
    "Complex128Array",
    "Dim",
    "Float16Array",
    "Float32Array",
    "Float64Array",
    "Int8Array",
    "Int16Array",
    "Int32Array",
    "Int64Array",
    "NativeSerializer",
    "NumpyArrayField",
    "UInt8Array",
    "UInt16Array",
    "UInt32Array",
    "UInt64Array",
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
"""Most dimensions of an array: numpy 2's own limit."""

MAX_DTYPE_FIELDS: Final = 1024
"""Most fields of a structured dtype, nested ones included. A longer list is refused: building
such a type costs far more than reading the bytes that ask for it."""

MAX_DTYPE_DEPTH: Final = 8
"""Deepest nesting of structured dtypes."""

MAX_FIELD_NAME: Final = 1024
"""Most characters of a name, or of a title, of a field: ten times the longest that people write."""

MAX_CONVERTED_SIZE: Final = 256 * 1024 * 1024
"""Most bytes that converting an array to a wider dtype may make: a limit of bodies does not bound
what ``casting`` makes of them, 32 bytes of each for ``S1`` to ``U8``. An array that comes in the
dtype of its field has no such limit."""

MAX_FIELD_NAMES: Final = 64 * 1024
"""Most characters of all names and titles of one structured dtype, nested ones included: 64 for
each of :data:`MAX_DTYPE_FIELDS`. numpy copies names into each type that is derived from another,
so that their cost is a multiple of the bytes that ask for them."""

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
    of other libraries (``ml_dtypes``), whose names numpy alone cannot read back, unless they
    were registered (see :func:`register_dtype`).

    Raises:
        ValueError: the dtype is not allowed.
    """
    if dtype.hasobject:
        raise ValueError("object arrays cannot be carried: their elements are Python objects")
    if dtype.subdtype is not None:
        check_dtype(dtype.subdtype[0])
    elif dtype.names is not None:
        _check_fields(dtype)
    elif not _is_numpys_own(dtype) and not is_extension(dtype):
        raise ValueError(f"arrays of dtype {_shorten(str(dtype))} cannot be carried")
    return dtype


def register_dtype(dtype: Any) -> None:
    """Allow a dtype of another library, which then travels under its name (``"bfloat16"``).

    Its elements are carried as they are in memory, so both sides must know the type by that name.

    Args:
        dtype: a type, such as ``ml_dtypes.bfloat16``, or its dtype.

    Raises:
        ValueError: not a type that another library registered with numpy, one whose elements hold
            pointers, or a machine whose memory is not in the order of the wire.
    """
    dtype = np.dtype(dtype)
    if dtype.isbuiltin != 2 or dtype.hasobject or not dtype.name.isidentifier():
        raise ValueError(f"{_shorten(str(dtype))} is not a dtype of another library")
    if sys.byteorder != "little":
        raise ValueError("dtypes of other libraries travel in little-endian order only")
    _EXTENSIONS[dtype.name] = dtype


_EXTENSIONS: Final[dict[str, np.dtype[Any]]] = {}


def is_extension(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is one of another library that was registered: its name is its wire form."""
    if not _EXTENSIONS or dtype.isbuiltin != 2:
        return False
    return dtype.name in _EXTENSIONS and _EXTENSIONS[dtype.name] == dtype


@lru_cache(maxsize=256)
def _is_numpys_own(dtype: np.dtype[Any]) -> bool:
    if dtype.kind not in "biufcSUMmV":
        return False
    try:
        return np.dtype(dtype.str) == dtype
    except TypeError:
        return False


class _Strip(NamedTuple):
    """The same part of each item of an array: a gap, or a text."""

    offset: int
    """Bytes from the beginning of an item."""
    dtype: str
    counts: tuple[int, ...]
    """How often it stands in one item: the sizes of the subarrays that hold it."""
    strides: tuple[int, ...]

    def view(self, data: Any, itemsize: int, count: int) -> np.ndarray[Any, Any]:
        """View the part in the bytes of ``count`` items."""
        return np.ndarray(
            (count, *self.counts), self.dtype, data, self.offset, (itemsize, *self.strides)
        )


class _Layout:
    """What the items of a dtype hold that cannot leave, or arrive, unseen.

    Attributes:
        gaps: bytes that belong to no value, those of nested fields and subarrays included.
        texts: characters, as numbers.
        weight: about the bytes of memory that the dtype and this layout take.
        has_wire_form: whether ``descr`` is known to describe the dtype.

    Raises:
        ValueError: fields overlap, or do not stand in the order of their offsets.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.gaps: list[_Strip] = []
        self.texts: list[_Strip] = []
        self.weight = _WEIGHT_OF_FIELD
        self.has_wire_form = False
        self._add(dtype, 0, (), ())

    def _add(
        self, dtype: np.dtype[Any], start: int, counts: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        if dtype.subdtype is not None:
            dtype, shape = dtype.subdtype
            counts, strides = (*counts, math.prod(shape)), (*strides, dtype.itemsize)
        if dtype.names is not None:
            self._add_fields(dtype, start, counts, strides)
        elif dtype.kind == "U" and dtype.itemsize:
            codes = ">u4" if dtype.str.startswith(">") else "<u4"
            counts, strides = (*counts, dtype.itemsize // 4), (*strides, 4)
            self.texts.append(_Strip(start, codes, counts, strides))
        elif dtype.char in "gG" and _PADDING_OF_LONGDOUBLE:
            size = np.dtype(np.longdouble).itemsize
            gap = size - _PADDING_OF_LONGDOUBLE if dtype.isnative else 0
            for at in range(start + gap, start + dtype.itemsize, size):
                self.gaps.append(_Strip(at, f"V{_PADDING_OF_LONGDOUBLE}", counts, strides))

    def _add_fields(
        self, dtype: np.dtype[Any], start: int, counts: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        end = 0
        fields: Any = dtype.fields
        for name in dtype.names or ():
            field, offset, *title = fields[name]
            self.weight += _WEIGHT_OF_FIELD + 8 * len(name) + 8 * sum(map(len, title))
            if offset < end:
                raise ValueError(
                    "a structured dtype with overlapping or unordered fields has no wire form"
                )
            if offset > end:
                self.gaps.append(_Strip(start + end, f"V{offset - end}", counts, strides))
            if field.itemsize and field.char in _LAID_OUT:
                self._add(field, start + offset, counts, strides)
            end = offset + field.itemsize
        if end < dtype.itemsize:
            self.gaps.append(_Strip(start + end, f"V{dtype.itemsize - end}", counts, strides))


_LAID_OUT: Final = "UVgG"
"""numpy's characters of the dtypes that may have gaps or texts. No other is looked at."""

_PADDING_OF_LONGDOUBLE: Final = (
    # The type of x86 has 80 bits, and processors write no more.
    np.dtype(np.longdouble).itemsize - 10 if np.finfo(np.longdouble).nmant == 63 else 0
)

_WEIGHT_OF_FIELD: Final = 512


class _Layouts:
    """Remembers layouts. Clients choose dtypes, so that all of them together are bounded."""

    MAX_WEIGHT: Final = 4 * 2**20

    def __init__(self) -> None:
        self._kept: dict[np.dtype[Any], _Layout] = {}
        self._weight = 0

    def of(self, dtype: np.dtype[Any]) -> _Layout:
        """Return the layout of a dtype.

        Raises:
            ValueError: fields overlap.
        """
        layout = self._kept.get(dtype)
        if layout is None:
            layout = _Layout(dtype)
            self._weight += layout.weight
            if self._weight > self.MAX_WEIGHT:
                self._kept.clear()
                self._weight = layout.weight
            if layout.weight <= self.MAX_WEIGHT:
                self._kept[dtype] = layout
        return layout


_layouts: Final = _Layouts()


def _check_fields(dtype: np.dtype[Any]) -> None:
    layout = _layouts.of(dtype)
    if layout.has_wire_form:
        return
    for name in dtype.names or ():
        check_dtype(dtype[name])
    # ``descr`` cannot tell every layout: it raises for unordered fields, and a type without
    # fields comes back as plain void.
    try:
        descr = dtype.descr
    except ValueError as exc:
        raise ValueError("a structured dtype with unordered fields has no wire form") from exc
    if _parse_descr(descr, _Budget()) != dtype:
        raise ValueError("this structured dtype has no wire form: its descr describes another")
    layout.has_wire_form = True


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
        extension = _EXTENSIONS.get(spec)
        return _parse_plain(spec) if extension is None else extension
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
    """Counts the fields of one dtype, the characters of their names, and how deep they nest."""

    def __init__(self) -> None:
        self.fields = MAX_DTYPE_FIELDS
        self.characters = MAX_FIELD_NAMES
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
        title, name = _field_name(field[0], budget)
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


def _field_name(name: object, budget: _Budget) -> tuple[str | None, str]:
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
        array = np.ndarray(sizes, dtype, data)
    except (ValueError, TypeError, OverflowError) as exc:
        raise ValueError(f"not an array: {_shorten(str(exc))}") from exc
    if nbytes and dtype.char in _LAID_OUT:
        _check_characters(data, _layouts.of(dtype), dtype.itemsize, count)
    return array


def to_buffer(array: np.ndarray[Any, Any]) -> memoryview:
    """The bytes of ``array`` in C order: a flat view where it is contiguous, else of a copy.

    The gaps between the fields of a structured dtype are zero, and so is the padding of long
    doubles: numpy's copies leave there what the memory held before, such as parts of other
    requests. Only arrays of such dtypes are copied for it.

    Args:
        array: an array of an allowed dtype (see :func:`check_dtype`).

    Raises:
        ValueError: text that holds what is no Unicode character (surrogates, or code points
            beyond U+10FFFF), which no reader could make a string of.
    """
    if array.nbytes == 0:
        return memoryview(b"")
    dtype = array.dtype
    if dtype.char not in _LAID_OUT:
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    layout = _layouts.of(dtype)
    items = array.view(f"V{dtype.itemsize}")  # which are copied whole, not field by field
    items = np.array(items, order="C", copy=True if layout.gaps else None, subok=False)
    data = items.reshape(-1).view(np.uint8)
    for gap in layout.gaps:
        gap.view(data, dtype.itemsize, array.size)[...] = np.zeros((), gap.dtype)
    _check_characters(data, layout, dtype.itemsize, array.size)
    return data.data


def _check_characters(data: Any, layout: _Layout, itemsize: int, count: int) -> None:
    for text in layout.texts:
        codes = text.view(data, itemsize, count)
        for block in (codes,) if codes.size <= _BLOCK else _blocks(codes):
            highest = block.max()
            if highest < 0xD800:
                continue
            # Unsigned, so that what is below wraps around to beyond.
            if highest > 0x10FFFF or (np.subtract(block, np.uint32(0xD800)) < 0x800).any():
                raise ValueError("text arrays must hold Unicode characters, without surrogates")


def is_array_like(value: object) -> bool:
    """Whether ``value`` is an array or offers itself as one (``__array__``, ``__dlpack__``).

    Sparse arrays are among them, so that :func:`as_ndarray` can refuse them with a hint.
    """
    kind = type(value)
    return hasattr(kind, "__array__") or hasattr(kind, "__dlpack__") or _is_sparse(value)


def _is_sparse(value: object) -> bool:
    # ``toarray`` is that of SciPy, ``todense`` that of the others; no array has either.
    kind = type(value)
    return hasattr(kind, "toarray") or hasattr(kind, "todense")


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
        if _is_sparse(value):
            raise ValueError(
                "sparse arrays cannot be carried: send .toarray() or .todense(), or their parts "
                "(data and indices) as arrays"
            )
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


def to_map(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The JSON map of an array, which :func:`from_map` reads.

    Raises:
        ValueError: the dtype is not allowed.
    """
    return {
        "shape": list(array.shape),
        "dtype": dtype_spec(check_dtype(array.dtype)),
        "data_b64": binascii.b2a_base64(to_buffer(array), newline=False).decode("ascii"),
    }


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


def same_elements(mine: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays of one dtype have one shape and equal elements; NaN equals NaN."""
    # numpy knows no equal_nan for structured types.
    if mine.dtype.names is not None:
        return all(same_elements(mine[name], theirs[name]) for name in mine.dtype.names)
    has_nan = mine.dtype.kind in "fcmM" or is_extension(mine.dtype)
    return np.array_equal(mine, theirs, equal_nan=has_nan)


# -- the field ---------------------------------------------------------------------------------


class NativeSerializer:
    """Serializes a value as what it is in memory, and only in JSON as a map or as text.

    Serializers for binary clients know it by its attribute ``native``.

    Args:
        native: gives the array, or the bytes.
        to_json: gives the JSON form of that.
    """

    def __init__(
        self, native: Callable[[Any], Any], to_json: Callable[[Any], Any] | None = None
    ) -> None:
        self.native = native
        self.to_json = to_map if to_json is None else to_json

    def __call__(self, value: Any, info: core_schema.SerializationInfo | None = None) -> Any:
        native = self.native(value)
        # Without ``info``, it is for JSON only.
        return self.to_json(native) if info is None or info.mode_is_json() else native


def _array_of(value: Any) -> np.ndarray[Any, Any]:
    # Models made by ``model_construct`` may hold the bare array.
    return value.array if isinstance(value, NumpyArrayField) else as_ndarray(value)


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
        return {
            "type": "object",
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


# -- arrays of a dtype and a shape -------------------------------------------------------------


@dataclass(frozen=True)
class Dim:
    """One dimension of an array: its name, and the sizes that it may have.

    Attributes:
        name: dimensions of one name are of one size within an array, and within an
            ``ArrayModel`` (:mod:`binary_middleware.arrays`).
        ge: the least size.
        le: the greatest size, ``None`` for any.

    Raises:
        ValueError: the name is empty, or no size is left.
    """

    name: str | None = None
    _: KW_ONLY
    ge: int = 0
    le: int | None = None

    def __post_init__(self) -> None:
        if self.name == "" or self.ge < 0 or (self.le is not None and self.le < self.ge):
            raise ValueError("a dimension needs a name that is not empty, and 0 <= ge <= le")

    def __str__(self) -> str:
        if self.ge == self.le:
            sizes = str(self.ge)
        elif self.ge or self.le is not None:
            sizes = f"{self.ge}..{'' if self.le is None else self.le}"
        else:
            return self.name or "*"
        return f"{self.name}={sizes}" if self.name else sizes

    def takes(self, size: int) -> bool:
        """Whether the dimension may be of this size."""
        return self.ge <= size and (self.le is None or size <= self.le)

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of the size."""
        schema: dict[str, Any] = {"type": "integer"}
        if self.ge == self.le:
            schema["const"] = self.ge
        else:
            schema["minimum"] = self.ge
            if self.le is not None:
                schema["maximum"] = self.le
        if self.name:
            schema["title"] = self.name
        return schema


Size = int | str | Dim | EllipsisType | None
"""How a dimension is written: a fixed size, a name, a :class:`Dim`, ``None`` for any size, and once
``...`` for any number of dimensions."""

Casting = Literal["no", "equiv", "safe", "same_kind"]
Order = Literal["K", "C", "F"]

_BOUND: Final = "binary_middleware_array"


@dataclass(frozen=True, init=False, repr=False)
class ArraySpec:
    """The annotation of a field whose value is an array: its shape, and how it is converted.

    ::

        class Batch(BaseModel):
            images: Annotated[NDArray[np.uint8], ArraySpec("batch", None, None, 3)]
            weights: Annotated[NDArray[np.float32], ArraySpec("batch", casting="safe", finite=True)]

    The dtype is that of the annotated type. A scalar type of no one dtype (``np.floating``,
    ``np.str_``) stands for all of its kind, ``np.float32 | np.float64`` for either of the two, and
    plain ``np.ndarray`` for any. Values are taken and written as by :class:`NumpyArrayField`, but
    the value of the field is the array itself.

    ``Array`` stands first among the annotations of a type. Where one ``Array`` annotates a type
    that has one already, settings of the outer one replace those of the inner one.

    Args:
        sizes: one :data:`Size` per dimension; none at all for any shape.
        shape: the same as one sequence, of which ``()`` is an array without dimensions.
        dtype: a dtype that the annotated type cannot tell (``"datetime64[ms]"``, ``"U8"``,
            structured types).
        casting: which dtypes are converted, by the rules of ``numpy.can_cast``: ``"equiv"`` (the
            default) swaps bytes only, ``"no"`` not even that, ``"safe"`` widens, ``"same_kind"``
            narrows too. Values that do not fit are refused, never wrapped or cut off.
        order: memory order of the value, as in ``numpy.array``: ``"C"``, ``"F"``, or ``"K"`` (the
            default) for the one that came.
        copy: as in ``numpy.array``: ``None`` (the default) copies what has to be converted,
            ``True`` everything, and ``False`` refuses what would have to be copied.
        finite: refuses NaN, infinities and NaT.
        ge: the least value of an element.
        le: the greatest value of an element.
        lists: accepts numbers and nested lists of numbers as well, ``[[1, 2], [3, 4]]``. They
            must fit the dtype, but are rounded where it is a float.

    Raises:
        ValueError, TypeError: a setting is wrong, or does not fit the annotated type.
    """

    shape: tuple[Size, ...] | None
    dtype: np.dtype[Any] | None
    casting: Casting | None
    order: Order | None
    copy: bool | None
    finite: bool
    ge: float | None
    le: float | None
    lists: bool

    value_type: ClassVar[Any] = np.ndarray
    """The class of the values; modules for other libraries derive from this class."""

    def __init__(
        self,
        *sizes: Size,
        shape: Sequence[Size] | None = None,
        dtype: Any = None,
        casting: Casting | None = None,
        order: Order | None = None,
        copy: bool | None = None,
        finite: bool = False,
        ge: float | None = None,
        le: float | None = None,
        lists: bool = False,
    ) -> None:
        if sizes and shape is not None:
            raise TypeError("a shape is given as arguments or as shape=, not as both")
        if casting not in (None, *get_args(Casting)) or order not in (None, *get_args(Order)):
            raise ValueError(f"casting is one of {get_args(Casting)}, order of {get_args(Order)}")
        if ge is not None and le is not None and not ge <= le:
            raise ValueError("ge must not be greater than le")
        if shape is None:
            shape = sizes or None
        self._set(
            shape=None if shape is None else tuple(shape),
            dtype=None if dtype is None else check_dtype(self.numpy_dtype(dtype)),
            casting=casting,
            order=order,
            copy=copy,
            finite=finite,
            ge=ge,
            le=le,
            lists=lists,
        )

    def _set(self, **settings: Any) -> None:
        for name, value in settings.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        settings = vars(self) | ({"shape": None} if self.shape else {})
        parts = [repr(size) for size in self.shape or ()]
        for name, value in settings.items():
            if value is not None and value is not False:
                parts.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    # What other libraries do in their own way.

    def numpy_dtype(self, dtype: Any) -> np.dtype[Any]:
        """The numpy dtype of what was given as ``dtype``."""
        known: np.dtype[Any] = np.dtype(dtype)
        return known

    def declared(self, source: Any) -> tuple[tuple[Any, ...], tuple[Size, ...] | None]:
        """The scalar types and the shape that an annotated type tells; ``()`` and ``None`` for any.

        Raises:
            TypeError: not a type that this class annotates.
        """
        source = without_alias(source)
        if (get_origin(source) or source) is not np.ndarray:
            raise TypeError(
                f"ArraySpec annotates a numpy array, as in NDArray[...], not {source!r}"
            )
        shape, dtype = get_args(source) or (Any, np.dtype[Any])
        return _scalar_types(*(get_args(dtype) or (Any,))), _declared_shape(shape)

    def read(self, value: Any) -> np.ndarray[Any, Any]:
        """A value as a numpy array, without a copy.

        Raises:
            ValueError: it is no array, or one that cannot be carried.
        """
        return value.array if isinstance(value, NumpyArrayField) else as_ndarray(value)

    def make(self, array: np.ndarray[Any, Any], source: Any) -> Any:
        """The value of the field for a numpy array, without a copy where that is possible.

        Args:
            array: what was read, and converted if need be.
            source: what it was read from, ``None`` if it was converted.

        Raises:
            ValueError: the library cannot hold the array.
        """
        return array

    # The same for all.

    def bind(self, source: Any) -> BoundArray:
        """These settings, together with what the type that they annotate tells."""
        return BoundArray(self, *self.declared(source))

    def over(self, inner: ArraySpec | None) -> ArraySpec:
        """These settings, and those of ``inner`` where nothing is set here."""
        if inner is None:
            return self
        merged = type(self)()
        merged._set(
            **{
                name: getattr(inner, name) if mine is None or mine is False else mine
                for name, mine in vars(self).items()
            }
        )
        return merged

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        try:
            metadata = handler(source).get("metadata") or {}
        except PydanticSchemaGenerationError:  # pydantic itself knows no arrays
            metadata = {}
        inner: BoundArray | None = metadata.get(_BOUND)
        settings = self.over(None if inner is None else inner.array)
        return settings.bind(source).pydantic_schema()

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        bound: BoundArray = schema["metadata"][_BOUND]
        return bound.json_schema(handler.mode)


def without_alias(annotation: Any) -> Any:
    """What a type stands for that was made with a ``type`` statement."""
    while (value := getattr(annotation, "__value__", None)) is not None:
        arguments = get_args(annotation)
        annotation = value[arguments] if arguments else value
    return annotation


def _scalar_types(declared: Any) -> tuple[Any, ...]:
    if isinstance(declared, TypeVar):
        alternatives = declared.__constraints__ or (declared.__bound__ or Any,)
    elif get_origin(declared) in (Union, UnionType):
        alternatives = get_args(declared)
    else:
        kind = get_origin(declared) or declared  # np.floating[Any], too
        if kind is Any or kind is np.generic:
            return ()
        if not (isinstance(kind, type) and issubclass(kind, np.generic)):
            raise TypeError(f"{declared!r} is not a scalar type of numpy")
        return (kind,)
    types = [_scalar_types(alternative) for alternative in alternatives]
    return sum(types, ()) if all(types) else ()


def _declared_shape(declared: Any) -> tuple[Size, ...] | None:
    arguments = get_args(declared)
    if get_origin(declared) is not tuple or Ellipsis in arguments:
        return None
    values = [get_args(size) if get_origin(size) is Literal else () for size in arguments]
    return tuple(value[0] if len(value) == 1 else None for value in values)


_NUMBERS: Final = tuple(
    np.dtype(name)
    for name in (
        *("float64", "int64", "uint64", "complex128", "bool", "float32", "float16"),
        *("int8", "int16", "int32", "uint8", "uint16", "uint32", "complex64"),
    )
)
"""What a JSON schema lists for a kind of numbers. The first ones are numpy's own choice."""

_FLEXIBLE: Final = {
    "<U8": "^[<>]U[0-9]+$",
    "|S8": r"^\|S[0-9]+$",
    "|V8": r"^\|V[0-9]+$",
    "datetime64[s]": r"^datetime64(\[[0-9]*[A-Za-z]+\])?$",
    "timedelta64[s]": r"^timedelta64(\[[0-9]*[A-Za-z]+\])?$",
}
"""Dtypes of kinds that have any length or unit, and the pattern of their names."""

_FROM_LISTS: Final = {"b": "b", "i": "iu", "u": "iu", "f": "iuf", "c": "iufc"}
"""Kinds of dtypes, and the kinds of numbers in lists that become one of them."""

_BLOCK: Final = 1 << 16
"""Elements that are compared at a time, so that all comparisons find them in the cache."""

_LARGEST_EXAMPLE: Final = 256
"""Bytes of the array that a JSON schema has as an example; there is none where all are larger."""


class BoundArray:
    """The settings of an :class:`Array`, together with what the type that it annotates tells.

    Args:
        array: the settings.
        types: the scalar types of the annotated type, ``()`` for any.
        declared: its shape, ``None`` for any.

    Attributes:
        array: the settings.
        exact: the dtypes that are expected.
        categories: scalar types that are expected and have more than one dtype.
        dims: the dimensions that are expected, ``None`` for any shape.
        gap: the index in ``dims`` where any number of others may come in, ``None`` for nowhere.
        expected: all this as text: ``float32 (batch, 3)``.

    Raises:
        TypeError, ValueError: the settings and the type contradict each other.
    """

    def __init__(
        self, array: ArraySpec, types: tuple[Any, ...], declared: tuple[Size, ...] | None
    ) -> None:
        self.array = array
        self.exact, self.categories = _dtypes(types, array.dtype)
        shape = declared if array.shape is None else array.shape
        self.gap = shape.index(...) if shape is not None and ... in shape else None
        self.dims = None if shape is None else tuple(_dim(size) for size in shape if size != ...)
        if shape is not None and (shape.count(...) > 1 or len(shape) > MAX_DIMS):
            raise ValueError(f"a shape has one ... at most, and {MAX_DIMS} dimensions")
        if array.shape is not None and declared is not None and not self.takes_shape(declared):
            raise TypeError(f"the shape {self._shape_text()} is not that of the annotated type")
        self._check_settings()
        names = [_dtype_text(dtype) for dtype in self.exact]
        names += [category.__name__.rstrip("_") for category in self.categories]
        self.expected = " or ".join(names) or "any dtype"
        if self.dims is not None:
            self.expected += f" {self._shape_text()}"

    def _shape_text(self) -> str:
        parts = [str(dim) for dim in self.dims or ()]
        if self.gap is not None:
            parts.insert(self.gap, "...")
        elif len(parts) == 1:
            return f"({parts[0]},)"
        return f"({', '.join(parts)})"

    def _check_settings(self) -> None:
        array, kinds = self.array, {_kind(dtype) for dtype in self.exact}
        examples = (*_NUMBERS, *map(np.dtype, _FLEXIBLE))
        kinds |= {dtype.kind for dtype in examples if self._is_of_a_category(dtype)}
        kinds = kinds or {"any"}
        if (array.ge is not None or array.le is not None) and not kinds <= set("iuf"):
            raise TypeError("ge and le need a dtype of integers or floats")
        if array.finite and not kinds <= set("iufcmM"):
            raise TypeError("finite needs a dtype of numbers or times")
        if array.lists and not kinds <= {*"biufc", "any"}:
            raise TypeError("lists need a dtype of numbers")

    # What comes in.

    def validate(self, value: Any) -> Any:
        """The value of the field.

        Raises:
            PydanticCustomError: not what is expected.
        """
        array = self._read(value)
        target = self._target(array.dtype)
        is_shape = self.takes_shape(array.shape)
        if target is None or not is_shape:
            what = "shape" if target is not None else "dtype" if is_shape else "dtype and shape"
            raise self._mismatch(what, _array_text(array))
        result = self._convert(array, target, is_ours=not is_array_like(value))
        self._check_values(result)
        try:
            return self.array.make(result, value if result is array else None)
        except ValueError as exc:
            raise self._error("array_type", f"but {exc}") from exc

    def _read(self, value: Any) -> np.ndarray[Any, Any]:
        if isinstance(value, Mapping):
            try:
                return from_map(value)
            except ValueError as exc:
                raise self._error("array_parsing", f"but {exc}") from exc
        if is_array_like(value):
            try:
                return self.array.read(value)
            except ValueError as exc:
                raise self._error("array_type", f"but {exc}") from exc
        if self.array.lists and isinstance(value, (list, tuple, int, float, complex)):
            return self._from_lists(value)
        raise self._error(
            "array_type",
            f"got {type(value).__name__}; in JSON it is an object with the keys shape, dtype and "
            "data_b64",
        )

    def _mismatch(self, what: str, got: str) -> PydanticCustomError:
        return PydanticCustomError(
            "array_shape" if what == "shape" else "array_dtype",
            "Input should be an array of the declared {what}: expected {expected}, got {got}",
            {"what": what, "expected": self.expected, "got": got},
        )

    def _error(self, type_: Any, reason: str) -> PydanticCustomError:
        return PydanticCustomError(
            type_,
            "Input should be an array: expected {expected}, {reason}",
            {"expected": self.expected, "reason": reason},
        )

    def _from_lists(self, value: Any) -> np.ndarray[Any, Any]:
        """The array of a number, or of numbers in lists, in an expected dtype that takes them.

        Shape and dtype are compared before anything is made of the numbers.
        """
        leaves, shape, kind = _numbers(value)
        count = math.prod(shape)
        is_empty = 0 in shape
        candidates = [*self.exact, *filter(self._is_of_a_category, _NUMBERS)] or [*_NUMBERS]
        # The first of the same kind, or else the first that takes this kind as well.
        candidates.sort(key=lambda dtype: _kind(dtype) != kind)
        for target in candidates:
            if kind in _FROM_LISTS[_kind(target)] or is_empty:
                break
        else:
            natural = next(dtype for dtype in _NUMBERS if dtype.kind == kind)
            raise self._mismatch("dtype", f"{natural} {_shorten(str(shape))}")
        if not self.takes_shape(shape):
            raise self._mismatch("shape", f"{_dtype_text(target)} {_shorten(str(shape))}")
        self._check_size(count, target)
        if leaves and type(leaves[0]) is np.ndarray:
            array = self._from_arrays(leaves, target)
        else:
            # Integers stay Python's, of any size: numpy would make floats of some.
            array = np.empty(len(leaves), object)
            array[:] = leaves
            if kind != "i":
                array = array.astype({"b": "?", "f": "f8", "c": "c16"}[kind])
        return self._convert(array.reshape(shape), target, is_ours=True)

    def _from_arrays(
        self, arrays: list[np.ndarray[Any, Any]], target: np.dtype[Any]
    ) -> np.ndarray[Any, Any]:
        if len({array.dtype for array in arrays}) == 1:
            return np.stack(arrays)
        whole = np.empty((len(arrays), *arrays[0].shape), target)
        for index, array in enumerate(arrays):
            whole[index] = self._convert(array, target, is_ours=True)
        return whole

    def _check_size(self, count: int, target: np.dtype[Any]) -> None:
        size = count * target.itemsize
        if size > MAX_CONVERTED_SIZE:
            raise PydanticCustomError(
                "array_too_large",
                "Input should be smaller, or sent as {expected}: as {target} it would take {size} "
                "bytes, and a conversion may make {limit}",
                {
                    "expected": self.expected,
                    "target": _dtype_text(target),
                    "size": size,
                    "limit": MAX_CONVERTED_SIZE,
                },
            )

    def _target(self, dtype: np.dtype[Any]) -> np.dtype[Any] | None:
        """The dtype that an array of ``dtype`` is converted to, ``None`` if it is refused."""
        if dtype in self.exact or not (self.exact or self.categories):
            return dtype
        casting = self.array.casting or "equiv"
        for rule in ("equiv", casting) if casting != "no" else ():
            for exact in self.exact:
                # By the other rules, numpy takes fields by their position.
                if (rule == "equiv" or exact.names is None) and np.can_cast(dtype, exact, rule):
                    return exact
        return dtype if self._is_of_a_category(dtype) else None

    def _is_of_a_category(self, dtype: np.dtype[Any]) -> bool:
        # To numpy, durations are integers.
        types = self.categories if dtype.kind != "m" else {*self.categories} - _INTEGERS
        return any(issubclass(dtype.type, category) for category in types)

    def takes_shape(self, shape: Sequence[Any]) -> bool:
        """Whether a shape is as expected; a size of ``None`` is as any."""
        pairs = self._pairs(shape)
        sizes: dict[str | None, int] = {}
        return pairs is not None and all(
            size is None
            or (dim.takes(size) and (not dim.name or sizes.setdefault(dim.name, size) == size))
            for dim, size in pairs
        )

    def _pairs(self, shape: Sequence[Any]) -> list[tuple[Dim, Any]] | None:
        """The dimensions with their sizes, ``None`` if there are too many or too few."""
        dims, gap = self.dims, self.gap
        if dims is None:
            return []
        if gap is not None and len(shape) > len(dims):
            shape = [*shape[:gap], *shape[len(shape) - len(dims) + gap :]]
        return list(zip(dims, shape, strict=True)) if len(shape) == len(dims) else None

    def _convert(
        self, array: np.ndarray[Any, Any], target: np.dtype[Any], *, is_ours: bool
    ) -> np.ndarray[Any, Any]:
        # What was made of a map or of lists is nobody else's.
        copy = None if is_ours else self.array.copy
        order = self.array.order or "K"
        if array.dtype != target and target.itemsize > array.itemsize:
            self._check_size(array.size, target)
        try:
            if not array.size:
                return _convert_empty(array, target, copy)
            if array.dtype == target:
                return np.array(array, order=order, copy=copy)
            with np.errstate(over="raise", invalid="ignore"):
                _check_range(array, target)
                return np.array(array, dtype=target, order=order, copy=copy)
        except (FloatingPointError, OverflowError, UnicodeError) as exc:
            raise self._out_of_range(_dtype_text(target)) from exc
        except (ValueError, TypeError, MemoryError, SystemError) as exc:
            if copy is False:
                raise PydanticCustomError(
                    "array_copy",
                    "Input should be an array that need not be copied: expected {expected} in "
                    "order {order}, got {got}",
                    {"expected": self.expected, "order": order, "got": _array_text(array)},
                ) from exc
            raise self._error(
                "array_conversion", f"but numpy cannot convert {_array_text(array)}"
            ) from exc

    def _out_of_range(self, expected: str) -> PydanticCustomError:
        return PydanticCustomError(
            "array_range", "Input should hold values that fit {expected}", {"expected": expected}
        )

    def _check_values(self, array: np.ndarray[Any, Any]) -> None:
        ge, le, kind = self.array.ge, self.array.le, _kind(array.dtype)
        finite = self.array.finite and kind in "fcmM"
        if not finite and ge is None and le is None:
            return
        with np.errstate(all="ignore"):
            for block in _blocks(array):
                # NaN is the least and the greatest of all that it is among.
                ends = block if kind in "cmM" else np.array([block.min(), block.max()])
                if finite and not np.isfinite(ends).all():
                    raise PydanticCustomError("array_finite", "Input should hold finite values")
                if ge is not None and not ends[0] >= ge:
                    raise PydanticCustomError(
                        "array_greater_than_equal",
                        "Input should hold values greater than or equal to {ge}",
                        {"ge": ge},
                    )
                if le is not None and not ends[1] <= le:
                    raise PydanticCustomError(
                        "array_less_than_equal",
                        "Input should hold values less than or equal to {le}",
                        {"le": le},
                    )

    # What comes out.

    def pydantic_schema(self) -> core_schema.CoreSchema:
        """pydantic's schema of the field."""
        # A numpy array has nothing to do in python mode.
        is_numpy = self.array.value_type is np.ndarray
        serialization = core_schema.plain_serializer_function_ser_schema(
            NativeSerializer(self.array.read),
            info_arg=not is_numpy,
            when_used="json" if is_numpy else "always",
        )
        return core_schema.no_info_plain_validator_function(
            self.validate, serialization=serialization, metadata={_BOUND: self}
        )

    # Dimensions in a model.

    @property
    def has_names(self) -> bool:
        """Whether a dimension has a name."""
        return any(dim.name for dim in self.dims or ())

    def takes(self, value: Any) -> bool:
        """Whether the value of a field is as expected, in dtype and shape."""
        if not isinstance(value, self.array.value_type):
            return False
        try:
            array = self.array.read(value)
        except ValueError:
            return False
        return self._target(array.dtype) is not None and self.takes_shape(array.shape)

    def sizes(self, value: Any) -> list[tuple[str, int]]:
        """The dimensions that have a name, each with its size in the value of a field."""
        return [(dim.name, size) for dim, size in self._pairs(value.shape) or () if dim.name]

    # The JSON schema.

    def json_schema(self, mode: str) -> dict[str, Any]:
        """The JSON schema of what is read or written in JSON.

        Args:
            mode: ``"validation"`` or ``"serialization"``, as pydantic has it.
        """
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {
                "shape": self._shape_schema(),
                "dtype": self._dtype_schema(mode),
                "data_b64": {"type": "string", "contentEncoding": "base64"},
            },
            "required": ["shape", "dtype", "data_b64"],
            "additionalProperties": False,
        }
        example = self._example()
        examples = [] if example is None else [to_map(example)]
        if self.array.lists and mode == "validation":
            schema = {"anyOf": [schema, self._list_schema()]}
            if example is not None and _kind(example.dtype) in "biuf":
                examples.append(example.tolist())
        schema = {"description": self.expected, **schema}
        if examples:
            schema["examples"] = examples
        return schema

    def _shape_schema(self) -> dict[str, Any]:
        any_size = {"type": "integer", "minimum": 0}
        if self.dims is None:
            return {"type": "array", "items": any_size, "maxItems": MAX_DIMS}
        count = len(self.dims)
        head = self.dims[: self.gap]
        schema: dict[str, Any] = {"type": "array", "minItems": count, "maxItems": count}
        if head:
            schema["prefixItems"] = [dim.json_schema() for dim in head]
        if self.gap is not None:
            schema |= {"items": any_size, "maxItems": MAX_DIMS}
        return schema

    def _dtype_schema(self, mode: str) -> dict[str, Any]:
        if not (self.exact or self.categories):
            return {"anyOf": [{"type": "string"}, {"type": "array", "items": {}}]}
        names: list[Any] = []
        lists: list[Any] = []
        for dtype in self.exact:
            (lists if dtype.names else names).append(dtype_spec(dtype))
        for dtype in _NUMBERS:
            is_taken = mode == "validation" and self._target(dtype) is not None
            if (is_taken or self._is_of_a_category(dtype)) and str(dtype) not in names:
                names.append(str(dtype))
        schemas: list[dict[str, Any]] = [{"type": "array", "const": spec} for spec in lists]
        if len(names) == 1:
            schemas.append({"type": "string", "const": names[0]})
        elif names:
            schemas.append({"type": "string", "enum": names})
        for name, pattern in _FLEXIBLE.items():
            if self._is_of_a_category(np.dtype(name)):
                schemas.append({"type": "string", "pattern": pattern})
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _list_schema(self) -> dict[str, Any]:
        kinds = {_kind(dtype) for dtype in self.exact}
        number: dict[str, Any] = {"type": "number"}
        if kinds and kinds <= {"b"}:
            number = {"type": "boolean"}
        elif kinds and kinds <= set("iu"):
            number = {"type": "integer"}
        if self.array.ge is not None:
            number["minimum"] = self.array.ge
        if self.array.le is not None:
            number["maximum"] = self.array.le
        if self.dims is None or self.gap is not None:
            return {"anyOf": [number, {"type": "array", "items": {}}]}
        for dim in reversed(self.dims):
            number = {"type": "array", "items": number}
            if dim.ge:
                number["minItems"] = dim.ge
            if dim.le is not None:
                number["maxItems"] = dim.le
        return number

    def _example(self) -> np.ndarray[Any, Any] | None:
        """The smallest array that is as expected, unless that is large or hard to find."""
        of_categories = filter(self._is_of_a_category, (*_NUMBERS, *map(np.dtype, _FLEXIBLE)))
        dtype = next(iter((*self.exact, *of_categories)), _NUMBERS[0])
        sizes: dict[str | None, int] = {}
        dims = (Dim(),) if self.dims is None else self.dims
        for dim in dims:
            sizes[dim.name] = max(dim.ge, sizes.get(dim.name, 0))
        shape = [
            (sizes[dim.name] if dim.name else dim.ge) or min(2, 2 if dim.le is None else dim.le)
            for dim in dims
        ]
        if not self.takes_shape(shape):
            return None
        if math.prod(shape) * dtype.itemsize > _LARGEST_EXAMPLE:
            return None
        example = np.zeros(shape, dtype)
        try:
            least = max(0, -math.inf if self.array.ge is None else self.array.ge)
            least = min(least, math.inf if self.array.le is None else self.array.le)
            if least:
                example.fill(math.ceil(least) if _kind(dtype) in "iu" else least)
            self._check_values(example)
        except (ValueError, OverflowError):
            return None
        return example


def _dtypes(
    types: tuple[Any, ...], dtype: np.dtype[Any] | None
) -> tuple[tuple[np.dtype[Any], ...], tuple[Any, ...]]:
    """The dtypes that are expected, and the scalar types that stand for more than one."""
    if dtype is not None:
        if types and not any(issubclass(dtype.type, kind) for kind in types):
            raise TypeError(f"dtype {dtype} is not of the annotated type")
        return (dtype,), ()
    exact: list[np.dtype[Any]] = []
    categories = []
    for kind in types:
        if kind in _ABSTRACT or issubclass(kind, (np.flexible, np.datetime64, np.timedelta64)):
            categories.append(kind)
        else:
            exact.append(check_dtype(np.dtype(kind)))
    return tuple(exact), tuple(categories)


_INTEGERS: Final = {np.number, np.integer, np.signedinteger}
_ABSTRACT: Final = {
    *_INTEGERS,
    *(np.unsignedinteger, np.inexact, np.floating, np.complexfloating),
    *(np.flexible, np.character),
}


def _dim(size: Any) -> Dim:
    if isinstance(size, Dim):
        return size
    if isinstance(size, str):
        return Dim(size)
    if size is None:
        return Dim()
    if type(size) is not int:
        raise TypeError(f"{size!r} is not a size, a name, a Dim, None or ...")
    return Dim(ge=size, le=size)


def _kind(dtype: np.dtype[Any]) -> str:
    """numpy's letter for the kind of a dtype, and that of floats for those of other libraries."""
    return dtype.kind if dtype.isbuiltin != 2 else _kind_of_extension(dtype)


@lru_cache(maxsize=64)
def _kind_of_extension(dtype: np.dtype[Any]) -> str:
    return "f" if np.can_cast(dtype, np.float64) else dtype.kind


def _dtype_text(dtype: np.dtype[Any]) -> str:
    return _shorten(str(dtype))


def _array_text(array: np.ndarray[Any, Any]) -> str:
    return f"{_dtype_text(array.dtype)} {_shorten(str(array.shape))}"


def _numbers(value: Any) -> tuple[list[Any], tuple[int, ...], str]:
    """The numbers in nested lists, or the arrays of numbers, as one flat list.

    Returns:
        The leaves, the shape of the whole, and numpy's letter for the kind of the numbers.

    Raises:
        PydanticCustomError: the lists or arrays differ in length, or do not hold numbers.
    """
    leaves: list[Any] = [value]
    shape: list[int] = []
    types = {type(value)}
    while types <= {list, tuple} and types and len(shape) <= MAX_DIMS:
        lengths = {*map(len, leaves)}
        if len(lengths) > 1:
            raise _ragged()
        shape += lengths
        leaves = list(chain.from_iterable(leaves))
        types = {*map(type, leaves)}
    kinds = {_number_kind(kind) for kind in types} or {"f"}
    if np.ndarray in types:
        if len(types) > 1 or len({leaf.shape for leaf in leaves}) > 1:
            raise _ragged()
        shape += leaves[0].shape
        kinds = {{"u": "i"}.get(leaf.dtype.kind, leaf.dtype.kind) for leaf in leaves}
        kinds = {kind if kind in "bifc" else "" for kind in kinds}
    elif any(issubclass(kind, (list, tuple, np.ndarray)) for kind in types):
        raise _ragged()
    if len(shape) > MAX_DIMS:
        raise _ragged()
    if "" in kinds or ("b" in kinds and len(kinds) > 1):
        raise PydanticCustomError("array_parsing", "Input should hold numbers only, or bools only")
    return leaves, tuple(shape), max(kinds, key="bifc".index)


def _ragged() -> PydanticCustomError:
    return PydanticCustomError(
        "array_parsing", "Input should be lists of equal lengths, nested 64 levels at most"
    )


def _number_kind(type_: type) -> str:
    for kinds, letter in _NUMBER_KINDS:
        if issubclass(type_, kinds):
            return letter
    return ""


_NUMBER_KINDS: Final = (
    ((bool, np.bool_), "b"),
    ((int, np.integer), "i"),
    ((float, np.floating), "f"),
    ((complex, np.complexfloating), "c"),
)


def _check_range(array: np.ndarray[Any, Any], target: np.dtype[Any]) -> None:
    """See to it that a conversion changes no value by more than rounding.

    Raises:
        OverflowError: a value does not fit. For floats, numpy itself tells.
    """
    fits = True
    if array.size == 0:
        return
    if target.kind in "iu":
        limits = np.iinfo(target)
        fits = bool(limits.min <= array.min() and array.max() <= limits.max)
    elif target.kind in "SU" and target.itemsize:
        # Compared with text of any length, in blocks, as that of numbers is 10 times their size.
        fits = all(
            (block.astype(target) == block.astype(target.kind, copy=False)).all()
            for block in _blocks(array)
        )
    elif target.kind == "V" and target.isbuiltin != 2 and target.itemsize:
        fits = array.itemsize <= target.itemsize
    elif target.kind in "Mm" and np.can_cast(array.dtype, target, "safe"):
        there_and_back = array.astype(target).astype(array.dtype)
        fits = bool(((there_and_back == array) | np.isnat(array.astype(target))).all())
    if not fits:
        raise OverflowError


def _convert_empty(
    array: np.ndarray[Any, Any], target: np.dtype[Any], copy: bool | None
) -> np.ndarray[Any, Any]:
    """An array without elements in another dtype, without memory.

    numpy allocates one item for it, and a client may have chosen items of 1 GB.

    Raises:
        ValueError: it had to be copied, and must not be.
    """
    if array.dtype == target and not copy:
        return array
    if copy is False:
        raise ValueError("another dtype")
    return np.ndarray(array.shape, target, bytearray())


def _blocks(array: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """The elements of an array in blocks of one dimension, in the order of its memory."""
    flags: Any = ["external_loop", "buffered", "zerosize_ok"]
    with np.nditer(array, flags=flags, order="K", buffersize=_BLOCK) as blocks:
        for block in blocks:
            yield np.asarray(block)


BoolArray = Annotated[NDArray[np.bool_], ArraySpec()]
Int8Array = Annotated[NDArray[np.int8], ArraySpec()]
Int16Array = Annotated[NDArray[np.int16], ArraySpec()]
Int32Array = Annotated[NDArray[np.int32], ArraySpec()]
Int64Array = Annotated[NDArray[np.int64], ArraySpec()]
UInt8Array = Annotated[NDArray[np.uint8], ArraySpec()]
UInt16Array = Annotated[NDArray[np.uint16], ArraySpec()]
UInt32Array = Annotated[NDArray[np.uint32], ArraySpec()]
UInt64Array = Annotated[NDArray[np.uint64], ArraySpec()]
Float16Array = Annotated[NDArray[np.float16], ArraySpec()]
Float32Array = Annotated[NDArray[np.float32], ArraySpec()]
Float64Array = Annotated[NDArray[np.float64], ArraySpec()]
Complex64Array = Annotated[NDArray[np.complex64], ArraySpec()]
Complex128Array = Annotated[NDArray[np.complex128], ArraySpec()]


# -- bytes -------------------------------------------------------------------------------------


def _bytes_of(value: Any) -> Any:
    if not isinstance(value, str):
        return bytes(value) if isinstance(value, memoryview) else value
    text = value.translate(_STANDARD_ALPHABET)
    if "=" not in text:
        text += "=" * (-len(text) % 4)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as exc:  # also binascii.Error
        context = {"encoding": "base64", "encoding_error": _shorten(str(exc))}
        raise PydanticKnownError("bytes_invalid_encoding", context) from exc


_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")  # for that of URLs, RFC 4648 §5


def _plain_bytes(value: Any) -> bytes:
    return value if type(value) is bytes else bytes(memoryview(value))


def _base64_of(value: Any) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


BinaryBytes = Annotated[
    bytes,
    BeforeValidator(_bytes_of),
    PlainSerializer(NativeSerializer(_plain_bytes, _base64_of), when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""``bytes`` that are base64 in JSON and themselves everywhere else, so that one field serves JSON
clients and binary clients. Written is the alphabet of RFC 4648 §4; that of §5, for URLs, is read as
well, and so is either without padding. Text is always taken for base64."""

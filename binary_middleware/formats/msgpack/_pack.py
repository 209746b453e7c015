"""Python objects as msgpack. Large arrays and ``bytes`` stay where they are, as buffers."""

from __future__ import annotations

import dataclasses
import datetime
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, Literal

import msgspec
import numpy as np
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from binary_middleware._pydantic.carriers import Carrier, TimeCarrier
from binary_middleware._pydantic.native import is_plain
from binary_middleware._pydantic.serializer import DocumentSerializer
from binary_middleware.errors import EncodeError
from binary_middleware.fields import as_ndarray, dtype_spec, is_array_like, to_buffer
from binary_middleware.formats.msgpack._chains import chains_map, has_odd_offset
from binary_middleware.formats.msgpack._numpy_maps import array_map, complex_map, scalar_value
from binary_middleware.formats.msgpack._wire import HEADERS

Dialect = Literal["plain", "chains"]

OUT_OF_LINE_THRESHOLD: Final = 16 * 1024
"""Bytes from which an array or ``bytes`` is listed as a buffer of its own when writing."""

ALIGNMENT: Final = 8
"""Large arrays that are written as string-keyed maps start at a multiple of this many bytes: so
JavaScript can make typed arrays of them without copying."""

_MIN_INT: Final = -(1 << 63)
_MAX_INT: Final = (1 << 64) - 1
_ATOMS: Final = frozenset({type(None), bool, int, float, str})
_encode: Final = msgspec.msgpack.Encoder().encode


def packb(obj: Any, *, arrays: str = "numpy", dialect: str = "plain") -> bytes:
    """Pack ``obj`` as msgpack.

    Arrays, and whatever offers ``__array__`` or ``__dlpack__``, are written as msgpack-numpy
    writes them, numpy scalars as the number they are, bytes as bin, models and dataclasses as
    maps, and every other type as pydantic writes it in JSON. Keys become strings as they do
    there.

    Args:
        obj: what to pack.
        arrays: ``"numpy"`` for msgpack-numpy's map, ``"map"`` for the string-keyed map.
        dialect: how dates, times, durations, decimals and UUIDs are written: ``"plain"`` for the
            text that pydantic writes in JSON, ``"chains"`` for the maps of Chains.

    Raises:
        EncodeError: a value has no exact place in msgpack (an integer beyond 64 bits, a lone
            surrogate, a masked or object array, an unknown type).
        ValueError: ``arrays`` or ``dialect`` is not one of those named here.
    """
    return b"".join(pack_buffers(obj, arrays=arrays, dialect=dialect))


def pack_buffers(
    obj: Any, *, arrays: str = "numpy", dialect: str = "plain"
) -> list[bytes | memoryview]:
    """Pack ``obj`` as :func:`packb` does, into buffers that together are the document.

    Large arrays and ``bytes`` are not copied: their buffers are flat views (format ``B``) of the
    memory they are in, and show what happens to it later. Arrays that are not in C order are
    copied.

    Raises:
        EncodeError, ValueError: as for :func:`packb`.
    """
    if arrays not in ("numpy", "map"):
        raise ValueError(f"arrays must be 'numpy' or 'map', got {arrays!r}")
    if dialect not in ("plain", "chains"):
        raise ValueError(f"dialect must be 'plain' or 'chains', got {dialect!r}")
    tree: Any = None
    try:
        tree = obj if is_plain(obj) else _Packer(arrays, dialect).convert(obj)
        return _joined(tree) if type(tree) in _SPLIT else [_encode(tree)]
    except RecursionError as exc:
        raise EncodeError("cannot encode a document that nests too deeply or holds itself") from exc
    except (OverflowError, UnicodeError) as exc:
        raise _encode_error(tree, exc) from exc


class _Packer:
    """Converts one document to the tree that is encoded.

    Containers without large buffers are what msgspec encodes in one go. The others, and only they,
    are put together from their header, runs of small members, and the buffers: see ``_split``.
    """

    def __init__(self, arrays: str, dialect: str) -> None:
        self.arrays = arrays
        self.dialect = dialect
        self.large_count = 0
        self.dumpers: dict[type, Callable[..., Any]] = {}

    def convert(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in _ATOMS:
            return obj
        if kind is dict:
            return self.convert_map(obj)
        if kind is list or kind is tuple:
            return self.convert_items(obj)
        if kind is bytes:
            if len(obj) < OUT_OF_LINE_THRESHOLD:
                return obj
            self.large_count += 1
            return _Large(memoryview(obj))
        if kind is np.ndarray:
            return self.convert_array(obj)
        if kind is Carrier:
            value = obj.value
            return value if is_plain(value) else self.convert(value)
        return self.convert_other(obj)

    def convert_map(self, obj: Mapping[Any, Any]) -> Any:
        large_count = self.large_count
        tree: dict[Any, Any] = {}
        for key, value in obj.items():
            if type(key) is not str:
                key = key_text(key)
            if key in tree:
                raise EncodeError(f"two keys become {key[:40]!r}, as all keys become strings")
            try:
                tree[key] = value if type(value) in _ATOMS else self.convert(value)
            except EncodeError as exc:
                exc.within(key)
                raise
        return tree if self.large_count == large_count else _split(tree, tree.items())

    def convert_items(self, obj: Iterable[Any]) -> Any:
        large_count = self.large_count
        tree: list[Any] = []
        try:
            tree.extend(map(self.convert, obj))  # a comprehension would be a frame more
        except EncodeError as exc:
            exc.within(len(tree))
            raise
        return tree if self.large_count == large_count else _split(tree, enumerate(tree))

    def convert_array(self, array: Any) -> Any:
        try:
            array = as_ndarray(array)
            view = to_buffer(array)
        except ValueError as exc:
            raise EncodeError(str(exc)) from exc
        if len(view) < OUT_OF_LINE_THRESHOLD:
            return array_map(array, bytes(view), self.arrays)
        self.large_count += 1
        if self.arrays == "map":
            return _AlignedArray(view, array)
        # The data is the last entry, and nil, which takes its place here, is one byte.
        return _Large(view, _encode(array_map(array, None, self.arrays))[:-1])

    def convert_model(self, obj: Any) -> Any:
        kind = type(obj)
        if kind not in self.dumpers:
            self.dumpers[kind] = DocumentSerializer.of_class(kind).dump
        try:
            document = self.dumpers[kind](obj, keeps_times=self.dialect == "chains", by_alias=True)
        except ValueError as exc:  # PydanticSerializationError is one
            message = f"cannot encode {kind.__name__} as msgpack: {str(exc)[:200]}"
            raise EncodeError(message) from exc
        return document if is_plain(document) else self.convert(document)

    # So many branches because each kind of value has one, the most specific first.
    def convert_other(self, obj: Any) -> Any:  # noqa: C901, PLR0912
        if type(obj) is TimeCarrier:
            has_maps = self.dialect == "chains"
            return self.convert(obj.value if has_maps else obj.to_text(obj.value))
        if isinstance(obj, np.generic):
            value = scalar_value(obj)
            return self.convert(value) if not isinstance(value, dict) else value
        if isinstance(obj, Enum):
            return self.convert(obj.value)
        if isinstance(obj, (bytes, bytearray, memoryview)):
            return self.convert(bytes(obj))
        for base in (str, int, float):
            if isinstance(obj, base):
                return base.__str__(obj) if base is str else base(obj)
        if isinstance(obj, complex):
            return complex_map(complex(obj))
        if isinstance(obj, Mapping):
            return self.convert_map(obj)
        if isinstance(obj, PurePath):
            return self.convert(str(obj))
        if isinstance(obj, (list, tuple, set, frozenset, deque, Iterator)):
            return self.convert_items(obj)
        if isinstance(obj, BaseModel):
            return self.convert_model(obj)
        if is_array_like(obj):
            return self.convert_array(obj)
        if hasattr(type(obj), "__pydantic_serializer__"):
            return self.convert_model(obj)
        if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
            fields = dataclasses.fields(obj)
            return self.convert_map({field.name: getattr(obj, field.name) for field in fields})
        map_ = chains_map(obj) if self.dialect == "chains" else None
        return self.convert(json_value(obj)) if map_ is None else map_


# -- large buffers ---------------------------------------------------------------------------------


class _Large:
    """A large buffer, and the head that precedes it in the document.

    Args:
        view: the buffer.
        head: what precedes its own header, wherever the document has it.

    Raises:
        EncodeError: msgpack has no header for as many bytes.
    """

    __slots__ = ("header", "view")

    def __init__(self, view: memoryview, head: bytes = b"") -> None:
        length = view.nbytes
        if length >= 1 << 32:
            raise EncodeError("cannot encode 4 GiB or more in one value as msgpack")
        wide = length > 0xFFFF
        self.header = head + (
            b"\xc6" + length.to_bytes(4) if wide else b"\xc5" + length.to_bytes(2)
        )
        self.view = view

    def head_at(self, start: int) -> bytes:
        """Return the head for a place in the document."""
        return self.header


class _AlignedArray(_Large):
    """The buffer of a string-keyed array map, which starts at a multiple of :data:`ALIGNMENT`.

    msgpack has four headers for a string, and a reader accepts any of them. So the three keys can
    make the head longer by 0 to 7 bytes.
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, view: memoryview, array: np.ndarray[Any, Any]) -> None:
        super().__init__(view)
        self.shape = _encode(array.shape)
        self.dtype = _encode(dtype_spec(array.dtype))

    def head_at(self, start: int) -> bytes:
        length = _MIN_HEAD_SIZE + len(self.shape) + len(self.dtype) + len(self.header)
        padding = -(start + length) % ALIGNMENT
        return (
            _SHAPE_KEYS[padding & 1]
            + self.shape
            + _DTYPE_KEYS[padding >> 1 & 1]
            + self.dtype
            + _DATA_KEYS[padding >> 2]
            + self.header
        )


# Each key in its shortest form and in a longer one, by 1, 2 and 4 bytes; the first ones begin with
# the header of a map of three.
_SHAPE_KEYS: Final = (b"\x83\xa5shape", b"\x83\xd9\x05shape")
_DTYPE_KEYS: Final = (b"\xa5dtype", b"\xda\x00\x05dtype")
_DATA_KEYS: Final = (b"\xa4data", b"\xdb\x00\x00\x00\x04data")
_MIN_HEAD_SIZE: Final = len(_SHAPE_KEYS[0]) + len(_DTYPE_KEYS[0]) + len(_DATA_KEYS[0])


class _Parts(list[bytes | _Large]):
    """A container that holds a large buffer: encoded pieces, and the buffers between them."""


_SPLIT: Final = frozenset({_Large, _AlignedArray, _Parts})


def _split(tree: dict[str, Any] | list[Any], members: Iterable[tuple[Any, Any]]) -> _Parts:
    """Encode a container of which members are large buffers, or hold some."""
    is_map = type(tree) is dict
    parts = _Parts([_header(len(tree), is_map)])
    run: dict[Any, Any] = {}

    def encoded_run() -> bytes:
        encoded = _encode(run if is_map else list(run.values()))
        return encoded[HEADERS[encoded[0]].size :]

    try:
        for key, value in members:
            if type(value) not in _SPLIT:
                run[key] = value
                continue
            run[key] = None  # one byte, which the value takes the place of
            parts.append(encoded_run()[:-1])
            parts += value if type(value) is _Parts else (value,)
            run = {}
        parts.append(encoded_run())
    except (OverflowError, UnicodeError) as exc:
        raise _encode_error(tree, exc) from exc
    return parts


def _header(count: int, is_map: bool) -> bytes:
    if count < 16:
        return bytes(((0x80 if is_map else 0x90) + count,))
    if count < 1 << 16:
        return (b"\xde" if is_map else b"\xdc") + count.to_bytes(2)
    return (b"\xdf" if is_map else b"\xdd") + count.to_bytes(4)


def _joined(tree: Any) -> list[bytes | memoryview]:
    """Return the buffers of a document: those of large values, and one between each two."""
    buffers: list[bytes | memoryview] = []
    pieces: list[bytes] = []
    written = 0
    for part in tree if type(tree) is _Parts else (tree,):
        if isinstance(part, bytes):
            pieces.append(part)
            written += len(part)
            continue
        head = part.head_at(written)
        pieces.append(head)
        buffers += (b"".join(pieces), part.view)
        pieces.clear()
        written += len(head) + len(part.view)
    rest = b"".join(pieces)
    return [*buffers, rest] if rest else buffers


# -- single values ---------------------------------------------------------------------------------


def _encode_error(tree: Any, exc: Exception) -> EncodeError:
    """Return the error for a tree that msgspec refuses to encode, with the place of the value."""
    members = tree.items() if type(tree) is dict else enumerate(tree) if type(tree) is list else ()
    for key, member in members:
        if type(member) in _SPLIT:
            continue
        try:
            _encode(member)
        except (OverflowError, UnicodeError) as found:
            error = _encode_error(member, found)
            error.within(key)
            return error
    return EncodeError(f"cannot encode a value as msgpack: {exc}")


def json_value(obj: Any) -> Any:
    """Return a leaf as pydantic writes it in JSON: ISO 8601 for dates, text for decimals, etc.

    Raises:
        EncodeError: pydantic does not know the type.
    """
    try:
        plain = to_jsonable_python(obj)
    except ValueError as exc:  # PydanticSerializationError is one
        raise EncodeError(f"cannot encode {type(obj).__name__} as msgpack") from exc
    if isinstance(obj, (datetime.datetime, datetime.time)) and has_odd_offset(obj):
        return obj.isoformat()  # pydantic rounds the offset to minutes, which is another time
    return plain


def key_text(key: Any) -> str:
    """Return a key as the string that pydantic writes for it in JSON.

    Raises:
        EncodeError: the key has no such string.
    """
    if type(key) is int and _MIN_INT <= key <= _MAX_INT:
        return str(key)  # the one kind that is common enough for a short cut
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, np.generic) and not _is_no_time(key):
        key = key.item()
    if not isinstance(key, (bytes, bytearray, np.generic)):
        try:
            (text,) = to_jsonable_python({key: None})
        except (ValueError, TypeError):  # TypeError for types that no key can have
            text = None
        if type(text) is str:
            return text
    raise EncodeError(f"cannot encode {type(key).__name__} as a map key")


def _is_no_time(key: np.generic) -> bool:
    # ``item`` gives an int for nanoseconds and None for NaT.
    times = (datetime.date, datetime.timedelta)
    return key.dtype.kind in "Mm" and not isinstance(key.item(), times)

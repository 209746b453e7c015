"""Python objects as msgpack. Large arrays and ``bytes`` stay where they are, as buffers."""

from __future__ import annotations

import dataclasses
import datetime
from collections import deque
from collections.abc import Callable, Iterator, Mapping
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
from binary_middleware.formats.msgpack._wire import header_size

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
    try:
        return [_encode(obj)] if is_plain(obj) else _Packer(arrays, dialect).pack(obj)
    except RecursionError as exc:
        raise EncodeError("the object nests too deeply, or holds itself") from exc
    except (OverflowError, UnicodeError) as exc:
        raise EncodeError(f"a value cannot be carried in msgpack: {exc}") from exc


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
            raise EncodeError("msgpack cannot carry 4 GiB or more in one value")
        wide = length > 0xFFFF
        self.header = head + (
            b"\xc6" + length.to_bytes(4) if wide else b"\xc5" + length.to_bytes(2)
        )
        self.view = view

    def head_at(self, start: int) -> bytes:
        """Return the head for a place in the document."""
        return self.header


class _LargeArray(_Large):
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
        length = _SHORTEST_HEAD + len(self.shape) + len(self.dtype) + len(self.header)
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
_SHORTEST_HEAD: Final = len(_SHAPE_KEYS[0]) + len(_DTYPE_KEYS[0]) + len(_DATA_KEYS[0])


class _Parts(list[bytes | _Large]):
    """A container that holds a large buffer: encoded pieces, and the buffers between them."""


_SPLIT: Final = frozenset({_Large, _LargeArray, _Parts})


class _Packer:
    """Writes one document.

    Containers without large buffers are encoded by msgspec in one go. The others, and only they,
    are put together from their header, runs of small members, and the buffers.
    """

    def __init__(self, arrays: str, dialect: str) -> None:
        self.arrays = arrays
        self.dialect = dialect
        self.lifted = 0
        self.dumpers: dict[type, Callable[..., Any]] = {}

    def pack(self, obj: Any) -> list[bytes | memoryview]:
        tree = self.convert(obj)
        if type(tree) not in _SPLIT:
            return [_encode(tree)]
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

    # The tree of what msgspec can write, with parts where there are large buffers.

    def convert(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in _ATOMS:
            return obj
        if kind is dict:
            return self.convert_map(obj)
        if kind is list or kind is tuple:
            return self.convert_items(obj)
        if kind is bytes:
            return obj if len(obj) < OUT_OF_LINE_THRESHOLD else self.lift(_Large(memoryview(obj)))
        if kind is np.ndarray:
            return self.convert_array(obj)
        if kind is Carrier:
            value = obj.value
            return value if is_plain(value) else self.convert(value)
        return self.convert_other(obj)

    def convert_map(self, obj: Mapping[Any, Any]) -> Any:
        lifted = self.lifted
        tree: dict[Any, Any] = {}
        for key, value in obj.items():
            if type(key) is not str:
                key = key_text(key)
            if key in tree:
                raise EncodeError(f"two keys become {key[:40]!r} in msgpack")
            tree[key] = value if type(value) in _ATOMS else self.convert(value)
        return tree if self.lifted == lifted else _split_map(tree)

    def convert_items(self, obj: Any) -> Any:
        lifted = self.lifted
        tree = list(map(self.convert, obj))  # not a comprehension, which would be a frame more
        return tree if self.lifted == lifted else _split_list(tree)

    def convert_array(self, array: Any) -> Any:
        try:
            array = as_ndarray(array)
            view = to_buffer(array)
        except ValueError as exc:
            raise EncodeError(str(exc)) from exc
        if len(view) < OUT_OF_LINE_THRESHOLD:
            return array_map(array, bytes(view), self.arrays)
        if self.arrays == "map":
            return self.lift(_LargeArray(view, array))
        # The data is the last entry, and nil, which takes its place here, is one byte.
        return self.lift(_Large(view, _encode(array_map(array, None, self.arrays))[:-1]))

    def convert_model(self, obj: Any) -> Any:
        kind = type(obj)
        if kind not in self.dumpers:
            self.dumpers[kind] = DocumentSerializer.of_class(kind).dump
        try:
            document = self.dumpers[kind](obj, keeps_times=self.dialect == "chains", by_alias=True)
        except ValueError as exc:  # PydanticSerializationError is one
            message = f"a {kind.__name__} cannot be carried in msgpack: {str(exc)[:200]}"
            raise EncodeError(message) from exc
        return document if is_plain(document) else self.convert(document)

    def lift(self, large: _Large) -> _Large:
        self.lifted += 1
        return large

    def convert_other(self, obj: Any) -> Any:
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
        return self.convert(as_json_has_it(obj)) if map_ is None else map_


def _split_map(tree: dict[str, Any]) -> _Parts:
    """Encode a map of which members are large buffers, or hold some."""
    parts = _Parts([_header(tree, 0x80, 0xDE)])
    run: dict[str, Any] = {}
    for key, value in tree.items():
        if type(value) not in _SPLIT:
            run[key] = value
            continue
        run[key] = None  # one byte
        parts.append(_members(run)[:-1])
        _add(parts, value)
        run = {}
    parts.append(_members(run))
    return parts


def _split_list(tree: list[Any]) -> _Parts:
    """Encode a list of which members are large buffers, or hold some."""
    parts = _Parts([_header(tree, 0x90, 0xDC)])
    run: list[Any] = []
    for value in tree:
        if type(value) not in _SPLIT:
            run.append(value)
            continue
        parts.append(_members(run))
        _add(parts, value)
        run = []
    parts.append(_members(run))
    return parts


def _add(parts: _Parts, value: Any) -> None:
    if type(value) is _Parts:
        parts += value
    else:
        parts.append(value)


def _members(run: Any) -> bytes:
    """Encode the members of a list or a map, without its header."""
    if not run:
        return b""
    text = _encode(run)
    return text[header_size(text) :]


def _header(container: Any, short: int, wide: int) -> bytes:
    """The header of a list or a map; ``short`` and ``wide`` are its codes for few and for many."""
    count = len(container)
    if count < 16:
        return bytes((short + count,))
    if count < 1 << 16:
        return bytes((wide,)) + count.to_bytes(2)
    return bytes((wide + 1,)) + count.to_bytes(4)


def as_json_has_it(obj: Any) -> Any:
    """A leaf as pydantic writes it in JSON: ISO 8601 for dates, text for decimals, and so on.

    Raises:
        EncodeError: pydantic does not know the type.
    """
    try:
        plain = to_jsonable_python(obj)
    except ValueError as exc:  # PydanticSerializationError is one
        raise EncodeError(f"a {type(obj).__name__} cannot be carried in msgpack") from exc
    if isinstance(obj, (datetime.datetime, datetime.time)) and has_odd_offset(obj):
        return obj.isoformat()  # pydantic rounds the offset to minutes, which is another time
    if type(plain) is type(obj):
        raise EncodeError(f"a {type(obj).__name__} cannot be carried in msgpack")
    return plain


def key_text(key: Any) -> str:
    """A key as the string that pydantic writes for it in JSON.

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
    raise EncodeError(f"a {type(key).__name__} cannot be a key in msgpack")


def _is_no_time(key: np.generic) -> bool:
    # ``item`` gives an int for nanoseconds and None for NaT.
    times = (datetime.date, datetime.timedelta)
    return key.dtype.kind in "Mm" and not isinstance(key.item(), times)

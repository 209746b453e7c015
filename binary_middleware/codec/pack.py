"""Python objects as msgpack. Large arrays and ``bytes`` stay where they are, as buffers."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, Final

import msgspec
import numpy as np
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from binary_middleware.codec.chains import chains_map
from binary_middleware.errors import EncodeError
from binary_middleware.fields import as_ndarray, is_array_like, to_buffer
from binary_middleware.ndarray import array_map, complex_map, scalar_value

LARGE: Final = 16 * 1024
"""Bytes from which an array or ``bytes`` is listed as a buffer of its own when writing."""

ALIGNMENT: Final = 8
"""Large arrays that are written as string-keyed maps start at a multiple of this many bytes: so
JavaScript can make typed arrays of them without copying."""

_MIN_INT: Final = -(1 << 63)
_MAX_INT: Final = (1 << 64) - 1
_ATOMS: Final = frozenset({type(None), bool, int, float, str})
_TEXT: Final = frozenset({str})
_encoder: Final = msgspec.msgpack.Encoder()


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
        return [_encoder.encode(obj)] if _is_plain(obj) else _Packer(arrays, dialect).pack(obj)
    except RecursionError as exc:
        raise EncodeError("the object nests too deeply, or holds itself") from exc
    except (OverflowError, UnicodeError) as exc:
        raise EncodeError(f"a value cannot be carried in msgpack: {exc}") from exc


class _Large:
    """A large buffer in its place in the document, and what is written in front of it.

    Args:
        view: the buffer.
        head: what precedes its own header.
        aligned: whether the buffer shall start at a multiple of :data:`ALIGNMENT`; ``head`` is
            then that of a string-keyed array map.
    """

    __slots__ = ("aligned", "head", "view")

    def __init__(self, view: memoryview, head: bytes = b"", aligned: bool = False) -> None:
        length = view.nbytes
        if length >= 1 << 32:
            raise EncodeError("msgpack cannot carry 4 GiB or more in one value")
        wide = length > 0xFFFF
        self.head = head + (b"\xc6" + length.to_bytes(4) if wide else b"\xc5" + length.to_bytes(2))
        self.view = view
        self.aligned = aligned

    def head_at(self, start: int) -> bytes:
        """The head for a place in the document, longer where the buffer shall be aligned."""
        head = self.head
        padding = -(start + len(head)) % ALIGNMENT if self.aligned else 0
        for more, key, wider in _WIDER_KEYS:
            if padding & more:
                head = head.replace(key, wider, 1)
        return head


# msgpack has four headers for a string, and a reader takes any of them. So three keys can make a
# map longer by 0 to 7 bytes. (What is replaced is the key, or a name of the same letters in a
# structured dtype, which may be written in a wider form just as well.)
_WIDER_KEYS: Final = (
    (1, b"\xa5shape", b"\xd9\x05shape"),
    (2, b"\xa5dtype", b"\xda\x00\x05dtype"),
    (4, b"\xa4data", b"\xdb\x00\x00\x00\x04data"),
)


_PLACE: Final = os.urandom(16)
"""Stands in the place of a large buffer while everything around it is written in one go. Nobody
else knows these bytes, so no document has them."""
_IN_ITS_PLACE: Final = msgspec.Raw(_PLACE)


class _Packer:
    """Writes one document: first all that is small, then the large buffers in their places."""

    def __init__(self, arrays: str, dialect: str) -> None:
        self.arrays = arrays
        self.dialect = dialect
        self.large: list[_Large] = []

    def pack(self, obj: Any) -> list[bytes | memoryview]:
        tree = self.convert(obj)
        small = _encoder.encode(tree)
        if not self.large:
            return [small]
        *parts, rest = small.split(_PLACE)
        buffers: list[bytes | memoryview] = []
        written = 0
        for part, large in zip(parts, self.large, strict=True):
            head = part + large.head_at(written + len(part))
            buffers += (head, large.view)
            written += len(head) + len(large.view)
        if rest:
            buffers.append(rest)
        return buffers

    # The tree of what msgspec can write.

    def convert(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in _ATOMS:
            return obj
        if kind is dict:
            return self.convert_map(obj)
        if kind is list or kind is tuple:
            return self.convert_items(obj)
        if kind is bytes:
            return obj if len(obj) < LARGE else self.lift(_Large(memoryview(obj)))
        if kind is np.ndarray:
            return self.convert_array(obj)
        return self.convert_other(obj)

    def convert_map(self, obj: Mapping[Any, Any]) -> dict[Any, Any]:
        tree: dict[Any, Any] = {}
        for key, value in obj.items():
            if type(key) is not str:
                key = key_text(key)
            if key in tree:
                raise EncodeError(f"two keys become {key[:40]!r} in msgpack")
            tree[key] = value if type(value) in _ATOMS else self.convert(value)
        return tree

    def convert_items(self, obj: Any) -> list[Any]:
        return list(map(self.convert, obj))  # not a comprehension, which would be a frame more

    def convert_array(self, array: Any) -> Any:
        try:
            array = as_ndarray(array)
        except ValueError as exc:
            raise EncodeError(str(exc)) from exc
        view = to_buffer(array)
        if len(view) < LARGE:
            return array_map(array, bytes(view), self.arrays)
        # The data is the last entry: all the others, with one more in their count, come first.
        entries = array_map(array, None, self.arrays)
        data_key, _ = entries.popitem()
        others = _encoder.encode(entries)
        head = bytes((others[0] + 1,)) + others[1:] + _encoder.encode(data_key)
        return self.lift(_Large(view, head, aligned=self.arrays == "map"))

    def lift(self, large: _Large) -> msgspec.Raw:
        self.large.append(large)
        return _IN_ITS_PLACE

    def convert_other(self, obj: Any) -> Any:
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
            return self.convert(dump_model(obj))
        if is_array_like(obj):
            return self.convert_array(obj)
        if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
            fields = dataclasses.fields(obj)
            return self.convert_map({field.name: getattr(obj, field.name) for field in fields})
        map_ = chains_map(obj) if self.dialect == "chains" else None
        return self.convert(as_json_has_it(obj)) if map_ is None else map_


def _is_plain(obj: Any) -> bool:
    """Whether msgspec alone can write ``obj``, as most small documents are."""
    kind = type(obj)
    if kind is list:
        if _ATOMS.issuperset(map(type, obj)):  # many numbers, seen at C speed
            return True
        members = obj
    elif kind is dict:
        if not _TEXT.issuperset(map(type, obj)):
            return False
        members = obj.values()
    else:
        return kind in _ATOMS
    for member in members:  # noqa: SIM110  # ``all`` would be a frame more for each level
        if type(member) not in _ATOMS and not _is_plain(member):
            return False
    return True


def dump_model(model: BaseModel) -> Any:
    """A model as pydantic dumps it in python mode, which leaves arrays and bytes as they are.

    Raises:
        EncodeError: pydantic cannot dump it: it holds itself, or one of its serializers failed.
    """
    try:
        return model.model_dump(by_alias=True)
    except ValueError as exc:  # PydanticSerializationError is one
        message = f"a {type(model).__name__} cannot be carried in msgpack: {str(exc)[:200]}"
        raise EncodeError(message) from exc


def as_json_has_it(obj: Any) -> Any:
    """A leaf as pydantic writes it in JSON: ISO 8601 for dates, text for decimals, and so on.

    Raises:
        EncodeError: pydantic does not know the type.
    """
    try:
        plain = to_jsonable_python(obj)
    except ValueError as exc:  # PydanticSerializationError is one
        raise EncodeError(f"a {type(obj).__name__} cannot be carried in msgpack") from exc
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

"""Python objects as msgpack and back: ``packb``, ``unpackb`` and their buffer-level forms.

msgspec reads and writes the msgpack. This module adds what it does not know: arrays (see
``ndarray``), the values that JSON writes as text (dates, decimals, enums ... as pydantic writes
them), keys as JSON has them, and the rule that a large buffer is never copied into another:

- writing, a large array or ``bytes`` stays where it is and is listed as a buffer of its own;
- reading, a container whose items are large is taken apart with ``msgspec.Raw``, which skips over
  items without copying them, and only what remains is decoded.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cached_property
from operator import itemgetter
from pathlib import PurePath
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from binary_middleware.errors import ContentTooLarge, DecodeError, EncodeError
from binary_middleware.fields import as_ndarray, is_array_like, to_buffer
from binary_middleware.ndarray import (
    array_header,
    array_map,
    complex_map,
    copy_array,
    is_marked,
    read_marked,
    scalar_value,
    view_array,
)

__all__ = ["Moved", "pack_buffers", "packb", "unpack_owned", "unpackb"]

type_none: Final = type(None)

LARGE: Final = 16 * 1024
"""Bytes from which an array or ``bytes`` is listed as a buffer of its own when writing."""

LARGE_ITEM: Final = 2 * 1024
"""Mean bytes per item from which a container is taken apart when reading. Below it the container
is decoded in one go, and counts as structure."""

MAX_DESCENT: Final = 16
"""Levels of containers that are taken apart. Each level is one pass over its bytes, so this
bounds the time that nesting can cost; what lies deeper is decoded in one go."""

MAX_STRUCTURE_SIZE: Final = 8 * 1024 * 1024
"""Default limit of structure, in bytes of msgpack. One byte of it can become 70 bytes of
objects (an empty map), so that this bounds a request at about 600 MB."""

PINNED_SHARE: Final = 8
"""An array smaller than this share of an owned buffer is copied out of it, so that a small array
that lives long does not keep a large buffer alive."""


# -- writing -----------------------------------------------------------------------------------

_MIN_INT: Final = -(1 << 63)
_MAX_INT: Final = (1 << 64) - 1
_ATOMS: Final = frozenset({type_none, bool, int, float, str})
_TEXT: Final = frozenset({str})
_CONTAINERS: Final = frozenset({dict, list})
_encoder: Final = msgspec.msgpack.Encoder()


def packb(obj: Any, *, arrays: str = "numpy") -> bytes:
    """Pack ``obj`` as msgpack.

    Arrays, and whatever offers ``__array__`` or ``__dlpack__``, are written as msgpack-numpy
    writes them, numpy scalars as the number they are, bytes as bin, models and dataclasses as
    maps, and every other type as pydantic writes it in JSON. Keys become strings as they do
    there.

    Args:
        obj: what to pack.
        arrays: ``"numpy"`` for msgpack-numpy's map, ``"map"`` for the string-keyed map.

    Raises:
        EncodeError: a value has no exact place in msgpack (an integer beyond 64 bits, a lone
            surrogate, a masked or object array, an unknown type).
        ValueError: ``arrays`` is neither of the two.
    """
    return b"".join(pack_buffers(obj, arrays=arrays))


def pack_buffers(obj: Any, *, arrays: str = "numpy") -> list[bytes | memoryview]:
    """Pack ``obj`` as :func:`packb` does, into buffers that together are the document.

    Large arrays and ``bytes`` are not copied: their buffers are flat views (format ``B``) of the
    memory they are in, and show what happens to it later. Arrays that are not in C order are
    copied.

    Raises:
        EncodeError, ValueError: as for :func:`packb`.
    """
    if arrays not in ("numpy", "map"):
        raise ValueError(f"arrays must be 'numpy' or 'map', got {arrays!r}")
    return _Packer(arrays).pack(obj)


class _Large:
    """A large buffer in its place in the document, and what is written in front of it."""

    __slots__ = ("head", "view")

    def __init__(self, view: memoryview, head: bytes = b"") -> None:
        length = view.nbytes
        if length >= 1 << 32:
            raise EncodeError("msgpack cannot carry 4 GiB or more in one value")
        wide = length > 0xFFFF
        self.head = head + (b"\xc6" + length.to_bytes(4) if wide else b"\xc5" + length.to_bytes(2))
        self.view = view


class _Packer:
    """Writes one document: first the objects as msgspec knows them, then the buffers."""

    def __init__(self, arrays: str) -> None:
        self.arrays = arrays
        self.large = 0
        # The containers, by id, that hold something large further down. They are all part of
        # the tree that ``pack`` holds, so no id is used twice.
        self.taken_apart: set[int] = set()

    def pack(self, obj: Any) -> list[bytes | memoryview]:
        try:
            tree = obj if _is_plain(obj) else self.convert(obj)
            if not self.large:
                return [_encoder.encode(tree)]
            buffers: list[bytes | memoryview] = []
            rest = bytearray()
            self.write(tree, rest, buffers)
        except RecursionError as exc:
            raise EncodeError("the object nests too deeply, or holds itself") from exc
        except (OverflowError, UnicodeError) as exc:
            raise EncodeError(f"a value cannot be carried in msgpack: {exc}") from exc
        if rest:
            buffers.append(bytes(rest))
        return buffers

    # The tree, of dict, list, str, int, float, bool, None, bytes and _Large.

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
        seen = self.large
        tree: dict[Any, Any] = {}
        for key, value in obj.items():
            if type(key) is not str:
                key = key_text(key)
            if key in tree:
                raise EncodeError(f"two keys become {key[:40]!r} in msgpack")
            tree[key] = value if type(value) in _ATOMS else self.convert(value)
        if self.large != seen:
            self.taken_apart.add(id(tree))
        return tree

    def convert_items(self, obj: Any) -> Any:
        seen = self.large
        tree = list(map(self.convert, obj))  # not a comprehension, which would be a frame more
        if self.large != seen:
            self.taken_apart.add(id(tree))
        return tree

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
        ((data_key, _),) = [entries.popitem()]
        others = _encoder.encode(entries)
        head = bytes((others[0] + 1,)) + others[1:] + _encoder.encode(data_key)
        return self.lift(_Large(view, head))

    def lift(self, large: _Large) -> _Large:
        self.large += 1
        return large

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
        return self.convert(as_json_has_it(obj))

    # The buffers.

    def write(self, node: Any, rest: bytearray, buffers: list[bytes | memoryview]) -> None:
        """Append ``node`` to ``rest``, which moves to ``buffers`` where a large one follows."""
        if type(node) is _Large:
            rest += node.head
            buffers += (bytes(rest), node.view)
            rest.clear()
        elif id(node) not in self.taken_apart:
            _encoder.encode_into(node, rest, -1)
        elif type(node) is dict:
            rest += _header(len(node), 0x80, b"\xde", b"\xdf")
            self.write_entries(node, rest, buffers)
        else:
            rest += _header(len(node), 0x90, b"\xdc", b"\xdd")
            for item in node:
                self.write(item, rest, buffers)

    def write_entries(
        self, node: dict[str, Any], rest: bytearray, buffers: list[bytes | memoryview]
    ) -> None:
        run: dict[str, Any] = {}  # entries that msgspec can write together
        for key, value in node.items():
            if type(value) is _Large or id(value) in self.taken_apart:
                rest += _without_header(run)
                run.clear()
                _encoder.encode_into(key, rest, -1)
                self.write(value, rest, buffers)
            else:
                run[key] = value
        rest += _without_header(run)


def _without_header(map_: dict[str, Any]) -> bytes:
    return _encoder.encode(map_)[len(_header(len(map_), 0x80, b"\xde", b"\xdf")) :]


def _is_plain(obj: Any) -> bool:
    """Whether msgspec alone can write ``obj``, as most small documents are; seen at C speed."""
    kind = type(obj)
    if kind is dict:
        if not _TEXT.issuperset(map(type, obj)):
            return False
        members = obj.values()
    elif kind is list:
        members = obj
    else:
        return kind in _ATOMS
    others = set(map(type, members)) - _ATOMS
    if not others <= _CONTAINERS:
        return False
    for member in members if others else ():
        if type(member) in _CONTAINERS and not _is_plain(member):  # one frame for a level
            return False
    return True


def _header(count: int, fix: int, short: bytes, long: bytes) -> bytes:
    if count < 16:
        return bytes((fix | count,))
    return short + count.to_bytes(2) if count <= 0xFFFF else long + count.to_bytes(4)


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


# -- reading -----------------------------------------------------------------------------------


class Moved(NamedTuple):
    """Bytes that :func:`unpack_owned` moved down in its buffer, to align an array."""

    start: int
    """Where they start now."""
    length: int
    """How many they are."""
    overwritten: bytes
    """What stood at ``start``; they were moved by as many bytes."""


class Unpacked(NamedTuple):
    """A document, and how its buffer differs from what was received."""

    value: Any
    moved: list[Moved]


def unpackb(data: Any, *, max_structure_size: int | None = None) -> Any:
    """Unpack one msgpack document.

    Reads what :func:`packb`, msgpack and msgpack-numpy 0.4.8 write. Arrays come back writable,
    aligned and with memory of their own; msgpack-numpy's scalars as Python numbers; timestamps
    (extension -1) as aware datetimes; keys as strings. Nothing is ever unpickled, and ``data`` is
    never modified. A string-keyed array map stays a map: ``NumpyArrayField`` and
    ``fields.from_map`` convert it.

    Args:
        data: ``bytes`` or any other object with a contiguous buffer.
        max_structure_size: limit in bytes for all that is not a large leaf; ``None`` for no limit.

    Raises:
        DecodeError: not one whole msgpack document, or something in it is refused (an object
            array, an unknown extension, a key that JSON could not have); or ``data`` has no such
            buffer.
        ContentTooLarge: nested too deeply, or more structure than ``max_structure_size``.
    """
    try:
        view = memoryview(data)
        if view.format != "B" or view.ndim != 1 or not view.contiguous:
            view = view.cast("B")
    except (TypeError, ValueError, BufferError) as exc:
        raise DecodeError(f"a {type(data).__name__} is not a contiguous buffer: {exc}") from exc
    return _Unpacker(view, max_structure_size).unpack()


def unpack_owned(
    buffer: np.ndarray[Any, Any], max_structure_size: int = MAX_STRUCTURE_SIZE
) -> Unpacked:
    """Unpack a document whose buffer is ours: large arrays become views of it.

    The bytes of an array that is not aligned are moved down by up to 7 bytes, over the header
    in front of them; a buffer can therefore be unpacked once only.

    Args:
        buffer: a writable, contiguous array of ``uint8``.
        max_structure_size: limit in bytes for all that is not a large leaf.

    Raises:
        DecodeError: as for :func:`unpackb`.
        ContentTooLarge: nested too deeply, or more structure than ``max_structure_size``.
    """
    unpacker = _Unpacker(buffer.data.toreadonly(), max_structure_size, buffer)
    return Unpacked(unpacker.unpack(), unpacker.moved)


_decode_any: Final = msgspec.msgpack.Decoder().decode
# ``dict[Any, Raw]`` would decode keys of any size and kind before anybody has counted them.
_decode_map: Final = msgspec.msgpack.Decoder(
    dict[str | int | float | bool | None, msgspec.Raw]
).decode
_decode_marked: Final = msgspec.msgpack.Decoder(dict[bytes, msgspec.Raw]).decode
_decode_items: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_POSITION: Final = re.compile(r"\(byte (\d+)\)")
_LONGEST_ARRAY_HEADER: Final = 256 * 1024


class _Unpacker:
    """Reads one document.

    Args:
        view: its bytes.
        max_structure_size: limit in bytes, ``None`` for no limit.
        buffer: the same bytes as an array, if it is ours and arrays may be views of it.
    """

    def __init__(
        self,
        view: memoryview,
        max_structure_size: int | None,
        buffer: np.ndarray[Any, Any] | None = None,
    ) -> None:
        self.view = view
        self.max_structure_size = max_structure_size
        self.buffer = buffer
        self.structure_size = 0
        self.moved: list[Moved] = []

    def unpack(self) -> Any:
        try:
            return self.read(self.view, 0, 0)
        except RecursionError as exc:
            raise ContentTooLarge("the document nests too deeply") from exc

    def read(self, view: memoryview, start: int, depth: int) -> Any:
        """The value of ``view``, which is one whole item and starts at ``start``."""
        if len(view) < LARGE_ITEM or depth == MAX_DESCENT:
            return self.read_in_one_go(view)
        kind, count = _container(view)
        if kind is None or len(view) < count * LARGE_ITEM:
            return self.read_in_one_go(view)
        if kind is list:
            raw: Any = dict(enumerate(self.decode(_decode_items, view)))
        else:
            try:
                raw = self.decode(_decode_marked if _has_binary_key(view) else _decode_map, view)
            except DecodeError as exc:
                if isinstance(exc.__cause__, msgspec.ValidationError):  # a key of another kind
                    return self.read_in_one_go(view)
                raise
            if is_marked(raw):
                return self.read_array(view, start, raw, count)
        large = self.place(view, start, raw, count)
        if not large:
            return self.read_in_one_go(view)
        value = self.revive(self.decode_small(view, raw, large.values()))
        for key, (at, part) in large.items():
            place = key if kind is list or type(key) is str else key_text(key)
            try:
                value[place] = self.read(part, start + at, depth + 1)
            except DecodeError as exc:
                exc.within(place)
                raise
        return value

    def place(
        self, view: memoryview, start: int, raw: dict[Any, msgspec.Raw], count: int
    ) -> dict[Any, tuple[int, memoryview]]:
        """The large items of a container, and where in it they start."""
        # The last item ends where its container does, unless some key stands twice.
        every_key_is_there = count in (len(raw), 2 * len(raw))
        last = next(reversed(raw), None) if every_key_is_there else None
        places: dict[Any, tuple[int, memoryview]] = {}
        for key, item in raw.items():
            part = memoryview(item)
            if len(part) >= LARGE_ITEM:
                at = len(view) - len(part) if key is last else self.offset(part) - start
                places[key] = (at, part)
        return places

    def decode_small(
        self,
        view: memoryview,
        raw: dict[Any, msgspec.Raw],
        large: Iterable[tuple[int, memoryview]],
    ) -> Any:
        """The container in ``view``, decoded in one go, with ``None`` for its large items."""
        between: list[bytes | memoryview] = []
        start = 0
        for at, part in sorted(large, key=_first):  # a key that stands twice is out of order
            between += (view[start:at], b"\xc0")
            start = at + len(part)
        small = b"".join((*between, view[start:]))
        self.count_structure(len(small))
        try:
            return _decode_any(small)
        except (UnicodeDecodeError, msgspec.MsgspecError) as exc:
            for item in raw.values():  # one by one, so that the position is that in the whole
                self.decode(_decode_any, memoryview(item))
            raise DecodeError("the body is not msgpack") from exc

    def read_in_one_go(self, view: memoryview) -> Any:
        if len(view) and view[0] in _CONTAINER_CODES:
            self.count_structure(len(view))
        return self.revive(self.decode(_decode_any, view))

    def count_structure(self, size: int) -> None:
        self.structure_size += size
        limit = self.max_structure_size
        if limit is not None and self.structure_size > limit:
            raise ContentTooLarge(
                f"the structure of the document, large arrays and bytes aside, is over "
                f"max_structure_size ({limit} bytes)"
            )

    def decode(self, decode: Any, view: memoryview) -> Any:
        try:
            return decode(view)
        except UnicodeDecodeError as exc:
            where = self.position_of(exc.object)
            raise DecodeError(f"the body is not msgpack: a string is not UTF-8{where}") from exc
        except msgspec.MsgspecError as exc:
            start = self.offset(view)
            message = _POSITION.sub(lambda at: f"(byte {start + int(at[1])})", str(exc))
            message = message.removeprefix("MessagePack data is malformed: ").rstrip()
            message = message[:1].lower() + message[1:]
            raise DecodeError(f"the body is not msgpack: {message}") from exc

    def revive(self, value: Any) -> Any:
        """What msgspec decoded, with arrays in place of their maps and strings for keys."""
        kind = type(value)
        if kind is dict:
            # All keys before any item, and each once: to begin anew with other keys, at every
            # level of a deep document, would cost the square of its size.
            if not _TEXT.issuperset(map(type, value)):
                if is_marked(value):
                    return read_marked(value)
                value = self.with_text_keys(value)
            if not _NEEDS_REVIVAL.isdisjoint(map(type, value.values())):
                self.revive_members(value, value.items())
        elif kind is list:
            if not _NEEDS_REVIVAL.isdisjoint(map(type, value)):
                self.revive_members(value, enumerate(value))
        elif kind is msgspec.msgpack.Ext:
            raise DecodeError(f"msgpack extension {value.code} is not known")
        return value

    def revive_members(self, value: Any, members: Iterable[tuple[Any, Any]]) -> None:
        key: Any = None
        try:
            for key, item in members:
                if type(item) in _NEEDS_REVIVAL:
                    value[key] = self.revive(item)
        except DecodeError as exc:
            exc.within(key)
            raise

    def with_text_keys(self, map_: Mapping[Any, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in map_.items():
            if isinstance(key, (bytes, tuple, msgspec.msgpack.Ext)):
                raise DecodeError("a key of a map must be a string, not binary and not a container")
            text = key if type(key) is str else key_text(key)
            if text in result:
                raise DecodeError(f"the key {text[:40]!r} stands twice in one map")
            result[text] = item
        return result

    def read_array(
        self, view: memoryview, start: int, raw: dict[Any, msgspec.Raw], count: int
    ) -> Any:
        """A map with a marker that is large: its data is found, not decoded."""
        large = self.place(view, start, raw, count)
        at, data = large.get(b"data", (0, _NO_DATA))
        if len(view) - len(data) > _LONGEST_ARRAY_HEADER:
            raise DecodeError("the description of an array is too long")
        map_ = self.decode_small(view, raw, [(at, data)] if len(data) else [])
        if map_.get(b"nd") is not True or not len(data):
            return read_marked(map_)  # small data, or what is never that large
        dtype, shape = array_header(map_)
        payload = _bin_payload(data)
        array = view_array(payload, dtype, shape)  # refuses before anything moves
        alignment, buffer = _alignment(dtype), self.buffer
        if buffer is not None and array.nbytes * PINNED_SHARE >= len(buffer) and alignment <= 8:
            payload_start = start + at + len(data) - len(payload)
            payload = self.align(buffer, payload_start, len(payload), alignment)
            return view_array(payload, dtype, shape)
        return copy_array(payload, dtype, shape)

    def position_of(self, text: bytes) -> str:
        """The position of a string that msgspec gave no position for, if there is only one."""
        found = [
            match.start() for match in itertools.islice(re.finditer(re.escape(text), self.view), 2)
        ]
        return f" (byte {found[0]})" if len(found) == 1 else ""

    def offset(self, part: memoryview) -> int:
        """Where a part of the document starts, in bytes."""
        return _address(np.frombuffer(part, np.uint8)) - self.address if len(part) else 0

    @cached_property
    def address(self) -> int:
        return _address(np.frombuffer(self.view, np.uint8))

    def align(
        self, buffer: np.ndarray[Any, Any], start: int, size: int, alignment: int
    ) -> np.ndarray[Any, Any]:
        shift = (self.address + start) % alignment
        if shift:
            # There are at least 8 bytes to spare: an array's data follows its own key
            # (6 bytes) and header (2 or more), and nobody reads these again.
            source, start = start, start - shift
            overwritten = buffer[start : start + shift].tobytes()
            self.moved.append(Moved(start, size, overwritten))
            buffer[start : start + size] = buffer[source : source + size]
        return buffer[start : start + size]


_NO_DATA: Final = memoryview(b"")
_first: Final = itemgetter(0)
_NEEDS_REVIVAL: Final = frozenset({dict, list, msgspec.msgpack.Ext})
_CONTAINER_CODES: Final = frozenset((*range(0x80, 0xA0), *range(0xDC, 0xE0)))


def _alignment(dtype: np.dtype[Any]) -> int:
    """The alignment of ``dtype`` or, if it is structured, the largest one of its fields."""
    if dtype.subdtype is not None:
        return _alignment(dtype.base)
    if dtype.names is not None:
        return max(_alignment(dtype[name]) for name in dtype.names)
    return dtype.alignment


def _address(buffer: np.ndarray[Any, Any]) -> int:
    address: int = buffer.__array_interface__["data"][0]
    return address


def _container(view: memoryview) -> tuple[type | None, int]:
    """Whether a list or a map starts here, and how many items its header promises."""
    code = view[0]
    if 0x80 <= code < 0x90:
        return dict, 2 * (code & 0x0F)
    if 0x90 <= code < 0xA0:
        return list, code & 0x0F
    if code in (0xDC, 0xDE):
        count = int.from_bytes(view[1:3])
        return (list, count) if code == 0xDC else (dict, 2 * count)
    if code in (0xDD, 0xDF):
        count = int.from_bytes(view[1:5])
        return (list, count) if code == 0xDD else (dict, 2 * count)
    return None, 0


def _has_binary_key(view: memoryview) -> bool:
    """Whether the first key of the map that starts here is bin, as those of an array map are."""
    first = {0xDE: 3, 0xDF: 5}.get(view[0], 1)
    return 0xC4 <= view[first] <= 0xC6


def _bin_payload(view: memoryview) -> np.ndarray[Any, Any]:
    header = {0xC4: 2, 0xC5: 3, 0xC6: 5}.get(view[0])
    if header is None:
        raise DecodeError("the data of an array map must be bin")
    return np.frombuffer(view, np.uint8, offset=header) if len(view) > header else _EMPTY


_EMPTY: Final = np.empty(0, np.uint8)

"""Python objects from msgpack.

A container whose items are large is taken apart with ``msgspec.Raw``, which skips over items
without copying them, and only what remains is decoded.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from binary_middleware.codec.pack import key_text
from binary_middleware.errors import ContentTooLarge, DecodeError
from binary_middleware.ndarray import (
    array_header,
    copy_array,
    is_marked,
    read_marked,
    view_array,
)

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

_TEXT: Final = frozenset({str})


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

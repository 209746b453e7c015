"""Python objects from msgpack.

What is large and what only msgpack has (arrays, bytes, keys that are no strings) is found by taking
containers apart with ``msgspec.Raw``, which skips over items without copying them. What remains is
decoded in one go.

No document may take much longer than its size is worth, so there is a limit to what is passed over
again and again (``_Unpacker.bytes_left``), and no container with keys that nobody has looked at is
decoded in one go unless it is small. Only the hash of strings and bytes is salted. What other keys
become, numbers and tuples, can be chosen so that each is compared with all others: a body of 8 MiB
full of them would take half an hour. So maps of many keys that are not strings are refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import cached_property
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from binary_middleware.errors import DecodeError, LimitExceeded
from binary_middleware.fields import parse_dtype
from binary_middleware.formats._collector import collector_paused
from binary_middleware.formats._long_text import LongText
from binary_middleware.formats.base import (
    MAX_DEPTH,
    MAX_REQUEST_DEPTH,
    MAX_STRUCTURE_SIZE,
    Decoded,
    DocumentFacts,
    Relocation,
)
from binary_middleware.formats.msgpack._chains import is_chains_map, read_chains_map
from binary_middleware.formats.msgpack._keys import (
    FEW,
    MAX_OTHER_KEYS,
    NO_KEY,
    has_text_keys,
    with_text_keys,
)
from binary_middleware.formats.msgpack._limits import Conversions
from binary_middleware.formats.msgpack._numpy_maps import (
    array_header,
    count_fields,
    is_marked,
    read_marked,
    view_array,
)
from binary_middleware.formats.msgpack._pack import key_text
from binary_middleware.formats.msgpack._wire import (
    CONTAINER_CODES,
    MAX_WEIGHT,
    WEIGHT,
    container,
    has_binary_key,
    has_many_other_keys,
    is_sparse,
    may_have_large_map,
    weigh,
    weigh_exactly,
)

LARGE_ITEM: Final = 2 * 1024
"""Bytes of an item, and mean bytes per item of a container, from which they are large. A container
below that is structure."""

SMALL_ITEM: Final = 64
"""Mean bytes per item of a container below which its items are not looked at one by one."""

MAX_APART: Final = 2 * 1024 * 1024
"""Most items of a container of small ones that is taken apart: each takes 80 bytes meanwhile."""

MAX_DESCENT: Final = 16
"""Levels of containers that are taken apart; what lies deeper is decoded in one go."""

STRUCTURE_MEMORY: Final = 36
"""Bytes of memory that objects may take for each byte of the limit of structure."""

MIN_VIEW_SHARE: Final = 8
"""An array smaller than this share of an owned buffer is copied out of it, so that a small array
that lives long does not keep a large buffer alive."""


class Unpacked(NamedTuple):
    """A document, and how its buffer differs from what was received."""

    value: Any
    moved: list[Relocation]


def unpackb(data: Any, *, max_structure_size: int | None = None) -> Any:
    """Unpack one msgpack document.

    Reads what :func:`packb`, msgpack and msgpack-numpy 0.4.8 write. Arrays come back writable,
    aligned and with memory of their own; msgpack-numpy's scalars as Python numbers; timestamps
    (extension -1) as aware datetimes; the maps of Chains as the dates, durations, decimals and
    UUIDs that they stand for; keys as strings. Nothing is ever unpickled, and ``data`` is never
    modified. A string-keyed array map stays a map: ``NumpyArrayField`` and ``fields.from_map``
    convert it.

    Args:
        data: ``bytes`` or any other object with a contiguous buffer.
        max_structure_size: limit in bytes for all that is not a large leaf; ``None`` for no limit.

    Raises:
        DecodeError: not one whole msgpack document, or something in it is refused (an object
            array, an unknown extension, a key that JSON could not have); or ``data`` has no such
            buffer.
        LimitExceeded: nested too deeply, or more structure than ``max_structure_size``.
    """
    if type(data) is bytes and len(data) < LARGE_ITEM:
        limit = max_structure_size
        if limit is None or len(data) <= limit:
            try:
                return _decode_plain(data)
            except _NOT_DECODED:
                pass  # there is more in it, or it is not msgpack
    return _Unpacker(_flat_view(data), max_structure_size).unpack()


def _flat_view(data: Any) -> memoryview:
    try:
        view = memoryview(data)
        if view.format != "B" or view.ndim != 1 or not view.contiguous:
            view = view.cast("B")
    except (TypeError, ValueError, BufferError) as exc:
        raise DecodeError(f"a {type(data).__name__} is not a contiguous buffer: {exc}") from exc
    return view


def unpack_views(data: Any, max_structure_size: int = MAX_STRUCTURE_SIZE) -> Any:
    """Unpack a document for JSON text: long strings and bytes are views of ``data``.

    Args:
        data: ``bytes``, or a contiguous array of ``uint8`` that nobody changes.
        max_structure_size: limit in bytes for all that is not a large leaf.

    Returns:
        As :func:`unpackb`, with a :class:`LongText` for a long string and a ``memoryview`` for
        long bytes.

    Raises:
        DecodeError: as for :func:`unpackb`.
        LimitExceeded: nested too deeply, or more structure than ``max_structure_size``.
    """
    view = memoryview(data).toreadonly()
    unpacker = _Unpacker(
        view, max_structure_size, max_depth=MAX_REQUEST_DEPTH, leaves_are_views=True
    )
    return unpacker.unpack()


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
        LimitExceeded: nested too deeply, or more structure than ``max_structure_size``.
    """
    unpacker = _Unpacker(buffer.data.toreadonly(), max_structure_size, buffer)
    return Unpacked(unpacker.unpack(), unpacker.moved)


def unpack_body(
    data: Any, max_structure_size: int, *, is_owned: bool, max_depth: int = MAX_REQUEST_DEPTH
) -> Decoded:
    """Unpack a document as :func:`unpack_owned` or :func:`unpackb` does, and tell what is in it."""
    if type(data) is bytes and len(data) < min(LARGE_ITEM, max_structure_size):
        try:
            facts = DocumentFacts(len(data), False, False, max_structure_size)
            return Decoded(_decode_plain(data), [], facts)
        except _NOT_DECODED:
            pass  # there is more in it, or it is not msgpack
    if is_owned:
        view, buffer = data.data.toreadonly(), data
    else:
        view, buffer = _flat_view(data), None
    unpacker = _Unpacker(view, max_structure_size, buffer, max_depth=max_depth)
    value = unpacker.unpack()
    facts = DocumentFacts(
        unpacker.structure_size,
        unpacker.holds_arrays,
        unpacker.holds_scalars,
        max_structure_size,
    )
    return Decoded(value, unpacker.moved, facts)


_Raw = dict[Any, msgspec.Raw] | list[msgspec.Raw]


def _plain(levels: int) -> Any:
    leaf: Any = bool | int | float | str | None
    plain = leaf
    for _ in range(levels):  # msgspec knows no recursive types, and this doubles with each level
        plain = leaf | list[plain] | dict[str, plain]  # type: ignore[valid-type]
    return plain


_NOT_DECODED: Final = (ValueError, OverflowError, msgspec.MsgspecError)
"""What msgspec raises for what it cannot decode: ``ValueError`` for text that is not UTF-8, and for
timestamps beyond the years of ``datetime``."""
_decode_any: Final = msgspec.msgpack.Decoder().decode
# What JSON could hold as well, down to a few levels: nothing in there needs a second look. It is as
# fast as decoding without a type, and stops at the first value of another kind.
_decode_plain: Final = msgspec.msgpack.Decoder(_plain(6)).decode
# ``dict[Any, Raw]`` would decode keys of any size and kind before anybody has counted them.
_decode_map: Final = msgspec.msgpack.Decoder(
    dict[str | int | float | bool | None, msgspec.Raw]
).decode
_decode_texts: Final = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_marked: Final = msgspec.msgpack.Decoder(dict[bytes, msgspec.Raw]).decode
_decode_items: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_sizes: Final = msgspec.msgpack.Decoder(list[int]).decode
_MAP_OF_FIVE: Final = 0x85
_USUAL_ARRAY: Final = re.compile(
    rb"\x85\xc4\x02nd\xc3"
    rb"\xc4\x04type([\xa0-\xbf])([!-~]{1,31})"
    rb"\xc4\x04kind\xc4\x00"
    rb"\xc4\x05shape([\x90-\x9f].{0,135}?)"  # 15 sizes of 9 bytes
    rb"\xc4\x04data(?:\xc5(..)|\xc6(....))",
    re.DOTALL,
)
"""The map of a large array as msgpack-numpy writes it, up to its bytes; of no structured type."""
_POSITION: Final = re.compile(r"\(byte (\d+)\)")
_LONGEST_ARRAY_HEADER: Final = 256 * 1024
_LONGEST_SOUGHT: Final = 256

_MUCH: Final = 64 * 1024
"""Bytes of a document from which the garbage collector is kept from running while it is read."""


class _Unpacker:
    """Reads one document.

    Args:
        view: its bytes.
        max_structure_size: limit in bytes, ``None`` for no limit.
        buffer: the same bytes as an array, if it is ours and arrays may be views of it.
        max_depth: most containers inside each other.
        leaves_are_views: whether long strings and bytes are views of ``view``.
    """

    structure_size = 0
    weight = last_weight = 0
    holds_arrays = False
    holds_scalars = False

    def __init__(
        self,
        view: memoryview,
        max_structure_size: int | None,
        buffer: np.ndarray[Any, Any] | None = None,
        *,
        max_depth: int = MAX_DEPTH,
        leaves_are_views: bool = False,
    ) -> None:
        self.view = view
        self.max_depth = max_depth
        self.leaves_are_views = leaves_are_views
        self.max_structure_size = max_structure_size
        self.owned = None if buffer is None else buffer.data
        self.moved: list[Relocation] = []
        if len(view) >= LARGE_ITEM:
            # What may still be spent, so that no document takes much longer than others: bytes to
            # pass over, large leaves aside; containers of large items to take apart; bytes to
            # decode as plain data in vain; headers to look at.
            self.bytes_left = 2 * len(view) + 32 * 1024 * 1024
            self.containers_left = len(view) // 512 + 512
            self.attempts_left = 2 * len(view)
        self.headers_left = 2 * 1024 * 1024
        self.conversions = Conversions(max_structure_size)
        self.unweighed: list[memoryview | bytes] = []

    def unpack(self) -> Any:
        with collector_paused() if len(self.view) >= _MUCH else nullcontext():
            try:
                return self.read(self.view, 0, 0)
            except RecursionError as exc:
                raise self.too_deep() from exc

    def read(self, view: memoryview, start: int, depth: int, sparse: bool = False) -> Any:
        """The value of an item.

        Args:
            view: the whole item.
            start: where in the document it starts.
            depth: how many containers it is in.
            sparse: whether it is known to hold so few objects that passing over it any number of
                times costs next to nothing.
        """
        if len(view) < LARGE_ITEM:
            return self.read_in_one_go(view, depth)
        if view[0] == _MAP_OF_FIVE and depth < MAX_DESCENT:
            array = self._match_numpy_array(view, start)
            if array is not None:
                return array
        kind, count = container(view)
        if kind is None:
            return self.read_leaf(view, start)
        if (
            len(view) < count * LARGE_ITEM
            or depth == MAX_DESCENT
            or not self.containers_left
            or not (sparse or len(view) <= self.bytes_left or (sparse := is_sparse(view)))
        ):
            return self.read_structure(view, start, depth)
        self.containers_left -= 1
        return self._split(view, start, depth, sparse)

    def read_leaf(self, view: memoryview, start: int) -> Any:
        """A large item that is no container."""
        size = {0xC5: 3, 0xC6: 5, 0xDA: 3, 0xDB: 5}.get(view[0], 0)
        if self.leaves_are_views and int.from_bytes(view[1:size]) == len(view) - size:
            if view[0] in (0xC5, 0xC6):
                return view[size:]
            if size:
                try:
                    return LongText(view[size:])
                except UnicodeDecodeError as exc:
                    where = f"(byte {start + size})"
                    message = f"the body is not msgpack: a string is not UTF-8 {where}"
                    raise DecodeError(message) from exc
        return self.decode(_decode_any, view)

    def read_structure(self, view: memoryview, start: int, depth: int) -> Any:
        """A container that is structure as a whole, or has to be taken for it."""
        count = container(view)[1]
        if count > len(view):
            raise DecodeError("the body is not msgpack: input data was truncated")
        self.count_structure(view)
        if len(view) <= self.attempts_left and not has_binary_key(view):
            try:
                return self.decode(_decode_plain, view)
            except DecodeError as exc:
                if not isinstance(exc.__cause__, msgspec.ValidationError):
                    raise
            self.attempts_left -= len(view)
        # Taken apart, a small item takes much more memory than it does as an object.
        if count > MAX_APART or (len(view) < count * SMALL_ITEM and not may_have_large_map(view)):
            return self._decode_opaque(view, depth)
        if depth < MAX_DESCENT and len(view) <= self.bytes_left:
            self.uncount_structure(view)  # its parts are counted instead
            return self._split(view, start, depth, sparse=False)
        return self._decode_opaque(view, depth)

    def _decode_opaque(self, view: memoryview, depth: int) -> Any:
        """A container that cannot be taken apart, in one go, if that is safe."""
        if may_have_large_map(view):
            self.check_keys(view)
        return self._restore(self.decode(_decode_any, view), depth)

    def check_keys(self, view: memoryview) -> None:
        """Refuse maps of many keys that are not strings, at any depth.

        Raises:
            DecodeError: there is one.
            LimitExceeded: there is too much in ``view`` to tell.
        """
        many, seen = has_many_other_keys(view, MAX_OTHER_KEYS, self.headers_left)
        self.headers_left -= seen
        if many is None:
            raise LimitExceeded(
                f"the document is too complex: a container of many objects nests deeper than "
                f"{MAX_DESCENT} levels, or has keys that are not strings"
            )
        if many:
            raise DecodeError(
                f"a map has more than {MAX_OTHER_KEYS} keys that are not strings: "
                f"JSON has no such maps"
            )

    def _split(self, view: memoryview, start: int, depth: int, sparse: bool) -> Any:
        """A container, its large items each read by itself. Arguments as for :meth:`read`."""
        bytes_left = self.bytes_left
        kind, count = container(view)
        raw: Any
        if kind is list:
            raw = self.decode(_decode_items, view)
        else:
            decode_map: Any = _decode_map if count <= 2 * MAX_OTHER_KEYS else _decode_texts
            if has_binary_key(view):
                decode_map = _decode_marked
            try:
                raw = self.decode(decode_map, view)
            except DecodeError as exc:
                if not isinstance(exc.__cause__, msgspec.ValidationError):
                    raise
                # There is a key of another kind.
                if decode_map is not _decode_texts:
                    self.count_structure(view)
                    return self._decode_opaque(view, depth)
                raw = self.decode_mixed_keys(view)
            if is_marked(raw):
                return self.read_array(view, start, raw, count)
        large = self.place(view, start, raw, count)
        value = self.decode_small(view, raw, large)
        if sparse:
            self.bytes_left = bytes_left
        value = self._restore(value, depth)
        for key, (at, part) in large.items():
            place = key if kind is list or type(key) is str else key_text(key)
            try:
                value[place] = self.read(part, start + at, depth + 1, sparse)
            except DecodeError as exc:
                exc.within(place)
                raise
        return value

    def decode_mixed_keys(self, view: memoryview) -> dict[Any, msgspec.Raw]:
        """A map of many keys that are not all strings, if few of them are not."""
        self.check_keys(view)
        try:
            raw: dict[Any, msgspec.Raw] = self.decode(_decode_map, view)
        except DecodeError as exc:
            if isinstance(exc.__cause__, msgspec.ValidationError):
                raise DecodeError(NO_KEY) from exc
            raise
        return raw

    def place(
        self, view: memoryview, start: int, raw: _Raw, count: int
    ) -> dict[Any, tuple[int, memoryview]]:
        """The large items of a container, and where in it they start."""
        passed_over = len(view)
        # The last item ends where its container does, unless some key stands twice.
        last: Any = _NOTHING
        if type(raw) is list:
            last = len(raw) - 1
        elif count == 2 * len(raw):
            last = next(reversed(raw), _NOTHING)
        places: dict[Any, tuple[int, memoryview]] = {}
        for key, item in _members(raw):
            if len(item) >= LARGE_ITEM:
                part = memoryview(item)
                if part[0] not in CONTAINER_CODES:
                    passed_over -= len(part)
                at = len(view) - len(part) if key is last else self.offset(part) - start
                places[key] = (at, part)
        self.bytes_left -= passed_over
        return places

    def decode_small(
        self, view: memoryview, raw: _Raw, large: Mapping[Any, tuple[int, memoryview]]
    ) -> Any:
        """The container in ``view``, decoded in one go, with ``None`` for its large items."""
        between: list[bytes | memoryview] = []
        start = 0
        # A key that stands twice is out of order.
        in_order = large.values() if len(large) == 1 else sorted(large.values(), key=_first)
        for at, part in in_order:
            between += (view[start:at], b"\xc0")
            start = at + len(part)
        small = b"".join((*between, view[start:]))
        self.count_structure(small)
        try:
            return _decode_any(small)
        except _NOT_DECODED as exc:
            for key, item in _members(raw):  # one by one, for the position in the whole
                if key not in large:
                    self.decode(_decode_any, memoryview(item))
            raise DecodeError("the body is not msgpack") from exc

    def read_in_one_go(self, view: memoryview, depth: int) -> Any:
        if len(view) and view[0] in CONTAINER_CODES:
            self.count_structure(view)
            try:
                return _decode_plain(view)
            except _NOT_DECODED:
                pass  # there is more in it, or it is not msgpack
        return self._restore(self.decode(_decode_any, view), depth)

    def count_structure(self, part: memoryview | bytes) -> None:
        """Count what is to be decoded as small objects.

        Raises:
            LimitExceeded: it is more than the limit, or its objects would take more memory than
                that allows.
        """
        self.structure_size += len(part)
        limit = self.max_structure_size
        if limit is None:
            return
        if self.structure_size > limit:
            raise LimitExceeded(
                f"the structure of the document, large arrays and bytes aside, is over "
                f"max_structure_size ({limit} bytes)"
            )
        self.unweighed.append(part)
        # Most documents are too small to be weighed.
        if self.structure_size * MAX_WEIGHT * WEIGHT > limit * STRUCTURE_MEMORY:
            self.weigh(limit)

    def weigh(self, limit: int) -> None:
        parts, self.unweighed = self.unweighed, []
        weights = list(map(weigh, parts))
        if (self.weight + sum(weights)) * WEIGHT > limit * STRUCTURE_MEMORY:
            for index, part in enumerate(parts):
                exact, seen = weigh_exactly(memoryview(part), self.headers_left)
                self.headers_left -= seen
                if exact is None:
                    break
                weights[index] = exact
        self.weight += sum(weights)
        self.last_weight = weights[-1]
        if self.weight * WEIGHT > limit * STRUCTURE_MEMORY:
            raise LimitExceeded(
                f"the document holds more lists and maps than max_structure_size ({limit} bytes) "
                f"allows: their objects would take over {STRUCTURE_MEMORY} times as much memory"
            )

    def uncount_structure(self, view: memoryview) -> None:
        """Undo the last :meth:`count_structure`, which was of ``view``."""
        self.structure_size -= len(view)
        if self.unweighed:
            self.unweighed.pop()
        else:
            self.weight -= self.last_weight
            self.last_weight = 0

    def decode(self, decode: Any, view: memoryview) -> Any:
        try:
            return decode(view)
        except UnicodeDecodeError as exc:
            where = self.position_of(exc.object)
            raise DecodeError(f"the body is not msgpack: a string is not UTF-8{where}") from exc
        except msgspec.MsgspecError as exc:
            start = self.offset(view)
            known = 0 <= start <= len(self.view)
            message = _POSITION.sub(
                lambda at: f"(byte {start + int(at[1])})" if known else "", str(exc)
            )
            message = message.removeprefix("MessagePack data is malformed: ").rstrip()
            message = message[:1].lower() + message[1:]
            raise DecodeError(f"the body is not msgpack: {message}") from exc
        except (ValueError, OverflowError) as exc:  # a timestamp that no datetime can be
            raise DecodeError(f"the body is not msgpack that can be read: {exc}") from exc

    def _restore(self, value: Any, depth: int) -> Any:
        """What msgspec decoded, with arrays in place of their maps and strings for keys.

        Args:
            value: a container, or what msgspec has no type of Python's for.
            depth: how many containers it is in.
        """
        if depth >= self.max_depth:
            raise self.too_deep()
        kind = type(value)
        if kind is dict:
            # All keys before any item, and each once: to begin anew with other keys, at every
            # level of a deep document, would cost the square of its size.
            if not has_text_keys(value):
                if is_marked(value):
                    return self.read_marked(value)
                self.conversions.count()
                if is_chains_map(value):
                    self.holds_arrays = True
                    return read_chains_map(value)
                value = with_text_keys(value)
            if len(value) > FEW and _NEEDS_REVIVAL.isdisjoint(map(type, value.values())):
                return value
            members: Iterable[tuple[Any, Any]] = value.items()
        elif kind is list:
            if len(value) > FEW and _NEEDS_REVIVAL.isdisjoint(map(type, value)):
                return value
            members = enumerate(value)
        elif kind is msgspec.msgpack.Ext:
            raise DecodeError(f"msgpack extension {value.code} is not known")
        else:
            return value
        key: Any = None
        try:
            for key, item in members:
                if type(item) in _NEEDS_REVIVAL and item:  # an empty container is what it is
                    revived = self._restore(item, depth + 1)
                    if revived is not item:
                        value[key] = revived
        except DecodeError as exc:
            exc.within(key)
            raise
        return value

    def read_marked(self, map_: Mapping[Any, Any]) -> Any:
        """A map with a marker that is small."""
        self.holds_arrays = True
        value = read_marked(map_)
        if type(value) is not np.ndarray or value.size == 1:
            self.holds_scalars = True
        structured = type(value) is np.ndarray and value.dtype.names is not None
        # Reading a field of a dtype takes as long as two small arrays of numbers.
        self.conversions.count(1 + 2 * count_fields(value.dtype) if structured else 1)
        return value

    def read_array(self, view: memoryview, start: int, raw: _Raw, count: int) -> Any:
        """A map with a marker that is large: its data is found, not decoded."""
        large = self.place(view, start, raw, count)
        at, data = large.get(b"data", (0, _NO_DATA))
        if len(view) - len(data) > _LONGEST_ARRAY_HEADER:
            raise DecodeError("the description of an array is too long")
        map_ = self.decode_small(view, raw, {b"data": (at, data)} if len(data) else {})
        if map_.get(b"nd") is not True or not len(data):
            return self.read_marked(map_)  # small data, or what is never that large
        dtype, shape = array_header(map_)
        size = len(_bin_payload(data))
        return self.array(start + at + len(data) - size, size, dtype, shape)

    def _match_numpy_array(self, view: memoryview, start: int) -> np.ndarray[Any, Any] | None:
        """An array whose map is as msgpack-numpy writes it; ``None`` for any other map."""
        match = _USUAL_ARRAY.match(view)
        if match is None:
            return None
        code, name, shape, short, long = match.groups()
        length = short or long
        # Where the shape ends is a guess, which is right if all of these fit.
        size = len(view) - match.end()
        if code[0] & 0x1F != len(name) or int.from_bytes(length) != size:
            return None
        try:
            sizes = _decode_sizes(shape)
        except msgspec.MsgspecError:
            return None
        description = match.end() - len(length)  # with one byte in the place of the data
        self.bytes_left -= description
        self.count_structure(view[:description])
        try:
            dtype = parse_dtype(name)
        except ValueError as exc:
            raise DecodeError(str(exc)) from exc
        return self.array(start + match.end(), size, dtype, sizes)

    def array(
        self, start: int, size: int, dtype: np.dtype[Any], shape: Any
    ) -> np.ndarray[Any, Any]:
        """The array whose bytes start at ``start``: a view if that is allowed, else a copy."""
        if self.leaves_are_views:
            return view_array(self.view[start : start + size], dtype, shape)
        self.holds_arrays = True
        if size == dtype.itemsize:
            self.holds_scalars = True
        alignment, owned = _alignment(dtype), self.owned
        if owned is None or size * MIN_VIEW_SHARE < len(self.view) or alignment > 8:
            data = self.view[start : start + size]
            array = view_array(data, dtype, shape)  # or it is refused
            return np.ndarray(array.shape, dtype, np.frombuffer(data, np.uint8).copy())
        array = view_array(owned[start : start + size], dtype, shape)
        if array.flags.aligned and dtype.names is None:
            return array
        # Memory that numpy got is aligned for any type; nobody else's need be.
        is_aligned = np.ndarray((), np.uint64, owned).flags.aligned
        shift = (start if is_aligned else self.address + start) % alignment
        if not shift:
            return array
        return np.ndarray(array.shape, dtype, self._align_in_place(owned, start, size, shift))

    def too_deep(self) -> LimitExceeded:
        return LimitExceeded(
            f"the document nests too deeply: at most {self.max_depth} levels are read"
        )

    def position_of(self, text: bytes) -> str:
        """The position of a string that msgspec gave no position for, if there is only one."""
        # Its beginning will do: if that stands there once, so does the whole.
        pattern = re.escape(text[:_LONGEST_SOUGHT])
        found = [match.start() for match in itertools.islice(re.finditer(pattern, self.view), 2)]
        return f" (byte {found[0]})" if len(found) == 1 else ""

    def offset(self, part: memoryview) -> int:
        """Where a part of the document starts, in bytes."""
        return _address(np.frombuffer(part, np.uint8)) - self.address if len(part) else 0

    @cached_property
    def address(self) -> int:
        return _address(np.frombuffer(self.view, np.uint8))

    def _align_in_place(self, owned: memoryview, start: int, size: int, shift: int) -> memoryview:
        # There are at least 8 bytes to spare: an array's data follows its own key
        # (6 bytes) and header (2 or more), and nobody reads these again.
        source, start = start, start - shift
        self.moved.append(Relocation(start, size, bytes(owned[start:source])))
        owned[start : start + size] = owned[source : source + size]
        return owned[start : start + size]


def _members(raw: _Raw) -> Iterable[tuple[Any, msgspec.Raw]]:
    return enumerate(raw) if isinstance(raw, list) else raw.items()


_NOTHING: Final = object()
_NO_DATA: Final = memoryview(b"")
_first: Final = itemgetter(0)
_NEEDS_REVIVAL: Final = frozenset({dict, list, msgspec.msgpack.Ext})


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


def _bin_payload(view: memoryview) -> np.ndarray[Any, Any]:
    header = {0xC4: 2, 0xC5: 3, 0xC6: 5}.get(view[0])
    if header is None:
        raise DecodeError("the data of an array map must be bin")
    return np.frombuffer(view, np.uint8, offset=header) if len(view) > header else _EMPTY


_EMPTY: Final = np.empty(0, np.uint8)

"""Python objects from msgpack.

What is large and what only msgpack has (arrays, bytes, keys that are no strings) is found by
splitting containers with ``msgspec.Raw``, which skips over items without copying them. What remains
is decoded in one go. No document may take much longer than its size is worth: see ``Budget``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import cached_property
from operator import itemgetter
from typing import Any, Final

import msgspec
import numpy as np

from binary_middleware.errors import DecodeError
from binary_middleware.formats._collector import CollectorPause
from binary_middleware.formats._long_text import LongText
from binary_middleware.formats.base import MAX_DEPTH, Decoded, DocumentFacts, Limits, Relocation
from binary_middleware.formats.msgpack._decoders import (
    NOT_DECODED,
    address_of,
    decode_any,
    decode_binary_keys,
    decode_items,
    decode_part,
    decode_plain,
    decode_simple_keys,
    decode_text_keys,
    is_mismatch,
)
from binary_middleware.formats.msgpack._keys import (
    MAX_NUMERIC_KEYS,
    check_large_maps,
    large_map_error,
)
from binary_middleware.formats.msgpack._limits import Budget
from binary_middleware.formats.msgpack._numpy_maps import array_header, is_numpy_map, view_array
from binary_middleware.formats.msgpack._pack import key_text
from binary_middleware.formats.msgpack._restore import Restorer
from binary_middleware.formats.msgpack._views import (
    MIN_VIEW_SHARE,
    copy_array_at,
    match_numpy_map,
    view_array_at,
)
from binary_middleware.formats.msgpack._wire import (
    BIN_CODES,
    CONTAINER_CODES,
    HEADERS,
    STR_CODES,
    has_binary_key,
    is_sparse,
    may_have_large_map,
    read_container,
)

LARGE_ITEM: Final = 2 * 1024
"""Bytes of an item, and mean bytes per item of a container, from which they are large. A container
below that is structure."""

SMALL_ITEM: Final = 64
"""Mean bytes per item of a container below which its items are not looked at one by one."""

MAX_SPLIT_ITEMS: Final = 2 * 1024 * 1024
"""Maximum items of a container of small ones that is split: each takes 80 bytes meanwhile."""

MAX_SPLIT_DEPTH: Final = 16
"""Levels of containers that are split; what lies deeper is decoded in one go."""

MAX_ARRAY_HEADER: Final = 256 * 1024
"""Bytes of an array map without its data."""

PAUSE_THRESHOLD: Final = 64 * 1024
"""Bytes of a document from which the garbage collector is kept from running while it is read."""


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
    limit = max_structure_size
    if type(data) is bytes and len(data) < LARGE_ITEM and (limit is None or len(data) <= limit):
        try:
            return decode_plain(data)
        except NOT_DECODED:
            pass  # there is more in it, or it is not msgpack
    return _Reader(data, max_structure_size, MAX_DEPTH).read_document()


def unpack(data: Any, limits: Limits, *, is_owned: bool) -> Decoded:
    """Unpack a document, with the facts about it; see ``Format.decode``."""
    max_structure_size, max_depth = limits
    if type(data) is bytes and len(data) < min(LARGE_ITEM, max_structure_size):
        try:
            document = decode_plain(data)
        except NOT_DECODED:
            pass  # there is more in it, or it is not msgpack
        else:
            facts = DocumentFacts(len(data), False, False, max_structure_size)
            return Decoded(document, [], facts)
    reader = _Reader(data, max_structure_size, max_depth, is_owned=is_owned)
    document = reader.read_document()
    facts = DocumentFacts(
        reader.budget.structure_size, reader.holds_arrays, reader.holds_scalars, max_structure_size
    )
    return Decoded(document, reader.relocations, facts)


def unpack_views(data: Any, limits: Limits) -> Any:
    """Unpack a document for JSON text; see ``Format.decode_views``.

    Returns:
        As :func:`unpackb`, with a :class:`LongText` for a long string and a ``memoryview`` for
        long bytes.
    """
    return _Reader(data, *limits, leaves_are_views=True).read_document()


def _flat_view(data: Any) -> memoryview:
    try:
        view = memoryview(data).toreadonly()
        if view.format != "B" or view.ndim != 1 or not view.contiguous:
            view = view.cast("B")
    except (TypeError, ValueError, BufferError) as exc:
        raise DecodeError(f"a {type(data).__name__} is not a contiguous buffer: {exc}") from exc
    return view


_RawContainer = dict[Any, msgspec.Raw] | list[msgspec.Raw]


class _Reader(Restorer):
    """Reads one document.

    Args:
        data: its bytes.
        max_structure_size: limit in bytes, ``None`` for no limit.
        max_depth: maximum of containers inside each other.
        is_owned: whether ``data`` is an array that arrays may be views of.
        leaves_are_views: whether long strings and bytes are views of ``data``.
    """

    def __init__(
        self,
        data: Any,
        max_structure_size: int | None,
        max_depth: int,
        *,
        is_owned: bool = False,
        leaves_are_views: bool = False,
    ) -> None:
        self.view = _flat_view(data)
        super().__init__(Budget(max_structure_size, len(self.view)), max_depth)
        self.owned: memoryview | None = data.data if is_owned else None
        self.leaves_are_views = leaves_are_views
        self.relocations: list[Relocation] = []

    def read_document(self) -> Any:
        with CollectorPause() if len(self.view) >= PAUSE_THRESHOLD else nullcontext():
            try:
                return self.read(self.view, 0, 0)
            except RecursionError as exc:
                raise self.too_deep() from exc

    def read(self, view: memoryview, start: int, depth: int, sparse: bool = False) -> Any:
        """Return the value of an item.

        Args:
            view: the whole item.
            start: where in the document it starts.
            depth: how many containers it is in.
            sparse: whether it is known to hold so few objects that passing over it any number of
                times costs next to nothing.
        """
        if len(view) < LARGE_ITEM:
            return self.read_small(view, depth)
        if view[0] == _MAP_OF_FIVE and depth < MAX_SPLIT_DEPTH:
            array = self.match_numpy_array(view, start)
            if array is not None:
                return array
        kind, count = read_container(view)
        if kind is None:
            return self.read_leaf(view, start)
        if (
            len(view) < count * LARGE_ITEM
            or depth == MAX_SPLIT_DEPTH
            or not self.budget.splits
            or not (sparse or len(view) <= self.budget.rescans or (sparse := is_sparse(view)))
        ):
            return self.read_structure(view, start, depth)
        self.budget.splits -= 1
        return self.split(view, start, depth, sparse)

    def read_small(self, view: memoryview, depth: int) -> Any:
        if len(view) and view[0] in CONTAINER_CODES:
            self.budget.count_structure(view)
            try:
                return decode_plain(view)
            except NOT_DECODED:
                pass  # there is more in it, or it is not msgpack
        return self.restore(self.decode(decode_any, view), depth)

    def read_leaf(self, view: memoryview, start: int) -> Any:
        """Return the value of a large item that is no container."""
        code = view[0]
        if self.leaves_are_views and (code in BIN_CODES or code in STR_CODES):
            size, width, *_ = HEADERS[code]
            if int.from_bytes(view[1 : 1 + width]) == len(view) - size:
                if code in BIN_CODES:
                    return view[size:]
                try:
                    return LongText(view[size:])
                except UnicodeDecodeError as exc:
                    where = f"(byte {start + size})"
                    message = f"the body is not msgpack: a string is not UTF-8 {where}"
                    raise DecodeError(message) from exc
        return self.decode(decode_any, view)

    def read_structure(self, view: memoryview, start: int, depth: int) -> Any:
        """Return the value of a container that is structure as a whole, or has to count as it."""
        count = read_container(view)[1]
        if count > len(view):
            raise DecodeError("the body is not msgpack: input data was truncated")
        budget = self.budget
        budget.count_structure(view)
        if len(view) <= budget.attempts and not has_binary_key(view):
            try:
                return self.decode(decode_plain, view)
            except DecodeError as exc:
                if not is_mismatch(exc):
                    raise
            budget.attempts -= len(view)
        # Split, a small item takes much more memory than it does as an object.
        is_fine = len(view) < count * SMALL_ITEM and not may_have_large_map(view)
        if is_fine or count > MAX_SPLIT_ITEMS or depth >= MAX_SPLIT_DEPTH:
            return self.decode_whole(view, depth)
        if len(view) > budget.rescans:
            return self.decode_whole(view, depth)
        budget.uncount_structure(view)  # its parts are counted instead
        return self.split(view, start, depth, sparse=False)

    def decode_whole(self, view: memoryview, depth: int) -> Any:
        """Return the value of a container that cannot be split, if it is safe to decode."""
        check_large_maps(view, self.budget)
        return self.restore(self.decode(decode_any, view), depth)

    def split(self, view: memoryview, start: int, depth: int, sparse: bool) -> Any:
        """Return the value of a container, its large items each read by itself.

        Args are those of :meth:`read`.
        """
        rescans = self.budget.rescans
        kind, count = read_container(view)
        raw: Any
        if kind is list:
            raw = self.decode(decode_items, view)
        else:
            decode = decode_simple_keys if count <= 2 * MAX_NUMERIC_KEYS else decode_text_keys
            if has_binary_key(view):
                decode = decode_binary_keys
            try:
                raw = self.decode(decode, view)
            except DecodeError as exc:
                if not is_mismatch(exc):
                    raise
                # There is a key of another kind.
                if decode is decode_text_keys:
                    raise large_map_error() from exc
                self.budget.count_structure(view)
                return self.decode_whole(view, depth)
            if decode is decode_binary_keys and is_numpy_map(raw):
                return self.read_array(view, start, raw, count)
        large = self.locate_large(view, start, raw, count)
        value = self.decode_rest(view, raw, large)
        if sparse:
            self.budget.rescans = rescans
        value = self.restore(value, depth)
        for key, (at, part) in large.items():
            place = key if kind is list or type(key) is str else key_text(key)
            try:
                value[place] = self.read(part, start + at, depth + 1, sparse)
            except DecodeError as exc:
                exc.within(place)
                raise
        return value

    def locate_large(
        self, view: memoryview, start: int, raw: _RawContainer, count: int
    ) -> dict[Any, tuple[int, memoryview]]:
        """Return the large items of a container, and where in it they start."""
        passed_over = len(view)
        # The last item ends where its container does, unless a key is duplicated.
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
                at = len(view) - len(part)
                if key is not last:
                    at = address_of(part) - self.address - start
                places[key] = (at, part)
        self.budget.rescans -= passed_over
        return places

    def decode_rest(
        self, view: memoryview, raw: _RawContainer, large: Mapping[Any, tuple[int, memoryview]]
    ) -> Any:
        """Return a container, decoded in one go, with ``None`` for its large items."""
        between: list[bytes | memoryview] = []
        start = 0
        # A duplicate key is out of order.
        in_order = large.values() if len(large) == 1 else sorted(large.values(), key=_first)
        for at, part in in_order:
            between += (view[start:at], b"\xc0")
            start = at + len(part)
        rest = b"".join((*between, view[start:]))
        self.budget.count_structure(rest)
        try:
            return decode_any(rest)
        except NOT_DECODED as exc:
            for key, item in _members(raw):  # one by one, for the position in the whole
                if key not in large:
                    self.decode(decode_any, memoryview(item))
            raise DecodeError("the body is not msgpack") from exc

    def decode(self, decode: Any, view: memoryview) -> Any:
        return decode_part(decode, view, self.view)

    def match_numpy_array(self, view: memoryview, start: int) -> np.ndarray[Any, Any] | None:
        """Return an array whose map is as msgpack-numpy writes it; ``None`` for any other map."""
        header = match_numpy_map(view)
        if header is None:
            return None
        at, structure_size, dtype, shape = header
        self.budget.rescans -= structure_size
        self.budget.count_structure(view[:structure_size])
        return self.array(start + at, len(view) - at, dtype, shape)

    def read_array(self, view: memoryview, start: int, raw: _RawContainer, count: int) -> Any:
        """Return the value of a large map of msgpack-numpy: its data is found, not decoded."""
        large = self.locate_large(view, start, raw, count)
        at, data = large.get(b"data", (0, _NO_DATA))
        if len(view) - len(data) > MAX_ARRAY_HEADER:
            raise DecodeError("the description of an array is too long")
        map_ = self.decode_rest(view, raw, {b"data": (at, data)} if len(data) else {})
        if map_.get(b"nd") is not True or not len(data):
            return self._restore_array(map_)  # small data, or what is never that large
        dtype, shape = array_header(map_)
        if data[0] not in BIN_CODES:
            raise DecodeError("the data of an array map must be bin")
        header = HEADERS[data[0]].size
        return self.array(start + at + header, len(data) - header, dtype, shape)

    def array(
        self, start: int, size: int, dtype: np.dtype[Any], shape: Any
    ) -> np.ndarray[Any, Any]:
        """Return the array whose bytes start at ``start``: a view if it may be one, else a copy."""
        if self.leaves_are_views:
            return view_array(self.view[start : start + size], dtype, shape)
        self.holds_arrays = True
        if size == dtype.itemsize:
            self.holds_scalars = True
        if self.owned is None or size * MIN_VIEW_SHARE < len(self.view):
            return copy_array_at(self.view[start : start + size], dtype, shape)
        return view_array_at(self.owned, start, size, dtype, shape, self.relocations)

    @cached_property
    def address(self) -> int:
        return address_of(self.view)


def _members(raw: _RawContainer) -> Iterable[tuple[Any, msgspec.Raw]]:
    return enumerate(raw) if isinstance(raw, list) else raw.items()


_MAP_OF_FIVE: Final = 0x85
_NOTHING: Final = object()
_NO_DATA: Final = memoryview(b"")
_first: Final = itemgetter(0)

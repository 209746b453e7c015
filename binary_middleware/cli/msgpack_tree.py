"""The lines of any msgpack body, also of one that would be refused. Nothing is ever unpickled.

The bytes are walked through, not decoded: no object is made but for what is shown, and no count in
a header is believed. What ``unpackb`` refuses is shown with the reason.
"""

from __future__ import annotations

import codecs
import datetime
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from binary_middleware.cli.byte_sizes import format_size
from binary_middleware.cli.escaping import printable
from binary_middleware.cli.msgpack_items import Item, Malformed, quick_end, read_item, skip
from binary_middleware.cli.previews import (
    array_preview,
    bytes_preview,
    extension_preview,
    utf8_preview,
    value_preview,
)
from binary_middleware.cli.tree import Entry, Limits, label_of
from binary_middleware.errors import DecodeError
from binary_middleware.fields import from_buffer, parse_dtype
from binary_middleware.formats.msgpack._chains import is_chains_map, read_chains_map
from binary_middleware.formats.msgpack._numpy_maps import (
    array_header,
    is_marked,
    read_marked,
    view_array,
)
from binary_middleware.formats.msgpack._pack import key_text

_LARGEST_HEADER: Final = 256 * 1024
"""Bytes of a member of an array map that is not its data: the dtype and the shape."""
_LARGEST_MARKED: Final = 4 * 1024
"""Bytes of a map that stands for a value other than an array."""
_MOST_MEMBERS: Final = 5
_LONGEST_KEY: Final = 32
_ARRAY_KEYS: Final = frozenset({b"nd", b"type", b"kind", b"shape", b"data", b"complex"})
_STRING_KEYS: Final = frozenset({"shape", "dtype", "data"})


class _Open:
    """A container whose members are being shown.

    Args:
        item: its header.
        most: members that are shown.
        is_marked: whether it was to stand for a value, so that its keys may be binary.
    """

    def __init__(self, item: Item, most: int, is_marked: bool) -> None:
        self.item = item
        self.left = min(item.length, most)
        self.hidden = item.length - self.left
        self.index = 0
        self.is_marked = is_marked
        self._keys: set[Any] = set()
        self._texts: set[str] = set()

    def remark_on(self, key: Any, text: str) -> str:
        """What is to be said of one more key: equal ones are one, and all become text."""
        if key in self._keys:
            return "the key stands twice: the last one counts"
        is_taken = text in self._texts
        self._keys.add(key)
        self._texts.add(text)
        return f"refused: the key {printable(text)} stands twice, in two types" if is_taken else ""


class MsgpackTree:
    """The lines of one body.

    Args:
        view: the body.
        limits: how much of it is shown.

    Attributes:
        problem: why the body is not one whole msgpack document, as far as that was found out;
            empty if it is one.
    """

    def __init__(self, view: memoryview, limits: Limits) -> None:
        self.view = view
        self.limits = limits
        self.problem = ""
        self._open: list[_Open] = []
        self._position = 0
        self._is_done = False

    def entries(self) -> Iterator[Entry]:
        """All lines; where the input is malformed, what is there before that."""
        try:
            yield from self._document()
            self._note_rest(self._position)
        except Malformed as exc:
            self._note(exc)
            yield Entry(len(self._open), True, "", self._cut_short(), exc.position)
        self._is_done = True

    def check(self) -> None:
        """Set ``problem``, if not all lines were asked for."""
        if self._is_done:
            return
        try:
            self._note_rest(self._end(read_item(self.view, 0)))
        except Malformed as exc:
            self._note(exc)

    def _note(self, exc: Malformed) -> None:
        self.problem = f"{exc} at byte {exc.position:,}"

    def _note_rest(self, end: int) -> None:
        if end == len(self.view):
            return
        self.problem = f"{len(self.view) - end:,} bytes follow the document, from byte {end:,}"
        hint = _other_format(self.view)
        if hint:
            self.problem += f"; {hint}"

    def _cut_short(self) -> str:
        if not self._open:
            return self.problem
        last = self._open[-1]
        missing = last.left + last.hidden
        if not missing:
            return self.problem
        return f"{self.problem}; missing here: {missing:,} of {last.item.length:,}"

    def _document(self) -> Iterator[Entry]:
        yield from self._item("", True, "")
        while self._open:
            container = self._open[-1]
            if container.left:
                yield from self._member(container)
                continue
            if container.hidden:
                end = quick_end(self.view, container.item.start)
                is_last = end is not None
                yield Entry(len(self._open), is_last, "", f"... {container.hidden:,} more")
                if end is None:
                    pairs = 2 if container.item.kind == "map" else 1
                    end = skip(self.view, self._position, pairs * container.hidden)
                self._position = end
            self._open.pop()

    def _member(self, container: _Open) -> Iterator[Entry]:
        is_last = container.left == 1 and not container.hidden
        label, remark = str(container.index), ""
        if container.item.kind == "map":
            label, remark = self._key(container)
        yield from self._item(label, is_last, remark, container)

    def _key(self, container: _Open) -> tuple[str, str]:
        """Pass over a key; gives the label that it makes, and a remark about it."""
        item, width = read_item(self.view, self._position), self.limits.width
        if item.kind in ("array", "map", "ext"):
            self._position = self._end(item)
            what = f"ext {item.value}" if item.kind == "ext" else f"{item.kind} of {item.length:,}"
            return f"({what} as a key)", "refused: a key must be a string"
        contents = self._contents(item)
        self._position = item.next
        if item.kind == "bin":
            label = repr(bytes(contents[:width])) + ("..." if len(contents) > width else "")
            refusal = "refused: a key must be a string, not binary"
            return label, "" if container.is_marked else refusal
        if item.kind == "str":
            try:
                text = str(contents, "utf-8")
            except UnicodeDecodeError as exc:
                at = item.payload + exc.start
                return utf8_preview(contents, width), f"refused: not UTF-8 at byte {at:,}"
            label = label_of(text, width)
        else:
            text = key_text(item.value)
            label = f"{text} ({type(item.value).__name__})"
        return label, container.remark_on(text if item.kind == "str" else item.value, text)

    def _item(
        self, label: str, is_last: bool, remark: str, within: _Open | None = None
    ) -> Iterator[Entry]:
        """Show the item that is next; a container's members come later."""
        item = read_item(self.view, self._position)
        if within is not None:
            within.left -= 1
            within.index += 1
        depth = len(self._open)
        if item.kind not in ("array", "map"):
            text, refusal = self._leaf(item)
            is_last = is_last and item.next <= len(self.view)  # else a remark follows
            yield Entry(depth, is_last, label, _with_remarks(text, remark, refusal), item.start)
            if item.next > len(self.view):
                raise Malformed(len(self.view), "the input ends")
            self._position = item.next
            return
        refusal = ""
        if item.kind == "map":
            try:
                special = self._value_of_map(item)
            except DecodeError as exc:
                refusal = f"refused: {exc}"
            else:
                if special is not None:
                    text, self._position = special
                    yield Entry(depth, is_last, label, _with_remarks(text, remark), item.start)
                    return
        end = quick_end(self.view, item.start)
        text = f"{item.kind} of {item.length:,}"
        if end is not None:
            text += f", {format_size(end - item.start)}"
        is_closed = depth == self.limits.depth and item.length > 0
        if is_closed:
            text += " ..."
        yield Entry(depth, is_last, label, _with_remarks(text, remark, refusal), item.start)
        if is_closed:
            self._position = skip(self.view, item.start, 1) if end is None else end
            return
        is_marked = bool(refusal) or (end is None and self._begins_as_marked(item))
        self._open.append(_Open(item, self.limits.items, is_marked))
        self._position = item.payload

    def _contents(self, item: Item) -> memoryview:
        if item.next > len(self.view):
            raise Malformed(len(self.view), "the input ends")
        return self.view[item.payload : item.next]

    def _end(self, item: Item) -> int:
        end = quick_end(self.view, item.start)
        return skip(self.view, item.start, 1) if end is None else end

    def _leaf(self, item: Item) -> tuple[str, str]:
        """The line of an item without members, and a remark about it."""
        contents = self.view[item.payload : item.next]
        width = self.limits.width
        if item.kind == "value":
            return value_preview(item.value, width), ""
        if item.kind == "float32":
            return f"{value_preview(item.value, width)} (float32)", ""
        if len(contents) < item.length:
            return self._announced(item, contents), ""
        if item.kind == "str":
            refused_at = _not_utf8(contents)
            refusal = (
                ""
                if refused_at is None
                else (f"refused: not UTF-8 at byte {item.payload + refused_at:,}")
            )
            return utf8_preview(contents, width), refusal
        if item.kind == "bin":
            return bytes_preview(contents), ""
        if item.value == -1:
            return self._timestamp(item, contents)
        refusal = f"refused: msgpack extension {item.value} is not known"
        return extension_preview(item.value, contents), refusal

    def _announced(self, item: Item, contents: memoryview) -> str:
        name = f"ext {item.value}" if item.kind == "ext" else item.kind
        return (
            f"{name}, {format_size(item.length)} announced, of which there are "
            f"{format_size(len(contents))}"
        )

    def _timestamp(self, item: Item, contents: memoryview) -> tuple[str, str]:
        try:
            when = msgspec.msgpack.decode(self.view[item.start : item.next], type=datetime.datetime)
        except msgspec.MsgspecError:
            return extension_preview(-1, contents), "refused: not a timestamp"
        return f"timestamp {when.isoformat()}", ""

    def _value_of_map(self, item: Item) -> tuple[str, int] | None:
        """The line of a map that stands for an array or another value, and where it ends.

        Raises:
            DecodeError: it has the marker of such a map, and is refused.
        """
        found = self._members_of_marked(item)
        if found is None:
            return None
        members, end = found
        data = members.get(b"data")
        if members.keys() == _STRING_KEYS:
            return self._string_keyed(members, end)
        if is_marked(members) and members.get(b"nd") is True:
            dtype, shape = array_header(members)
            if not isinstance(data, memoryview):
                raise DecodeError("the data of an array map must be bin")
            return array_preview(view_array(data, dtype, shape), self.limits.width), end
        if end - item.start > _LARGEST_MARKED:
            return None
        if isinstance(data, memoryview):
            members[b"data"] = bytes(data)
        if is_marked(members):
            text = value_preview(read_marked(members), self.limits.width)
            return f"{text} (numpy scalar)" if b"nd" in members else text, end
        if is_chains_map(members):
            return value_preview(read_chains_map(members), self.limits.width), end
        return None

    def _string_keyed(self, members: Mapping[Any, Any], end: int) -> tuple[str, int] | None:
        """Such a map that does not fit is a map like any other."""
        if not isinstance(members["data"], memoryview):
            return None
        try:
            dtype = parse_dtype(members["dtype"])
            array = from_buffer(members["data"], dtype, members["shape"])
        except ValueError:
            return None
        return f"{array_preview(array, self.limits.width)} (string keys)", end

    def _members_of_marked(self, item: Item) -> tuple[dict[Any, Any], int] | None:
        """The members of a map that may stand for a value, data as a view, and where it ends."""
        if not 2 <= item.length <= _MOST_MEMBERS:
            return None
        members: dict[Any, Any] = {}
        position = item.payload
        try:
            for _ in range(item.length):
                name = self._marked_key(read_item(self.view, position))
                if name is None:
                    return None
                value = read_item(self.view, read_item(self.view, position).next)
                position = self._end(value)
                if value.kind == "bin" and name in (b"data", "data"):
                    members[name] = self._contents(value)
                elif position - value.start > _LARGEST_HEADER:
                    return None
                else:
                    members[name] = msgspec.msgpack.decode(self.view[value.start : position])
        except (Malformed, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError):
            return None
        return members, position

    def _begins_as_marked(self, item: Item) -> bool:
        """Whether the first key is one of a map that stands for a value."""
        try:
            return type(self._marked_key(read_item(self.view, item.payload))) is bytes
        except Malformed:
            return False

    def _marked_key(self, item: Item) -> bytes | str | None:
        """A key that such maps have, ``None`` for any other."""
        if item.kind not in ("str", "bin") or item.length > _LONGEST_KEY:
            return None
        name = bytes(self._contents(item))
        if item.kind == "bin":
            return name if name in _ARRAY_KEYS or name.startswith(b"__") else None
        text = name.decode("utf-8", "replace")
        return text if text in _STRING_KEYS else None


def _with_remarks(text: str, *remarks: str) -> str:
    said = "; ".join(filter(None, remarks))
    return f"{text}  # {said}" if said else text


def _not_utf8(data: memoryview) -> int | None:
    """Where a string stops being UTF-8; read in parts, since it can be as long as the input."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    part = 1 << 16
    for start in range(0, len(data), part):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start : start + part], final=start + part >= len(data))
        except UnicodeDecodeError as exc:
            return start - pending + exc.start
    return None


def _other_format(view: memoryview) -> str:
    """What a file may be whose first byte only happens to be a small number."""
    start = bytes(view[:64])
    if start.startswith(b"\x1f\x8b"):
        return "this looks like gzip: unpack it first"
    if start.lstrip()[:1] in (b"{", b"["):
        return "this looks like JSON"
    return ""

"""What we write is read alike by everybody, and shows nothing but what was packed.

An input is read as decisions (see ``choices``): how it is written, and then the document.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgpack
import msgspec
import numpy as np
from msgpack.fallback import Unpacker

from binary_middleware.errors import DecodeError, EncodeError, LimitExceeded
from binary_middleware.fields import parse_dtype
from binary_middleware.formats.json import dump_json, from_json
from binary_middleware.formats.msgpack import pack_buffers, packb, unpackb
from tests.fuzz.choices import Choices
from tests.fuzz.reader import read
from tests.fuzz.values import value
from tests.hostile.reading import gaps_of, read_array

TOKENS: tuple[bytes, ...] = ()

ARRAYS: Final = ("numpy", "map")
DIALECTS: Final = ("plain", "chains")

NAMES: Final = (
    *("a", "b", "ädata", "åshape", "ådtype", "data", "shape", "dtype", "\U00010025shape"),
    *("x\x01", "é" * 20, "k" * 300, "ädataåshapeådtype", "\xa4data"),
)
TYPES: Final = (
    *("|b1", "|u1", "<i2", ">i4", "<i8", "<f2", "<f4", ">f8", "<c16", "<f16", "|S5", "<U3", ">U2"),
    *("<M8[ns]", "<m8[25s]", "|V3"),
)
LEAVES: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 2**63, -(2**63), 1.5, float("nan"), "", "text", "ädata", "x" * 300),
    *("é" * 70_000, b"", b"\xa4data", bytes(20_000), b"\xa5shape" * 3000, 1 + 2j),
    *(datetime(2026, 1, 31, 12, tzinfo=UTC), date(2026, 1, 31), time(12, 0, 1, 5), UUID(int=5)),
    *(timedelta(1, 2, 3), Decimal("1.50"), datetime(1, 1, 1), timedelta(-1), Decimal("-0")),
    datetime(2026, 1, 31, tzinfo=timezone(-timedelta(hours=3, minutes=30))),
    *(np.float32(1.5), np.int64(-5), np.bool_(True), np.str_("a"), np.bytes_(b"b")),
    *(np.datetime64("2026-01-31"), np.timedelta64(5, "ms"), np.complex64(1j), np.longdouble(2)),
)


def seeds() -> list[bytes]:
    generator = random.Random(11)
    return [generator.randbytes(size) for size in (8, 20, 40, 80, 160) for _ in range(80)]


def check(data: bytes) -> None:
    choices = Choices(data)
    arrays, dialect = choices.pick(ARRAYS), choices.pick(DIALECTS)
    is_from_client = choices.one_in(4)
    if is_from_client:
        try:  # whatever a client sends comes back
            document = unpackb(value(choices), max_structure_size=256 * 1024)
        except (DecodeError, LimitExceeded):
            return
    else:
        document = _document(choices, 0)
    try:
        buffers = pack_buffers(document, arrays=arrays, dialect=dialect)
    except EncodeError:
        return
    written = b"".join(buffers)
    assert packb(document, arrays=arrays, dialect=dialect) == written
    found = agreed(written)
    if not is_from_client:  # a map that looks like an array stays the map that it is
        check_arrays(found)
    unpackb(written)  # for which our own reader has no other opinion, see the target ``unpackb``
    try:
        text = dump_json(document)
    except EncodeError:
        return
    try:
        converted = agreed(packb(from_json(text), arrays=arrays))
    except EncodeError:
        return
    if not is_from_client:
        check_arrays(json.loads(text))
        check_arrays(converted)


def agreed(written: bytes) -> Any:
    """Return what all readers make of a document.

    Raises:
        AssertionError: they do not agree, or one of them refuses it.
    """
    mine = read(written)
    expected = repr(mine)
    assert repr(msgspec.msgpack.decode(written)) == expected
    assert repr(msgpack.unpackb(written, strict_map_key=False)) == expected
    slow = Unpacker(strict_map_key=False, max_buffer_size=0)
    slow.feed(written)
    assert repr(slow.unpack()) == expected
    return mine


def check_arrays(value: Any) -> None:
    """Every array in a document can be read without us, and its gaps are zero."""
    if isinstance(value, dict):
        if is_array_map(value):
            array = read_array(value)
            gaps = gaps_of(array)
            assert not gaps.any(), (array.dtype, gaps[gaps != 0][:20].tobytes())
            return
        for each in value.values():
            check_arrays(each)
    elif isinstance(value, list):
        for each in value:
            check_arrays(each)


def is_array_map(value: dict[Any, Any]) -> bool:
    """Whether a map is an array; not if it only looks like one, as users' maps may."""
    if value.get(b"nd") is True:
        return True
    if value.keys() not in ({"shape", "dtype", "data"}, {"shape", "dtype", "data_b64"}):
        return False
    try:
        parse_dtype(value["dtype"])  # numpy itself reads more names, with warnings
        read_array(value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True


# -- documents -------------------------------------------------------------------------------------


def _document(choices: Choices, depth: int) -> Any:
    kind = choices.number(8)
    if depth > 4 or kind < 2:
        return choices.pick(LEAVES)
    if kind < 5:
        return array(choices)
    if kind == 5:
        return [_document(choices, depth + 1) for _ in range(choices.number(5))]
    return {
        choices.pick((*NAMES, 1, 2.5, None, date(2026, 1, 31))): _document(choices, depth + 1)
        for _ in range(choices.number(5))
    }


def array(choices: Choices) -> np.ndarray[Any, Any]:
    """Return an array whose memory held something else before, as numpy's own copies leave it."""
    made = dtype(choices, 0)
    shape = choices.pick(((3,), (), (0,), (2, 2), (40,), (700,), (3, 0), (1, 5), (9000,)))
    if made.itemsize * int(np.prod(shape)) > 100_000:
        shape = (20_000 // made.itemsize + 1,)  # large enough to be sent as it is
    count = int(np.prod(shape)) * made.itemsize
    memory = (b"\x01" * (count + 1))[:count]
    result = (
        np.frombuffer(bytearray(memory), made).reshape(shape) if count else np.zeros(shape, made)
    )
    how = choices.number(5)
    if how == 1 and result.ndim:
        return result[::2]
    if how == 2:
        return np.asfortranarray(result)
    if how == 3:
        return result.T
    if how == 4 and result.ndim:
        return result[::-1].copy()
    return result


def dtype(choices: Choices, depth: int) -> np.dtype[Any]:
    """Return a dtype, structured more often than not, with gaps in any place."""
    if depth > 2 or choices.number(4) == 0:
        return np.dtype(choices.pick(TYPES))
    names: list[str] = []
    formats: list[Any] = []
    offsets: list[int] = []
    offset = 0
    for _ in range(1 + choices.number(4)):
        name = choices.pick(NAMES)
        if name in names:
            continue
        inner: Any = dtype(choices, depth + 1)
        if choices.one_in(3):
            inner = np.dtype((inner, choices.pick(((2,), (2, 1), (1,)))))
        offset += choices.pick((0, 0, 1, 3, 8, 100))
        names.append(name)
        formats.append(inner)
        offsets.append(offset)
        offset += inner.itemsize
    size = offset + choices.pick((0, 0, 1, 7, 1000))
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})

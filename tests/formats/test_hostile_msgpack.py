"""What hostile and broken documents can do: nothing but a ValueError."""

from __future__ import annotations

import ast
import gc
import itertools
import pathlib
import pickle
import subprocess
import sys
import tracemalloc
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import binary_middleware
from binary_middleware.errors import DecodeError, LimitExceeded
from binary_middleware.formats.base import MAX_STRUCTURE_SIZE, Limits
from binary_middleware.formats.msgpack import MSGPACK, packb, unpackb
from binary_middleware.formats.msgpack import _unpack as unpack
from binary_middleware.formats.msgpack._keys import MAX_NUMERIC_KEYS
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from binary_middleware.formats.msgpack._unpack import MAX_SPLIT_DEPTH
from tests.formats.owned import unpack_owned
from tests.sameness import raw_bytes


def peer(value: Any) -> bytes:
    """A document of the reference library, which packs whatever it is given."""
    packed: bytes = msgpack.packb(value)
    return packed


def array_map(**changes: Any) -> dict[bytes, Any]:
    """msgpack-numpy's map of the array [1, 2], with changes."""
    plain = {"nd": True, "type": "<i4", "kind": b"", "shape": [2], "data": b"\1\0\0\0\2\0\0\0"}
    return {key.encode(): value for key, value in {**plain, **changes}.items()}


def unpack_views(data: bytes) -> Any:
    return MSGPACK.decode_views(data, Limits())


def owned(document: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(bytearray(document), np.uint8)


def list32(count: int, items: bytes) -> bytes:
    return b"\xdd" + count.to_bytes(4) + items


def map32(count: int, items: bytes) -> bytes:
    return b"\xdf" + count.to_bytes(4) + items


BIG = packb(bytes(OUT_OF_LINE_THRESHOLD))
BIG_ARRAY = packb(np.arange(OUT_OF_LINE_THRESHOLD))

# -- broken documents ------------------------------------------------------------------------------

EVERYTHING = {
    "scalars": [None, True, -1, 2**64 - 1, -(2**63), 1.5, 1000, 70000, 2**40],
    "text": ["", "é", "x" * 40, "y" * 300],
    "bytes": [b"", b"\x00" * 300],
    "nested": {"a": {"b": [[], {}, [{}]]}},
    "complex": 1 + 2j,
    "array": np.arange(3),
    "table": np.zeros(2, [("a", "<i4"), ("b", [("c", "S3")], (2,))]),
}
SMALL = packb(EVERYTHING)
TIMED = b"\x92" + bytes.fromhex("d6ff5e0be100") + SMALL
# Large enough to be taken apart, at every level.
TAKEN_APART = packb(
    {
        "a": [bytes(OUT_OF_LINE_THRESHOLD), {"b": np.arange(3000.0)}],
        "c": b"x" * OUT_OF_LINE_THRESHOLD,
        "d": [1],
    }
)


def test_a_document_cut_anywhere_is_refused() -> None:
    for document in (SMALL, TIMED):
        for end in range(len(document)):
            for read in (unpackb, lambda data: unpack_owned(owned(data))):
                with pytest.raises(
                    DecodeError, match=r"^the body is not msgpack: input data was trunc"
                ):
                    read(document[:end])


def test_a_large_document_cut_anywhere_is_refused() -> None:
    edges = [*range(40), *range(len(TAKEN_APART) - 40, len(TAKEN_APART))]
    starts = [TAKEN_APART.find(mark) for mark in (b"\xc4\x04data", b"\xa1b", b"\xa1c", b"\xa1d")]
    near = [end for start in starts for end in range(start - 3, start + 20)]
    ends = {*edges, *near, *range(0, len(TAKEN_APART), 997)}
    for end in sorted(end for end in ends if end < len(TAKEN_APART)):
        with pytest.raises(DecodeError, match="truncated"):
            unpackb(TAKEN_APART[:end])
        with pytest.raises(DecodeError, match="truncated"):
            unpack_owned(owned(TAKEN_APART[:end]))


@pytest.mark.parametrize("rest", [b"\x00", b"\xc0", b"\xc1", b"\x81", bytes(5000), SMALL])
@pytest.mark.parametrize(
    "document", [b"\x01", b"\x90", b"\x80", SMALL, TAKEN_APART, BIG_ARRAY], ids=len
)
def test_bytes_after_the_document_are_refused(document: bytes, rest: bytes) -> None:
    for read in (unpackb, lambda data: unpack_owned(owned(data))):
        with pytest.raises(DecodeError, match=rf"trailing characters \(byte {len(document)}\)"):
            read(document + rest)


INVALID = [
    (b"\xc1", "invalid opcode '\\\\xc1'", 0),
    (b"\x92\x01\xc1", "invalid opcode '\\\\xc1'", 2),
    (b"\x81\xa1a\xc1", "invalid opcode '\\\\xc1'", 3),
    (b"\x81\xc1\x01", "invalid opcode '\\\\xc1'", 1),
    (b"\x81\x80\x01", "hashable", 3),
]


@pytest.mark.parametrize(("piece", "message", "at"), INVALID, ids=[str(row[0]) for row in INVALID])
def test_positions_are_those_in_the_whole_body(piece: bytes, message: str, at: int) -> None:
    """Wherever the piece stands: alone, deep in what is taken apart, in what is decoded whole."""
    fronts = [
        b"",
        b"\x92" + BIG,
        b"\x92" + BIG + b"\x92" + BIG_ARRAY,
        b"\x82\xa1a" + BIG + b"\xa1b",
        b"\x82\xa1a" + BIG + b"\xa1b\x92" + BIG + b"\x81\xa1c",
        b"\x92\x01",
        b"\x91\x81\xa1a",
        b"\x92" + BIG + b"\x91\x81\xa1a",
    ]
    for front in fronts:
        with pytest.raises(DecodeError, match=rf"{message}.*\(byte {len(front) + at}\)"):
            unpackb(front + piece)
        with pytest.raises(DecodeError, match=rf"{message}.*\(byte {len(front) + at}\)"):
            unpack_owned(owned(front + piece))


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"\xc3",
        b"a\xc3(",
        b"\xed\xa0\x80",  # a surrogate
        b"\xc0\x80",  # too long a form
        b"\xf4\x90\x80\x80",  # beyond Unicode
        b"\xe2\x82",
    ],
)
def test_text_that_is_not_utf_8_is_refused(text: bytes) -> None:
    packed = bytes([0xA0 + len(text)]) + text
    for document in (
        packed,
        b"\x91" + packed,
        b"\x81" + packed + b"\x01",
        b"\x81" + packed + BIG,
        b"\x92" + BIG + packed,
        b"\x81\xa1a" + packed,
        b"\xda\x40\x00" + text + b"x" * (OUT_OF_LINE_THRESHOLD - len(text)),
    ):
        with pytest.raises(DecodeError, match="a string is not UTF-8"):
            unpackb(document)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("d4 05 00", "extension 5 is not known"),
        ("d8 80 00000000000000000000000000000000", "extension -128 is not known"),
        ("c7 00 07", "extension 7 is not known"),
        ("c7 03 2a 616263", "extension 42 is not known"),
        ("c8 0001 01 00", "extension 1 is not known"),
        ("c9 00000001 01 00", "extension 1 is not known"),
        ("d4 ff 00", "timestamp"),  # of one byte
        ("c7 05 ff 0000000000", "timestamp"),
        ("d7 ff ffffffffffffffff", "nanoseconds"),
        ("c7 0c ff ffffffff 0000000000000000", "nanoseconds"),
        ("c7 0c ff 00000000 7fffffffffffffff", "out of range"),
        ("c7 0c ff 00000000 8000000000000000", "out of range"),
    ],
)
def test_extensions_other_than_timestamps_are_refused(document: str, message: str) -> None:
    data = bytes.fromhex(document)
    for whole in (data, b"\x91" + data, b"\x92" + BIG + data, b"\x81\xa1a" + data):
        with pytest.raises(DecodeError, match=message):
            unpackb(whole)


# -- documents that ask for too much ---------------------------------------------------------------

HEADERS = [
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdc\xff\xff",
    b"\xde\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x05",
    b"\xdd\xff\xff\xff\xff" * 100,
    b"\x91" * 20 + b"\xdd\xff\xff\xff\xff",
    b"\x92" + BIG + b"\xdf\xff\xff\xff\xff",
    b"\x82\xa1a" + BIG + b"\xa1b\xc6\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff" + bytes(100_000),
    b"\xdf\x7f\xff\xff\xff" + bytes(100_000),
    peer(array_map())[:-10] + b"\xc6\xff\xff\xff\xff12345678",
]


def peak_of_refusal(document: bytes, error: type[Exception], message: str) -> int:
    """Bytes that reading ``document`` takes at most, the document itself aside."""
    buffer = owned(document)
    gc.collect()
    tracemalloc.start()
    try:
        with pytest.raises(error, match=message):
            unpack_owned(buffer)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("document", HEADERS, ids=lambda document: document[:8].hex())
def test_headers_that_promise_too_much_cost_nothing(document: bytes) -> None:
    assert peak_of_refusal(document, DecodeError, "truncated") < 4_000_000
    with pytest.raises(DecodeError, match="truncated"):
        unpackb(document)


TEN_MB = 10_000_000
STRUCTURES = {
    "empty maps": list32(TEN_MB, b"\x80" * TEN_MB),
    "empty lists": list32(TEN_MB, b"\x90" * TEN_MB),
    "nil": list32(TEN_MB, b"\xc0" * TEN_MB),
    "maps of nil": list32(TEN_MB // 3, b"\x81\xc0\xc0" * (TEN_MB // 3)),
    "in a map": b"\x81\xa1a" + list32(TEN_MB, b"\x80" * TEN_MB),
    "beside a large array": b"\x92" + BIG_ARRAY + list32(TEN_MB, b"\x80" * TEN_MB),
    "in two parts": b"\x92" + 2 * list32(TEN_MB // 2, b"\x80" * (TEN_MB // 2)),
    "in many parts": list32(1000, list32(TEN_MB // 1000, b"\x80" * (TEN_MB // 1000)) * 1000),
    "below the last level": b"\x91" * 20 + list32(TEN_MB, b"\x80" * TEN_MB),
    "as a key": b"\x81" + list32(TEN_MB // 2, b"\x91\xc0" * (TEN_MB // 2)) + BIG,
    "as the second key": b"\x82\xa1a"
    + BIG
    + list32(TEN_MB // 2, b"\x91\xc0" * (TEN_MB // 2))
    + BIG,
    "beside a binary key": b"\x82\xc4\x01a" + BIG + list32(TEN_MB, b"\xc0" * TEN_MB) + BIG,
    "a map of numbers": map32(TEN_MB // 4, b"\xcd\1\1\xc0" * (TEN_MB // 4)),
    "small arrays": list32(200_000, peer(array_map()) * 200_000),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_is_limited_before_it_is_decoded(name: str) -> None:
    document = STRUCTURES[name]
    assert len(document) > MAX_STRUCTURE_SIZE
    # What was decoded before the limit is reached is bounded by it: one byte is 70 at most.
    within = name in ("in two parts", "in many parts")
    if within:
        with pytest.raises(LimitExceeded, match="max_structure_size"):
            unpack_owned(owned(document), MAX_STRUCTURE_SIZE // 100)
    else:
        assert peak_of_refusal(document, LimitExceeded, "max_structure_size") < 1_000_000


def test_what_small_objects_take_is_limited() -> None:
    """Counted where bytes may be headers; text whose bytes only look like headers is read."""
    for item in (b"\x80", b"\x90", b"\x91\x90", b"\x81\xa0\xc0", b"\x81\xa0\x80"):
        count = MAX_STRUCTURE_SIZE // len(item) - 10
        for document in (list32(count, item * count), b"\x92\xc0" + list32(count, item * count)):
            with pytest.raises(LimitExceeded, match="lists and maps"):
                unpack_owned(owned(document))
        few = count // 10
        assert len(unpack_owned(owned(list32(few, item * few))).value) == few
    for text in ("汉字漢字中文短句子", "\u4010\u4011" * 3, "😀"):
        count = MAX_STRUCTURE_SIZE // (len(packb(text)) + 1)
        assert unpack_owned(owned(packb([text] * count))).value == [text] * count
    record = {"名": "王小明汉字", "年": 32, "城市": "北京"}
    count = MAX_STRUCTURE_SIZE // (len(packb(record)) + 1)
    assert len(unpack_owned(owned(packb([record] * count))).value) == count
    pairs = packb([[1, 2]] * (MAX_STRUCTURE_SIZE // 3 - 10))
    assert len(unpack_owned(owned(pairs)).value) == MAX_STRUCTURE_SIZE // 3 - 10


def test_the_description_of_an_array_is_structure() -> None:
    for large in (
        array_map(type=[[f"f{index}", []] for index in range(60_000)], data=bytes(2_000_000)),
        array_map(shape=[0] * 300_000, data=bytes(2_000_000)),
        array_map(nd=[{}] * 300_000, data=bytes(2_000_000)),
        array_map(kind=[[]] * 300_000, data=bytes(2_000_000)),
    ):
        assert peak_of_refusal(peer(large), DecodeError, "too long") < 100_000
    many = peer([array_map(shape=[0] * 200_000, data=bytes(100_000))] * 50)
    with pytest.raises(DecodeError, match="200000 dimensions"):
        unpackb(many)
    with pytest.raises(LimitExceeded, match="max_structure_size"):
        unpack_owned(owned(many), 100_000)


@pytest.mark.parametrize("levels", [1000, 3000, 100_000, 1_000_000])
@pytest.mark.parametrize("level", [b"\x91", b"\x81\xa1a", b"\x92\xc0", b"\xdc\0\1"], ids=bytes.hex)
def test_deep_nesting_is_too_large(level: bytes, levels: int) -> None:
    for inner in (b"\xc0", b"", BIG):
        for front in (b"", b"\x92" + BIG):
            with pytest.raises((LimitExceeded, DecodeError), match=r"deeply|truncated|structure"):
                unpack_owned(owned(front + level * levels + inner))
    with pytest.raises(LimitExceeded, match="nests too deeply"):
        unpackb(level * levels + b"\xc0")


def test_nesting_in_a_key_is_too_large_too() -> None:
    with pytest.raises((LimitExceeded, DecodeError), match=r"deeply|hashable|deeper"):
        unpackb(b"\x81" + b"\x91" * 100_000 + b"\xc0" + b"\xc0")


@pytest.mark.parametrize(
    "levels", [1, MAX_SPLIT_DEPTH - 1, MAX_SPLIT_DEPTH, MAX_SPLIT_DEPTH + 1, 200]
)
def test_nesting_below_the_limit_is_read(levels: int) -> None:
    for inner, value in ((b"\xc0", None), (BIG, bytes(OUT_OF_LINE_THRESHOLD))):
        read = unpackb(b"\x91" * levels + inner)
        for _ in range(levels):
            (read,) = read
        assert read == value


def test_keys_that_are_no_strings_do_not_cost_the_square_of_the_depth() -> None:
    """Counted, not timed: every level is visited once."""
    items = 2000
    document = packb([0] * items)
    levels = 150
    for _ in range(levels):
        document = b"\x82\xa1a" + document + b"\x01\x01"
    calls = 0

    def count(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_name == "restore"

    sys.setprofile(count)
    try:
        value = unpackb(document)
    finally:
        sys.setprofile(None)
    for _ in range(levels):
        assert list(value) == ["a", "1"]
        value = value["a"]
    assert value == [0] * items
    assert levels < calls <= 2 * (levels + 1)


MANY = MAX_NUMERIC_KEYS + 1
FLOATS = {number + 0.5: number for number in range(MANY)}
MANY_KEYS: dict[str, dict[Any, Any]] = {
    "numbers": {number: number for number in range(MANY)},
    "in a map": {"a": {number: -number for number in range(MANY)}, "b": b""},
    "in a list, below a large item": {
        "a": [bytes(OUT_OF_LINE_THRESHOLD), dict.fromkeys(range(MANY), "x")]
    },
    "floats": FLOATS,
    "one beside strings": {**dict.fromkeys(map(str, FLOATS), 1), 0.5: 1},
    "one before strings": {None: 1, **dict.fromkeys(map(str, FLOATS), 1)},
    "with large items": {number: np.arange(number, number + 600) for number in range(MANY)},
    "with one large item": {
        number: bytes(number // 512 * OUT_OF_LINE_THRESHOLD) for number in range(MANY)
    },
    "with maps": {n: {"a": [np.arange(3)], 2: {n: 4}} for n in range(MANY)},
    "with one of the same": {0: dict.fromkeys(range(MANY), "same"), **FLOATS},
    "from many objects": {number: [[] for _ in range(100)] for number in range(MANY)},
}


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many keys that are not salted each map gets that is decoded from now on."""

    def recording(decode: Any) -> Any:
        def record(document: Any) -> Any:
            value = decode(document)
            pending = [value]
            while pending:
                item = pending.pop()
                if isinstance(item, dict):
                    made.append(sum(not isinstance(key, (str, bytes)) for key in item))
                    pending += item.values()
                elif isinstance(item, list):
                    pending += item
            return value

        return record

    made: list[int] = []
    for decoder in ("decode_any", "decode_simple_keys", "decode_plain", "decode_text_keys"):
        monkeypatch.setattr(unpack, decoder, recording(getattr(unpack, decoder)))
    return made


@pytest.mark.parametrize("name", MANY_KEYS)
def test_many_numbers_as_keys_are_refused_before_they_are_hashed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their hashes are known, and could all lead to one place of the table."""
    made = recorded(monkeypatch)
    document = msgpack.packb(MANY_KEYS[name], default=msgpack_numpy.encode)
    for read in (unpackb, lambda data: unpack_owned(owned(data)), unpack_views):
        with pytest.raises(
            DecodeError, match="more than 512 entries has keys that are not strings"
        ):
            read(document)
    assert max(made, default=0) <= MAX_NUMERIC_KEYS


@pytest.mark.parametrize("key", [b"\xc0", b"\xc2", b"\x01", b"\xcb" + bytes(8), b"\xc4\1a"])
@pytest.mark.parametrize("levels", [0, 1, 20])
def test_many_equal_keys_that_are_not_strings_are_refused(key: bytes, levels: int) -> None:
    count = 300_000
    document = b"\x91" * levels + map32(count, (key + b"\xc0") * count)
    assert peak_of_refusal(document, DecodeError, "not strings|must be a string") < 3_000_000


def test_as_many_numbers_as_may_be_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    made = recorded(monkeypatch)
    for item in ("x" * 8, b"", np.arange(600)):
        document = msgpack.packb(
            {"a": dict.fromkeys(range(MAX_NUMERIC_KEYS), item)}, default=msgpack_numpy.encode
        )
        for read in (unpackb(document), unpack_owned(owned(document)).value):
            assert list(read["a"]) == list(map(str, range(MAX_NUMERIC_KEYS)))
            assert same(read["a"]["511"], item)
    assert max(made, default=0) <= MAX_NUMERIC_KEYS


def test_what_may_be_around_keys_that_are_no_strings_is_not_looked_at_for_ever() -> None:
    document = b"\x91" * 20 + list32(2_200_001, b"\xc0" * 2_200_000 + map32(1, b"\x01\xc0"))
    with pytest.raises(LimitExceeded, match="too complex"):
        unpackb(document)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (b"\xa3\xff\xfe\xfd\x01", r"not UTF-8 \(byte \d+\)"),
        (b"\xa1a\xa3\xff\xfe\xfd", r"not UTF-8 \(byte \d+\)"),
        (b"\xa1a\xd7\xff" + b"\xff" * 8, "timestamp"),
        (b"\xa1a\xd4\x05\x00", "extension 5"),
        (b"\x91\x01\x01", "has keys that are not strings"),
        (b"\xc4\x01a\x01", "has keys that are not strings"),
        (b"\x01\x01", "has keys that are not strings"),
        (b"\xa1a", "truncated"),
    ],
)
def test_what_is_wrong_in_a_map_of_many_keys(last: bytes, message: str) -> None:
    pairs = b"".join(map(msgpack.packb, itertools.chain(*((f"s{n}", n) for n in range(MANY)))))
    document = map32(MANY + 1, pairs + last)
    assert len(document) > unpack.LARGE_ITEM
    with pytest.raises(DecodeError, match=message):
        unpackb(document)
    with pytest.raises(DecodeError, match="truncated"):
        unpackb(map32(2**32 - 1, pairs + last))


# -- arrays that are refused -----------------------------------------------------------------------


def deep_descr(levels: int) -> Any:
    descr: Any = "<i4"
    for _ in range(levels):
        descr = [["a", descr]]
    return descr


POINTERS = b"\x10\x00\x00\x00\x00\x00\x00\x00"

OBJECTS = {
    "kind O": array_map(kind=b"O", type="|O"),
    "kind O, text": array_map(kind="O", type="|O"),
    "kind O, numeric type": array_map(kind=b"O"),
    "kind O, list": array_map(kind=b"O", type=[["a", "|O"]]),
    **{
        f"{spelling} under kind {kind!r}": array_map(
            kind=kind, type=spelling, shape=[1], data=POINTERS
        )
        for spelling in ("|O", "O", "O8", "<O", "=O", "object", "object_", "i4,O", "O,O", "(1,)O")
        for kind in (b"", b"V", b"O")
    },
    **{
        f"{descr} under kind {kind!r}": array_map(kind=kind, type=descr, shape=[1], data=POINTERS)
        for descr in (
            [["a", "|O"]],
            [["a", "O"]],
            [["a", "i4,O"]],
            [["a", "<i4"], ["b", "|O"]],
            [["a", [["b", "|O"]]]],
            [["a", [["b", [["c", "|O", [1]]]]]]],
            [["", "|O"]],
            [[["t", "a"], "|O"]],
            [[b"a", b"|O"]],
        )
        for kind in (b"", b"V", b"O")
    },
    "no kind": {key: value for key, value in array_map(type="|O").items() if key != b"kind"},
    "a scalar": {b"nd": False, b"type": "|O", b"data": POINTERS},
    "a structured scalar": {b"nd": False, b"type": [["a", "|O"]], b"data": POINTERS},
}

SHAPES_AND_TYPES = {
    "S0 with elements": array_map(type="|S0", shape=[5], data=b""),
    "S0 with very many": array_map(type="|S0", shape=[2**62], data=b""),
    "U0": array_map(type="<U0", shape=[5], data=b""),
    "V0": array_map(type="|V0", shape=[5], data=b""),
    "S without a size": array_map(type="S", shape=[5], data=b"12345"),
    "a struct of S0": array_map(type=[["a", "S0"]], kind=b"V", shape=[5], data=b""),
    "no fields": array_map(type=[], kind=b"V", shape=[0], data=b""),
    "too little data": array_map(shape=[3]),
    "too much data": array_map(shape=[1]),
    "overflow to the right size": array_map(shape=[2**62 + 2]),
    "overflow by two": array_map(shape=[2**32, 2**32, 2]),
    "overflow without elements": array_map(shape=[2**62, 2**62, 0], data=b""),
    "larger than 64 bits": array_map(shape=[2**64 - 1]),
    "negative": array_map(shape=[-2]),
    "twice negative": array_map(shape=[-1, -2]),
    "minus one": array_map(shape=[-1]),
    "bool": array_map(shape=[True, 2]),
    "float": array_map(shape=[2.0]),
    "nan": array_map(shape=[float("nan")]),
    "text": array_map(shape=["2"]),
    "nil": array_map(shape=[None]),
    "list": array_map(shape=[[2]]),
    "a number": array_map(shape=2),
    "no shape": array_map(shape=None),
    "a map": array_map(shape={"a": 2}),
    "65 dimensions": array_map(shape=[2] + [1] * 64),
    "100,000 dimensions": array_map(shape=[1] * 100_000),
    "20,000 fields": array_map(
        type=[[f"f{index}", "|u1"] for index in range(20_000)], kind=b"V", data=bytes(40_000)
    ),
    "200 levels of fields": array_map(type=deep_descr(200), kind=b"V"),
    "a unit of zero length": array_map(type="<M8[0s]", shape=[1]),
    "a unit of zero length in a field": array_map(type=[["a", "<m8[0s]"]], kind=b"V", shape=[1]),
    "comma": array_map(type="i4,i4", shape=[1]),
    "unknown": array_map(type="bfloat16", shape=[4]),
    "StringDType": array_map(type="T", shape=[1]),
    "type is nil": array_map(type=None),
    "type is a number": array_map(type=4),
    "type is a map": array_map(type={"names": ["a"], "formats": ["O"]}),
    "data is text": array_map(data="12345678"),
    "data is a list": array_map(data=[1, 2]),
    "data is nil": array_map(data=None),
    "data is long text": array_map(
        data="x" * 4 * OUT_OF_LINE_THRESHOLD, shape=[OUT_OF_LINE_THRESHOLD]
    ),
    "data is a long list": array_map(
        data=[bytes(4 * OUT_OF_LINE_THRESHOLD)], shape=[OUT_OF_LINE_THRESHOLD]
    ),
    "data is a long map": array_map(
        data={"a": bytes(4 * OUT_OF_LINE_THRESHOLD)}, shape=[OUT_OF_LINE_THRESHOLD]
    ),
    "data is missing in what is long": {b"nd": True, b"more": bytes(4 * OUT_OF_LINE_THRESHOLD)},
    "a long scalar": {b"nd": False, b"type": "<i4", b"data": bytes(4 * OUT_OF_LINE_THRESHOLD)},
    "a long complex": {b"complex": True, b"data": "1" * 4 * OUT_OF_LINE_THRESHOLD},
    "kind is unknown": array_map(kind=b"X"),
    "kind is a list": array_map(kind=[]),
    "nd is one": array_map(nd=1),
    "one key more": array_map(more=1),
    "complex too": array_map(complex=True),
    "nd alone": {b"nd": True},
    "complex alone": {b"complex": True},
    "complex that is code": {b"complex": True, b"data": "__import__('os').system('true')"},
}


def variants(map_: dict[bytes, Any]) -> list[bytes]:
    """The map by itself, inside others, and large enough to be taken apart."""
    document = peer(map_)
    found = [document, b"\x91" + document, b"\x92" + BIG + document, b"\x81\xa1a" + document]
    if isinstance(map_.get(b"data"), bytes):
        long = dict(map_)
        long[b"data"] *= 4 * OUT_OF_LINE_THRESHOLD // (len(map_[b"data"]) or 8)
        if map_[b"data"] and map_.get(b"shape") == [1]:
            long[b"shape"] = [len(long[b"data"]) // 8]
        found += [peer(long), b"\x92" + BIG + peer(long)]
    return found


@pytest.mark.parametrize("name", OBJECTS)
def test_object_arrays_are_refused_in_every_spelling(name: str) -> None:
    for document in variants(OBJECTS[name]):
        for read in (unpackb, lambda data: unpack_owned(owned(data))):
            with pytest.raises(
                DecodeError, match=r"refused|not allowed|must have the keys"
            ) as info:
                read(document)
            assert len(str(info.value)) < 200


@pytest.mark.parametrize("name", SHAPES_AND_TYPES)
def test_arrays_that_are_none_are_refused(name: str) -> None:
    for document in variants(SHAPES_AND_TYPES[name]):
        for read in (unpackb, lambda data: unpack_owned(owned(data))):
            with pytest.raises(DecodeError) as info:
                read(document)
            assert len(str(info.value)) < 400


def test_arrays_nested_as_descriptions_of_arrays_are_refused() -> None:
    for key in ("type", "kind", "shape", "data", "nd"):
        with pytest.raises(DecodeError):
            unpackb(peer(array_map(**{key: array_map()})))


# -- pickle ----------------------------------------------------------------------------------------


class TouchesAFile:
    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return pathlib.Path.touch, (self.path,)


def pickle_documents(path: pathlib.Path) -> list[bytes]:
    data = pickle.dumps(np.array([TouchesAFile(path)], dtype=object))
    small = msgpack.packb(array_map(kind=b"O", type="|O", data=data))
    large = msgpack.packb(
        array_map(kind=b"O", type="|O", data=data + bytes(2 * OUT_OF_LINE_THRESHOLD))
    )
    return [
        *(document for whole in (small, large) for document in (whole, b"\x91" + whole)),
        msgpack.packb(array_map(kind=b"", type="|O", data=data)),
        msgpack.packb(array_map(kind=b"V", type="|O", data=data)),
        msgpack.packb({b"nd": False, b"type": "|O", b"data": data}),
    ]


def test_a_pickle_is_not_loaded(tmp_path: pathlib.Path) -> None:
    marker = tmp_path / "touched"
    documents = pickle_documents(marker)
    msgpack.unpackb(documents[0], object_hook=msgpack_numpy.decode)
    assert marker.exists()  # the reference loads it: the payload is a live one
    marker.unlink()
    for document in documents:
        for read in (unpackb, lambda data: unpack_owned(owned(data))):
            with pytest.raises(DecodeError, match=r"object arrays are refused|not allowed"):
                read(document)
    assert not marker.exists()


def test_nothing_in_the_package_can_unpickle() -> None:
    root = pathlib.Path(binary_middleware.__file__).parent
    files = sorted(root.rglob("*.py"))
    assert root / "formats" / "msgpack" / "_unpack.py" in files
    loaders = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            if isinstance(node, ast.Attribute):  # numpy's own ways to a pickle
                names += [node.attr] if node.attr in loaders else []
                assert node.attr not in ("allow_pickle", "dumps", "loads") or (
                    isinstance(node.value, ast.Name) and node.value.id in ("json", "tomllib")
                ), f"{file.name}:{node.lineno}"
            roots = {name.partition(".")[0] for name in names}
            assert not roots & (loaders | {"msgpack", "msgpack_numpy"}), file.name


IN_A_PROCESS_OF_ITS_OWN = """
import sys
from tests.formats.owned import unpack_owned
from binary_middleware import unpackb
from binary_middleware.errors import DecodeError
import numpy as np

refused = 0
sys.addaudithook(lambda event, _: event == "pickle.find_class" and sys.exit("unpickled"))
for line in sys.stdin:
    data = bytes.fromhex(line)
    for read in (unpackb, lambda data: unpack_owned(np.frombuffer(bytearray(data), np.uint8))):
        try:
            value = read(data)
        except DecodeError:
            refused += 1
        else:
            sys.exit(f"accepted {value!r}")
print("refused", refused)
"""


CRASHING = [
    peer(array_map(type="|O", shape=[1], data=POINTERS)),
    peer(array_map(type="i4,O", shape=[1], data=POINTERS * 2)),
    peer(array_map(type=[["a", "|O"]], shape=[1], data=POINTERS)),
    peer(array_map(type=[["a", "|O"]], shape=[1], data=POINTERS, kind=b"V")),
]


def test_documents_that_crash_msgpack_numpy_are_refused(tmp_path: pathlib.Path) -> None:
    documents = [
        *CRASHING,
        *pickle_documents(tmp_path / "touched"),
        *(peer(map_) for map_ in OBJECTS.values()),
        *(peer(map_) for map_ in SHAPES_AND_TYPES.values()),
    ]
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN],
        input="\n".join(document.hex() for document in documents),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout == f"refused {2 * len(documents)}\n"
    assert not (tmp_path / "touched").exists()


WITH_MSGPACK_NUMPY = """
import sys, msgpack, msgpack_numpy
repr(msgpack.unpackb(bytes.fromhex(sys.argv[1]), object_hook=msgpack_numpy.decode))
"""


@pytest.mark.parametrize("document", CRASHING, ids=range(len(CRASHING)))
def test_these_documents_do_crash_msgpack_numpy(document: bytes) -> None:
    """Or else that they are refused shows nothing."""
    done = subprocess.run(
        [sys.executable, "-c", WITH_MSGPACK_NUMPY, document.hex()],
        capture_output=True,
        check=False,
    )
    assert done.returncode not in (0, 1)  # neither well nor with an exception


# -- anything at all -------------------------------------------------------------------------------


def check(data: bytes) -> None:
    """A document is refused with a ValueError, or it is read and can be written again."""
    source = bytearray(data)
    error: type[Exception] | None = None
    try:
        value = unpackb(source)
    except ValueError as exc:
        error, message = type(exc), str(exc)
    assert source == data
    if error is not None:
        assert 0 < len(message) < 600
        with pytest.raises(error):
            unpack_owned(owned(data), 1 << 40)
        return
    buffer = owned(data)
    mine, moved = unpack_owned(buffer, 1 << 40)
    document = packb(value)
    assert packb(mine) == document
    assert packb(unpackb(document)) == document
    assert same(unpackb(document), value)
    for start, length, overwritten in moved:
        end = start + len(overwritten)
        buffer[end : end + length] = buffer[start : start + length].copy()
        buffer[start:end] = np.frombuffer(overwritten, np.uint8)
    assert buffer.tobytes() == data


def same(read: Any, value: Any) -> bool:
    if isinstance(value, dict):
        return list(read) == list(value) and all(same(read[key], value[key]) for key in value)
    if isinstance(value, list):
        return len(read) == len(value) and all(map(same, read, value))
    if isinstance(value, np.ndarray):
        return (read.dtype, read.shape, raw_bytes(read)) == (
            value.dtype,
            value.shape,
            raw_bytes(value),
        )
    if isinstance(value, (float, complex, np.generic)):
        return repr(read) == repr(value)
    if hasattr(value, "isoformat"):  # a timestamp is read as one and written as text
        return type(read) is str
    return type(read) is type(value) and read == value


@given(st.binary(max_size=64))
@example(b"\x92\xc0\xd6\xff\x00\x00\x00\x00")
def test_random_bytes(data: bytes) -> None:
    check(data)


# Bytes that mean something, so that more of the documents are nearly right.
TOKENS = st.sampled_from(
    [
        *[b"\x80", b"\x81", b"\x82", b"\x83", b"\x85", b"\x90", b"\x91", b"\x92", b"\xdc\0\2"],
        *[b"\xc0", b"\xc2", b"\xc3", b"\x00", b"\x01", b"\xff", b"\xcc\xff", b"\xd0\x80"],
        *[b"\xca\x7f\xc0\0\0", b"\xcb\x7f\xf0\0\0\0\0\0\0", b"\xd6\xff\0\0\0\1", b"\xd4\x05\0"],
        *[b"\xa0", b"\xa1a", b"\xa11", b"\xa4None", b"\xc4\0", b"\xc4\x01V", b"\xc4\x01O"],
        *[b"\xc4\x02nd", b"\xc4\x04type", b"\xc4\x04kind", b"\xc4\x05shape", b"\xc4\x04data"],
        *[b"\xc4\x07complex", b"\xa21j", b"\xa3<i4", b"\xa2|O", b"\xa3|S0", b"\xa7<M8[0s]"],
        *[b"\xc4\x04\1\0\0\0", b"\xc4\x08\1\0\0\0\2\0\0\0", b"\x91\x92\xa1a\xa3<i4", b"\xc1"],
        BIG,
    ]
)


@given(st.lists(TOKENS | st.binary(max_size=2), max_size=24).map(b"".join))
def test_nearly_meaningful_bytes(data: bytes) -> None:
    check(data)


VALID = [
    SMALL,
    TIMED,
    TAKEN_APART,
    packb(np.arange(3, dtype="<i4")),
    packb(np.zeros(2, [(("t", "a"), "<i4"), ("b", [("c", ">f8", (2,))])])),
    packb(np.zeros(1, np.dtype([("a", "i1"), ("b", "f8")], align=True))),
    packb({"a": [np.arange(4000.0), 1 + 2j, np.datetime64("2020-01-01", "ns")], "b": "x" * 3000}),
    peer([array_map(), {b"nd": False, b"type": "<f2", b"data": b"\0\0"}]),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid document with a few bytes changed, inserted or taken away."""
    data = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        # The interesting bytes of a large document are at its ends, and at its headers.
        near = [0, len(data) - 40, data.find(b"\xc4\x02nd"), data.find(b"data") - 20]
        at = max(0, draw(st.sampled_from(near))) + draw(st.integers(0, 80))
        at = min(at, len(data))
        length = draw(st.integers(0, 3))
        data[at : at + length] = draw(st.binary(max_size=3) | TOKENS)
    return bytes(data)


@given(mutated())
def test_mutated_documents(data: bytes) -> None:
    check(data)


@pytest.mark.parametrize("index", range(len(VALID)))
def test_every_byte_of_a_header_changed(index: int) -> None:
    document = VALID[index]
    for at in range(min(len(document), 130)):
        for byte in (0x00, 0x7F, 0x80, 0x8F, 0x90, 0xC0, 0xC1, 0xC4, 0xC6, 0xD6, 0xDD, 0xDF, 0xFF):
            check(document[:at] + bytes([byte]) + document[at + 1 :])

"""Documents that ask for too much: memory, time, depth."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from binary_middleware.errors import DecodeError, LimitExceeded
from binary_middleware.formats.base import MAX_DEPTH, MAX_STRUCTURE_SIZE
from binary_middleware.formats.msgpack import packb, unpackb
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from binary_middleware.formats.msgpack._unpack import MAX_SPLIT_DEPTH
from tests.formats.documents import (
    BIG,
    BIG_ARRAY,
    assert_same_array,
    filled,
    list32,
    map32,
    numpy_map,
    peer_packb,
)
from tests.formats.owned import owned, unpack_owned

# -- structure -------------------------------------------------------------------------------------


NUMBERS = {str(index): index for index in range(1000)}


STRUCTURE = {
    "a list": ([0] * 99_995, 100_000),
    "a map": (NUMBERS, len(packb(NUMBERS))),
    "inside a map of two": ({"a": [0] * 99_995, "b": 1}, 100_007),
    "beside what is large": ([bytes(1_000_000), [0] * 99_995], 100_003),
    "in two parts": ([[0] * 49_997, bytes(1_000_000), [0] * 49_997], 100_004),
    "the description of an array": (
        [np.zeros(30_000, "<u1")],
        2 + len(packb(np.zeros(30_000, "<u1"))) - 30_002,
    ),
    "small arrays": ([np.zeros(100, "u1")] * 100, 3 + 100 * len(packb(np.zeros(100, "u1")))),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_the_limit_of_structure(name: str) -> None:
    value, size = STRUCTURE[name]
    document = packb(value)
    assert packb(unpack_owned(owned(document), size).value) == document
    with pytest.raises(LimitExceeded, match=rf"max_structure_size \({size - 1} bytes\)"):
        unpack_owned(owned(document), size - 1)


def test_large_leaves_are_not_structure() -> None:
    array = filled("f8", (100_000,))
    document = packb({"a": [array, array], "b": bytes(500_000), "c": "x" * 500_000})
    value, _ = unpack_owned(owned(document), 1000)
    assert_same_array(value["a"][1], array)
    assert_same_array(unpack_owned(owned(packb(array)), 1000).value, array)
    assert unpack_owned(owned(packb(bytes(50_000))), 0).value == bytes(50_000)
    assert unpack_owned(owned(packb(1)), 0).value == 1


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
    "small arrays": list32(200_000, peer_packb(numpy_map()) * 200_000),
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
    limit = 256 * 1024
    for item in (b"\x80", b"\x90", b"\x91\x90", b"\x81\xa0\xc0", b"\x81\xa0\x80"):
        count = limit // len(item) - 10
        for document in (list32(count, item * count), b"\x92\xc0" + list32(count, item * count)):
            with pytest.raises(LimitExceeded, match="lists and maps"):
                unpack_owned(owned(document), limit)
        few = count // 10
        assert len(unpack_owned(owned(list32(few, item * few)), limit).value) == few
    for text in ("汉字漢字中文短句子", "\u4010\u4011" * 3, "😀"):
        count = limit // (len(packb(text)) + 1)
        assert unpack_owned(owned(packb([text] * count)), limit).value == [text] * count
    record = {"名": "王小明汉字", "年": 32, "城市": "北京"}
    count = limit // (len(packb(record)) + 1)
    assert len(unpack_owned(owned(packb([record] * count)), limit).value) == count
    many = 2 * 1024 * 1024 + 1  # too many to look at one by one
    with pytest.raises(LimitExceeded, match="lists and maps"):
        unpack_owned(owned(list32(many, b"\x80" * many)), many + 5)
    pairs = packb([[1, 2]] * (limit // 3 - 10))
    assert len(unpack_owned(owned(pairs), limit).value) == limit // 3 - 10


def test_the_description_of_an_array_is_structure() -> None:
    for large in (
        numpy_map(type=[[f"f{index}", []] for index in range(60_000)], data=bytes(2_000_000)),
        numpy_map(shape=[0] * 300_000, data=bytes(2_000_000)),
        numpy_map(nd=[{}] * 300_000, data=bytes(2_000_000)),
        numpy_map(kind=[[]] * 300_000, data=bytes(2_000_000)),
    ):
        assert peak_of_refusal(peer_packb(large), DecodeError, "too long") < 100_000
    many = peer_packb([numpy_map(shape=[0] * 200_000, data=bytes(100_000))] * 5)
    with pytest.raises(DecodeError, match="200000 dimensions"):
        unpackb(many)
    with pytest.raises(LimitExceeded, match="max_structure_size"):
        unpack_owned(owned(many), 100_000)


# -- headers and depth -----------------------------------------------------------------------------


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
    peer_packb(numpy_map())[:-10] + b"\xc6\xff\xff\xff\xff12345678",
]


@pytest.mark.parametrize("document", HEADERS, ids=lambda document: document[:8].hex())
def test_headers_that_promise_too_much_cost_nothing(document: bytes) -> None:
    assert peak_of_refusal(document, DecodeError, "truncated") < 4_000_000
    with pytest.raises(DecodeError, match="truncated"):
        unpackb(document)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1000, 3000, 100_000, 1_000_000])
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

"""Decoding: every code of msgpack, any buffer, and broken documents."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from binary_middleware.errors import DecodeError
from binary_middleware.formats.msgpack import packb, unpackb
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from tests.formats.documents import BIG, BIG_ARRAY
from tests.formats.owned import owned, unpack_owned
from tests.fuzz.targets.unpackb import check, seeds

READ = [
    # every code of msgpack
    ("00", 0),
    ("7f", 127),
    ("e0", -32),
    ("ff", -1),
    ("c0", None),
    ("c2", False),
    ("c3", True),
    ("cc ff", 255),
    ("cd 0001", 1),  # not the shortest form, and yet valid
    ("ce 00000001", 1),
    ("cf ffffffffffffffff", 2**64 - 1),
    ("d0 80", -128),
    ("d1 8000", -(2**15)),
    ("d2 80000000", -(2**31)),
    ("d3 8000000000000000", -(2**63)),
    ("ca 3fc00000", 1.5),
    ("cb 3ff8000000000000", 1.5),
    ("a0", ""),
    ("a1 61", "a"),
    ("d9 01 61", "a"),
    ("da 0001 61", "a"),
    ("db 00000001 61", "a"),
    ("c4 01 61", b"a"),
    ("c5 0001 61", b"a"),
    ("c6 00000001 61", b"a"),
    ("90", []),
    ("91 01", [1]),
    ("dc 0001 01", [1]),
    ("dd 00000001 01", [1]),
    ("80", {}),
    ("81 a161 01", {"a": 1}),
    ("de 0001 a161 01", {"a": 1}),
    ("df 00000001 a161 01", {"a": 1}),
    # timestamps
    ("d6 ff 00000000", dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
    ("d6 ff ffffffff", dt.datetime(2106, 2, 7, 6, 28, 15, tzinfo=dt.UTC)),
    ("d7 ff 0000000400000001", dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)),
    ("c7 0c ff 00000000 ffffffffffffffff", dt.datetime(1969, 12, 31, 23, 59, 59, tzinfo=dt.UTC)),
    ("c7 0c ff 1dcd6500 0000000000000000", dt.datetime(1970, 1, 1, 0, 0, 0, 500000, tzinfo=dt.UTC)),
    # keys
    ("81 01 02", {"1": 2}),
    ("81 ff 02", {"-1": 2}),
    ("81 c0 02", {"None": 2}),
    ("82 c2 02 c3 03", {"false": 2, "true": 3}),
    ("81 cb 3ff8000000000000 02", {"1.5": 2}),
    ("81 d6 ff 00000000 02", {"1970-01-01T00:00:00Z": 2}),
    ("82 a161 01 a161 02", {"a": 2}),
]


@pytest.mark.parametrize(("document", "value"), READ, ids=[row[0] for row in READ])
def test_every_code_is_read(document: str, value: Any) -> None:
    data = bytes.fromhex(document)
    assert unpackb(data) == value
    assert type(unpackb(data)) is type(value)
    # and where the document is split: as an item, and as a value beside large ones
    large = packb(bytes(OUT_OF_LINE_THRESHOLD))
    assert unpackb(b"\x92" + large + data) == [bytes(OUT_OF_LINE_THRESHOLD), value]
    assert unpackb(b"\x82\xa1x" + large + b"\xa1y" + data) == {
        "x": bytes(OUT_OF_LINE_THRESHOLD),
        "y": value,
    }
    if isinstance(value, dict) and value and document.startswith("81"):
        (key,) = value
        assert unpackb(data[:-1] + large) == {key: bytes(OUT_OF_LINE_THRESHOLD)}


@pytest.mark.parametrize("container", [bytes, bytearray, memoryview, np.array, "2-D", "items"])
def test_any_contiguous_buffer_is_read(container: Any) -> None:
    document = packb([b"abc", np.arange(10_000, dtype="<i8"), "e" * 8])
    assert len(document) % 3 == 0
    source = np.frombuffer(document, np.uint8).copy()
    wholes: dict[Any, Any] = {
        np.array: source,
        "2-D": source.reshape(3, -1),
        "items": source.view("S3"),
    }
    data = wholes[container] if container in wholes else container(document)
    before = bytes(data)
    raw, array, text = unpackb(data)
    assert (raw, text) == (b"abc", "e" * 8)
    assert np.array_equal(array, np.arange(10_000))
    assert not np.shares_memory(array, source)
    array[:] = 0
    assert bytes(data) == before


def test_nothing_of_the_input_is_held() -> None:
    data = bytearray(
        packb({"a": np.arange(10_000), "b": [bytes(OUT_OF_LINE_THRESHOLD), np.arange(3)]})
    )
    value = unpackb(data)
    data.clear()  # an error while somebody has a view of it
    assert value["a"].sum() == 49_995_000


@pytest.mark.parametrize(
    "data",
    [
        None,
        1,
        "text",
        [1],
        object(),
        memoryview(b"\x90\x00\x00")[::2],
        np.zeros((2, 2), "u1").T[::2],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_buffer_is_refused(data: Any) -> None:
    with pytest.raises(DecodeError, match=r"is not a contiguous buffer|truncated"):
        unpackb(data)


def test_a_string_keyed_array_map_stays_a_map() -> None:
    for size in (3, OUT_OF_LINE_THRESHOLD):
        map_ = {"shape": [size], "dtype": "uint8", "data": bytes(size)}
        assert unpackb(packb(map_)) == map_


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


# Large enough to be split, at every level.
SPLIT = packb(
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
    edges = [*range(40), *range(len(SPLIT) - 40, len(SPLIT))]
    starts = [SPLIT.find(mark) for mark in (b"\xc4\x04data", b"\xa1b", b"\xa1c", b"\xa1d")]
    near = [end for start in starts for end in range(start - 3, start + 20)]
    ends = {*edges, *near, *range(0, len(SPLIT), 997)}
    for end in sorted(end for end in ends if end < len(SPLIT)):
        with pytest.raises(DecodeError, match="truncated"):
            unpackb(SPLIT[:end])
        with pytest.raises(DecodeError, match="truncated"):
            unpack_owned(owned(SPLIT[:end]))


@pytest.mark.parametrize("rest", [b"\x00", b"\xc0", b"\xc1", b"\x81", bytes(5000), SMALL])
@pytest.mark.parametrize("document", [b"\x01", b"\x90", b"\x80", SMALL, SPLIT, BIG_ARRAY], ids=len)
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
    """Wherever the piece stands: alone, deep in what is split, in what is decoded whole."""
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


def test_text_that_a_later_entry_replaces_is_decoded_all_the_same() -> None:
    with pytest.raises(DecodeError, match="the body is not msgpack"):
        unpackb(b"\x83\xa1a\xa1\xff\xa1a\xc0\xa1b" + BIG)


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
        ("c7 0c ff 00000000 0000003afff44180", "year 10000 is out of range"),
    ],
)
def test_extensions_other_than_timestamps_are_refused(document: str, message: str) -> None:
    data = bytes.fromhex(document)
    for whole in (data, b"\x91" + data, b"\x92" + BIG + data, b"\x81\xa1a" + data):
        with pytest.raises(DecodeError, match=message):
            unpackb(whole)


# -- anything at all -------------------------------------------------------------------------------


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


VALID = [SMALL, TIMED, SPLIT, *seeds()[:-1]]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a valid document with a few bytes changed, inserted or taken away."""
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


@pytest.mark.parametrize("index", range(0, len(VALID), 5))
def test_every_byte_of_a_header_changed(index: int) -> None:
    document = VALID[index]
    for at in range(min(len(document), 130)):
        for byte in (0x00, 0x80, 0x8F, 0x90, 0xC1, 0xC6, 0xD6, 0xDD, 0xDF):
            check(document[:at] + bytes([byte]) + document[at + 1 :])

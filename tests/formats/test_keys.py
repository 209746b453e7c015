"""Keys of maps that are not strings."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest

from binary_middleware.errors import DecodeError, LimitExceeded
from binary_middleware.formats.msgpack import _unpack as unpack
from binary_middleware.formats.msgpack import packb, unpackb
from binary_middleware.formats.msgpack._keys import MAX_NUMERIC_KEYS
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from binary_middleware.formats.msgpack._unpack import LARGE_ITEM
from tests.formats.documents import list32, map32
from tests.formats.owned import owned, unpack_owned, unpack_views
from tests.formats.test_limits import peak_of_refusal
from tests.sameness import same

KEYS_REFUSED = [
    ("81 c4 01 61 01", "must be a string, not binary"),
    ("81 c4 00 01", "must be a string, not binary"),
    ("81 91 01 01", "not a container"),
    ("81 90 01", "not a container"),
    ("81 80 01", "hashable"),
    ("81 91 80 01", "hashable"),
    ("81 d4 05 00 01", "hashable|must be a string"),
    ("82 01 01 a131 02", "duplicate map key '1'"),
    ("82 a131 02 01 01", "duplicate map key '1'"),
    ("82 c0 02 a44e6f6e65 01", "duplicate map key 'None'"),
    ("82 cb 7ff8000000000000 01 cb 7ff8000000000000 01", "duplicate map key 'nan'"),
    ("82 a161 01 c4 01 61 01", "must be a string, not binary"),
    ("82 c4 01 61 01 a161 01", "must be a string, not binary"),
]


@pytest.mark.parametrize(
    ("document", "message"), KEYS_REFUSED, ids=[row[0] for row in KEYS_REFUSED]
)
def test_keys_that_json_could_not_have_are_refused(document: str, message: str) -> None:
    data = bytes.fromhex(document)
    for whole in (data, b"\x91" + data, b"\x92" + packb(bytes(OUT_OF_LINE_THRESHOLD)) + data):
        with pytest.raises(DecodeError, match=message):
            unpackb(whole)
    assert data.endswith((b"\1", b"\2"))
    with pytest.raises(DecodeError, match=message):
        unpackb(data[:-1] + packb(bytes(2 * OUT_OF_LINE_THRESHOLD)))


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
    assert len(document) > LARGE_ITEM
    with pytest.raises(DecodeError, match=message):
        unpackb(document)
    with pytest.raises(DecodeError, match="truncated"):
        unpackb(map32(2**32 - 1, pairs + last))

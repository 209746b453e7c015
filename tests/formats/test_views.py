"""Large arrays as aligned views of an owned buffer."""

from __future__ import annotations

from typing import Any

import msgpack_numpy
import numpy as np
import pytest

from binary_middleware.errors import DecodeError
from binary_middleware.formats.base import Limits
from binary_middleware.formats.msgpack import MSGPACK, packb, unpackb
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from binary_middleware.formats.msgpack._unpack import MAX_SPLIT_DEPTH
from binary_middleware.formats.msgpack._views import MIN_VIEW_SHARE
from tests.formats.documents import ALIGNED, assert_same_array, filled, peer_packb
from tests.formats.owned import owned, received, unpack_owned

VIEWED = ["u1", "S5", "i2", "f2", ">f4", "f4", "i8", "f8", "c8", "c16", "U3", "M8[ns]", "V7", "?"]


@pytest.mark.parametrize(
    "dtype", [*VIEWED, ALIGNED, "<i4,<f8", [("a", ALIGNED), ("b", "u1", (3,))]], ids=str
)
def test_large_arrays_are_aligned_views_wherever_they_stand(dtype: Any) -> None:
    array = filled(dtype, (150, 200))
    shifts = set()
    for offset in range(16):
        document = packb(["x" * offset, array, 1])
        for start in (0, 3):
            buffer = owned(document, start)
            (text, view, one), moved = unpack_owned(buffer)
            assert (text, one) == ("x" * offset, 1)
            assert_same_array(view, array)
            assert np.shares_memory(view, buffer)
            for name in view.dtype.names if view.dtype == ALIGNED else ():
                assert view[name].flags.aligned
            assert received(buffer, moved) == document
            assert bool(moved) is (buffer.tobytes() != document)
            shifts |= {len(item.overwritten) for item in moved}
            assert all(item.length == array.nbytes for item in moved)
    alignment = 8 if array.dtype.names else array.dtype.alignment
    assert shifts == set(range(1, alignment))  # every shift there is


@pytest.mark.skipif(np.dtype("g").alignment <= 8, reason="long double is aligned to 8 here")
@pytest.mark.parametrize(
    "dtype", ["g", "G", np.dtype([("a", "u1"), ("b", "g")], align=True)], ids=str
)
def test_arrays_that_want_more_than_8_are_copied(dtype: Any) -> None:
    array = filled(dtype, (2000,))
    document = packb(array)
    for start in range(16):
        buffer = owned(document, start)
        copied, moved = unpack_owned(buffer)
        assert_same_array(copied, array)
        assert not np.shares_memory(copied, buffer)
        assert moved == []
        assert buffer.tobytes() == document


def test_several_arrays_in_one_body() -> None:
    arrays = [filled(code, (21_000,)) for code in ("f8", "u1", "i4", "c16", "i2")]
    for offset in range(8):
        document = packb({"a": arrays[:3], "pad": "x" * offset, "b": {"c": arrays[3:]}})
        buffer = owned(document)
        value, moved = unpack_owned(buffer)
        views = [*value["a"], *value["b"]["c"]]
        for view, array in zip(views, arrays, strict=True):
            assert_same_array(view, array)
            large = array.nbytes * MIN_VIEW_SHARE >= len(document)
            assert np.shares_memory(view, buffer) is large
        assert received(buffer, moved) == document
        for index, view in enumerate(views):
            for other in views[:index]:
                assert not np.shares_memory(view, other)


@pytest.mark.parametrize(("share", "view"), [(4, True), (8, True), (9, False), (100, False)])
def test_a_small_array_does_not_keep_the_body_alive(share: int, view: bool) -> None:
    array = np.zeros(30_000, "u1")
    rest = bytes(array.nbytes * share - len(packb([array, b""])) - 3)
    document = packb([array, rest])
    assert len(document) == array.nbytes * share
    buffer = owned(document)
    (read, same), moved = unpack_owned(buffer)
    assert same == rest
    assert_same_array(read, array)
    assert np.shares_memory(read, buffer) is view
    assert moved == []


def test_small_bodies_are_copied() -> None:
    document = packb(np.arange(100))
    buffer = owned(document, 1)
    array, moved = unpack_owned(buffer)
    assert_same_array(array, np.arange(100))
    assert not np.shares_memory(array, buffer)
    assert moved == []


def array_document(array: np.ndarray[Any, Any], *keys: str) -> bytes:
    """msgpack-numpy's map with its keys in this order."""
    map_ = {key.decode(): value for key, value in msgpack_numpy.encode(array).items()}
    body = b"".join(peer_packb(key.encode()) + peer_packb(map_[key]) for key in keys)
    return bytes([0x80 + len(keys)]) + body


@pytest.mark.parametrize(
    "keys",
    [
        ("data", "nd", "type", "kind", "shape"),
        ("nd", "data", "type", "kind", "shape"),
        ("shape", "kind", "data", "type", "nd"),
        ("nd", "type", "shape", "data"),
        ("data", "shape", "type", "nd"),
    ],
    ids=" ".join,
)
def test_the_order_of_the_keys_does_not_matter(keys: tuple[str, ...]) -> None:
    for array in (filled("f8", (5000,)), filled("f8", (5,))):
        inner = array_document(array, *keys)
        for offset in range(8):
            document = b"\x92" + packb("x" * offset) + inner
            assert_same_array(unpackb(document)[1], array)
            buffer = owned(document)
            (_, read), moved = unpack_owned(buffer)
            assert_same_array(read, array)
            assert np.shares_memory(read, buffer) is (array.size == 5000)
            assert received(buffer, moved) == document


@pytest.mark.parametrize("size", [3, 5000])
def test_of_a_key_that_stands_twice_the_last_counts(size: int) -> None:
    first, last = filled("f8", (size,)), filled("f8", (size,)) * 2
    keys = ("data", "nd", "type", "kind", "shape")
    whole = array_document(last, *keys)
    data = peer_packb(b"data") + peer_packb(first.tobytes())
    for offset in range(8):
        document = b"\x92" + packb("x" * offset) + b"\x86" + data + whole[1:]
        assert_same_array(unpackb(document)[1], last)
        buffer = owned(document)
        (_, read), moved = unpack_owned(buffer)
        assert_same_array(read, last)
        assert received(buffer, moved) == document


def test_arrays_are_views_down_to_the_last_level_that_is_split() -> None:
    array = filled("f8", (50_000,))
    for levels in (MAX_SPLIT_DEPTH - 1, MAX_SPLIT_DEPTH):
        for wrap in (lambda value: [value], lambda value: {"a": value}):
            value: Any = array
            for _ in range(levels):
                value = wrap(value)
            document = packb(value)
            buffer = owned(document, 5)
            read, moved = unpack_owned(buffer)
            for _ in range(levels):
                (read,) = read.values() if isinstance(read, dict) else read
            assert_same_array(read, array)
            assert np.shares_memory(read, buffer) is (levels < MAX_SPLIT_DEPTH)
            assert received(buffer, moved) == document


def test_passing_over_few_large_items_again_costs_nothing() -> None:
    array = np.zeros(5_000_000)
    document = packb([[[[[array]]]], [array]])
    buffer = owned(document)
    (((((read,),),),), _), _ = unpack_owned(buffer)
    assert np.shares_memory(read, buffer)


def test_a_large_array_of_one_element_is_a_scalar_too() -> None:
    document = packb([np.array(["x" * OUT_OF_LINE_THRESHOLD])])
    facts = MSGPACK.decode(owned(document), Limits(), is_owned=True).facts
    assert facts.holds_scalars


def test_keys_other_than_strings_beside_large_arrays() -> None:
    array = filled("f8", (5000,))
    document = b"\x83\x01" + packb(array) + b"\xc2" + packb(array) + b"\xa1a" + packb(array)
    buffer = owned(document)
    value, moved = unpack_owned(buffer)
    assert list(value) == ["1", "false", "a"]
    for read in value.values():
        assert_same_array(read, array)
        assert np.shares_memory(read, buffer)
    assert received(buffer, moved) == document


def test_a_body_without_arrays_stays_as_it_is() -> None:
    document = packb({"a": [1, "b", b"c" * OUT_OF_LINE_THRESHOLD, None], "d": {"e": 1.5}})
    buffer = owned(document)
    value, moved = unpack_owned(buffer)
    assert value == {"a": [1, "b", b"c" * OUT_OF_LINE_THRESHOLD, None], "d": {"e": 1.5}}
    assert moved == []
    assert buffer.tobytes() == document


def test_refusals_come_before_anything_moves() -> None:
    document = array_document(filled("f8", (5000,)), "data", "nd", "type", "kind", "shape")
    wrong = document.replace(b"\xcd" + (5000).to_bytes(2), b"\xcd" + (5001).to_bytes(2))
    assert wrong != document
    buffer = owned(wrong, 3)
    with pytest.raises(DecodeError, match="need 40008 bytes, got 40000"):
        unpack_owned(buffer)
    assert buffer.tobytes() == wrong

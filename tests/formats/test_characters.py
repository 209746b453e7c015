"""Text arrays hold Unicode characters only: whatever they say can be written again."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.errors import DecodeError, EncodeError
from binary_middleware.fields import dtype_spec, from_buffer, from_map, to_buffer
from binary_middleware.formats.json import dump_json, from_json, to_json
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from tests.asgi.test_hostile_input import array as array_of

NOT_CHARACTERS = [0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0x110000, 0xFFFFFFFF, 0x80000000]
CHARACTERS = [0, 1, 0x61, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF]
PLACES: dict[str, Any] = {
    # A dtype, and how a view of its text is found.
    "little": ("<U2", lambda array: array),
    "big": (">U2", lambda array: array),
    "field": ([("n", "u1"), ("t", "<U2")], lambda array: array["t"]),
    "big field": ([("n", "u1"), ("t", ">U2"), ("m", "u1")], lambda array: array["t"]),
    "nested": ([("a", [("n", "u1"), ("t", "<U2")])], lambda array: array["a"]["t"]),
    "subarray": ([("t", "<U2", (2, 3)), ("n", "u1")], lambda array: array["t"][:, -1, -1]),
    "nested subarrays": (
        [("a", [("n", "u1"), ("t", ">U2", (2,))], (3,))],
        lambda array: array["a"]["t"][:, -1, -1],
    ),
}


def with_code(place: str, code: int, count: int, index: int) -> tuple[np.dtype[Any], bytes]:
    """Return the bytes of an array in which one character is ``code``."""
    dtype, text_of = PLACES[place]
    array = np.zeros(count, dtype)
    text = text_of(array)
    offset = text.__array_interface__["data"][0] - array.__array_interface__["data"][0]
    raw = np.ndarray(text.shape, f"{text.dtype.str[0]}u4", array, offset, text.strides)
    raw[index] = code
    return array.dtype, array.view(f"V{array.itemsize}").tobytes()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("count", "index"), [(1, 0), (3, -1), (100_000, 70_000)])
def test_what_is_no_character_is_refused(place: str, count: int, index: int) -> None:
    for code in NOT_CHARACTERS:
        dtype, data = with_code(place, code, count, index)
        with pytest.raises(ValueError, match="Unicode"):
            from_buffer(data, dtype, [count])
        with pytest.raises(ValueError, match="Unicode"):
            to_buffer(np.ndarray(count, dtype, data))


@pytest.mark.parametrize("place", PLACES)
def test_characters_are_kept(place: str) -> None:
    for code in CHARACTERS:
        for count, index in ((3, -1), (70_000, 69_999)):
            dtype, data = with_code(place, code, count, index)
            assert bytes(to_buffer(from_buffer(data, dtype, [count]))) == data


@pytest.mark.parametrize("count", [2, OUT_OF_LINE_THRESHOLD])
@pytest.mark.parametrize("place", PLACES)
def test_it_is_refused_in_every_form(place: str, count: int) -> None:
    dtype, data = with_code(place, 0x110000, count, -1)
    array = np.ndarray(count, dtype, data)
    spec = dtype_spec(dtype)
    map_ = {"shape": [count], "dtype": spec, "data": data}
    with pytest.raises(DecodeError, match="Unicode"):
        unpackb(array_of(spec, [count], data))
    with pytest.raises(ValueError, match="Unicode"):
        NumpyArrayField._validate(map_)
    text = base64.b64encode(data).decode()
    in_json = {"shape": [count], "dtype": spec, "data_b64": text}
    with pytest.raises(ValueError, match="Unicode"):
        from_map(in_json)
    assert from_json(json.dumps(in_json).encode()) == in_json  # no array: a map like any other
    assert json.loads(to_json(dict(map_)))["data"] == text
    for form in ("numpy", "map"):
        with pytest.raises(EncodeError, match="Unicode"):
            packb([array], arrays=form)
    with pytest.raises(EncodeError, match="Unicode"):
        dump_json(array)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), min_size=1),
    st.sampled_from("<>"),
)
def test_any_text_comes_back_and_can_be_written(texts: list[str], order: str) -> None:
    array = np.array(texts, "U5").astype(f"{order}U5")
    read = unpackb(packb(array))
    assert read.dtype == array.dtype
    assert read.tolist() == array.tolist()
    packb(read.tolist())


@given(st.binary(min_size=4, max_size=64).map(lambda data: data[: len(data) // 4 * 4]))
def test_whatever_is_read_can_be_written(data: bytes) -> None:
    for dtype in ("<U1", ">U1"):
        try:
            read = unpackb(array_of(dtype, [len(data) // 4], data))
        except DecodeError:
            with pytest.raises((ValueError, SystemError)):
                packb(np.ndarray(len(data) // 4, dtype, data).tolist())
        else:
            packb(read.tolist())


def test_embedded_and_trailing_nuls_are_kept() -> None:
    array = np.array(["a\0b", "\0\0c", "d"], "U6")
    assert unpackb(packb(array)).tolist() == array.tolist()
    assert unpackb(packb(np.zeros((2, 0), "U4"))).shape == (2, 0)
    assert unpackb(packb(np.zeros(2, [("t", "U3", (0,)), ("n", "u1")]))).shape == (2,)

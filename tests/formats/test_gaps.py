"""Old memory is never sent in the gaps of a dtype; values are sent unchanged."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import BaseModel

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.arrays import ArraySpec
from binary_middleware.fields import check_dtype, from_map, same_elements, to_buffer, to_map
from binary_middleware.formats.json import dump_json, to_json
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from tests.sameness import raw_bytes, value_bytes

MARKER = 0xA7
HAS_GAPS_IN_NUMBERS = np.finfo(np.longdouble).nmant == 63


def padded(fields: list[Any], before: int = 0, after: int = 0) -> np.dtype[Any]:
    """Return a dtype with gaps in front of each field, and at the end."""
    offset, offsets = 0, []
    for _, dtype in fields:
        offsets.append(offset + before)
        offset += before + np.dtype(dtype).itemsize
    names = [name for name, _ in fields]
    formats = [dtype for _, dtype in fields]
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": offset + after}
    )


INNER = padded([("x", "u1"), ("y", ">U2")], 1, 3)
DTYPES = {
    "aligned": np.dtype([("a", "u1"), ("b", "<f8")], align=True),
    "1,023 bytes": padded([("a", "u1")], 0, 1023),
    "in front": padded([("a", "<i4"), ("b", "S3")], 5),
    "nested": padded([("a", INNER), ("b", "?")], 2, 1),
    "subarray": np.dtype([("a", INNER, (3,)), ("b", "u1")]),
    "subarray of subarrays": np.dtype([("c", [("a", INNER, (2, 2))], (3,)), ("b", "u1")]),
    "titles": np.dtype([(("title", "a"), "u1"), (("other", "b"), "<i8")], align=True),
    "no elements": padded([("a", INNER), ("none", np.dtype((INNER, (0,))))], 1, 1),
}
if HAS_GAPS_IN_NUMBERS:
    DTYPES |= {"long double": np.dtype("g"), "complex": np.dtype("G")}
    DTYPES |= {
        "swapped": np.dtype("g").newbyteorder(),
        "field": np.dtype([("a", "u1"), ("b", "G")]),
    }


def marked(dtype: np.dtype[Any], shape: Any = 64) -> np.ndarray[Any, Any]:
    """Zeros, and the marker in all gaps."""
    count = int(np.prod(shape))
    items = np.full((count, dtype.itemsize), MARKER, np.uint8)
    array = np.ndarray(shape, dtype, items)
    items[:, value_bytes(dtype) == 1] = 0
    return array


WAYS: dict[str, Callable[[np.ndarray[Any, Any]], bytes]] = {
    "to_buffer": lambda array: bytes(to_buffer(array)),
    "msgpack": lambda array: packb([array]),
    "msgpack, map": lambda array: packb([array], arrays="map"),
    "small": lambda array: packb([array[:2]]),
    "large": lambda array: packb(marked(array.dtype, OUT_OF_LINE_THRESHOLD)),
    "no dimensions": lambda array: packb(array[0, ...]),
    "scalar": lambda array: packb([array[0], array[-1]]),
    "field": lambda array: base64.b64decode(to_map(array)["data_b64"]),
    "object to JSON": lambda array: base64.b64decode(json.loads(dump_json(array))["data_b64"]),
    "msgpack to JSON": lambda array: base64.b64decode(json.loads(to_json(array))["data_b64"]),
    "model to JSON": lambda array: base64.b64decode(
        json.loads(OfArrays(any=array, typed=array).model_dump_json())["typed"]["data_b64"]
    ),
    "model": lambda array: packb(OfArrays(any=array, typed=array)),
}


class OfArrays(BaseModel):
    any: NumpyArrayField
    typed: Annotated[NDArray[Any], ArraySpec(copy=True)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DTYPES)
def test_gaps_leave_as_zeros_and_stay_in_the_array(name: str, way: str) -> None:
    array = marked(check_dtype(DTYPES[name]))
    before = array.view(f"V{array.itemsize}").tobytes()
    array.flags.writeable = False
    assert MARKER in before
    assert bytes([MARKER]) not in WAYS[way](array)
    assert array.view(f"V{array.itemsize}").tobytes() == before


OPERATIONS: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "copy": lambda rows: rows[::2].copy(),
    "sort": lambda rows: np.sort(rows, order=rows.dtype.names[0]),
    "concatenate": lambda rows: np.concatenate([rows, rows]),
    "astype": lambda rows: rows.astype(rows.dtype.newbyteorder()),
    "mask": lambda rows: rows[np.arange(len(rows)) % 2 == 0],
    "stack": lambda rows: np.stack([rows, rows]),
    "order": lambda rows: np.array(rows.reshape(8, -1), order="F"),
    "copy=True": lambda rows: OfArrays(any=rows, typed=rows).typed,
    "negative strides": lambda rows: rows[::-1],
    "broadcast": lambda rows: np.broadcast_to(rows[:3], (5, 3)),
    "empty": lambda rows: np.empty(len(rows), rows.dtype)[:0],
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ["aligned", "1,023 bytes", "nested", "subarray"])
def test_copies_carry_no_freed_memory(name: str, operation: str) -> None:
    rows = marked(DTYPES[name], 64)
    for _ in range(10):
        memory = [np.full(size, MARKER, np.uint8) for size in (512, 4096, 70_000, 140_000)]
        del memory
        copied = OPERATIONS[operation](rows)
        left = bytes(to_buffer(copied))
        assert MARKER not in left
        assert len(left) == copied.nbytes


def gaps_of(array: np.ndarray[Any, Any]) -> bytes:
    raw = np.frombuffer(to_buffer(array), np.uint8).reshape(array.size, -1)
    return raw[:, value_bytes(array.dtype) == 0].tobytes()


PLAIN = st.sampled_from(["u1", "<f4", ">i8", "<U3", "S5", "<M8[s]", "V7", "?", "g", "G", ">g"])


@st.composite
def gappy(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    dtypes = draw(st.lists(inner, min_size=1, max_size=3))
    fields = [(f"f{index}", dtype) for index, dtype in enumerate(dtypes)]
    dtype = padded(fields, draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    shape = draw(st.sampled_from([(), (2,), (2, 3), (0,)]))
    return np.dtype((dtype, shape))


STRUCTURED = st.recursive(PLAIN.map(np.dtype), gappy, max_leaves=6)


@given(STRUCTURED, st.integers(1, 5), st.sampled_from([slice(None), slice(None, None, -2)]))
def test_any_gap_is_zero_and_all_values_are_kept(dtype: Any, count: int, rows: slice) -> None:
    dtype = dtype.base
    data = np.resize(np.arange(1, 100, dtype=np.uint8), (count, dtype.itemsize))
    array = np.ndarray((count,), dtype, data)
    if dtype.itemsize == 0:
        return
    ascii_texts(array)
    array = array[rows]
    assert not any(gaps_of(array))
    read = np.ndarray(array.shape, dtype, bytes(to_buffer(array)))
    assert raw_bytes(read) == raw_bytes(array)
    again = unpackb(packb(array))
    assert again.dtype == dtype
    assert same_elements(again, read)


def ascii_texts(array: np.ndarray[Any, Any]) -> None:
    if array.dtype.kind == "U":
        array[...] = "abc"
    for name in array.dtype.names or ():
        ascii_texts(array[name])


def test_other_arrays_are_not_copied() -> None:
    for dtype in ("<f8", "S3", "<U3", [("a", "u1"), ("b", "<f8")], [("a", [("b", "u1")], (2,))]):
        array = np.zeros(5, dtype)
        assert np.shares_memory(np.frombuffer(to_buffer(array), np.uint8), array)


def test_overlapping_fields_are_refused_and_not_zeroed() -> None:
    dtype = np.dtype({"names": ["a", "b"], "formats": ["<i4", "u1"], "offsets": [0, 0]})
    with pytest.raises(ValueError, match="overlapping"):
        to_buffer(np.ones(3, dtype))


def test_what_was_read_keeps_its_gaps_until_it_leaves() -> None:
    dtype = DTYPES["aligned"]
    sent = {"shape": [1], "dtype": [["a", "|u1"], ["", "|V7"], ["b", "<f8"]], "data": b"\1" * 16}
    array = from_map(sent)
    assert array.dtype == dtype
    assert array.view("V16").tobytes() == b"\1" * 16
    assert bytes(to_buffer(array)) == b"\1" + bytes(7) + b"\1" * 8

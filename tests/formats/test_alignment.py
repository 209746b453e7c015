"""Large arrays as string-keyed maps, at places from which JavaScript can read them in place."""

from __future__ import annotations

import itertools
from typing import Any

import msgpack
import numpy as np
import pytest

from binary_middleware import packb, unpackb
from binary_middleware.fields import from_map
from binary_middleware.formats.msgpack import pack_buffers
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD

STRUCTURED = [("shape", "<f4"), ("dtype", "<i4", (2,)), ("data", "u1")]


@pytest.mark.parametrize("shift", range(9))
@pytest.mark.parametrize("dtype", ["<f8", STRUCTURED], ids=["plain", "structured"])
def test_large_arrays_start_at_multiples_of_eight(shift: int, dtype: Any) -> None:
    array = np.zeros(OUT_OF_LINE_THRESHOLD, dtype)
    other = bytes(OUT_OF_LINE_THRESHOLD + 1)
    document = [
        "x" * shift,
        array,
        {"y" * shift: [array[: OUT_OF_LINE_THRESHOLD // 2]]},
        other,
        array,
    ]
    buffers = pack_buffers(document, arrays="map")
    starts = itertools.accumulate(map(len, buffers), initial=0)
    places = [
        start
        for start, buffer in zip(starts, buffers, strict=False)
        if type(buffer) is memoryview and len(buffer) != len(other)
    ]
    assert len(places) == 3
    assert not any(start % 8 for start in places)

    packed = b"".join(buffers)
    plain = msgpack.unpackb(packed)
    assert plain == unpackb(packed)
    assert plain[1] == plain[4]
    assert list(plain[1]) == ["shape", "dtype", "data"]
    assert np.array_equal(from_map(plain[1]), array)
    assert np.array_equal(from_map(plain[2]["y" * shift][0]), array[: OUT_OF_LINE_THRESHOLD // 2])


def test_the_place_costs_seven_bytes_at_most() -> None:
    array = np.zeros(OUT_OF_LINE_THRESHOLD, "u1")
    plain = {"shape": [OUT_OF_LINE_THRESHOLD], "dtype": "uint8", "data": array.tobytes()}
    more = {
        len(packb(["x" * shift, array], arrays="map")) - len(msgpack.packb(["x" * shift, plain]))
        for shift in range(8)
    }
    assert more == set(range(8))


def test_maps_of_msgpack_numpy_are_left_alone() -> None:
    array = np.zeros(OUT_OF_LINE_THRESHOLD, "u1")
    sizes = {len(packb(["x" * shift, array])) - shift for shift in range(8)}
    assert len(sizes) == 1

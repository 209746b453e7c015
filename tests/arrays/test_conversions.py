"""An array that is converted to the dtype of a field keeps its values, or is an error of pydantic.

All pairs of dtypes, under each rule of casting, of arrays with and without elements.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from binary_middleware.arrays import ArraySpec
from binary_middleware.arrays._convert import MAX_CONVERTED_SIZE
from binary_middleware.arrays._dtypes import Casting
from binary_middleware.fields import check_dtype, from_buffer

ROOT = Path(__file__).parents[2]
DTYPES: list[Any] = [
    *("?", "i1", "u1", "i2", ">i4", "i8", "u8", "f2", "f4", ">f8", "f8", "g", "c8", "c16"),
    *("S1", "S4", "S40", "U1", "U8", ">U4", "U40", "V1", "V8", "V40"),
    *("M8[D]", "M8[ns]", "M8[s]", "m8[s]", "m8[D]", "m8", "M8"),
    [("a", "i1"), ("b", "f8")],
    [("b", ">f8"), ("a", "i1")],
    [("a", "U2"), ("b", "S3", (2,))],
]
HUGE = ["S999999999", "V999999999", "U500000000", [("a", "S999999999"), ("b", "u1")]]
SHAPES = [[0], [], [3], [2, 0, 3]]


def adapter(target: Any, casting: Casting, copy: bool | None = None) -> TypeAdapter[Any]:
    array = ArraySpec(dtype=target, casting=casting, copy=copy)
    return TypeAdapter(Annotated[NDArray[Any], array])


def samples(dtype: Any, shape: list[int]) -> list[np.ndarray[Any, Any]]:
    """Arrays of many kinds of bytes, as a client may send them."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=int)) * dtype.itemsize
    fillings = [b"\0", b"\1", b"7", b"\x7f", b"\xff", bytes(range(48, 58)), b"\0\0\0\0\0\0\0\xc0"]
    found = []
    for filling in fillings if size else fillings[:1]:
        data = bytearray((filling * (size // len(filling) + 1))[:size])
        try:
            found.append(from_buffer(data, dtype, shape))
        except ValueError:  # no characters
            assert "U" in str(dtype)
    if size and dtype.kind not in "MV":
        found.append(np.ones(shape, dtype))
    return found


def means_the_same(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
    """Whether the elements are the same but for rounding, by other means than those of the code."""
    if before.dtype == after.dtype or not before.size:
        return before.tobytes() == after.tobytes()
    kinds = before.dtype.kind + after.dtype.kind
    if after.dtype.kind == "V" and after.dtype.names is None:
        raw = [item.tobytes() for item in before.reshape(-1)]
        return [item.tobytes() for item in after.reshape(-1)] == [
            item.ljust(after.itemsize, b"\0") for item in raw
        ]
    if kinds in ("SS", "UU"):
        return bool(before.tolist() == after.tolist())
    if after.dtype.kind in "SU":
        return bool(before.astype("U").tolist() == after.astype("U").tolist())
    if kinds in ("mm", "MM"):
        return bool(np.array_equal(before, after.astype(before.dtype), equal_nan=True)) or bool(
            np.array_equal(after, before.astype(after.dtype), equal_nan=True)
        )
    if after.dtype.names is not None:
        return before.tolist() == after.tolist()
    if after.dtype.kind in "iu":
        return [int(item) for item in before.reshape(-1)] == after.reshape(-1).tolist()
    with np.errstate(all="ignore"):
        # Rounding may not make an infinity of a number.
        wide = before.astype("G")
        finite = bool((np.isfinite(wide) == np.isfinite(after)).all())
        near = np.allclose(wide, after.astype("G"), rtol=1e-2, atol=1e-4, equal_nan=True)
    return after.dtype.kind == "m" or (finite and bool(near))


@pytest.mark.parametrize("casting", get_args(Casting))
@pytest.mark.parametrize("target", DTYPES, ids=str)
def test_every_pair_of_dtypes(target: Any, casting: Casting) -> None:
    kept, copied, viewed = (adapter(target, casting, copy) for copy in (None, True, False))
    errors = set()
    for source, shape in itertools.product([*DTYPES, *HUGE], SHAPES):
        if source in HUGE and 0 not in shape:
            continue
        for array in samples(check_dtype(np.dtype(source)), shape):
            for field in (kept, copied, viewed):
                try:
                    value = field.validate_python(array)
                except ValidationError as exc:
                    errors.add(exc.errors()[0]["type"])
                    continue
                assert value.shape == tuple(shape)
                assert value.dtype == np.dtype(target)
                assert value.flags.writeable or value is array or field is viewed
                assert means_the_same(array, value), (array, value)
    assert errors <= {"array_dtype", "array_range", "array_copy"}


@pytest.mark.parametrize("source", HUGE, ids=str)
def test_no_elements_take_no_memory(source: Any) -> None:
    """``resource`` limits what the process may have to less than one item."""
    code = f"""
import json, resource
import numpy as np
from binary_middleware import packb, unpackb
from binary_middleware.fields import check_dtype
from tests.arrays.test_conversions import adapter
resource.setrlimit(resource.RLIMIT_AS, (900 * 2**20, 900 * 2**20))
outcomes = []
empty = np.ndarray([0], np.dtype({source!r}), b"")
for target in ("U8", "S8", "V8", {source!r}):
    for copy in (None, True, False):
        try:
            value = adapter(target, "same_kind", copy).validate_python(empty)
        except ValueError as exc:
            outcomes.append(exc.errors()[0]["type"])
        else:
            unpackb(packb(value))
            outcomes.append(list(value.shape))
print(json.dumps(outcomes))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert outcomes[-3:] == [[0], [0], [0]]
    assert all(outcome in ([0], "array_dtype", "array_copy") for outcome in outcomes)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.array([12345]), "S4"),
        (np.array([1.25e-10]), "U4"),
        (np.array([b"12345"]), "U4"),
        (np.array([b"\xff"]), "U4"),
        (np.array([b"1234"], "V4"), "V2"),
        (np.array([True]), "S1"),
    ],
)
def test_nothing_is_cut_off(source: np.ndarray[Any, Any], target: str) -> None:
    with pytest.raises(ValidationError) as caught:
        adapter(target, "same_kind").validate_python(source)
    assert caught.value.errors()[0]["type"] == "array_range"


def test_a_conversion_makes_no_more_than_its_limit() -> None:
    """What ``casting`` makes of a body is bounded; what comes in its dtype is not."""
    field = TypeAdapter(Annotated[NDArray[np.complex128], ArraySpec(casting="safe")])
    most = MAX_CONVERTED_SIZE // 16
    assert field.validate_python(np.zeros(most // 64, "?")).dtype == np.complex128
    with pytest.raises(ValidationError, match="a conversion may make 268435456") as caught:
        field.validate_python(np.zeros(most + 1, "?"))
    assert caught.value.errors()[0]["type"] == "array_too_large"
    lists = TypeAdapter(Annotated[NDArray[np.complex128], ArraySpec(accept_lists=True)])
    with pytest.raises(ValidationError, match="a conversion may make"):
        lists.validate_python([np.zeros(most, "u1"), np.zeros(most, "u1")])
    half = TypeAdapter(Annotated[NDArray[np.float16], ArraySpec(casting="same_kind")])
    # Made of zeros that nobody has touched, it takes no memory.
    assert half.validate_python(np.zeros(64, "f8")).dtype == np.float16
    same = np.zeros(most + 1, "c16")
    assert field.validate_python(same) is same


def test_lists_of_arrays_of_several_dtypes() -> None:
    field = TypeAdapter(Annotated[NDArray[np.float64], ArraySpec(accept_lists=True)])
    mixed = [np.arange(3, dtype="u1"), np.arange(3, dtype="f4"), np.arange(3, dtype=">i2")]
    assert (field.validate_python(mixed) == np.tile(np.arange(3.0), (3, 1))).all()

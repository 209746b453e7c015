"""Round trips of generated documents, against msgpack and msgpack-numpy as the reference."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from binary_middleware.fields import from_map
from binary_middleware.formats.msgpack import packb, unpackb
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from tests.formats.owned import owned, received, unpack_owned
from tests.sameness import raw_bytes, same

# -- what is generated ---------------------------------------------------------------------------

# What msgpack-numpy can write: the buffer of datetimes is one that Python does not describe.
PLAIN_DTYPES = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | hnp.complex_number_dtypes(endianness="?")
    | hnp.byte_string_dtypes(endianness="?", max_len=9)
    | hnp.unicode_string_dtypes(endianness="?", max_len=5)
    | st.sampled_from([np.dtype("g"), np.dtype("G")])
)
DATE_DTYPES = hnp.datetime64_dtypes(endianness="?") | hnp.timedelta64_dtypes(endianness="?")


def plainly_named(dtype: np.dtype[Any]) -> bool:
    if dtype.subdtype is not None:
        return plainly_named(dtype.base)
    return dtype.fields is None or all(
        len(field) == 2 and ":" not in name and plainly_named(field[0])
        for name, field in dtype.fields.items()
    )


# Titles and padding it writes as we do, and cannot read: titles are an error, padding is a field.
# A colon in a name it cannot write: numpy has no buffer of such a type.
TABLE_DTYPES = hnp.nested_dtypes(PLAIN_DTYPES, max_leaves=5, max_itemsize=200).filter(plainly_named)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4) | st.sampled_from(
    [(OUT_OF_LINE_THRESHOLD,), (3, OUT_OF_LINE_THRESHOLD // 2), (0, OUT_OF_LINE_THRESHOLD)]
)


@st.composite
def arrays(draw: st.DrawFn, dtypes: st.SearchStrategy[np.dtype[Any]]) -> np.ndarray[Any, Any]:
    """Arrays of any memory layout, their bytes drawn at random as far as the dtype allows it."""
    dtype = draw(dtypes).base
    shape = draw(SHAPES)
    if np.prod(shape) > 1000:
        array = np.zeros(shape, dtype)
        array.reshape(-1)[: OUT_OF_LINE_THRESHOLD // 2] = draw(hnp.arrays(dtype, ()))
    else:
        array = draw(hnp.arrays(dtype, shape))
    layout = draw(st.sampled_from(["C", "F", "strided", "reversed", "transposed", "broadcast"]))
    if layout == "F":
        array = np.asfortranarray(array)
    elif layout == "strided" and array.ndim:
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    elif layout == "reversed" and array.ndim:
        array = array[::-1]
    elif layout == "transposed":
        array = array.T
    elif layout == "broadcast":
        array = np.broadcast_to(array, (2, *array.shape))
    return array  # type: ignore[no-any-return]


def scalars(dtypes: st.SearchStrategy[np.dtype[Any]]) -> st.SearchStrategy[np.generic]:
    """Not text, which may hold a lone surrogate in an array but not as a scalar."""
    numbers = dtypes.filter(lambda dtype: dtype.kind not in "SU")
    return hnp.arrays(numbers, ()).map(lambda array: array[()])


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.sampled_from(
        [
            b"x" * OUT_OF_LINE_THRESHOLD,
            "x" * OUT_OF_LINE_THRESHOLD,
            b"y" * (OUT_OF_LINE_THRESHOLD - 1),
            np.arange(OUT_OF_LINE_THRESHOLD),
        ]
    )
)
NUMBERS = st.complex_numbers()
SMALL_ARRAYS = arrays(PLAIN_DTYPES | TABLE_DTYPES)


def documents(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5)
            | st.lists(inner, min_size=16, max_size=20)
        ),
        max_leaves=12,
    )


# -- how it is checked ---------------------------------------------------------------------------


def peer_packb(value: Any) -> bytes:
    """Pack with the reference libraries, but for the padding of long doubles."""

    def encode(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = np.ndarray(value.shape, value.dtype, raw_bytes(value))
        return msgpack_numpy.encode(value)

    packed: bytes = msgpack.packb(value, default=encode)
    return packed


def assert_ours(value: Any) -> None:
    """Every array of a decoded document is writable and aligned."""
    if isinstance(value, np.ndarray):
        assert type(value) is np.ndarray
        assert value.flags.writeable
        assert value.flags.aligned
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            assert_ours(item)


# -- arrays --------------------------------------------------------------------------------------


@given(arrays(PLAIN_DTYPES | TABLE_DTYPES))
def test_arrays_are_exchanged_with_msgpack_numpy(array: np.ndarray[Any, Any]) -> None:
    ours = packb(array)
    theirs = peer_packb(array)
    assert ours == theirs
    assert same(unpackb(theirs), np.ascontiguousarray(array).reshape(array.shape))
    read = msgpack.unpackb(ours, object_hook=msgpack_numpy.decode)
    assert same(read, unpackb(ours))


@given(arrays(PLAIN_DTYPES | TABLE_DTYPES | DATE_DTYPES | hnp.nested_dtypes(max_itemsize=100)))
def test_arrays_there_and_back(array: np.ndarray[Any, Any]) -> None:
    document = packb(array)
    read = unpackb(document)
    assert_ours(read)
    assert read.dtype == array.dtype
    assert read.shape == array.shape
    assert raw_bytes(read) == raw_bytes(array)
    assert packb(read) == document
    assert same(from_map(unpackb(packb(array, arrays="map"))), read)


@given(scalars(PLAIN_DTYPES | DATE_DTYPES))
def test_scalars_there_and_back(scalar: np.generic) -> None:
    (read,) = unpackb(packb([scalar]))
    if isinstance(read, np.generic):  # what Python has no type for
        assert scalar.dtype.kind in "mMfc"
        assert read.dtype == scalar.dtype
    else:
        assert type(read) is type(scalar.item()) or scalar.dtype.char in "gG"
    assert read == scalar or (read != read and scalar != scalar)


@given(scalars(PLAIN_DTYPES))
def test_scalars_of_msgpack_numpy_are_the_same_as_ours(scalar: np.generic) -> None:
    (theirs,) = unpackb(msgpack.packb([scalar], default=msgpack_numpy.encode))
    (ours,) = unpackb(packb([scalar]))
    assert same(theirs, ours)


# -- documents -----------------------------------------------------------------------------------


@given(documents(LEAVES | SMALL_ARRAYS | NUMBERS))
def test_documents_are_exchanged_with_msgpack(document: Any) -> None:
    ours = packb(document)
    assert ours == peer_packb(document)
    read = unpackb(ours)
    assert_ours(read)
    assert same(read, msgpack.unpackb(ours, object_hook=msgpack_numpy.decode))
    assert packb(read) == ours


@given(documents(LEAVES | SMALL_ARRAYS), st.integers(0, 15))
def test_owned_buffers_are_read_alike(document: Any, offset: int) -> None:
    packed = packb(document)
    buffer = owned(packed, offset)
    value, moved = unpack_owned(buffer)
    assert same(value, unpackb(packed))
    assert_ours(value)
    assert received(buffer, moved) == packed


KEYS = (
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.integers(-(2**63), 2**64 - 1)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False)
)


@given(st.dictionaries(KEYS, st.integers(0, 9), max_size=5))
def test_keys_are_those_of_json(document: dict[Any, int]) -> None:
    texts = [key if isinstance(key, str) else packed_key(key) for key in document]
    if len(set(texts)) < len(texts):
        return
    assert list(unpackb(packb(document))) == texts
    theirs = msgpack.packb(document)
    assert unpackb(theirs) == unpackb(packb(document))


def packed_key(key: Any) -> str:
    """Python's ``json`` writes the same, ``None`` and the infinities aside."""
    if key is None:
        return "None"
    if isinstance(key, float) and key in (float("inf"), float("-inf")):
        return str(key)
    (text,) = json.loads(json.dumps({key: 1}))
    return str(text)

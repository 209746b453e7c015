"""Every reader of msgpack finds in a document what was packed, whatever its names look like."""

from __future__ import annotations

import itertools
from typing import Any

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binary_middleware import packb, unpackb
from binary_middleware.formats.msgpack import pack_buffers
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from tests.fuzz import reader
from tests.sameness import same

FORMS = ("numpy", "map")


def read_by_all(packed: bytes) -> Any:
    """Return the document that three independent readers agree on."""
    found = [
        reader.read(packed),
        msgspec.msgpack.decode(packed),
        msgpack.unpackb(packed, strict_map_key=False, use_list=True),
    ]
    assert same(found[0], found[1])
    assert same(found[0], found[2])
    return found[0]


def written(value: Any, form: str) -> Any:
    """Return the form of a value in the document: arrays are maps."""
    if isinstance(value, dict):
        return {key: written(item, form) for key, item in value.items()}
    if isinstance(value, list):
        return [written(item, form) for item in value]
    if not isinstance(value, np.ndarray):
        return value
    shape, dtype, data = list(value.shape), value.dtype, value.tobytes()
    fields = lists(dtype.descr) if dtype.kind == "V" else None
    if form == "map":
        return {"shape": shape, "dtype": fields if dtype.names else str(dtype), "data": data}
    kind = b"" if fields is None else b"V"
    type_ = dtype.str if fields is None else fields
    return {b"nd": True, b"type": type_, b"kind": kind, b"shape": shape, b"data": data}


def lists(value: Any) -> Any:
    return list(map(lists, value)) if isinstance(value, (list, tuple)) else value


# Names that hold keys of an array map as msgpack writes them, or nearly: the UTF-8 of "ä" and "Ĥ"
# ends in 0xA4, that of "å" and "ĥ" in 0xA5, and 0x80 to 0x9F stand at the end of other letters.
PIECES = [
    *("data", "shape", "dtype", "nd", "type", "kind", "ä", "Ĥ", "å", "ĥ", "Ã", "䃃", "À", "Ą"),
    *("\x04data", "\x05shape", "\x05dtype", "\0\0\0\x04data", "\0\x05dtype", "\xa4data", "\0"),
]
NAMES = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    min_size=1,
    max_size=4,
).map("".join)
FIELD_NAMES = NAMES.filter(bool)
PLAIN = st.sampled_from(["u1", "<f4", ">i8", "<U3", "S5", "<M8[s]", "V7", "?"])


def structured(fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    field = st.tuples(FIELD_NAMES, fields)
    return st.lists(field, min_size=1, max_size=4, unique_by=lambda field: field[0])


DTYPES = PLAIN | st.recursive(structured(PLAIN), structured, max_leaves=4)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    dtype = np.dtype(draw(DTYPES))
    count = draw(
        st.sampled_from(
            [0, 1, OUT_OF_LINE_THRESHOLD // dtype.itemsize, 1 + 70_000 // dtype.itemsize]
        )
    )
    shape = draw(st.sampled_from([(count,), (1, count), (count, 1, 1)]))
    return np.zeros(shape, dtype)


SMALL = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | NAMES
LEAVES = (
    SMALL
    | st.binary(max_size=9)
    | st.sampled_from([OUT_OF_LINE_THRESHOLD, 70_000]).map(bytes)
    | arrays()
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(NAMES, inner, max_size=20),
    max_leaves=12,
)


@given(DOCUMENTS, st.sampled_from(FORMS))
def test_readers_agree_on_any_document(document: Any, form: str) -> None:
    buffers = pack_buffers(document, arrays=form)
    assert same(read_by_all(b"".join(buffers)), written(document, form))
    for start, buffer in zip(
        itertools.accumulate(map(len, buffers), initial=0), buffers, strict=False
    ):
        if form == "map" and isinstance(buffer, memoryview) and isinstance(buffer.obj, np.ndarray):
            assert start % 8 == 0


@pytest.mark.parametrize("form", FORMS)
@given(name=FIELD_NAMES, title=st.none() | FIELD_NAMES)
def test_readers_agree_at_every_offset(form: str, name: str, title: str | None) -> None:
    field = name if title in (None, name) else (title, name)
    array = np.zeros(OUT_OF_LINE_THRESHOLD, [(field, "u1")])
    for shift in range(8):
        document = {"x" * shift: array, "message": "hello"}
        assert same(read_by_all(packb(document, arrays=form)), written(document, form))


@pytest.mark.parametrize("name", ["ädata", "ådtype", "åshape", "äädata", "ådtypeädata"])
def test_a_name_that_looks_like_a_key_forges_no_document(name: str) -> None:
    r"""The bytes of ``\\xa4data`` stand in such a name, and once were made longer for alignment."""
    forged = "\x93\x01\x02\x03" * 20
    array = np.zeros(OUT_OF_LINE_THRESHOLD, [(name, "u1"), (forged, "u1")])
    for shift in range(8):
        document = [{"x" * shift: 0}, {"a": array, "b": "from the app"}]
        packed = packb(document, arrays="map")
        assert same(read_by_all(packed), written(document, "map"))
        assert unpackb(packed)[1]["b"] == "from the app"


@pytest.mark.parametrize("count", [1, 15, 16, 17, 65_535, 65_536])
@pytest.mark.parametrize("place", [0, -1])
def test_headers_of_containers_of_any_size(count: int, place: int) -> None:
    large = np.zeros(OUT_OF_LINE_THRESHOLD, "u1")
    items: list[Any] = [None] * count
    items[place] = large
    for document in (items, dict(zip(map(str, range(count)), items, strict=True))):
        assert same(read_by_all(packb(document)), written(document, "numpy"))


def test_nothing_but_the_document_is_in_the_document() -> None:
    """What is large is written once, and nothing marks its place."""
    document = [
        1,
        bytes(OUT_OF_LINE_THRESHOLD),
        {"a": bytes(OUT_OF_LINE_THRESHOLD), "b": [bytes(OUT_OF_LINE_THRESHOLD)]},
        "z",
    ]
    assert packb(document) == msgpack.packb(document)
    assert packb(bytes(OUT_OF_LINE_THRESHOLD)) == msgpack.packb(bytes(OUT_OF_LINE_THRESHOLD))

"""``inspect``: any msgpack body as a tree, also one that would be refused or is cut short."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from binary_middleware import BinaryError, packb, unpackb
from binary_middleware.cli.msgpack_items import quick_end, skip
from binary_middleware.cli.msgpack_tree import MsgpackTree
from binary_middleware.cli.tree import Limits, drawn
from tests.cli.shell import run

DOCUMENT = {
    "rate": 44100.0,
    "samples": np.array([[1, 2, 3], [4, 5, 6]], "f4"),
    "icon": b"\x89PNG\r\n\x1a\n" + bytes(300),
    "tags": [1, [True, {"a": None}], []],
    "note": "red \x1b[31m",
    "phase": 1 + 2j,
    "day": np.array(["2026-01-31"], "M8[D]"),
}
TREE = """\
map of 7, 520 B
├─ rate: 44100.0
├─ samples: ndarray float32 (2, 3), 24 B: 1.0 2.0 3.0 4.0 5.0 6.0
├─ icon: bin, 308 B, png: 89 50 4e 47 0d 0a 1a 0a 00 00 00 00 00 00 00 00...
├─ tags: array of 3, 9 B
│  ├─ 0: 1
│  ├─ 1: array of 2, 6 B
│  │  ├─ 0: true
│  │  └─ 1: map of 1, 4 B
│  │     └─ a: null
│  └─ 2: array of 0, 1 B
├─ note: "red \\x1b[31m"
├─ phase: complex (1+2j)
└─ day: ndarray datetime64[D] (1,), 8 B: 2026-01-31
"""


def tree(data: bytes, **limits: int) -> list[str]:
    """The lines of a body."""
    shown = Limits(**limits)
    return list(drawn(MsgpackTree(memoryview(data), shown).entries(), shown))


def problem(data: bytes, **limits: int) -> str:
    """Why a body is not one whole document."""
    shown = Limits(**limits)
    body = MsgpackTree(memoryview(data), shown)
    for _ in drawn(body.entries(), shown):
        pass
    body.check()
    return body.problem


def test_a_document_as_a_tree(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(packb(DOCUMENT))
    assert run("inspect", file) == (0, TREE, "")


def test_standard_input_and_offsets() -> None:
    done = run("inspect", "--offsets", "--items", "2", "--depth", "1", "-", stdin=packb(DOCUMENT))
    assert done == (
        0,
        "  0  map of 7, 520 B\n"
        "  6  ├─ rate: 44100.0\n"
        " 23  ├─ samples: ndarray float32 (2, 3), 24 B: 1.0 2.0 3.0 4.0 5.0 6.0\n"
        "     └─ ... 5 more\n",
        "",
    )


def test_a_terminal_without_line_characters() -> None:
    body = packb([["e", "\u0394"], 1])
    done = run("inspect", "-", stdin=body, environment={"PYTHONIOENCODING": "cp1252"})
    assert done.code == 0
    assert done.out.splitlines() == [
        "array of 2, 8 B",
        "+- 0: array of 2, 6 B",
        '|  +- 0: "e"',
        '|  `- 1: "\\u0394"',
        "`- 1: 1",
    ]


def test_cut_short_is_shown_up_to_there() -> None:
    done = run("inspect", "-", stdin=packb(DOCUMENT)[:60])
    assert done.code == 1
    assert done.err == "Not one whole msgpack document: the input ends at byte 60\n"
    assert done.out.splitlines()[0] == "map of 7"
    assert done.out.splitlines()[3] == "│  ├─ b'nd': true"
    assert done.out.splitlines()[-1] == "│  └─ the input ends at byte 60; missing here: 1 of 5"


def test_a_last_item_that_is_cut_short_is_not_the_last_line() -> None:
    assert tree(b"\x91\xc4\x05ab") == [
        "array of 1",
        "├─ 0: bin, 5 B announced, of which there are 2 B",
        "└─ the input ends at byte 5",
    ]
    assert tree(b"\x95\x01\x02\x03", items=2) == [
        "array of 5",
        "├─ 0: 1",
        "├─ 1: 2",
        "├─ ... 3 more",
        "└─ the input ends at byte 4; missing here: 3 of 5",
    ]


def test_no_file_is_a_mistake(tmp_path: Path) -> None:
    done = run("inspect", tmp_path / "nothing")
    assert done.code == 2
    assert "does not exist" in done.err


# -- what would be refused -------------------------------------------------------------------------


class Boom:
    def __reduce__(self) -> Any:
        return (print, ("UNPICKLED",))


def test_a_pickle_is_shown_and_never_unpickled() -> None:
    body = msgpack.packb({"o": np.array([Boom()], dtype=object)}, default=msgpack_numpy.encode)
    done = run("inspect", "-", stdin=body)
    assert done.code == 0
    assert "# refused: object arrays are refused: their data is a pickle" in done.out
    assert "b'data': bin" in done.out
    assert "UNPICKLED\n" not in done.out + done.err


@pytest.mark.parametrize(
    ("body", "line"),
    [
        pytest.param(
            packb(np.zeros(2)).replace(b"<f8", b"i4,"), "refused: dtype 'i4,' is not", id="dtype"
        ),
        pytest.param(packb(np.zeros(2))[:-16] + b"", "the input ends", id="no data"),
        pytest.param(
            packb(np.zeros(2)).replace(b"shape\x91\x02", b"shape\x91\x03"),
            "refused: ",
            id="shape",
        ),
        pytest.param(
            b"\xc7\x03\x05abc",
            "ext 5, 3 B: 61 62 63  # refused: msgpack extension 5 is not known",
            id="ext",
        ),
        pytest.param(b"\xd4\xff\x00", "ext -1, 1 B: 00  # refused: not a timestamp", id="time"),
        pytest.param(
            b"\x81\xc4\x01a\x01",
            "b'a': 1  # refused: a key must be a string, not binary",
            id="binary key",
        ),
        pytest.param(
            b"\x81\x92\x01\x02\x03",
            "(array of 2 as a key): 3  # refused: a key must be a string",
            id="array as a key",
        ),
        pytest.param(
            b"\x81\xd4\x05\x00\x03",
            "(ext 5 as a key): 3  # refused: a key must be a string",
            id="ext as a key",
        ),
        pytest.param(
            b"\x82\xa11\x01\x01\x02",
            "1 (int): 2  # refused: the key 1 stands twice, in two types",
            id="key twice as text",
        ),
        pytest.param(b"\xa3a\xffb", '"a\\\\xffb"  # refused: not UTF-8 at byte 2', id="UTF-8"),
        pytest.param(b"\x81\xa1\xff\x01", "# refused: not UTF-8 at byte 2", id="key not UTF-8"),
    ],
)
def test_what_is_refused_is_shown_with_the_reason(body: bytes, line: str) -> None:
    assert line in "\n".join(tree(body))
    with pytest.raises(BinaryError):
        unpackb(body)


@pytest.mark.parametrize(("key", "label"), [(b"\xa1a", "a"), (b"\x07", "7 (int)")])
def test_a_key_that_stands_twice_is_taken_and_noted(key: bytes, label: str) -> None:
    body = b"\x82" + key + b"\x01" + key + b"\x02"
    assert tree(body)[-1] == f"└─ {label}: 2  # the key stands twice: the last one counts"
    assert list(unpackb(body).values()) == [2]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the input ends at byte 0"),
        (b"\xc1", "0xc1 is no code of msgpack at byte 0"),
        (b"\x92\x01\xc1", "0xc1 is no code of msgpack at byte 2"),
        (b"\xcd\x01", "the input ends in the header of an item at byte 2"),
        (b"\xc4\x05abc", "the input ends at byte 5"),
        (b"\x01\x02", "1 bytes follow the document, from byte 1"),
        (b'{"a": 1}', "7 bytes follow the document, from byte 1; this looks like JSON"),
        (b"\x1f\x8b\x08", "2 bytes follow the document, from byte 1; this looks like gzip: unpack"),
    ],
)
def test_what_is_not_one_whole_document(body: bytes, said: str) -> None:
    assert problem(body).startswith(said)


def test_a_problem_beyond_what_is_shown_is_found() -> None:
    assert problem(b"\x93\x01\x02\xc1", lines=1) == "0xc1 is no code of msgpack at byte 3"
    assert problem(b"\x93\x01\x02\xc1", items=1) == "0xc1 is no code of msgpack at byte 3"
    assert problem(b"\x91\x91\x91\xc1", depth=1) == "0xc1 is no code of msgpack at byte 3"


# -- other forms of values -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (np.array(5, "i1"), "ndarray int8 (), 1 B: 5"),
        (np.zeros((0, 3)), "ndarray float64 (0, 3), 0 B"),
        (np.array(["a\x1b", "b"]), 'ndarray <U2 (2,), 16 B: "a\\x1b" "b"'),
        (np.array([b"\x00\xff"]), "ndarray |S2 (1,), 2 B: b'\\x00\\xff'"),
        (np.array(["NaT"], "M8[ns]"), "ndarray datetime64[ns] (1,), 8 B: NaT"),
        (
            np.array([(1, 2.5)], [("id", "<i4"), ("x", "<f4")]),
            "ndarray [('id', '<i4'), ('x', '<f4')] (1,), 8 B: (1, 2.5)",
        ),
        (np.arange(100), "ndarray int64 (100,), 800 B: 0 1 2 3 4 5 6 7 ..."),
        (2**64 - 1, "18446744073709551615"),
        (-(2**63), "-9223372036854775808"),
        (float("nan"), "nan"),
        ("x" * 61, f'str, 61 B: "{"x" * 60}"...'),
        ("\u202eevil", '"\\u202eevil"'),
        ({"": 1}, 'map of 1, 3 B\n└─ "": 1'),
        ({"a: b": 1}, 'map of 1, 7 B\n└─ "a: b": 1'),
    ],
)
def test_values(value: Any, line: str) -> None:
    assert tree(packb(value)) == line.split("\n")


def test_what_only_other_encoders_write() -> None:
    assert tree(b"\xca\x3f\x00\x00\x00") == ["0.5 (float32)"]
    assert tree(b"\xd6\xff\x00\x00\x00\x00") == ["timestamp 1970-01-01T00:00:00+00:00"]
    assert tree(packb(np.arange(2, dtype="u1"), arrays="map")) == [
        "ndarray uint8 (2,), 2 B: 0 1 (string keys)"
    ]
    scalar = msgpack.packb(np.float32(0.5), default=msgpack_numpy.encode)
    assert tree(scalar) == ["0.5 (numpy scalar)"]
    # Dates without a unit have no text.
    date = msgpack.packb({b"nd": False, b"type": "<M8", b"data": b"\x01" + bytes(7)})
    assert tree(date) == ["ndarray datetime64 (), 8 B: 01 00 00 00 00 00 00 00 (numpy scalar)"]
    chains = msgpack.packb({b"__decimal__": True, b"data": "1.50"})
    assert tree(chains) == ["Decimal 1.50"]


def test_a_string_keyed_map_that_is_no_array_is_a_map() -> None:
    assert tree(packb({"shape": [3], "dtype": "uint8", "data": b"ab"})) == [
        "map of 3, 30 B",
        "├─ shape: array of 1, 2 B",
        "│  └─ 0: 3",
        '├─ dtype: "uint8"',
        "└─ data: bin, 2 B: 61 62",
    ]


# -- hostile input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x91" * 200_000, id="deep and cut short"),
        pytest.param(b"\x91" * 200_000 + b"\x01", id="deep"),
        pytest.param(b"\xdd\x00\x20\x00\x00" + b"\xc0" * 0x200000, id="wide"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="array announced"),
        pytest.param(b"\xdf\xff\xff\xff\xff\x01", id="map announced"),
        pytest.param(b"\xc6\xff\xff\xff\xff\x01", id="bin announced"),
        pytest.param(b"\xdd\x00\x10\x00\x00" + b"\x80" * 0x100000, id="empty maps"),
        pytest.param(b"\x81\xdb\x00\x10\x00\x00" + b"k" * 0x100000 + b"\x01", id="long key"),
        pytest.param(
            b"\x85" + packb(b"nd") + b"\xc3" + packb(b"type") + b"\x91" * 100_000, id="deep dtype"
        ),
    ],
)
def test_little_memory_whatever_is_announced(body: bytes) -> None:
    tracemalloc.start()
    try:
        lines = tree(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(lines) < 50
    assert max(map(len, lines)) < 250
    assert peak < 4 * len(body) + 1_000_000


def test_lines_are_bounded() -> None:
    lines = tree(packb([[1] * 19] * 19), lines=10)
    assert len(lines) == 11
    assert lines[-1] == "... stopped after 10 lines; --lines shows more"


def scalars() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(),
        st.binary(), st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
    )  # fmt: skip


DOCUMENTS = st.recursive(
    scalars(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers(), st.binary()), inner),
    ),
    max_leaves=20,
)
LIMITS = st.builds(dict, items=st.integers(1, 4), depth=st.integers(1, 4), lines=st.integers(1, 9))


@given(st.binary(max_size=200), LIMITS)
@example(b"\xc7\x00\xff", {"items": 1, "depth": 1, "lines": 1})
def test_no_bytes_can_break_it(data: bytes, limits: dict[str, int]) -> None:
    for line in tree(data, **limits):
        assert line.isprintable()
    # What msgpack itself reads is one whole document.
    try:
        msgpack.unpackb(data, strict_map_key=False, unicode_errors="surrogateescape")
    except Exception:
        return
    assert problem(data, **limits) == ""


@given(DOCUMENTS, st.data())
def test_documents_and_what_is_left_of_them(document: Any, data: st.DataObject) -> None:
    try:
        body = msgpack.packb(document)
    except (OverflowError, ValueError):  # an integer as a key that is too large
        return
    assert problem(body) == ""
    assert skip(memoryview(body), 0, 1) == len(body) == quick_end(memoryview(body), 0)
    end = data.draw(st.integers(0, len(body) - 1))
    assert problem(body[:end])
    assert tree(body[:end])


@given(
    st.binary(max_size=40),
    st.sampled_from(["<f4", "|S3", "<U2", "<M8[ns]", "<M8[25Y]", "|b1", "<c16", "|V7", "<f2"]),
)
def test_arrays_of_any_bytes(data: bytes, dtype: str) -> None:
    size = np.dtype(dtype).itemsize
    data = data[: len(data) // size * size]
    body = msgpack.packb(
        {b"nd": True, b"type": dtype, b"kind": b"", b"shape": [len(data) // size], b"data": data}
    )
    line, *more = tree(body)
    if more:
        assert dtype == "<U2"
        assert "refused: text arrays must hold Unicode characters" in line
    else:
        assert line.startswith("ndarray ")
    assert all(map(str.isprintable, (line, *more)))


def test_skipping_agrees_for_every_code() -> None:
    for code in range(256):
        body = bytes([code]) + struct.pack(">I", 0) * 8 + b"\xc0" * 40
        quick = quick_end(memoryview(body), 0)
        if code == 0xC1:
            assert quick is None
        else:
            assert quick == skip(memoryview(body), 0, 1), hex(code)


def test_arrays_of_many_dimensions(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(packb(np.ones((1,) * 60, "u1")))
    done = run("inspect", tmp_path / "body")
    assert done.code == 0
    assert done.out.startswith("ndarray uint8 (1, 1, ")
    assert done.out.endswith("1 B: 1\n")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no such device")
def test_what_never_ends_is_one_line() -> None:
    done = run("inspect", "/dev/zero")
    assert (done.code, done.out) == (1, "")
    assert done.err == "Error: /dev/zero is over 1 GiB: save it in a file first\n"

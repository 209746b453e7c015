"""``inspect``: any msgpack body as a tree, also one that is refused or cut short."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binary_middleware import BinaryError, packb, unpackb
from tests.cli.shell import run
from tests.cli.test_tree import DOCUMENTS

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
map of 7
├── rate: 44100.0
├── samples: ndarray float32 (2, 3), 24 B: 1.0 2.0 3.0 4.0 5.0 6.0
├── icon: bin, 308 B, png: 89 50 4e 47 0d 0a 1a 0a 00 00 00 00 00 00 00 00...
├── tags: array of 3
│   ├── 0: 1
│   ├── 1: array of 2
│   │   ├── 0: true
│   │   └── 1: map of 1
│   │       └── a: null
│   └── 2: array of 0
├── note: "red \\x1b[31m"
├── phase: complex (1+2j)
└── day: ndarray datetime64[D] (1,), 8 B: 2026-01-31
"""
NOT_WHOLE = "Not one whole msgpack document: "


def test_a_document_as_a_tree(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(packb(DOCUMENT))
    assert run("inspect", file) == (0, TREE, "")
    assert run("inspect", "-", stdin=packb(DOCUMENT)) == (0, TREE, "")


def test_a_terminal_without_line_characters() -> None:
    done = run("inspect", "-", stdin=packb([["e", "\u0394"], 1]), charset="cp1252")
    assert done.code == 0
    assert done.out.splitlines() == [
        "array of 2",
        "+-- 0: array of 2",
        '|   +-- 0: "e"',
        '|   `-- 1: "\\u0394"',
        "`-- 1: 1",
    ]


def test_forms_of_other_encoders() -> None:
    scalar = msgpack.packb(np.float32(0.5), default=msgpack_numpy.encode)
    for body, line in (
        (b"\xca\x3f\x00\x00\x00", "0.5"),
        (b"\xd6\xff\x00\x00\x00\x00", "datetime 1970-01-01 00:00:00+00:00"),
        (packb(np.arange(2, dtype="u1"), arrays="map"), "ndarray uint8 (2,), 2 B: 0 1 (string k"),
        (scalar, "0.5"),
        (msgpack.packb({b"__decimal__": True, b"data": "1.50"}), "Decimal 1.50"),
        (b"\x81\x07\x01", "map of 1\n└── 7: 1"),
    ):
        done = run("inspect", "-", stdin=body)
        assert done.out.startswith(line)
        assert (done.code, done.err) == (0, "")


# -- bodies that are not one whole document --------------------------------------------------------


def test_a_body_that_is_cut_short_is_shown_as_far_as_it_goes() -> None:
    done = run("inspect", "-", stdin=packb(DOCUMENT)[:-5])
    assert done.code == 1
    assert done.out.splitlines()[:-1] == TREE.splitlines()[:-1]
    assert done.out.splitlines()[-1].startswith("└── day: ndarray datetime64[D] (1,), 8 B: ")
    assert done.err == (
        f"{NOT_WHOLE}the input ends at byte 515; zeros are shown for 5 or more bytes that are "
        "missing\n"
    )
    done = run("inspect", "-", stdin=b"\x92\x01\xc4\x05ab")
    assert done.out == "array of 2\n├── 0: 1\n└── 1: bin, 5 B: 61 62 00 00 00\n"
    assert "zeros are shown for 3 or more bytes" in done.err


def test_documents_one_after_another() -> None:
    done = run("inspect", "-", stdin=packb({"a": [1]}) + b"\x07" + packb([1, {"b": 3}])[:-1])
    assert done.code == 1
    assert done.out.splitlines() == [
        "map of 1",
        "└── a: array of 1",
        "    └── 0: 1",
        "document 2, from byte 5:",
        "7",
        "document 3, from byte 6:",
        "array of 2",
        "├── 0: 1",
        "└── 1: map of 1",
        "    └── b: 0",
    ]
    first, third = done.err.splitlines()
    assert first == f"{NOT_WHOLE}6 bytes follow the first document, from byte 5"
    assert third.startswith(f"document 3: {NOT_WHOLE}the input ends at byte 5; ")
    done = run("inspect", "-", "--items", "2", stdin=b"\x01" * 9)
    assert done.out == "1\ndocument 2, from byte 1:\n1\n... more documents; --items shows more\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the input ends at byte 0"),
        (b"\xdd\xff\xff\xff\xff", "the input ends at byte 5"),
        (b"\xcd\x01", "the input ends at byte 2; zeros are shown for 1 or more"),
        (b"\xc1", "the body is not msgpack: invalid opcode '\\xc1' (byte 0)"),
        (b"\x92\x01\xc1", "the body is not msgpack: invalid opcode '\\xc1' (byte 2)"),
        (b"\x93\x01\xa3a\xffb\x01", "the body is not msgpack: a string is not UTF-8 (byte 3)"),
        (b"\xd4\xff\x00", "the body is not msgpack: invalid MessagePack timestamp"),
        (b'{"a": 1}', "7 bytes follow the first document, from byte 1; this looks like JSON"),
        (b"\x1f\x8b\x08", "2 bytes follow the first document, from byte 1; this looks like gzip"),
    ],
)
def test_what_is_not_one_whole_document(body: bytes, reason: str) -> None:
    for limits in ([], ["--items", "1", "--lines", "1", "--depth", "1"]):
        done = run("inspect", "-", *limits, stdin=body)
        assert done.code == 1
        assert done.err.startswith(NOT_WHOLE + reason)
        assert done.err.count("\n") == 1


# -- bodies that are refused -----------------------------------------------------------------------


class Boom:
    def __reduce__(self) -> Any:
        return (print, ("UNPICKLED",))


def test_a_pickle_is_shown_and_never_unpickled() -> None:
    body = msgpack.packb({"o": np.array([Boom()], dtype=object)}, default=msgpack_numpy.encode)
    done = run("inspect", "-", stdin=body)
    assert done.code == 1
    assert done.err == "Refused: object arrays are refused: their data is a pickle (at $.o)\n"
    assert "    └── b'data': bin" in done.out
    assert "UNPICKLED\n" not in done.out + done.err


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (packb(np.zeros(2)).replace(b"<f8", b"i4,"), "b'type': \"i4,\""),
        (packb(np.zeros(2)).replace(b"shape\x91\x02", b"shape\x91\x03"), "0: 3"),
        (b"\xc7\x03\x05abc", "ext 5, 3 B: 61 62 63"),
        (b"\x81\xc4\x01a\x01", "b'a': 1"),
        (b"\x81\x92\x01\x02\x03", "(1, 2): 3"),
        (b"\x82\xa11\x01\x01\x02", "1: 2"),
        (b"\x91" * 1000 + b"\x01", ""),
    ],
    ids=["dtype", "shape", "extension", "binary key", "array as a key", "key twice", "deep"],
)
def test_what_is_refused_is_shown_with_the_reason(body: bytes, line: str) -> None:
    with pytest.raises(BinaryError) as caught:
        unpackb(body)
    done = run("inspect", "-", stdin=body)
    assert (done.code, done.err) == (1, f"Refused: {caught.value}\n")
    assert line in done.out


def test_the_limit_of_structure_can_be_set() -> None:
    body = packb([{"a": [1, 2]}] * 500)
    assert run("inspect", "-", stdin=body).code == 0
    done = run("inspect", "--max-structure-size", "1KiB", "-", stdin=body)
    assert (done.code, done.out) == (1, "")
    assert "over max_structure_size (1024 bytes)" in done.err


@pytest.mark.parametrize(
    "body",
    [
        b"\x91" * 200_000,  # deep and cut short
        b"\x91" * 200_000 + b"\x01",
        b"\xdd\x00\x20\x00\x00" + b"\xc0" * 0x200000,  # wide
        b"\xdd\xff\xff\xff\xff",  # an array that is not there
        b"\xdf\xff\xff\xff\xff\x01",
        b"\xc6\xff\xff\xff\xff\x01",
        b"\x81\xdb\x00\x10\x00\x00" + b"k" * 0x100000 + b"\x01",  # a long key
        b"\x85" + packb(b"nd") + b"\xc3" + packb(b"type") + b"\x91" * 100_000,  # a deep dtype
    ],
    ids=lambda body: body[:5].hex(),
)
def test_little_memory_whatever_is_announced(body: bytes) -> None:
    run("inspect", "-", stdin=b"\x01")  # everything is imported
    tracemalloc.start()
    try:
        done = run("inspect", "-", stdin=body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    lines = (done.out + done.err).splitlines()
    assert len(lines) < 50
    assert max(map(len, lines)) < 250
    assert peak < 12 * len(body) + 2_000_000


@given(st.binary(max_size=200))
def test_no_bytes_can_break_it(body: bytes) -> None:
    done = run("inspect", "-", "--items", "3", stdin=body)
    assert all(map(str.isprintable, (done.out + done.err).splitlines()))
    try:
        unpackb(body)
    except BinaryError:
        assert done.code == 1
        assert done.err
    else:
        assert (done.code, done.err) == (0, "")


@given(DOCUMENTS, st.data())
def test_documents_and_what_is_left_of_them(document: Any, data: st.DataObject) -> None:
    body = packb(document)
    assert run("inspect", "-", stdin=body)[::2] == (0, "")
    end = data.draw(st.integers(0, len(body) - 1))
    done = run("inspect", "-", stdin=body[:end])
    assert done.code == 1
    assert done.err.startswith(f"{NOT_WHOLE}the input ends at byte {end}")


# -- files -----------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "nothing", "No such file"), (tmp_path, "Is a directory")):
        done = run("inspect", path)
        assert (done.code, done.out) == (2, "")
        assert reason in done.err.splitlines()[-1]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no such device")
def test_what_never_ends_is_one_line() -> None:
    done = run("inspect", "/dev/zero")
    assert (done.code, done.out) == (1, "")
    assert done.err == "Error: /dev/zero is longer than 1 GiB: save it in a file first\n"

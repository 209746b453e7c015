"""The lines of values, and the kinds of bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from binary_middleware.cli._console import format_size, printable
from binary_middleware.cli._tree import Limits, file_extension, tree_of
from tests.cli.apps import PNG

LIMITS = st.builds(
    Limits,
    items=st.integers(1, 4),
    depth=st.integers(1, 4),
    lines=st.integers(1, 9),
    width=st.integers(1, 9),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(),
    st.binary(),
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(max_size=5), inner, max_size=5),
    ),
    max_leaves=20,
)


def tree(document: Any, limits: Limits | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=1_000_000, markup=False, highlight=False)
    console.print(tree_of(document, limits or Limits()))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (np.array(5, "i1"), "ndarray int8 (), 1 B: 5"),
        (np.zeros((0, 3)), "ndarray float64 (0, 3), 0 B"),
        (np.array(["a\x1b", "b"]), 'ndarray <U2 (2,), 16 B: "a\\x1b" "b"'),
        (np.array([b"\x00\xff"]), "ndarray |S2 (1,), 2 B: b'\\x00\\xff'"),
        (np.array(["NaT"], "M8[ns]"), "ndarray datetime64[ns] (1,), 8 B: NaT"),
        (
            np.frombuffer(b"\x01" + bytes(7), "<M8"),
            "ndarray datetime64 (1,), 8 B: 01 00 00 00 00 00 00 00",
        ),
        (
            np.frombuffer(b"\x01" + bytes(7), "<M8")[0],
            "ndarray datetime64 (), 8 B: 01 00 00 00 00 00 00 00",
        ),
        (
            np.array([(1, 2.5)], [("id", "<i4"), ("x", "<f4")]),
            "ndarray [('id', '<i4'), ('x', '<f4')] (1,), 8 B: (1, 2.5)",
        ),
        (np.zeros(1, "V300"), f"ndarray |V300 (1,), 300 B: {'00 ' * 15}00..."),
        (np.arange(100), "ndarray int64 (100,), 800 B: 0 1 2 3 4 5 6 7 ..."),
        (np.ones((1,) * 60, "u1"), f"ndarray uint8 ({'1, ' * 59}1), 1 B: 1"),
        (2**64 - 1, "18446744073709551615"),
        (float("nan"), "nan"),
        (None, "null"),
        (True, "true"),
        (1 + 2j, "complex (1+2j)"),
        (b"", "bin, 0 B"),
        (PNG, "bin, 16 B, png: 89 50 4e 47 0d 0a 1a 0a 00 00 00 00 00 00 00 00"),
        ("x" * 61, f'str, 61 characters: "{"x" * 60}"...'),
        ("\u202eevil [red]", '"\\u202eevil [red]"'),
        ({"": 1}, 'map of 1\n└── "": 1'),
        ({"a: b": 1}, 'map of 1\n└── "a: b": 1'),
        ({"k" * 61: []}, f'map of 1\n└── "{"k" * 60}"...: array of 0'),
        (
            {"shape": [2], "dtype": "uint8", "data": b"\0\1"},
            "ndarray uint8 (2,), 2 B: 0 1 (string keys)",
        ),
        (
            {"shape": [3], "dtype": "uint8", "data": b"ab"},
            'map of 3\n├── shape: array of 1\n│   └── 0: 3\n├── dtype: "uint8"\n'
            "└── data: bin, 2 B: 61 62",
        ),
    ],
)
def test_values(value: Any, line: str) -> None:
    assert tree(value) == line.split("\n")


def test_long_elements_are_cut() -> None:
    text = np.array(["x" * 40, "y" * 40, "z"])
    assert tree(text)[0].endswith(f': "{"x" * 40}" ...')
    assert tree(text, Limits(width=10))[0].endswith(f': "{"x" * 9}... ...')


def test_items_depth_and_lines_are_bounded() -> None:
    document = [[1, 2, [3]], {"a": {"b": 1}}, 4]
    assert tree(document, Limits(items=2, depth=2)) == [
        "array of 3",
        "├── 0: array of 3",
        "│   ├── 0: 1",
        "│   ├── 1: 2",
        "│   └── ... 1 more",
        "├── 1: map of 1",
        "│   └── a: map of 1 ...",
        "└── ... 1 more",
    ]
    lines = tree([[1] * 19] * 19, Limits(lines=10))
    assert len(lines) == 11
    assert lines[-1] == "... stopped after 10 lines; --lines shows more"
    assert len(tree([[]] * 9, Limits(lines=10))) == 10


@given(DOCUMENTS, LIMITS)
def test_any_document_within_any_limits(document: Any, limits: Limits) -> None:
    lines = tree(document, limits)
    assert len(lines) <= limits.lines + 1
    assert all(map(str.isprintable, lines))


@given(
    st.binary(max_size=40),
    st.sampled_from(["<f4", "|S3", "<U2", "<M8[ns]", "<M8[25Y]", "|b1", "<c16", "|V7", "<f2"]),
)
def test_arrays_of_any_bytes(data: bytes, dtype: str) -> None:
    size = np.dtype(dtype).itemsize
    (line,) = tree(np.frombuffer(data[: len(data) // size * size], dtype))
    assert line.startswith("ndarray ")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("start", "extension"),
    [
        (PNG, "png"), (b"\xff\xd8\xff\xe0", "jpg"), (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"), (b"RIFF\0\0\0\0....", ""), (b"GIF89a", "gif"),
        (b"%PDF-1.7", "pdf"), (b"", ""), (b"text", ""),
    ],
)  # fmt: skip
def test_kinds_of_files(start: bytes, extension: str) -> None:
    assert file_extension(start) == file_extension(memoryview(start + bytes(9))) == extension


def test_sizes_for_people() -> None:
    assert [format_size(number) for number in (0, 1023, 1024, 1_000_000, 2**26)] == [
        "0 B", "1023 B", "1.0 KiB", "976.6 KiB", "64.0 MiB",
    ]  # fmt: skip


def test_control_characters_are_escaped() -> None:
    assert printable("ä\x1b[2J\n\u202e\x9b\x7f") == r"ä\x1b[2J\n\u202e\x9b\x7f"

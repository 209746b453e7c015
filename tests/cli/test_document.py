"""The document of a request, made of files and values."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest

from binary_middleware.cli._document import make_document
from tests.cli.apps import PNG, SAMPLES


def test_all_parts_together(folder: Path) -> None:
    (document,) = make_document(
        ["a=1", "b=text", 'c="1"', "d=[1, null]", "e=", "f.g=true", "f.h.i=1e3", "more.b=x=y"],
        "document.json",
        ["arrays=both.npz", "f.samples=samples.npy"],
        ["icon=icon.png"],
    )
    np.testing.assert_array_equal(document["arrays"].pop("second"), np.arange(3))
    np.testing.assert_array_equal(document["arrays"].pop("first"), SAMPLES)
    np.testing.assert_array_equal(document["f"].pop("samples"), SAMPLES)
    assert document == {
        "rate": 8000,
        "more": {"a": [1], "b": "x=y"},
        "a": 1,
        "b": "text",
        "c": "1",
        "d": [1, None],
        "e": "",
        "f": {"g": True, "h": {"i": 1000.0}},
        "icon": PNG,
        "arrays": {},
    }


def test_a_whole_document(folder: Path) -> None:
    assert make_document([], None, [], []) == ()
    np.testing.assert_array_equal(make_document([], None, ["samples.npy"], [])[0], SAMPLES)
    assert make_document([], None, [], ["icon.png"]) == (PNG,)
    (folder / "null.json").write_text("null")
    assert make_document([], "null.json", [], []) == (None,)


@pytest.mark.parametrize(
    ("members", "json_file", "npy", "reason"),
    [
        (["a=1", "a.b=2"], None, [], "a.b: a is already there, and is not a map"),
        (["a.b=2", "a=1"], None, [], "a is given twice"),
        (["rate=1"], "document.json", [], "rate is given twice"),
        ([], "document.json", ["samples.npy"], "two options give the whole document"),
        (["a=1"], None, ["samples.npy"], "members can only be added to a document that is a map"),
        (["a"], None, [], "'a' must be KEY=VALUE"),
        ([], None, ["a=nothing.npy"], "cannot read nothing.npy: No such file"),
        ([], None, ["a=icon.png"], "icon.png is not a .npy or .npz file without pickles"),
        ([], None, ["a=objects.npy"], "objects.npy is not a .npy or .npz file without pickles"),
        ([], "icon.png", [], "icon.png: it is not JSON"),
        ([], "nothing.json", [], "cannot read nothing.json: No such file"),
    ],
)
def test_parts_that_cannot_be_used(
    folder: Path, members: list[str], json_file: str | None, npy: list[str], reason: str
) -> None:
    with pytest.raises(click.UsageError) as caught:
        make_document(members, json_file, npy, [])
    assert caught.value.message.startswith(reason)

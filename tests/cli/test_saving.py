"""Responses as files: their names, and what stands in their way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import numpy as np
import pytest

from binary_middleware.cli._saving import save
from tests.cli.apps import HOSTILE_NAMES
from tests.cli.shell import run


def test_no_name_leads_out_of_the_folder(tmp_path: Path, hostile_url: str) -> None:
    inside = tmp_path / "a" / "b"
    done = run("call", f"{hostile_url}/names", "--out", inside)
    assert done.code == 0
    files = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert {path.parent for path in files} == {inside}
    assert len(files) == len({path.name.lower() for path in files}) == len(HOSTILE_NAMES) + 3
    for path in files:
        assert not path.name.startswith(".")
        assert path.name.isascii()
        assert path.name.isprintable()
        assert len(path.name) < 200
    assert "\x1b" not in done.out + done.err
    np.testing.assert_array_equal(np.load(inside / "nested._____.0.npy"), np.arange(3))
    assert (inside / "nested._____.1.png").exists()
    document = json.loads((inside / "document.json").read_text())
    assert document["../../escaped"] == {"file": "______escaped.bin"}
    assert {document["Twice"]["file"], document["twice"]["file"]} == {"Twice.bin", "twice~2.bin"}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("-rf", "_-rf.bin"),
        ("NUL", "_NUL.bin"),
        ("com1", "_com1.bin"),
        ("console", "console.bin"),
        ("/etc/passwd", "_etc_passwd.bin"),
        ("..", "__.bin"),
        ("a\x00b\n", "a_b_.bin"),
    ],
)
def test_names_of_files(tmp_path: Path, key: str, name: str) -> None:
    paths = save({key: b"x"}, tmp_path, force=False)
    assert [path.name for path in paths] == [name, "document.json"]


def test_a_document_that_is_one_array(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    paths = save(np.arange(2), tmp_path, force=False)
    assert [path.name for path in paths] == ["response.npy", "document.json"]
    assert json.loads(paths[1].read_text()) == {"file": "response.npy"}
    for path in paths:
        assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_files_are_bounded_in_number(tmp_path: Path, hostile_url: str) -> None:
    assert run("call", f"{hostile_url}/many", "--out", tmp_path / "out").code == 0
    assert len(list((tmp_path / "out").iterdir())) == 1001
    document = json.loads((tmp_path / "out" / "document.json").read_text())
    assert document[999] == {"file": "999.bin"}
    assert document[1000] == "eA=="


def test_any_dtype_is_saved_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    document = {
        "a": np.zeros(2, [("\u00e4\u4e2d", "<i4"), ("b", "<M8[s]")]),
        "b": np.zeros((1,) * 60),
        "c": np.zeros(1, "<M8"),
    }
    for path in save(document, tmp_path, force=False)[:3]:
        assert np.load(path).dtype == document[path.stem].dtype
    assert not recwarn


# -- existing files --------------------------------------------------------------------------------


def test_existing_files_are_overwritten_by_force_only(tmp_path: Path, hostile_url: str) -> None:
    mine = tmp_path / "999.bin"
    mine.write_bytes(b"mine")
    arguments = ("call", f"{hostile_url}/many", "--out", tmp_path)
    done = run(*arguments)
    assert done.code == 2
    assert done.err.endswith("is not empty; --force overwrites files in it\n")
    assert mine.read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1
    assert run(*arguments, "--force").code == 0
    assert mine.read_bytes() == b"x"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    os.symlink(target, tmp_path / "response.bin")
    with pytest.raises(click.ClickException, match=r"response\.bin: File exists"):
        save(b"x", tmp_path, force=False)
    assert not target.exists()


def test_links_are_replaced_and_never_followed(tmp_path: Path, hostile_url: str) -> None:
    target, folder = tmp_path / "target", tmp_path / "out"
    target.write_bytes(b"mine")
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir()
    (folder / "1.bin").symlink_to(target)
    (folder / "2.bin").symlink_to(tmp_path / "created")
    (folder / "3.bin").symlink_to(tmp_path / "elsewhere")
    (folder / "document.json").symlink_to(target)
    os.link(target, folder / "4.bin")
    os.mkfifo(folder / "5.bin")
    done = run("call", f"{hostile_url}/many", "--out", folder, "--force")
    assert (done.code, done.err.count("\n")) == (0, 1002)
    assert target.read_bytes() == b"mine"
    assert not (tmp_path / "created").exists()
    assert not list((tmp_path / "elsewhere").iterdir())
    for number in range(1, 6):
        file = folder / f"{number}.bin"
        assert file.is_file()
        assert not file.is_symlink()
        assert file.read_bytes() == b"x"
    assert json.loads((folder / "document.json").read_text())[0] == {"file": "0.bin"}


def test_a_folder_in_the_way_is_one_line(tmp_path: Path, hostile_url: str) -> None:
    (tmp_path / "7.bin" / "more").mkdir(parents=True)
    done = run("call", f"{hostile_url}/many", "--out", tmp_path, "--force")
    assert done.code == 1
    assert done.err.splitlines()[-1].endswith("7.bin: Is a directory")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{n}.bin" for n in range(8)]


@pytest.mark.parametrize("force", [True, False])
def test_no_half_of_a_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    (tmp_path / "document.json").write_text("mine")

    def fail(file: object, array: object, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.save", fail)
    with pytest.raises(click.ClickException, match=r"response\.npy: No space left"):
        save(np.arange(3), tmp_path, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["document.json"]
    assert (tmp_path / "document.json").read_text() == "mine"

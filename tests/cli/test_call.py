"""``call``: requests from the shell, answers as trees and as files."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from binary_middleware.cli.file_kinds import extension_of
from binary_middleware.cli.mistakes import CallFailed, Mistake
from binary_middleware.cli.progress_bar import ProgressBar
from binary_middleware.cli.request_document import document_of
from binary_middleware.cli.saving import save
from binary_middleware.client import TransferProgress
from binary_middleware.client._core import NO_DOCUMENT
from tests.cli.apps import HOSTILE_NAMES
from tests.cli.shell import COMMAND, REPOSITORY, run, run_in_terminal
from tests.client.hostile import answering, response

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
SAMPLES = np.array([[1, 2, 3], [4, 5, 6]], "f4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "samples.npy", SAMPLES)
    np.savez(tmp_path / "both.npz", first=SAMPLES, second=np.arange(3))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "icon.png").write_bytes(PNG)
    (tmp_path / "document.json").write_text('{"rate": 8000, "more": {"a": [1]}}')
    return tmp_path


# -- the whole way ---------------------------------------------------------------------------------


def test_arrays_there_and_back(folder: Path, binary_url: str) -> None:
    done = run(
        "call", f"{binary_url}/signal", "rate=2.5", "--npy", "samples=samples.npy",
        "--file", "icon=icon.png", "--out", "answer", folder=folder,
    )  # fmt: skip
    assert done.code == 0
    assert done.out == (
        "map of 3\n"
        "├─ samples: ndarray float32 (2, 3), 24 B: 2.0 4.0 6.0 8.0 10.0 12.0\n"
        "├─ rate: 2.5\n"
        "└─ icon: bin, 16 B, png: 89 50 4e 47 0d 0a 1a 0a 00 00 00 00 00 00 00 00\n"
    )
    assert done.err.splitlines()[0].startswith("200 OK, application/msgpack, ")
    np.testing.assert_array_equal(np.load(folder / "answer" / "samples.npy"), SAMPLES * 2)
    assert (folder / "answer" / "icon.png").read_bytes() == PNG
    assert json.loads((folder / "answer" / "document.json").read_text()) == {
        "samples": {"file": "samples.npy"},
        "rate": 2.5,
        "icon": {"file": "icon.png"},
    }
    assert len(list((folder / "answer").iterdir())) == 3


def test_json_mode_shows_the_same(folder: Path, binary_url: str) -> None:
    arguments = ("call", f"{binary_url}/signal", "--npy", "samples=samples.npy")
    binary = run(*arguments, folder=folder)
    in_json = run(*arguments, "--json-mode", folder=folder)
    assert "application/json" in in_json.err
    assert in_json.code == binary.code == 0
    samples = "├─ samples: ndarray float32 (2, 3), 24 B: 2.0 4.0 6.0 8.0 10.0 12.0"
    assert samples in in_json.out.splitlines()
    assert samples in binary.out.splitlines()


def test_a_document_from_standard_input_and_header_fields(folder: Path, binary_url: str) -> None:
    done = run(
        "call", f"{binary_url}/fields", "--method", "put", "--header", "X-Test: a: b", "--json",
        "-", "b=null", stdin=b'{"a": 1}',
    )  # fmt: skip
    assert done.code == 0
    assert done.out == 'map of 2\n├─ x-test: "a: b"\n└─ length: 16\n'


def test_get_without_a_document(binary_url: str) -> None:
    done = run("call", f"{binary_url}/sum?first=1&second=2")
    assert (done.code, done.out) == (0, "map of 1\n└─ sum: 3\n")


def test_text_is_printed_without_its_controls(binary_url: str) -> None:
    assert run("call", f"{binary_url}/text").out == "one\ntwo \\x1b[31mred\n"
    assert run("call", f"{binary_url}/rot13").out == "uryyb\n"


def test_a_server_without_binary_mode_is_called_in_json_mode(folder: Path, plain_url: str) -> None:
    arguments = ("call", f"{plain_url}/echo", "--npy", "a=samples.npy", "b=x")
    done = run(*arguments, folder=folder)
    assert done.code == 1
    assert "With --json-mode the client sends JSON to such servers." in done.err
    done = run(*arguments, "--json-mode", folder=folder)
    assert done.code == 0
    assert done.out == (
        'map of 2\n├─ b: "x"\n└─ a: ndarray float32 (2, 3), 24 B: 1.0 2.0 3.0 4.0 5.0 6.0\n'
    )


def test_large_bodies_have_a_bar(folder: Path, binary_url: str) -> None:
    np.save(folder / "large.npy", np.zeros(500_000, "f4"))
    arguments = ("call", f"{binary_url}/signal", "--npy", "samples=large.npy")
    done = run(*arguments, "--progress", folder=folder)
    assert done.code == 0
    for direction in ("upload  ", "download"):
        assert (
            f"{direction} [##############################] 100%  1.91 MiB of 1.91 MiB" in done.err
        )
    assert "\r" not in run(*arguments, folder=folder).err  # it is no terminal


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals")
def test_a_terminal_shows_the_bar_of_its_own_accord(folder: Path, binary_url: str) -> None:
    np.save(folder / "large.npy", np.zeros(500_000, "f4"))
    arguments = ("call", f"{binary_url}/signal", "--npy")
    done = run_in_terminal(*arguments, "samples=large.npy", folder=folder)
    assert done.code == 0
    assert "\rupload   [###" in done.err
    assert "\rdownload [##############################] 100%  1.91 MiB of 1.91 MiB" in done.err
    assert "load" not in run_in_terminal(*arguments, "samples=samples.npy", folder=folder).err
    quiet = run_in_terminal(*arguments, "samples=large.npy", "--no-progress", folder=folder)
    assert "load" not in quiet.err


def test_a_bar_only_where_it_is_worth_one(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar()
    bar(TransferProgress("upload", 500, 1000))
    assert capsys.readouterr().err == ""
    bar(TransferProgress("upload", 2**20, 2**21))
    bar(TransferProgress("download", 2**21, None))
    bar.end_line()
    bar.end_line()
    lines = capsys.readouterr().err.replace("\r", "").split("\n")
    assert [line.rstrip() for line in lines] == [
        "upload   [###############---------------]  50%  1 MiB of 2 MiB",
        "download 2 MiB",
        "",
    ]


# -- failures --------------------------------------------------------------------------------------


def test_an_error_is_printed_with_what_the_server_says(binary_url: str) -> None:
    done = run("call", f"{binary_url}/teapot")
    assert (done.code, done.out) == (1, "")
    status, *tree = done.err.splitlines()
    assert status.startswith("418 I'm a Teapot, application/msgpack, ")
    assert tree == ["map of 1", "└─ detail: map of 1", '   └─ pot: "short\\x1b[31m and stout"']


def test_problem_details_of_a_refusal(folder: Path, binary_url: str) -> None:
    done = run("call", f"{binary_url}/signal", "--npy", "samples=samples.npy", "rate=fast",
               folder=folder)  # fmt: skip
    assert done.code == 1
    assert done.err.startswith("422 Unprocessable ")
    assert '1: "rate"' in done.err
    assert 'input: "fast"' in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing"], 2, "Error: 'nothing' is not a URL such as http://127.0.0.1:8000/path"),
        (["http://"], 2, "Error: 'http://' is not a URL"),
        (["http://[x/"], 2, "Error: 'http://[x/' is not a URL"),
        (["http://u:p@127.0.0.1:1/"], 1, "Error: the call failed: cannot connect to 127.0.0.1:1: "),
        (["http://127.0.0.1:1/", "a"], 2, "Error: 'a' must be KEY=VALUE"),
        (["http://127.0.0.1:1/", "a=1", "a=2"], 2, "Error: a is given twice"),
        (["http://127.0.0.1:1/", "--header", "x"], 2, "Error: 'x' is not a header field"),
        (["http://127.0.0.1:1/", "--header", "a: b\r\nc: d"], 2, "Error: "),
        (["http://127.0.0.1:1/", "--npy", "a=nothing.npy"], 2, "Error: nothing.npy cannot be"),
        (["http://127.0.0.1:1/", "--npy", "a=icon.png"], 2, "Error: icon.png is no .npy or .npz"),
        (["http://127.0.0.1:1/", "--npy", "a=objects.npy"], 2, "Error: objects.npy is no .npy"),
        (["http://127.0.0.1:1/", "--json", "icon.png"], 2, "Error: icon.png: it is not JSON"),
        (["http://127.0.0.1:1/", "a=18446744073709551616"], 2, "Error: the document cannot be"),
        (["http://127.0.0.1:1/", "--media-type", "x"], 2, "Error: media_type: 'x' is not a media"),
        (["http://127.0.0.1:1/", "--out", "."], 2, "Error: . is not empty; --force overwrites"),
        (["http://127.0.0.1:1/", "--out", "icon.png/x"], 2, "Error: icon.png/x cannot be used"),
    ],
)
def test_a_failure_is_one_line(folder: Path, arguments: list[str], code: int, said: str) -> None:
    done = run("call", *arguments, folder=folder)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(said)
    assert done.err.count("\n") == 1


def test_a_reason_is_shown_whole(binary_url: str) -> None:
    done = run("call", f"{binary_url}/reason", "--width", "5")
    assert (done.code, done.out) == (1, "")
    assert f'detail: "{"a long reason, " * 20}"' in done.err


def test_a_redirect_is_followed_if_that_is_asked_for(binary_url: str) -> None:
    done = run("call", f"{binary_url}/moved")
    assert done.code == 1
    assert done.err.splitlines()[1:] == ["redirected to /text; -L follows"]
    assert run("call", f"{binary_url}/moved", "-L").out.startswith("one\n")


def test_ctrl_c_is_not_a_failed_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        command = [*COMMAND, "call", f"http://127.0.0.1:{server.getsockname()[1]}/"]
        with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE) as process:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(5) == b"GET /"  # it waits for an answer from now on
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, b"\nInterrupted.\n")


def test_an_answer_that_cannot_be_read(hostile_url: str) -> None:
    done = run("call", f"{hostile_url}/garbage")
    assert done.code == 1
    assert "Error: the call failed: cannot read the response: the body is not msgpack" in done.err


def test_an_answer_that_is_too_deep_or_too_wide(folder: Path, hostile_url: str) -> None:
    done = run("call", f"{hostile_url}/deep", "--depth", "3", "--out", "answer", folder=folder)
    assert done.out.splitlines() == [
        "array of 1",
        "└─ 0: array of 1",
        "   └─ 0: array of 1",
        "      └─ 0: array of 1 ...",
    ]
    assert done.code == 1
    assert "Error: the answer cannot be saved" in done.err
    done = run("call", f"{hostile_url}/wide", "--items", "2")
    assert done.out == "array of 1,000\n├─ 0: 0\n├─ 1: 1\n└─ ... 998 more\n"


# -- saving ----------------------------------------------------------------------------------------


def test_no_name_leads_out_of_the_folder(tmp_path: Path, hostile_url: str) -> None:
    inside = tmp_path / "a" / "b"
    done = run("call", f"{hostile_url}/names", "--out", inside)
    assert done.code == 0
    files = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert {path.parent for path in files} == {inside}
    assert len(files) == len(HOSTILE_NAMES) + 3
    for path in files:
        assert not path.name.startswith(".")
        assert path.name.isascii()
        assert path.name.isprintable()
        assert len(path.name) < 200
    assert len({path.name.lower() for path in files}) == len(files)
    assert "\x1b" not in done.out + done.err
    np.testing.assert_array_equal(np.load(inside / "nested._____.0.npy"), np.arange(3))
    assert (inside / "nested._____.1.png").exists()
    document = json.loads((inside / "document.json").read_text())
    assert document["../../escaped"] == {"file": "______escaped.bin"}
    assert {document["Twice"]["file"], document["twice"]["file"]} == {"Twice.bin", "twice~2.bin"}


def test_files_are_bounded_in_number(tmp_path: Path, hostile_url: str) -> None:
    done = run("call", f"{hostile_url}/many", "--out", tmp_path / "answer")
    assert done.code == 0
    assert len(list((tmp_path / "answer").iterdir())) == 1001
    document = json.loads((tmp_path / "answer" / "document.json").read_text())
    assert document[999] == {"file": "999.bin"}
    assert document[1000] == "eA=="


def test_files_that_are_there_are_overwritten_by_force_only(
    tmp_path: Path, hostile_url: str
) -> None:
    mine = tmp_path / "999.bin"
    mine.write_bytes(b"mine")
    refused = run("call", f"{hostile_url}/many", "--out", tmp_path)
    assert refused.code == 2
    assert mine.read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1
    assert run("call", f"{hostile_url}/many", "--out", tmp_path, "--force").code == 0
    assert mine.read_bytes() == b"x"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    os.symlink(target, tmp_path / "answer.bin")
    with pytest.raises(CallFailed, match=r"answer\.bin cannot be written: File exists"):
        save(b"x", tmp_path, force=False)
    assert not target.exists()


def test_a_document_that_is_one_array(tmp_path: Path) -> None:
    paths = save(np.arange(2), tmp_path, force=False)
    assert [path.name for path in paths] == ["answer.npy", "document.json"]
    assert json.loads(paths[1].read_text()) == {"file": "answer.npy"}


@pytest.mark.parametrize(
    ("start", "extension"),
    [
        (PNG, "png"), (b"\xff\xd8\xff\xe0", "jpg"), (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"), (b"RIFF\0\0\0\0....", ""), (b"GIF89a", "gif"),
        (b"%PDF-1.7", "pdf"), (b"", ""), (b"text", ""),
    ],
)  # fmt: skip
def test_kinds_of_files(start: bytes, extension: str) -> None:
    assert extension_of(start) == extension_of(memoryview(start + bytes(9))) == extension


# -- documents -------------------------------------------------------------------------------------


def test_what_documents_are_made_of(folder: Path) -> None:
    document = document_of(
        ["a=1", "b=text", 'c="1"', "d=[1, null]", "e=", "f.g=true", "f.h.i=1e3", "more.b=x=y"],
        str(folder / "document.json"),
        [f"arrays={folder / 'both.npz'}", f"f.samples={folder / 'samples.npy'}"],
        [f"icon={folder / 'icon.png'}"],
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
    assert document_of([], None, [], []) is NO_DOCUMENT
    np.testing.assert_array_equal(document_of([], None, [str(folder / "samples.npy")], []), SAMPLES)
    assert document_of([], None, [], [str(folder / "icon.png")]) == PNG
    (folder / "null.json").write_text("null")
    assert document_of([], str(folder / "null.json"), [], []) is None


@pytest.mark.parametrize(
    ("members", "json_file", "npy", "said"),
    [
        (["a=1", "a.b=2"], None, [], "a.b: a is there already, and is no map"),
        (["a.b=2", "a=1"], None, [], "a is given twice"),
        (["rate=1"], "document.json", [], "rate is given twice"),
        ([], "document.json", ["samples.npy"], "two things cannot both be the whole document"),
        (["a=1"], None, ["samples.npy"], "members can only be added to a document that is a map"),
        (["a"], None, [], "must be KEY=VALUE"),
    ],
)
def test_documents_that_contradict_themselves(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    members: list[str],
    json_file: str | None,
    npy: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(Mistake, match=said):
        document_of(members, json_file, npy, [])


# -- a hostile server ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (
            response(length=b"100000000000"),
            "the call failed: the response is over max_response_size",
        ),
        (response(length=b"50"), "the call failed: peer closed connection"),
        (response(b"\x91" * 10**5), "the call failed: cannot read the response"),
        (response(b"", b"302 X", b"text/plain", b"Location: http://a..b/"), "the call failed: "),
        (response(b"", b"302 X", b"text/plain", b"Location: ftp://a/"), "the call failed: "),
        (response(b"\xff", b"400 X", b"text/plain; charset=idna"), "Client error '400 X'"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the call failed: illegal"),
    ],
)
@pytest.mark.parametrize("command", ["call", "bench"])
def test_a_hostile_server_gets_one_line(payload: bytes, said: str, command: str) -> None:
    with answering(payload) as url:
        done = run(command, url, *(["-L"] if command == "call" else []))
    assert done.code == 1
    assert done.out == ""
    if "302" in said or (command == "bench" and b" 302 " in payload):
        said = "Redirect response"  # it follows none
    elif said.startswith("Client") and command == "call":
        said = "400 X"
    assert done.err.removeprefix("Error: ").startswith(said)
    assert done.err.count("\n") == (2 if said == "400 X" else 1)


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "utf-8", "nothing"])
def test_text_in_any_charset_is_shown(charset: str) -> None:
    with answering(
        response(b"a\xff\x1b[2J", b"200 OK", b"text/plain; charset=" + charset.encode())
    ) as url:
        done = run("call", url)
    assert (done.code, done.out) == (0, "a\ufffd\\x1b[2J\n")


def test_the_limits_of_a_response_can_be_set() -> None:
    with answering(response(b"\x93\x01\x02\x03")) as url:
        assert run("call", url, "--max-response-size", "4").code == 0
        done = run("call", url, "--max-response-size", "3")
        assert done.code == 1
        assert done.err.startswith(
            "Error: the call failed: the response is over max_response_size (3"
        )
        done = run("call", url, "--max-structure-size", "3")
        assert done.code == 1
        assert "over max_structure_size (3 bytes)" in done.err


# -- files that are there --------------------------------------------------------------------------


def test_links_are_replaced_and_never_followed(tmp_path: Path, hostile_url: str) -> None:
    target, folder = tmp_path / "target", tmp_path / "answer"
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
    assert done.err.splitlines()[-1].endswith("7.bin cannot be written: Is a directory")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{n}.bin" for n in range(8)]


@pytest.mark.parametrize("force", [True, False])
def test_no_half_of_a_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    (tmp_path / "document.json").write_text("mine")

    def fail(file: object, array: object, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("binary_middleware.cli.saving.np.save", fail)
    with pytest.raises(CallFailed, match=r"answer\.npy cannot be written: No space left"):
        save(np.arange(3), tmp_path, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["document.json"]
    assert (tmp_path / "document.json").read_text() == "mine"


def test_files_get_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    for path in save(np.arange(3), tmp_path, force=False):
        assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


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


def test_any_dtype_is_saved_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    document = {
        "a": np.zeros(2, [("\u00e4\u4e2d", "<i4"), ("b", "<M8[s]")]),
        "b": np.zeros((1,) * 60),
        "c": np.zeros(1, "<M8"),
    }
    paths = save(document, tmp_path, force=False)
    for path in paths[:3]:
        assert np.load(path).dtype == document[path.stem].dtype
    assert not recwarn

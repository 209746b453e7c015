"""``call``: requests from the shell, responses as trees and as files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.cli.apps import PNG, SAMPLES
from tests.cli.shell import run, run_in_terminal
from tests.client.raw_server import response, serving_bytes

ARRAY_LINE = "├── samples: ndarray float32 (2, 3), 24 B: 2.0 4.0 6.0 8.0 10.0 12.0"


def test_arrays_there_and_back(folder: Path, binary_url: str) -> None:
    done = run(
        "call", f"{binary_url}/signal", "rate=2.5", "--npy", "samples=samples.npy",
        "--file", "icon=icon.png", "--out", "out",
    )  # fmt: skip
    assert done.code == 0
    assert done.out == (
        "map of 3\n"
        f"{ARRAY_LINE}\n"
        "├── rate: 2.5\n"
        "└── icon: bin, 16 B, png: 89 50 4e 47 0d 0a 1a 0a 00 00 00 00 00 00 00 00\n"
    )
    status, *saved = done.err.splitlines()
    assert status.startswith("200 OK, application/msgpack, ")
    assert saved == ["saved out/samples.npy", "saved out/icon.png", "saved out/document.json"]
    np.testing.assert_array_equal(np.load(folder / "out" / "samples.npy"), SAMPLES * 2)
    assert (folder / "out" / "icon.png").read_bytes() == PNG
    assert json.loads((folder / "out" / "document.json").read_text()) == {
        "samples": {"file": "samples.npy"},
        "rate": 2.5,
        "icon": {"file": "icon.png"},
    }
    assert len(list((folder / "out").iterdir())) == 3


def test_json_mode_shows_the_same(folder: Path, binary_url: str) -> None:
    done = run("call", f"{binary_url}/signal", "--npy", "samples=samples.npy", "--json-mode")
    assert done.code == 0
    assert done.err.startswith("200 OK, application/json, ")
    assert ARRAY_LINE in done.out.splitlines()


def test_a_document_from_standard_input_and_headers(binary_url: str) -> None:
    done = run(
        "call", f"{binary_url}/fields", "--method", "put", "--header", "X-Test: a: b", "--json",
        "-", "b=null", stdin=b'{"a": 1}',
    )  # fmt: skip
    assert done.code == 0
    assert done.out == 'map of 2\n├── x-test: "a: b"\n└── length: 16\n'


def test_get_without_a_document(binary_url: str) -> None:
    done = run("call", f"{binary_url}/sum?first=1&second=2")
    assert (done.code, done.out) == (0, "map of 1\n└── sum: 3\n")


def test_a_redirect_is_followed_on_request(binary_url: str) -> None:
    done = run("call", f"{binary_url}/moved")
    assert done.code == 1
    assert done.err.splitlines()[1:] == ["redirected to /text; --follow-redirects follows"]
    assert run("call", f"{binary_url}/moved", "-L").out.startswith("one\n")


def test_a_server_without_binary_mode(folder: Path, plain_url: str) -> None:
    arguments = ("call", f"{plain_url}/echo", "--npy", "a=samples.npy", "b=x")
    done = run(*arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith("\nIf the server has no binary mode, try --json-mode.\n")
    assert run(*arguments, "--json-mode").out == (
        'map of 2\n├── b: "x"\n└── a: ndarray float32 (2, 3), 24 B: 1.0 2.0 3.0 4.0 5.0 6.0\n'
    )


def test_text_is_shown_without_its_control_characters(binary_url: str) -> None:
    assert run("call", f"{binary_url}/text").out == "one\ntwo \\x1b[31mred\n"
    assert run("call", f"{binary_url}/rot13").out == "uryyb\n"
    done = run("call", f"{binary_url}/text", "--lines", "1")
    assert done.out == "one\n... 1 more lines; --lines shows more\n"


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "utf-8", "nothing"])
def test_text_in_any_charset_is_shown(charset: str) -> None:
    content_type = b"text/plain; charset=" + charset.encode()
    with serving_bytes(response(b"a\xff\x1b[2J", b"200 OK", content_type)) as url:
        done = run("call", url)
    assert (done.code, done.out) == (0, "a\ufffd\\x1b[2J\n")


# -- progress --------------------------------------------------------------------------------------


def test_large_bodies_have_a_progress_bar(folder: Path, binary_url: str) -> None:
    arguments = ("call", f"{binary_url}/signal", "--npy", "samples=large.npy")
    lines = run(*arguments, "--progress").err.splitlines()
    for line, direction in zip(lines, ("upload", "download"), strict=False):
        assert line.split() == [direction, "━" * 30, "100%", "1.9/1.9", "MiB"]
    assert len(run(*arguments).err.splitlines()) == 1  # it is no terminal


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals")
def test_a_terminal_shows_the_bars_by_itself(folder: Path, binary_url: str) -> None:
    arguments = ("call", f"{binary_url}/signal", "--npy")
    done = run_in_terminal(*arguments, "samples=large.npy")
    assert done.code == 0
    for text in ("\rupload", "download", "0.0/1.9 MiB", "1.9/1.9 MiB"):
        assert text in done.err.replace("\x1b[2K", "")
    assert done.err.endswith("\x1b[32m200 OK, application/msgpack, 1.9 MiB\x1b[0m\r\n")
    assert "\x1b" not in done.out
    assert "load" not in run_in_terminal(*arguments, "samples=samples.npy").err
    assert "load" not in run_in_terminal(*arguments, "samples=large.npy", "--no-progress").err


# -- failures --------------------------------------------------------------------------------------


def test_an_error_is_shown_with_the_reason_of_the_server(folder: Path, binary_url: str) -> None:
    done = run("call", f"{binary_url}/teapot")
    assert (done.code, done.out) == (1, "")
    status, *tree = done.err.splitlines()
    assert status.startswith("418 I'm a Teapot, application/msgpack, ")
    assert tree == ["map of 1", "└── detail: map of 1", '    └── pot: "short\\x1b[31m and stout"']
    done = run("call", f"{binary_url}/signal", "--npy", "samples=samples.npy", "rate=fast")
    assert done.code == 1
    assert done.err.startswith("422 Unprocessable ")
    assert '1: "rate"' in done.err
    assert 'input: "fast"' in done.err


def test_a_reason_is_shown_whole(binary_url: str) -> None:
    done = run("call", f"{binary_url}/reason", "--width", "5")
    assert (done.code, done.out) == (1, "")
    assert f'detail: "{"a long reason, " * 20}"' in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["nothing"], 2, "'nothing' is not a URL such as http://127.0.0.1:8000/path"),
        (["http://"], 2, "'http://' is not a URL"),
        (["ftp://a/"], 2, "'ftp://a/' is not a URL"),
        (["http://[x/"], 2, "'http://[x/' is not a URL"),
        (["http://u:p@127.0.0.1:1/"], 1, "the call failed: cannot connect to 127.0.0.1:1: "),
        (["http://127.0.0.1:1/", "--header", "x"], 2, "'x' is not a header; write 'Name: value'"),
        (["http://127.0.0.1:1/", "--header", "a: b\r\nc: d"], 2, "'a: b\\r\\nc: d' is not a head"),
        (["http://127.0.0.1:1/", "a=18446744073709551616"], 2, "the document cannot be sent: "),
        (["http://127.0.0.1:1/", "--media-type", "x"], 2, "media_type: 'x' is not a media type"),
        (["http://127.0.0.1:1/", "--max-response-size", "1q"], 2, "'1q' is not a size"),
        (["http://127.0.0.1:1/", "--out", "icon.png/x"], 2, "cannot use icon.png/x: Not a dir"),
    ],
)
def test_a_failure_is_one_line(folder: Path, arguments: list[str], code: int, reason: str) -> None:
    done = run("call", *arguments)
    assert (done.code, done.out) == (code, "")
    *usage, line = done.err.splitlines()
    assert line.startswith("Error: ")
    assert reason in line
    assert "u:p" not in done.err
    assert len(usage) == (3 if code == 2 else 0)


def test_a_response_that_is_too_deep_or_too_wide(folder: Path, hostile_url: str) -> None:
    done = run("call", f"{hostile_url}/deep", "--depth", "3", "--out", "out")
    assert done.out.splitlines() == [
        "array of 1",
        "└── 0: array of 1",
        "    └── 0: array of 1",
        "        └── 0: array of 1 ...",
    ]
    assert done.code == 1
    assert "Error: cannot save the response" in done.err
    done = run("call", f"{hostile_url}/wide", "--items", "2")
    assert done.out == "array of 1,000\n├── 0: 0\n├── 1: 1\n└── ... 998 more\n"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (response(length=b"100000000000"), "the call failed: the response is over max_response_si"),
        (response(length=b"50"), "the call failed: peer closed connection"),
        (response(b"\x91" * 10**5), "the call failed: cannot read the response: the "),
        (response(b"\xa5ab"), "the call failed: cannot read the response: the "),
        (response(b"", b"302 X", b"text/plain", b"Location: http://a..b/"), "the call failed: "),
        (response(b"", b"302 X", b"text/plain", b"Location: ftp://a/"), "the call failed: "),
        (response(b"\xff", b"400 X", b"text/plain; charset=idna"), "the call failed: 400 X"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the call failed: illegal"),
    ],
)
@pytest.mark.parametrize("command", ["call", "bench"])
def test_a_hostile_server_gets_one_line(payload: bytes, reason: str, command: str) -> None:
    with serving_bytes(payload) as url:
        done = run(command, url, *(["-L"] if command == "call" else []))
    assert (done.code, done.out) == (1, "")
    if command == "bench" and b" 302 " in payload:
        reason = "the call failed: 302 X: Redirect location: "  # it follows none
    elif command == "call" and b" 400 " in payload:
        reason = "400 X"
    assert done.err.removeprefix("Error: ").startswith(reason)
    assert done.err.count("\n") == (2 if reason == "400 X" else 1)


def test_the_limits_of_a_response_can_be_set() -> None:
    with serving_bytes(response(b"\x93\x01\x02\x03")) as url:
        assert run("call", url, "--max-response-size", "4").code == 0
        done = run("call", url, "--max-response-size", "3")
        assert done.code == 1
        assert "Error: the call failed: the response is over max_response_size (3" in done.err
        done = run("call", url, "--max-structure-size", "3")
        assert done.code == 1
        assert "over max_structure_size (3 bytes)" in done.err

"""Clients and the command line against a server that means harm: errors of httpx, and one line."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import anyio
import httpx2
import numpy as np
import pytest

from binary_middleware import packb
from binary_middleware.client import AsyncBinaryClient, BinaryClient
from tests.hostile import wire
from tests.hostile.values import IMPOSSIBLE_TEXTS

ROOT = Path(__file__).parents[2]
DOCUMENT: Final = packb({"a": 1})


def answer(*lines: str, body: bytes = DOCUMENT, length: int | None = None) -> bytes:
    """What the server sends, whatever the request."""
    length = len(body) if length is None else length
    fields = ["HTTP/1.1 200 OK", f"Content-Length: {length}", *lines, "Connection: close"]
    return "\r\n".join([*fields, "", ""]).encode("latin-1") + body


MSGPACK: Final = "Content-Type: application/msgpack"
ANSWERS: Final = {
    "a length of 1e11": answer(MSGPACK, length=100_000_000_000),
    "a length beyond all numbers": answer(MSGPACK, length=10**30),
    "a body that breaks off": answer(MSGPACK, length=10_000),
    "a charset that has no text": answer("Content-Type: application/json; charset=idna"),
    "a charset that is none": answer("Content-Type: text/plain; charset=undefined"),
    "a charset of bytes": answer("Content-Type: application/json; charset=hex"),
    "gzip that is none": answer(MSGPACK, "Content-Encoding: gzip"),
    "no msgpack": answer(MSGPACK, body=b"\xc1"),
    "msgpack that promises more": answer(MSGPACK, body=b"\xdd\xff\xff\xff\xff"),
    "an object array": answer(MSGPACK, body=wire.array("|O", [1], bytes(8))),
    "deep msgpack": answer(MSGPACK, body=b"\x91" * 100_000 + b"\xc0"),
    "a decimal of a million digits": answer(MSGPACK, body=wire.chains("decimal", "1E+1000000")),
    "characters that do not exist": answer(MSGPACK, body=IMPOSSIBLE_TEXTS["a surrogate"]),
    "no HTTP": b"\xff\xfe\r\n\r\n",
    "nothing": b"",
}
"""None of these is a document."""

UNLIKELY = {"a charset that has no text", "a charset that is none", "a charset of bytes"}
"""These may as well be read as what they are, without regard to the charset."""


@contextlib.contextmanager
def serving_bytes(data: bytes) -> Iterator[str]:
    """A server that sends ``data`` to everybody; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError, ConnectionError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(2)
                        connection.recv(65536)
                        connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def failing(name: str) -> contextlib.AbstractContextManager[object]:
    """Expects an error of httpx, or puts up with one."""
    if name in UNLIKELY:
        return contextlib.suppress(httpx2.HTTPError)
    return pytest.raises(httpx2.HTTPError)


@pytest.mark.parametrize("name", ANSWERS)
def test_clients_raise_what_httpx_raises(name: str) -> None:
    with (
        serving_bytes(ANSWERS[name]) as url,
        BinaryClient(url, timeout=5) as client,
        failing(name),
    ):
        client.get("/")


@pytest.mark.parametrize("name", ANSWERS)
def test_asynchronous_clients_do_the_same(name: str) -> None:
    async def call(url: str) -> None:
        async with AsyncBinaryClient(url, timeout=5) as client:
            await client.get("/")

    with serving_bytes(ANSWERS[name]) as url, failing(name):
        anyio.run(call, url)


@pytest.mark.parametrize(
    "name",
    [
        "a length of 1e11",
        "a charset that has no text",
        "a charset that is none",
        "msgpack that promises more",
        "a decimal of a million digits",
        "characters that do not exist",
    ],
)
def test_the_command_line_says_it_in_a_line(name: str) -> None:
    with serving_bytes(ANSWERS[name]) as url:
        done = run("call", url, "--timeout", "5")
    assert "Traceback" not in done.stderr
    if name not in UNLIKELY:
        assert done.returncode != 0
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_saving_follows_no_symbolic_links(tmp_path: Path) -> None:
    """What somebody else may have put there is not written through."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    folder = tmp_path / "out"
    folder.mkdir()
    body = packb({"a": np.arange(3, dtype="<f4"), "b": b"bytes"})
    with serving_bytes(answer(MSGPACK, body=body)) as url:
        assert run("call", url, "--out", str(folder)).returncode == 0
        names = sorted(path.name for path in folder.iterdir())
        for path in folder.iterdir():
            path.unlink()
        for name in names:
            (folder / name).symlink_to(precious)
        done = run("call", url, "--out", str(folder), "--force")
    assert "Traceback" not in done.stderr
    assert precious.read_text() == "precious"
    assert len(names) == 3


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "binary_middleware", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

"""``bench``: JSON against binary mode on an endpoint, or the reason why not."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from binary_middleware.cli._bench import Figures, measure
from binary_middleware.client import Result
from tests.cli.shell import run, run_in_terminal


def test_an_endpoint_is_measured_in_both_modes(folder: Path, binary_url: str) -> None:
    url = f"{binary_url}/signal".replace("http://", "http://user:secret@") + "?token=secret"
    done = run("bench", url, "--npy", "samples=large.npy", "--rounds", "4")
    assert (done.code, done.err) == (0, "")
    title, _, head, in_json, binary, ratios = done.out.splitlines()
    assert title == f"POST {binary_url}/signal, 4 calls in each mode"
    assert head.split() == ["sent", "received", "median", "middle", "half"]
    times = r" +[\d.]+ ms +[\d.]+ to [\d.]+ ms"
    assert re.fullmatch(r"JSON +2\.5 MiB +2\.5 MiB" + times, in_json)
    assert re.fullmatch(r"binary +1\.9 MiB +1\.9 MiB" + times, binary)
    assert re.fullmatch(r"binary / JSON +0\.75 +0\.75 +[\d.]+ *", ratios)


def test_a_number_of_seconds_instead_of_rounds(binary_url: str) -> None:
    done = run("bench", f"{binary_url}/sum?first=1&second=2", "--seconds", "0.01")
    assert done.code == 0
    calls = re.search(r", (\d+) calls in each mode", done.out)
    assert calls is not None
    assert int(calls[1]) >= 3
    assert done.out.splitlines()[3].split()[:3] == ["JSON", "0", "B"]  # nothing was sent


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals")
@pytest.mark.parametrize(
    ("option", "value", "progress"), [("--rounds", "3", "2/3"), ("--seconds", "0.01", "2/?")]
)
def test_a_terminal_shows_the_progress(
    folder: Path, binary_url: str, option: str, value: str, progress: str
) -> None:
    url = f"{binary_url}/signal"
    done = run_in_terminal("bench", url, "--npy", "samples=samples.npy", option, value)
    assert done.code == 0
    assert f"{progress}\x1b[0m calls in each mode" in done.err
    assert done.err.endswith("\x1b[2K")  # nothing of it remains
    assert "\x1b" not in done.out


@pytest.mark.parametrize(
    ("path", "arguments", "reason"),
    [
        ("/echo", ["a=1"], "the endpoint has no binary mode: its response to a request in msgpack"),
        ("/ignore", ["a=1"], "the endpoint has no binary mode: its response is application/json"),
        ("/ignore", [], "the endpoint has no binary mode: its response is application/json"),
        ("/nothing?token=secret", [], "the call failed: 404 Not Found: Not Found\n"),
    ],
)
def test_an_endpoint_without_binary_mode(
    plain_url: str, path: str, arguments: list[str], reason: str
) -> None:
    url = plain_url.replace("http://", "http://user:secret@")
    done = run("bench", f"{url}{path}", *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"Error: {reason}")
    assert done.err.count("\n") == 1
    assert "secret" not in done.err


def test_endpoints_that_cannot_be_compared(binary_url: str) -> None:
    done = run("bench", f"{binary_url}/text")
    assert done.code == 1
    assert done.err == "Error: nothing to compare: the response is text/plain in both modes\n"
    done = run("bench", f"{binary_url}/strict", "a=1")
    assert done.code == 1
    assert done.err.startswith("Error: the endpoint does not accept JSON: 415 Unsupported")


def test_calls_take_turns() -> None:
    order: list[str] = []

    def send(name: str) -> Result[Any]:
        order.append(name)
        response = httpx2.Response(200, request=httpx2.Request("POST", "http://a/", content=b"abc"))
        return Result(None, response)

    first, second = Figures("a"), Figures("b")
    measure([(first, partial(send, "a")), (second, partial(send, "b"))], rounds=3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert (first.sent, len(first.times), len(second.times)) == (3, 3, 3)
    measure([(first, partial(send, "a"))], rounds=100, seconds=1e-9)
    assert len(first.times) == 6


def test_quartiles() -> None:
    assert Figures("", times=[3.0]).quartiles == (3, 3, 3)
    assert Figures("", times=[1.0, 2.0, 3.0, 4.0, 100.0]).quartiles == (2, 3, 4)

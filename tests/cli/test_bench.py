"""``bench``: JSON against binary mode on an endpoint, or a word on why not."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from binary_middleware.cli.bar_chart import Bar, Group, to_svg, to_text
from binary_middleware.cli.rounds import Figures, measure
from tests.cli.shell import run, run_in_terminal


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals")
def test_a_terminal_is_told_how_far_it_is(tmp_path: Path, binary_url: str) -> None:
    np.save(tmp_path / "samples.npy", np.zeros(3, "f4"))
    arguments = ("bench", f"{binary_url}/signal", "--npy", "samples=samples.npy")
    done = run_in_terminal(*arguments, "--rounds", "3", folder=tmp_path)
    assert done.code == 0
    assert "\r" not in done.out
    lines = [line.strip() for line in done.err.split("\r") if line]
    assert lines == [*(f"{number} of 3 calls in each mode" for number in range(3)), ""]
    done = run_in_terminal(*arguments, "--seconds", "0.01", folder=tmp_path)
    assert "\r2 calls in each mode " in done.err


def test_an_endpoint_is_measured_in_both_modes(tmp_path: Path, binary_url: str) -> None:
    np.save(tmp_path / "samples.npy", np.zeros(30_000, "f4"))
    url = f"{binary_url}/signal".replace("http://", "http://user:secret@") + "?token=secret"
    done = run(
        "bench", url, "--npy", "samples=samples.npy", "--rounds", "4", "--chart", "chart.svg",
        folder=tmp_path,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    title, _, head, in_json, binary, ratios, _, *chart = done.out.splitlines()
    assert title == f"POST {binary_url}/signal, 4 calls in each mode"
    assert head.split() == ["sent", "received", "median", "middle", "half"]
    assert re.fullmatch(r"JSON +156 KiB +156 KiB +[\d.]+ ms +[\d.]+ to [\d.]+ ms", in_json)
    assert re.fullmatch(r"binary +117 KiB +117 KiB +[\d.]+ ms +[\d.]+ to [\d.]+ ms", binary)
    assert re.fullmatch(r"binary / JSON +0\.75 +0\.75 +[\d.]+", ratios)
    assert [line for line in chart if not line.startswith(" ")] == [
        "median time", "sent", "received"
    ]  # fmt: skip
    assert f"  JSON    {'█' * 40} 156 KiB" in chart
    assert f"  binary  {'█' * 30} 117 KiB" in chart
    svg = (tmp_path / "chart.svg").read_text()
    assert "secret" not in done.out + svg
    bars = [
        element
        for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect")
        if "bar" in element.get("class", "")
    ]
    assert len(bars) == 6
    assert float(bars[3].get("width", 0)) / float(bars[2].get("width", 1)) == pytest.approx(
        0.75, abs=0.01
    )


def test_a_number_of_seconds_in_place_of_rounds(binary_url: str) -> None:
    done = run("bench", f"{binary_url}/sum?first=1&second=2", "--seconds", "0.01")
    assert done.code == 0
    calls = re.search(r", (\d+) calls in each mode", done.out)
    assert calls is not None
    assert int(calls[1]) >= 3
    assert "\nsent\n" not in done.out  # nothing was sent in either mode


@pytest.mark.parametrize(
    ("path", "arguments", "said"),
    [
        ("/echo", ["a=1"], "the endpoint has no binary mode: it answers 400 to a request in"),
        ("/ignore", ["a=1"], "the endpoint has no binary mode: its answer is application/json all"),
        ("/ignore", [], "the endpoint has no binary mode: its answer is application/json all"),
        ("/nothing", [], "Client error '404 Not Found'"),
    ],
)
def test_an_endpoint_without_binary_mode(
    plain_url: str, path: str, arguments: list[str], said: str
) -> None:
    done = run("bench", f"{plain_url}{path}", *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"Error: {said}")
    assert done.err.count("\n") == 1


def test_what_cannot_be_compared(binary_url: str) -> None:
    done = run("bench", f"{binary_url}/text")
    assert done.code == 1
    assert done.err == (
        "Error: nothing to compare: the answer is text/plain; charset=utf-8 in both modes\n"
    )
    done = run("bench", f"{binary_url}/text", "--chart", "nowhere/chart.svg")
    assert (done.code, done.err) == (2, "Error: there is no folder nowhere\n")


def test_calls_take_turns() -> None:
    order: list[str] = []

    def call(name: str) -> Any:
        def make() -> Any:
            order.append(name)
            request = SimpleNamespace(headers={"content-length": "7"})
            return SimpleNamespace(
                response=SimpleNamespace(request=request, num_bytes_downloaded=5)
            )

        return make

    first, second = Figures("a"), Figures("b")
    measure([(first, call("a")), (second, call("b"))], rounds=3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert (first.sent, first.received, len(first.times), len(second.times)) == (7, 5, 3, 3)
    measure([(first, call("a"))], rounds=100, seconds=1e-9)
    assert len(first.times) == 6


def test_medians_and_quartiles() -> None:
    assert (Figures("", times=[3.0]).median, Figures("", times=[3.0]).quartiles) == (3, (3, 3))
    figures = Figures("", times=[1.0, 2.0, 3.0, 4.0, 100.0])
    assert (figures.median, figures.quartiles) == (3, (2, 4))


def test_bars() -> None:
    group = Group("sizes", [Bar("a", 10, "10 B"), Bar("long", 1, "1 B"), Bar("none", 0, "0 B")])
    assert [line.replace("█", "#") for line in to_text([group]).splitlines()] == [
        "sizes",
        f"  a     {'#' * 40} 10 B",
        "  long  #### 1 B",
        "  none   0 B",
    ]
    assert Group("", [Bar("", 0, "")]).share(Bar("", 0, "")) == 0
    svg = to_svg("<&>", [group])
    assert ElementTree.fromstring(svg).findtext("{http://www.w3.org/2000/svg}title") == "<&>"

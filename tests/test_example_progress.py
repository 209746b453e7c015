"""The progress bar of the example."""

from __future__ import annotations

import io

import pytest

from binary_middleware.client import TransferProgress
from example_app.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(*steps: TransferProgress) -> str:
    terminal = Terminal()
    bar = ProgressBar(terminal)
    for step in steps:
        bar(step)
    return terminal.getvalue()


def test_a_bar_to_its_end() -> None:
    total = 3 * 2**20
    text = drawn(*(TransferProgress("upload", done * 2**20, total) for done in (1, 2, 3)))
    assert text == (
        f"\rupload        1.0 MiB [{'#' * 10}{'.' * 20}]  33%"
        f"\rupload        2.0 MiB [{'#' * 20}{'.' * 10}]  66%"
        f"\rupload        3.0 MiB [{'#' * 30}] 100%\n"
    )


def test_a_body_of_unknown_length() -> None:
    text = drawn(
        TransferProgress("download", 2**20, None), TransferProgress("download", 3 * 2**19, None)
    )
    assert text == "\rdownload      1.0 MiB\rdownload      1.5 MiB"


def test_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressBar()(TransferProgress("upload", 1, 2))
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""

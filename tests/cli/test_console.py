"""Sizes and escaped text."""

from __future__ import annotations

import click
import pytest

from binary_middleware.cli._console import format_size, printable, size


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("500", 500), ("64MiB", 64 * 2**20), ("10 mb", 10**7), (" 1.5kB ", 1500)],
)
def test_sizes(text: str, number: int) -> None:
    assert size(text) == number


@pytest.mark.parametrize("text", ["", "-1", "1e6", "MiB", "1 XB", "nan"])
def test_other_text_is_no_size(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a size; write 500, 64KiB or 10MB"):
        size(text)


def test_sizes_for_people() -> None:
    assert [format_size(number) for number in (0, 1023, 1024, 1_000_000, 2**26)] == [
        "0 B", "1023 B", "1.0 KiB", "976.6 KiB", "64.0 MiB",
    ]  # fmt: skip


def test_control_characters_are_escaped() -> None:
    assert printable("ä\x1b[2J\n\u202e\x9b\x7f") == r"ä\x1b[2J\n\u202e\x9b\x7f"

"""Text of strangers on a terminal, which would obey its control characters."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """``text`` with escape sequences for what is not to be seen: controls, marks of direction."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def quoted(text: str) -> str:
    """``text`` within quotation marks, so that one sees where it begins and ends."""
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def is_in_charset(text: str) -> bool:
    """Whether standard output has all characters of ``text``."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True

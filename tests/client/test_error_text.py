"""Texts of errors: short, printable, and in a charset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from binary_middleware.client._error_text import MAX_TEXT_LENGTH, decode_text, describe


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (None, ""),
        ("text", "text"),
        ({"detail": "no"}, "no"),
        ({"title": "No", "detail": ""}, "No"),
        ({"detail": []}, "{'detail': []}"),
        ({"detail": [{"loc": ["body", "a", 0], "msg": "wrong"}]}, "body.a.0: wrong"),
        ({"detail": [{"msg": "wrong"}, "strange"]}, "wrong; strange"),
        (
            {"title": "T", "detail": "D", "errors": [{"loc": ["x"], "msg": "wrong"}]},
            "T: D: x: wrong",
        ),
        (
            {"detail": [{"msg": str(i)} for i in range(12)]},
            "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; and 2 more",
        ),
        ([1, 2], "[1, 2]"),
        (7, "7"),
        ({"title": 7, "detail": {"code": 1}}, "7: {'code': 1}"),
        ("a\r\nb\x1b[0m\u202e", "a  b [0m"),
    ],
    ids=str,
)
def test_descriptions(document: Any, text: str) -> None:
    assert describe(document) == text


@pytest.mark.parametrize(
    "document",
    [
        "x" * 10**6,
        {"detail": "x" * 10**6},
        {"detail": {"a": "x" * 10**6, "b": ["y" * 1000] * 1000}},
        {"detail": [{"loc": ["x" * 5000], "msg": "y" * 5000}] * 100},
        list(range(10**6)),
    ],
    ids=lambda document: str(type(document)),
)
def test_descriptions_are_short(document: Any) -> None:
    assert 10 < len(describe(document)) <= MAX_TEXT_LENGTH


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("; charset=utf-8", "\ufffd\ufffd\ufffd"),
        ("; charset=LATIN1", "\xe9\xff\xe8"),
        ('; charset="windows-1252"', "\xe9\xff\xe8"),
        ("; charset=koi8-r", "\u0418\u042a\u0425"),
        *(
            (f"; charset={name}", "\ufffd\ufffd\ufffd")
            for name in ("idna", "punycode", "undefined")
        ),
        *(
            (f"; charset={name}", "\ufffd\ufffd\ufffd")
            for name in ("hex", "rot13", "x", "\xe4", '""')
        ),
    ],
)
def test_charsets(charset: str, text: str) -> None:
    assert decode_text(b"\xe9\xff\xe8", f"text/plain{charset}") == text


def test_no_charset_is_remembered() -> None:
    import encodings

    before = len(encodings._cache)  # type: ignore[attr-defined]  # where a leak would be
    for number in range(100):
        decode_text(b"x", f"text/plain; charset=unknown-{number}")
    assert len(encodings._cache) == before  # type: ignore[attr-defined]


def test_descriptions_write_nothing_at_full_length() -> None:
    wide: Any = "y" * 300
    for _ in range(12):
        wide = [wide] * 10  # 10**12 strings, were they all written
    assert len(describe({"detail": wide})) <= MAX_TEXT_LENGTH
    assert len(describe({"detail": [{"msg": wide, "loc": [wide] * 10**6}]})) <= MAX_TEXT_LENGTH
    assert describe({"detail": np.zeros(3)}) == "<ndarray float64 (3,)>"

"""Media types and media ranges (RFC 9110 §8.3, §12.5.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from binary_middleware._http.media_types import (
    _ELEMENT,
    MAX_FIELD_LENGTH,
    binary_counterpart,
    is_binary,
    is_list,
    parse_accept,
    parse_media_type,
    weight_of,
)
from binary_middleware.formats import FORMAT

MEDIA_TYPES = (*FORMAT.media_types, FORMAT.suffix)


@pytest.mark.parametrize(
    ("text", "essence", "parameters"),
    [
        ("application/json", "application/json", {}),
        ("Application/JSON", "application/json", {}),
        (" application/json ", "application/json", {}),
        ("text/html;charset=utf-8", "text/html", {"charset": "utf-8"}),
        ("text/html ; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('a/b; x="1;2, \\"3\\""', "a/b", {"x": '1;2, "3"'}),
        ("a/b;;x=1;", "a/b", {"x": "1"}),
        ("a/b; x=1; x=2", "a/b", {"x": "1"}),
        ("*/*", "*/*", {}),
    ],
)
def test_parse_media_type(text: str, essence: str, parameters: dict[str, str]) -> None:
    parsed = parse_media_type(text)
    assert parsed is not None
    assert (parsed.essence, dict(parsed.parameters)) == (essence, parameters)


@pytest.mark.parametrize("text", ["", "json", "a/", "/b", "a/b c", "a/b; x", 'a/b; x="1', "a b/c"])
def test_malformed_media_types(text: str) -> None:
    assert parse_media_type(text) is None


@pytest.mark.parametrize(
    ("text", "is_json"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("application/problem+json", True),
        ("application/jsonl", False),
        ("application/x-json", False),
        ("text/json", False),
        ("application/msgpack", False),
    ],
)
def test_is_json(text: str, is_json: bool) -> None:
    parsed = parse_media_type(text)
    assert parsed is not None
    assert parsed.is_json is is_json


@pytest.mark.parametrize(
    ("accept", "essence", "weight"),
    [
        (["application/json"], "application/json", 1),
        (["application/json;q=0.5"], "application/json", 0.5),
        (["application/*;q=0.3, */*;q=0.9"], "application/json", 0.3),
        (["*/*;q=0.9, application/json;q=0"], "application/json", 0),
        (["*/*;q=0.9", "application/json;q=0.1"], "application/json", 0.1),
        (["text/html"], "application/json", 0),
        (["application/json;q=2"], "application/json", 0),
        (["application/json;q=0.1234"], "application/json", 0),
        (["application/json;Q=0.5"], "application/json", 0.5),
        (['a/b;x="1,2";q=0.2'], "a/b", 0.2),
        ([", ,application/json,"], "application/json", 1),
    ],
)
def test_weight_of_the_most_specific_range(accept: list[str], essence: str, weight: float) -> None:
    assert weight_of(essence, parse_accept(accept)) == weight


@pytest.mark.parametrize(
    ("json", "expected"),
    [("application/json", "a/chosen"), ("application/problem+json", "application/problem+msgpack")],
)
def test_binary_counterpart(json: str, expected: str) -> None:
    assert binary_counterpart(json, "a/chosen", "+msgpack") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("application/json, application/msgpack", True),
        ("application/json,application/json", True),
        (",", True),
        (" , ,", True),
        ("application/json", False),
        ("application/json,", False),
        ('a/b; c="d, e/f"', False),
        ("multipart/form-data; boundary=a,b", False),
        ('a/b; c="d, e/f', False),
        ("", False),
        ("no type, nor this", False),
    ],
)
def test_is_list(value: str, expected: bool) -> None:
    assert is_list(value) is expected


@given(st.lists(st.text(alphabet=st.characters(codec="latin-1"), max_size=200), max_size=4))
def test_any_accept_header_is_parsed(values: list[str]) -> None:
    assert all(0 <= range_.q <= 1 for range_ in parse_accept(values))


@pytest.mark.parametrize("quotes", ['"', '"' + '\\"' * 100_000, '"a, b/c', '"\\', 'x="1, c/d'])
def test_an_unterminated_quoted_string_extends_to_the_end(quotes: str) -> None:
    """Trying each quote in it as the beginning of one would take quadratic time."""
    assert _ELEMENT.findall(f"a/b,{quotes}") == ["a/b", quotes]
    if len(quotes) < MAX_FIELD_LENGTH - 4:
        assert [r.media_type.essence for r in parse_accept([f"a/b,{quotes}"])] == ["a/b"]


def test_longer_headers_are_ignored() -> None:
    padding = ";x=1" * ((MAX_FIELD_LENGTH - len("a/b")) // 4)
    for text, is_parsed in ((f"a/b{padding}", True), (f"a/b{padding}    ", False)):
        assert (parse_media_type(text) is not None) is is_parsed
        assert bool(parse_accept([text])) is is_parsed
    half = ",".join(["a/b"] * 1024)
    assert len(parse_accept([half, half])) == 2048
    assert parse_accept([half, half, half]) == []


def test_a_range_with_a_suffix_is_not_a_media_type() -> None:
    """Found by the fuzzer: it would have been the Content-Type of a response."""
    assert not is_binary("application/*+msgpack", MEDIA_TYPES)
    assert is_binary("application/acme+msgpack", MEDIA_TYPES)

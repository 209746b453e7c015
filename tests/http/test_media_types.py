"""Media types and negotiation, RFC 9110."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from binary_middleware._http.media_types import (
    _ELEMENT,
    MAX_FIELD_LENGTH,
    Choice,
    accept_with_json,
    binary_counterpart,
    choose,
    choose_binary,
    is_binary,
    parse_accept,
    parse_media_type,
    quality,
)
from binary_middleware.formats import FORMAT

MEDIA_TYPES = (*FORMAT.media_types, FORMAT.suffix)

MSGPACK = "application/msgpack"


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
def test_media_type_is_read(text: str, essence: str, parameters: dict[str, str]) -> None:
    parsed = parse_media_type(text)
    assert parsed is not None
    assert (parsed.essence, dict(parsed.parameters)) == (essence, parameters)


@pytest.mark.parametrize("text", ["", "json", "a/", "/b", "a/b c", "a/b; x", 'a/b; x="1', "a b/c"])
def test_what_is_no_media_type_is_none(text: str) -> None:
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
def test_what_json_is(text: str, is_json: bool) -> None:
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
    assert quality(essence, parse_accept(accept)) == weight


JSON = Choice(None, {})
BINARY = Choice(MSGPACK, {})


@pytest.mark.parametrize(
    ("accept", "mirror", "expected"),
    [
        ([], None, JSON),
        ([], MSGPACK, BINARY),
        (["*/*"], None, JSON),
        (["*/*"], MSGPACK, BINARY),
        (["application/*"], MSGPACK, BINARY),
        (["text/html, application/xhtml+xml, */*;q=0.8"], None, JSON),
        (["application/msgpack"], None, BINARY),
        (["application/msgpack"], "application/x-msgpack", BINARY),
        (["application/json"], MSGPACK, JSON),
        (["application/json, application/msgpack"], None, BINARY),
        (["application/json", "application/msgpack"], None, BINARY),
        (["application/json, application/msgpack;q=0.9"], None, JSON),
        (["application/json;q=0.8, application/msgpack;q=0.9"], None, BINARY),
        (["application/json, */*"], MSGPACK, JSON),
        (["application/json;q=0.5, */*"], MSGPACK, BINARY),
        (["*/*, application/msgpack;q=0"], MSGPACK, JSON),
        (["application/msgpack;q=0"], MSGPACK, None),
        (["text/html"], MSGPACK, None),
        (["*/*;q=0"], None, None),
        (["APPLICATION/MsgPack"], None, BINARY),
        (["application/vnd.msgpack"], None, Choice("application/vnd.msgpack", {})),
        (["application/acme+msgpack"], None, Choice("application/acme+msgpack", {})),
        (["application/msgpack; arrays=map"], None, Choice(MSGPACK, {"arrays": "map"})),
    ],
)
def test_choice(accept: list[str], mirror: str | None, expected: Choice | None) -> None:
    assert choose(parse_accept(accept), MEDIA_TYPES, mirror) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ([], BINARY),
        (["*/*"], BINARY),
        (["application/json, */*;q=0.1"], BINARY),
        (["application/json"], None),
        (["application/json, application/x-msgpack;q=0.1"], Choice("application/x-msgpack", {})),
        (["application/msgpack;q=0"], None),
    ],
)
def test_choice_where_only_binary_is_offered(accept: list[str], expected: Choice | None) -> None:
    assert choose_binary(parse_accept(accept), MEDIA_TYPES, None) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (["application/msgpack"], "application/json"),
        (["application/msgpack;q=0.5, text/html"], "application/json;q=0.5, text/html"),
        (["application/msgpack, application/json;q=0.1"], "application/json"),
        (["*/*;q=0.25"], "*/*;q=0.25"),
    ],
)
def test_accept_for_the_app(accept: list[str], expected: str) -> None:
    assert accept_with_json(parse_accept(accept), MEDIA_TYPES) == expected


def test_binary_counterpart_of_structured_suffixes() -> None:
    assert (
        binary_counterpart("application/json", "application/x-msgpack", "+msgpack")
        == "application/x-msgpack"
    )
    assert (
        binary_counterpart("application/problem+json", MSGPACK, "+msgpack")
        == "application/problem+msgpack"
    )


@given(st.lists(st.text(alphabet=st.characters(codec="latin-1"), max_size=200), max_size=4))
def test_no_accept_header_is_too_odd(values: list[str]) -> None:
    ranges = parse_accept(values)
    assert all(0 <= range_.q <= 1 for range_ in ranges)
    choice = choose(ranges, MEDIA_TYPES, MSGPACK)
    assert choice is None or choice.media_type is None or "/" in choice.media_type


@pytest.mark.parametrize("quotes", ['"', '"' + '\\"' * 100_000, '"a, b/c', '"\\', 'x="1, c/d'])
def test_an_open_quote_reaches_to_the_end(quotes: str) -> None:
    """Trying each quote in it as the beginning of one would take the square of its length."""
    assert _ELEMENT.findall(f"a/b,{quotes}") == ["a/b", quotes]
    if len(quotes) < MAX_FIELD_LENGTH - 4:
        assert [r.media_type.essence for r in parse_accept([f"a/b,{quotes}"])] == ["a/b"]


def test_fields_of_any_length_that_is_read() -> None:
    padding = ";x=1" * ((MAX_FIELD_LENGTH - len("a/b")) // 4)
    for text, is_read in ((f"a/b{padding}", True), (f"a/b{padding}    ", False)):
        assert (parse_media_type(text) is not None) is is_read
        assert bool(parse_accept([text])) is is_read
    half = ",".join(["a/b"] * 1024)
    assert len(parse_accept([half, half])) == 2048
    assert parse_accept([half, half, half]) == []


def test_a_range_with_a_suffix_is_no_media_type() -> None:
    """Found by the fuzzer: it would have been the Content-Type of the answer."""
    assert not is_binary("application/*+msgpack", MEDIA_TYPES)
    ranges = parse_accept(["application/*+msgpack"])
    assert choose(ranges, MEDIA_TYPES, None) is None

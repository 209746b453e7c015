"""Entity tags of responses and conditions of requests (RFC 9110 §8.8.3, §13.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from binary_middleware._http import etags
from binary_middleware.formats import FORMAT

SUFFIXES = {"numpy": b"--msgpack", "map": b"--msgpack-map"}

opaque = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f')
).map(lambda text: text.replace("\x80", "").encode("latin-1"))
suffixes = st.sampled_from(FORMAT.tag_suffixes)


@pytest.mark.parametrize(
    ("tag", "arrays", "expected"),
    [
        (b'"abc"', "numpy", b'"abc--msgpack"'),
        (b' "abc" ', "numpy", b'"abc--msgpack"'),
        (b'"abc"', "map", b'"abc--msgpack-map"'),
        (b'""', "numpy", b'"--msgpack"'),
        (b'W/"abc"', "numpy", b'W/"abc"'),
        (b"abc", "numpy", b"abc"),
        (b'"a" "b"', "numpy", b'"a" "b"'),
        (b"", "numpy", b""),
    ],
)
def test_strong_tags_get_a_suffix(tag: bytes, arrays: str, expected: bytes) -> None:
    assert etags.with_suffix(tag, SUFFIXES[arrays]) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (b'"abc--msgpack"', b'"abc"'),
        (b'W/"abc--msgpack"', b'W/"abc"'),
        (b'"abc"', b'"abc--msgpack"'),  # that of the JSON, which must not match
        (b'W/"abc"', b'W/"abc"'),
        (b'"abc--msgpack-map"', b'"abc--msgpack-map--msgpack"'),
        (b"*", b"*"),
        (b'"a--msgpack" , W/"b",, "c,d--msgpack"', b'"a" , W/"b",, "c,d"'),
        (b"abc--msgpack", b"abc--msgpack"),
        (b'"abc--msgpack', b'"abc--msgpack'),
        (b"", b""),
    ],
)
def test_if_none_match_of_a_read(tags: bytes, expected: bytes) -> None:
    assert etags.of_json(tags, b"--msgpack") == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (b'"abc--msgpack"', b'"abc"'),
        (b'"abc--msgpack-map"', b'"abc"'),
        (b'"abc"', b'"abc"'),
        (b'W/"abc--msgpack"', b'W/"abc"'),
        (b'"a", "b--msgpack"', b'"a", "b"'),
        (b"*", b"*"),
        (b'"a--msgpack" b', b'"a--msgpack" b'),
    ],
)
def test_conditions_about_the_state(tags: bytes, expected: bytes) -> None:
    assert etags.without_suffix(tags, FORMAT.tag_suffixes) == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (b'"abc"', b'"abc--openapi-1f"'),
        (b'W/"abc"', b'W/"abc--openapi-1f"'),
        (b"abc", b"abc"),
    ],
)
def test_tag_of_a_completed_document(tag: bytes, expected: bytes) -> None:
    assert etags.of_completed(tag, "1f") == expected


@given(opaque, suffixes)
def test_round_trip(opaque: bytes, suffix: bytes) -> None:
    tag = b'"%b"' % opaque
    sent = etags.with_suffix(tag, suffix)
    assert sent != tag
    assert etags.of_json(sent, suffix) == tag
    assert etags.without_suffix(sent, FORMAT.tag_suffixes) == tag


@given(st.lists(opaque, max_size=4), suffixes)
def test_no_tag_of_the_json_matches(opaques: list[bytes], suffix: bytes) -> None:
    """The app gets a tag of its own only if the client has the binary response."""
    seen = etags.of_json(b", ".join(b'"%b"' % each for each in opaques), suffix)
    expected = [
        each.removesuffix(suffix) if each.endswith(suffix) else each + suffix for each in opaques
    ]
    assert seen == b", ".join(b'"%b"' % each for each in expected)


def test_long_headers_take_linear_time() -> None:
    hostile = b'"a", ' * 200_000 + b"x"
    assert etags.of_json(hostile, b"--msgpack") == hostile
    assert (
        etags.without_suffix(b", \t" * 300_000 + b"x", FORMAT.tag_suffixes)
        == b", \t" * 300_000 + b"x"
    )

"""Entity tags on the way out and conditions on the way in (RFC 9110 §8.8.3, §13.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from binary_middleware._http import etags as etag
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
    assert etag.with_suffix(tag, SUFFIXES[arrays]) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (b'"abc--msgpack"', b'"abc"'),
        (b'W/"abc--msgpack"', b'W/"abc"'),
        (b'"abc"', b'"abc--msgpack"'),  # the JSON: it must not match
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
    assert etag.of_json(tags, b"--msgpack") == expected


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
def test_condition_about_the_state(tags: bytes, expected: bytes) -> None:
    assert etag.without_suffix(tags, FORMAT.tag_suffixes) == expected


@given(opaque, suffixes)
def test_what_went_out_comes_back(opaque: bytes, suffix: bytes) -> None:
    tag = b'"%b"' % opaque
    sent = etag.with_suffix(tag, suffix)
    assert sent != tag
    assert etag.of_json(sent, suffix) == tag
    assert etag.without_suffix(sent, FORMAT.tag_suffixes) == tag


@given(st.lists(opaque, max_size=4), suffixes)
def test_no_tag_of_the_json_matches(opaques: list[bytes], suffix: bytes) -> None:
    """Whatever a client lists, the app sees a tag only if the client has its msgpack."""
    seen = etag.of_json(b", ".join(b'"%b"' % each for each in opaques), suffix)
    expected = [
        each.removesuffix(suffix) if each.endswith(suffix) else each + suffix for each in opaques
    ]
    assert seen == b", ".join(b'"%b"' % each for each in expected)


def test_a_long_header_takes_one_pass() -> None:
    hostile = b'"a", ' * 200_000 + b"x"
    assert etag.of_json(hostile, b"--msgpack") == hostile
    assert (
        etag.without_suffix(b", \t" * 300_000 + b"x", FORMAT.tag_suffixes)
        == b", \t" * 300_000 + b"x"
    )

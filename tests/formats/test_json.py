"""msgpack as JSON text and back."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from binary_middleware import BinaryMiddleware
from binary_middleware.errors import DecodeError, EncodeError, LimitExceeded
from binary_middleware.formats import _long_text
from binary_middleware.formats._long_text import CHUNK_SIZE, LongText
from binary_middleware.formats.base import Limits
from binary_middleware.formats.json import _Writer, dump_json, from_json, to_json
from binary_middleware.formats.msgpack import MSGPACK, packb, unpackb
from binary_middleware.formats.msgpack._limits import Budget
from binary_middleware.formats.msgpack._unpack import LARGE_ITEM
from tests.asgi_app import Recorder, call

ARRAY = np.array([[1.5, -2.0], [math.nan, math.inf]], "float32")
ARRAY_AS_JSON = {
    "shape": [2, 2],
    "dtype": "float32",
    "data_b64": base64.b64encode(ARRAY.tobytes()).decode(),
}


def unpack_views(data: bytes, limit: int = 8 << 20) -> Any:
    return MSGPACK.decode_views(data, Limits(limit))


def as_json(packed: bytes) -> Any:
    text = to_json(unpackb(packed))
    assert to_json(unpack_views(packed, 1 << 30), max_size=len(text)) == text
    return json.loads(text)


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (packb({"a": [1, -2.5, None, True, "ü"]}), {"a": [1, -2.5, None, True, "ü"]}),
        (packb({"a": ARRAY}), {"a": ARRAY_AS_JSON}),
        (packb({"a": ARRAY}, arrays="map"), {"a": ARRAY_AS_JSON}),
        (packb([{"x": ARRAY}, ARRAY], arrays="map"), [{"x": ARRAY_AS_JSON}, ARRAY_AS_JSON]),
        (packb(b"\xff\x00"), "/wA="),
        (packb(1 + 2j), "1+2j"),
        (packb(2**64 - 1), 2**64 - 1),
        (
            msgpack.packb(dt.datetime(2026, 1, 2, tzinfo=dt.UTC), datetime=True),
            "2026-01-02T00:00:00Z",
        ),
        (msgpack.packb({1: 2, None: 3}, strict_types=False), {"1": 2, "None": 3}),
        (
            packb({"shape": [2], "dtype": "float32", "data": b"too short"}),
            {"shape": [2], "dtype": "float32", "data": "dG9vIHNob3J0"},
        ),
    ],
)
def test_what_the_app_sees(packed: bytes, expected: Any) -> None:
    assert as_json(packed) == expected


def test_datetime64_scalars_become_arrays_without_dimensions() -> None:
    assert as_json(packb(np.datetime64("2026-01-02", "D"))) == {
        "shape": [],
        "dtype": "datetime64[D]",
        "data_b64": base64.b64encode(np.datetime64("2026-01-02", "D").tobytes()).decode(),
    }


CHARACTERS = ["a", '"', "\\", "\n", "\0", "\x1f", "\x7f", "é", "汉", "😀", "\u2028"]


@given(
    st.lists(st.sampled_from(CHARACTERS), min_size=1, max_size=12).map("".join),
    st.integers(0, 9),
    st.sampled_from([LARGE_ITEM, 2 * LARGE_ITEM - 9, 2 * LARGE_ITEM, 4 * LARGE_ITEM]),
)
def test_long_text_is_written_in_chunks_as_json_writes_it(unit: str, more: int, size: int) -> None:
    """Cut anywhere between characters, and counted before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_long_text, "CHUNK_SIZE", 2 * LARGE_ITEM)
        check_long_text(unit, more, size)


def check_long_text(unit: str, more: int, size: int) -> None:
    text = "x" * more + unit * (size // len(unit.encode()) + 1)
    expected = json.dumps(text, ensure_ascii=False).encode()
    long = LongText(memoryview(text.encode()))
    assert b'"%b"' % b"".join(long.escaped()) == expected
    assert long.escaped_size() == len(expected) - 2
    document = packb({"a": [text, b"x" * size, {text[:2000]: 1}], "b": text, "c": np.zeros(size)})
    value = unpack_views(document)
    assert type(value["b"]) is LongText
    limit = len(json.dumps(as_json(document), ensure_ascii=False, separators=(",", ":")).encode())
    assert to_json(value, max_size=limit) == to_json(unpackb(document))
    with pytest.raises(LimitExceeded, match=rf"max_json_size \({limit - 1} bytes\)"):
        to_json(unpack_views(document), max_size=limit - 1)


@pytest.mark.parametrize("at", [0, 5, *range(CHUNK_SIZE - 5, CHUNK_SIZE + 5), 2 * CHUNK_SIZE + 99])
@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc3", b"\xe6\xb1", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\x80\x80\x80\x80"]
)
def test_long_text_that_is_not_utf_8_is_refused(at: int, bad: bytes) -> None:
    data = b"x" * at + bad + b"y" * (2 * CHUNK_SIZE + 99 - at)
    document = b"\x92\xdb" + len(data).to_bytes(4) + data + b"\xc0"
    with pytest.raises(DecodeError, match=r"the body is not msgpack: a string is not UTF-8"):
        unpack_views(document)
    with pytest.raises(DecodeError, match=r"the body is not msgpack: a string is not UTF-8"):
        unpackb(document)
    with pytest.raises(DecodeError, match="truncated"):
        unpack_views(b"\xdb" + len(data).to_bytes(4) + data[:-1])


def test_text_over_max_json_size_is_refused_and_says_so() -> None:
    app = Recorder()
    nul = packb("\0" * 10_000 + "😀")
    assert call(BinaryMiddleware(app), nul).status == 200
    assert app.received[0]["body"] == json.dumps("\0" * 10_000 + "😀", ensure_ascii=False).encode()
    refused = call(BinaryMiddleware(app, max_json_size=60_005), nul)
    assert refused.status == 413
    assert b"the body as JSON text is over max_json_size (60005 bytes)" in refused.body
    assert call(BinaryMiddleware(app, max_json_size=60_006), nul).status == 200


@pytest.mark.parametrize("value", [b"", b"a", dt.datetime(2026, 1, 2, tzinfo=dt.UTC)], ids=str)
def test_what_python_code_makes_text_of_is_limited(value: Any) -> None:
    document = msgpack.packb([value] * 100, datetime=True)
    assert len(json.loads(to_json(unpackb(document), max_structure_size=100 * 8))) == 100
    with pytest.raises(LimitExceeded, match="max_structure_size"):
        to_json(unpackb(document), max_structure_size=100 * 8 - 1)


@pytest.mark.parametrize("data", [b"abc", b"not so many"])
def test_maps_that_are_arrays_or_look_like_them_are_limited(data: bytes) -> None:
    document = packb([{"shape": [3], "dtype": "|u1", "data": data}] * 100)
    assert len(json.loads(to_json(unpackb(document), max_structure_size=100 * (64 + 8)))) == 100
    with pytest.raises(LimitExceeded, match="max_structure_size"):
        to_json(unpackb(document), max_structure_size=100 * 64 - 1)


def test_nan_and_infinities_are_the_tokens_of_python_json() -> None:
    text = to_json([math.nan, math.inf, -math.inf])
    assert text == b"[NaN,Infinity,-Infinity]"
    value = from_json(text)
    assert math.isnan(value[0])
    assert value[1:] == [math.inf, -math.inf]


def test_arrays_come_back_from_the_response() -> None:
    (document,) = from_json(json.dumps([ARRAY_AS_JSON]).encode())
    assert document.dtype == np.float32
    assert np.array_equal(document, ARRAY, equal_nan=True)


@pytest.mark.parametrize(
    "change",
    [
        {"data_b64": "AAAA"},
        {"data_b64": "!"},
        {"data_b64": 5},
        {"dtype": "object"},
        {"shape": [2, 2, 2]},
        {"shape": "2"},
        {"more": 1},
    ],
)
def test_what_only_looks_like_an_array_stays_a_map(change: dict[str, Any]) -> None:
    document = {**ARRAY_AS_JSON, **change}
    assert from_json(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        str(2**64).encode(),
        str(-(2**63) - 1).encode(),
        b'"\\ud800"',
        b"[" * 10**5,
    ],
    ids=["empty", "cut", "no-utf8", "2^64", "-2^63-1", "surrogate", "deep"],
)
def test_what_cannot_be_carried_is_an_encode_error(text: bytes) -> None:
    with pytest.raises((DecodeError, EncodeError)):
        packb(from_json(text))


def test_a_document_too_deep_for_json_is_refused() -> None:
    deep: Any = 1
    for _ in range(20_000):
        deep = [deep]
    with pytest.raises(LimitExceeded, match="nests too deeply"):
        to_json(deep)


def test_long_base64_goes_where_it_belongs() -> None:
    arrays = [np.arange(size, dtype="u1") for size in (10, 5000, 3000, 20_000)]
    document = {"first": arrays, "raw": [b"\xff" * 9000, b"a"], "ü": {"nested": arrays[1]}}
    text = as_json(packb(document))
    assert [base64.b64decode(item["data_b64"]) for item in text["first"]] == [
        array.tobytes() for array in arrays
    ]
    assert [base64.b64decode(item) for item in text["raw"]] == document["raw"]
    assert base64.b64decode(text["ü"]["nested"]["data_b64"]) == arrays[1].tobytes()


@pytest.mark.parametrize("text", ["1e999", "[-1e999]", "NaN", '{"a": [NaN, 1]}', "\ufeff[1]"])
def test_what_json_reads_and_msgspec_does_not(text: str) -> None:
    packed = packb(from_json(text.encode()))
    assert packed == msgpack.packb(json.loads(text.encode()))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_json_survives_both_ways(value: Any) -> None:
    packed = packb(from_json(json.dumps(value).encode()))
    assert packed == msgpack.packb(value)
    assert as_json(packed) == value


@pytest.mark.parametrize("value", [np.longdouble(1) / 3, np.datetime64("2026-01-02T03", "ns")])
def test_scalars_that_json_has_not_are_arrays_without_dimensions(value: np.generic) -> None:
    found = from_json(dump_json({"a": value}))["a"]
    assert found.dtype == value.dtype
    assert found.shape == ()
    assert found[()] == value


def test_a_document_that_has_the_token_is_written_all_the_same() -> None:
    """Nobody can know it; if somebody did, the text would be right."""
    data = bytes(range(256)) * 64
    for around in ("{}", "x{}", "{}y", "{0}{0}", "0{}f", '"{}"', "{}\\"):
        writer = _Writer(None, Budget(None))
        text = around.format(writer.token)
        document = {text: [data, text, {"a": data}], "b": text, "c": data, writer.token: None}
        base64_of = base64.b64encode(data).decode()
        written = json.loads(writer.write(document))
        assert written == {
            text: [base64_of, text, {"a": base64_of}],
            "b": text,
            "c": base64_of,
            writer.token: None,
        }

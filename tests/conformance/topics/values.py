"""Values in documents, and those that msgpack cannot hold."""

from __future__ import annotations

import math
from typing import Any

from tests.conformance.apps import echo, responds, responds_with_bytes
from tests.conformance.expect import (
    app_received,
    app_received_bytes,
    as_written,
    is_json,
    is_msgpack,
    status,
)
from tests.conformance.message import (
    DOCUMENT,
    JSON,
    MSGPACK,
    binary_get,
    binary_post,
    json_get,
    packed,
    post,
    text,
)
from tests.conformance.rule import Topic, rule


def nested(depth: int) -> Any:
    """Return lists in lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


VALUES: list[tuple[str, Any]] = [
    ("null", None),
    ("true and false", [True, False]),
    ("0", 0),
    ("the largest integer of 64 bits", 2**64 - 1),
    ("the smallest integer of 64 bits", -(2**63)),
    ("a float that is whole", 1.0),
    ("the smallest float", 5e-324),
    ("a float of 17 digits", 0.30000000000000004),
    ("minus zero", -0.0),
    ("an empty string", ""),
    ("text of all planes", "aß漢🎈"),
    ("control characters", '\x00\x1f"\\\x7f\u2028'),
    ("an empty list", []),
    ("an empty object", {}),
    ("an empty key", {"": {"": []}}),
    ("keys in their order", {"b": 1, "a": 2, "c": 3}),
    ("100 levels", nested(100)),
    ("70,000 members", {str(number): number for number in range(70_000)}),
]


UNCARRIABLE = [
    # what, JSON text
    ("An integer of 65 bits", b'{"n": 18446744073709551616}'),
    ("A negative integer of 65 bits", b'{"n": -9223372036854775809}'),
    ("An integer of 100 digits", b'{"n": ' + b"9" * 100 + b"}"),
    ("Half of a surrogate pair", b'["\\ud800"]'),
    ("Half of a surrogate pair as a key", b'{"\\udfff": 1}'),
    ("A document that nests 100,000 deep", b"[" * 100_000 + b"]" * 100_000),
]

NO_JSON = [
    # what, body
    ("text", b"hello"),
    ("two documents", b"{} {}"),
    ("a document that is cut short", b'{"a": 1'),
    ("a trailing comma", b"[1,]"),
    ("bytes that are not UTF-8", b'"\xff\xfe"'),
    ("a single quote", b"{'a': 1}"),
]

DOCUMENTS = Topic(
    "Documents",
    [
        *(
            rule(
                f"{what[0].upper()}{what[1:]} in msgpack arrives, and goes, as that",
                "RFC 8259 §3",
                echo,
                binary_post(value),
                app_received(value),
                is_msgpack(value),
            )
            for what, value in VALUES
        ),
        rule(
            "A key that is an integer becomes the string of it",
            "Wire format: values",
            echo,
            binary_post({1: "a"}),
            app_received({"1": "a"}),
            is_msgpack({"1": "a"}),
        ),
        rule(
            "NaN and infinities arrive, and go, as Python's `json` writes them",
            "Wire format: values",
            echo,
            binary_post([math.nan, math.inf, -math.inf]),
            app_received([math.nan, math.inf, -math.inf]),
            is_msgpack([math.nan, math.inf, -math.inf]),
        ),
        rule(
            "NaN and infinities are left for JSON clients",
            "Wire format: values",
            responds_with_bytes(b"[NaN, Infinity]"),
            json_get(),
            as_written(b"[NaN, Infinity]", JSON),
        ),
        *(
            rule(
                f"{what}, which msgpack cannot carry, goes as the JSON that it is",
                "Wire format: values",
                responds_with_bytes(data),
                binary_get(),
                status(200),
                as_written(data, JSON),
            )
            for what, data in UNCARRIABLE
        ),
        *(
            rule(
                f"What is labelled JSON and is {what} is sent as it is",
                "RFC 9110 §8.3",
                responds_with_bytes(data),
                binary_get(),
                status(200),
                as_written(data, JSON),
            )
            for what, data in NO_JSON
        ),
        rule(
            "A number with a fraction of zero stays a float",
            "RFC 8259 §6",
            responds_with_bytes(b"[1.0, 1, 1e2]"),
            binary_get(),
            is_msgpack([1.0, 1, 100.0]),
        ),
        rule(
            "White space around the document does not matter",
            "RFC 8259 §2",
            responds_with_bytes(b' \r\n{ "a" :\t1 }\n'),
            binary_get(),
            is_msgpack({"a": 1}),
        ),
        rule(
            "Of two members of one name the last counts, as in Python",
            "Wire format: values",
            responds_with_bytes(b'{"a": 1, "a": 2}'),
            binary_get(),
            is_msgpack({"a": 2}),
        ),
        rule(
            "Escapes are resolved",
            "RFC 8259 §7",
            responds_with_bytes(b'"\\u00e4\\ud83c\\udf88\\n\\/"'),
            binary_get(),
            is_msgpack("ä🎈\n/"),
        ),
        rule(
            "A document may be a single value",
            "RFC 8259 §2",
            echo,
            binary_post("hello"),
            app_received("hello"),
            is_msgpack("hello"),
        ),
        rule(
            "Any form of msgpack is read, also one that is longer than need be",
            "msgpack: Formats",
            echo,
            post(
                b"\xdf\x00\x00\x00\x01\xdb\x00\x00\x00\x01a\xd3" + bytes(7) + b"\x01",
                content_type=MSGPACK,
                accept=MSGPACK,
            ),
            app_received({"a": 1}),
            is_msgpack({"a": 1}),
        ),
        rule(
            "A float of 32 bits is read",
            "msgpack: Formats",
            echo,
            post(b"\xca\x3f\x00\x00\x00", content_type=MSGPACK, accept=MSGPACK),
            app_received(0.5),
            is_msgpack(0.5),
        ),
        rule(
            "A document that is large and small at once: 10,000 objects",
            "RFC 8259 §5",
            responds([DOCUMENT] * 10_000),
            binary_get(),
            is_msgpack([DOCUMENT] * 10_000),
        ),
        rule(
            "JSON of a JSON client is not read",
            "RFC 9110 §7.7",
            echo,
            post(b'{"n":18446744073709551616,"n":NaN}', content_type=JSON, accept=JSON),
            app_received_bytes(b'{"n":18446744073709551616,"n":NaN}'),
            as_written(b'{"n":18446744073709551616,"n":NaN}', JSON),
        ),
        rule(
            "JSON to JSON is not decoded on the way",
            "RFC 9110 §7.7",
            echo,
            post(text(DOCUMENT), content_type=JSON, accept=JSON),
            is_json(DOCUMENT),
            as_written(text(DOCUMENT), JSON),
        ),
        rule(
            "The same document in either format is the same to the app",
            "RFC 9110 §3.2",
            echo,
            post(packed(DOCUMENT), content_type=MSGPACK, accept=JSON),
            app_received(DOCUMENT),
            is_json(DOCUMENT),
            alongside=[
                (post(text(DOCUMENT), content_type=JSON, accept=MSGPACK), is_msgpack(DOCUMENT))
            ],
        ),
    ],
)

"""The choice of a media type, plans, and how many of them are cached."""

from __future__ import annotations

import itertools

import pytest

from binary_middleware._http.media_types import parse_accept
from binary_middleware._http.negotiation import (
    SEVERAL,
    Choice,
    Negotiator,
    Plan,
    choose,
    make_plan,
    plan_key,
)
from binary_middleware.formats import FORMAT
from binary_middleware.options import BinaryOptions
from tests.asgi_app import http_scope

MSGPACK = "application/msgpack"
MEDIA_TYPES = (*FORMAT.media_types, FORMAT.suffix)
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
        (["application/*+msgpack"], None, None),
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
    ranges = parse_accept(accept)
    assert choose(ranges, MEDIA_TYPES, None, offers_json=False) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/msgpack", "application/json"),
        ("application/msgpack;q=0.5, text/html", "application/json;q=0.5, text/html"),
        ("application/msgpack, application/json;q=0.1", "application/json"),
        ("*/*;q=0.25", "*/*;q=0.25"),
        ("application/json", None),
        (None, None),
    ],
)
def test_accept_for_the_app(accept: str | None, expected: str | None) -> None:
    assert make_plan(MSGPACK, accept, BinaryOptions().offer).accept == expected


def content_type_of(plan: Plan) -> str | None:
    return None if plan.variant is None else plan.variant.content_type


def test_plans_are_cached() -> None:
    negotiator = Negotiator(BinaryOptions().offer)
    plan = negotiator.plan(b"application/msgpack", None)
    assert content_type_of(plan) == "application/msgpack"
    assert negotiator.plan(b"application/msgpack", None) is plan


def test_plans_of_long_headers_are_not_cached() -> None:
    negotiator = Negotiator(BinaryOptions().offer)
    accept = b"application/msgpack, " + b"text/plain, " * 500
    plan = negotiator.plan(None, accept)
    assert content_type_of(plan) == "application/msgpack"
    assert negotiator.plan(None, accept) is not plan


def test_the_cache_is_bounded() -> None:
    negotiator = Negotiator(BinaryOptions().offer)
    cached = negotiator.plan(b"application/msgpack", None)
    for number in range(3000):
        assert negotiator.plan(None, b"application/msgpack;n=%d" % number).variant is not None
    assert negotiator.plan(b"application/msgpack", None) is not cached


@pytest.mark.parametrize(
    ("http_version", "headers", "has_body"),
    [
        ("1.1", [("content-type", MSGPACK)], True),  # of a test client, or an adapter
        ("1.1", [("accept", MSGPACK)], False),
        ("1.1", [("content-type", MSGPACK), ("content-length", "0")], False),
        ("1.1", [("content-length", "1"), ("content-type", MSGPACK)], True),
        ("1.1", [("transfer-encoding", "chunked")], True),
        ("1.0", [("content-length", "00")], False),
        ("2", [("content-type", MSGPACK)], True),
        ("2", [("content-type", MSGPACK), ("content-length", "0")], False),
        ("3", [], False),
    ],
)
def test_whether_a_body_is_announced(
    http_version: str, headers: list[tuple[str, str]], has_body: bool
) -> None:
    assert plan_key(http_scope(headers=headers, http_version=http_version))[3] is has_body


def test_get_needs_an_announced_body() -> None:
    scope = http_scope("GET", headers=[("content-type", MSGPACK)], http_version="1.1")
    assert plan_key(scope)[3] is False


def test_repeated_headers() -> None:
    fields = [("content-type", MSGPACK), ("accept", "a/b"), ("content-type", ""), ("accept", "*/*")]
    found = plan_key(http_scope(headers=fields, method="HEAD"))
    assert found == (SEVERAL, b"a/b, */*", False, True)


ACCEPTS = [
    None,
    *(
        ", ".join(f"{name};q={q}" for name, q in zip(names, weights, strict=True))
        for names in (
            ["*/*"],
            ["application/*"],
            ["image/*"],
            [MSGPACK],
            ["application/json"],
            ["application/json", "*/*"],
            ["application/json", MSGPACK],
            [MSGPACK, "*/*"],
            ["image/x+msgpack", "application/json", "*/*"],
            ["application/json", "application/*", "text/*"],
        )
        for weights in itertools.product((0, 0.5, 1), repeat=len(names))
    ),
]


@pytest.mark.parametrize("mode", ["negotiate", "require"])
def test_vary_names_content_type_where_it_decides(mode: str) -> None:
    """For each Accept, over all content types that a request can have."""
    options = BinaryOptions(mode=mode)  # type: ignore[arg-type]  # parametrized
    types = [None, "application/json", MSGPACK, "application/x-msgpack", "image/x+msgpack"]
    types += ["text/x+msgpack"]
    for accept in ACCEPTS:
        plans = [make_plan(each, accept, options.offer) for each in types]
        decides = len({content_type_of(plan) for plan in plans}) > 1
        varies = {plan.vary for plan in plans if plan.refusal is None}
        assert varies <= {(b"vary", b"Accept, Content-Type" if decides else b"Accept")}, accept
        for each in types:
            plan = make_plan(each, accept, options.offer, can_mirror=False)
            assert plan.variant == make_plan(None, accept, options.offer, can_mirror=False).variant
            assert plan.refusal is not None or plan.vary == (b"vary", b"Accept")


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [
        (b"application/json; charset", "'application/json; charset'"),
        (b"text/html", "'text/html'"),
        (b"a/b; c=" + b"d" * 9000, f"'a/b; c={'d' * 33}'"),
        (None, "a body without a Content-Type"),
        (b"application/json", "JSON"),
    ],
)
def test_message_of_require(content_type: bytes | None, sent: str) -> None:
    plan = Negotiator(BinaryOptions(mode="require").offer).plan(content_type, None)
    assert sent in str(plan.refusal)
    assert "send application/msgpack, " in str(plan.refusal)

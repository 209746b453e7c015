"""Plans, and how many of them are kept."""

from __future__ import annotations

import itertools

import pytest

from binary_middleware._http import media_types as media
from binary_middleware._http.negotiation import SEVERAL, Negotiator, Plan, asked, make_plan
from binary_middleware.options import BinaryOptions
from tests.asgi_app import http_scope


def content_type_of(plan: Plan) -> str | None:
    return None if plan.variant is None else plan.variant.content_type


def test_a_plan_is_made_once() -> None:
    negotiator = Negotiator(BinaryOptions().offer)
    plan = negotiator.plan(b"application/msgpack", None)
    assert content_type_of(plan) == "application/msgpack"
    assert negotiator.plan(b"application/msgpack", None) is plan


def test_long_header_fields_are_not_kept() -> None:
    negotiator = Negotiator(BinaryOptions().offer)
    accept = b"application/msgpack, " + b"text/plain, " * 500
    plan = negotiator.plan(None, accept)
    assert content_type_of(plan) == "application/msgpack"
    assert negotiator.plan(None, accept) is not plan


def test_hostile_variety_is_bounded() -> None:
    negotiator = Negotiator(BinaryOptions().offer)
    kept = negotiator.plan(b"application/msgpack", None)
    for number in range(3000):
        assert negotiator.plan(None, b"application/msgpack;n=%d" % number).variant is not None
    assert negotiator.plan(b"application/msgpack", None) is not kept  # made room, and made anew


MSGPACK = "application/msgpack"


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
    assert asked(http_scope(headers=headers, http_version=http_version))[3] is has_body


def test_get_has_no_body_that_nothing_announces() -> None:
    scope = http_scope("GET", headers=[("content-type", MSGPACK)], http_version="1.1")
    assert asked(scope)[3] is False


def test_fields_that_come_several_times() -> None:
    fields = [("content-type", MSGPACK), ("accept", "a/b"), ("content-type", ""), ("accept", "*/*")]
    found = asked(http_scope(headers=fields, method="HEAD"))
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
    """Of all content types that a request can have, for each Accept."""
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
def test_lists_of_media_types(value: str, expected: bool) -> None:
    assert media.is_list(value) is expected


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
def test_require_says_what_it_does_not_accept(content_type: bytes | None, sent: str) -> None:
    plan = Negotiator(BinaryOptions(mode="require").offer).plan(content_type, None)
    assert sent in str(plan.refusal)
    assert "send application/msgpack, " in str(plan.refusal)

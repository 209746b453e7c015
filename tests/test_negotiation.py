"""Plans, and how many of them are kept."""

from __future__ import annotations

from binary_middleware.negotiation import Negotiator
from binary_middleware.options import BinaryOptions


def test_a_plan_is_made_once() -> None:
    negotiator = Negotiator(BinaryOptions())
    plan = negotiator.plan(b"application/msgpack", None)
    assert plan.answer == "application/msgpack"
    assert negotiator.plan(b"application/msgpack", None) is plan


def test_long_header_fields_are_not_kept() -> None:
    negotiator = Negotiator(BinaryOptions())
    accept = b"application/msgpack, " + b"text/plain, " * 500
    plan = negotiator.plan(None, accept)
    assert plan.answer == "application/msgpack"
    assert negotiator.plan(None, accept) is not plan


def test_hostile_variety_is_bounded() -> None:
    negotiator = Negotiator(BinaryOptions())
    kept = negotiator.plan(b"application/msgpack", None)
    for number in range(3000):
        assert negotiator.plan(None, b"application/msgpack;n=%d" % number).answer is not None
    assert negotiator.plan(b"application/msgpack", None) is not kept  # made room, and made anew

"""Verdicts on a middleware, one for each rule."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.conformance.in_process import InProcess
from tests.conformance.over_socket import over_socket
from tests.conformance.rule import AnyRule, Crashed, Transport, Unmet
from tests.conformance.subject import Subject
from tests.conformance.topics import rules


@dataclass(frozen=True)
class Verdict:
    """The verdict on a rule.

    Attributes:
        passed: whether it is kept, over each transport.
        reason: what happened instead, in a few words.
        crashed: whether that was an exception.
    """

    passed: bool
    reason: str = ""
    crashed: bool = False


NAMES: Final = ("ASGI", "httptools", "h11")
"""The transports: messages of ASGI, and sockets with either of uvicorn's implementations."""


@contextlib.contextmanager
def transports() -> Iterator[dict[str, Transport]]:
    """Every transport by its name, during the ``with`` block."""
    with over_socket("httptools") as httptools, over_socket("h11") as h11:
        yield dict(zip(NAMES, (InProcess(), httptools, h11), strict=True))


def is_seen_over(rule: AnyRule, name: str) -> bool:
    """Whether a rule can be seen over the transport of that name."""
    return ("ASGI" if name == "ASGI" else "socket") in rule.seen_over


def judge(rule: AnyRule, subject: Subject, over: Mapping[str, Transport]) -> Verdict:
    """Try a rule over each transport on which it can be seen."""
    for name, transport in over.items():
        if is_seen_over(rule, name):
            try:
                rule.check(subject.middleware, transport)
            except Unmet as exc:
                return Verdict(False, str(exc), isinstance(exc, Crashed))
    return Verdict(True)


def judge_all(subject: Subject) -> dict[str, Verdict]:
    """Return a verdict for the title of each rule that concerns a middleware."""
    with transports() as over:
        return {rule.title: judge(rule, subject, over) for rule in rules(ours=subject.is_ours)}

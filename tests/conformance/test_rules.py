"""Every rule, over every transport on which it can be seen.

``CONFORMANCE_MIDDLEWARE=module:factory`` tries another middleware instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from tests.conformance.rule import AnyRule, Transport
from tests.conformance.subject import OURS, chosen
from tests.conformance.topics import rules
from tests.conformance.verdict import NAMES, is_seen_over

SUBJECT = chosen()
RULES = rules(ours=SUBJECT is OURS)
CASES = [
    pytest.param(rule, name, id=f"{rule.title} [{name}]")
    for rule in RULES
    for name in NAMES
    if is_seen_over(rule, name)
]


@pytest.mark.parametrize(("rule", "name"), CASES)
def test_rule(rule: AnyRule, name: str, over: Mapping[str, Transport]) -> None:
    rule.check(SUBJECT.middleware, over[name])


def test_titles_are_names() -> None:
    titles = Counter(rule.title for rule in rules(ours=True))
    assert [title for title, count in titles.items() if count > 1] == []
    assert not any("|" in title for title in titles)

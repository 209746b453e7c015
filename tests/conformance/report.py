"""The rules and how they were found, as ``docs/conformance.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance.rule import OUR_CHOICES, AnyRule, Topic
from tests.conformance.topics import TOPICS, rules
from tests.conformance.verdict import Verdict

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "conformance.md"

PASS, NOT_APPLICABLE = "pass", "n/a"

INTRODUCTION: Final = """\
# Conformance

Whatever an app does over HTTP must keep working with the middleware around it. What that means
is written down as {count} rules in [`tests/conformance`](../tests/conformance/topics), each of
them an app, a request and what must be seen. A rule is tried message by message on ASGI and,
wherever it can be seen there, over sockets to uvicorn with either of its HTTP implementations.
Of each response it is checked besides that nothing raised, and that it is complete and as long as
it says. The tests of this package pass all rules.

The other column is [msgpack-asgi], which has the same aim, and is a single small file.

- *fails* says what happened instead; *raises* is an exception that comes out of the app, for
  which a server responds with 500 or cuts the response off.
- *differs* is for rules that no standard makes, but this package: what happened may be as good.
- *n/a* is for options and extensions of this package.

To be fair, the suite names msgpack `application/vnd.msgpack` wherever a rule is not about its
name, as that is what IANA registered and msgpack-asgi accepts by default; says in each request both
what it sends and what it accepts, as msgpack-asgi goes by that; and sets
`allow_naive_streaming=True`, with which msgpack-asgi passes more rules than without.

This page is written by `python -m tests.conformance`. Any other middleware is tried with
`--middleware=module:factory`, where the factory makes an app of an app.

[msgpack-asgi]: https://github.com/florimondmanca/msgpack-asgi
"""

LINKS: Final = {
    "ASGI": "https://asgi.readthedocs.io/en/latest/specs/main.html",
    "ASGI HTTP": "https://asgi.readthedocs.io/en/latest/specs/www.html",
    "ASGI extensions": "https://asgi.readthedocs.io/en/latest/extensions.html",
    "ASGI lifespan": "https://asgi.readthedocs.io/en/latest/specs/lifespan.html",
    "Fetch": "https://fetch.spec.whatwg.org/#http-cors-protocol",
    "msgpack": "https://github.com/msgpack/msgpack/blob/master/spec.md",
    "HTTP": "http.md",
    "Wire format": "wire-format.md",
}
RFC: Final = re.compile(r"RFC (\d+) §([\d.]+)")


@dataclass(frozen=True)
class Column:
    """What was found of one middleware.

    Attributes:
        title: its name.
        cells: a short text for the title of each rule.
    """

    title: str
    cells: Mapping[str, str]


def column(title: str, verdicts: Mapping[str, Verdict]) -> Column:
    """Return the column for verdicts; rules without one do not apply."""
    cells = {}
    for rule in rules(ours=True):
        verdict = verdicts.get(rule.title)
        cells[rule.title] = NOT_APPLICABLE if verdict is None else _cell(rule, verdict)
    return Column(title, cells)


def _cell(rule: AnyRule, verdict: Verdict) -> str:
    if verdict.passed:
        return PASS
    is_a_choice = rule.reference.startswith(OUR_CHOICES) and not verdict.crashed
    text = f"{'differs' if is_a_choice else '**fails**'}: {verdict.reason}"
    return text.replace("|", "\\|").replace("*/*", "\\*/\\*")


def render(columns: Sequence[Column]) -> str:
    """Return the whole document."""
    parts = [INTRODUCTION.format(count=len(rules(ours=True))), *_summary(columns)]
    for topic in TOPICS:
        parts += ["", f"## {topic.title}", ""]
        titles = " | ".join(column.title for column in columns)
        parts += [f"| rule | from | {titles} |", "|---|---|" + "---|" * len(columns)]
        for rule in topic.rules:
            cells = " | ".join(column.cells[rule.title] for column in columns)
            reference = f"[{rule.reference}]" if _definition(rule.reference) else rule.reference
            parts.append(f"| {rule.title} | {reference} | {cells} |")
    references = sorted({rule.reference for rule in rules(ours=True)})
    parts += ["", *filter(None, map(_definition, references))]
    return "\n".join(parts) + "\n"


def _summary(columns: Sequence[Column]) -> list[str]:
    """How many rules of each topic pass."""
    lines = ["| topic | rules | " + " | ".join(column.title for column in columns) + " |"]
    lines.append("|---|---:|" + "---:|" * len(columns))
    for topic in TOPICS:
        counts = " | ".join(_passed(topic, column) for column in columns)
        lines.append(
            f"| [{topic.title}](#{_anchor(topic.title)}) | {len(topic.rules)} | {counts} |"
        )
    return lines


def _passed(topic: Topic, column: Column) -> str:
    cells = [column.cells[rule.title] for rule in topic.rules]
    return NOT_APPLICABLE if set(cells) == {NOT_APPLICABLE} else str(cells.count(PASS))


def _anchor(title: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _definition(reference: str) -> str:
    """Where a reference leads, as Markdown; empty if nowhere."""
    found = RFC.fullmatch(reference)
    if found is not None:
        return f"[{reference}]: https://www.rfc-editor.org/rfc/rfc{found[1]}#section-{found[2]}"
    target = LINKS.get(reference.partition(":")[0])
    return f"[{reference}]: {target}" if target else ""


def read_columns(text: str) -> list[Column]:
    """Return the columns of a document that :func:`render` wrote."""
    titles: list[str] = []
    cells: list[dict[str, str]] = []
    is_table = False
    for line in text.splitlines():
        row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if row[:2] == ["rule", "from"]:
            is_table, titles = True, row[2:]
            cells = cells or [{} for _ in titles]
        elif not line.startswith("|"):
            is_table = False
        elif is_table and not row[0].startswith("---"):
            for found, cell in zip(cells, row[2:], strict=True):
                found[row[0]] = cell
    return [Column(title, found) for title, found in zip(titles, cells, strict=True)]

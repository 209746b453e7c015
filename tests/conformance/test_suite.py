"""The suite itself finds what is wrong, and the document says what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.conformance import in_process, over_socket, witness
from tests.conformance.apps import (
    body,
    echo,
    raises,
    responds,
    sends,
    start,
    streams_in_step,
    waits_for_the_client_to_leave,
)
from tests.conformance.expect import app_received, is_json, is_msgpack, status
from tests.conformance.message import DOCUMENT, JSON, MSGPACK, binary_get, binary_post, get
from tests.conformance.report import DOCUMENT as PAGE
from tests.conformance.report import PASS, column, read_columns, render
from tests.conformance.rule import Crashed, Rule, Transport, Unmet, rule
from tests.conformance.subject import OURS, load
from tests.conformance.topics import rules
from tests.conformance.verdict import NAMES, Verdict, judge


def plain(app: ASGIApp) -> ASGIApp:
    """No middleware at all."""
    return app


def cutting(app: ASGIApp) -> ASGIApp:
    """Drop the last byte of each body, without a word."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_less(message: Message) -> None:
            if message.get("body"):
                message = {**message, "body": message["body"][:-1]}
            await send(message)

        await app(scope, receive, send_less)

    return middleware


def collecting(app: ASGIApp) -> ASGIApp:
    """Send nothing before the app is done."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await app(scope, receive, keep)
        for message in messages:
            await send(message)

    return middleware


JSON_START = start(fields=(("content-type", JSON),))


def one(app: ASGIApp, *expect: Any, **more: Any) -> Rule:
    """Return a rule about a GET by a binary client."""
    return rule("a rule", "a reference", app, binary_get(), *expect, **more)


FOUND = [
    # what is found, a rule, a middleware
    ("Content-Type: application/json", one(responds(DOCUMENT), is_msgpack(DOCUMENT)), plain),
    ("another document", one(responds(DOCUMENT), is_json({"other": 1})), plain),
    ("another document", one(responds(1), is_json(1.0)), plain),
    ("status 200", one(responds(1), status(404)), plain),
    ("raises `KeyError`", one(raises(KeyError())), plain),
    ("KeyError of the app is lost", one(responds(1), raises=KeyError), plain),
    ("held back", one(streams_in_step([b"a", b"b"], "text/plain")), collecting),
    (
        f"the app gets {MSGPACK}",
        rule("a rule", "a reference", echo, binary_post(1), app_received(1)),
        plain,
    ),
    (
        "status 200",
        one(responds(1), status(200), alongside=[(get(), status(200)), (get(), status(500))]),
        plain,
    ),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("found", "broken", "middleware"), FOUND)
def test_broken_rules_are_found(
    found: str,
    broken: Rule,
    middleware: Any,
    name: str,
    over: Mapping[str, Transport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(witness, "PATIENCE", 0.2)
    with pytest.raises(Unmet) as caught:
        broken.check(middleware, over[name])
    assert str(caught.value) == found
    assert isinstance(caught.value, Crashed) is found.startswith("raises")


FAULTS = [
    # what is found on ASGI, an app, a middleware
    ("Content-Length 64 of 63 bytes", responds(DOCUMENT), cutting),
    ("no response", sends(), plain),
    ("the response never ends", sends(JSON_START), plain),
    ("the response never ends", sends(JSON_START, body(b"1", more_body=True)), plain),
    ("responds twice", sends(JSON_START, JSON_START, body(b"1")), plain),
    ("goes on after the end of the response", sends(JSON_START, body(b"1"), body(b"2")), plain),
    ("the body comes before the start", sends(body(b"1"), JSON_START), plain),
    ("a body with status 304", sends(start(304), body(b"1")), plain),
    (
        "two lines of Content-Type",
        sends(start(fields=(("content-type", JSON), ("content-type", JSON))), body(b"1")),
        plain,
    ),
]


@pytest.mark.parametrize(("found", "app", "middleware"), FAULTS)
def test_faults_of_a_response_are_found(
    found: str, app: ASGIApp, middleware: Any, over: Mapping[str, Transport]
) -> None:
    with pytest.raises(Unmet) as caught:
        one(app).check(middleware, over["ASGI"])
    assert str(caught.value) == found


@pytest.mark.parametrize("name", ["httptools", "h11"])
def test_responses_that_are_cut_off_are_found(name: str, over: Mapping[str, Transport]) -> None:
    cut_off = sends(JSON_START, body(b"1", more_body=True))
    with pytest.raises(Unmet, match="the response is cut off"):
        one(cut_off).check(plain, over[name])


@pytest.mark.parametrize("name", NAMES)
def test_apps_that_never_respond_are_found(
    name: str, over: Mapping[str, Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_process, "DEADLINE", 0.1)
    monkeypatch.setattr(over_socket, "DEADLINE", 0.1)
    with pytest.raises(Unmet, match="hangs"):
        one(waits_for_the_client_to_leave).check(plain, over[name])


def test_a_rule_is_judged_over_the_transports_on_which_it_is_seen(
    over: Mapping[str, Transport],
) -> None:
    broken = one(responds(DOCUMENT), is_msgpack(DOCUMENT), seen_over=["socket"])
    assert not judge(broken, load(f"{__name__}:plain"), over).passed
    assert judge(broken, load(f"{__name__}:plain"), {"ASGI": over["ASGI"]}).passed


def test_wrong_specifications_are_refused() -> None:
    for specification in ("no_such_module:factory", f"{__name__}:no_such_factory", "", "json"):
        with pytest.raises(ValueError, match="is not a module:factory"):
            load(specification)


def test_the_document_lists_the_rules_and_that_we_keep_them() -> None:
    committed, peer = read_columns(PAGE.read_text())
    titles = [rule.title for rule in rules(ours=True)]
    assert list(committed.cells) == list(peer.cells) == titles
    assert {title for title, cell in committed.cells.items() if cell != PASS} == set()
    ours = column(OURS.name, {title: Verdict(True) for title in titles})  # as test_rules.py finds
    assert render([ours, peer]) == PAGE.read_text()


def test_the_document_says_what_happened() -> None:
    by_standard, by_choice = (
        next(rule for rule in rules(ours=False) if rule.reference.startswith(prefix))
        for prefix in ("RFC", "Wire format")
    )
    (own,) = (rule for rule in rules(ours=True) if rule.title.startswith("`off` adds no Vary"))
    cells = column(
        "another",
        {
            by_standard.title: Verdict(False, "status 500"),
            by_choice.title: Verdict(False, "Accept: */* | a"),
        },
    ).cells
    assert cells[by_standard.title] == "**fails**: status 500"
    assert cells[by_choice.title] == "differs: Accept: \\*/\\* \\| a"
    assert cells[own.title] == "n/a"
    crashed = column("another", {by_choice.title: Verdict(False, "raises `A`", True)}).cells
    assert crashed[by_choice.title] == "**fails**: raises `A`"


def test_the_document_is_read_back() -> None:
    verdicts = {rule.title: Verdict(False, "a | b") for rule in rules(ours=True)}
    columns = [column("one", verdicts), column("two", {})]
    assert read_columns(render(columns)) == columns

"""Expectations of an exchange, each made by a function."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
from starlette.types import Message

from tests.conformance.message import JSON, MSGPACK, Seen
from tests.conformance.rule import Expectation, Unmet


def _shown(name: str, value: str | None) -> str:
    title = {"etag": "ETag", "content-md5": "Content-MD5"}.get(name, name.title())
    return f"no {title}" if value is None else f"{title}: {value}"


# -- the response -------------------------------------------------------------------------------


def status(code: int) -> Expectation:
    """Check that the response has this status."""

    def check(seen: Seen) -> None:
        if seen.status != code:
            raise Unmet(f"status {seen.status}")

    return check


def field(name: str, value: str | None) -> Expectation:
    """Check that a header has this value, lines joined; with ``None`` it is not there."""

    def check(seen: Seen) -> None:
        if seen.field(name) != value:
            raise Unmet(_shown(name, seen.field(name)))

    return check


def lines(name: str, *values: str) -> Expectation:
    """Check that a header comes in these lines."""

    def check(seen: Seen) -> None:
        if seen.lines(name) != list(values):
            raise Unmet(_shown(name, seen.field(name)))

    return check


def vary(*names: str) -> Expectation:
    """Vary lists these fields, in any order and case, and each of them once."""

    def check(seen: Seen) -> None:
        found = sorted(name.strip().lower() for name in (seen.field("vary") or "").split(","))
        if found != sorted(name.lower() for name in names):
            raise Unmet(_shown("vary", seen.field("vary")))

    return check


def is_msgpack(value: Any, media_type: str | None = MSGPACK) -> Expectation:
    """Check that the response is this document, labelled ``media_type`` or any msgpack type."""

    def check(seen: Seen) -> None:
        _check_label(seen, media_type)
        if media_type is None and "msgpack" not in (seen.media_type or ""):
            raise Unmet(_shown("content-type", seen.field("content-type")))
        try:
            found = msgpack.unpackb(seen.body, strict_map_key=False)
        except ValueError as exc:
            raise Unmet("labelled msgpack, but is not") from exc
        _check_same(found, value)

    return check


def is_json(value: Any, media_type: str = JSON) -> Expectation:
    """Check that the response is this document in JSON, and labelled so."""

    def check(seen: Seen) -> None:
        _check_label(seen, media_type)
        try:
            found = json.loads(seen.body)
        except ValueError as exc:
            raise Unmet("labelled JSON, but is not") from exc
        _check_same(found, value)

    return check


def _check_label(seen: Seen, media_type: str | None) -> None:
    if media_type is not None and seen.media_type != media_type:
        raise Unmet(_shown("content-type", seen.field("content-type")))


def _check_same(found: Any, value: Any) -> None:
    # Unlike ``==``, this tells 1 from 1.0 and from True, and takes NaN for NaN.
    if repr(found) != repr(value):
        raise Unmet("another document")


def as_written(body: bytes, content_type: str | None) -> Expectation:
    """Check that the body is these bytes, under this Content-Type."""

    def check(seen: Seen) -> None:
        field("content-type", content_type)(seen)
        if seen.body != body:
            raise Unmet("another body")

    return check


def no_body(seen: Seen) -> None:
    """Check that the response has no body."""
    if seen.body:
        raise Unmet(f"a body of {len(seen.body)} bytes")


def interim(*statuses: int) -> Expectation:
    """Check that these 1xx responses come before the final one."""

    def check(seen: Seen) -> None:
        if seen.interim != list(statuses):
            raise Unmet(" ".join(map(str, seen.interim)) or "no 1xx")

    return check


def problem(code: int, media_type: str) -> Expectation:
    """Check that the response is problem details (RFC 9457) for this status."""

    def check(seen: Seen) -> None:
        status(code)(seen)
        _check_label(seen, media_type)
        decode: Callable[[bytes], Any] = msgpack.unpackb if "msgpack" in media_type else json.loads
        details = decode(seen.body)
        if (
            details.keys() != {"type", "title", "status", "detail"}
            or details["type"] != "about:blank"
            or details["status"] != code
            or not details["title"]
            or not details["detail"]
        ):
            raise Unmet("not problem details")

    return check


# -- the messages on ASGI ---------------------------------------------------------------------


def messages(*types: str) -> Expectation:
    """Check that these messages are sent, in this order; ``http.response.`` is left out."""

    def check(seen: Seen) -> None:
        found = [message["type"].removeprefix("http.response.") for message in seen.messages]
        if found != list(types):
            raise Unmet(", ".join(found) or "no messages")

    return check


def forwarded(*expected: Message) -> Expectation:
    """Among the messages are these, as the app wrote them."""

    def check(seen: Seen) -> None:
        for message in expected:
            if message not in seen.messages:
                raise Unmet(f"no {message['type']}")

    return check


# -- the app ----------------------------------------------------------------------------------


def app_did_not_run(seen: Seen) -> None:
    """Check that the app was not called."""
    if seen.witness.app_ran:
        raise Unmet("the app runs")


def app_received(value: Any) -> Expectation:
    """Check that the app received this document as JSON, and a Content-Type that says so."""

    def check(seen: Seen) -> None:
        if seen.witness.app_fields("content-type") != [JSON]:
            shown = ", ".join(seen.witness.app_fields("content-type")) or "nothing"
            raise Unmet(f"the app gets {shown}")
        try:
            found = json.loads(seen.witness.app_received)
        except ValueError as exc:
            raise Unmet("the app does not get JSON") from exc
        _check_same(found, value)

    return check


def app_received_bytes(body: bytes) -> Expectation:
    """Check that the app received this body."""

    def check(seen: Seen) -> None:
        if seen.witness.app_received != body:
            raise Unmet("the app gets another body")

    return check


def app_saw(name: str, *values: str) -> Expectation:
    """Check that the app saw a header in these lines; with none of them, it saw no such field."""

    def check(seen: Seen) -> None:
        found = seen.witness.app_fields(name)
        if found != list(values):
            raise Unmet(f"the app sees {_shown(name, ', '.join(found) if found else None)}")

    return check


def app_saw_tags(name: str, *tags: str) -> Expectation:
    """Check that the app saw a list of these entity tags, however it is spaced."""

    def check(seen: Seen) -> None:
        found = ", ".join(seen.witness.app_fields(name))
        if [tag.strip() for tag in found.split(",")] != list(tags):
            raise Unmet(f"the app sees {_shown(name, found)}")

    return check


def app_saw_right_length(seen: Seen) -> None:
    """Check that the Content-Length in the app's scope is that of the body which it receives."""
    assert seen.witness.scope is not None
    now = [value for name, value in seen.witness.scope["headers"] if name == b"content-length"]
    for length in (*seen.witness.app_fields("content-length"), *map(bytes.decode, now)):
        if int(length) != len(seen.witness.app_received):
            raise Unmet(f"the app sees {length} for {len(seen.witness.app_received)} bytes")


def app_received_messages(*types: str) -> Expectation:
    """Check that the app received these messages, in this order; ``http.`` is left out."""

    def check(seen: Seen) -> None:
        found = [message["type"].removeprefix("http.") for message in seen.witness.received]
        if found != list(types):
            raise Unmet(f"the app gets {', '.join(found) or 'nothing'}")

    return check


def app_received_chunks(chunks: Sequence[bytes]) -> Expectation:
    """Check that the app received a body in these chunks."""

    def check(seen: Seen) -> None:
        if [message.get("body", b"") for message in seen.witness.received] != list(chunks):
            raise Unmet("the app gets other chunks")

    return check

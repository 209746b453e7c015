"""The format of the response: proactive negotiation by the Accept header of a request."""

from __future__ import annotations

from tests.conformance.apps import echo, only_json, responds, responds_with_bytes
from tests.conformance.expect import (
    app_did_not_run,
    app_received,
    app_received_bytes,
    app_saw,
    as_written,
    field,
    is_json,
    is_msgpack,
    status,
    vary,
)
from tests.conformance.message import (
    DOCUMENT,
    JSON,
    MSGPACK,
    Request,
    binary_get,
    binary_post,
    fields,
    get,
    json_post,
    packed,
    post,
    text,
)
from tests.conformance.rule import Topic, rule

IN_MSGPACK = is_msgpack(DOCUMENT)
IN_ANY_MSGPACK = is_msgpack(DOCUMENT, None)
IN_JSON = is_json(DOCUMENT)
TYPES, WEIGHTS = "RFC 9110 §12.5.1", "RFC 9110 §12.4.2"
CHOICE = "Wire format: media types"
"""Where RFC 9110 leaves a choice."""

BODY = packed(DOCUMENT)
BY_ACCEPT, BY_TYPE = ["accept"], ["accept", "content-type"]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

ACCEPT = [
    # title, reference, Accept, the response
    ("msgpack is sent to those who ask for it", TYPES, MSGPACK, IN_MSGPACK),
    ("JSON is sent to those who ask for it", TYPES, JSON, IN_JSON),
    ("Without Accept, JSON stays JSON", CHOICE, None, IN_JSON),
    ("An empty Accept is as good as none", CHOICE, "", IN_JSON),
    ("`*/*` alone asks for nothing in particular", CHOICE, "*/*", IN_JSON),
    ("A browser gets JSON", CHOICE, BROWSER, IN_JSON),
    ("JSON of higher weight is sent", WEIGHTS, f"{MSGPACK};q=0.5, {JSON}", IN_JSON),
    (
        "msgpack of higher weight is sent",
        WEIGHTS,
        f"{MSGPACK}, {JSON};q=0.5",
        IN_MSGPACK,
    ),
    (
        "Weights have three digits",
        WEIGHTS,
        f"{MSGPACK};q=0.998, {JSON};q=0.999",
        IN_JSON,
    ),
    (
        "The order of the list does not count",
        TYPES,
        f"{JSON};q=0.1, {MSGPACK}",
        IN_MSGPACK,
    ),
    (
        "The name of a weight is not case-sensitive",
        "RFC 9110 §5.6.6",
        f"{MSGPACK};Q=0.1, {JSON}",
        IN_JSON,
    ),
    ("A type of weight 0 is not sent", WEIGHTS, f"{MSGPACK};q=0, */*", IN_JSON),
    ("JSON of weight 0 is not sent", WEIGHTS, f"{JSON};q=0, */*", IN_ANY_MSGPACK),
    ("0.000 is 0", WEIGHTS, f"{MSGPACK};q=0.000, */*;q=0.1", IN_JSON),
    (
        "A type goes before `application/*`",
        TYPES,
        f"application/*;q=0.1, {MSGPACK};q=0.6, {JSON};q=0.3",
        IN_MSGPACK,
    ),
    (
        "`application/*` goes before `*/*`",
        TYPES,
        f"application/*;q=0.5, {JSON};q=0.7, */*",
        IN_JSON,
    ),
    ("A wildcard covers msgpack", TYPES, f"*/*, {JSON};q=0.2", IN_ANY_MSGPACK),
    ("Named msgpack goes before JSON under `*/*`", CHOICE, f"{MSGPACK}, */*", IN_MSGPACK),
    ("Named JSON goes before msgpack under `*/*`", CHOICE, f"{JSON}, */*", IN_JSON),
    ("Case does not count", "RFC 9110 §8.3.1", "Application/VND.MsgPack", IN_MSGPACK),
    ("Parameters of a type do not hide it", TYPES, f"{MSGPACK}; v=1", IN_MSGPACK),
    (
        "A comma in quotes separates nothing",
        "RFC 9110 §5.6.4",
        f'text/html;x="a, {MSGPACK}", {JSON}',
        IN_JSON,
    ),
    ("White space is optional", "RFC 9110 §5.6.3", f"{JSON}\t;\tq=0.5,{MSGPACK}", IN_MSGPACK),
    ("Empty elements of the list are skipped", "RFC 9110 §5.6.1.2", f", ,{MSGPACK},", IN_MSGPACK),
    ("What is not a media range is skipped", CHOICE, f"json, {MSGPACK}", IN_MSGPACK),
    (
        "Several lines are one list",
        "RFC 9110 §5.3",
        [f"{JSON};q=0.5", "text/html", MSGPACK],
        IN_MSGPACK,
    ),
    ("A longer name is another type", TYPES, f"{MSGPACK}-seq, {JSON}", IN_JSON),
    ("If nothing is acceptable, the app's response is sent", CHOICE, "text/html", IN_JSON),
]

NAMES = [
    "application/msgpack",
    "application/vnd.msgpack",
    "application/x-msgpack",
    "application/vnd.acme.signal+msgpack",
]

NEGOTIATION = Topic(
    "What the response is",
    [
        *(
            rule(title, reference, responds(DOCUMENT), get(accept=accept), expected)
            for title, reference, accept, expected in ACCEPT
        ),
        rule(
            "What is not JSON is sent as it is, whatever the client prefers",
            "RFC 9110 §12.5.1",
            responds_with_bytes(b"hello", "text/plain"),
            binary_get(),
            status(200),
            as_written(b"hello", "text/plain"),
        ),
        rule(
            "An app that negotiates by itself finds JSON in Accept",
            CHOICE,
            only_json,
            binary_get(),
            status(200),
        ),
        rule(
            "The Accept that the app sees keeps weights and other types",
            CHOICE,
            responds(DOCUMENT),
            get(accept=f"{MSGPACK};q=0.8, text/csv;q=0.3"),
            IN_MSGPACK,
            app_saw("accept", f"{JSON};q=0.8, text/csv;q=0.3"),
        ),
        rule(
            "Clients of one app with different Accept fields get different responses",
            "RFC 9110 §12.5.1",
            responds(DOCUMENT),
            binary_get(),
            IN_MSGPACK,
            alongside=[
                (get(), IN_JSON),
                (get(accept=JSON), IN_JSON),
                (get(accept=f"{JSON}, {MSGPACK}"), IN_MSGPACK),
            ],
        ),
    ],
)

MEDIA_TYPES = Topic(
    "Which media types are msgpack",
    [
        *(
            rule(
                f"`{name}` is read",
                CHOICE,
                echo,
                post(packed(DOCUMENT), content_type=name, accept=JSON),
                app_received(DOCUMENT),
                IN_JSON,
            )
            for name in NAMES
        ),
        *(
            rule(
                f"`{name}` is sent to those who ask for it by that name",
                CHOICE,
                responds(DOCUMENT),
                get(accept=name),
                is_msgpack(DOCUMENT, name),
            )
            for name in NAMES
        ),
        *(
            rule(
                f"A request in `{name}` without Accept gets a response in the same",
                CHOICE,
                echo,
                post(packed(DOCUMENT), content_type=name),
                is_msgpack(DOCUMENT, name),
            )
            for name in NAMES
        ),
        rule(
            "Problem details in msgpack are read, and the response is in the same",
            CHOICE,
            echo,
            post(packed(DOCUMENT), content_type="application/problem+msgpack"),
            app_received(DOCUMENT),
            is_msgpack(DOCUMENT, "application/problem+msgpack"),
        ),
        *(
            rule(
                f"The response to msgpack is msgpack under `{accept}`",
                CHOICE,
                echo,
                binary_post(DOCUMENT, accept=accept),
                IN_MSGPACK,
            )
            for accept in ("*/*", "application/*", "text/html, */*;q=0.1")
        ),
        rule(
            "The response to msgpack is JSON for those who ask for that",
            "RFC 9110 §12.5.1",
            echo,
            binary_post(DOCUMENT, accept=JSON),
            IN_JSON,
        ),
        rule(
            "The response to msgpack is JSON where Accept names JSON beside `*/*`",
            CHOICE,
            echo,
            binary_post(DOCUMENT, accept="application/json, text/plain, */*"),
            IN_JSON,
        ),
        rule(
            "The response to JSON is msgpack for those who ask for that",
            "RFC 9110 §12.5.1",
            echo,
            json_post(DOCUMENT, accept=MSGPACK),
            app_received_bytes(text(DOCUMENT)),
            IN_MSGPACK,
        ),
        rule(
            "The case of a Content-Type does not count",
            "RFC 9110 §8.3.1",
            echo,
            binary_post(DOCUMENT, content_type="Application/Vnd.MsgPack"),
            app_received(DOCUMENT),
        ),
        rule(
            "Parameters of a Content-Type do not hide it",
            "RFC 9110 §8.3.1",
            echo,
            binary_post(DOCUMENT, content_type=f"{MSGPACK} ; v=1"),
            app_received(DOCUMENT),
        ),
        *(
            rule(
                f"{method} {what} gets a response {how}",
                "RFC 9111 §4.1" if method == "GET" else CHOICE,
                responds(DOCUMENT),
                Request(
                    method,
                    fields(content_type=MSGPACK, accept="*/*", content_length=str(len(sent))),
                    sent,
                ),
                response,
                vary(*names),
            )
            for method, what, sent, how, response, names in [
                ("GET", "with a body", BODY, "as its Accept says alone", IN_JSON, BY_ACCEPT),
                ("GET", "with a Content-Type", b"", "in JSON", IN_JSON, BY_ACCEPT),
                ("POST", "with a body", BODY, "as it was sent", IN_MSGPACK, BY_TYPE),
                ("POST", "without a body", b"", "in JSON", IN_JSON, BY_TYPE),
                ("DELETE", "with a body", BODY, "as it was sent", IN_MSGPACK, BY_TYPE),
                ("QUERY", "with a body", BODY, "as it was sent", IN_MSGPACK, BY_TYPE),
            ]
        ),
        rule(
            "Vary names Content-Type for JSON bodies, where msgpack would get msgpack",
            CHOICE,
            echo,
            json_post(DOCUMENT, accept=None),
            IN_JSON,
            vary(*BY_TYPE),
        ),
        *(
            rule(
                f"{what} is refused",
                "RFC 9110 §5.3",
                echo,
                post(text(DOCUMENT), content_type=values, accept=JSON),
                status(400),
                app_did_not_run,
                vary(*BY_TYPE),
            )
            for what, values in [
                ("JSON and msgpack as Content-Type", (JSON, MSGPACK)),
                ("msgpack and JSON as Content-Type", (MSGPACK, JSON)),
                ("The same Content-Type twice", (JSON, JSON)),
                ("A Content-Type and an empty one", (JSON, "")),
                ("A list of media types as Content-Type", f"{JSON}, {MSGPACK}"),
            ]
        ),
        rule(
            "A Content-Type with a comma in a parameter is one",
            "RFC 9110 §5.5",
            echo,
            post(packed(DOCUMENT), content_type=f'{MSGPACK}; a="b, {JSON}"', accept=MSGPACK),
            IN_MSGPACK,
        ),
        *(
            rule(
                f"A body in `{content_type}` reaches the app as it came",
                "RFC 9110 §8.3",
                responds(DOCUMENT),
                post(b"\x81\xa1a\x01", content_type=content_type, accept=JSON),
                app_received_bytes(b"\x81\xa1a\x01"),
                app_saw("content-type", content_type),
                IN_JSON,
            )
            for content_type in (
                "application/octet-stream",
                f"{MSGPACK}-seq",
                f'multipart/related; type="{MSGPACK}"; boundary=x',
                "no media type",
            )
        ),
        rule(
            "A body without Content-Type reaches the app as it came",
            "RFC 9110 §8.3",
            responds(DOCUMENT),
            post(b"\x81\xa1a\x01", accept=JSON),
            app_received_bytes(b"\x81\xa1a\x01"),
            app_saw("content-type"),
            IN_JSON,
        ),
        rule(
            "The label of a response has one line",
            "RFC 9110 §8.3",
            responds(DOCUMENT),
            binary_get(),
            field("content-type", MSGPACK),
        ),
    ],
)

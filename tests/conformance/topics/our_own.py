"""The package's own options, spellings and wire format, which others need not have."""

from __future__ import annotations

import base64
import gzip
import struct
import zlib
from typing import Any

from fastapi import FastAPI
from fastapi import Response as FastAPIResponse
from fastapi.routing import APIRouter
from pydantic import BaseModel
from starlette.types import ASGIApp

from binary_middleware import BinaryMiddleware, RouteRule
from binary_middleware.fastapi import BinaryRoute
from tests.conformance.apps import (
    conditional,
    echo,
    responds,
    responds_with_bytes,
    streams,
    streams_in_step,
)
from tests.conformance.expect import (
    app_did_not_run,
    app_received,
    app_received_bytes,
    app_saw,
    app_saw_tags,
    as_written,
    field,
    interim,
    is_json,
    is_msgpack,
    no_body,
    problem,
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
    json_get,
    json_post,
    packed,
    post,
    text,
)
from tests.conformance.rule import Rule, Topic, rule

IN_MSGPACK = is_msgpack(DOCUMENT)
BY_TYPE = ["accept", "content-type"]
ANY = "application/msgpack"
PROBLEM, PROBLEM_JSON = "application/problem+msgpack", "application/problem+json"
AS_MAPS = f"{MSGPACK}; arrays=map"


# -- entity tags ------------------------------------------------------------------------------

TAGGED = conditional(DOCUMENT, '"abc"')

TAGS_OUT = [
    # title, app, request, options, tag
    ("`--msgpack` stands inside the quotes", TAGGED, binary_get(), {}, '"abc--msgpack"'),
    (
        "`--msgpack-map` stands there for those who ask for `arrays=map`",
        TAGGED,
        binary_get(accept=AS_MAPS),
        {},
        '"abc--msgpack-map"',
    ),
    (
        "`--msgpack-map` stands there with the option `arrays`",
        TAGGED,
        binary_get(),
        {"arrays": "map"},
        '"abc--msgpack-map"',
    ),
    (
        "`--msgpack` stands there for those who ask for `arrays=numpy`",
        TAGGED,
        binary_get(accept=f"{MSGPACK}; arrays=numpy"),
        {"arrays": "map"},
        '"abc--msgpack"',
    ),
    (
        "304 has it too",
        TAGGED,
        binary_get(if_none_match='"abc--msgpack"'),
        {},
        '"abc--msgpack"',
    ),
    (
        "304 has it too for those who ask for `arrays=map`",
        TAGGED,
        binary_get(accept=AS_MAPS, if_none_match='"abc--msgpack-map"'),
        {},
        '"abc--msgpack-map"',
    ),
    (
        "An empty tag is a tag",
        responds(DOCUMENT, etag='""'),
        binary_get(),
        {},
        '"--msgpack"',
    ),
    (
        "A weak tag has no suffix",
        responds(DOCUMENT, etag='W/"abc"'),
        binary_get(),
        {},
        'W/"abc"',
    ),
    (
        "What is no tag is left",
        responds(DOCUMENT, etag="abc"),
        binary_get(),
        {},
        "abc",
    ),
]

LIST = '"a--msgpack", W/"b", "c", W/"d--msgpack"'
TAGS_IN = [
    # title, request, the field, the tags that the app sees
    (
        "The suffix is removed",
        binary_get(if_none_match='"abc--msgpack"'),
        "if-none-match",
        ['"abc"'],
    ),
    (
        "A strong tag without it gets it, so that it does not match",
        binary_get(if_none_match='"abc"'),
        "if-none-match",
        ['"abc--msgpack"'],
    ),
    ("A weak tag without it passes", binary_get(if_none_match='W/"a"'), "if-none-match", ['W/"a"']),
    (
        "It is removed from a weak tag",
        binary_get(if_none_match='W/"abc--msgpack"'),
        "if-none-match",
        ['W/"abc"'],
    ),
    ("`*` passes", binary_get(if_none_match="*"), "if-none-match", ["*"]),
    (
        "A list is mapped tag by tag",
        binary_get(if_none_match=LIST),
        "if-none-match",
        ['"a"', 'W/"b"', '"c--msgpack"', 'W/"d"'],
    ),
    (
        "HEAD is as GET",
        binary_get(if_none_match=LIST).but(method="HEAD"),
        "if-none-match",
        ['"a"', 'W/"b"', '"c--msgpack"', 'W/"d"'],
    ),
    (
        "The suffix for `arrays=map` is removed for those who ask for that",
        binary_get(accept=AS_MAPS, if_none_match='"abc--msgpack-map"'),
        "if-none-match",
        ['"abc"'],
    ),
    (
        "A JSON client's tags pass",
        json_get(if_none_match=LIST),
        "if-none-match",
        LIST.split(", "),
    ),
    (
        "With PUT, the suffix is removed and other tags pass",
        binary_post(DOCUMENT, if_none_match=LIST).but(method="PUT"),
        "if-none-match",
        ['"a"', 'W/"b"', '"c"', 'W/"d"'],
    ),
    (
        "In If-Match, the suffix is removed and other tags pass",
        binary_post(DOCUMENT, if_match='"a--msgpack", "b", W/"c"').but(method="PUT"),
        "if-match",
        ['"a"', '"b"', 'W/"c"'],
    ),
    (
        "In If-Match of a JSON client, the suffix is removed",
        json_post(DOCUMENT, if_match='"a--msgpack", "b--msgpack-map"').but(method="PUT"),
        "if-match",
        ['"a"', '"b"'],
    ),
    (
        "In If-Match of GET, the suffix is removed",
        binary_get(if_match='"a--msgpack"'),
        "if-match",
        ['"a"'],
    ),
    ("`If-Match: *` passes", binary_get(if_match="*"), "if-match", ["*"]),
    (
        "If-Range passes",
        binary_get(range="bytes=0-3", if_range='"abc--msgpack"'),
        "if-range",
        ['"abc--msgpack"'],
    ),
]

fastapi_app = FastAPI()
router = APIRouter(route_class=BinaryRoute)


class Thing(BaseModel):
    id: int


@router.post("/things")
@router.put("/things")
async def make(thing: Thing, response: FastAPIResponse) -> Thing:
    response.headers["etag"] = '"abc"'
    return thing


@router.get("/things")
async def look(response: FastAPIResponse) -> Thing:
    response.headers["etag"] = '"abc"'
    response.headers["accept-ranges"] = "bytes"
    return Thing(id=7)


fastapi_app.include_router(router)

ENTITY_TAGS = Topic(
    "This package: entity tags",
    [
        *(
            rule(
                f"{title}: `{tag}`",
                "HTTP: entity tags",
                app,
                request,
                field("etag", tag),
                options=options,
            )
            for title, app, request, options, tag in TAGS_OUT
        ),
        *(
            rule(
                title,
                "HTTP: entity tags",
                responds(DOCUMENT),
                request,
                status(200),
                app_saw_tags(name, *tags),
            )
            for title, request, name, tags in TAGS_IN
        ),
        rule(
            "A client that has numpy's form gets the maps that it asks for",
            "RFC 9110 §13.1.2",
            TAGGED,
            binary_get(accept=AS_MAPS, if_none_match='"abc--msgpack"'),
            status(200),
            field("etag", '"abc--msgpack-map"'),
        ),
        rule(
            "A client that has maps gets the numpy's form that it asks for",
            "RFC 9110 §13.1.2",
            TAGGED,
            binary_get(if_none_match='"abc--msgpack-map"'),
            status(200),
            field("etag", '"abc--msgpack"'),
        ),
        rule(
            "A FastAPI route on the object lane has the suffix",
            "HTTP: entity tags",
            fastapi_app,
            binary_post({"id": 7}).but(path="/things"),
            is_msgpack({"id": 7}),
            field("etag", '"abc--msgpack"'),
        ),
        rule(
            "A FastAPI route on the object lane has the suffix for `arrays=map`",
            "HTTP: entity tags",
            fastapi_app,
            binary_get(accept=AS_MAPS).but(path="/things"),
            is_msgpack({"id": 7}),
            field("etag", '"abc--msgpack-map"'),
            field("accept-ranges", None),
        ),
        rule(
            "A FastAPI route has the tag of the JSON for JSON clients",
            "HTTP: entity tags",
            fastapi_app,
            json_post({"id": 7}).but(path="/things"),
            is_json({"id": 7}),
            field("etag", '"abc"'),
        ),
    ],
    is_ours=True,
)


# -- modes ------------------------------------------------------------------------------------

REQUIRE = {"mode": "require"}
TAKEN = "application/msgpack, application/vnd.msgpack, application/x-msgpack"


def required(title: str, request: Request, *expect: Any) -> Rule:
    """Return a rule for ``mode="require"``."""
    app = echo if request.body else responds(DOCUMENT)
    return rule(title, "BinaryOptions: mode", app, request, *expect, options=REQUIRE)


MODES = Topic(
    "This package: the option `mode`",
    [
        required("`require` accepts msgpack and responds in it", binary_post(DOCUMENT), IN_MSGPACK),
        required("`require` responds in msgpack without Accept", get(), is_msgpack(DOCUMENT, ANY)),
        required(
            "`require` responds in msgpack under `*/*`",
            get(accept="*/*"),
            is_msgpack(DOCUMENT, ANY),
        ),
        required(
            "`require` responds in the spelling that is asked for",
            get(accept="application/x-msgpack"),
            is_msgpack(DOCUMENT, "application/x-msgpack"),
        ),
        required(
            "`require` refuses JSON with 415, which names what is accepted",
            json_post(DOCUMENT),
            problem(415, PROBLEM_JSON),
            field("accept", TAKEN),
            vary("accept", "content-type"),
            app_did_not_run,
        ),
        required(
            "`require` refuses `+json` with 415",
            json_post(DOCUMENT, content_type="application/merge-patch+json"),
            problem(415, PROBLEM_JSON),
            app_did_not_run,
        ),
        required(
            "`require` refuses JSON in the format that the client prefers",
            json_post(DOCUMENT, accept=MSGPACK),
            problem(415, PROBLEM),
            app_did_not_run,
        ),
        required(
            "`require` refuses those who accept JSON only with 406",
            json_get(),
            problem(406, PROBLEM_JSON),
            vary("accept"),
            app_did_not_run,
        ),
        required(
            "`require` refuses those who exclude msgpack with 406",
            get(accept=f"{MSGPACK};q=0, application/msgpack;q=0, application/json"),
            status(406),
            app_did_not_run,
        ),
        *(
            required(
                f"`require` refuses a body with Content-Type `{shown or content_type}`",
                post(text(DOCUMENT), content_type=content_type, accept=MSGPACK),
                problem(415, PROBLEM),
                vary("accept", "content-type"),
                app_did_not_run,
            )
            for content_type, shown in [
                ("text/plain", ""),
                ("multipart/form-data; boundary=x", ""),
                ("application/x-www-form-urlencoded", ""),
                (f"{JSON}; charset", ""),
                (f"{JSON}; =", ""),
                (f"{JSON}; a={'b' * 9000}", f"{JSON}; a=b...b"),
                (f"{MSGPACK}; charset", ""),
            ]
        ),
        required(
            "`require` refuses a body without Content-Type",
            post(text(DOCUMENT), accept=MSGPACK),
            problem(415, PROBLEM),
            app_did_not_run,
        ),
        required(
            "`require` refuses a body of unknown length",
            post((b"{", b"}"), content_type=f"{JSON};", accept=MSGPACK),
            problem(415, PROBLEM),
            app_did_not_run,
        ),
        required(
            "`require` refuses the body of a GET",
            Request("GET", fields(content_type="text/plain", accept=MSGPACK), b"1"),
            problem(415, PROBLEM),
            app_did_not_run,
        ),
        required(
            "`require` lets a POST without a body pass",
            Request("POST", fields(content_length="0")),
            status(200),
        ),
        rule(
            "`require` refuses before the body is sent",
            "RFC 9110 §10.1.1",
            echo,
            json_post(DOCUMENT).but(expects_100=True),
            status(415),
            interim(),
            options=REQUIRE,
            seen_over=["socket"],
        ),
        rule(
            "`require` and HEAD: a refusal has no body",
            "RFC 9110 §9.3.2",
            echo,
            json_get().but(method="HEAD"),
            status(406),
            no_body,
            options=REQUIRE,
        ),
        rule(
            "`off` leaves a msgpack request to the app",
            "BinaryOptions: mode",
            responds(DOCUMENT),
            binary_post(DOCUMENT),
            app_received_bytes(packed(DOCUMENT)),
            app_saw("content-type", MSGPACK),
            app_saw("accept", MSGPACK),
            app_saw("content-length", str(len(packed(DOCUMENT)))),
            is_json(DOCUMENT),
            options={"mode": "off"},
        ),
        rule(
            "`off` adds no Vary, and leaves entity tags",
            "BinaryOptions: mode",
            TAGGED,
            binary_get(if_none_match='"x--msgpack"'),
            field("vary", None),
            field("etag", '"abc"'),
            app_saw("if-none-match", '"x--msgpack"'),
            options={"mode": "off"},
        ),
    ],
    is_ours=True,
)

OCTETS = {"media_types": ["application/octet-stream"]}

MEDIA_TYPES = Topic(
    "This package: the option `media_types`",
    [
        rule(
            "What it names is read, and sent",
            "BinaryOptions: media_types",
            echo,
            post(packed(DOCUMENT), content_type="application/octet-stream"),
            app_received(DOCUMENT),
            is_msgpack(DOCUMENT, "application/octet-stream"),
            options=OCTETS,
        ),
        rule(
            "What it does not name is left to the app",
            "BinaryOptions: media_types",
            responds(DOCUMENT),
            post(packed(DOCUMENT), content_type=MSGPACK),
            app_received_bytes(packed(DOCUMENT)),
            is_json(DOCUMENT),
            options=OCTETS,
        ),
        rule(
            "`+msgpack` stays msgpack",
            "BinaryOptions: media_types",
            echo,
            post(packed(DOCUMENT), content_type="application/a+msgpack"),
            app_received(DOCUMENT),
            is_msgpack(DOCUMENT, "application/a+msgpack"),
            options=OCTETS,
        ),
        rule(
            "Its first is used where the client names none",
            "BinaryOptions: media_types",
            responds(DOCUMENT),
            get(accept="*/*, application/json;q=0.1"),
            is_msgpack(DOCUMENT, "application/x-msgpack"),
            options={"media_types": ["application/x-msgpack", MSGPACK]},
        ),
        rule(
            "415 names what it names",
            "RFC 9110 §15.5.16",
            echo,
            json_post(DOCUMENT),
            status(415),
            field("accept", "application/octet-stream"),
            options={**OCTETS, **REQUIRE},
        ),
    ],
    is_ours=True,
)


# -- limits -----------------------------------------------------------------------------------

SMALL = {"max_body_size": 100}
OVER = packed("x" * 200)
BOMB = packed("x" * 10_000_000)


def over(**more: Any) -> Request:
    """Return a body over the limit of 100 bytes."""
    return binary_post("x" * 200, **more)


def coded(data: bytes, coding: str) -> Request:
    """Return a body under a content coding."""
    return post(data, content_type=MSGPACK, accept=MSGPACK, content_encoding=coding)


LIMITS = Topic(
    "This package: limits",
    [
        rule(
            "A body that is announced over `max_body_size`: 413 before the app runs",
            "RFC 9110 §15.5.14",
            echo,
            over(),
            problem(413, PROBLEM),
            vary("accept"),
            app_did_not_run,
            options=SMALL,
        ),
        rule(
            "A body that is announced over `max_body_size`: 413 before the body is sent",
            "RFC 9110 §10.1.1",
            echo,
            over().but(expects_100=True),
            problem(413, PROBLEM),
            interim(),
            options=SMALL,
            seen_over=["socket"],
        ),
        rule(
            "A body in chunks over `max_body_size`: 413",
            "RFC 9110 §15.5.14",
            echo,
            over().but(body=(OVER[:60], OVER[60:])),
            problem(413, PROBLEM),
            options=SMALL,
        ),
        rule(
            "A body of exactly `max_body_size` is accepted",
            "BinaryOptions: max_body_size",
            echo,
            binary_post("x" * 98),
            app_received("x" * 98),
            options=SMALL,
        ),
        *(
            rule(
                f"A body that is over `max_body_size` without its {coding}: 413",
                "RFC 9110 §15.5.14",
                echo,
                coded(compress(OVER), coding),
                problem(413, PROBLEM),
                options=SMALL,
            )
            for coding, compress in [("gzip", gzip.compress), ("deflate", zlib.compress)]
        ),
        rule(
            "A body that grows a thousandfold without its gzip: 413",
            "RFC 9110 §15.5.14",
            echo,
            coded(gzip.compress(BOMB), "gzip"),
            problem(413, PROBLEM),
            options={"max_body_size": 100_000},
        ),
        rule(
            "A compressed body of exactly `max_body_size` is accepted",
            "BinaryOptions: max_body_size",
            echo,
            coded(gzip.compress(packed("x" * 98)), "gzip"),
            app_received("x" * 98),
            options=SMALL,
        ),
        rule(
            "`max_body_size` does not touch JSON",
            "BinaryOptions: max_body_size",
            echo,
            json_post("x" * 200),
            is_json("x" * 200),
            options=SMALL,
        ),
        rule(
            "A refusal of a JSON client's msgpack is in JSON",
            "RFC 9457 §3",
            echo,
            over(accept=JSON),
            problem(413, PROBLEM_JSON),
            options=SMALL,
        ),
        rule(
            "Structure over `max_structure_size`: 413",
            "BinaryOptions: max_structure_size",
            echo,
            binary_post([[]] * 2000),
            problem(413, PROBLEM),
            options={"max_structure_size": 1000},
        ),
        rule(
            "Streamed JSON up to `max_response_size` is converted",
            "BinaryOptions: max_response_size",
            streams([b"[1,", b"2]"]),
            binary_get(),
            is_msgpack([1, 2]),
            options={"max_response_size": 5},
        ),
        rule(
            "Streamed JSON over `max_response_size` goes as the JSON that it is",
            "BinaryOptions: max_response_size",
            streams([b"[1,", b"2,", b"3]"], etag='"abc"'),
            binary_get(),
            as_written(b"[1,2,3]", JSON),
            field("etag", '"abc"'),
            vary("accept"),
            options={"max_response_size": 4},
        ),
        rule(
            "Streamed JSON over `max_response_size` is not held back any longer",
            "BinaryOptions: max_response_size",
            streams_in_step([b'["' + b"x" * 100, b"y", b'"]'], JSON),
            binary_get(),
            as_written(b'["' + b"x" * 100 + b'y"]', JSON),
            options={"max_response_size": 100},
        ),
        *(
            rule(
                f"JSON that is over `max_response_size` without its {coding} is sent as it is",
                "BinaryOptions: max_response_size",
                responds_with_bytes(
                    compress(text("x" * 5000)), content_encoding=coding, etag='"abc"'
                ),
                binary_get(accept_encoding="gzip, deflate"),
                as_written(compress(text("x" * 5000)), JSON),
                field("content-encoding", coding),
                field("etag", '"abc"'),
                options={"max_response_size": 1000},
            )
            for coding, compress in [
                ("gzip", lambda data: gzip.compress(data, mtime=0)),
                ("deflate", zlib.compress),
            ]
        ),
    ],
    is_ours=True,
)


# -- refusals ---------------------------------------------------------------------------------

NONE = b"\xc1"
REFUSALS = Topic(
    "This package: refusals are problem details in the client's own format",
    [
        *(
            rule(
                f"{what}: `{media_type}`",
                "RFC 9457 §3",
                echo,
                post(NONE, content_type=MSGPACK, accept=accept),
                problem(400, media_type),
                vary(*names),
                field("cache-control", "no-store"),
            )
            for what, accept, media_type, names in [
                ("Those who want msgpack", MSGPACK, PROBLEM, ["accept"]),
                ("Those who say nothing and send msgpack", None, PROBLEM, BY_TYPE),
                ("Those who take anything and send msgpack", "*/*", PROBLEM, BY_TYPE),
                ("Those who want JSON", JSON, PROBLEM_JSON, ["accept"]),
                ("Those who prefer JSON", f"{MSGPACK};q=0.5, {JSON}", PROBLEM_JSON, ["accept"]),
            ]
        ),
        rule(
            "An unsupported content coding",
            "RFC 9457 §3",
            echo,
            coded(NONE, "br"),
            problem(415, PROBLEM),
            field("accept-encoding", "gzip, deflate"),
            vary("accept"),
        ),
        rule(
            "A body that is not what its content coding says",
            "RFC 9457 §3",
            echo,
            coded(NONE, "gzip"),
            problem(400, PROBLEM),
        ),
        rule(
            "FastAPI's route on the object lane",
            "RFC 9457 §3",
            fastapi_app,
            post(NONE, content_type=MSGPACK).but(path="/things"),
            problem(400, PROBLEM),
        ),
    ],
    is_ours=True,
)


# -- the wire format --------------------------------------------------------------------------

ARRAY = struct.pack("<2f", 0.5, 2.0)
NUMPY = {b"nd": True, b"type": "<f4", b"kind": b"", b"shape": [2], b"data": ARRAY}
MAP = {"shape": [2], "dtype": "float32", "data": ARRAY}
JSON_MAP = {"shape": [2], "dtype": "float32", "data_b64": base64.b64encode(ARRAY).decode()}

WIRE_FORMAT = Topic(
    "This package: values beside those of JSON",
    [
        rule(
            "An array of msgpack-numpy arrives as base64, and goes as it came",
            "Wire format: arrays",
            echo,
            binary_post({"x": NUMPY}),
            app_received({"x": JSON_MAP}),
            is_msgpack({"x": NUMPY}),
        ),
        rule(
            "An array as a map arrives as base64, and goes as a map under `arrays=map`",
            "Wire format: arrays",
            echo,
            binary_post({"x": MAP}, accept=AS_MAPS),
            app_received({"x": JSON_MAP}),
            field("content-type", AS_MAPS),
            is_msgpack({"x": MAP}),
        ),
        rule(
            "An array goes as a map with the option `arrays`",
            "BinaryOptions: arrays",
            responds(JSON_MAP),
            binary_get(),
            field("content-type", MSGPACK),
            is_msgpack(MAP),
            options={"arrays": "map"},
        ),
        rule(
            "A value of `arrays` that is not known is ignored",
            "Wire format: arrays",
            responds(JSON_MAP),
            binary_get(accept=f"{MSGPACK}; arrays=other"),
            field("content-type", MSGPACK),
            is_msgpack(NUMPY),
        ),
        rule(
            "An array stays base64 for JSON clients",
            "Wire format: arrays",
            responds(JSON_MAP),
            json_get(),
            is_json(JSON_MAP),
        ),
        rule(
            "Bytes arrive as base64",
            "Wire format: values",
            echo,
            binary_post({"x": b"\x00\xff"}),
            app_received({"x": "AP8="}),
            is_msgpack({"x": "AP8="}),
        ),
        rule(
            "A timestamp arrives as ISO 8601",
            "Wire format: values",
            echo,
            post(b"\xd6\xff\x00\x00\x00\x00", content_type=MSGPACK, accept=MSGPACK),
            app_received("1970-01-01T00:00:00Z"),
        ),
        rule(
            "An array of objects, which would be a pickle, is refused with 400",
            "Wire format: what is refused",
            echo,
            binary_post({**NUMPY, b"type": "|O", b"kind": b"O"}),
            problem(400, PROBLEM),
        ),
    ],
    is_ours=True,
)


# -- where options come from ------------------------------------------------------------------


def off_inside(app: ASGIApp) -> ASGIApp:
    """Our own middleware, switched off."""
    return BinaryMiddleware(app, mode="off")


def maps_inside(app: ASGIApp) -> ASGIApp:
    """Our own middleware with other options."""
    return BinaryMiddleware(app, arrays="map")


RULES = {
    "rules": [
        RouteRule("/off/{rest:path}", mode="off"),
        RouteRule("/strict", mode="require", methods=["POST"]),
    ]
}

NESTING = Topic(
    "This package: options for some routes, and one middleware in another",
    [
        rule(
            "A rule gives its path other options",
            "RouteRule",
            responds(DOCUMENT),
            binary_get().but(path="/off/a"),
            is_json(DOCUMENT),
            options=RULES,
            alongside=[
                (binary_get().but(path="/on"), IN_MSGPACK),
                (json_post(DOCUMENT).but(path="/strict"), status(415)),
                (json_get().but(path="/strict"), is_json(DOCUMENT)),
            ],
        ),
        rule(
            "A rule holds behind a proxy that cuts off a path",
            "RouteRule",
            responds(DOCUMENT),
            binary_get().but(path="/off/a", root_path="/proxy"),
            is_json(DOCUMENT),
            options=RULES,
        ),
        rule(
            "The middleware nearest to the app has its way",
            "BinaryMiddleware",
            maps_inside(responds(JSON_MAP)),
            binary_get(),
            is_msgpack(MAP),
        ),
        rule(
            "The middleware nearest to the app may be off",
            "BinaryMiddleware",
            off_inside(responds(DOCUMENT)),
            binary_post(DOCUMENT),
            is_json(DOCUMENT),
        ),
        rule(
            "Two of them convert once",
            "BinaryMiddleware",
            BinaryMiddleware(echo),
            binary_post(DOCUMENT),
            IN_MSGPACK,
            field("vary", "Accept"),
        ),
        rule(
            "Two of them suffix once, and take off once",
            "BinaryMiddleware",
            BinaryMiddleware(TAGGED),
            binary_get(if_none_match='"abc--msgpack"'),
            status(304),
            field("etag", '"abc--msgpack"'),
            alongside=[
                (binary_get(), field("etag", '"abc--msgpack"')),
                (binary_get(if_none_match='"abc"'), IN_MSGPACK),
            ],
        ),
    ],
    is_ours=True,
)

"""The binary media types and the refusals in a document."""

from __future__ import annotations

from typing import Any

import pytest

from binary_middleware import BinaryMiddleware, BinaryOptions, unpackb
from binary_middleware.openapi import BinaryOperation, add_binary_media_types
from tests.asgi_app import Recorder, call
from tests.openapi.documents import (
    ARRAY,
    BASE64,
    ITEM,
    JSON,
    MSGPACK,
    SPELLINGS,
    completed,
    content,
    document,
    operation,
    ref,
)

# -- media types -----------------------------------------------------------------------------------


CSV, HTML, OCTETS = "text/csv", "text/html", "application/octet-stream"
UTF_8 = "application/json; charset=UTF-8"
VENDOR, PROBLEM = "application/vnd.api+json", "application/problem+json"
OTHERS = [
    "text/html",
    "application/jsonl",
    "text/event-stream",
    "multipart/form-data",
    "application/*",
    "application/json; charset=latin-1",
    "no media type",
]


@pytest.mark.parametrize(
    ("names", "options", "expected"),
    [
        ([JSON], {}, [JSON, *SPELLINGS]),
        ([JSON], {"media_types": (OCTETS, MSGPACK)}, [JSON, OCTETS, MSGPACK]),
        ([JSON], {"mode": "require"}, SPELLINGS),
        ([JSON], {"mode": "off"}, [JSON]),
        ([VENDOR], {}, [VENDOR, "application/vnd.api+msgpack"]),
        ([PROBLEM], {"mode": "require"}, ["application/problem+msgpack"]),
        ([CSV, JSON, HTML], {}, [CSV, JSON, *SPELLINGS, HTML]),
        ([CSV, JSON, HTML], {"mode": "require"}, [CSV, *SPELLINGS, HTML]),
        ([UTF_8, JSON], {}, [UTF_8, *SPELLINGS, JSON]),
        *(([name], {}, [name]) for name in OTHERS),
    ],
)
def test_media_types(names: list[str], options: dict[str, Any], expected: list[str]) -> None:
    given = document({"post": operation()}, Item={"type": "object"})
    post = given["paths"]["/"]["post"]
    post["requestBody"] = {"content": {name: {"schema": ITEM} for name in names}}
    post["responses"]["200"]["content"] = {name: {"schema": ITEM} for name in names}
    result = completed(given, BinaryOptions(**options))
    for place in (content(result), content(result, "200")):
        assert list(place.items()) == [(name, {"schema": ITEM}) for name in expected]


def test_options_of_each_operation() -> None:
    given = document(
        {f"{method} /{method}": operation({}, {}) for method in ("get", "put", "post")}
    )
    modes: Any = {"GET /get": "off", "PUT /put": "require", "POST /post": "negotiate"}
    result = add_binary_media_types(
        given,
        lambda path, method: BinaryOperation(
            BinaryOptions(mode=modes[f"{method} {path}"], media_types=(MSGPACK,))
        ),
    )
    found = {
        path: list(item[path.strip("/")]["requestBody"]["content"])
        for path, item in result["paths"].items()
    }
    assert found == {"/get": [JSON], "/put": [MSGPACK], "/post": [JSON, MSGPACK]}


@pytest.mark.parametrize(
    ("status", "is_converted"),
    [
        *((status, True) for status in ("200", "201", "2XX", "422", "default", "500")),
        *((status, False) for status in ("100", "204", "205", "206", "304")),
    ],
)
def test_statuses(status: str, is_converted: bool) -> None:
    given = document({"post": operation(None, {}, status)})
    result = completed(given)
    assert list(content(result, status)) == ([JSON, MSGPACK] if is_converted else [JSON])
    assert (result == given) is not is_converted


def test_examples_are_of_json_only() -> None:
    given = document({"post": operation({}, {})})
    given["paths"]["/"]["post"]["requestBody"]["content"][JSON] |= {
        "example": 1,
        "examples": {"one": {"value": 1}},
        "encoding": {},
        "x-more": 1,
    }
    result = content(completed(given))
    assert result[JSON] == content(given)[JSON]
    assert result[MSGPACK] == {"schema": {}}


def test_content_that_names_a_binary_media_type_is_unchanged() -> None:
    given = document({"post": operation(BASE64, ARRAY)})
    by_hand = {"schema": {"description": "by hand"}}
    content(given)["application/x-msgpack"] = by_hand
    result = completed(given, BinaryOptions(mode="require"))
    assert content(result) == {JSON: {"schema": BASE64}, "application/x-msgpack": by_hand}
    assert list(content(result, "200")) == SPELLINGS


def test_entries_are_independent() -> None:
    given = document({"post": operation(None, {"type": "array"})})
    result = content(completed(given, BinaryOptions()), "200")
    result[MSGPACK]["schema"]["maxItems"] = 1
    assert all(
        place["schema"] == {"type": "array"} for name, place in result.items() if name != MSGPACK
    )


# -- references to bodies, responses and path items ------------------------------------------------


def test_shared_bodies_and_responses() -> None:
    """Operations with different options that share them get copies."""
    shared = {
        "post": {
            "requestBody": {"$ref": "#/components/requestBodies/Body"},
            "responses": {"200": {"$ref": "#/components/responses/Again"}},
        }
    }
    given = document({}) | {"paths": {"/a": shared, "/b": shared, "/c": shared}}
    components = {
        "requestBodies": {"Body": {"required": True, "content": {JSON: {"schema": {}}}}},
        "responses": {
            "Again": {"$ref": "#/components/responses/Last"},
            "Last": {"description": "d", "content": {JSON: {"schema": {}}}},
        },
    }
    given["components"] = components
    modes: Any = {"/a": "negotiate", "/b": "require", "/c": "off"}
    result = add_binary_media_types(
        given,
        lambda path, method: BinaryOperation(
            BinaryOptions(mode=modes[path], media_types=(MSGPACK,))
        ),
    )
    assert list(content(result, path="/a")) == [JSON, MSGPACK]
    assert list(content(result, "200", path="/b")) == [MSGPACK]
    assert result["paths"]["/a"]["post"]["requestBody"]["required"] is True
    assert result["paths"]["/a"]["post"]["responses"]["200"]["description"] == "d"
    assert result["paths"]["/c"] == shared
    assert {key: result["components"][key] for key in components} == components


def test_shared_path_item() -> None:
    given = document({}) | {
        "paths": {"/": {"$ref": "#/components/pathItems/Shared", "summary": "s"}}
    }
    given["components"] = {"pathItems": {"Shared": {"post": operation({}), "parameters": []}}}
    result = completed(given)
    assert list(content(result)) == [JSON, MSGPACK]
    assert result["paths"]["/"]["summary"] == "s"
    assert result["paths"]["/"]["parameters"] == []


def test_callbacks_and_webhooks_are_unchanged() -> None:
    hook = {"post": operation(ARRAY, ARRAY)}
    given = document({"post": operation({}, callbacks={"done": {"{$url}": hook}})})
    given["webhooks"] = {"hook": hook}
    result = completed(given)
    assert result["webhooks"] == {"hook": hook}
    assert result["paths"]["/"]["post"]["callbacks"] == {"done": {"{$url}": hook}}


# -- refusals --------------------------------------------------------------------------------------


def _statuses(result: dict[str, Any]) -> list[str]:
    return list(result["paths"]["/"]["post"]["responses"])


@pytest.mark.parametrize(
    ("request_", "response", "mode", "expected"),
    [
        ({}, None, "negotiate", ["200", "400", "413", "415"]),
        (None, {}, "negotiate", ["200"]),
        ({}, {}, "require", ["200", "400", "406", "413", "415"]),
        (None, {}, "require", ["200", "406"]),
        (None, None, "require", ["200"]),
    ],
)
def test_refusals(request_: Any, response: Any, mode: Any, expected: list[str]) -> None:
    result = completed(document({"post": operation(request_, response)}), BinaryOptions(mode=mode))
    assert _statuses(result) == expected


def test_refusals_are_problem_details() -> None:
    result = completed(document({"post": operation({})}))
    problem = {"schema": ref("ProblemDetails")}
    for status in ("400", "413", "415"):
        assert result["paths"]["/"]["post"]["responses"][status]["description"]
        assert content(result, status) == {
            "application/problem+json": problem,
            "application/problem+msgpack": problem,
        }
    schema = result["components"]["schemas"]["ProblemDetails"]
    response = call(BinaryMiddleware(Recorder()), b"\xc1")
    assert response.status == 400
    assert list(unpackb(response.body)) == list(schema["properties"]) == schema["required"]


def test_statuses_that_are_documented_already() -> None:
    one = operation({})
    one["responses"]["400"] = own = {"description": "own"}
    result = completed(document({"post": one}))
    assert _statuses(result) == ["200", "400", "413", "415"]
    assert result["paths"]["/"]["post"]["responses"]["400"] == own


@pytest.mark.parametrize("covering", ["4XX", "default"])
def test_ranges_that_cover_the_refusals(covering: str) -> None:
    one = operation({})
    one["responses"][covering] = {"description": "own"}
    assert _statuses(completed(document({"post": one}))) == ["200", covering]


def test_component_of_the_same_name() -> None:
    given = document({"post": operation({})}, ProblemDetails={"type": "integer"})
    result = completed(given)
    assert content(result, "400")["application/problem+json"]["schema"] == ref("ProblemDetails-2")
    assert result["components"]["schemas"]["ProblemDetails"] == {"type": "integer"}


# -- malformed documents ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"swagger": "2.0", "paths": {"/": {"post": operation({})}}},
        {"openapi": "4.0.0", "paths": {"/": {"post": operation({})}}},
        {"openapi": 3, "paths": {"/": {"post": operation({})}}},
        {"openapi": "3.1.0"},
        {"openapi": "3.1.0", "paths": None},
        {"openapi": "3.1.0", "paths": {"/": None, "/a": {"post": None, "x-y": operation({})}}},
        {"openapi": "3.1.0", "paths": {"x-path": {"post": operation({})}}},
        {"openapi": "3.1.0", "paths": {"/": {"$ref": "#/paths/~1"}}},
        {"openapi": "3.1.0", "paths": {"/": {"post": {"requestBody": None, "responses": []}}}},
        {"openapi": "3.1.0", "paths": {"/": {"post": {"requestBody": {"content": [JSON]}}}}},
        {"openapi": "3.1.0", "paths": {"/": {"post": {"responses": {"200": {"content": None}}}}}},
    ],
)
def test_documents_without_anything_to_add(given: Any) -> None:
    assert completed(given) == given


@pytest.mark.parametrize("components", [None, [], {"schemas": None}, {"schemas": []}])
def test_malformed_components(components: Any) -> None:
    given = document({"post": operation({})}) | {"components": components}
    assert completed(given)["components"]["schemas"].keys() == {"ProblemDetails"}


def test_media_types_without_schema() -> None:
    given = document({"post": operation({})})
    given["paths"]["/"]["post"]["requestBody"] = {"content": {JSON: None}}
    assert content(completed(given)) == {JSON: None, MSGPACK: {}}

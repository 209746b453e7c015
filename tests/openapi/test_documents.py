"""OpenAPI documents with the binary media types: as a function, and on their way out of an app."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, StringConvertor
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from binary_middleware import (
    BinaryMiddleware,
    BinaryOptions,
    NumpyArrayField,
    RouteRule,
    binary_options,
    unpackb,
)
from binary_middleware._routing.resolver import Resolver
from binary_middleware.openapi import (
    BinaryOperation,
    operations_of,
    options_of,
    with_binary_media_types,
)
from binary_middleware.openapi._schemas import ARRAY_DESCRIPTION
from tests.asgi_app import Answer, Recorder, call

JSON = "application/json"
MSGPACK = "application/msgpack"
SPELLINGS = [MSGPACK, "application/vnd.msgpack", "application/x-msgpack"]
ONE = BinaryOptions(media_types=(MSGPACK,))
ITEM = {"$ref": "#/components/schemas/Item"}
ARRAY = TypeAdapter(NumpyArrayField).json_schema()
BASE64 = {"type": "string", "contentEncoding": "base64"}
FASTAPI_BYTES = {**BASE64, "contentMediaType": "application/octet-stream"}


def operation(
    request: Any = None, answer: Any = None, status: str = "200", **more: Any
) -> dict[str, Any]:
    """An operation with these schemas in JSON."""
    made: dict[str, Any] = {"responses": {status: {"description": "d"}}, **more}
    if request is not None:
        made["requestBody"] = {"content": {JSON: {"schema": request}}, "required": True}
    if answer is not None:
        made["responses"][status]["content"] = {JSON: {"schema": answer}}
    return made


def document(
    operations: Mapping[str, Any], version: str = "3.1.0", **schemas: Any
) -> dict[str, Any]:
    """A document with these operations, by method or by method and path."""
    paths: dict[str, Any] = {}
    for key, one in operations.items():
        method, _, path = key.partition(" ")
        paths.setdefault(path or "/", {})[method] = one
    made = {"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths}
    return made | ({"components": {"schemas": schemas}} if schemas else {})


def completed(
    given: dict[str, Any],
    options: BinaryOptions = ONE,
    *,
    takes_objects: bool = False,
    gives_objects: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The document completed, everything under the same options, and that a second time is one too
    many."""
    before = copy.deepcopy(given)
    served = BinaryOperation(options, takes_objects, gives_objects)
    result = with_binary_media_types(given, lambda path, method: served)
    assert given == before
    assert with_binary_media_types(result, lambda path, method: served) == result
    return result


def content(result: Any, status: str | None = None, path: str = "/") -> Any:
    """The content of a request, or of an answer with a status."""
    one = result["paths"][path]["post"]
    return (one["requestBody"] if status is None else one["responses"][status])["content"]


# -- media types ------------------------------------------------------------------------------


def test_binary_media_types_stand_beside_json() -> None:
    given = document({"post": operation(ITEM, ITEM)}, Item={"type": "object"})
    result = completed(given, BinaryOptions())
    for place in (content(result), content(result, "200")):
        assert list(place) == [JSON, *SPELLINGS]
        assert all(one == {"schema": ITEM} for one in place.values())


def test_configured_media_types() -> None:
    given = document({"post": operation({}, {})})
    result = completed(given, BinaryOptions(media_types=("application/octet-stream", MSGPACK)))
    assert list(content(result)) == [JSON, "application/octet-stream", MSGPACK]


def test_only_binary_media_types_under_require() -> None:
    given = document({"post": operation({}, {})})
    given["paths"]["/"]["post"]["responses"]["422"] = {"description": "", "content": {JSON: {}}}
    result = completed(given, BinaryOptions(mode="require"))
    for place in (content(result), content(result, "200"), content(result, "422")):
        assert list(place) == SPELLINGS


def test_nothing_under_off() -> None:
    given = document({"post": operation(FASTAPI_BYTES, ARRAY)})
    assert completed(given, BinaryOptions(mode="off")) == given


def test_options_of_each_operation() -> None:
    given = document(
        {f"{method} /{method}": operation({}, {}) for method in ("get", "put", "post")}
    )
    modes: Any = {"GET /get": "off", "PUT /put": "require", "POST /post": "negotiate"}
    result = with_binary_media_types(
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


def test_structured_suffixes() -> None:
    problem = {"content": {"application/problem+json": {"schema": {"type": "object"}}}}
    given = document({"post": operation({}, {})})
    given["paths"]["/"]["post"]["responses"] = {"404": problem}
    given["paths"]["/"]["post"]["requestBody"] = {"content": {"application/vnd.api+json": {}}}
    result = completed(given, BinaryOptions())
    assert list(content(result)) == ["application/vnd.api+json", "application/vnd.api+msgpack"]
    assert content(result, "404")["application/problem+msgpack"] == {"schema": {"type": "object"}}


@pytest.mark.parametrize(
    "name",
    [
        "text/html",
        "application/jsonl",
        "text/event-stream",
        "multipart/form-data",
        "application/*",
        "application/json; charset=latin-1",
        "no media type",
    ],
)
def test_other_content_is_not_touched(name: str) -> None:
    given = document({"post": operation()})
    given["paths"]["/"]["post"]["requestBody"] = {"content": {name: {"schema": BASE64}}}
    given["paths"]["/"]["post"]["responses"]["200"]["content"] = {name: {"schema": ARRAY}}
    assert completed(given) == given


@pytest.mark.parametrize("status", ["100", "204", "205", "206", "304"])
def test_answers_that_are_never_converted(status: str) -> None:
    given = document({"post": operation(None, {}, status)})
    assert completed(given) == given


@pytest.mark.parametrize("status", ["201", "2XX", "default", "500"])
def test_answers_that_are_converted(status: str) -> None:
    result = completed(document({"post": operation(None, {}, status)}))
    assert list(content(result, status)) == [JSON, MSGPACK]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("negotiate", ["text/csv", JSON, MSGPACK, "text/html"]),
        ("require", ["text/csv", MSGPACK, "text/html"]),
    ],
)
def test_json_among_other_content(mode: Any, expected: list[str]) -> None:
    given = document({"post": operation()})
    answers = given["paths"]["/"]["post"]["responses"]
    answers["200"]["content"] = {"text/csv": {}, JSON: {}, "text/html": {"schema": BASE64}}
    result = content(completed(given, BinaryOptions(mode=mode, media_types=(MSGPACK,))), "200")
    assert list(result) == expected
    assert result["text/html"] == {"schema": BASE64}


def test_json_with_a_charset() -> None:
    given = document({"post": operation()})
    named = "application/json; charset=UTF-8"
    given["paths"]["/"]["post"]["requestBody"] = {"content": {named: {}, JSON: {}}}
    assert list(content(completed(given))) == [named, MSGPACK, JSON]


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


def test_what_names_a_binary_media_type_already_is_left_alone() -> None:
    given = document({"post": operation(BASE64, ARRAY)})
    by_hand = {"schema": {"description": "by hand"}}
    content(given)["application/x-msgpack"] = by_hand
    result = completed(given, BinaryOptions(mode="require"))
    assert content(result) == {JSON: {"schema": BASE64}, "application/x-msgpack": by_hand}
    assert list(content(result, "200")) == SPELLINGS


def test_entries_do_not_share_what_somebody_may_change() -> None:
    given = document({"post": operation(None, {"type": "array"})})
    result = content(completed(given, BinaryOptions()), "200")
    result[MSGPACK]["schema"]["maxItems"] = 1
    assert all(
        place["schema"] == {"type": "array"} for name, place in result.items() if name != MSGPACK
    )


# -- references to what has content -------------------------------------------------------------


def test_shared_bodies_and_answers() -> None:
    """Two operations with other options share them, so that each gets its own."""
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
            "Again": {"$ref": "#/components/responses/Answer"},
            "Answer": {"description": "d", "content": {JSON: {"schema": {}}}},
        },
    }
    given["components"] = components
    modes: Any = {"/a": "negotiate", "/b": "require", "/c": "off"}
    result = with_binary_media_types(
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


def test_callbacks_and_webhooks_are_left_alone() -> None:
    hook = {"post": operation(ARRAY, ARRAY)}
    given = document({"post": operation({}, callbacks={"done": {"{$url}": hook}})})
    given["webhooks"] = {"hook": hook}
    result = completed(given)
    assert result["webhooks"] == {"hook": hook}
    assert result["paths"]["/"]["post"]["callbacks"] == {"done": {"{$url}": hook}}


# -- schemas ------------------------------------------------------------------------------------

RAW = {"contentMediaType": "application/octet-stream"}
RAW_30 = {"type": "string", "format": "binary"}
BINARY_ARRAY = {"$ref": "#/components/schemas/BinaryArray"}


def twin(
    schema: Any, travel: str = "objects", version: str = "3.1.0", **schemas: Any
) -> tuple[Any, dict[str, Any]]:
    """The schema in msgpack, and the components that were added for it."""
    is_answer = travel == "answer"
    given = document(
        {"post": operation(None if is_answer else schema, schema if is_answer else None)},
        version,
        **schemas,
    )
    result = completed(given, takes_objects=travel == "objects")
    found = content(result, "200" if is_answer else None)[MSGPACK]["schema"]
    components = result.get("components", {}).get("schemas", {})
    assert {name: components[name] for name in schemas} == schemas
    added = {name: one for name, one in components.items() if name not in schemas}
    return found, {name: one for name, one in added.items() if name != "ProblemDetails"}


@pytest.mark.parametrize(
    ("schema", "objects", "request_", "answer"),
    [
        (FASTAPI_BYTES, RAW, RAW, None),
        ({"type": "string", "format": "binary"}, RAW, None, None),
        (BASE64, RAW, RAW, None),
        # pydantic's Base64Bytes is base64 in its python mode, too; a JSON lane decodes none of it.
        ({**FASTAPI_BYTES, "format": "base64"}, None, RAW, None),
        ({"type": "string", "format": "base64url"}, None, RAW, None),
        ({"type": "string", "format": "byte"}, None, RAW, None),
        ({"type": "string", "contentMediaType": "application/json"}, None, None, None),
        ({"type": "string", "format": "date"}, None, None, None),
        ({"type": ["string", "null"], **RAW}, {"anyOf": [RAW, {"type": "null"}]}, None, None),
        (
            {**FASTAPI_BYTES, "title": "T", "description": "d", "minLength": 3, "x-y": 1},
            {**RAW, "title": "T", "description": "d", "x-y": 1, "minLength": 3},
            {**RAW, "title": "T", "description": "d", "x-y": 1},
            None,
        ),
        (
            {**FASTAPI_BYTES, "default": "eA==", "examples": ["eA=="], "example": "eA=="},
            RAW,
            RAW,
            None,
        ),
        (
            {**FASTAPI_BYTES, "default": None},
            {**RAW, "default": None},
            {**RAW, "default": None},
            None,
        ),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, None, None, None),
        (True, None, None, None),
    ],
)
def test_bytes(schema: Any, objects: Any, request_: Any, answer: Any) -> None:
    for travel, expected in (("objects", objects), ("request", request_), ("answer", answer)):
        assert twin(schema, travel) == (schema if expected is None else expected, {}), travel


def test_bytes_in_openapi_30() -> None:
    assert twin(FASTAPI_BYTES, version="3.0.3") == (RAW_30, {})
    nullable = {"type": "string", "format": "byte", "nullable": True, "description": "d"}
    expected = {**RAW_30, "nullable": True, "description": "d"}
    assert twin(nullable, "request", version="3.0.3") == (expected, {})


@pytest.mark.parametrize("travel", ["objects", "request", "answer"])
def test_arrays(travel: str) -> None:
    found, added = twin(ARRAY, travel)
    assert found == BINARY_ARRAY
    assert added == {
        "BinaryArray": {
            "title": "BinaryArray",
            "description": ARRAY_DESCRIPTION,
            "type": "object",
            "properties": {
                "shape": ARRAY["properties"]["shape"],
                "dtype": ARRAY["properties"]["dtype"],
                "data": {**RAW, "description": "The elements, in C order."},
            },
            "required": ["shape", "dtype", "data"],
        }
    }


def test_what_is_said_of_an_array_is_kept() -> None:
    said = {"title": "Samples", "description": "of a sound", "readOnly": True}
    assert twin(ARRAY | said)[0] == BINARY_ARRAY | said
    assert twin(ARRAY | said, version="3.0.3")[0] == {"allOf": [BINARY_ARRAY], **said}
    assert twin(ARRAY, version="3.0.3")[0] == BINARY_ARRAY
    nullable = ARRAY | {"type": ["object", "null"]}
    assert twin(nullable)[0] == {"anyOf": [BINARY_ARRAY, {"type": "null"}]}
    added = twin(ARRAY, version="3.0.3")[1]
    assert added["BinaryArray"]["properties"]["data"]["format"] == "binary"


def test_narrower_arrays() -> None:
    narrower = {"shape": {"minItems": 2, "maxItems": 2}, "dtype": {"const": "uint8"}}
    schema = {**ARRAY, "properties": {**ARRAY["properties"], **narrower}}
    assert twin(schema)[0] == {**BINARY_ARRAY, "properties": narrower}
    assert twin(schema, version="3.0.3")[0] == {"allOf": [BINARY_ARRAY], "properties": narrower}
    schema = {**ARRAY, "properties": {**ARRAY["properties"], "shape": narrower["shape"]}}
    assert twin(schema)[0] == {**BINARY_ARRAY, "properties": {"shape": narrower["shape"]}}


def test_objects_that_look_like_arrays() -> None:
    """On the JSON lane whatever looks like an array becomes one; a model of the user's does not."""
    similar = {"properties": {"shape": {}, "dtype": {}, "data_b64": {}}}
    assert twin(similar, "answer")[0] == BINARY_ARRAY
    assert twin(similar, "request")[0] == BINARY_ARRAY
    assert twin(similar, "objects") == (similar, {})
    more = {"properties": {**similar["properties"], "unit": {}}}
    assert twin(more, "answer") == (more, {})


@pytest.mark.parametrize(
    "around",
    [
        lambda one: {"properties": {"a": one, "b": {"type": "string"}}},
        lambda one: {"patternProperties": {"^a": one}},
        lambda one: {"dependentSchemas": {"a": one}},
        lambda one: {"$defs": {"a": one}},
        lambda one: {"items": one, "type": "array"},
        lambda one: {"prefixItems": [{"type": "integer"}, one]},
        lambda one: {"additionalProperties": one},
        lambda one: {"allOf": [one]},
        lambda one: {"anyOf": [one, {"type": "null"}]},
        lambda one: {"not": one},
        lambda one: {"if": one, "then": one, "else": one},
        lambda one: {"contains": one},
        lambda one: {"unevaluatedItems": one, "unevaluatedProperties": one},
        lambda one: {"items": {"items": {"properties": {"a": {"anyOf": [one]}}}}},
    ],
)
def test_schemas_within_schemas(around: Any) -> None:
    assert twin(around(FASTAPI_BYTES)) == (around(RAW), {})
    assert twin(around(ARRAY))[0] == around(BINARY_ARRAY)
    assert twin(around({"type": "integer"})) == (around({"type": "integer"}), {})


def test_names_and_values_are_no_schemas() -> None:
    schema = {
        "properties": {"items": {"type": "array", "items": FASTAPI_BYTES}},
        "propertyNames": FASTAPI_BYTES,
        "const": FASTAPI_BYTES,
        "enum": [FASTAPI_BYTES],
    }
    expected = {**schema, "properties": {"items": {"type": "array", "items": RAW}}}
    assert twin(schema) == (expected, {})


def test_one_of_with_bytes_is_any_of() -> None:
    """Raw bytes have no type, so that they match every branch, and ``oneOf`` never."""
    schema = {"oneOf": [{"type": "null"}, FASTAPI_BYTES]}
    assert twin(schema)[0] == {"anyOf": [{"type": "null"}, RAW]}
    assert twin(schema, version="3.0.3")[0] == {"oneOf": [{"type": "null"}, RAW_30]}
    assert twin({"oneOf": [{"type": "null"}, ARRAY]})[0] == {
        "oneOf": [{"type": "null"}, BINARY_ARRAY]
    }


def test_defaults_and_examples_in_json_are_left_out() -> None:
    item = {
        "properties": {"raw": FASTAPI_BYTES, "names": {"type": "array", "default": ["kept"]}},
        "default": {"raw": "eA=="},
        "examples": [{"raw": "eA=="}],
    }
    expected = {"properties": {"raw": RAW, "names": {"type": "array", "default": ["kept"]}}}
    assert twin(item)[0] == expected
    empty = {"items": FASTAPI_BYTES, "default": [], "examples": [[], None]}
    assert twin(empty)[0] == {**empty, "items": RAW}


# -- components -----------------------------------------------------------------------------------


def ref(name: str, **beside: Any) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", **beside}


def test_component_that_differs_has_a_twin() -> None:
    item = {
        "title": "Item",
        "type": "object",
        "properties": {"raw": FASTAPI_BYTES, "plain": ref("P")},
    }
    found, added = twin({"items": ref("Item")}, Item=item, P={"type": "object"})
    assert found == {"items": ref("Item-Binary")}
    properties = {"raw": RAW, "plain": ref("P")}
    assert added == {
        "Item-Binary": {"title": "Item-Binary", "type": "object", "properties": properties}
    }


def test_component_that_is_an_array() -> None:
    found, added = twin(ref("Array", description="d"), Array=ARRAY)
    assert found == BINARY_ARRAY | {"description": "d"}
    assert list(added) == ["BinaryArray"]


def test_component_that_is_bytes() -> None:
    found, added = twin(ref("Blob"), Blob=FASTAPI_BYTES)
    assert (found, added) == (ref("Blob-Binary"), {"Blob-Binary": RAW})


def test_recursion() -> None:
    tree = {"properties": {"children": {"items": ref("Tree")}, "raw": FASTAPI_BYTES}}
    found, added = twin(ref("Tree"), Tree=tree)
    assert found == ref("Tree-Binary")
    expected = {"properties": {"children": {"items": ref("Tree-Binary")}, "raw": RAW}}
    assert added == {"Tree-Binary": expected}
    plain = {"properties": {"children": {"items": ref("Tree")}}}
    assert twin(ref("Tree"), Tree=plain) == (ref("Tree"), {})


def test_circle_of_components() -> None:
    """Both are twins, also the one that reaches bytes only through the other."""
    schemas = {
        "A": {"properties": {"b": ref("B")}},
        "B": {"properties": {"a": ref("A"), "c": ref("C"), "self": ref("B")}},
        "C": FASTAPI_BYTES,
        "D": {"properties": {"a": ref("D")}},
    }
    found, added = twin({"prefixItems": [ref("A"), ref("D")]}, **schemas)
    assert found == {"prefixItems": [ref("A-Binary"), ref("D")]}
    expected = {
        "A-Binary": {"properties": {"b": ref("B-Binary")}},
        "B-Binary": {
            "properties": {"a": ref("A-Binary"), "c": ref("C-Binary"), "self": ref("B-Binary")}
        },
        "C-Binary": RAW,
    }
    assert added == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/components/schemas/Missing"},
        {"$ref": "#/components/schemas/Circle"},
        {"$ref": "elsewhere.json#/components/schemas/Item"},
        {"$ref": "#"},
        {"$ref": "#/components/schemas/Item/allOf/7"},
        {"$ref": 7},
        {"discriminator": {"mapping": {"a": "Missing", "b": 7}}},
        {"discriminator": {"propertyName": "kind", "mapping": []}},
        {"properties": [], "allOf": {}, "items": None, "type": 7},
    ],
)
def test_references_and_schemas_that_lead_nowhere(schema: Any) -> None:
    more = {"Item": FASTAPI_BYTES, "Circle": ref("Circle")}
    assert twin(schema, **more) == (schema, {})


def test_references_into_components() -> None:
    item = {"properties": {"a/b": {"items": FASTAPI_BYTES}}, "allOf": [ARRAY]}
    into = {"$ref": "#/components/schemas/Item/properties/a~1b"}
    found, added = twin(into, Item=item)
    assert found == ref("a_b-Binary")
    assert added == {"a_b-Binary": {"items": RAW}}
    assert twin({"$ref": "#/components/schemas/Item/allOf/0"}, Item=item)[0] == BINARY_ARRAY


def test_names_of_twins_are_unique() -> None:
    taken = {
        "Item": {"items": FASTAPI_BYTES},
        "Item-Binary": {"type": "integer"},
        "Item-Binary-Output": {"type": "integer"},
    }
    found, added = twin(ref("Item"), **taken)
    assert found == ref("Item-Binary-2")
    assert added == {"Item-Binary-2": {"items": RAW}}


def test_array_component_of_the_same_name() -> None:
    found, added = twin(ARRAY, BinaryArray={"type": "integer"})
    assert found == ref("BinaryArray-2")
    assert list(added) == ["BinaryArray-2"]


def test_twins_of_both_directions_of_the_json_lane() -> None:
    """Bytes may come as such, and go as the base64 that the app wrote; arrays do both."""
    item = {"properties": {"raw": BASE64, "array": ref("Holder"), "blob": ref("Blob")}}
    schemas = {"Item": item, "Holder": {"items": ARRAY}, "Blob": BASE64}
    result = completed(document({"post": operation(ref("Item"), ref("Item"))}, **schemas))
    assert content(result)[MSGPACK]["schema"] == ref("Item-Binary")
    assert content(result, "200")[MSGPACK]["schema"] == ref("Item-Binary-Output")
    components = result["components"]["schemas"]
    assert components["Item-Binary"]["properties"] == {
        "raw": RAW,
        "array": ref("Holder-Binary"),
        "blob": ref("Blob-Binary"),
    }
    assert components["Item-Binary-Output"]["properties"] == {
        "raw": BASE64,
        "array": ref("Holder-Binary"),
        "blob": ref("Blob"),
    }
    assert components["Holder-Binary"] == {"items": BINARY_ARRAY}


def test_statuses_that_are_made_of_objects() -> None:
    item = {"properties": {"raw": FASTAPI_BYTES}}
    given = document({"post": operation(None, item, "201")})
    given["paths"]["/"]["post"]["responses"]["404"] = {"content": {JSON: {"schema": item}}}
    result = completed(given, gives_objects=("201",))
    assert content(result, "201")[MSGPACK]["schema"] == {"properties": {"raw": RAW}}
    assert content(result, "404")[MSGPACK]["schema"] == item


CAT = {"properties": {"kind": {"const": "cat"}, "raw": FASTAPI_BYTES}}
DOG = {"properties": {"kind": {"const": "dog"}}}


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (None, {"Cat": ref("Cat-Binary")["$ref"]}),
        (
            {"cat": ref("Cat")["$ref"], "dog": ref("Dog")["$ref"]},
            {"cat": ref("Cat-Binary")["$ref"], "dog": ref("Dog")["$ref"]},
        ),
        (
            {"cat": "Cat", "dog": "Dog"},
            {"cat": ref("Cat-Binary")["$ref"], "dog": ref("Dog")["$ref"]},
        ),
        ({"dog": "Dog"}, {"dog": ref("Dog")["$ref"], "Cat": ref("Cat-Binary")["$ref"]}),
    ],
)
def test_discriminators_follow(mapping: Any, expected: Any) -> None:
    discriminator = {"propertyName": "kind", **({"mapping": mapping} if mapping else {})}
    pet = {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": discriminator}
    found, added = twin(ref("Pet"), Pet=pet, Cat=CAT, Dog=DOG)
    assert found == ref("Pet-Binary")
    assert added["Pet-Binary"] == {
        "oneOf": [ref("Cat-Binary"), ref("Dog")],
        "discriminator": {"propertyName": "kind", "mapping": expected},
    }


def test_what_only_a_discriminator_names() -> None:
    mapping = {"cat": ref("Cat")["$ref"]}
    pet = {"properties": {}, "discriminator": {"propertyName": "kind", "mapping": mapping}}
    found, added = twin(ref("Pet"), Pet=pet, Cat={"allOf": [ref("Pet"), {"items": FASTAPI_BYTES}]})
    assert found == ref("Pet-Binary")
    assert added["Pet-Binary"]["discriminator"]["mapping"] == {"cat": ref("Cat-Binary")["$ref"]}
    assert added["Cat-Binary"] == {"allOf": [ref("Pet-Binary"), {"items": RAW}]}


def test_discriminator_of_what_does_not_differ() -> None:
    pet = {"oneOf": [ref("Dog")], "discriminator": {"propertyName": "kind"}, "items": FASTAPI_BYTES}
    assert twin(pet, Dog=DOG)[0] == {**pet, "items": RAW}


def test_twins_do_not_share_what_somebody_may_change() -> None:
    item = {"properties": {"raw": FASTAPI_BYTES, "n": {"type": "integer"}}}
    given = document({"post": operation(ref("Item"))}, Item=item)
    result = completed(given, takes_objects=True)["components"]["schemas"]
    result["Item-Binary"]["properties"]["n"]["minimum"] = 1
    assert item["properties"]["n"] == {"type": "integer"}


# -- refusals ---------------------------------------------------------------------------------


def _statuses(result: dict[str, Any]) -> list[str]:
    return list(result["paths"]["/"]["post"]["responses"])


@pytest.mark.parametrize(
    ("request_", "answer", "mode", "expected"),
    [
        ({}, None, "negotiate", ["200", "400", "413", "415"]),
        (None, {}, "negotiate", ["200"]),
        ({}, {}, "require", ["200", "400", "406", "413", "415"]),
        (None, {}, "require", ["200", "406"]),
        (None, None, "require", ["200"]),
    ],
)
def test_refusals(request_: Any, answer: Any, mode: Any, expected: list[str]) -> None:
    result = completed(document({"post": operation(request_, answer)}), BinaryOptions(mode=mode))
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
    answer = call(BinaryMiddleware(Recorder()), b"\xc1")
    assert answer.status == 400
    assert list(unpackb(answer.body)) == list(schema["properties"]) == schema["required"]


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


# -- documents that are not as they should be ---------------------------------------------------


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
def test_components_that_are_none(components: Any) -> None:
    given = document({"post": operation({})}) | {"components": components}
    assert completed(given)["components"]["schemas"].keys() == {"ProblemDetails"}


def test_media_types_without_schema() -> None:
    given = document({"post": operation({})})
    given["paths"]["/"]["post"]["requestBody"] = {"content": {JSON: None}}
    assert content(completed(given)) == {JSON: None, MSGPACK: {}}


# -- the options of an operation ----------------------------------------------------------------


async def endpoint(request: Request) -> Response:
    return JSONResponse({"path": request.url.path})


@binary_options(mode="require")
async def required(request: Request) -> Response:
    return JSONResponse({})


class Both(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return JSONResponse({})

    @binary_options(mode="require")
    async def post(self, request: Request) -> Response:
        return JSONResponse({})


def _modes(resolver: Resolver, *operations: str, **parameters: Any) -> list[str]:
    paths: dict[str, Any] = {}
    for one in operations:
        method, path = one.split()
        paths.setdefault(path, {})[method.lower()] = {}
        paths[path]["parameters"] = [
            {"in": "path", "name": name, "schema": schema} for name, schema in parameters.items()
        ]
    operation_of = operations_of(resolver, {"openapi": "3.1.0", "paths": paths})
    return [operation_of(*reversed(one.split())).options.mode for one in operations]


def test_options_of_routes_by_the_templates_of_their_paths() -> None:
    inner = [Middleware(BinaryMiddleware, mode="off")]
    routes: list[Any] = [
        Route("/items/latest", endpoint),
        Route("/items/{id:int}", required),
        Route("/items/{name}", endpoint),
        Route("/both", Both),
        Route("/off", endpoint, middleware=inner),
        Mount("/sub/{version:int}", routes=[Route("/a/{x:uuid}", required), Route("/b", endpoint)]),
        Mount(
            "/inner", app=BinaryMiddleware(Starlette(routes=[Route("/c", endpoint)]), mode="off")
        ),
        Mount("", routes=[Route("/nowhere", required)]),
    ]
    resolver = BinaryMiddleware(Starlette(routes=routes)).resolver
    negotiated = ["GET /items/latest", "GET /items/{name}", "GET /both", "GET /sub/{version}/b"]
    assert _modes(resolver, *negotiated) == ["negotiate"] * 4
    asked = ["GET /items/{id}", "POST /both", "GET /sub/{version}/a/{x}", "GET /nowhere"]
    assert _modes(resolver, *asked) == ["require"] * 4
    assert _modes(resolver, "GET /off", "GET /inner/c", "GET /inner/missing") == [
        "off",
        "off",
        "off",
    ]
    found = resolver.find("/sub/{version}/a/{x}", "GET")
    assert found is not None
    assert found.route.endpoint is required
    assert resolver.find("/sub/{version}/a/{x}", "POST") is None
    assert resolver.find("/subject", "GET") is None


def test_rules_for_routes_that_cannot_be_seen() -> None:
    rules = [
        RouteRule("/items/{id:int}", mode="require"),
        RouteRule("/items/{id:uuid}", mode="off"),
        RouteRule("/items/latest", mode="off"),
        RouteRule("/items/{name}", mode="require", methods=["PUT"]),
    ]
    resolver = BinaryMiddleware(Recorder(), rules=rules).resolver
    assert _modes(resolver, "GET /items/{i}", i={"type": "integer"}) == ["require"]
    assert _modes(resolver, "GET /items/{i}", i={"type": "string", "format": "uuid"}) == ["off"]
    assert _modes(resolver, "GET /items/{i}", i={"type": "string"}) == ["negotiate"]
    assert _modes(resolver, "GET /items/{i}", i=None) == ["negotiate"]
    assert _modes(resolver, "PUT /items/{i}", "GET /items/latest") == ["require", "off"]


def test_types_of_parameters_by_reference_and_at_the_operation() -> None:
    resolver = BinaryMiddleware(Recorder(), rules=[RouteRule("/{i:float}", mode="off")]).resolver
    number = {"in": "path", "name": "i", "schema": {"type": "number"}}
    text = {"in": "path", "name": "i", "schema": {"type": "string"}}
    query = {"in": "query", "name": "i", "schema": {"type": "string"}}
    whole = {
        "components": {"parameters": {"I": number}},
        "paths": {"/{i}": {"parameters": [text], "get": {"parameters": []}}},
    }
    assert options_of(resolver, whole, "/{i}", "GET", None).mode == "negotiate"
    by_reference = {"$ref": "#/components/parameters/I"}
    whole["paths"]["/{i}"]["get"]["parameters"] = [by_reference, query, None]
    assert options_of(resolver, whole, "/{i}", "GET", None).mode == "off"


def test_convertor_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its paths are unknown, so that rules are asked for the template as it stands."""

    class Own(StringConvertor):
        regex = "[a-z]+"

    monkeypatch.setitem(CONVERTOR_TYPES, "own", Own())
    route = Route("/{x:own}", endpoint)
    rules = [RouteRule("/{x}", mode="require")]
    resolver = BinaryMiddleware(Starlette(routes=[route]), rules=rules).resolver
    assert _modes(resolver, "GET /{x}") == ["require"]


# -- on the way out ---------------------------------------------------------------------------

GIVEN = document({"post /echo": operation(ARRAY, ARRAY)})
EXPECTED = completed(GIVEN, BinaryOptions())


class Serving(Recorder):
    """Answers a document at one path, and notes what it was asked for."""

    def __init__(self, body: bytes | list[bytes] | None = None, **headers: str) -> None:
        whole = json.dumps(GIVEN).encode() if body is None else body
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(whole, {"content-type": JSON} | headers, reads=False)


def ask(app: Any, method: str = "GET", path: str = "/openapi.json", **scope: Any) -> Answer:
    headers = scope.pop("headers", {})
    wrapped = app if isinstance(app, BinaryMiddleware) else BinaryMiddleware(app, openapi_path=path)
    return call(wrapped, headers=headers, method=method, path=path, **scope)


@pytest.mark.parametrize("root_path", ["", "/api"])
def test_document_is_completed_for_json_clients(root_path: str) -> None:
    app = BinaryMiddleware(Serving(content_length="7"), openapi_path="/openapi.json")
    answer = ask(app, path=f"{root_path}/openapi.json", root_path=root_path)
    assert json.loads(answer.body) == EXPECTED != GIVEN
    assert answer.headers == {
        "content-type": JSON,
        "content-length": str(len(answer.body)),
        "vary": "Accept",
    }


def test_document_is_completed_for_binary_clients() -> None:
    answer = ask(Serving(), headers={"accept": MSGPACK})
    assert unpackb(answer.body) == EXPECTED
    assert answer.headers["content-type"] == MSGPACK
    assert answer.headers["content-length"] == str(len(answer.body))


def test_options_of_the_middleware_hold() -> None:
    rules = [RouteRule("/echo", max_body_size=1, mode="off")]
    app = BinaryMiddleware(Serving(), openapi_path="/openapi.json", rules=rules)
    assert ask(app).body == json.dumps(GIVEN).encode()


def test_json_in_pieces_and_of_another_type() -> None:
    text = json.dumps(GIVEN).encode()
    app = Serving([text[:10], text[10:11], b"", text[11:]])
    app.headers = {"content-type": "application/vnd.oai.openapi+json"}
    answer = ask(app)
    assert json.loads(answer.body) == EXPECTED
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json"


def test_compressed_document() -> None:
    app = Serving(gzip.compress(json.dumps(GIVEN).encode()), content_encoding="gzip")
    answer = ask(app)
    assert json.loads(answer.body) == EXPECTED
    assert "content-encoding" not in answer.headers


def test_large_document_goes_out_in_slices() -> None:
    large = {**GIVEN, "x-large": "x" * 300_000}
    answer = ask(Serving(json.dumps(large).encode()))
    assert len(answer.bodies) > 2
    assert answer.headers["content-length"] == str(len(answer.body))
    assert json.loads(answer.body) == {**EXPECTED, "x-large": "x" * 300_000}


def test_document_is_completed_once() -> None:
    app = BinaryMiddleware(Serving(), openapi_path="/openapi.json")
    assert ask(app).bodies[0]["body"] is ask(app).bodies[0]["body"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/openapi.json"), ("GET", "/openapi.json/"), ("GET", "/other")]
)
def test_other_requests_are_not_touched(method: str, path: str) -> None:
    app = BinaryMiddleware(Serving(), openapi_path="/openapi.json")
    answer = ask(app, method, path, headers={"if-none-match": '"v1"'})
    assert json.loads(answer.body) == GIVEN
    assert app.app.app.request_headers == {"if-none-match": '"v1"'}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"openapi": "3.1.0", "paths": {}}',
        b'{"swagger": "2.0", "paths": {"/": {"get": {}}}}',
    ],
)
def test_what_is_no_document_goes_out_as_it_is(body: bytes) -> None:
    answer = ask(Serving(body, etag='"v1"', content_md5="x", content_length=str(len(body))))
    assert answer.body == body
    assert answer.headers == {
        "content-type": JSON,
        "etag": '"v1"',
        "content-md5": "x",
        "content-length": str(len(body)),
        "vary": "Accept",
    }


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (404, {"content-type": JSON}),
        (201, {"content-type": JSON}),
        (200, {"content-type": "text/yaml"}),
        (200, {}),
        (200, {"content-type": "application/json; charset=utf-16"}),
        (200, {"content-type": JSON, "cache-control": "no-transform"}),
        (200, {"content-type": JSON, "content-encoding": "br"}),
        (200, {"content-type": JSON, "content-encoding": "gzip"}),
    ],
)
def test_answers_that_are_not_a_readable_document(status: int, headers: dict[str, str]) -> None:
    app = Serving()
    app.status, app.headers = status, headers
    answer = ask(app)
    assert answer.status == status
    assert answer.body == json.dumps(GIVEN).encode()
    assert answer.headers == {**headers, "vary": "Accept"}


def test_document_over_max_response_size() -> None:
    text = json.dumps(GIVEN).encode()
    app = BinaryMiddleware(
        Serving([text[:100], text[100:200], text[200:]], content_length="9"),
        openapi_path="/openapi.json",
        max_response_size=150,
    )
    answer = ask(app)
    assert answer.body == text
    assert [message["body"] for message in answer.bodies] == [text[:200], text[200:]]
    assert answer.headers["content-length"] == "9"


def test_what_describes_the_bytes_is_left_out() -> None:
    described = {"content_digest": "x", "content_md5": "x", "accept_ranges": "bytes"}
    answer = ask(Serving(**described, cache_control="max-age=1"))
    assert answer.headers.keys() == {"content-type", "content-length", "cache-control", "vary"}


def test_files_come_as_bytes() -> None:
    """Where a server sends files itself, the document would go past us."""
    files = {"http.response.pathsend": {}, "http.response.zerocopysend": {}}
    app = Serving()
    ask(app, extensions={**files, "tls": {}})
    assert app.scope["extensions"] == {"tls": {}}
    ask(app)
    assert "extensions" not in app.scope


def test_what_a_router_finds_out_reaches_the_outside() -> None:
    scopes: list[Any] = []

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await wrapped(scope, receive, send)

    routes = [Route("/openapi.json", endpoint)]
    wrapped = BinaryMiddleware(Starlette(routes=routes), openapi_path="/openapi.json")
    TestClient(outside).get("/openapi.json")
    assert scopes[0]["endpoint"] is endpoint
    assert any(name == b"accept" for name, _ in scopes[0]["headers"])


# Conditions and HEAD.


def test_entity_tags() -> None:
    app = BinaryMiddleware(Serving(etag='"v1"'), openapi_path="/openapi.json")
    in_json = ask(app).headers["etag"]
    in_msgpack = ask(app, headers={"accept": MSGPACK}).headers["etag"]
    assert in_json.startswith('"v1--openapi-')
    assert in_msgpack == f'{in_json[:-1]}--msgpack"'
    required = BinaryMiddleware(Serving(etag='"v1"'), openapi_path="/openapi.json", mode="require")
    assert ask(required, headers={"accept": JSON}).headers["etag"] not in (in_json, '"v1"')


@pytest.mark.parametrize("accept", [JSON, MSGPACK])
@pytest.mark.parametrize("tag", ['"v1"', 'W/"v1"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_none_match(accept: str, tag: str, method: str) -> None:
    app = Serving(etag=tag, cache_control="max-age=1", last_modified="x")
    wrapped = BinaryMiddleware(app, openapi_path="/openapi.json")
    own = ask(wrapped, headers={"accept": accept}).headers["etag"]
    for condition in (own, f'"other", {own}', "*"):
        answer = ask(wrapped, method, headers={"accept": accept, "if-none-match": condition})
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers == {"etag": own, "cache-control": "max-age=1", "vary": "Accept"}
        assert "if-none-match" not in app.request_headers
    for condition in (tag, '"other"', "no tag"):
        answer = ask(wrapped, method, headers={"accept": accept, "if-none-match": condition})
        assert answer.status == 200, condition


def test_conditions_on_what_the_app_has_do_not_reach_it() -> None:
    app = Serving()
    conditions = {"if-modified-since": "x", "range": "bytes=0-1", "if-range": '"v1"'}
    answer = ask(app, headers=[*conditions.items(), ("x-other", "1")])
    assert app.request_headers == {"x-other": "1"}
    assert json.loads(answer.body) == EXPECTED


def test_head_of_an_app_that_sends_the_body() -> None:
    app = BinaryMiddleware(Serving(etag='"v1"'), openapi_path="/openapi.json")
    assert ask(app, "HEAD").headers == ask(app).headers


def test_head_of_an_app_that_does_not() -> None:
    app = Serving(b"", etag='"v1"', content_length="700", content_md5="x", cache_control="no-cache")
    answer = ask(app, "HEAD")
    assert answer.headers == {"content-type": JSON, "cache-control": "no-cache", "vary": "Accept"}
    assert answer.body == b""


# Settings.


@pytest.mark.parametrize("accept", [JSON, "text/html", MSGPACK])
def test_document_is_exempt_from_require(accept: str) -> None:
    app = BinaryMiddleware(Serving(), openapi_path="/openapi.json", mode="require")
    answer = ask(app, headers={"accept": accept})
    assert answer.status == 200
    assert answer.headers["content-type"] == (MSGPACK if accept == MSGPACK else JSON)
    assert ask(app, path="/other", headers={"accept": JSON}).status == 406


def test_document_of_an_app_that_is_off() -> None:
    app = BinaryMiddleware(Serving(), openapi_path="/openapi.json", mode="off")
    answer = ask(app)
    assert json.loads(answer.body) == GIVEN
    assert "vary" not in answer.headers


def test_wrong_path() -> None:
    with pytest.raises(ValueError, match=r"openapi_path must start with '/', not 'openapi.json'"):
        BinaryMiddleware(Serving(), openapi_path="openapi.json")


def test_middleware_of_a_starlette_app() -> None:
    async def openapi(request: Request) -> Response:
        return JSONResponse(document({"get /items/{id}": operation(None, {})}))

    routes = [Route("/items/{id:int}", required), Route("/openapi.json", openapi)]
    own = [Middleware(BinaryMiddleware, openapi_path="/openapi.json", media_types=(MSGPACK,))]
    app = Starlette(routes=routes, middleware=own)
    client = TestClient(app)
    found = client.get("/openapi.json").json()["paths"]["/items/{id}"]["get"]["responses"]
    assert list(found) == ["200", "406"]
    assert list(found["200"]["content"]) == [MSGPACK]
    # A middleware around a mount finds the same.
    outer = BinaryMiddleware(Starlette(routes=[Mount("/sub", app=app)]))
    assert _modes(outer.resolver, "GET /sub/items/{id}") == ["require"]


def test_other_messages_pass() -> None:
    trailers = {"type": "http.response.trailers", "headers": [], "more_trailers": False}
    hint = {"type": "http.response.early_hint", "links": []}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(hint)
        await Serving()(scope, receive, send)
        await send(trailers)

    answer = ask(app)
    assert answer.messages[0] == hint
    assert answer.messages[-1] == trailers
    assert json.loads(answer.body) == EXPECTED


def test_lifespan_and_websockets_pass() -> None:
    types: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        types.append(scope["type"])

    wrapped = BinaryMiddleware(app, openapi_path="/openapi.json")
    for kind in ("lifespan", "websocket"):
        anyio.run(wrapped, {"type": kind, "path": "/openapi.json"}, None, None)
    assert types == ["lifespan", "websocket"]

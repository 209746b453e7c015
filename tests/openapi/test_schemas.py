"""Schemas and components of the binary format."""

from __future__ import annotations

from typing import Any

import pytest

from binary_middleware.formats import FORMAT
from tests.openapi.documents import (
    ARRAY,
    BASE64,
    FASTAPI_BYTES,
    JSON,
    MSGPACK,
    completed,
    content,
    document,
    operation,
    ref,
)

RAW = {"contentMediaType": "application/octet-stream"}
RAW_30 = {"type": "string", "format": "binary"}
BINARY_ARRAY = {"$ref": "#/components/schemas/BinaryArray"}


def binary(
    schema: Any, conversion: str = "objects", version: str = "3.1.0", **schemas: Any
) -> tuple[Any, dict[str, Any]]:
    """Return the counterpart of a schema, and the components that were added for it."""
    is_response = conversion == "response"
    given = document(
        {"post": operation(None if is_response else schema, schema if is_response else None)},
        version,
        **schemas,
    )
    result = completed(given, reads_objects=conversion == "objects")
    found = content(result, "200" if is_response else None)[MSGPACK]["schema"]
    components = result.get("components", {}).get("schemas", {})
    assert {name: components[name] for name in schemas} == schemas
    added = {name: one for name, one in components.items() if name not in schemas}
    return found, {name: one for name, one in added.items() if name != "ProblemDetails"}


# -- schemas ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "objects", "request_", "response"),
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
def test_bytes(schema: Any, objects: Any, request_: Any, response: Any) -> None:
    for conversion, expected in (
        ("objects", objects),
        ("request", request_),
        ("response", response),
    ):
        wanted = schema if expected is None else expected
        assert binary(schema, conversion) == (wanted, {}), conversion


@pytest.mark.parametrize("conversion", ["objects", "request", "response"])
def test_arrays(conversion: str) -> None:
    found, added = binary(ARRAY, conversion)
    assert found == BINARY_ARRAY
    assert added == {
        "BinaryArray": {
            "title": "BinaryArray",
            "description": FORMAT.array_description,
            "type": "object",
            "properties": {
                "shape": ARRAY["properties"]["shape"],
                "dtype": ARRAY["properties"]["dtype"],
                "data": {**RAW, "description": "The elements, in C order."},
            },
            "required": ["shape", "dtype", "data"],
        }
    }


NULLABLE_30 = {"nullable": True, "description": "d"}
ANNOTATIONS = {"title": "Samples", "description": "of a sound", "readOnly": True}
SHAPE = {"shape": {"minItems": 2, "maxItems": 2}}
NARROWER = {**SHAPE, "dtype": {"const": "uint8"}}
NULL = {"type": "null"}


def narrowed(properties: Any) -> Any:
    return {**ARRAY, "properties": {**ARRAY["properties"], **properties}}


@pytest.mark.parametrize(
    ("version", "schema", "expected"),
    [
        ("3.0.3", FASTAPI_BYTES, RAW_30),
        ("3.0.3", {**FASTAPI_BYTES, **NULLABLE_30}, {**RAW_30, **NULLABLE_30}),
        ("3.1.0", ARRAY | ANNOTATIONS, BINARY_ARRAY | ANNOTATIONS),
        ("3.0.3", ARRAY | ANNOTATIONS, {"allOf": [BINARY_ARRAY], **ANNOTATIONS}),
        ("3.0.3", ARRAY, BINARY_ARRAY),
        ("3.1.0", ARRAY | {"type": ["object", "null"]}, {"anyOf": [BINARY_ARRAY, NULL]}),
        ("3.1.0", narrowed(NARROWER), {**BINARY_ARRAY, "properties": NARROWER}),
        ("3.0.3", narrowed(NARROWER), {"allOf": [BINARY_ARRAY], "properties": NARROWER}),
        ("3.1.0", narrowed(SHAPE), {**BINARY_ARRAY, "properties": SHAPE}),
        # Raw bytes have no type and match every branch, so ``oneOf`` would never match.
        ("3.1.0", {"oneOf": [NULL, FASTAPI_BYTES]}, {"anyOf": [NULL, RAW]}),
        ("3.0.3", {"oneOf": [NULL, FASTAPI_BYTES]}, {"oneOf": [NULL, RAW_30]}),
        ("3.1.0", {"oneOf": [NULL, ARRAY]}, {"oneOf": [NULL, BINARY_ARRAY]}),
        # Names and values are not schemas.
        (
            "3.1.0",
            {"properties": {"items": {"items": BASE64}}, "propertyNames": BASE64, "const": BASE64},
            {"properties": {"items": {"items": RAW}}, "propertyNames": BASE64, "const": BASE64},
        ),
        ("3.1.0", {"items": BASE64, "enum": [BASE64]}, {"items": RAW, "enum": [BASE64]}),
        # Defaults and examples with text in them are for JSON.
        (
            "3.1.0",
            {"items": BASE64, "default": {"raw": "eA=="}, "examples": [{"raw": "eA=="}]},
            {"items": RAW},
        ),
        (
            "3.1.0",
            {"items": BASE64, "default": [], "examples": [[], None]},
            {"items": RAW, "default": [], "examples": [[], None]},
        ),
        (
            "3.1.0",
            {"properties": {"raw": BASE64, "names": {"default": ["kept"]}}},
            {"properties": {"raw": RAW, "names": {"default": ["kept"]}}},
        ),
    ],
)
def test_counterparts(version: str, schema: Any, expected: Any) -> None:
    assert binary(schema, version=version)[0] == expected


def test_bytes_and_arrays_of_openapi_30() -> None:
    byte = {"type": "string", "format": "byte"}
    assert binary(byte, "request", version="3.0.3") == (RAW_30, {})
    added = binary(ARRAY, version="3.0.3")[1]
    assert added["BinaryArray"]["properties"]["data"]["format"] == "binary"


def test_objects_that_look_like_arrays() -> None:
    """On the JSON lane they are converted; on the object lane a model of the user's is not."""
    similar = {"properties": {"shape": {}, "dtype": {}, "data_b64": {}}}
    assert binary(similar, "response")[0] == BINARY_ARRAY
    assert binary(similar, "request")[0] == BINARY_ARRAY
    assert binary(similar, "objects") == (similar, {})
    more = {"properties": {**similar["properties"], "unit": {}}}
    assert binary(more, "response") == (more, {})


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
    assert binary(around(FASTAPI_BYTES)) == (around(RAW), {})
    assert binary(around(ARRAY))[0] == around(BINARY_ARRAY)
    assert binary(around({"type": "integer"})) == (around({"type": "integer"}), {})


# -- components -----------------------------------------------------------------------------------


def test_component_that_differs() -> None:
    item = {
        "title": "Item",
        "type": "object",
        "properties": {"raw": FASTAPI_BYTES, "plain": ref("P")},
    }
    found, added = binary({"items": ref("Item")}, Item=item, P={"type": "object"})
    assert found == {"items": ref("Item-Binary")}
    properties = {"raw": RAW, "plain": ref("P")}
    assert added == {
        "Item-Binary": {"title": "Item-Binary", "type": "object", "properties": properties}
    }


def test_component_that_is_an_array() -> None:
    found, added = binary(ref("Array", description="d"), Array=ARRAY)
    assert found == BINARY_ARRAY | {"description": "d"}
    assert list(added) == ["BinaryArray"]


def test_component_that_is_bytes() -> None:
    found, added = binary(ref("Blob"), Blob=FASTAPI_BYTES)
    assert (found, added) == (ref("Blob-Binary"), {"Blob-Binary": RAW})


def test_recursion() -> None:
    tree = {"properties": {"children": {"items": ref("Tree")}, "raw": FASTAPI_BYTES}}
    found, added = binary(ref("Tree"), Tree=tree)
    assert found == ref("Tree-Binary")
    expected = {"properties": {"children": {"items": ref("Tree-Binary")}, "raw": RAW}}
    assert added == {"Tree-Binary": expected}
    plain = {"properties": {"children": {"items": ref("Tree")}}}
    assert binary(ref("Tree"), Tree=plain) == (ref("Tree"), {})


def test_circle_of_components() -> None:
    """Both have counterparts, also the one that reaches bytes only through the other."""
    schemas = {
        "A": {"properties": {"b": ref("B")}},
        "B": {"properties": {"a": ref("A"), "c": ref("C"), "self": ref("B")}},
        "C": FASTAPI_BYTES,
        "D": {"properties": {"a": ref("D")}},
    }
    found, added = binary({"prefixItems": [ref("A"), ref("D")]}, **schemas)
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
def test_broken_references_and_schemas(schema: Any) -> None:
    more = {"Item": FASTAPI_BYTES, "Circle": ref("Circle")}
    assert binary(schema, **more) == (schema, {})


def test_references_into_components() -> None:
    item = {"properties": {"a/b": {"items": FASTAPI_BYTES}}, "allOf": [ARRAY]}
    into = {"$ref": "#/components/schemas/Item/properties/a~1b"}
    found, added = binary(into, Item=item)
    assert found == ref("a_b-Binary")
    assert added == {"a_b-Binary": {"items": RAW}}
    assert binary({"$ref": "#/components/schemas/Item/allOf/0"}, Item=item)[0] == BINARY_ARRAY


def test_names_are_unique() -> None:
    used = {
        "Item": {"items": FASTAPI_BYTES},
        "Item-Binary": {"type": "integer"},
        "Item-Binary-Output": {"type": "integer"},
    }
    found, added = binary(ref("Item"), **used)
    assert found == ref("Item-Binary-2")
    assert added == {"Item-Binary-2": {"items": RAW}}


def test_array_component_of_the_same_name() -> None:
    found, added = binary(ARRAY, BinaryArray={"type": "integer"})
    assert found == ref("BinaryArray-2")
    assert list(added) == ["BinaryArray-2"]


def test_both_directions_of_the_json_lane() -> None:
    """Requests may have bytes, responses have the base64 of the app; arrays are in both."""
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


def test_object_statuses() -> None:
    item = {"properties": {"raw": FASTAPI_BYTES}}
    given = document({"post": operation(None, item, "201")})
    given["paths"]["/"]["post"]["responses"]["404"] = {"content": {JSON: {"schema": item}}}
    result = completed(given, object_statuses=("201",))
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
def test_discriminators(mapping: Any, expected: Any) -> None:
    discriminator = {"propertyName": "kind", **({"mapping": mapping} if mapping else {})}
    pet = {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": discriminator}
    found, added = binary(ref("Pet"), Pet=pet, Cat=CAT, Dog=DOG)
    assert found == ref("Pet-Binary")
    assert added["Pet-Binary"] == {
        "oneOf": [ref("Cat-Binary"), ref("Dog")],
        "discriminator": {"propertyName": "kind", "mapping": expected},
    }


def test_component_that_only_a_discriminator_names() -> None:
    mapping = {"cat": ref("Cat")["$ref"]}
    pet = {"properties": {}, "discriminator": {"propertyName": "kind", "mapping": mapping}}
    found, added = binary(
        ref("Pet"), Pet=pet, Cat={"allOf": [ref("Pet"), {"items": FASTAPI_BYTES}]}
    )
    assert found == ref("Pet-Binary")
    assert added["Pet-Binary"]["discriminator"]["mapping"] == {"cat": ref("Cat-Binary")["$ref"]}
    assert added["Cat-Binary"] == {"allOf": [ref("Pet-Binary"), {"items": RAW}]}


def test_discriminator_without_differences() -> None:
    pet = {"oneOf": [ref("Dog")], "discriminator": {"propertyName": "kind"}, "items": FASTAPI_BYTES}
    assert binary(pet, Dog=DOG)[0] == {**pet, "items": RAW}


def test_counterparts_are_independent() -> None:
    item = {"properties": {"raw": FASTAPI_BYTES, "n": {"type": "integer"}}}
    given = document({"post": operation(ref("Item"))}, Item=item)
    result = completed(given, reads_objects=True)["components"]["schemas"]
    result["Item-Binary"]["properties"]["n"]["minimum"] = 1
    assert item["properties"]["n"] == {"type": "integer"}

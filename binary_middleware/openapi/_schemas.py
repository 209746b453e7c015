"""Schemas of JSON documents, and their counterparts for the same documents in the binary format.

In a counterpart, bytes take the place of base64, and an array is the map that it is in the binary
format. A schema without either is its own counterpart. Components are shared, so one that differs
gets a counterpart beside it: ``Signal`` and ``Signal-Binary``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from itertools import chain, count
from typing import Any, Final, Literal
from urllib.parse import unquote

from pydantic import TypeAdapter

from binary_middleware.fields import NumpyArrayField
from binary_middleware.formats import FORMAT

Conversion = Literal["objects", "request", "response"]
"""The conversion of a document. ``"objects"``: not at all, on the object lane, where bytes stay
bytes. ``"request"``: to JSON text for the app, which gets bytes as base64. ``"response"``: from the
JSON text of the app, whose base64 stays text."""

_SCHEMAS: Final = "#/components/schemas/"
_OCTETS: Final = "application/octet-stream"
_ARRAY_IN_JSON: Final = frozenset({"shape", "dtype", "data_b64"})
_BASE64: Final = ("base64", "base64url")

# The keywords of subschemas (JSON Schema 2020-12 §10 and §11). ``propertyNames`` is not among them:
# keys are text in the binary format, too.
_IN_MAP: Final = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_IN_LIST: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_ALONE: Final = (
    "items",
    "additionalProperties",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_VALUES: Final = ("default", "example", "examples")
_ANNOTATIONS: Final = ("title", "description", "deprecated", "readOnly", "writeOnly", "nullable")

_ARRAY_SCHEMA: Final = TypeAdapter(NumpyArrayField).json_schema()
_ANY_ARRAY: Final = {name: _ARRAY_SCHEMA["properties"][name] for name in ("shape", "dtype")}
"""The schemas of the shape and the dtype of an array without restrictions."""


class _Differences:
    """The parts of schemas that differ from their counterparts.

    Args:
        document: OpenAPI 3.0 or newer.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        components = resolve(document, _SCHEMAS.removesuffix("/"))
        self.components: Mapping[str, Any] = components if isinstance(components, dict) else {}
        self._parts: dict[tuple[str, Conversion], tuple[frozenset[int], frozenset[str]]] = {}

    def of_schema(self, schema: Any, conversion: Conversion) -> frozenset[int]:
        """Return the ids of all that differs in a schema and in what it refers to."""
        return self._closure(*self._parts_of(schema, conversion), conversion)

    def of_reference(self, pointer: str, conversion: Conversion) -> frozenset[int]:
        """Return the ids of all that differs in the target of a reference."""
        return self._closure(frozenset(), frozenset({pointer}), conversion)

    def kind(self, schema: Any, conversion: Conversion) -> Literal["array", "bytes"] | None:
        """Return which counterpart a schema itself has, ``None`` if it does not differ."""
        if not isinstance(schema, dict):
            return None
        types = _types(schema)
        properties = schema.get("properties")
        if isinstance(properties, dict) and (None in types or "object" in types):
            # Objects that look like arrays are converted, but only on the JSON lane.
            is_array = conversion != "objects" or schema.get("additionalProperties") is False
            return "array" if is_array and properties.keys() == _ARRAY_IN_JSON else None
        if "string" not in types:
            return None
        encoding, form = schema.get("contentEncoding"), schema.get("format")
        if conversion == "objects":
            # pydantic's Base64Bytes and Base64Str have a format: they are base64 as objects, too.
            is_octets = schema.get("contentMediaType") == _OCTETS or form == "binary"
            is_bytes = (is_octets or encoding in _BASE64) and form not in _BASE64
            return "bytes" if is_bytes else None
        if conversion == "request":
            return "bytes" if encoding in _BASE64 or form in _BASE64 or form == "byte" else None
        return None

    def as_pointer(self, target: str) -> str:
        """Return the reference for an entry of a discriminator, which may name a component."""
        return _SCHEMAS + target if target in self.components else target

    def _parts_of(
        self, schema: Any, conversion: Conversion
    ) -> tuple[frozenset[int], frozenset[str]]:
        """Return the ids of what differs in a schema itself, and the references in it."""
        differing: set[int] = set()
        pointers: set[str] = set()
        pending = [schema]
        while pending:
            one = pending.pop()
            if self.kind(one, conversion) is not None:
                differing.add(id(one))
            elif isinstance(one, dict):
                if isinstance(one.get("$ref"), str):
                    pointers.add(one["$ref"])
                pointers.update(map(self.as_pointer, _mapping_of(one).values()))
                pending += _subschemas(one)
        return frozenset(differing), frozenset(pointers)

    def _closure(
        self, differing: frozenset[int], pointers: frozenset[str], conversion: Conversion
    ) -> frozenset[int]:
        found = set(differing)
        seen = set(pointers)
        pending = list(pointers)
        while pending:
            pointer = pending.pop()
            parts = self._parts.get((pointer, conversion))
            if parts is None:
                parts = self._parts_of(resolve(self._document, pointer), conversion)
                self._parts[pointer, conversion] = parts
            found |= parts[0]
            pending += parts[1] - seen
            seen |= parts[1]
        return frozenset(found)


class BinarySchemas:
    """The counterparts of the schemas of one document, which is not changed.

    Args:
        document: OpenAPI 3.0 or newer.
    """

    added: dict[str, Any]
    """The components that the counterparts refer to, by their names."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._is_30 = str(document.get("openapi")).startswith("3.0")
        self._differences = _Differences(document)
        self._names: dict[tuple[str, frozenset[int]], str] = {}
        self.added = {}

    def counterpart(self, schema: Any, conversion: Conversion) -> Any:
        """Return the schema of the same document in the binary format.

        It is ``schema`` itself if nothing differs.
        """
        if not self._differences.of_schema(schema, conversion):
            return schema
        kind = self._differences.kind(schema, conversion)
        if kind == "array":
            return self._array(schema)
        if kind == "bytes":
            return self._bytes(schema, conversion)
        return self._rewritten(schema, conversion)

    def shared(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a reference to a component that is added under this name, or a similar one."""
        for candidate in chain((name,), _numbered(name)):
            present = self.added.get(candidate, self._differences.components.get(candidate))
            if present is None:
                present = self.added[candidate] = copy.deepcopy(schema)
            if present == schema:
                break
        return {"$ref": _SCHEMAS + candidate}

    def _rewritten(self, schema: dict[str, Any], conversion: Conversion) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                result[key] = self._reference(value, conversion)
            elif key in _IN_MAP and isinstance(value, dict):
                result[key] = {
                    name: self.counterpart(one, conversion) for name, one in value.items()
                }
            elif key in _IN_LIST and isinstance(value, list):
                branches = [self.counterpart(one, conversion) for one in value]
                # Bytes have no type in OpenAPI 3.1, so they match every branch.
                matches_all = key == "oneOf" and any(
                    isinstance(one, dict) and "contentMediaType" in one and "type" not in one
                    for one in branches
                )
                result["anyOf" if matches_all and "anyOf" not in schema else key] = branches
            elif key in _ALONE:
                result[key] = self.counterpart(value, conversion)
            elif key not in _VALUES or not _holds_text(value):
                result[key] = value
        if isinstance(schema.get("discriminator"), dict):
            result["discriminator"] = self._discriminator(schema, conversion)
        return result

    def _reference(self, pointer: str, conversion: Conversion) -> str:
        target = resolve(self._document, pointer)
        differences = self._differences.of_reference(pointer, conversion)
        if not differences:
            return pointer
        if self._differences.kind(target, conversion) == "array":
            return str(self._array({})["$ref"])
        name = self._names.get((pointer, differences))
        if name is None:
            name = self._names[pointer, differences] = self._free_name(pointer, conversion)
            self.added[name] = {}  # the target may refer to itself
            schema = self.counterpart(target, conversion)
            if "title" in schema:
                schema = {**schema, "title": name}  # code generators name classes by it
            self.added[name] = schema
        return _SCHEMAS + name

    def _free_name(self, pointer: str, conversion: Conversion) -> str:
        base = re.sub(r"[^A-Za-z0-9._-]", "_", _tokens(pointer)[-1])
        side = "Input" if conversion == "request" else "Output"
        names = chain((f"{base}-Binary", f"{base}-Binary-{side}"), _numbered(f"{base}-Binary"))
        used = self._differences.components.keys() | self.added.keys()
        return next(name for name in names if name not in used)

    def _discriminator(self, schema: dict[str, Any], conversion: Conversion) -> dict[str, Any]:
        """Return a discriminator with a mapping: without one, its values name components."""
        named = {
            value: self._differences.as_pointer(target)
            for value, target in _mapping_of(schema).items()
        }
        mapping = {value: self._reference(pointer, conversion) for value, pointer in named.items()}
        for branch in (*_list(schema.get("oneOf")), *_list(schema.get("anyOf"))):
            pointer = branch.get("$ref") if isinstance(branch, dict) else None
            if isinstance(pointer, str) and pointer not in named.values():
                counterpart = self._reference(pointer, conversion)
                if counterpart != pointer:
                    mapping.setdefault(_tokens(pointer)[-1], counterpart)
        return {**schema["discriminator"], **({"mapping": mapping} if mapping else {})}

    def _bytes(self, schema: dict[str, Any], conversion: Conversion) -> dict[str, Any]:
        """Return a schema of bytes ("Working with Binary Data" in OpenAPI 3.0.4 and 3.1.1)."""
        kept = _annotations(schema)
        if conversion == "objects":  # where lengths are in bytes, not in characters of base64
            kept |= {key: schema[key] for key in ("minLength", "maxLength") if key in schema}
        if self._is_30:
            return {"type": "string", "format": "binary"} | kept
        raw = {"contentMediaType": schema.get("contentMediaType", _OCTETS)}
        if "null" in _types(schema):
            return {"anyOf": [raw, {"type": "null"}]} | kept
        return raw | kept

    def _array(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = self.shared("BinaryArray", self._any_array())
        kept = _annotations(schema)
        if kept.get("title") == "NumpyArray":
            del kept["title"]
        narrower = {
            name: one
            for name, one in schema.get("properties", {}).items()
            if name in _ANY_ARRAY and one not in ({}, _ANY_ARRAY[name])
        }
        if narrower:
            kept["properties"] = narrower
        if "null" in _types(schema):
            return {"anyOf": [reference, {"type": "null"}]} | kept
        if self._is_30 and kept:
            return {"allOf": [reference]} | kept  # OpenAPI 3.0 ignores siblings of a reference
        return reference | kept

    def _any_array(self) -> dict[str, Any]:
        data = self._bytes({"description": "The elements, in C order."}, "objects")
        return {
            "title": "BinaryArray",
            "description": FORMAT.array_description,
            "type": "object",
            "properties": {
                "shape": _ANY_ARRAY["shape"],
                "dtype": _ANY_ARRAY["dtype"],
                "data": data,
            },
            "required": ["shape", "dtype", "data"],
        }


def resolve(document: Any, pointer: str) -> Any:
    """Return the target of a reference within the document (RFC 6901), ``None`` without one."""
    if not pointer.startswith("#/"):
        return None
    for token in _tokens(pointer):
        if isinstance(document, dict):
            document = document.get(token)
        elif isinstance(document, list) and token.isdecimal() and int(token) < len(document):
            document = document[int(token)]
        else:
            return None
    return document


def _numbered(name: str) -> Iterator[str]:
    return (f"{name}-{number}" for number in count(2))


def _tokens(pointer: str) -> list[str]:
    steps = unquote(pointer).split("/")[1:]
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _subschemas(schema: dict[str, Any]) -> Iterator[Any]:
    for key in _IN_MAP:
        if isinstance(schema.get(key), dict):
            yield from schema[key].values()
    for key in _IN_LIST:
        yield from _list(schema.get(key))
    for key in _ALONE:
        yield schema.get(key)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _types(schema: dict[str, Any]) -> list[Any]:
    types = schema.get("type")
    return types if isinstance(types, list) else [types]


def _mapping_of(schema: dict[str, Any]) -> dict[str, str]:
    discriminator = schema.get("discriminator")
    mapping = discriminator.get("mapping") if isinstance(discriminator, dict) else None
    if not isinstance(mapping, dict):
        return {}
    return {value: target for value, target in mapping.items() if isinstance(target, str)}


def _annotations(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords that do not restrict values, and that still hold for the counterpart."""
    return {
        key: value
        for key, value in schema.items()
        if key in _ANNOTATIONS
        or key.startswith("x-")
        or (key in _VALUES and not _holds_text(value))
    }


def _holds_text(value: Any) -> bool:
    """Return whether a JSON value contains text, which may be base64."""
    if isinstance(value, dict):
        return any(map(_holds_text, value.values()))
    if isinstance(value, list):
        return any(map(_holds_text, value))
    return isinstance(value, str)

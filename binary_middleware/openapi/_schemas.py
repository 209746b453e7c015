"""Schemas of JSON documents, and their twins for the same documents in msgpack. No I/O.

A twin says ``bytes`` where the JSON has base64, and describes an array as the map that it is in
msgpack. A schema without either is its own twin. Components are shared, so a component that differs
gets a twin beside it: ``Signal`` and ``Signal-Binary``.
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

Travel = Literal["objects", "request", "answer"]
"""How values come to the app or from it. ``"objects"``: as they are, bytes as bytes. ``"request"``:
as JSON text that was made of msgpack, so that bytes may come in the place of base64. ``"answer"``:
in msgpack that was made of JSON text, where base64 stays the text that it is."""

_SCHEMAS: Final = "#/components/schemas/"
_OCTETS: Final = "application/octet-stream"
_ARRAY_IN_JSON: Final = frozenset({"shape", "dtype", "data_b64"})
_BASE64: Final = ("base64", "base64url")

# Where a schema has other schemas (JSON Schema 2020-12 §10 and §11). The keys of a map are text in
# msgpack, too, so that ``propertyNames`` is not among them.
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

_ANY_ARRAY: Final = TypeAdapter(NumpyArrayField).json_schema()["properties"]
"""What is said of the shape and the dtype of an array that may have any."""

ARRAY_DESCRIPTION: Final = (
    "An array, as a map. The keys described here are those of the portable form. The other form "
    'is that of msgpack-numpy, with binary keys: `{b"nd": true, b"type": "<f4", b"kind": b"", '
    'b"shape": [2, 3], b"data": <bytes>}`. Requests may have either; answers have that of '
    "msgpack-numpy, unless the client asks with `Accept: application/msgpack; arrays=map` or the "
    "server is set to the portable form."
)


class BinarySchemas:
    """The twins of the schemas of one document, which is not changed.

    Args:
        document: OpenAPI 3.0 or newer.

    Attributes:
        added: the components that the twins refer to, by their names.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._is_30 = str(document.get("openapi")).startswith("3.0")
        components = resolve(document, _SCHEMAS.removesuffix("/"))
        self._present: Mapping[str, Any] = components if isinstance(components, dict) else {}
        self.added: dict[str, Any] = {}
        self._twins: dict[tuple[str, frozenset[int]], str] = {}
        self._parts: dict[tuple[str, Travel], tuple[frozenset[int], frozenset[str]]] = {}

    def twin(self, schema: Any, travel: Travel) -> Any:
        """The schema of the same document in msgpack: ``schema`` itself if nothing differs."""
        if not self._changes(*self._parts_of(schema, travel), travel):
            return schema
        kind = self._kind(schema, travel)
        if kind == "array":
            return self._array(schema)
        if kind == "bytes":
            return self._bytes(schema, travel)
        return self._rewritten(schema, travel)

    def shared(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        """A reference to a component that is added under this name, or a similar one."""
        for candidate in chain((name,), _numbered(name)):
            known = self.added.get(candidate, self._present.get(candidate))
            if known is None:
                known = self.added[candidate] = copy.deepcopy(schema)
            if known == schema:
                break
        return {"$ref": _SCHEMAS + candidate}

    # What differs.

    def _kind(self, schema: Any, travel: Travel) -> Literal["array", "bytes"] | None:
        if not isinstance(schema, dict):
            return None
        types = _types(schema)
        properties = schema.get("properties")
        if isinstance(properties, dict) and (None in types or "object" in types):
            # Objects stay what they are, unless it is the field whose schema this is.
            is_array = travel != "objects" or schema.get("additionalProperties") is False
            return "array" if is_array and properties.keys() == _ARRAY_IN_JSON else None
        if "string" not in types:
            return None
        encoding, form = schema.get("contentEncoding"), schema.get("format")
        if travel == "objects":
            # pydantic's Base64Bytes and Base64Str have a format, and are base64 in msgpack, too.
            is_octets = schema.get("contentMediaType") == _OCTETS or form == "binary"
            is_bytes = (is_octets or encoding in _BASE64) and form not in _BASE64
            return "bytes" if is_bytes else None
        if travel == "request":
            return "bytes" if encoding in _BASE64 or form in _BASE64 or form == "byte" else None
        return None

    def _parts_of(self, schema: Any, travel: Travel) -> tuple[frozenset[int], frozenset[str]]:
        """What differs in a schema itself, by identity, and the pointers of what it refers to."""
        differing: set[int] = set()
        pointers: set[str] = set()
        pending = [schema]
        while pending:
            one = pending.pop()
            if self._kind(one, travel) is not None:
                differing.add(id(one))
            elif isinstance(one, dict):
                pointers.update(self._pointers_of(one))
                pending += _inner(one)
        return frozenset(differing), frozenset(pointers)

    def _changes(
        self, differing: frozenset[int], pointers: frozenset[str], travel: Travel
    ) -> frozenset[int]:
        """All that differs in a schema and in what it refers to, at any distance."""
        found = set(differing)
        seen = set(pointers)
        pending = list(pointers)
        while pending:
            pointer = pending.pop()
            parts = self._parts.get((pointer, travel))
            if parts is None:
                parts = self._parts_of(resolve(self._document, pointer), travel)
                self._parts[pointer, travel] = parts
            found |= parts[0]
            pending += parts[1] - seen
            seen |= parts[1]
        return frozenset(found)

    def _pointers_of(self, schema: dict[str, Any]) -> Iterator[str]:
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference
        for target in _mapping_of(schema).values():
            yield self._as_pointer(target)

    def _as_pointer(self, target: str) -> str:
        """What a discriminator names: a component by its name, or anything by reference."""
        return _SCHEMAS + target if target in self._present else target

    # The twins.

    def _rewritten(self, schema: dict[str, Any], travel: Travel) -> dict[str, Any]:
        twin: dict[str, Any] = {}
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                twin[key] = self._reference(value, travel)
            elif key in _IN_MAP and isinstance(value, dict):
                twin[key] = {name: self.twin(one, travel) for name, one in value.items()}
            elif key in _IN_LIST and isinstance(value, list):
                branches = [self.twin(one, travel) for one in value]
                # Bytes have no type in OpenAPI 3.1, so that they match every branch.
                matches_all = key == "oneOf" and any(
                    isinstance(one, dict) and "contentMediaType" in one and "type" not in one
                    for one in branches
                )
                twin["anyOf" if matches_all and "anyOf" not in schema else key] = branches
            elif key in _ALONE:
                twin[key] = self.twin(value, travel)
            elif key not in _VALUES or not _holds_text(value):
                twin[key] = value
        if isinstance(schema.get("discriminator"), dict):
            twin["discriminator"] = self._discriminator(schema, travel)
        return twin

    def _reference(self, pointer: str, travel: Travel) -> str:
        target = resolve(self._document, pointer)
        changes = self._changes(frozenset(), frozenset({pointer}), travel)
        if not changes:
            return pointer
        if self._kind(target, travel) == "array":
            return str(self._array({})["$ref"])
        name = self._twins.get((pointer, changes))
        if name is None:
            name = self._name_of_twin(pointer, travel)
            self._twins[pointer, changes] = name
            self.added[name] = {}  # what it refers to may refer to it
            twin = self.twin(target, travel)
            if "title" in twin:
                twin = {**twin, "title": name}  # tools name classes after it
            self.added[name] = twin
        return _SCHEMAS + name

    def _name_of_twin(self, pointer: str, travel: Travel) -> str:
        base = re.sub(r"[^A-Za-z0-9._-]", "_", _tokens(pointer)[-1])
        side = "Input" if travel == "request" else "Output"
        names = chain((f"{base}-Binary", f"{base}-Binary-{side}"), _numbered(f"{base}-Binary"))
        return next(name for name in names if self._is_free(name))

    def _is_free(self, name: str) -> bool:
        return name not in self._present and name not in self.added

    def _discriminator(self, schema: dict[str, Any], travel: Travel) -> dict[str, Any]:
        """With a mapping to the twins: without one, values are names of components."""
        named = {value: self._as_pointer(target) for value, target in _mapping_of(schema).items()}
        mapping = {value: self._reference(pointer, travel) for value, pointer in named.items()}
        for branch in (*_list(schema.get("oneOf")), *_list(schema.get("anyOf"))):
            pointer = branch.get("$ref") if isinstance(branch, dict) else None
            if isinstance(pointer, str) and pointer not in named.values():
                twin = self._reference(pointer, travel)
                if twin != pointer:
                    mapping.setdefault(_tokens(pointer)[-1], twin)
        return {**schema["discriminator"], **({"mapping": mapping} if mapping else {})}

    def _bytes(self, schema: dict[str, Any], travel: Travel) -> dict[str, Any]:
        """Raw binary ("Working with Binary Data" in OpenAPI 3.0.4 and 3.1.1): it has no type."""
        kept = _annotations(schema)
        if travel == "objects":  # there the app counts bytes, not characters of base64
            kept |= {key: schema[key] for key in ("minLength", "maxLength") if key in schema}
        if self._is_30:
            return {"type": "string", "format": "binary"} | kept
        raw = {"contentMediaType": schema.get("contentMediaType", _OCTETS)}
        if "null" in _types(schema):
            return {"anyOf": [raw, {"type": "null"}]} | kept
        return raw | kept

    def _array(self, schema: dict[str, Any]) -> dict[str, Any]:
        data = (
            {"type": "string", "format": "binary"} if self._is_30 else {"contentMediaType": _OCTETS}
        )
        reference = self.shared(
            "BinaryArray",
            {
                "title": "BinaryArray",
                "description": ARRAY_DESCRIPTION,
                "type": "object",
                "properties": {
                    "shape": _ANY_ARRAY["shape"],
                    "dtype": _ANY_ARRAY["dtype"],
                    "data": {**data, "description": "The elements, in C order."},
                },
                "required": ["shape", "dtype", "data"],
            },
        )
        kept = _annotations(schema)
        if kept.get("title") == "NumpyArray":
            del kept["title"]
        narrower = {
            name: one
            for name, one in schema.get("properties", {}).items()
            if name in ("shape", "dtype") and one not in ({}, _ANY_ARRAY[name])
        }
        if narrower:
            kept["properties"] = narrower
        if "null" in _types(schema):
            return {"anyOf": [reference, {"type": "null"}]} | kept
        if self._is_30 and kept:
            return {"allOf": [reference]} | kept  # nothing may stand beside a reference
        return reference | kept


def resolve(document: Any, pointer: str) -> Any:
    """What a reference within the document leads to (RFC 6901), ``None`` if to nothing."""
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


def _inner(schema: dict[str, Any]) -> Iterator[Any]:
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
    """What says something of a value without saying how it looks."""
    return {
        key: value
        for key, value in schema.items()
        if key in _ANNOTATIONS
        or key.startswith("x-")
        or (key in _VALUES and not _holds_text(value))
    }


def _holds_text(value: Any) -> bool:
    """Whether a value, in the JSON, has text in it: it might be base64."""
    if isinstance(value, dict):
        return any(map(_holds_text, value.values()))
    if isinstance(value, list):
        return any(map(_holds_text, value))
    return isinstance(value, str)

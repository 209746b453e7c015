"""Documents to complete, and their completion."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from binary_middleware import BinaryOptions, NumpyArrayField
from binary_middleware.openapi import BinaryOperation, add_binary_media_types

JSON = "application/json"
MSGPACK = "application/msgpack"
SPELLINGS = [MSGPACK, "application/vnd.msgpack", "application/x-msgpack"]
ONE = BinaryOptions(media_types=(MSGPACK,))
ITEM = {"$ref": "#/components/schemas/Item"}
ARRAY = TypeAdapter(NumpyArrayField).json_schema()
BASE64 = {"type": "string", "contentEncoding": "base64"}
FASTAPI_BYTES = {**BASE64, "contentMediaType": "application/octet-stream"}


def operation(
    request: Any = None, response: Any = None, status: str = "200", **more: Any
) -> dict[str, Any]:
    """Return an operation with these schemas in JSON."""
    made: dict[str, Any] = {"responses": {status: {"description": "d"}}, **more}
    if request is not None:
        made["requestBody"] = {"content": {JSON: {"schema": request}}, "required": True}
    if response is not None:
        made["responses"][status]["content"] = {JSON: {"schema": response}}
    return made


def document(
    operations: Mapping[str, Any], version: str = "3.1.0", **schemas: Any
) -> dict[str, Any]:
    """Return a document with these operations, by method or by method and path."""
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
    reads_objects: bool = False,
    object_statuses: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the document completed under the same options everywhere; a second time is a no-op."""
    before = copy.deepcopy(given)
    served = BinaryOperation(options, reads_objects, object_statuses)
    result = add_binary_media_types(given, lambda path, method: served)
    assert given == before
    assert add_binary_media_types(result, lambda path, method: served) == result
    return result


def content(result: Any, status: str | None = None, path: str = "/") -> Any:
    """Return the content of a request, or of the response with a status."""
    one = result["paths"][path]["post"]
    return (one["requestBody"] if status is None else one["responses"][status])["content"]


def ref(name: str, **beside: Any) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", **beside}

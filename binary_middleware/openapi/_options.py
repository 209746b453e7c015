"""The options in force for the operations of a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from binary_middleware._routing.paths import sample_value
from binary_middleware._routing.resolver import Found, Resolver
from binary_middleware.openapi._document import BinaryOperation, OperationOf
from binary_middleware.openapi._schemas import resolve
from binary_middleware.options import BinaryOptions, with_overrides

_PARAMETER: Final = re.compile(r"\{([^}]*)\}")
_CONVERTORS: Final = {"integer": "int", "number": "float", "uuid": "uuid"}


def operations_of(resolver: Resolver, document: Mapping[str, Any]) -> OperationOf:
    """Return the function from operations on the JSON lane to the options for their paths."""

    def operation_of(template: str, method: str) -> BinaryOperation:
        found = resolver.find(template, method)
        return BinaryOperation(options_of(resolver, document, template, method, found))

    return operation_of


def options_of(
    resolver: Resolver, document: Mapping[str, Any], template: str, method: str, found: Found | None
) -> BinaryOptions:
    """Return the options in force for an operation.

    Args:
        resolver: the options of the app.
        document: the document, which has the types of the parameters in a path.
        template: the path in the document.
        method: the method, in upper case.
        found: the route, if the resolver found it.
    """
    path = _sample_path(document, template, method) if found is None else found.path
    return with_overrides(BinaryOptions(), *resolver.layers(path, method))


def _sample_path(document: Mapping[str, Any], template: str, method: str) -> str:
    """Return a path of an operation, by the types of its parameters."""
    convertors = {}
    item = document["paths"][template]
    operation = item.get(method.lower()) if isinstance(item, dict) else None
    for place in (item, operation):
        parameters = place.get("parameters") if isinstance(place, dict) else None
        for parameter in parameters if isinstance(parameters, list) else ():
            name, schema = _path_parameter(document, parameter)
            kind = "uuid" if schema.get("format") == "uuid" else schema.get("type")
            if isinstance(kind, str):
                convertors[name] = _CONVERTORS.get(kind, "str")
    return _PARAMETER.sub(lambda match: sample_value(convertors.get(match[1], "str")), template)


def _path_parameter(document: Mapping[str, Any], parameter: Any) -> tuple[Any, Mapping[str, Any]]:
    if isinstance(parameter, dict) and isinstance(parameter.get("$ref"), str):
        parameter = resolve(document, parameter["$ref"])
    if not isinstance(parameter, dict) or parameter.get("in") != "path":
        return None, {}
    schema = parameter.get("schema")
    return str(parameter.get("name")), schema if isinstance(schema, dict) else {}

"""Binary media types beside JSON in an OpenAPI document."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from binary_middleware._http.media_types import (
    MediaType,
    binary_counterpart,
    is_binary,
    parse_media_type,
)
from binary_middleware.errors import (
    ContentTooLarge,
    NotAcceptable,
    RejectedRequest,
    UnsupportedMediaType,
)
from binary_middleware.formats import FORMAT
from binary_middleware.openapi._schemas import BinarySchemas, Conversion, resolve
from binary_middleware.options import BinaryOptions

_METHODS: Final = frozenset(
    {"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}
)
_NEVER_CONVERTED: Final = frozenset({"204", "205", "206", "304"})  # see headers.is_convertible
_UTF_8: Final = ("utf-8", "utf8")

_MAX_REFERENCES: Final = 8
"""Maximum references from one to the next; more count as a circle."""


class BinaryOperation(NamedTuple):
    """The binary mode of one operation."""

    options: BinaryOptions
    """The options in force."""
    reads_objects: bool = False
    """Whether the app gets a binary request as objects, not as JSON text."""
    object_statuses: Collection[str] = ()
    """The statuses, as in the document, whose binary responses are made of objects."""


OperationOf = Callable[[str, str], BinaryOperation]
"""A function of the path of an operation, as in the document, and its method in upper case."""


def add_binary_media_types(
    document: Mapping[str, Any], operation_of: OperationOf
) -> dict[str, Any]:
    """Return a document with the binary media types and their schemas.

    They stand beside each JSON content of a request or a response, under ``mode="require"`` instead
    of it. Operations with such content get the statuses of refused requests. Content that names a
    binary media type already is unchanged, so a complete document is as well. So are callbacks and
    webhooks, which the app sends.

    Args:
        document: OpenAPI 3; any other version is returned unchanged. The argument is not modified,
            and shares its unchanged parts with the result.
        operation_of: returns the binary mode of an operation.
    """
    if not str(document.get("openapi")).startswith("3.") or not isinstance(
        document.get("paths"), dict
    ):
        return dict(document)
    return _Completion(document, operation_of).completed()


class _Completion:
    def __init__(self, document: Mapping[str, Any], operation_of: OperationOf) -> None:
        self._document = document
        self._operation_of = operation_of
        self._schemas = BinarySchemas(document)

    def completed(self) -> dict[str, Any]:
        paths = {
            path: self._path_item(path, item) if path.startswith("/") else item
            for path, item in self._document["paths"].items()
        }
        completed = {**self._document, "paths": paths}
        if self._schemas.added:
            components = _dict(self._document.get("components"))
            # Copies: a user who changes a component does not mean its counterpart.
            schemas = _dict(components.get("schemas")) | copy.deepcopy(self._schemas.added)
            completed["components"] = {**components, "schemas": schemas}
        return completed

    def _path_item(self, path: str, item: Any) -> Any:
        whole = self._resolved(item)
        if not isinstance(whole, dict):
            return item
        operations = {
            method: self._operation(operation, self._operation_of(path, method.upper()))
            for method, operation in whole.items()
            if method in _METHODS and isinstance(operation, dict)
        }
        changed = any(operations[method] is not whole[method] for method in operations)
        return {**whole, **operations} if changed else item

    def _resolved(self, value: Any) -> Any:
        """Return the target of a reference, as operations that share it may differ in options."""
        for _ in range(_MAX_REFERENCES):
            if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
                break
            rest = {key: one for key, one in value.items() if key != "$ref"}
            target = resolve(self._document, value["$ref"])
            value = {**target, **rest} if isinstance(target, dict) else None
        return value

    def _operation(self, operation: dict[str, Any], binary: BinaryOperation) -> dict[str, Any]:
        options = binary.options
        if options.mode == "off":
            return operation
        changes: dict[str, Any] = {}
        has_binary_request = has_binary_response = False
        if "requestBody" in operation:
            conversion: Conversion = "objects" if binary.reads_objects else "request"
            body = self._with_content(operation["requestBody"], conversion, options)
            has_binary_request = self._names_binary(body, options)
            changes["requestBody"] = body
        responses = dict(_dict(operation.get("responses")))
        for status, response in responses.items():
            if str(status) in _NEVER_CONVERTED or str(status).startswith("1"):
                continue
            conversion = "objects" if str(status) in binary.object_statuses else "response"
            responses[status] = self._with_content(response, conversion, options)
            has_binary_response |= self._names_binary(responses[status], options)
        if not (has_binary_request or has_binary_response):
            return operation
        if "4XX" not in responses and "default" not in responses:
            for refusal in _refusals(options, has_binary_request=has_binary_request):
                responses.setdefault(str(refusal.status), self._refusal_response(refusal))
        changes["responses"] = responses
        changed = any(value != operation.get(key) for key, value in changes.items())
        return {**operation, **changes} if changed else operation

    def _names_binary(self, container: Any, options: BinaryOptions) -> bool:
        offered, content = options.offer.media_types, _content_of(self._resolved(container))
        return any(is_binary(parsed.essence, offered) for _, parsed in _parsed(content))

    def _with_content(self, container: Any, conversion: Conversion, options: BinaryOptions) -> Any:
        """Return a request body or a response with the binary media types."""
        whole = self._resolved(container)
        content = _content_of(whole)
        json = {
            name: parsed
            for name, parsed in _parsed(content)
            if parsed.is_json and parsed.parameters.get("charset", "utf-8").lower() in _UTF_8
        }
        if not json or self._names_binary(container, options):
            return container
        completed: dict[str, Any] = {}
        for name, media in content.items():
            if name not in json or options.mode != "require":
                completed[name] = media
            if name not in json:
                continue
            for binary in _counterparts(json[name], options):
                if binary not in completed:
                    completed[binary] = self._binary_content(media, conversion)
        return {**whole, "content": completed}

    def _binary_content(self, media: Any, conversion: Conversion) -> dict[str, Any]:
        whole = self._resolved(media)
        if not isinstance(whole, dict) or "schema" not in whole:
            return {}
        # A copy: a user who changes the entry of one media type does not mean the others.
        return {"schema": copy.deepcopy(self._schemas.counterpart(whole["schema"], conversion))}

    def _refusal_response(self, refusal: type[RejectedRequest]) -> dict[str, Any]:
        schema = self._schemas.shared("ProblemDetails", _PROBLEM_DETAILS)
        return {
            "description": _REASONS[refusal],
            "content": {
                "application/problem+json": {"schema": schema},
                f"application/problem{FORMAT.suffix}": {"schema": dict(schema)},
            },
        }


def _dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _content_of(container: Any) -> dict[str, Any]:
    return _dict(_dict(container).get("content"))


def _parsed(content: Mapping[str, Any]) -> Iterator[tuple[str, MediaType]]:
    for name in content:
        parsed = parse_media_type(name)
        if parsed is not None:
            yield name, parsed


def _counterparts(json: MediaType, options: BinaryOptions) -> list[str]:
    names = options.offer.parameters  # by media type
    named = [binary_counterpart(json.essence, name, FORMAT.suffix) for name in names]
    return list(dict.fromkeys(named))


def _refusals(options: BinaryOptions, *, has_binary_request: bool) -> list[type[RejectedRequest]]:
    return [
        *([RejectedRequest] if has_binary_request else []),
        *([NotAcceptable] if options.mode == "require" else []),
        *([ContentTooLarge, UnsupportedMediaType] if has_binary_request else []),
    ]


_REASONS: Final[dict[type[RejectedRequest], str]] = {
    RejectedRequest: f"The body is not {FORMAT.name}, or has a value that is refused.",
    NotAcceptable: "No media type that the client accepts is offered.",
    ContentTooLarge: "The body, its structure or its nesting is over a limit.",
    UnsupportedMediaType: "The media type or the content coding of the body is not supported.",
}

_PROBLEM_DETAILS: Final[dict[str, Any]] = {
    "title": "ProblemDetails",
    "description": "The reason to refuse a request (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}

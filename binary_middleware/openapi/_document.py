"""An OpenAPI document with the binary media types beside those of JSON. No I/O."""

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
from binary_middleware.openapi._schemas import BinarySchemas, Travel, resolve
from binary_middleware.options import BinaryOptions

_METHODS: Final = frozenset(
    {"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}
)
_NEVER_CONVERTED: Final = frozenset({"204", "205", "206", "304"})  # as in heads.is_convertible
_UTF_8: Final = ("utf-8", "utf8")


_MOST_STEPS: Final = 8
"""From one reference to the next, until what is meant is taken to be lost in a circle."""


class BinaryOperation(NamedTuple):
    """What binary mode is for one operation."""

    options: BinaryOptions
    """The options in force."""
    takes_objects: bool = False
    """Whether the app gets a binary request as objects, not as JSON text."""
    gives_objects: Collection[str] = ()
    """The statuses, as the document has them, whose binary answers are made of objects."""


OperationOf = Callable[[str, str], BinaryOperation]
"""From the path of an operation, as the document has it, and the method in upper case."""


def with_binary_media_types(
    document: Mapping[str, Any], operation_of: OperationOf
) -> dict[str, Any]:
    """Add to a document what binary mode adds to the app.

    Beside each JSON content of a request or an answer stand the binary media types, in its place
    under ``mode="require"``, with schemas of what the document is in msgpack; and operations that
    take or give these have the statuses with which requests are refused here. Content that
    names a binary media type already is left as it is, so that a document that is complete does
    not change. Callbacks and webhooks, which the app sends, are left alone as well.

    Args:
        document: OpenAPI 3; of any other version it is returned as it is. It is not changed, and
            shares what did not change with the result.
        operation_of: says what binary mode is for an operation.
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
            # A copy, because who changes a component does not mean its twin.
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
        """What a reference stands for: operations that share it can have different options."""
        for _ in range(_MOST_STEPS):
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
        takes = gives = False
        if "requestBody" in operation:
            travel: Travel = "objects" if binary.takes_objects else "request"
            body = self._with_content(operation["requestBody"], travel, options)
            takes = self._names_binary(body, options)
            changes["requestBody"] = body
        answers = dict(_dict(operation.get("responses")))
        for status, answer in answers.items():
            if str(status) in _NEVER_CONVERTED or str(status).startswith("1"):
                continue
            travel = "objects" if str(status) in binary.gives_objects else "answer"
            answers[status] = self._with_content(answer, travel, options)
            gives = gives or self._names_binary(answers[status], options)
        if not takes and not gives:
            return operation
        if "4XX" not in answers and "default" not in answers:
            for refusal in _refusals(options, takes=takes):
                answers.setdefault(str(refusal.status), self._answer_to(refusal))
        changes["responses"] = answers
        changed = any(value != operation.get(key) for key, value in changes.items())
        return {**operation, **changes} if changed else operation

    def _names_binary(self, container: Any, options: BinaryOptions) -> bool:
        offered, content = options.offer.media_types, _content_of(self._resolved(container))
        return any(is_binary(parsed.essence, offered) for _, parsed in _parsed(content))

    def _with_content(self, container: Any, travel: Travel, options: BinaryOptions) -> Any:
        """A request body or an answer, with binary media types."""
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
                    completed[binary] = self._binary_content(media, travel)
        return {**whole, "content": completed}

    def _binary_content(self, media: Any, travel: Travel) -> dict[str, Any]:
        whole = self._resolved(media)
        if not isinstance(whole, dict) or "schema" not in whole:
            return {}
        # A copy, because who changes what stands under one name does not mean the others.
        return {"schema": copy.deepcopy(self._schemas.twin(whole["schema"], travel))}

    def _answer_to(self, refusal: type[RejectedRequest]) -> dict[str, Any]:
        schema = self._schemas.shared("ProblemDetails", _PROBLEM_DETAILS)
        return {
            "description": _WHY[refusal],
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


def _refusals(options: BinaryOptions, *, takes: bool) -> list[type[RejectedRequest]]:
    return [
        *([RejectedRequest] if takes else []),
        *([NotAcceptable] if options.mode == "require" else []),
        *([ContentTooLarge, UnsupportedMediaType] if takes else []),
    ]


_WHY: Final[dict[type[RejectedRequest], str]] = {
    RejectedRequest: "The body is not msgpack, or holds something that is refused.",
    NotAcceptable: "No media type that the client accepts is offered.",
    ContentTooLarge: "The body, its structure or its nesting is over a limit.",
    UnsupportedMediaType: "The media type or the content coding of the body is not taken.",
}

_PROBLEM_DETAILS: Final[dict[str, Any]] = {
    "title": "ProblemDetails",
    "description": "Why a request was refused (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}

"""Reading the body of a request as the type that an endpoint asks for."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final, TypeVar, overload

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from starlette.exceptions import HTTPException
from starlette.requests import Request

from binary_middleware._validation.errors import errors_of, summarize_errors
from binary_middleware._validation.validator import DocumentValidator
from binary_middleware.lane import claim_body, document_of_text, find_exchange, read_document

Type = TypeVar("Type")


class InvalidBody(HTTPException):
    """The body of a request is not JSON (400), or fails the validation of the endpoint (422).

    Unless the app has a handler for it, Starlette responds with problem details (RFC 9457), which
    are sent in the client's format.
    """

    errors: list[Any]
    """For 422, the errors of pydantic: ``type``, ``loc``, ``msg`` and a short ``input``."""

    def __init__(self, status: int, title: str, detail: str, errors: list[Any] | None = None):
        self.errors = errors or []
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        if errors is not None:
            problem["errors"] = errors
        # Starlette's handler sends the detail as the body, and these headers.
        super().__init__(status, json.dumps(problem), {"content-type": "application/problem+json"})


@overload
async def read_body(request: Request) -> Any: ...
@overload
async def read_body(request: Request, type_: type[Type]) -> Type: ...
@overload
async def read_body(request: Request, type_: Any) -> Any: ...
async def read_body(request: Request, type_: Any = Any) -> Any:
    """Read the body of a request as objects, from a binary client or a JSON client.

    ::

        async def predict(request: Request) -> Response:
            batch = await read_body(request, Batch)

    From a binary client, bytes are ``bytes`` and arrays are arrays. From a JSON client, arrays are
    maps of ``shape``, ``dtype`` and ``data_b64``, which ``NumpyArrayField`` accepts as well, and
    bytes are text, which pydantic decodes according to ``val_json_bytes``.

    Args:
        request: the request of the endpoint; its body must not have been read otherwise.
        type_: any type that pydantic validates: a model, a dataclass, a ``TypedDict``,
            ``list[int]``. By default the body is returned as it was decoded.

    Raises:
        InvalidBody: the body is not JSON, or not valid.
        RejectedRequest: the body of a binary client is malformed; the middleware responds.
        ClientDisconnect: the client disconnected before the end of the body.
    """
    exchange = find_exchange(request.scope)
    if exchange is None:
        return _validate_json(type_, await request.body())
    if claim_body(exchange, request.receive) or exchange.request.is_claimed:
        document = await read_document(exchange, request.receive, default=_NO_DOCUMENT)
        if document is _NO_DOCUMENT:
            raise InvalidBody(400, "Bad Request", "the body is empty")
    else:
        text = await request.body()
        document = document_of_text(exchange, text, default=_NO_DOCUMENT)
        if document is _NO_DOCUMENT:
            return _validate_json(type_, text)
    if type_ is Any:
        return document
    value, errors = _validator(type_).validate(document, exchange.facts)
    if errors:
        raise _invalid(errors)
    return value


_NO_DOCUMENT: Final = object()


def _validate_json(type_: Any, text: bytes) -> Any:
    if not text:
        raise InvalidBody(400, "Bad Request", "the body is empty")
    try:
        return _validator(type_).adapter.validate_json(text)
    except ValidationError as exc:
        errors = errors_of(exc, None)
        if errors[0]["type"] == "json_invalid":
            message = errors[0]["msg"]
            raise InvalidBody(400, "Bad Request", f"the body is not JSON: {message}") from None
        raise _invalid(errors) from None


def _validator(type_: Any) -> DocumentValidator:
    try:
        return _cached_validator(type_)
    except TypeError:  # not hashable, for example because of metadata in an Annotated
        return DocumentValidator(TypeAdapter(type_))


@lru_cache(maxsize=512)
def _cached_validator(type_: Any) -> DocumentValidator:
    return DocumentValidator(TypeAdapter(type_))


def _invalid(errors: list[dict[str, Any]]) -> InvalidBody:
    plain = [{name: item for name, item in error.items() if name != "ctx"} for error in errors]
    summaries = to_jsonable_python(summarize_errors(plain, to_jsonable_python))
    count = "1 error" if len(summaries) == 1 else f"{len(summaries)} errors"
    return InvalidBody(422, "Unprocessable Content", f"{count} in the body", summaries)

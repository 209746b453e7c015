"""The request of the object lane, and reading it as what an endpoint asks for."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from functools import lru_cache
from types import MethodType
from typing import Any, Final, TypeVar, overload

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._validation.errors import errors_of, summarize_errors
from binary_middleware._validation.validator import DocumentValidator

Type = TypeVar("Type")


def take_body(exchange: Exchange, receive: Receive) -> bool:
    """Take the body of a request as it is, unless somebody may look at it on its way.

    Args:
        exchange: of the request.
        receive: the channel of whoever wants the body.

    Returns:
        Whether it was taken. If not, it is to be read as JSON text, and compared with what
        ``Exchange.is_request_text`` knows.
    """
    own: Receive = exchange.receive
    return (receive == own or _innermost(receive) == own) and exchange.claim_request()


def _innermost(receive: Any) -> Any:
    """Return the channel behind those that pass on each message without showing it to the app."""
    while type(receive) is MethodType:
        name = _PASSES_ON.get(f"{type(receive.__self__).__module__}.{receive.__func__.__name__}")
        if name is None:
            break
        receive = getattr(receive.__self__, name, None)
    return receive


# Not documented by Starlette. Where one of them is absent, or does otherwise, the body is read as
# JSON text.
_PASSES_ON: Final = {
    "starlette.middleware.base.wrapped_receive": "_receive",  # of _CachedRequest
    "starlette.middleware.body_limit.receive_with_limit": "receive",
}


class TextRequest(Request):
    """A request whose msgpack body is read as JSON text, as middleware may have seen or changed it.

    ``json()`` gives the decoded object all the same if the text comes as it was written; any other
    text counts as it is.
    """

    exchange: Exchange

    async def json(self) -> Any:
        if self.exchange.is_request_text(await self.body()):
            return self.exchange.value()
        return await super().json()


class BinaryRequest(Request):
    """A request whose msgpack body was taken from its exchange.

    ``json()`` gives the decoded object, with bytes and arrays in it. ``body()`` and ``stream()``
    give what the client sent, byte for byte; once ``json()`` was called, as long as no array in
    it was changed.
    """

    def __init__(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self.exchange = exchange

    async def read(self) -> None:
        """Read the body into the exchange.

        Raises:
            ClientDisconnect: the client went away before its end.
            RejectedRequest: the body is refused.
        """
        if not await self.exchange.read(self._receive):
            self._is_disconnected = True
            raise ClientDisconnect

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            await self.read()
            self._stream_consumed = True
            self._body = self.exchange.body.received()
        return self._body

    async def stream(self) -> AsyncGenerator[bytes, None]:
        yield await self.body()
        yield b""

    async def json(self) -> Any:
        if self.exchange.request.body is None:
            await self.read()
        return self.exchange.value()


class InvalidBody(HTTPException):
    """The body of a request is not JSON (400), or not what the endpoint asked for (422).

    Without a handler of the app's own, Starlette answers it with problem details (RFC 9457), which
    leave in the client's format.

    Attributes:
        errors: for 422, what pydantic found: ``type``, ``loc``, ``msg`` and a short ``input``.
    """

    def __init__(self, status: int, title: str, detail: str, errors: list[Any] | None = None):
        self.errors = errors or []
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        if errors is not None:
            problem["errors"] = errors
        # Starlette's handler answers with the detail as it is, and with these headers.
        super().__init__(status, json.dumps(problem), {"content-type": "application/problem+json"})


@overload
async def read_body(request: Request) -> Any: ...
@overload
async def read_body(request: Request, type_: type[Type]) -> Type: ...
@overload
async def read_body(request: Request, type_: Any) -> Any: ...
async def read_body(request: Request, type_: Any = Any) -> Any:
    """The body of a request as objects, whether it came as msgpack or as JSON.

    ::

        async def predict(request: Request) -> Response:
            batch = await read(request, Batch)

    In msgpack, bytes are ``bytes`` and arrays are arrays. In JSON, arrays are maps of ``shape``,
    ``dtype`` and ``data_b64``, which ``NumpyArrayField`` takes as well, and bytes are text, which
    pydantic decodes as its ``val_json_bytes`` says.

    Args:
        request: of the endpoint; its body must not have been read in another way.
        type_: what pydantic can validate: a model, a dataclass, a ``TypedDict``, ``list[int]``.
            Without it the body comes as it is.

    Raises:
        InvalidBody: the body is not JSON, or not valid.
        RejectedRequest: the body is not msgpack; it is answered by the middleware.
        ClientDisconnect: the client went away before the end of the body.
    """
    exchange = request.scope.get(SCOPE_KEY)
    if isinstance(exchange, Exchange) and (
        exchange.request.is_claimed or take_body(exchange, request.receive)
    ):
        if not await exchange.read(request.receive):
            raise ClientDisconnect
        if not len(exchange.body):
            raise InvalidBody(400, "Bad Request", "the body is empty")
    else:
        if isinstance(exchange, Exchange):
            exchange.compares_text = True
        text = await request.body()
        if not isinstance(exchange, Exchange) or not exchange.is_request_text(text):
            return _validated_json(type_, text)
    document = exchange.value()
    if type_ is Any:
        return document
    value, errors = _validator(type_).validate(document, exchange.facts)
    if errors:
        raise _invalid(errors)
    return value


def _validated_json(type_: Any, text: bytes) -> Any:
    if not text:
        raise InvalidBody(400, "Bad Request", "the body is empty")
    try:
        return _validator(type_).adapter.validate_json(text)
    except ValidationError as exc:
        found = errors_of(exc, None)
        if found[0]["type"] == "json_invalid":
            message = found[0]["msg"]
            raise InvalidBody(400, "Bad Request", f"the body is not JSON: {message}") from None
        raise _invalid(found) from None


def _validator(type_: Any) -> DocumentValidator:
    try:
        hash(type_)
    except TypeError:  # for example, metadata in an Annotated that is a list
        return DocumentValidator(TypeAdapter(type_))
    return _kept_validator(type_)


@lru_cache(maxsize=512)
def _kept_validator(type_: Any) -> DocumentValidator:
    return DocumentValidator(TypeAdapter(type_))


def _invalid(found: list[dict[str, Any]]) -> InvalidBody:
    plain = [{name: item for name, item in error.items() if name != "ctx"} for error in found]
    errors = to_jsonable_python(summarize_errors(plain, to_jsonable_python))
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    return InvalidBody(422, "Unprocessable Content", f"{count} in the body", errors)

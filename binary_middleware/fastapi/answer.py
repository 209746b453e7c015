"""The answer of a route: a document instead of JSON text.

A stand-in is in the place of a route's response field while FastAPI builds a handler. It dumps in
python mode, so that bytes and arrays stay what they are, and hands the document over inside an
empty ``bytes`` object, which Starlette's ``Response`` keeps as its body, and where we find it.
"""

from __future__ import annotations

import json
from abc import ABCMeta
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Final, Protocol

from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import Response

from binary_middleware.codec import key_text
from binary_middleware.errors import EncodeError
from binary_middleware.exchange import Exchange
from binary_middleware.fields import is_array_like
from binary_middleware.media import JSON
from binary_middleware.starlette.response import (
    BinaryResponse,
    further_headers,
    shown_response,
)
from binary_middleware.transcode import shown_json


class Document(bytes):
    """What the stand-in hands over in the place of JSON text: empty, with an object at its side."""

    value: Any
    to_json: Callable[[], bytes]

    @classmethod
    def of(cls, value: Any, to_json: Callable[[], bytes]) -> Document:
        """The document ``value``, and how to write it as JSON should msgpack not carry it."""
        document = cls()
        document.value = value
        document.to_json = to_json
        return document


class StandIn(Protocol):
    """Stands in the place of a route's response field, for FastAPI's ``serialize_response``.

    The keyword arguments are those of ``response_model_...`` that the route sets.
    """

    has_model: bool
    """Whether there is a model, by which ``validate`` goes."""

    def validate(self, value: Any, values: Any, *, loc: Any) -> tuple[Any, list[Any]]:
        """What an endpoint returned as the model has it, and what is wrong with it."""

    def dump(self, value: Any, **how: Any) -> Any:
        """The document, with bytes and arrays in it."""

    def dump_json(self, value: Any, **how: Any) -> bytes:
        """The document as FastAPI writes it for JSON clients."""

    def serialize_json(self, value: Any, **how: Any) -> Document:
        """The document in the place of JSON text, where FastAPI's handler asks for that."""


class _StandIn:
    has_model = True

    def __init__(self, field: Any) -> None:
        self.validate = field.validate
        self.dump = partial(field.serialize, mode="python")
        self.dump_json = field.serialize_json

    def serialize_json(self, value: Any, **how: Any) -> Document:
        return Document.of(self.dump(value, **how), lambda: self.dump_json(value, **how))


class _StandInForNone:
    """The same for a route without a response model, whose document ``jsonable_encoder`` makes."""

    has_model = False

    def __init__(self, response_class: type[Response]) -> None:
        self.response_class = response_class

    def validate(self, value: Any, values: Any, *, loc: Any) -> tuple[Any, list[Any]]:
        return value, []

    def dump(self, value: Any, **_: Any) -> Any:
        return _with_keys(_as_json_dumps_has_it, jsonable_encoder(value, custom_encoder=_KEPT))

    def dump_json(self, value: Any, **_: Any) -> bytes:
        return bytes(self.response_class(jsonable_encoder(value)).body)

    def serialize_json(self, value: Any, **_: Any) -> Document:
        return Document.of(self.dump(value), lambda: self.dump_json(value))


class _ArrayLike(ABCMeta):
    def __instancecheck__(cls, instance: object) -> bool:
        return is_array_like(instance)


class _Array(metaclass=_ArrayLike):
    """What ``isinstance`` takes for an array."""


def _keep(value: Any) -> Any:
    return value


class _IsDataclass(ABCMeta):
    def __instancecheck__(cls, instance: object) -> bool:
        return is_dataclass(instance)


class _Dataclass(metaclass=_IsDataclass):
    """What ``isinstance`` takes for a dataclass."""


def _fields_of(row: Any) -> Any:
    """As ``dataclasses.asdict``, which would copy arrays, and take array fields apart."""
    named = {field.name: getattr(row, field.name) for field in fields(row)}
    return jsonable_encoder(named, custom_encoder=_KEPT)


def _dump(model: BaseModel) -> Any:
    return _with_keys(_as_pydantic_has_it, model.model_dump(by_alias=True))


_KEPT: Final[dict[Any, Callable[[Any], Any]]] = {
    bytes: _keep,
    bytearray: _keep,
    memoryview: _keep,
    complex: _keep,
    _Array: _keep,
    BaseModel: _dump,
    _Dataclass: _fields_of,
}


def _with_keys(text_of: Callable[[Any], Any], value: Any) -> Any:
    """A document whose keys are text, in the writing of one of the two below."""
    if type(value) is dict:
        return {
            key if type(key) is str else text_of(key): _with_keys(text_of, item)
            for key, item in value.items()
        }
    return [_with_keys(text_of, item) for item in value] if type(value) is list else value


def _as_json_dumps_has_it(key: Any) -> Any:
    if isinstance(key, (int, float)) or key is None:
        return next(iter(json.loads(json.dumps({key: None}))))
    return key


def _as_pydantic_has_it(key: Any) -> Any:
    try:
        return key_text(key)
    except EncodeError:
        return key  # it will be found when the whole is packed


def stand_in(route: Any) -> StandIn:
    """What stands in the place of the response field of a route while a handler is built."""
    if route.response_field is None:
        return _StandInForNone(route.response_class.value)
    return _StandIn(route.response_field)


def in_binary(response: Response, exchange: Exchange, *, is_shown: bool) -> Response:
    """The answer of a handler that was built with a stand-in; any other as it is."""
    document = vars(response).get("body")
    if not isinstance(document, Document):
        return response
    return pack_document(
        document.value,
        document.to_json,
        exchange,
        response.status_code,
        response.raw_headers,
        response.background,
        is_shown=is_shown,
    )


def pack_document(
    document: Any,
    to_json: Callable[[], bytes],
    exchange: Exchange,
    status_code: int,
    raw_headers: Sequence[tuple[bytes, bytes]] = (),
    background: BackgroundTask | None = None,
    *,
    is_shown: bool,
) -> Response:
    """The answer in msgpack, or in JSON if msgpack cannot carry it, or somebody may look at it.

    Args:
        document: what a stand-in dumped.
        to_json: how to write it as JSON, should that be needed.
        exchange: one with a binary answer.
        status_code: the status.
        raw_headers: further header fields.
        background: what runs after the answer.
        is_shown: whether somebody between the route and the exchange may look at the answer.
    """
    assert exchange.plan.answer is not None
    if is_shown:
        return shown_response(
            exchange,
            document,
            shown_json(document, to_json),
            status_code=status_code,
            raw_headers=raw_headers,
            background=background,
        )
    try:
        buffers = exchange.pack(document)
    except EncodeError:
        # The exchange may still make msgpack of the JSON, if that is what was wrong.
        response = Response(to_json(), status_code, media_type=JSON, background=background)
        response.raw_headers += further_headers(raw_headers)
        return response
    return BinaryResponse(
        buffers,
        exchange.plan.answer,
        status_code=status_code,
        raw_headers=raw_headers,
        background=background,
    )

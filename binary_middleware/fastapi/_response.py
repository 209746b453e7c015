"""The answer of a route: a document instead of JSON text.

A stand-in is in the place of a route's response field while FastAPI builds a handler. It dumps the
document of JSON clients with bytes and arrays as themselves, and hands it over inside an empty
``bytes`` object, which Starlette's ``Response`` keeps as its body, and where we find it.
"""

from __future__ import annotations

import json
from abc import ABCMeta
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property, partial
from typing import Any, Final, Protocol

from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import Response

from binary_middleware._asgi.exchange import Exchange
from binary_middleware._http.media_types import JSON
from binary_middleware._pydantic.carriers import Carrier
from binary_middleware._pydantic.serializer import DocumentSerializer
from binary_middleware.errors import EncodeError
from binary_middleware.fields import is_array_like
from binary_middleware.formats.json import from_json, shown_json
from binary_middleware.starlette._response import (
    BinaryResponse,
    further_headers,
    shown_response,
)


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


class ResponseFieldProxy(Protocol):
    """Stands in the place of a route's response field, for FastAPI's ``serialize_response``.

    The keyword arguments are those of ``response_model_...`` that the route sets.
    """

    has_model: bool
    """Whether there is a model, by which ``validate`` goes."""

    def validate(self, value: Any, values: Any, *, loc: Any) -> tuple[Any, list[Any]]:
        """What an endpoint returned as the model has it, and what is wrong with it."""

    def dump(self, value: Any, *, keeps_times: bool, **how: Any) -> Any:
        """The document, with bytes and arrays in it.

        Args:
            value: what ``validate`` gave.
            keeps_times: whether the packer may have a form of its own for dates and the like.
            how: the other keyword arguments.
        """

    def dump_json(self, value: Any, **how: Any) -> bytes:
        """The document as FastAPI writes it for JSON clients."""

    def serialize_json(self, value: Any, **how: Any) -> Document:
        """The document in the place of JSON text, where FastAPI's handler asks for that."""


class _FieldProxy:
    has_model = True

    def __init__(self, field: Any) -> None:
        self.field = field
        self.validate = field.validate
        self.dump_json = field.serialize_json

    @cached_property
    def dump(self) -> Callable[..., Any]:
        # Not before there is a value: models that name others may be incomplete until then.
        adapter = getattr(self.field, "_type_adapter", None)
        if adapter is None:  # FastAPI keeps it elsewhere
            return self._dump_by_json
        dump = DocumentSerializer.of_adapter(adapter).dump
        return partial(dump, by_alias=True)  # FastAPI's default

    def _dump_by_json(self, value: Any, *, keeps_times: bool, **how: Any) -> Any:
        return from_json(self.dump_json(value, **how))

    def serialize_json(self, value: Any, **how: Any) -> Document:
        # It is not known yet how the document will be packed.
        document = self.dump(value, keeps_times=True, **how)
        return Document.of(document, lambda: self.dump_json(value, **how))


class _NoResponseFieldProxy:
    """The same for a route without a response model, whose document ``jsonable_encoder`` makes."""

    has_model = False

    def __init__(self, response_class: type[Response]) -> None:
        self.response_class = response_class

    def validate(self, value: Any, values: Any, *, loc: Any) -> tuple[Any, list[Any]]:
        return value, []

    def dump(self, value: Any, *, keeps_times: bool, **_: Any) -> Any:
        kept = _KEPT_WITH_TIMES if keeps_times else _KEPT
        return _with_keys(jsonable_encoder(value, custom_encoder=kept))

    def dump_json(self, value: Any, **_: Any) -> bytes:
        return bytes(self.response_class(jsonable_encoder(value)).body)

    def serialize_json(self, value: Any, **_: Any) -> Document:
        document = self.dump(value, keeps_times=True)
        return Document.of(document, lambda: self.dump_json(value))


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


def _encoders(keeps_times: bool) -> dict[Any, Callable[[Any], Any]]:
    """What ``jsonable_encoder`` does in other ways than its own."""

    def fields_of(row: Any) -> Any:
        # As ``dataclasses.asdict``, which would copy arrays, and take array fields apart.
        named = {field.name: getattr(row, field.name) for field in fields(row)}
        return jsonable_encoder(named, custom_encoder=encoders)

    def dump(model: BaseModel) -> Any:
        dumper = DocumentSerializer.of_class(type(model))
        return _without_state(dumper.dump(model, keeps_times=keeps_times, by_alias=True))

    encoders: dict[Any, Callable[[Any], Any]] = {
        **dict.fromkeys((bytes, bytearray, memoryview, complex, _Array), _keep),
        BaseModel: dump,
        _Dataclass: fields_of,
    }
    return encoders


def _without_state(document: Any) -> Any:
    """What ``jsonable_encoder`` leaves of the dump of a model: no state of SQLAlchemy's."""
    kind = type(document)
    if kind is dict:
        return {
            key: item if type(item) in _ATOMS else _without_state(item)
            for key, item in document.items()
            if not key.startswith("_sa")
        }
    if kind is list:
        return [item if type(item) in _ATOMS else _without_state(item) for item in document]
    if kind is Carrier and type(document.value) in _CONTAINERS:
        return _without_state(document.value)
    return document


_ATOMS: Final = frozenset({type(None), bool, int, float, str})
_CONTAINERS: Final = frozenset({dict, list, Carrier})
_KEPT: Final = _encoders(keeps_times=False)
_KEPT_WITH_TIMES: Final = _encoders(keeps_times=True)


def _with_keys(value: Any) -> Any:
    """A document whose keys are text, as ``json.dumps`` writes them."""
    if type(value) is dict:
        return {
            key if type(key) is str else _key_text(key): _with_keys(item)
            for key, item in value.items()
        }
    return [_with_keys(item) for item in value] if type(value) is list else value


def _key_text(key: Any) -> Any:
    if isinstance(key, (int, float)) or key is None:
        return next(iter(json.loads(json.dumps({key: None}))))
    return key


def response_field_proxy(route: Any) -> ResponseFieldProxy:
    """What stands in the place of the response field of a route while a handler is built."""
    if route.response_field is None:
        return _NoResponseFieldProxy(route.response_class.value)
    return _FieldProxy(route.response_field)


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
    variant = exchange.plan.variant
    assert variant is not None
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
        variant.content_type,
        status_code=status_code,
        raw_headers=raw_headers,
        background=background,
    )

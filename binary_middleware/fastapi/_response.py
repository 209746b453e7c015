"""The response of a route, from a document instead of JSON text.

While FastAPI builds a handler for binary clients, a proxy replaces the response field of the route.
It dumps the document of JSON clients, but with bytes and arrays as themselves, and returns it to
FastAPI's handler inside an empty ``bytes`` object. Starlette's ``Response`` keeps that as its body,
from which :func:`pack_if_document` takes it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Final, Self

from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel
from starlette.responses import Response

from binary_middleware._pydantic.carriers import Carrier
from binary_middleware._pydantic.serializer import DocumentSerializer
from binary_middleware.fastapi._compat import type_adapter
from binary_middleware.fields import is_array_like
from binary_middleware.formats.json import from_json
from binary_middleware.lane import Exchange, pack_response
from binary_middleware.starlette._response import BuffersResponse


class DocumentBytes(bytes):
    """An empty ``bytes`` object that carries a document through FastAPI's handler."""

    document: Any
    to_json: Callable[[], bytes]
    """Returns the document as JSON text, in case it is needed."""

    def __new__(cls, document: Any, to_json: Callable[[], bytes]) -> Self:
        carrier = super().__new__(cls)
        carrier.document = document
        carrier.to_json = to_json
        return carrier


class ResponseFieldProxy(ABC):
    """Replaces the response field of a route, for FastAPI's ``serialize_response``.

    The keyword arguments are the ``response_model_...`` settings of the route.
    """

    has_model: bool
    """Whether there is a response model to validate."""

    validate: Callable[..., tuple[Any, list[Any]]]
    """Returns the validated result of an endpoint, and its errors."""

    dump: Callable[..., Any]
    """Returns the document of a validated result, with bytes and arrays in it; ``keeps_times``
    tells whether the format may represent dates and the like itself."""

    @abstractmethod
    def dump_json(self, value: Any, **settings: Any) -> bytes:
        """Return the JSON text that JSON clients receive."""

    def serialize_json(self, value: Any, **settings: Any) -> DocumentBytes:
        """Return the document where FastAPI's handler expects JSON text."""
        # It is not known yet how the document will be packed.
        document = self.dump(value, keeps_times=True, **settings)
        return DocumentBytes(document, partial(self.dump_json, value, **settings))


class _ModelFieldProxy(ResponseFieldProxy):
    """The proxy of a route with a response model."""

    has_model = True

    def __init__(self, field: Any) -> None:
        self._field = field
        self.validate = field.validate

    @cached_property
    def dump(self) -> Callable[..., Any]:  # type: ignore[override]
        # Built with the first value: until then, models that refer to others may be incomplete.
        adapter = type_adapter(self._field)
        if adapter is None:
            return self._dump_by_json
        return partial(DocumentSerializer.of_adapter(adapter).dump, by_alias=True)

    def _dump_by_json(self, value: Any, *, keeps_times: bool, **settings: Any) -> Any:
        return from_json(self.dump_json(value, **settings))

    def dump_json(self, value: Any, **settings: Any) -> bytes:
        text: bytes = self._field.serialize_json(value, **settings)
        return text


class _EncoderProxy(ResponseFieldProxy):
    """The proxy of a route without a response model, whose document ``jsonable_encoder`` makes."""

    has_model = False

    def __init__(self, response_class: type[Response]) -> None:
        self._response_class = response_class
        self.validate = lambda value, values, *, loc: (value, [])

    def dump(self, value: Any, *, keeps_times: bool, **_: Any) -> Any:
        encoders = _ENCODERS_WITH_TIMES if keeps_times else _ENCODERS
        return _with_text_keys(jsonable_encoder(value, custom_encoder=encoders))

    def dump_json(self, value: Any, **_: Any) -> bytes:
        return bytes(self._response_class(jsonable_encoder(value)).body)


def response_field_proxy(settings: Any) -> ResponseFieldProxy:
    """Return the proxy for the response field of a route with the default response class."""
    if settings.response_field is None:
        return _EncoderProxy(settings.response_class.value)
    return _ModelFieldProxy(settings.response_field)


class _DuckType(type):
    """A class whose instances are determined by a function."""

    is_instance: Callable[[object], bool]

    def __instancecheck__(cls, instance: object) -> bool:
        return cls.is_instance(instance)


class _Array(metaclass=_DuckType):
    is_instance: ClassVar = staticmethod(is_array_like)


class _Dataclass(metaclass=_DuckType):
    is_instance: ClassVar = staticmethod(is_dataclass)


def _keep(value: Any) -> Any:
    return value


def _encoders(keeps_times: bool) -> dict[Any, Callable[[Any], Any]]:
    """Return the custom encoders with which ``jsonable_encoder`` makes documents."""

    def encode_dataclass(instance: Any) -> Any:
        # As ``dataclasses.asdict``, which would copy arrays, and take array fields apart.
        named = {field.name: getattr(instance, field.name) for field in fields(instance)}
        return jsonable_encoder(named, custom_encoder=encoders)

    def encode_model(model: BaseModel) -> Any:
        serializer = DocumentSerializer.of_class(type(model))
        return _without_sqlalchemy(serializer.dump(model, keeps_times=keeps_times, by_alias=True))

    encoders: dict[Any, Callable[[Any], Any]] = {
        **dict.fromkeys((bytes, bytearray, memoryview, complex, _Array), _keep),
        BaseModel: encode_model,
        _Dataclass: encode_dataclass,
    }
    return encoders


def _without_sqlalchemy(document: Any) -> Any:
    """Return the dump of a model without the state of SQLAlchemy, as ``jsonable_encoder`` does."""
    kind = type(document)
    if kind is dict:
        return {
            key: item if type(item) in _ATOMS else _without_sqlalchemy(item)
            for key, item in document.items()
            if not key.startswith("_sa")
        }
    if kind is list:
        return [item if type(item) in _ATOMS else _without_sqlalchemy(item) for item in document]
    if kind is Carrier and type(document.value) in _CONTAINERS:
        return _without_sqlalchemy(document.value)
    return document


_ATOMS: Final = frozenset({type(None), bool, int, float, str})
_CONTAINERS: Final = frozenset({dict, list, Carrier})
_ENCODERS: Final = _encoders(keeps_times=False)
_ENCODERS_WITH_TIMES: Final = _encoders(keeps_times=True)


def _with_text_keys(value: Any) -> Any:
    """Return a document whose keys are text, as ``json.dumps`` writes them."""
    if type(value) is dict:
        return {
            key if type(key) is str else _key_text(key): _with_text_keys(item)
            for key, item in value.items()
        }
    return [_with_text_keys(item) for item in value] if type(value) is list else value


def _key_text(key: Any) -> Any:
    if isinstance(key, (int, float)) or key is None:
        return next(iter(json.loads(json.dumps({key: None}))))
    return key


def pack_if_document(response: Response, exchange: Exchange, route: object) -> Response:
    """Pack the response of a handler that was built with a proxy; return any other unchanged."""
    carrier = vars(response).get("body")
    if not isinstance(carrier, DocumentBytes):
        return response
    media_type, buffers = pack_response(exchange, carrier.document, carrier.to_json, endpoint=route)
    return BuffersResponse(
        buffers, media_type, response.status_code, response.raw_headers, response.background
    )

"""Body parameters that validate what a msgpack body was decoded to.

FastAPI's handler for binary requests is built on a copy of the route's dependants, whose body
fields know which request they validate for: a document with arrays, or a large one, is not
validated as JSON is (see ``validation``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar, Token
from copy import copy
from functools import lru_cache
from typing import Any, Final, overload

from fastapi.dependencies.models import Dependant

from binary_middleware._asgi.exchange import Exchange
from binary_middleware._validation.validator import DocumentValidator
from binary_middleware.fastapi._compat import type_adapter
from binary_middleware.formats.base import DocumentFacts

_current: Final[ContextVar[Exchange | None]] = ContextVar(
    "binary_middleware_exchange", default=None
)


# Functions, because an app may be pickled with its handlers, and a context variable cannot be.


def set_current_exchange(exchange: Exchange | None) -> Token[Exchange | None]:
    """Note whose decoded body FastAPI validates.

    Each handler does, ``None`` where the body is not its exchange's, so that a call of another
    route sees its own.
    """
    return _current.set(exchange)


def reset_current_exchange(token: Token[Exchange | None]) -> None:
    """Undo :func:`set_current_exchange`."""
    _current.reset(token)


def current_exchange() -> Exchange | None:
    """Return the exchange whose decoded body FastAPI validates."""
    return _current.get()


@lru_cache(maxsize=4096)
def binary_field(field: Any) -> Any:
    """Return a copy of a body field that validates decoded documents; one for each field.

    Its ``validate`` serves FastAPI; ``validate_document(value, facts, loc=...)`` those who know
    the document. Without a decoded document, it validates as the original does.
    """
    bound = copy(field)
    kind: Any = type(field)
    bound.__class__ = _binary_class(kind)
    bound.document_validator = DocumentValidator(type_adapter(field), from_attributes=True)
    return bound


@lru_cache(maxsize=16)
def _binary_class(kind: Any) -> Any:
    def validate(
        self: Any, value: Any, values: Any = None, *, loc: tuple[Any, ...] = ()
    ) -> tuple[Any, list[Any]]:
        exchange = current_exchange()
        if exchange is None or not exchange.request.is_decoded:
            validated: tuple[Any, list[Any]] = kind.validate(self, value, values or {}, loc=loc)
            return validated
        return validate_document(self, value, exchange.facts, loc=loc)

    def validate_document(
        self: Any, value: Any, facts: DocumentFacts, *, loc: tuple[Any, ...]
    ) -> tuple[Any, list[Any]]:
        result, errors = self.document_validator.validate(value, facts)
        if not errors:
            return result, errors
        return result, [{**error, "loc": (*loc, *error["loc"])} for error in errors]

    methods = {"validate": validate, "validate_document": validate_document}
    return type(kind.__name__, (kind,), {**methods, "__hash__": kind.__hash__})


def with_binary_fields(dependant: Dependant) -> Dependant:
    """Return a copy of a dependant whose body fields, and those further in, are binary ones.

    Dependencies that are added to the original later on are in the copy as well.
    """
    bound = copy(dependant)
    bound.body_params = [binary_field(field) for field in dependant.body_params]
    bound.dependencies = _Dependencies(dependant.dependencies)  # type: ignore[assignment]
    return bound


class _Dependencies(Sequence[Dependant]):
    """Dependencies as they are at the time, with binary fields where there are body fields."""

    def __init__(self, dependencies: Sequence[Dependant]) -> None:
        self._dependencies = dependencies

    def __len__(self) -> int:
        return len(self._dependencies)

    @overload
    def __getitem__(self, index: int) -> Dependant: ...
    @overload
    def __getitem__(self, index: slice) -> list[Dependant]: ...
    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __iter__(self) -> Iterator[Dependant]:
        for dependant in self._dependencies:
            yield with_binary_fields(dependant) if _has_body_fields(dependant) else dependant


def _has_body_fields(dependant: Dependant) -> bool:
    return bool(dependant.body_params) or any(map(_has_body_fields, dependant.dependencies))

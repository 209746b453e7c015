"""Body parameters that validate decoded documents.

FastAPI's handler for binary requests is built on a copy of the route's dependants. The body fields
of the copy look up the exchange that they validate for: a document that holds arrays, or a large
one, is validated as the JSON for it would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import ContextVar, Token
from copy import copy
from functools import lru_cache
from typing import Any, Final

from binary_middleware._validation.validator import DocumentValidator
from binary_middleware.fastapi._compat import validating_adapter
from binary_middleware.formats.base import DocumentFacts
from binary_middleware.lane import Exchange

_current: Final[ContextVar[Exchange | None]] = ContextVar(
    "binary_middleware_exchange", default=None
)


# Functions, because an app may be pickled with its handlers, and a context variable cannot be.


def set_current_exchange(exchange: Exchange | None) -> Token[Exchange | None]:
    """Set the exchange whose decoded body FastAPI validates.

    Each handler sets its own, ``None`` if its body is not decoded: an endpoint may call another
    route.
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
    """Return a copy of a body field that validates decoded documents; one per field.

    Its ``validate`` is for FastAPI, and without a decoded document does what the original does.
    Its ``validate_document`` is for callers that have the document.
    """
    bound = copy(field)
    kind: Any = type(field)
    bound.__class__ = _binary_field_class(kind)
    bound.document_validator = DocumentValidator(validating_adapter(field), from_attributes=True)
    return bound


@lru_cache(maxsize=16)
def _binary_field_class(kind: Any) -> Any:
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


def with_binary_fields(dependant: Any) -> Any:
    """Return a copy of a dependant in which all body fields, at any depth, are binary ones.

    The copy includes dependencies that are added to the original later.
    """
    bound = copy(dependant)
    bound.body_params = [binary_field(field) for field in dependant.body_params]
    bound.dependencies = _Dependencies(dependant.dependencies)
    return bound


class _Dependencies(Sequence[Any]):
    """A view of a list of dependencies, in which body fields are binary ones."""

    def __init__(self, dependencies: Sequence[Any]) -> None:
        self._dependencies = dependencies

    # FastAPI iterates, and may use the rest of a sequence.
    def __len__(self) -> int:  # pragma: no cover
        return len(self._dependencies)

    def __getitem__(self, index: Any) -> Any:  # pragma: no cover
        return list(self)[index]

    def __iter__(self) -> Iterator[Any]:
        for dependant in self._dependencies:
            yield with_binary_fields(dependant) if _has_body_fields(dependant) else dependant


def _has_body_fields(dependant: Any) -> bool:
    return bool(dependant.body_params) or any(map(_has_body_fields, dependant.dependencies))

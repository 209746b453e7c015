"""Validation of decoded documents, with exact arrays and a bounded number of errors."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import CoreSchema, SchemaValidator

from binary_middleware._pydantic.core_schemas import Node, nodes_of, rewrite_schema, with_function
from binary_middleware._validation.budget import ArrayBudget, LargeStructureError, current_budget
from binary_middleware._validation.errors import MAX_ERRORS, Errors, errors_of, make_error
from binary_middleware._validation.fail_fast import STOPPING, key_limit, limit_keys
from binary_middleware._validation.guards import guard
from binary_middleware.formats.base import DocumentFacts

LARGE_STRUCTURE: Final = 64 * 1024
"""Bytes of structure, converted arrays included, above which a list or map stops at its first
error."""

MAX_ERRORS_IN_MEMORY: Final = 512 * 1024
"""Errors that pydantic may produce before they are counted, at about 350 bytes each."""

Outcome = tuple[Any, Errors]
"""A validated value and no errors, or ``None`` and at least one error."""

_VALIDATORS_RAISE: Final = (TypeError, AttributeError, LookupError, ArithmeticError, SystemError)
_LEAVES: Final = frozenset(
    {
        *("bool", "bytes", "default", "float", "int", "model", "model-field", "model-fields"),
        *("none", "nullable", "str"),
    }
)
_FIELDS: Final = frozenset({"model-field", "dataclass-field", "typed-dict-field"})
_LOGGER: Final = logging.getLogger("binary_middleware")


class DocumentValidator:
    """Validates decoded documents as a ``TypeAdapter`` validates JSON.

    To pydantic, an array is an iterable that converts to a number: a ``list[int]`` field converts
    it element by element, by way of floats, and a model reads its fields from the attributes of
    the array. So a document with arrays is validated by a *guarded* copy of the schema, in which
    a field without an array type gets the elements as an exact list, counted as structure, or
    rejects the array. Documents without arrays go to pydantic's own validator.

    Each byte of a document can be an error, which takes a thousand times as much memory. So a
    large document is validated by a copy of the schema whose lists and maps stop at their first
    error.

    Args:
        adapter: The adapter, whose own validator is used where it is safe.
        from_attributes: As for ``TypeAdapter.validate_python``.
    """

    def __init__(self, adapter: TypeAdapter[Any], *, from_attributes: bool | None = None) -> None:
        self.adapter = adapter
        self._from_attributes = from_attributes
        self._built: dict[tuple[bool, bool], SchemaValidator | None] = {}

    @cached_property
    def _traits(self) -> _Traits:
        return _Traits.of(self.adapter.core_schema)

    def validate(self, document: Any, facts: DocumentFacts) -> Outcome:
        """Validate a document, or a part of one, given the facts about the whole document."""
        traits = self._traits
        is_guarded = facts.holds_arrays and (
            not traits.needs_no_guard or facts.holds_scalars or type(document) is not dict
        )
        attempt = self._validate_guarded if is_guarded else self._validate
        size = facts.structure_size
        is_small = size <= traits.small_size
        outcome: Outcome = attempt(document, facts, not is_small)
        if is_small:
            return outcome or attempt(document, facts, True)
        if outcome[1] and size <= LARGE_STRUCTURE and _holds_at_most(traits.max_values, document):
            # The size of the document allows for more errors than its values do.
            return attempt(document, facts, False) or outcome
        return outcome

    def _validate(self, document: Any, facts: DocumentFacts, fail_fast: bool) -> Any:
        """Return the outcome, ``None`` if the document has to be validated with ``fail_fast``."""
        # Without such a validator, errors are counted afterwards.
        validator = (fail_fast and self._validator(False, True)) or self.adapter.validator
        try:
            return validator.validate_python(document, from_attributes=self._from_attributes), []
        except ValidationError as exc:
            if fail_fast or exc.error_count() <= MAX_ERRORS:
                return None, errors_of(exc, document)
        return None

    def _validate_guarded(self, document: Any, facts: DocumentFacts, fail_fast: bool) -> Any:
        validator = self._validator(True, fail_fast)
        if validator is None:
            message = "Input should hold lists instead of arrays (the server's log says why)"
            return None, [make_error("arrays_not_supported", message, document)]
        budget = ArrayBudget(facts, None if fail_fast else LARGE_STRUCTURE)
        token = current_budget.set(budget)
        try:
            return validator.validate_python(document, from_attributes=self._from_attributes), []
        except ValidationError as exc:
            if not fail_fast and exc.error_count() > MAX_ERRORS:
                return None
            errors = errors_of(exc, document)
            for error in errors:
                error["input"] = budget.original(error["input"])
            return None, errors
        except LargeStructureError:
            return None
        except _VALIDATORS_RAISE as exc:
            # Most likely the user's validator, which expects only what JSON can hold.
            name = type(exc).__name__
            _LOGGER.warning("a validator raised %s for a document with arrays", name, exc_info=exc)
            message = f"Input should not hold arrays where a validator raises {name} for them"
            return None, [make_error("array_not_expected", message, document)]
        finally:
            current_budget.reset(token)

    def _validator(self, guarded: bool, fail_fast: bool) -> SchemaValidator | None:
        key = (guarded, fail_fast)
        if key not in self._built:
            try:
                self._built[key] = _build(self.adapter, guarded, fail_fast)
            except Exception as exc:  # whatever pydantic raises for an unknown kind of schema
                kind = "arrays, which are rejected" if guarded else "large documents"
                message = "no validator of %r for %s"
                _LOGGER.warning(message, self.adapter, kind, exc_info=exc)
                self._built[key] = None
        return self._built[key]


class _Traits(NamedTuple):
    """Facts about the documents of a type, from its schema."""

    needs_no_guard: bool
    """Whether pydantic's own validator rejects a misplaced array of several elements, or passes
    it to an array field: that is so for a model of array fields and leaves."""
    max_values: int
    """Number of values up to which a document cannot have more errors than fit in memory."""
    small_size: int
    """Bytes of structure up to which a document is small, and cannot have more errors either."""

    @classmethod
    def of(cls, schema: CoreSchema) -> _Traits:
        nodes = nodes_of(schema)
        types = [node["type"] for node in nodes]
        needs_no_guard = (
            schema["type"] == "model" and types.count("model") == 1 and all(map(_is_leaf, nodes))
        )
        # An empty map lacks all fields of its model.
        errors_per_value = 1 + sum(type_ in _FIELDS for type_ in types)
        errors_per_value += sum(len(node["choices"]) for node in nodes if node["type"] == "union")
        max_values = MAX_ERRORS_IN_MEMORY // errors_per_value
        return cls(needs_no_guard, max_values, min(LARGE_STRUCTURE, max_values))


def _is_leaf(node: Node) -> bool:
    if node["type"] == "function-plain":
        module = getattr(node["function"]["function"], "__module__", "") or ""
        return module.startswith("binary_middleware.")
    return node["type"] in _LEAVES and not (node.get("custom_init") or node.get("root_model"))


def _holds_at_most(limit: int, document: Any) -> bool:
    """Return whether a document has at most ``limit`` values, each array counted as one."""
    containers = [document]
    while containers and limit >= 0:
        container = containers.pop()
        members = container.values() if type(container) is dict else container
        if type(container) in (dict, list):
            limit -= len(container)
            containers += [member for member in members if type(member) in (dict, list)]
    return limit >= 0


def _build(adapter: TypeAdapter[Any], guarded: bool, fail_fast: bool) -> SchemaValidator:
    if getattr(adapter, "_config", None) is not None:
        raise ValueError("the configuration of a TypeAdapter is not part of its schema")

    def rewrite(node: Node) -> Node:
        limit = key_limit(node) if fail_fast else None
        if fail_fast and node["type"] in STOPPING:
            node["fail_fast"] = True
        if guarded:
            node = guard(node)
        return node if limit is None else with_function("function-before", limit_keys(limit), node)

    schema = rewrite_schema(_with_labels(adapter.core_schema), validation=rewrite)
    return SchemaValidator(schema, _use_prebuilt=False)


def _with_labels(schema: CoreSchema) -> CoreSchema:
    """Name the choices of unions, which errors otherwise call by the names of their validators."""
    definitions = schema["definitions"] if schema["type"] == "definitions" else []

    def label(choice: Any) -> Any:
        if isinstance(choice, tuple):
            return choice
        whole = choice
        if definitions:
            whole = {"type": "definitions", "schema": choice, "definitions": definitions}
        return choice, SchemaValidator(whole).title

    def rewrite(node: Node) -> Node:
        if node["type"] == "union":
            node["choices"] = [*map(label, node["choices"])]
        return node

    return rewrite_schema(schema, validation=rewrite)

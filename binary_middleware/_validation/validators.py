"""Validating decoded documents with pydantic: arrays stay arrays, and errors stay few.

To pydantic, an array is an iterable that converts to a number: a ``list[int]`` field takes one
apart, element by element and by way of floats, and a model is filled from its attributes. A
document that holds arrays is therefore validated by a rewritten copy of the schema (*guarded*), in
which fields that want no array either get its elements as an exact list, counted as structure, or
refuse it at once. Documents without arrays meet pydantic's own validator.

One byte of a document can be one error, which costs a thousand times as much. So a large document
is validated by a copy of the schema whose lists and maps stop at their first error.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from decimal import Decimal
from functools import cached_property, lru_cache
from inspect import signature
from typing import Any, Final
from uuid import UUID

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic_core import (
    CoreSchema,
    PydanticCustomError,
    PydanticKnownError,
    SchemaValidator,
    core_schema,
)

from binary_middleware import fields
from binary_middleware._pydantic.core_schemas import rewrite_schema
from binary_middleware.formats.msgpack import DocumentFacts

LARGE_STRUCTURE: Final = 64 * 1024
"""Bytes of structure, converted arrays included, above which a list or map stops at its first
error."""

MAX_ERRORS: Final = 1000
"""Most errors of a report. Where there are more, lists and maps stop at their first one, too."""

ERRORS_IN_MEMORY: Final = 512 * 1024
"""Most errors that pydantic may make before they are counted, at about 350 bytes each."""

MAX_UNKNOWN_KEYS: Final = 100
"""Unknown keys of a map up to which each of them is an error, where a model forbids them and the
document is large."""

LIST_SIZE: Final = 9
"""Bytes of structure that a list in a converted array counts as, beside its items."""


Errors = list[dict[str, Any]]
"""As from ``ValidationError.errors()``."""


class DocumentValidator:
    """Validates decoded documents as a ``TypeAdapter`` validates JSON.

    Args:
        adapter: its validator serves small documents without arrays as it is.
    """

    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        self.adapter = adapter
        self._built: dict[tuple[bool, bool], SchemaValidator | None] = {}

    def validate(
        self, document: Any, facts: DocumentFacts, *, from_attributes: bool | None = None
    ) -> tuple[Any, Errors]:
        """Validate a document, or a part of one.

        Args:
            document: as it was decoded.
            facts: about the whole document.
            from_attributes: as for ``TypeAdapter.validate_python``.

        Returns:
            The validated value and no errors, or ``None`` and at least one error.
        """
        is_plain = not facts.holds_arrays or (
            self._needs_no_guard and not facts.holds_scalars and type(document) is dict
        )
        if is_plain and facts.structure_size <= self._small_size:
            # As most documents are; otherwise this comes to the same as what follows.
            try:
                validate = self.adapter.validator.validate_python
                return validate(document, from_attributes=from_attributes), []
            except ValidationError as exc:
                if exc.error_count() <= MAX_ERRORS:
                    return None, errors_of(exc, document)
        is_large = facts.structure_size > LARGE_STRUCTURE
        if facts.structure_size <= self._small_size:
            outcome = self._validate(document, facts, from_attributes, fail_fast=False)
            if outcome is not None:
                return outcome
        first = self._validate(document, facts, from_attributes, fail_fast=True)
        assert first is not None
        if not first[1] or is_large:
            return first
        # It looked as if there could be more errors than there can be.
        values = ERRORS_IN_MEMORY // self._errors_per_value
        if not _holds_at_most(values, document):
            return first
        return self._validate(document, facts, from_attributes, fail_fast=False) or first

    @cached_property
    def _needs_no_guard(self) -> bool:
        """Whether a map with arrays of several elements means to pydantic what it means to us.

        That is a model of array fields and of leaves, each of which refuses an array with one
        error.
        """
        models = 0
        is_known = True

        def look(node: dict[str, Any]) -> dict[str, Any]:
            nonlocal models, is_known
            kind = node["type"]
            models += kind == "model"
            if kind == "function-plain":
                function = node["function"]["function"]
                is_known &= getattr(function, "__module__", "") == fields.__name__
            else:
                is_known &= kind in _PLAIN_NODES
            if node.get("custom_init") or node.get("root_model"):
                is_known = False
            return node

        rewrite_schema(self.adapter.core_schema, validation=look)
        return is_known and models == 1 and self.adapter.core_schema["type"] == "model"

    @cached_property
    def _small_size(self) -> int:
        """Bytes of structure up to which all errors of a document may be made."""
        return min(LARGE_STRUCTURE, ERRORS_IN_MEMORY // self._errors_per_value)

    @cached_property
    def _errors_per_value(self) -> int:
        """About how many errors one value can be: an empty map lacks all fields of its model."""
        count = 1

        def count_node(node: dict[str, Any]) -> dict[str, Any]:
            nonlocal count
            if node["type"] == "union":
                count += len(node["choices"])
            elif node["type"] in _FIELD:
                count += 1
            return node

        rewrite_schema(self.adapter.core_schema, validation=count_node)
        return count

    def _validate(
        self, document: Any, facts: DocumentFacts, from_attributes: bool | None, *, fail_fast: bool
    ) -> tuple[Any, Errors] | None:
        """Return the outcome, ``None`` if lists and maps have to stop at their first error."""
        token = _current.set(_Budget(facts, fail_fast)) if facts.holds_arrays else None
        try:
            validator = self._validator(facts.holds_arrays, fail_fast)
            return validator.validate_python(document, from_attributes=from_attributes), []
        except ValidationError as exc:
            if fail_fast or exc.error_count() <= MAX_ERRORS:
                errors = errors_of(exc, document)
                if token is not None:
                    budget = _current.get()
                    for error in errors:
                        error["input"] = budget.original(error["input"])
                return None, errors
        except _LargeStructure:
            pass
        except _NoGuard as exc:
            return None, [_error("arrays_not_supported", str(exc), document)]
        except _OF_VALIDATORS as exc:
            # A validator of the app's own, most likely, that expects what JSON can hold.
            if not facts.holds_arrays:
                raise
            name = type(exc).__name__
            _LOGGER.warning("a validator raised %s for a document with arrays", name, exc_info=exc)
            message = f"Input should not hold arrays where a validator raises {name} for them"
            return None, [_error("array_not_expected", message, document)]
        finally:
            if token is not None:
                _current.reset(token)
        return None

    def _validator(self, guarded: bool, fail_fast: bool) -> Any:
        if not (guarded or fail_fast):
            return self.adapter.validator
        key = (guarded, fail_fast)
        if key not in self._built:
            self._built[key] = self._build(guarded, fail_fast)
        validator = self._built[key]
        if validator is not None:
            return validator
        if guarded:
            raise _NoGuard(
                "Input should hold no arrays: they cannot be told from lists here (pydantic 2.13 "
                "or newer is needed)"
            )
        return self.adapter.validator  # whose errors are counted afterwards

    def _build(self, guarded: bool, fail_fast: bool) -> SchemaValidator | None:
        try:
            return _build(self.adapter, guarded, fail_fast)
        except Exception as exc:  # whatever pydantic raises about a schema that is new to us
            _LOGGER.warning("no validator for arrays for %r", self.adapter, exc_info=exc)
            return None


def _holds_at_most(limit: int, document: Any) -> bool:
    """Whether a document has no more values than this, arrays as one each."""
    containers = [document]
    while containers and limit >= 0:
        container = containers.pop()
        members = container.values() if type(container) is dict else container
        if type(container) in (dict, list):
            limit -= len(container)
            containers += [member for member in members if type(member) in (dict, list)]
    return limit >= 0


def errors_of(exc: ValidationError, document: Any) -> Errors:
    """The errors of a document, or one that tells how many there are."""
    count = exc.error_count()
    if count > MAX_ERRORS:
        message = f"Input should be valid: {count} errors were found"
        return [_error("too_many_errors", message, document)]
    errors: Any = exc.errors(include_url=False)
    for error in errors:
        cause = error.get("ctx", {}).get("error")
        while isinstance(cause, BaseException):
            # Its frames lead to those that hold the document, and the errors: all of that would
            # stay until the garbage collector comes by.
            cause.__traceback__ = None
            cause = cause.__cause__ or cause.__context__
    return list(errors)


def _error(type_: str, message: str, document: Any) -> dict[str, Any]:
    return {"type": type_, "loc": (), "msg": message, "input": document}


_PLAIN_NODES: Final = frozenset(
    {
        *("bool", "bytes", "default", "float", "int", "model", "model-field", "model-fields"),
        *("none", "nullable", "str"),
    }
)


class _NoGuard(Exception):
    """No guarded validator can be built."""


class _LargeStructure(BaseException):
    """Converted arrays make a document large. No ``except`` of a validator must catch this."""


_OF_VALIDATORS: Final = (TypeError, AttributeError, LookupError, ArithmeticError, SystemError)
_LOGGER: Final = logging.getLogger("binary_middleware")


def _build(adapter: TypeAdapter[Any], guarded: bool, fail_fast: bool) -> SchemaValidator:
    if getattr(adapter, "_config", None) is not None:
        raise ValueError("the configuration of a TypeAdapter is not part of its schema")
    schema = _with_labels(adapter.core_schema)

    def rewrite(node: dict[str, Any]) -> dict[str, Any]:
        keys = _known_keys(node) if fail_fast else None
        if fail_fast and node["type"] in _STOPPING:
            node["fail_fast"] = True
        if guarded:
            node = _guard(node)
        return node if keys is None else _before(_bounded_keys(keys + MAX_UNKNOWN_KEYS), node)

    return SchemaValidator(rewrite_schema(schema, validation=rewrite), _use_prebuilt=False)


def _with_labels(schema: CoreSchema) -> CoreSchema:
    """Name the choices of unions: by default, errors have the names of their validators."""
    definitions = schema["definitions"] if schema["type"] == "definitions" else []

    def label(node: dict[str, Any]) -> dict[str, Any]:
        if node["type"] == "union":
            node["choices"] = [
                choice
                if isinstance(choice, tuple)
                else (choice, SchemaValidator(_standalone(choice, definitions)).title)
                for choice in node["choices"]
            ]
        return node

    return rewrite_schema(schema, validation=label)


def _standalone(schema: Any, definitions: list[Any]) -> Any:
    if not definitions:
        return schema
    return {"type": "definitions", "schema": schema, "definitions": definitions}


# -- few errors --------------------------------------------------------------------------------

_STOPPING: Final = frozenset(
    kind
    for kind in ("list", "tuple", "set", "frozenset", "dict", "deque", "counter", "generator")
    if "fail_fast" in signature(getattr(core_schema, f"{kind}_schema", lambda: None)).parameters
)


def _known_keys(node: dict[str, Any]) -> int | None:
    """Most keys that a map for this node can have, ``None`` if unknown keys are no errors."""
    if node["type"] not in ("model", "dataclass", "typed-dict"):
        return None
    config, inner = node.get("config") or {}, node
    while inner["type"] not in _FIELDS:
        if "schema" not in inner:  # a model of one value
            return None
        inner = inner["schema"]
    if "forbid" not in (inner.get("extra_behavior"), config.get("extra_fields_behavior")):
        return None
    fields = inner["fields"]
    fields = fields.values() if isinstance(fields, Mapping) else fields
    aliases = (field.get("validation_alias") for field in fields)
    return sum(2 + (len(alias) if isinstance(alias, list) else 1) for alias in aliases)


_FIELD: Final = ("model-field", "dataclass-field", "typed-dict-field")
_FIELDS: Final = ("model-fields", "dataclass-args", "typed-dict")


@lru_cache(maxsize=256)
def _bounded_keys(limit: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is dict and len(value) > limit:
            raise PydanticCustomError(
                "too_many_keys",
                "Input should have no unknown keys, got {count} keys",
                {"count": len(value)},
            )
        return value

    return check


# -- arrays ------------------------------------------------------------------------------------

_NUMPY: Final = frozenset(
    {np.ndarray, np.datetime64, np.timedelta64, np.longdouble, np.clongdouble}
)
"""The types of numpy's that a decoded document can hold."""

_NO_MODEL: Final = _NUMPY | {Decimal, UUID}
"""Types of a decoded document whose attributes pydantic would take for the fields of a model."""


class _Budget:
    """Counts what arrays become while one document is validated."""

    conversions = 0

    def __init__(self, facts: DocumentFacts, fail_fast: bool) -> None:
        self.facts = facts
        self.size = facts.structure_size
        self.fail_fast = fail_fast
        self.originals: dict[int, tuple[Any, Any]] = {}
        self.lists: dict[int, tuple[Any, list[Any]]] = {}

    def copy_of(self, value: Any, changed: Any) -> Any:
        """Note for error reports that ``changed`` was made of ``value``."""
        self.originals[id(changed)] = (changed, value)
        return changed

    def original(self, value: Any) -> Any:
        """What came in the place of a value that an error report names."""
        if type(value) is _Refused:
            return value.value
        return self.originals.get(id(value), (value, value))[1]

    def as_list(self, array: np.ndarray[Any, Any]) -> list[Any]:
        """Convert an array to a list of the same values.

        Raises:
            PydanticCustomError: there is none, or it is over the limit of structure.
            _LargeStructure: the validator does not stop at first errors, and now has to.
        """
        self.conversions += 1
        if id(array) in self.lists:  # each choice of a union asks anew
            return self.lists[id(array)][1]
        if array.ndim == 0 or not _has_exact_items(array.dtype):
            raise PydanticCustomError(
                "array_as_list",
                "Input should be a list: {array} has no exact form as one",
                {"array": _describe(array)},
            )
        size = self.size + _size_as_list(array)
        limit = self.facts.max_structure_size
        if size > limit:
            raise PydanticCustomError(
                "array_as_list",
                "Input should be a shorter list: the elements of {array} are over "
                "max_structure_size ({limit} bytes); an array field has no such limit",
                {"array": _describe(array), "limit": limit},
            )
        if size > LARGE_STRUCTURE and not self.fail_fast:
            raise _LargeStructure
        self.size = size
        items: list[Any] = _items(array)
        self.lists[id(array)] = (array, items)  # with the array, so that no other gets its id
        self.copy_of(array, items)
        return items


_current: ContextVar[_Budget] = ContextVar("binary_middleware_validation")


def _has_exact_items(dtype: np.dtype[Any]) -> bool:
    if dtype.kind in "fc":
        return dtype.itemsize <= (8 if dtype.kind == "f" else 16)
    return dtype.kind in "biuU"


def _items(array: np.ndarray[Any, Any]) -> Any:
    """The elements of an array with exact items: in nested lists, or one without dimensions."""
    try:
        items = array.tolist()
        if array.dtype.kind == "U":
            "".join(map(str, array.reshape(-1).tolist())).encode()
    except (ValueError, SystemError) as exc:
        raise PydanticCustomError(
            "string_unicode", "Input should hold characters that exist in Unicode"
        ) from exc
    return items


def _size_as_list(array: np.ndarray[Any, Any]) -> int:
    """About how many bytes of msgpack the elements of an array are as nested lists."""
    kind, item = array.dtype.kind, array.dtype.itemsize
    if kind == "f":
        item = 9
    elif kind == "c":
        item = 64
    elif kind == "U":
        item += 5
    elif kind != "b" and array.size:
        low, high = int(array.min()), int(array.max())
        item = 1 if low >= -32 and high < 128 else item + 1
    lists = sum(math.prod(array.shape[:axis]) for axis in range(array.ndim))
    return int(array.size * item + lists * LIST_SIZE)


def _describe(value: Any) -> str:
    text = f"ndarray {value.dtype} {value.shape}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _guard(node: dict[str, Any]) -> dict[str, Any]:
    """Keep arrays away from a node that would take one for something else."""
    kind = node["type"]
    if kind in _SCALARS:
        return _before(_SCALARS[kind], node)
    if kind in _LISTS or kind == "dict":
        return _guard_members(node)
    if kind == "model":
        if node.get("custom_init"):
            # Its ``__init__`` calls the validator of its class, which has no guards.
            rehearsal = _node("function-wrap", _rehearse, {**node, "custom_init": False})
            rehearsal["schema"].pop("ref", None)
            ref = node.pop("ref", None)
            node = {"type": "chain", "steps": [rehearsal, node]} | ({"ref": ref} if ref else {})
        return _before(_no_model, node)
    if kind == "function-plain":
        module = getattr(node["function"]["function"], "__module__", "") or ""
        return _before(_no_array, node) if module.startswith("pydantic.") else node
    return node if kind in _UNGUARDED else _before(_no_array, node)


_UNGUARDED: Final = frozenset(
    {
        # Nodes that hand on what they get, or are made for any object.
        *("any", "callable", "is-instance", "is-subclass", "nullable", "default", "union"),
        *("tagged-union", "chain", "lax-or-strict", "json-or-python", "custom-error"),
        *("function-before", "function-after", "function-wrap", "definitions", "definition-ref"),
        *("model-field", "typed-dict-field", "dataclass-field", "named-tuple-field"),
        *("model-fields", "dataclass-args", "arguments", "arguments-v3", "call"),
        *("computed-field", "missing-sentinel"),
        # Those that refuse an array with one error.
        *("none", "str", "bytes", "literal", "typed-dict", "dataclass", "decimal", "date"),
        *("uuid", "url", "multi-host-url", "json"),
    }
)


def _node(kind: str, function: Callable[..., Any], node: dict[str, Any]) -> dict[str, Any]:
    outer = {"type": kind, "function": {"type": "no-info", "function": function}}
    inner = dict(node)
    ref = inner.pop("ref", None)
    return {**outer, "schema": inner} | ({"ref": ref} if ref else {})


def _before(function: Callable[[Any], Any], node: dict[str, Any]) -> dict[str, Any]:
    return _node("function-before", function, node)


def _scalar_guard(error: Any) -> Callable[[Any], Any]:
    keeps = {"float_type": (np.longdouble,), "complex_type": (np.longdouble, np.clongdouble)}
    kept: tuple[Any, ...] = keeps.get(error, ())

    def guard(value: Any) -> Any:
        if type(value) not in _NUMPY or type(value) in kept:
            return value
        if type(value) is np.ndarray and value.ndim == 0 and _has_exact_items(value.dtype):
            item = _items(value)
            if error != "int_type" or type(item) is not float or item.is_integer():
                _current.get().conversions += 1
                return item
        if error is None:
            return _no_array(value)
        raise PydanticKnownError(error)

    return guard


_SCALARS: Final[dict[str, Callable[[Any], Any]]] = {
    "int": _scalar_guard("int_type"),
    "float": _scalar_guard("float_type"),
    "bool": _scalar_guard("bool_type"),
    "complex": _scalar_guard("complex_type"),
    "datetime": _scalar_guard("datetime_type"),
    "time": _scalar_guard("time_type"),
    "timedelta": _scalar_guard("time_delta_type"),
    "enum": _scalar_guard(None),
}
_LISTS: Final = frozenset(
    {"list", "tuple", "set", "frozenset", "generator", "deque", "named-tuple"}
)


def _no_array(value: Any) -> Any:
    if type(value) in _NUMPY:
        raise PydanticCustomError(
            "array_not_expected",
            "Input should not be an array or a scalar of numpy here, got {array}",
            {"array": _describe(value)},
        )
    return value


def _no_model(value: Any) -> Any:
    if type(value) in _NO_MODEL:
        raise PydanticKnownError("model_attributes_type")
    return value


def _rehearse(value: Any, handler: Callable[[Any], Any]) -> Any:
    budget = _current.get()
    before = budget.conversions
    handler(value)
    if budget.conversions != before:
        raise PydanticCustomError(
            "array_as_list",
            "Input should hold lists and numbers instead of arrays, array fields aside: the model "
            "has an __init__ of its own",
        )
    return value


def _guard_members(node: dict[str, Any]) -> dict[str, Any]:
    """Guard a list or a dict, and its members all at once if they are scalars."""
    if node["type"] == "dict":
        scalar, node = _without_guard(node, "values_schema")
        return node if scalar is None else _before(_dict_guard(scalar), node)
    scalar = None
    if node["type"] == "tuple":
        if node.get("variadic_item_index") == 0 and len(node["items_schema"]) == 1:
            scalar, unguarded = _without_guard({"items_schema": node["items_schema"][0]})
            node["items_schema"] = [unguarded["items_schema"]]
    elif node["type"] != "named-tuple":
        scalar, node = _without_guard(node)
    return _before(_list_guard(scalar), node)


def _without_guard(
    node: dict[str, Any], name: str = "items_schema"
) -> tuple[Callable[[Any], Any] | None, dict[str, Any]]:
    members = node.get(name) or {}
    function = members.get("function", {}).get("function")
    if members.get("type") != "function-before" or "ref" in members:
        return None, node
    # What one is equal to decides about members of an enum, not what it converts to.
    if function is _SCALARS["enum"] or function not in _SCALARS.values():
        return None, node
    return function, {**node, name: members["schema"]}


def _list_guard(scalar: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def guard(value: Any) -> Any:
        if type(value) is np.ndarray:
            return _current.get().as_list(value)
        if (
            scalar
            and type(value) is list
            and _may_hold_scalars()
            and not _NUMPY.isdisjoint(map(type, value))
        ):
            return _current.get().copy_of(value, [_member(scalar, item) for item in value])
        return value

    return guard


def _dict_guard(scalar: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def guard(value: Any) -> Any:
        if (
            type(value) is dict
            and _may_hold_scalars()
            and not _NUMPY.isdisjoint(map(type, value.values()))
        ):
            members = {key: _member(scalar, item) for key, item in value.items()}
            return _current.get().copy_of(value, members)
        return value

    return guard


def _may_hold_scalars() -> bool:
    return _current.get().facts.holds_scalars


class _Refused:
    """Stands for a member of a list or a dict that no scalar can be."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _member(scalar: Callable[[Any], Any], item: Any) -> Any:
    try:
        return scalar(item)
    except (PydanticCustomError, PydanticKnownError):
        return _Refused(item)

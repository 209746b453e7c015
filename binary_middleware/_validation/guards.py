"""Guards that keep arrays away from fields which would misread them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import numpy as np
from pydantic_core import PydanticCustomError, PydanticKnownError

from binary_middleware._pydantic.core_schemas import Node, with_function
from binary_middleware._validation.budget import (
    RejectedMember,
    current_budget,
    describe_array,
    exact_items,
    has_exact_items,
)

Guard = Callable[[Any], Any]

_NUMPY: Final = frozenset(
    {np.ndarray, np.datetime64, np.timedelta64, np.longdouble, np.clongdouble}
)
"""Types of numpy that a decoded document can hold."""

_WITH_ATTRIBUTES: Final = _NUMPY | {Decimal, UUID}
"""Types of a decoded document whose attributes pydantic would read as the fields of a model."""


def guard(node: Node) -> Node:
    """Return a node that rejects arrays, or gets them in a form that it reads exactly."""
    return _GUARDED.get(node["type"], _refuse_arrays)(node)


def _before(function: Guard, node: Node) -> Node:
    return with_function("function-before", function, node)


# -- single values ---------------------------------------------------------------------------------


def _check_not_array(value: Any) -> Any:
    if type(value) in _NUMPY:
        raise PydanticCustomError(
            "array_not_expected",
            "Input should not be an array or a scalar of numpy here, got {array}",
            {"array": describe_array(value)},
        )
    return value


def _refuse_arrays(node: Node) -> Node:
    return _before(_check_not_array, node)


def _scalar_guard(error: Any) -> Guard:
    """Return a guard that converts an array without dimensions to its value.

    Args:
        error: Pydantic's type of the error for other arrays, ``None`` for one of our own.
    """
    accepted = {"float_type": (np.longdouble,), "complex_type": (np.longdouble, np.clongdouble)}
    unchanged: tuple[Any, ...] = accepted.get(error, ())

    def check(value: Any) -> Any:
        if type(value) not in _NUMPY or type(value) in unchanged:
            return value
        if type(value) is np.ndarray and value.ndim == 0 and has_exact_items(value.dtype):
            item = exact_items(value)
            if error != "int_type" or type(item) is not float or item.is_integer():
                current_budget.get().conversions += 1
                return item
        if error is None:
            return _check_not_array(value)
        raise PydanticKnownError(error)

    return check


_SCALARS: Final[dict[str, Guard]] = {
    "int": _scalar_guard("int_type"),
    "float": _scalar_guard("float_type"),
    "bool": _scalar_guard("bool_type"),
    "complex": _scalar_guard("complex_type"),
    "datetime": _scalar_guard("datetime_type"),
    "time": _scalar_guard("time_type"),
    "timedelta": _scalar_guard("time_delta_type"),
    "enum": _scalar_guard(None),
}


def _guard_scalar(node: Node) -> Node:
    return _before(_SCALARS[node["type"]], node)


# -- lists and maps --------------------------------------------------------------------------------


def _guard_list(node: Node) -> Node:
    if node["type"] == "named-tuple":
        return _before(_list_guard(None), node)
    if node["type"] != "tuple":
        scalar, node = _split_guard(node, "items_schema")
    elif node.get("variadic_item_index") == 0 and len(node["items_schema"]) == 1:
        scalar, member = _split_guard({"items_schema": node["items_schema"][0]}, "items_schema")
        node = {**node, "items_schema": [member["items_schema"]]}
    else:
        scalar = None
    return _before(_list_guard(scalar), node)


def _guard_dict(node: Node) -> Node:
    scalar, node = _split_guard(node, "values_schema")
    return node if scalar is None else _before(_dict_guard(scalar), node)


def _split_guard(node: Node, entry: str) -> tuple[Guard | None, Node]:
    """Return the guard of the members, if they are scalars, and the node without that guard.

    The guard of the container then checks all members at once.
    """
    members = node.get(entry) or {}
    function = members.get("function", {}).get("function")
    if members.get("type") != "function-before" or "ref" in members:
        return None, node
    # Equality decides about members of an enum, not conversion.
    if function is _SCALARS["enum"] or function not in _SCALARS.values():
        return None, node
    return function, {**node, entry: members["schema"]}


def _list_guard(scalar: Guard | None) -> Guard:
    def check(value: Any) -> Any:
        if type(value) is np.ndarray:
            return current_budget.get().as_list(value)
        if scalar and type(value) is list and _may_hold_scalars(value):
            return current_budget.get().replace(value, [_member(scalar, item) for item in value])
        return value

    return check


def _dict_guard(scalar: Guard) -> Guard:
    def check(value: Any) -> Any:
        if type(value) is dict and _may_hold_scalars(value.values()):
            members = {key: _member(scalar, item) for key, item in value.items()}
            return current_budget.get().replace(value, members)
        return value

    return check


def _may_hold_scalars(members: Any) -> bool:
    return current_budget.get().holds_scalars and not _NUMPY.isdisjoint(map(type, members))


def _member(scalar: Guard, item: Any) -> Any:
    try:
        return scalar(item)
    except (PydanticCustomError, PydanticKnownError):
        return RejectedMember(item)


# -- models and functions --------------------------------------------------------------------------


def _guard_model(node: Node) -> Node:
    if node.get("custom_init"):
        # Its ``__init__`` calls the validator of its class, which has no guards.
        ref = {"ref": node.pop("ref")} if "ref" in node else {}
        rehearsal = with_function("function-wrap", _rehearse, {**node, "custom_init": False})
        node = {"type": "chain", "steps": [rehearsal, node], **ref}
    return _before(_check_model, node)


def _check_model(value: Any) -> Any:
    if type(value) in _WITH_ATTRIBUTES:
        raise PydanticKnownError("model_attributes_type")
    return value


def _rehearse(value: Any, handler: Callable[[Any], Any]) -> Any:
    """Reject documents for which the guards inside would convert something."""
    budget = current_budget.get()
    before = budget.conversions
    handler(value)
    if budget.conversions != before:
        raise PydanticCustomError(
            "array_as_list",
            "Input should hold lists and numbers instead of arrays, array fields aside: the model "
            "has an __init__ of its own",
        )
    return value


def _guard_function(node: Node) -> Node:
    module = getattr(node["function"]["function"], "__module__", "") or ""
    return _refuse_arrays(node) if module.startswith("pydantic.") else node


def _keep(node: Node) -> Node:
    return node


_LISTS: Final = ("list", "tuple", "set", "frozenset", "generator", "deque", "named-tuple")
_UNGUARDED: Final = (
    # Nodes that pass on their input, or accept any object.
    *("any", "callable", "is-instance", "is-subclass", "nullable", "default", "union"),
    *("tagged-union", "chain", "lax-or-strict", "json-or-python", "custom-error"),
    *("function-before", "function-after", "function-wrap", "definitions", "definition-ref"),
    *("model-field", "typed-dict-field", "dataclass-field", "named-tuple-field"),
    *("model-fields", "dataclass-args", "arguments", "arguments-v3", "call"),
    *("computed-field", "missing-sentinel"),
    # Nodes that reject an array with one error.
    *("none", "str", "bytes", "literal", "typed-dict", "dataclass", "decimal", "date"),
    *("uuid", "url", "multi-host-url", "json"),
)
_GUARDED: Final[dict[str, Callable[[Node], Node]]] = {
    **dict.fromkeys(_UNGUARDED, _keep),
    **dict.fromkeys(_SCALARS, _guard_scalar),
    **dict.fromkeys(_LISTS, _guard_list),
    "dict": _guard_dict,
    "model": _guard_model,
    "function-plain": _guard_function,
}
"""The guard of each type of node; types that are not listed refuse arrays."""

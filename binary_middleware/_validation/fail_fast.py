"""Bounds to the number of errors that one list or map of a large document can cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic_core import PydanticCustomError

from binary_middleware._pydantic.core_schemas import Node

MAX_UNKNOWN_KEYS: Final = 100
"""Unknown keys of a map that are one error each, where a model forbids them."""

STOPPING: Final = frozenset({"list", "tuple", "set", "frozenset", "dict", "deque", "counter"})
"""Types of nodes that have the setting ``fail_fast``."""

_FIELDS: Final = frozenset({"model-fields", "dataclass-args", "typed-dict"})


def key_limit(node: Node) -> int | None:
    """Return how many keys a map may have, ``None`` where unknown keys are no errors."""
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
    named = sum(2 + (len(alias) if isinstance(alias, list) else 1) for alias in aliases)
    return named + MAX_UNKNOWN_KEYS


@lru_cache(maxsize=256)
def limit_keys(limit: int) -> Callable[[Any], Any]:
    """Return a validator that rejects a map with more than ``limit`` keys."""

    def check(value: Any) -> Any:
        if type(value) is dict and len(value) > limit:
            raise PydanticCustomError(
                "too_many_keys",
                "Input should have no unknown keys, got {count} keys",
                {"count": len(value)},
            )
        return value

    return check

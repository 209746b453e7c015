"""Rewriting pydantic's core schemas: the trees that validators and serializers are built from.

A binary client must meet the same model as a JSON client, but for arrays and bytes. Where the
validator or serializer that pydantic built differs, another one is built from a rewritten copy of
its schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from pydantic_core import CoreSchema

Rewrite = Callable[[dict[str, Any]], dict[str, Any]]
"""Return the node that replaces a copied node, whose children are rewritten already."""

_SERIALIZATION: Final = "serialization"
_KEYED_BY_NAME: Final = frozenset({"fields", "choices"})
"""Entries whose dicts have names of the user's for keys, not parts of a node."""
_OPAQUE: Final = frozenset(
    {
        *("cls", "config", "context", "custom_error_context", "default", "default_factory"),
        *("exclude", "expected", "function", "include", "members", "metadata", "missing"),
    }
)
"""Entries that hold no nodes, but may hold dicts of the user's that look like one."""


def rewrite_schema(
    schema: CoreSchema,
    *,
    validation: Rewrite | None = None,
    serialization: Rewrite | None = None,
    leave: Callable[[str, dict[str, Any]], bool] | None = None,
) -> CoreSchema:
    """Return a copy of a core schema with each of its nodes rewritten, the innermost first.

    Nodes that occur in several places are rewritten once, and shared in the copy as well.

    Args:
        schema: as in ``TypeAdapter.core_schema``; it is not changed.
        validation: applied to the nodes that validate, each of a type in
            ``pydantic_core.core_schema.CoreSchemaType``.
        serialization: applied to the nodes under ``serialization``.
        leave: whether a node stays as it is, with all that is in it, judged by the name of the
            entry that it stands in (``"schema"``, ``"keys_schema"``) and by itself.
    """
    done: dict[tuple[int, bool], Any] = {}

    def copy(value: Any, serializes: bool, entry: str, is_node: bool = True) -> Any:
        if isinstance(value, list):
            return [copy(item, serializes, entry) for item in value]
        if isinstance(value, tuple):  # a choice and its label
            return tuple(copy(item, serializes, entry) for item in value)
        if not isinstance(value, dict) or (leave is not None and leave(entry, value)):
            return value
        key = (id(value), serializes)
        if key not in done:
            if is_node:
                node = {name: copy_entry(name, item, serializes) for name, item in value.items()}
                rewrite = serialization if serializes else validation
                if rewrite is not None and type(node.get("type")) is str:
                    node = rewrite(node)
            else:
                node = {name: copy(item, serializes, entry) for name, item in value.items()}
            done[key] = node
        return done[key]

    def copy_entry(name: str, item: Any, serializes: bool) -> Any:
        if name in _OPAQUE:
            return item
        is_node = name not in _KEYED_BY_NAME
        return copy(item, serializes or name == _SERIALIZATION, name, is_node)

    return cast(CoreSchema, copy(schema, False, ""))

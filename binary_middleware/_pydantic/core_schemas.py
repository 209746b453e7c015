"""Rewriting of pydantic's core schemas, which validators and serializers are built from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from pydantic_core import CoreSchema

Node = dict[str, Any]
"""A part of a core schema: a dict with a ``type``."""

Rewrite = Callable[[Node], Node]
"""Returns the node that replaces a copied node, whose children are already rewritten."""

_SERIALIZATION: Final = "serialization"
_KEYED_BY_NAME: Final = frozenset({"fields", "choices"})
"""Entries whose keys are the user's names, not parts of a node."""
_OPAQUE: Final = frozenset(
    {
        *("cls", "config", "context", "custom_error_context", "default", "default_factory"),
        *("exclude", "expected", "function", "include", "members", "metadata", "missing"),
    }
)
"""Entries without nodes; they may hold the user's own dicts, which can look like nodes."""


def rewrite_schema(
    schema: CoreSchema,
    *,
    validation: Rewrite | None = None,
    serialization: Rewrite | None = None,
    keep: Callable[[str, Node], bool] | None = None,
) -> CoreSchema:
    """Return a copy of a core schema with each node rewritten, innermost first.

    A node that occurs in several places is rewritten once and shared in the copy, too.

    Args:
        schema: The schema, as in ``TypeAdapter.core_schema``. It is not modified.
        validation: Applied to the nodes that validate.
        serialization: Applied to the nodes under ``serialization``.
        keep: Whether to keep a node and everything in it, given the name of the entry that
            holds the node (``"schema"``, ``"keys_schema"``) and the node.
    """
    done: dict[tuple[int, bool], Any] = {}

    def copy(value: Any, serializes: bool, entry: str, is_node: bool = True) -> Any:
        if isinstance(value, (list, tuple)):  # a tuple is a choice and its label
            return type(value)([copy(item, serializes, entry) for item in value])
        if not isinstance(value, dict) or (keep is not None and keep(entry, value)):
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
        return copy(item, serializes or name == _SERIALIZATION, name, name not in _KEYED_BY_NAME)

    return cast(CoreSchema, copy(schema, False, ""))


def nodes_of(schema: CoreSchema) -> list[Node]:
    """Return copies of all nodes of a core schema that validate."""
    nodes: list[Node] = []

    def collect(node: Node) -> Node:
        nodes.append(node)
        return node

    rewrite_schema(schema, validation=collect)
    return nodes


def with_function(type_: str, function: Callable[..., Any], node: Node) -> Node:
    """Return a node of type ``function-before`` or ``function-wrap`` around a node.

    References to the inner node refer to the outer one.
    """
    inner = dict(node)
    ref = {"ref": inner.pop("ref")} if "ref" in inner else {}
    no_info = {"type": "no-info", "function": function}
    return {"type": type_, "function": no_info, "schema": inner, **ref}

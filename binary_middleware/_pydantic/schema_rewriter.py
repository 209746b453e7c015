"""Core schemas whose serializers return arrays, bytes and complex numbers themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from binary_middleware._pydantic.carriers import (
    CARRY,
    CARRY_TIMES,
    Carrier,
    carry,
    carry_float,
    carry_native,
    carrying,
)
from binary_middleware._pydantic.core_schemas import Node, rewrite_schema
from binary_middleware._pydantic.inferred import InferredSerializer
from binary_middleware._pydantic.json_views import json_view
from binary_middleware._pydantic.native import carry_container

DumpInstance = Callable[[Any, Any], Any]
"""Returns the document of a value by the serializer of its class, given pydantic's ``info``."""

_MEMBERS: Final = {
    "dict": "values_schema",
    **dict.fromkeys(("list", "tuple", "set", "frozenset"), "items_schema"),
}
"""Types of nodes of containers, and the entry of their members' node."""
_BRANCHES: Final[dict[str, type]] = {"dict": dict, "list": list}
_NATIVE: Final = frozenset({"bool", "float", "int", "none", "str"})
_UNDECLARED: Final = frozenset({"any", "callable", "function-plain", "is-instance", "is-subclass"})
"""Types of nodes whose values pydantic serializes by their own type."""


class SchemaRewriter:
    """Rewrites a schema so that arrays, bytes and complex numbers are carried.

    Args:
        settings: The configuration of the serializer that pydantic builds.
        keeps_times: Whether dates, decimals and the like are carried, too.
        dump_instance: Serializes instances of classes that the schema does not name.
    """

    config: Any
    """The configuration of the new serializer."""
    has_carriers = False
    """Whether any node was rewritten."""

    def __init__(
        self, settings: Mapping[str, Any], keeps_times: bool, dump_instance: DumpInstance
    ) -> None:
        self._has_nan_texts = settings.get("ser_json_inf_nan") == "strings"
        numbers = "strings" if self._has_nan_texts else "constants"
        self.config = {**settings, "ser_json_inf_nan": numbers}
        self._dump_instance = dump_instance
        self._inferred = InferredSerializer(self.config, keeps_times, dump_instance)
        self._undeclared = self._inferred.schema
        carried = {**CARRY, **CARRY_TIMES} if keeps_times else CARRY
        self._by_type: dict[str, Callable[[Node], Node]] = {
            **dict.fromkeys(_UNDECLARED, self._infer),
            **dict.fromkeys(carried, self._leaf),
            **dict.fromkeys(_MEMBERS, self._container),
            "typed-dict": self._with_extras,
            "model": self._class,
            "dataclass": self._class,
        }

    def rewrite(self, schema: Any) -> Any:
        """Return a rewritten copy of a whole schema."""
        copy: Any = rewrite_schema(
            schema, validation=self._rewrite, serialization=self._rewrite, keep=_is_of_keys
        )
        if "definitions" in copy:
            copy["definitions"] += [_for_keys(node) for node in schema["definitions"]]
        return self._with_nan_texts(copy) if self._has_nan_texts else copy

    def _rewrite(self, node: Node) -> Node:
        serialization = node.get("serialization")
        if type(serialization) is dict:
            return self._with_serialization(node, serialization)
        if callable(node.get("function")):
            return node  # a serialization, rewritten together with the node that has it
        rewrite = self._by_type.get(node["type"])
        return node if rewrite is None else rewrite(node)

    def _carrying(self, node: Node, serialization: Node) -> Node:
        self.has_carriers = True
        return {**node, "serialization": serialization}

    # -- nodes without a serializer of the user's --------------------------------------------------

    def _infer(self, node: Node) -> Node:
        return self._carrying(node, self._undeclared["serialization"])

    def _leaf(self, node: Node) -> Node:
        kind = node["type"]
        function = CARRY.get(kind) or CARRY_TIMES[kind]
        return self._carrying(node, carrying(function, "wrap", schema={"type": kind}))

    def _container(self, node: Node) -> Node:
        if self._holds_bytes(node):
            return self._carrying(
                node, carrying(carry_container, "wrap", info_arg=True, schema=node)
            )
        kind = node["type"]
        if "keys_schema" in node:
            node = {**node, "keys_schema": _for_keys(node["keys_schema"])}
        keys = node.get("keys_schema", {"type": "str"})
        members = node.get(_MEMBERS[kind], self._undeclared)
        if (
            kind in _BRANCHES
            and members.get("serialization") is self._undeclared["serialization"]
            and keys["type"] in ("any", "str")
            and "serialization" not in keys
        ):
            whole = self._inferred.for_container(_BRANCHES[kind])
            return self._carrying(node, carrying(whole, "wrap", info_arg=True, schema=node))
        return node

    def _holds_bytes(self, node: Node) -> bool | None:
        """Return whether values hold bytes beside JSON's types; ``None`` if they hold others."""
        kind, serialization = node["type"], node.get("serialization")
        if serialization is not None:
            function = serialization.get("function")
            return True if function is CARRY["bytes"] or function is carry_container else None
        if kind in _MEMBERS:
            members = node.get(_MEMBERS[kind], self._undeclared)
            parts = [*members] if type(members) is list else [members]
            parts += [node[name] for name in ("keys_schema",) if name in node]
        elif kind == "nullable":
            parts = [node["schema"]]
        elif kind == "union":
            parts = [choice[0] if type(choice) is tuple else choice for choice in node["choices"]]
        else:
            is_text = kind == "float" and self._has_nan_texts
            return False if kind in _NATIVE and not is_text else None
        found = [self._holds_bytes(part) for part in parts]
        return None if None in found else any(found)

    def _class(self, node: Node) -> Node:
        config = node.get("config") or {}
        if config.get("ser_json_inf_nan") == "strings":
            node = {**node, "schema": self._with_nan_texts(node["schema"])}
        node = self._with_extras(node)
        if not config.get("polymorphic_serialization"):
            return node
        # Pydantic would call the serializer of the subclass in front of this one.
        settings = {**config, "polymorphic_serialization": False}
        serialize = self._polymorphic(node["cls"])
        inner = {**node, "config": settings}
        return self._carrying(inner, carrying(serialize, "wrap", info_arg=True, schema=inner))

    def _polymorphic(self, cls: type) -> Callable[..., Carrier]:
        def serialize(value: Any, handler: Any, info: Any) -> Carrier:
            if type(value) is cls or not isinstance(value, cls):
                return carry(handler(value))
            return carry(self._dump_instance(value, info))

        return serialize

    def _with_extras(self, node: Node, config: Mapping[str, Any] | None = None) -> Node:
        """Infer the serialization of extra fields, if any are allowed and their type is not set."""
        config = node.get("config") or config or {}
        if node["type"] in ("model-fields", "typed-dict"):
            behavior = node.get("extra_behavior") or config.get("extra_fields_behavior")
            if behavior != "allow" or "extras_schema" in node:
                return node
            self.has_carriers = True
            return {**node, "extras_schema": self._undeclared}
        inner = node.get("schema")
        if type(inner) is not dict:
            return node
        return {**node, "schema": self._with_extras(inner, config)}

    def _with_nan_texts(self, schema: Any) -> Any:
        """Apply ``ser_json_inf_nan="strings"`` to the floats of a schema, classes in it aside."""

        def rewrite(node: Node) -> Node:
            if node["type"] != "float" or "serialization" in node:
                return node
            return self._carrying(node, carrying(carry_float, "wrap", schema={"type": "float"}))

        return rewrite_schema(
            schema,
            validation=rewrite,
            serialization=rewrite,
            keep=lambda entry, node: (
                _is_of_keys(entry, node) or node.get("type") in ("model", "dataclass")
            ),
        )

    # -- nodes with a serializer of the user's -----------------------------------------------------

    def _with_serialization(self, node: Node, serialization: Node) -> Node:
        if type(serialization.get("serialization")) is dict:  # a type instead of a function
            return {**node, "serialization": serialization["serialization"]}
        function: Any = serialization.get("function")
        if hasattr(function, "native") and hasattr(function, "to_json"):  # a NativeSerializer
            return self._carrying(node, carrying(carry_native(function)))
        kind = serialization["type"]
        if kind == "function-plain" and "return_schema" not in serialization:
            # It may return arrays and bytes.
            return self._carrying(node, {**serialization, "return_schema": self._undeclared})
        if kind == "function-wrap":
            position = 2 if serialization.get("is_field_serializer") else 1
            wrapping = {
                "return_schema": self._undeclared,
                **serialization,
                "function": self._with_json_views(function, position),
            }
            if "schema" not in serialization:
                inner = {name: item for name, item in node.items() if name != "serialization"}
                wrapping["schema"] = self._rewrite(inner)
            return self._carrying(node, wrapping)
        return node

    def _with_json_views(self, function: Any, position: int) -> Any:
        """Return a wrap serializer whose handler returns what it returns for JSON clients.

        Args:
            function: The user's serializer.
            position: The position of the handler among its arguments.
        """
        infer_text = self._inferred.text_of

        def serialize(*args: Any) -> Any:
            handler = args[position]

            def handle(*arguments: Any) -> Any:
                return json_view(handler(*arguments), infer_text)

            return function(*args[:position], handle, *args[position + 1 :])

        return wraps(function)(serialize)


def _is_of_keys(entry: str, _: Node) -> bool:
    return entry == "keys_schema"


def _for_keys(schema: Any) -> Any:
    """Return the schema of keys, with references to definitions of their own.

    Keys are text for binary clients as well, so that neither they nor what they refer to is
    rewritten.
    """

    def rename(node: Node) -> Node:
        return node | {
            name: f"{node[name]} as key" for name in ("ref", "schema_ref") if name in node
        }

    return rewrite_schema(schema, validation=rename, serialization=rename)

"""Rewriting of core schemas: every node, and nothing that merely looks like one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, field_serializer
from pydantic_core import SchemaSerializer, SchemaValidator

from binary_middleware._pydantic.core_schemas import rewrite_schema


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    # These names are also entries of schemas.
    metadata: dict[str, int] = {}
    default: int = 0
    type: str = "str"

    @field_serializer("default", when_used="json")
    def mask(self, value: int) -> str:
        return "***"


class Dog(BaseModel):
    kind: Literal["dog"]
    puppies: list[Dog] = []
    friends: set[int] | None = None


class Home(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    size: tuple[int, float] = (1, 2.0)
    extra: Any = Field(default={"type": "int"}, json_schema_extra={"type": "int"})


DOCUMENT = {
    "pets": [{"kind": "dog", "puppies": [{"kind": "dog", "friends": [1]}]}, {"kind": "cat"}],
    "size": [3, 4],
}


def test_copies_are_equal() -> None:
    schema = TypeAdapter(Home).core_schema
    copied = rewrite_schema(schema, validation=dict, serialization=dict)
    assert copied == schema
    assert copied is not schema


def test_every_node_is_rewritten_once() -> None:
    seen: list[dict[str, Any]] = []

    def note(node: dict[str, Any]) -> dict[str, Any]:
        seen.append(node)
        return node

    rewrite_schema(TypeAdapter(Home).core_schema, validation=note)
    types = [node["type"] for node in seen]
    expected = {"model": 3, "tagged-union": 1, "set": 1, "tuple": 1, "nullable": 1, "dict": 1}
    assert {name: types.count(name) for name in expected} == expected
    assert types.count("list") == 2
    assert seen.count({"type": "int"}) == 4


def test_validator_of_a_rewritten_schema() -> None:
    def fail_fast(node: dict[str, Any]) -> dict[str, Any]:
        return {**node, "fail_fast": True} if node["type"] in ("list", "set") else node

    schema = rewrite_schema(TypeAdapter(Home).core_schema, validation=fail_fast)
    validator = SchemaValidator(schema, _use_prebuilt=False)
    home = validator.validate_python(DOCUMENT)
    assert home == Home.model_validate(DOCUMENT)
    assert type(home.pets[0].puppies[0]) is Dog


def test_serializer_of_a_rewritten_schema() -> None:
    def always(node: dict[str, Any]) -> dict[str, Any]:
        return {**node, "when_used": "always"} if node.get("when_used") == "json" else node

    schema = rewrite_schema(TypeAdapter(Home).core_schema, serialization=always)
    home = Home.model_validate(DOCUMENT)
    dumped = SchemaSerializer(schema, _use_prebuilt=False).to_python(home)
    assert dumped["pets"][1]["default"] == "***"
    assert home.model_dump()["pets"][1]["default"] == 0
    assert dumped["extra"] == {"type": "int"}


def test_kept_nodes_are_the_same_objects() -> None:
    schema = TypeAdapter(dict[int, list[int]]).core_schema
    copied = rewrite_schema(
        schema,
        validation=lambda node: {**node, "seen": True},
        keep=lambda entry, _: entry == "keys_schema",
    )
    assert copied["keys_schema"] is schema["keys_schema"]
    assert copied["values_schema"]["items_schema"] == {"type": "int", "seen": True}

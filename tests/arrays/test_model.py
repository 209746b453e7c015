"""``ArrayModel``: dimensions of one name are of one size in the whole document."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar

import numpy as np
import pydantic.dataclasses
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from typing_extensions import TypeAliasType, TypedDict

from binary_middleware.arrays import (
    ArrayModel,
    ArraySpec,
    BoolArray,
    Dim,
    Int64Array,
    UInt8Array,
)

T = TypeVar("T")
Rows = Annotated[NDArray[np.int64], ArraySpec("n")]
Table = Annotated[NDArray[np.float64], ArraySpec("n", "columns")]


def rows(n: int) -> NDArray[np.int64]:
    return np.arange(n)


def table(n: int, columns: int) -> NDArray[np.float64]:
    return np.zeros((n, columns))


def itself(n: int, *children: Any) -> dict[str, Any]:
    return {"rows": rows(n), "children": children}


def places(kind: Any, value: Any) -> list[tuple[int | str, ...]]:
    """Where dimensions disagree; an error of another type is given with that."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as exc:
        return [
            error["loc"] if error["type"] == "array_dimension" else (error["type"], *error["loc"])
            for error in exc.errors()
        ]
    return []


# -- where arrays can be -----------------------------------------------------------------------


class Plain(BaseModel):
    rows: Rows


@dataclasses.dataclass
class StandardDataclass:
    rows: Rows


@pydantic.dataclasses.dataclass
class PydanticDataclass:
    rows: Rows


class Dictionary(TypedDict):
    rows: NotRequired[Rows]


class Named(NamedTuple):
    name: str
    rows: Rows


class Root(RootModel[list[Rows]]):
    pass


class Generics(BaseModel, Generic[T]):
    inner: T


class Itself(BaseModel):
    rows: Rows
    children: list[Itself] = Field(default_factory=list)


class One(BaseModel):
    kind: Literal["one"] = "one"
    rows: Rows


class Other(BaseModel):
    kind: Literal["other"] = "other"
    cells: Annotated[NDArray[np.int64], ArraySpec("n")]


Alias = TypeAliasType("Alias", list[Rows])
GenericAlias = TypeAliasType("GenericAlias", list[T], type_params=(T,))


class Everything(ArrayModel):
    first: Rows
    plain: Plain | None = None
    standard: StandardDataclass | None = None
    pydantic: PydanticDataclass | None = None
    dictionary: Dictionary | None = None
    named: Named | None = None
    root: Root | None = None
    generic: Generics[list[Plain]] | None = None
    itself: Itself | None = None
    choice: One | Other | None = None
    tagged: Annotated[One | Other, Field(discriminator="kind")] | None = None
    either: Table | Rows | None = None
    items: list[Rows] | None = None
    sequence: Sequence[Rows] | None = None
    double: deque[Rows] | None = None
    several: tuple[Rows, ...] | None = None
    fixed: tuple[int, Rows, Plain] | None = None
    by_key: dict[str, list[Rows]] | None = None
    by_number: Mapping[int, Rows] | None = None
    alias: Alias | None = None
    generic_alias: GenericAlias[Rows] | None = None
    other: dict[str, list[int]] | None = None


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"plain": {"rows": rows(3)}}, ("plain", "rows")),
        ({"plain": Plain(rows=rows(3))}, ("plain", "rows")),
        ({"standard": {"rows": rows(3)}}, ("standard", "rows")),
        ({"standard": StandardDataclass(rows(3))}, ("standard", "rows")),
        ({"pydantic": {"rows": rows(3)}}, ("pydantic", "rows")),
        ({"dictionary": {"rows": rows(3)}}, ("dictionary", "rows")),
        ({"named": ("x", rows(3))}, ("named", 1)),
        ({"root": [rows(2), rows(3)]}, ("root", 1)),
        ({"generic": {"inner": [{"rows": rows(3)}]}}, ("generic", "inner", 0, "rows")),
        ({"itself": {"rows": rows(3)}}, ("itself", "rows")),
        (
            {"itself": itself(2, itself(3))},
            ("itself", "children", 0, "rows"),
        ),
        (
            {"itself": itself(2, itself(2, itself(2), itself(3)))},
            ("itself", "children", 0, "children", 1, "rows"),
        ),
        ({"choice": {"rows": rows(3)}}, ("choice", "rows")),
        ({"choice": {"cells": rows(3)}}, ("choice", "cells")),
        ({"tagged": {"kind": "other", "cells": rows(3)}}, ("tagged", "cells")),
        ({"either": rows(3)}, ("either",)),
        ({"either": table(3, 2)}, ("either",)),
        ({"items": [rows(2), rows(3)]}, ("items", 1)),
        ({"sequence": (rows(2), rows(3))}, ("sequence", 1)),
        ({"double": [rows(2), rows(3)]}, ("double", 1)),
        ({"several": [rows(2), rows(3)]}, ("several", 1)),
        ({"fixed": [3, rows(3), {"rows": rows(2)}]}, ("fixed", 1)),
        ({"fixed": [3, rows(2), {"rows": rows(3)}]}, ("fixed", 2, "rows")),
        ({"by_key": {"a": [], "b": [rows(2), rows(3)]}}, ("by_key", "b", 1)),
        ({"by_number": {7: rows(3)}}, ("by_number", 7)),
        ({"alias": [rows(3)]}, ("alias", 0)),
        ({"generic_alias": [rows(3)]}, ("generic_alias", 0)),
    ],
    ids=lambda value: ".".join(map(str, value)),
)
def test_an_array_that_differs_is_an_error_at_its_place(value: Any, place: Any) -> None:
    assert places(Everything, {"first": rows(2), **value}) == [place]
    assert places(list[Everything], [{"first": rows(3)}, {"first": rows(2), **value}]) == [
        (1, *place)
    ]


def test_arrays_that_agree_are_accepted() -> None:
    value = {
        "first": rows(2),
        "plain": {"rows": rows(2)},
        "dictionary": {},
        "root": [],
        "itself": {"rows": rows(2), "children": [{"rows": rows(2)}]},
        "either": table(2, 9),
        "fixed": (1, rows(2), {"rows": rows(2)}),
        "other": {"a": [1, 2]},
    }
    assert places(Everything, value) == []


def test_the_message_tells_what_was_expected_and_where_the_size_comes_from() -> None:
    class Batch(ArrayModel):
        images: Annotated[NDArray[np.uint8], ArraySpec("batch", None, None, 3)]
        parts: list[Annotated[NDArray[np.int64], ArraySpec("batch", "k")]]

    with pytest.raises(ValidationError) as info:
        Batch(images=np.zeros((10, 2, 2, 3), "u1"), parts=[np.zeros((12, 4), int)])
    (error,) = info.value.errors()
    assert error["msg"] == (
        "Input should be an array whose 'batch' is that of images: "
        "expected int64 (batch, k) with batch=10, got 12"
    )
    assert error["ctx"]["known"] == 10
    assert error["ctx"]["size"] == 12
    assert error["input"] == "<ndarray (12, 4)>"
    assert info.value.title == "Batch"


def test_every_array_that_differs_is_reported() -> None:
    value = {"first": rows(2), "items": [rows(1), rows(2), rows(3)], "either": table(4, 1)}
    assert places(Everything, value) == [("either",), ("items", 0), ("items", 2)]


def test_an_array_is_reported_once_for_each_name() -> None:
    class Model(ArrayModel):
        first: Rows
        square: Annotated[NDArray[np.float64], ArraySpec("n", "n")]

    assert places(Model, {"first": rows(2), "square": table(3, 3)}) == [("square",)]


def test_each_name_is_on_its_own() -> None:
    class Model(ArrayModel):
        left: Annotated[NDArray[np.float64], ArraySpec("n", "k")]
        right: Annotated[NDArray[np.float64], ArraySpec("k", "m")]
        free: Annotated[NDArray[np.float64], ArraySpec(None, Dim(le=9))]

    assert places(Model, {"left": table(2, 3), "right": table(3, 5), "free": table(9, 9)}) == []
    assert places(Model, {"left": table(2, 3), "right": table(2, 5), "free": table(1, 1)}) == [
        ("right",)
    ]


def test_arrays_without_names_are_let_alone() -> None:
    class Model(ArrayModel):
        one: Int64Array
        two: list[Annotated[NDArray[np.int64], ArraySpec(None)]]

    assert places(Model, {"one": rows(2), "two": [rows(3), rows(4)]}) == []


def test_the_fault_of_an_array_itself_comes_first() -> None:
    with pytest.raises(ValidationError) as info:
        Everything(first=rows(2), items=[rows(3), np.zeros(3)])
    assert [error["type"] for error in info.value.errors()] == ["array_dtype"]


# -- names of fields ---------------------------------------------------------------------------


def test_the_place_is_that_of_the_document() -> None:
    class Model(ArrayModel):
        first: Rows
        alias: Rows | None = Field(None, alias="the alias")
        validation: Rows | None = Field(None, validation_alias="in", serialization_alias="out")
        choices: Rows | None = Field(None, validation_alias=AliasChoices("a", "b"))
        path: Rows | None = Field(None, validation_alias=AliasPath("outer", 1, "inner"))

    assert places(
        Model,
        {
            "first": rows(2),
            "the alias": rows(3),
            "in": rows(3),
            "a": rows(3),
            "outer": [0, {"inner": rows(3)}],
        },
    ) == [("the alias",), ("in",), ("a",), ("outer", 1, "inner")]


@pytest.mark.parametrize("setting", ["loc_by_alias", "validate_by_alias"])
def test_the_place_is_the_name_where_pydantic_has_it_so(setting: str) -> None:
    class Model(ArrayModel):
        model_config = ConfigDict(**{"validate_by_name": True, setting: False})  # type: ignore[typeddict-item]

        first: Rows
        second: Rows = Field(alias="alias")

    assert places(Model, {"first": rows(2), "second": rows(3)}) == [("second",)]


# -- models in models --------------------------------------------------------------------------


class Inner(ArrayModel):
    rows: Rows
    more: Rows


class Outer(BaseModel):
    inner: Inner
    rows: Rows


class Document(ArrayModel):
    outer: Outer
    rows: Rows


def test_an_inner_model_checks_its_own_part() -> None:
    inner = {"rows": rows(2), "more": rows(3)}
    assert places(Outer, {"inner": inner, "rows": rows(9)}) == [("inner", "more")]
    assert places(Document, {"outer": {"inner": inner, "rows": rows(9)}, "rows": rows(9)}) == [
        ("outer", "inner", "more")
    ]


def test_a_plain_model_checks_nothing_of_its_own() -> None:
    value = {"inner": {"rows": rows(2), "more": rows(2)}, "rows": rows(9)}
    assert places(Outer, value) == []
    assert places(Document, {"outer": value, "rows": rows(2)}) == [("outer", "rows")]


def test_models_that_were_made_before_are_seen() -> None:
    outer = Outer(inner=Inner(rows=rows(2), more=rows(2)), rows=rows(2))
    assert places(Document, {"outer": outer, "rows": rows(2)}) == []
    assert places(Document, {"outer": outer, "rows": rows(3)}) == [("rows",)]
    outer.rows = rows(5)
    assert places(Document, {"outer": outer, "rows": rows(2)}) == [("outer", "rows")]


def test_values_of_the_default_and_of_construct_are_seen_if_they_are_arrays() -> None:
    class Model(ArrayModel):
        first: Rows
        second: Rows = Field(default_factory=lambda: rows(3))
        plain: Plain | None = None

    assert places(Model, {"first": rows(2)}) == [("second",)]
    bare = Plain.model_construct()
    assert places(Model, {"first": rows(3), "plain": bare}) == []
    wrong = Plain.model_construct(rows=[1, 2])
    assert places(Model, {"first": rows(3), "plain": wrong}) == []


def test_assignment_is_checked() -> None:
    class Model(ArrayModel, validate_assignment=True):
        one: Rows
        two: Rows

    model = Model(one=rows(2), two=rows(2))
    with pytest.raises(ValidationError) as info:
        model.two = rows(3)
    assert info.value.errors()[0]["loc"] == ("two",)
    model.two = rows(2)


def test_subclasses_and_mixins() -> None:
    class Base(BaseModel):
        one: Rows

    class Mixed(ArrayModel, Base):
        two: Rows

    class Derived(Mixed):
        three: Rows

    value = {"one": rows(2), "two": rows(3), "three": rows(4)}
    assert places(Mixed, value) == [("two",)]
    assert places(Derived, value) == [("two",), ("three",)]


# -- members of a union that were tried --------------------------------------------------------


class Wide(BaseModel):
    rows: Rows
    cells: Table
    flag: Literal[True]


class Narrow(BaseModel):
    rows: Annotated[NDArray[np.int64], ArraySpec("k")]
    flag: bool


def test_members_of_a_union_that_failed_leave_no_trace() -> None:
    class Model(ArrayModel):
        choice: Wide | Narrow
        last: Rows

    # Wide takes the rows, by the name "n", before it fails.
    value = {"choice": {"rows": rows(5), "cells": table(5, 1), "flag": False}, "last": rows(2)}
    assert places(Model, value) == []
    value["choice"] = {"rows": rows(5), "cells": table(5, 1), "flag": True}
    assert places(Model, value) == [("last",)]


def test_members_of_a_union_that_are_arrays_bind_the_names_of_the_first_that_fits() -> None:
    class Model(ArrayModel):
        either: (
            Annotated[NDArray[np.int64], ArraySpec(3)]
            | Rows
            | Annotated[BoolArray, ArraySpec("n", "n")]
        )
        last: Rows

    assert places(Model, {"either": rows(3), "last": rows(9)}) == []
    assert places(Model, {"either": rows(4), "last": rows(9)}) == [("last",)]
    assert places(Model, {"either": np.zeros((4, 4), bool), "last": rows(9)}) == [("last",)]
    assert places(Model, {"either": np.zeros((9, 9), bool), "last": rows(9)}) == []


def test_lists_of_one_kind_or_another() -> None:
    class Model(ArrayModel):
        first: Rows
        items: list[One] | list[Other]

    assert places(Model, {"first": rows(2), "items": [{"rows": rows(2)}, {"rows": rows(3)}]}) == [
        ("items", 1, "rows")
    ]
    assert places(Model, {"first": rows(2), "items": [{"cells": rows(3)}]}) == [
        ("items", 0, "cells")
    ]


# -- nothing leaks from one validation into another --------------------------------------------


class Nested(ArrayModel):
    first: Rows
    second: Rows

    @field_validator("second")
    @classmethod
    def validate_others(cls, value: Any) -> Any:
        """Validate documents of other sizes while this one is being validated."""
        for size in (1, 7):
            assert Document(
                outer=Outer(inner=Inner(rows=rows(size), more=rows(size)), rows=rows(size)),
                rows=rows(size),
            )
            assert places(Inner, {"rows": rows(size), "more": rows(size + 1)}) == [("more",)]
        return value


def test_validation_within_validation() -> None:
    assert places(Nested, {"first": rows(3), "second": rows(3)}) == []
    assert places(Nested, {"first": rows(3), "second": rows(4)}) == [("second",)]


def check(size: int) -> None:
    for _ in range(20):
        assert places(Nested, {"first": rows(size), "second": rows(size)}) == []
        assert places(Nested, {"first": rows(size), "second": rows(size + 1)}) == [("second",)]


def test_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(16)))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(0, 3))
def test_those_that_differ_from_the_first_are_found(sizes: list[int], first: int) -> None:
    found = places(Everything, {"first": rows(first), "items": [rows(size) for size in sizes]})
    assert found == [("items", index) for index, size in enumerate(sizes) if size != first]


# -- equality ----------------------------------------------------------------------------------


class Measurement(ArrayModel):
    name: str = "m"
    samples: Annotated[NDArray[np.float32], ArraySpec("n", casting="safe")]
    more: list[Annotated[NDArray[np.int64], ArraySpec()]] = Field(default_factory=list)
    either: Annotated[NDArray[np.uint8], ArraySpec(2)] | BoolArray | None = None
    table: dict[str, UInt8Array] = Field(default_factory=dict)


NAN = np.array([np.nan, 1], "f4")


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ({}, {"samples": NAN.copy()}, True),
        ({}, {"samples": NAN[::-1]}, False),
        ({}, {"samples": NAN[:1]}, False),
        ({"name": "x"}, {"name": "y"}, False),
        ({"more": [np.arange(2)]}, {"more": [np.arange(2)]}, True),
        ({"more": [np.arange(2)]}, {"more": []}, False),
        ({"either": np.zeros(2, "u1")}, {}, False),
        ({"either": np.zeros(2, "u1")}, {"either": np.zeros(2, "?")}, False),
        ({"table": {"a": np.zeros(1, "u1")}}, {"table": {"a": np.ones(1, "u1")}}, False),
        ({"table": {"a": np.zeros(1, "u1")}}, {"table": {"b": np.zeros(1, "u1")}}, False),
    ],
)
def test_equality_of_models(left: Any, right: Any, equal: bool) -> None:
    one, other = (Measurement(**{"samples": NAN, **values}) for values in (left, right))
    assert (one == other) is equal
    assert (one != other) is not equal
    assert one != left


def test_equality_sees_extra_values_private_ones_and_other_models() -> None:
    class Inner(BaseModel):
        array: UInt8Array

    class Outer(ArrayModel, extra="allow"):
        inner: Inner
        _private: int = 0

    def outer(**more: Any) -> Outer:
        return Outer(inner=Inner(array=np.zeros(2, "u1")), **more)

    assert outer() == outer()
    assert outer(x=np.arange(2)) == outer(x=np.arange(2))
    assert outer(x=np.arange(2)) != outer(x=np.arange(3))
    other = outer()
    other._private = 1
    assert outer() != other
    other = outer()
    other.inner.array[0] = 1
    assert outer() != other
    with pytest.raises(ValueError, match="ambiguous"):
        assert outer().inner == outer().inner


def test_models_with_arrays_are_no_keys() -> None:
    class Frozen(ArrayModel, frozen=True):
        array: UInt8Array

    for model in (Frozen(array=np.zeros(1, "u1")), Measurement(samples=NAN)):
        with pytest.raises(TypeError, match="unhashable"):
            hash(model)

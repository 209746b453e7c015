"""Arrays reach fields exactly or not at all, and the number of errors is bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgpack
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    create_model,
    model_validator,
)

from binary_middleware._validation.errors import MAX_ERRORS
from binary_middleware._validation.validator import LARGE_STRUCTURE, DocumentValidator
from binary_middleware.arrays import ArraySpec
from binary_middleware.fields import NumpyArrayField
from binary_middleware.formats.base import DocumentFacts
from tests.hostile.kinds import KINDS, Sized
from tests.hostile.values import PLAIN
from tests.sameness import same

MIB = 2**20
ARRAYS = DocumentFacts(100, holds_arrays=True, holds_scalars=True, max_structure_size=8 * MIB)
NO_ARRAYS = DocumentFacts(100, holds_arrays=False, holds_scalars=False, max_structure_size=8 * MIB)
LARGE = ARRAYS._replace(structure_size=LARGE_STRUCTURE + 1)


def validated(kind: Any, value: Any, facts: DocumentFacts = ARRAYS) -> Any:
    result, errors = DocumentValidator(TypeAdapter(kind), from_attributes=True).validate(
        value, facts
    )
    assert not errors, errors
    return result


def errors_of(kind: Any, value: Any, facts: DocumentFacts = ARRAYS) -> list[dict[str, Any]]:
    result, errors = DocumentValidator(TypeAdapter(kind), from_attributes=True).validate(
        value, facts
    )
    assert errors, result
    return errors


# -- arrays for fields without an array type -------------------------------------------------------

LARGE_INT = 1234567890123456789
EXACT: list[tuple[Any, Any, Any]] = [
    (list[int], np.array([LARGE_INT, 2**62 + 1]), [LARGE_INT, 2**62 + 1]),
    (list[int], np.array([2**64 - 1], "u8"), [2**64 - 1]),
    (list[int], np.array([1, 2], ">i2"), [1, 2]),
    (list[float], np.array([0.1, 2]), [0.1, 2.0]),
    (list[float], np.array([0.1], "f4"), [float(np.float32(0.1))]),
    (list[bool], np.array([True, False]), [True, False]),
    (list[str], np.array(["a", "bc"]), ["a", "bc"]),
    (list[complex], np.array([1 + 2j]), [1 + 2j]),
    (list[list[float]], np.array([[1.0, 2.0], [3.0, 4.0]]), [[1.0, 2.0], [3.0, 4.0]]),
    (list[Any], np.array([LARGE_INT]), [LARGE_INT]),
    (set[int], np.array([1, 1, LARGE_INT]), {1, LARGE_INT}),
    (frozenset[int], np.array([1]), frozenset({1})),
    (tuple[int, ...], np.array([LARGE_INT]), (LARGE_INT,)),
    (tuple[int, float], np.array([1, 2]), (1, 2.0)),
    (deque[int], np.array([LARGE_INT]), deque([LARGE_INT])),
    (list[int] | None, np.array([LARGE_INT]), [LARGE_INT]),
    (list[int] | list[str], np.array(["a"]), ["a"]),
    (dict[str, list[int]], {"a": np.array([LARGE_INT])}, {"a": [LARGE_INT]}),
    (list[int], [np.array(LARGE_INT), 2], [LARGE_INT, 2]),
    (dict[str, int], {"a": np.array(LARGE_INT)}, {"a": LARGE_INT}),
    (int, np.array(LARGE_INT), LARGE_INT),
    (int, np.array(2.0), 2),
    (float, np.array(1.5), 1.5),
    (float, np.longdouble("0.1"), float(np.longdouble("0.1"))),
    (bool, np.array(True), True),
    (list[int], np.zeros(0), []),
]


@pytest.mark.parametrize(("kind", "sent", "expected"), EXACT, ids=[str(case[:2]) for case in EXACT])
@pytest.mark.parametrize("facts", [ARRAYS, LARGE], ids=["small", "large"])
def test_elements_are_exact(kind: Any, sent: Any, expected: Any, facts: DocumentFacts) -> None:
    assert same(validated(kind, sent, facts), expected)


class Parts(BaseModel):
    hex: str = ""
    real: Any = None


REFUSED: list[tuple[Any, Any, str]] = [
    (list[int], np.zeros(1, [("a", "i4")]), "array_as_list"),
    (list[Any], np.zeros(2, "M8[ns]"), "array_as_list"),
    (list[Any], np.zeros(2, "m8[s]"), "array_as_list"),
    (list[bytes], np.array([b"a\x00", b"b"], "S3"), "array_as_list"),
    (list[float], np.array([0.1], "longdouble"), "array_as_list"),
    (list[int], np.array(5), "array_as_list"),
    (list[str], np.frombuffer(b"\xff\xff\xff\x7f", "<U1"), "string_unicode"),
    (list[str], np.frombuffer(b"\x00\xd8\0\0", "<U1"), "string_unicode"),
    (list[list[float]], np.zeros((2**40, 0)), "array_as_list"),
    (list[str], np.zeros(8 * MIB, "u1"), "array_as_list"),
    (Sized, np.zeros(3), "model_attributes_type"),
    (Sized, np.datetime64(5, "s"), "model_attributes_type"),
    (list[Sized], [np.zeros(3)], "model_attributes_type"),
    (Parts, UUID(int=5), "model_attributes_type"),
    (Parts, Decimal(5), "model_attributes_type"),
    (int, np.array([1]), "int_type"),
    (int, np.array(1.5), "int_type"),
    (int, np.datetime64(5, "ns"), "int_type"),
    (int, np.longdouble(2) ** 63 + 1, "int_type"),
    (float, np.timedelta64(5), "float_type"),
    (Literal["a"], np.array(["a"]), "literal_error"),
    (str, np.array(["a"]), "string_type"),
    (KINDS["datetime"], np.datetime64(5, "ns"), "datetime_type"),
    (KINDS["enum"], np.zeros(1, [("a", "i4")]), "array_not_expected"),
    (KINDS["enum"], np.array([1]), "array_not_expected"),
    (KINDS["named-tuple"], np.zeros(2, "M8[s]"), "array_as_list"),
]


@pytest.mark.parametrize(
    ("kind", "sent", "type_"),
    REFUSED,
    ids=[f"{case[2]} {index}" for index, case in enumerate(REFUSED)],
)
def test_arrays_without_an_exact_form_are_one_error(kind: Any, sent: Any, type_: str) -> None:
    facts = ARRAYS._replace(max_structure_size=4 * MIB)
    if type(sent) is np.ndarray and sent.dtype == "u1":
        sent = sent + np.uint8(200)  # two bytes each
    (error,) = errors_of(kind, sent, facts)
    assert error["type"] == type_
    place = error["loc"]
    assert error["input"] is (sent[0] if place else sent)


def test_errors_name_the_member_and_the_original_input() -> None:
    array = np.zeros(2)
    sent = {"a": 1, "b": array}
    errors = errors_of(dict[str, int], sent)
    assert [(error["loc"], error["type"]) for error in errors] == [(("b",), "int_type")]
    assert errors[0]["input"] is array
    short = Annotated[list[int], Field(max_length=1)]
    items = [np.array(1), np.array(2)]
    assert errors_of(short, items)[0]["input"] is items
    long = np.arange(5)
    assert errors_of(short, long)[0]["input"] is long


def test_elements_count_as_structure() -> None:
    limit = 100_000
    facts = ARRAYS._replace(max_structure_size=limit)
    assert validated(list[float], np.zeros(10_000), facts) == [0.0] * 10_000
    (error,) = errors_of(list[float], np.zeros(12_000), facts)
    assert f"max_structure_size ({limit} bytes)" in error["msg"]
    # The rest of the document and all of its arrays count as well.
    assert errors_of(list[float], np.zeros(10_000), facts._replace(structure_size=20_000))
    assert errors_of(list[list[float]], [np.zeros(6_000), np.ones(6_000)], facts)
    # An array counts once, even if it is tried for several choices of a union.
    union = list[bool] | list[str] | list[int] | list[float]
    assert validated(union, np.full(10_000, 0.5), facts) == [0.5] * 10_000


def test_array_fields_get_the_array_itself() -> None:
    array = np.arange(3.0)

    class Model(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        anything: Any
        instance: np.ndarray
        typed: Annotated[NDArray[np.float64], ArraySpec("n")]
        field: NumpyArrayField
        either: Annotated[NDArray[np.float64], ArraySpec()] | list[int]
        before: Annotated[list[float], BeforeValidator(lambda value: (value + 1).tolist())]
        wrapped: Annotated[Any, WrapValidator(lambda value, handler: handler(value * 2))]
        after: Annotated[np.ndarray, AfterValidator(lambda value: value[1:])]
        nested: dict[str, list[Any]]

        @model_validator(mode="before")
        @classmethod
        def _see(cls, data: Any) -> Any:
            assert type(data["typed"]) is np.ndarray
            return data

    names = ("anything", "instance", "typed", "field", "either", "before", "wrapped", "after")
    model = validated(Model, {**dict.fromkeys(names, array), "nested": {"a": [array]}})
    assert model.anything is model.instance is model.typed is model.field.array is array
    assert model.either is array
    assert model.before == [1.0, 2.0, 3.0]
    assert model.wrapped.tolist() == [0.0, 2.0, 4.0]
    assert model.after.tolist() == [1.0, 2.0]
    assert model.nested["a"][0] is array


def test_instances_are_of_the_models_own_class() -> None:
    class Inner(BaseModel):
        values: list[int]

    class Outer(BaseModel):
        inner: Inner
        more: list[Inner] = []

    outer = validated(Outer, {"inner": {"values": np.array([LARGE_INT])}, "more": []})
    assert type(outer.inner) is Inner
    assert outer.inner.values == [LARGE_INT]
    assert outer.model_fields_set == {"inner", "more"}


class Tree(BaseModel):
    values: list[int] = []
    children: list[Tree] = []


def test_recursive_models() -> None:
    array = np.array([LARGE_INT])
    tree = validated(Tree, {"children": [{"children": [{"values": array}]}]})
    assert tree.children[0].children[0].values == [LARGE_INT]
    errors = errors_of(Tree, {"children": [{"children": [{"values": np.zeros(1, "V3")}]}]})
    assert errors[0]["loc"] == ("children", 0, "children", 0, "values")


def test_models_with_their_own_init_reject_arrays_for_lists() -> None:
    kind = KINDS["own-init"]
    (error,) = errors_of(kind, {"values": np.array([LARGE_INT])})
    assert error["type"] == "array_as_list"
    array = np.zeros(2)
    model = validated(kind, {"values": [1], "array": array})
    assert model.values == [1]
    assert model.array is array


def test_validators_that_raise_for_arrays_are_one_error() -> None:
    def ambiguous(value: Any) -> Any:
        return value if value else None

    def raises(value: Any) -> Any:
        return value.get("key")

    for function in (ambiguous, raises):
        kind = Annotated[Any, BeforeValidator(function)]
        assert errors_of(kind, np.zeros(2))
    # Without arrays the exception is the app's own, as for JSON clients.
    with pytest.raises(AttributeError):
        validated(Annotated[Any, BeforeValidator(raises)], 5, NO_ARRAYS)


def test_tags_of_unions_name_the_choices_in_errors() -> None:
    kind = Annotated[list[int], Tag("numbers")] | Annotated[list[bool], Tag("flags")]
    places = [error["loc"] for error in errors_of(kind, [np.array("x")])]
    assert places == [("numbers", 0), ("flags", 0)]


def test_types_without_a_guarded_validator_reject_arrays(caplog: pytest.LogCaptureFixture) -> None:
    """The configuration of an adapter is not in its schema, which cannot be rewritten then."""
    validator = DocumentValidator(TypeAdapter(list[int], config=ConfigDict(strict=True)))
    value, errors = validator.validate([1, np.zeros(2)], ARRAYS)
    assert value is None
    assert [error["type"] for error in errors] == ["arrays_not_supported"]
    assert "for arrays, which are rejected" in caplog.text
    assert validator.validate([1, 2], NO_ARRAYS) == ([1, 2], [])
    _, errors = validator.validate(["x"] * 5000, LARGE._replace(holds_arrays=False))
    assert [error["type"] for error in errors] == ["too_many_errors"]


# -- documents without arrays ----------------------------------------------------------------------


def _outcome(validate: Callable[[], Any]) -> Any:
    try:
        value, errors = validate()
    except ValidationError as exc:
        return [(each["loc"], each["type"], each["msg"]) for each in exc.errors()]
    except Exception as exc:
        return type(exc)
    if errors:
        return [(each["loc"], each["type"], each["msg"]) for each in errors]
    return value


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_guards_do_not_affect_other_documents(kind: str) -> None:
    adapter = TypeAdapter(KINDS[kind])
    validator = DocumentValidator(adapter)
    for sent, packed in PLAIN.items():
        value = msgpack.unpackb(packed)
        own = _outcome(lambda value=value: (adapter.validate_python(value), []))
        if isinstance(own, type) or type(own).__name__ in ("ValidatorIterator", "generator"):
            continue
        guarded = _outcome(lambda value=value: validator.validate(value, ARRAYS))
        assert same(guarded, own) or repr(guarded) == repr(own), sent
        if type(own) is not list or len(own) < 2:
            large = _outcome(lambda value=value: validator.validate(value, LARGE))
            assert same(large, own) or repr(large) == repr(own), sent


# -- many errors -----------------------------------------------------------------------------------


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 0


@dataclass
class Row:
    size: int


MANY: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "list": (list[str], lambda count: [1] * count),
    "rows": (list[list[str]], lambda count: [[1] * 10] * (count // 10)),
    "set": (set[str], lambda count: [1] * count),
    "tuple": (tuple[str, ...], lambda count: [1] * count),
    "dict": (dict[str, str], lambda count: {str(key): 1 for key in range(count)}),
    "keys": (dict[int, Any], lambda count: {f"k{key}": 1 for key in range(count)}),
    "unknown keys": (Forbidding, lambda count: {f"k{key}": 1 for key in range(count)}),
    "models": (list[Sized], lambda count: [{}] * count),
    "dataclasses": (list[Row], lambda count: [{}] * count),
    "union": (list[int] | list[bool], lambda count: ["x"] * count),
    "unions": (list[int | bool | None], lambda count: ["x"] * count),
    "array": (list[str], lambda count: np.zeros(count, "u1")),
    "column": (list[float], lambda count: np.zeros((count // 10, 1))),
    "models within": (
        dict[str, Forbidding],
        lambda count: {"a": dict.fromkeys(map(str, range(count)))},
    ),
}


@pytest.mark.parametrize("name", MANY)
def test_errors_are_few(name: str) -> None:
    kind, make = MANY[name]
    few = errors_of(kind, make(50))
    assert len(few) >= 5
    facts = NO_ARRAYS._replace(holds_arrays=name in ("array", "column"))
    for count, size in ((20_000, 20_000), (200_000, 200_000)):
        errors = errors_of(kind, make(count), facts._replace(structure_size=size))
        assert 1 <= len(errors) <= 110


def test_small_documents_report_every_error() -> None:
    assert len(errors_of(list[str], [1] * MAX_ERRORS, NO_ARRAYS)) == MAX_ERRORS
    assert len(errors_of(list[str], [1] * (MAX_ERRORS + 1), NO_ARRAYS)) == 1


Wide = create_model("Wide", **{f"field_{number}": (int, ...) for number in range(100)})


def test_models_of_many_fields() -> None:
    """An empty map, one byte, is an error for each field of its model."""
    facts = NO_ARRAYS._replace(structure_size=60_000)
    rows = [{}] * 60_000
    assert len(errors_of(list[Wide], rows, facts)) == 100
    # The errors of few maps are all reported, whatever the size of the rest.
    text = {"field_0": "x" * 10_000}
    assert len(errors_of(list[Wide], [text] * 6, facts)) == 600
    # So is the one error of a document that is a single value.
    assert len(errors_of(list[Wide], "x" * 60_000, facts)) == 1


def test_large_documents_are_valid() -> None:
    rows = [{"size": number} for number in range(1000)]
    facts = NO_ARRAYS._replace(structure_size=MIB)
    assert validated(list[Sized], rows, facts) == [Sized(size=number) for number in range(1000)]


def test_sequences_and_iterables() -> None:
    assert list(validated(Iterable[int], np.array([LARGE_INT]))) == [LARGE_INT]
    assert len(errors_of(Sequence[int], np.zeros(MIB))) == 1

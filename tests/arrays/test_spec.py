"""``ArraySpec``: what is declared, what is accepted, and models that hold arrays."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, TypeVar

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from scipy import sparse
from typing_extensions import TypeAliasType

from binary_middleware import EncodeError, NumpyArrayField, arrays, packb, unpackb
from binary_middleware.arrays import (
    ArrayModel,
    ArraySpec,
    BoolArray,
    Complex64Array,
    Dim,
    Float32Array,
    UInt8Array,
)
from binary_middleware.fields import to_map
from tests.array_likes import OffersArray, OffersDLPack, OnAnotherDevice, error_of
from tests.arrays.adapters import MISMATCH, POINT, adapter, refusal

S = TypeVar("S", bound=np.generic)

# -- what is declared --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        (NDArray[np.float32], ArraySpec("batch", 3), "float32 (batch, 3)"),
        (NDArray[np.float32], ArraySpec(), "float32"),
        (NDArray[np.float32], ArraySpec(shape=()), "float32 ()"),
        (NDArray[np.float32], ArraySpec(shape=["n"]), "float32 (n,)"),
        (NDArray[np.uint8], ArraySpec(None, 3, ...), "uint8 (*, 3, ...)"),
        (NDArray[np.uint8], ArraySpec(..., "h", "w"), "uint8 (..., h, w)"),
        (
            NDArray[np.uint8],
            ArraySpec(Dim(ge=1), Dim(le=8), Dim(ge=2, le=4)),
            "uint8 (1.., 0..8, 2..4)",
        ),
        (NDArray[np.uint8], ArraySpec(Dim("n", le=8), Dim("m", ge=3, le=3)), "uint8 (n=0..8, m=3)"),
        (NDArray[np.bool_], ArraySpec(), "bool"),
        (NDArray[np.float32 | np.float64], ArraySpec(2), "float32 or float64 (2,)"),
        (NDArray[np.floating], ArraySpec(), "floating"),
        (NDArray[np.floating[Any]], ArraySpec(), "floating"),
        (NDArray[np.integer | np.bool_], ArraySpec(), "bool or integer"),
        (NDArray[np.str_], ArraySpec(), "str"),
        (NDArray[np.str_], ArraySpec(dtype="<U8"), "<U8"),
        (NDArray[np.datetime64], ArraySpec(dtype="datetime64[ms]"), "datetime64[ms]"),
        (NDArray[np.void], ArraySpec(dtype=POINT), "[('x', '<f4'), ('id', '<i8')]"),
        (NDArray[Any], ArraySpec(2), "any dtype (2,)"),
        (NDArray[np.generic], ArraySpec(), "any dtype"),
        (np.ndarray, ArraySpec(dtype="f4"), "float32"),
        (np.ndarray[Any, Any], ArraySpec(), "any dtype"),
        (np.ndarray[tuple[int, int], np.dtype[np.uint8]], ArraySpec(), "uint8 (*, *)"),
        (np.ndarray[tuple[int, Literal[3]], np.dtype[np.uint8]], ArraySpec(), "uint8 (*, 3)"),
        (np.ndarray[tuple[()], np.dtype[np.uint8]], ArraySpec(), "uint8 ()"),
        (np.ndarray[tuple[int, int], np.dtype[np.uint8]], ArraySpec("n", 3), "uint8 (n, 3)"),
        (np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ArraySpec("n", 3), "uint8 (n, 3)"),
        (NDArray[S], ArraySpec("n"), "any dtype (n,)"),
        (TypeAliasType("Alias", NDArray[np.int8]), ArraySpec("n"), "int8 (n,)"),
    ],
)
def test_expectation_as_text(kind: Any, spec: ArraySpec, expected: str) -> None:
    assert spec.bind(kind).expected == expected
    assert refusal(spec, None, kind)["ctx"]["expected"] == expected


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: ArraySpec(3, shape=(3,)), "as arguments or as shape="),
        (lambda: ArraySpec(casting="unsafe"), "casting is one of"),
        (lambda: ArraySpec(order="A"), "order of"),
        (lambda: ArraySpec(ge=2, le=1), "ge must not be greater than le"),
        (lambda: ArraySpec(dtype=object), "object arrays are not supported"),
        (lambda: ArraySpec(dtype="nonsense"), "nonsense"),
        (lambda: Dim(""), "a name that is not empty"),
        (lambda: Dim(ge=-1), "0 <= ge <= le"),
        (lambda: Dim("n", ge=3, le=2), "0 <= ge <= le"),
    ],
)
def test_wrong_settings_fail_where_they_are_made(declare: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        declare()


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        (ArraySpec(-1), np.ndarray, "0 <= ge <= le"),
        (ArraySpec(1.5), np.ndarray, "1.5 is not a size"),  # type: ignore[arg-type]
        (ArraySpec(True), np.ndarray, "True is not a size"),
        (ArraySpec(..., 2, ...), np.ndarray, "one ... at most"),
        (ArraySpec(*([1] * 65)), np.ndarray, "64 dimensions"),
        (ArraySpec(), list[int], "ArraySpec annotates a numpy array"),
        (ArraySpec(), NumpyArrayField, "ArraySpec annotates a numpy array"),
        (ArraySpec(), NDArray[np.object_], "object arrays are not supported"),
        (ArraySpec(), np.ndarray[Any, np.dtype[int]], "is not a scalar type of numpy"),
        (ArraySpec(dtype="f8"), NDArray[np.float32], "is not of the annotated type"),
        (ArraySpec(2), np.ndarray[tuple[int, int], Any], r"the shape \(2,\) is not that"),
        (ArraySpec(2), np.ndarray[tuple[Literal[3]], Any], r"the shape \(2,\) is not that"),
        (ArraySpec(2), np.ndarray[tuple[()], Any], r"the shape \(2,\) is not that"),
        (ArraySpec(ge=0), np.ndarray, "need a dtype of integers or floats"),
        (ArraySpec(le=0), NDArray[np.complex64], "need a dtype of integers or floats"),
        (ArraySpec(ge=0), NDArray[np.number], "need a dtype of integers or floats"),
        (ArraySpec(finite=True), NDArray[np.str_], "numbers or times"),
        (ArraySpec(accept_lists=True), NDArray[np.str_], "accept_lists needs a dtype of numbers"),
    ],
)
def test_settings_that_do_not_fit_the_type_fail_where_they_annotate_it(
    spec: ArraySpec, kind: Any, message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        adapter(spec, kind)


def test_settings_of_the_outer_annotation_replace_those_of_the_inner_one() -> None:
    inner = Annotated[NDArray[np.float32], ArraySpec("n", casting="safe", ge=0, finite=True)]
    outer = TypeAdapter(Annotated[inner, ArraySpec(ge=1, copy=True)])
    value = np.array([1, 2], "f2")
    assert outer.validate_python(value).dtype == np.float32
    assert error_of(lambda: outer.validate_python(value - 1))["ctx"] == {"ge": 1}
    assert error_of(lambda: outer.validate_python(value * np.nan))["type"] == "array_finite"
    assert outer.json_schema()["description"] == "float32 (n,)"
    short = TypeAdapter(Annotated[Float32Array, ArraySpec("n", 2)])
    assert error_of(lambda: short.validate_python(value))["msg"] == (
        MISMATCH + "dtype and shape: expected float32 (n, 2), got float16 (2,)"
    )


def test_copies_can_be_refused_by_the_outer_annotation() -> None:
    field = TypeAdapter(Annotated[Float32Array, ArraySpec(copy=False)])
    swapped = np.zeros(2, ">f4")
    assert error_of(lambda: field.validate_python(swapped))["type"] == "array_copy"


def test_settings_are_values() -> None:
    array = ArraySpec("n", None, dtype="f4", finite=True)
    assert array == ArraySpec(shape=["n", None], dtype=np.float32, finite=True)
    assert hash(array) == hash(ArraySpec("n", None, dtype="f4", finite=True))
    assert array != ArraySpec("n", None, dtype="f4")
    assert repr(array) == "ArraySpec('n', None, dtype=dtype('float32'), finite=True)"
    assert repr(ArraySpec(shape=(), ge=0)) == "ArraySpec(shape=(), ge=0)"
    assert repr(ArraySpec(copy=False)) == "ArraySpec(copy=False)"
    assert repr(ArraySpec()) == "ArraySpec()"


def test_validators_that_follow_get_the_array() -> None:
    def doubled(array: NDArray[np.int64]) -> NDArray[np.int64]:
        return array * 2

    kind = TypeAdapter(Annotated[NDArray[np.int64], ArraySpec("n"), AfterValidator(doubled)])
    assert kind.validate_python(np.arange(3)).tolist() == [0, 2, 4]
    assert error_of(lambda: kind.validate_python(np.arange(3.0)))["type"] == "array_dtype"


# -- what comes in -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        np.arange(3),
        NumpyArrayField(np.arange(3)),
        to_map(np.arange(3)),
        {"shape": [3], "dtype": "<i8", "data": np.arange(3).tobytes()},
        OffersArray(np.arange(3)),
        OffersDLPack(np.arange(3)),
        np.arange(3).view(np.recarray),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_value_is_an_array_whatever_it_is_made_of(value: Any) -> None:
    array = adapter(ArraySpec("n"), NDArray[np.int64]).validate_python(value)
    assert type(array) is np.ndarray
    assert array.tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [np.float32(2), np.array(2, "f4")])
def test_scalars_of_numpy_are_arrays_without_dimensions(value: Any) -> None:
    array = adapter(ArraySpec(shape=()), NDArray[np.float32]).validate_python(value)
    assert (array.shape, array.dtype, float(array)) == ((), np.float32, 2.0)


HUGE = np.arange(100_000) + 7_000_000


@pytest.mark.parametrize(
    ("value", "type_", "reason"),
    [
        (None, "array_type", "got NoneType; in JSON it is an object with the keys shape, dtype"),
        ([[7_000_000, 7_000_001]], "array_type", "got list; in JSON"),
        (7_000_000, "array_type", "got int; in JSON"),
        ("7000000", "array_type", "got str; in JSON"),
        (b"7000000", "array_type", "got bytes; in JSON"),
        ({}, "array_parsing", "but expected an array: an object with exactly the keys"),
        ({**to_map(HUGE), "shape": [3]}, "array_parsing", "but dtype int64 and shape [3] need 24"),
        ({**to_map(HUGE), "data_b64": "?"}, "array_parsing", "but data_b64 is not base64"),
        ({**to_map(HUGE), "dtype": "O"}, "array_parsing", "but dtype 'O' is not allowed"),
        (np.ma.masked_array(HUGE), "array_type", "but masked arrays are not supported"),
        (HUGE.astype(object), "array_type", "but object arrays are not supported"),
        (OnAnotherDevice(), "array_type", "but a OnAnotherDevice cannot be read"),
        (sparse.csr_array([[7]]), "array_type", "but sparse arrays are not supported: send .toa"),
        (sparse.coo_matrix([[7]]), "array_type", "but sparse arrays are not supported: send .toa"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array_is_refused_with_the_reason(value: Any, type_: str, reason: str) -> None:
    error = refusal(ArraySpec("n", 3), value, NDArray[np.float32])
    assert error["type"] == type_
    assert error["msg"].startswith(f"Input should be an array: expected float32 (n, 3), {reason}")
    assert "700" not in error["msg"].replace("b'7000000'", "")
    assert len(error["msg"]) < 250


def test_sparse_arrays_are_refused_with_the_hint_wherever_they_are_packed() -> None:
    with pytest.raises(EncodeError, match=r"sparse arrays are not supported: send \.toarray"):
        packb({"x": sparse.csr_array([[7]])})
    with pytest.raises(ValueError, match=r"sparse arrays are not supported: send \.toarray"):
        NumpyArrayField(sparse.csr_array([[7]]))


def test_short_names_stand_for_their_dtypes() -> None:
    names = [name for name in arrays.__all__ if name.endswith("Array")]
    assert len(names) == 14
    for name in names:
        dtype = np.dtype(name.removesuffix("Array").lower())
        value = np.zeros(2, dtype)
        kind = TypeAdapter(getattr(arrays, name))
        assert kind.validate_python(value) is value
        assert error_of(lambda kind=kind: kind.validate_python(np.zeros(2, "V3")))["type"] == (
            "array_dtype"
        )
    assert TypeAdapter(Complex64Array).json_schema()["description"] == "complex64"


# -- models ------------------------------------------------------------------------------------


class Measurement(ArrayModel):
    name: str = "m"
    samples: Annotated[NDArray[np.float32], ArraySpec("n", casting="safe")]
    more: list[Annotated[NDArray[np.int64], ArraySpec()]] = Field(default_factory=list)
    either: Annotated[NDArray[np.uint8], ArraySpec(2)] | BoolArray | None = None
    table: dict[str, UInt8Array] = Field(default_factory=dict)


def test_a_model_holds_and_dumps_the_very_array() -> None:
    samples, more = np.zeros(3, "f4"), np.arange(2)
    model = Measurement(samples=samples, more=[more], table={"a": np.zeros(1, "u1")})
    assert model.samples is samples
    dumped = model.model_dump()
    assert dumped["samples"] is samples
    assert dumped["more"][0] is more
    assert Measurement.model_validate(dumped) == model
    assert dict(model)["samples"] is samples


def test_json_form_is_that_of_the_array_field() -> None:
    class Other(BaseModel):
        samples: NumpyArrayField

    samples = np.arange(3, dtype="f4")
    model = Measurement(samples=samples)
    expected = Other(samples=samples).model_dump(mode="json")["samples"]
    assert model.model_dump(mode="json")["samples"] == expected
    assert json.loads(model.model_dump_json())["samples"] == expected
    assert Measurement.model_validate_json(model.model_dump_json()) == model


def test_errors_have_the_location_of_the_array() -> None:
    wrong = {"samples": np.zeros(3), "more": [np.arange(1), None], "table": {"a": np.zeros(1)}}
    with pytest.raises(ValidationError) as info:
        TypeAdapter(list[Measurement]).validate_python([{"samples": np.zeros(1, "f4")}, wrong])
    assert [(error["type"], error["loc"]) for error in info.value.errors()] == [
        ("array_dtype", (1, "samples")),
        ("array_type", (1, "more", 1)),
        ("array_dtype", (1, "table", "a")),
    ]


@pytest.mark.parametrize("value", [np.zeros(2, "u1"), np.zeros(5, bool), None])
def test_unions(value: Any) -> None:
    model = Measurement(samples=np.zeros(1, "f4"), either=value)
    assert model.either is value
    assert Measurement.model_validate_json(model.model_dump_json()) == model


def test_generic_models() -> None:
    class Box(BaseModel, Generic[S]):
        array: Annotated[NDArray[S], ArraySpec("n")]

    value = np.zeros(2, "f4")
    assert Box(array=value).array is value
    assert Box[np.float32](array=value).array is value
    assert error_of(lambda: Box[np.float64](array=value))["type"] == "array_dtype"


def test_models_that_were_not_validated() -> None:
    for value in (OffersArray(np.zeros(2, "f4")), NumpyArrayField(np.zeros(2, "f4"))):
        bare = Measurement.model_construct(samples=value)
        assert bare.model_dump(mode="json")["samples"] == to_map(np.zeros(2, "f4"))
    for wrong in (None, [1], np.array([None])):
        with pytest.raises(PydanticSerializationError, match=r"expected an array|object arrays"):
            Measurement.model_construct(samples=wrong).model_dump_json()


def test_a_default_that_is_an_array() -> None:
    class WithDefault(ArrayModel):
        array: Annotated[NDArray[np.int64], ArraySpec(2)] = Field(
            default_factory=lambda: np.arange(2)
        )

    one, two = WithDefault(), WithDefault()
    assert one == two
    assert one.array is not two.array
    assert WithDefault.model_validate_json("{}") == one
    jsonschema.Draft202012Validator.check_schema(WithDefault.model_json_schema())


# -- round trips -------------------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda a: a,
    "F": lambda a: np.asfortranarray(a),
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1] if a.ndim else a,
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2] if a.ndim else a,
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) if a.size else a,
}
DTYPES = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes()
    | hnp.complex_number_dtypes()
    | hnp.datetime64_dtypes()
    | hnp.timedelta64_dtypes()
    | hnp.unicode_string_dtypes()
    | hnp.byte_string_dtypes()
    | hnp.array_dtypes(allow_subarrays=True).filter(lambda dtype: dtype.subdtype is None)
)


@given(st.data(), DTYPES, st.sampled_from(sorted(LAYOUTS)))
def test_any_array_comes_back_equal(data: st.DataObject, dtype: Any, layout: str) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    # With characters that UTF-8 has: the default ones include surrogates, which are refused.
    elements = hnp.from_dtype(dtype, alphabet=st.characters(codec="utf-8"))
    array = LAYOUTS[layout](data.draw(hnp.arrays(dtype, shape, elements=elements)))

    class Model(ArrayModel):
        array: Annotated[np.ndarray, ArraySpec(shape=array.shape, dtype=dtype, casting="no")]

    model = Model(array=array)
    assert model.array is array
    assert Model.model_validate(model.model_dump()) == model
    assert Model.model_validate_json(model.model_dump_json()) == model
    assert Model.model_validate(unpackb(packb(model.model_dump()))) == model
    assert Model.model_validate(unpackb(packb(model.model_dump(), arrays="map"))) == model
    for copied in (model.model_copy(), copy.copy(model), copy.deepcopy(model)):
        assert copied == model
    assert copy.copy(model).array is array
    assert copy.deepcopy(model).array is not array


def test_a_model_survives_pickling_by_its_owner() -> None:
    model = Measurement(samples=np.arange(3, dtype="f4"), more=[np.arange(2)])
    assert pickle.loads(pickle.dumps(model)) == model

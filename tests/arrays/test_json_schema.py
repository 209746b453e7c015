"""The JSON schemas of arrays: valid, with examples, and as strict as the field."""

from __future__ import annotations

import json
from typing import Annotated, Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from binary_middleware import fields
from binary_middleware.arrays import (
    ArraySpec,
    Dim,
)
from binary_middleware.fields import dtype_spec, to_map
from tests.array_likes import error_of
from tests.arrays.adapters import POINT, adapter

SCHEMAS: list[tuple[Any, ArraySpec]] = [
    (NDArray[np.float32], ArraySpec("batch", 3)),
    (NDArray[np.float32], ArraySpec()),
    (NDArray[np.float32], ArraySpec(shape=())),
    (NDArray[np.float32], ArraySpec(shape=(), accept_lists=True)),
    (NDArray[np.float32], ArraySpec(..., 3, accept_lists=True)),
    (NDArray[np.float32], ArraySpec(2, ..., casting="safe")),
    (NDArray[np.float32], ArraySpec("n", "n", ge=0.5, le=2, finite=True)),
    (NDArray[np.uint8], ArraySpec(Dim("n", ge=3, le=9), Dim("n", ge=5), accept_lists=True, ge=7)),
    (NDArray[np.int8], ArraySpec(Dim(le=0), Dim(le=1), le=-1.5)),
    (NDArray[np.bool_], ArraySpec("n", 2, accept_lists=True)),
    (NDArray[np.float32 | np.float64], ArraySpec("n")),
    (NDArray[np.floating], ArraySpec("n", accept_lists=True)),
    (NDArray[np.integer | np.str_], ArraySpec("n")),
    (NDArray[np.number], ArraySpec("n")),
    (NDArray[np.complex64], ArraySpec("n", casting="same_kind", accept_lists=True)),
    (NDArray[np.str_], ArraySpec("n")),
    (NDArray[np.bytes_], ArraySpec("n")),
    (NDArray[np.void], ArraySpec("n")),
    (NDArray[np.datetime64], ArraySpec("n")),
    (NDArray[np.timedelta64], ArraySpec("n")),
    (NDArray[np.str_], ArraySpec("n", dtype="U4")),
    (NDArray[np.datetime64], ArraySpec("n", dtype="M8[ms]")),
    (NDArray[np.void], ArraySpec("n", dtype=POINT)),
    (np.ndarray, ArraySpec("n")),
    (np.ndarray, ArraySpec(accept_lists=True)),
]


@pytest.mark.parametrize(
    ("kind", "spec"), SCHEMAS, ids=[spec.bind(kind).expected for kind, spec in SCHEMAS]
)
def test_schemas_are_valid_and_their_examples_round_trip(kind: Any, spec: ArraySpec) -> None:
    field = adapter(spec, kind)
    schemas = {mode: field.json_schema(mode=mode) for mode in ("validation", "serialization")}
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["description"] == spec.bind(kind).expected
    examples = schemas["validation"]["examples"]
    assert len(examples) == 2 if spec.accept_lists and "complex" not in str(kind) else 1
    for example in examples:
        jsonschema.validate(example, schemas["validation"])
        value = field.validate_json(json.dumps(example))
        written = json.loads(field.dump_json(value))
        jsonschema.validate(written, schemas["serialization"])
        assert fields.same_elements(field.validate_python(written), value)
        if isinstance(example, dict):
            assert written == example


def test_schema_in_full() -> None:
    schema = adapter(ArraySpec("batch", Dim(ge=1, le=8), 3), NDArray[np.float32]).json_schema()
    assert schema == {
        "description": "float32 (batch, 1..8, 3)",
        "type": "object",
        "properties": {
            "shape": {
                "type": "array",
                "minItems": 3,
                "maxItems": 3,
                "prefixItems": [
                    {"type": "integer", "minimum": 0, "title": "batch"},
                    {"type": "integer", "minimum": 1, "maximum": 8},
                    {"type": "integer", "const": 3},
                ],
            },
            "dtype": {"type": "string", "const": "float32"},
            "data_b64": {"type": "string", "contentEncoding": "base64"},
        },
        "required": ["shape", "dtype", "data_b64"],
        "additionalProperties": False,
        "examples": [to_map(np.zeros((2, 1, 3), "f4"))],
    }


@pytest.mark.parametrize(
    ("kind", "spec", "mode", "dtype"),
    [
        (NDArray[np.float32], ArraySpec(), "validation", {"const": "float32"}),
        (
            NDArray[np.float32],
            ArraySpec(casting="safe"),
            "validation",
            {"enum": ["float32", "bool", "float16", "int8", "int16", "uint8", "uint16"]},
        ),
        (NDArray[np.float32], ArraySpec(casting="safe"), "serialization", {"const": "float32"}),
        (
            NDArray[np.float32 | np.float64],
            ArraySpec(),
            "serialization",
            {"enum": ["float32", "float64"]},
        ),
        (
            NDArray[np.signedinteger],
            ArraySpec(),
            "validation",
            {"enum": ["int64", "int8", "int16", "int32"]},
        ),
        (NDArray[np.str_], ArraySpec(), "validation", {"pattern": "^[<>]U[0-9]+$"}),
        (
            NDArray[np.void],
            ArraySpec(dtype=POINT),
            "validation",
            {"type": "array", "const": dtype_spec(POINT)},
        ),
    ],
)
def test_schema_of_the_dtype(kind: Any, spec: ArraySpec, mode: Any, dtype: Any) -> None:
    schema = adapter(spec, kind).json_schema(mode=mode)
    assert schema["properties"]["dtype"] == {"type": "string"} | dtype


def test_schema_refuses_what_the_field_refuses() -> None:
    array = ArraySpec("n", Dim(ge=1, le=2), 3)
    field = adapter(array, NDArray[np.float32])
    validator = jsonschema.Draft202012Validator(field.json_schema())
    for shape, dtype, fits in [
        ((4, 2, 3), "f4", True),
        ((4, 3, 3), "f4", False),
        ((4, 0, 3), "f4", False),
        ((4, 2, 4), "f4", False),
        ((4, 2), "f4", False),
        ((4, 2, 3, 1), "f4", False),
        ((4, 2, 3), "f8", False),
    ]:
        value = to_map(np.zeros(shape, dtype))
        assert validator.is_valid(value) is fits
        if fits:
            assert field.validate_python(value).shape == shape
        else:
            assert error_of(lambda value=value: field.validate_python(value))


@given(st.data(), hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
def test_whatever_is_written_is_valid(data: st.DataObject, dtype: Any, shape: Any) -> None:
    elements = hnp.from_dtype(dtype, alphabet=st.characters(codec="utf-8"))
    array = data.draw(hnp.arrays(dtype, shape, elements=elements))
    kind = NDArray[array.dtype.type]  # type: ignore[misc]
    field = adapter(ArraySpec(shape=array.shape, dtype=array.dtype.newbyteorder("=")), kind)
    written = json.loads(field.dump_json(field.validate_python(array)))
    jsonschema.validate(written, field.json_schema(mode="serialization"))


def test_large_arrays_have_no_example() -> None:
    assert "examples" not in adapter(ArraySpec(224, 224, 3), NDArray[np.uint8]).json_schema()
    unsatisfiable = adapter(ArraySpec(ge=300), NDArray[np.uint8])
    assert "examples" not in unsatisfiable.json_schema()


def test_description_and_title_of_the_field_come_first() -> None:
    class Model(BaseModel):
        array: Annotated[NDArray[np.uint8], ArraySpec(3), Field(description="RGB", title="Colour")]

    schema = Model.model_json_schema()["properties"]["array"]
    assert (schema["description"], schema["title"]) == ("RGB", "Colour")
    assert schema["properties"]["dtype"]["const"] == "uint8"

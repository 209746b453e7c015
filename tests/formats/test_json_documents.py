"""Documents as JSON text and back, as the client and Starlette's responses write and read them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from binary_middleware import DecodeError, EncodeError, NumpyArrayField
from binary_middleware.formats.json import dump_json, from_json

ARRAY = np.array([[1, 2], [3, 4]], "int16")
IN_JSON = {"shape": [2, 2], "dtype": "int16", "data_b64": "AQACAAMABAA="}


class Model(BaseModel):
    model_config = ConfigDict(ser_json_bytes="hex")

    raw: bytes = Field(alias="theBytes")
    array: NumpyArrayField


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (ARRAY, IN_JSON),
        ({"a": [ARRAY]}, {"a": [IN_JSON]}),
        (np.float32(1.5), 1.5),
        (b"\xff\xfe", "__4="),
        (bytearray(b"\xff\xfe"), "__4="),
        (memoryview(b"\xff\xfe"), "__4="),
        ({1: (2, 3)}, {"1": [2, 3]}),
        (Model(theBytes=b"a", array=ARRAY), {"theBytes": "61", "array": IN_JSON}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_documents_in_json(document: Any, expected: Any) -> None:
    assert json.loads(dump_json(document)) == expected


def test_tokens_of_numbers_that_json_has_not() -> None:
    assert dump_json([math.nan, -math.inf]) == b"[NaN,-Infinity]"
    nan, infinity = from_json(b"[NaN,-Infinity]")
    assert math.isnan(nan)
    assert infinity == -math.inf


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (object(), "object cannot be written as JSON"),
        (np.ma.array([1]), "masked arrays"),
        (np.array([object()]), "object arrays"),
        ("\ud800", "surrogates"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold(document: Any, message: str) -> None:
    with pytest.raises(EncodeError, match=message):
        dump_json(document)


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_arrays_come_back(kind: Any) -> None:
    found = from_json(kind(json.dumps({"a": IN_JSON, "b": {**IN_JSON, "more": 1}}).encode()))
    assert np.array_equal(found["a"], ARRAY)
    assert found["a"].dtype == "int16"
    assert found["b"] == {**IN_JSON, "more": 1}


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"\xff"], ids=len)
def test_what_is_not_json(text: bytes) -> None:
    with pytest.raises(DecodeError, match="the body is not JSON"):
        from_json(text)

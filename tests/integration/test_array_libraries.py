"""Arrays of other libraries as fields: PyTorch, JAX, pandas, ml_dtypes, jaxtyping, numpydantic."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import jsonschema
import ml_dtypes
import msgpack
import msgpack_numpy
import numpy as np
import numpydantic
import pandas as pd
import pytest
import torch
from fastapi import FastAPI
from jaxtyping import BFloat16, Float, Float32, Int64, Key, Shaped, UInt8
from numpy.typing import NDArray
from numpydantic import Range, Repeat, Shape
from pydantic import BaseModel, TypeAdapter
from starlette.testclient import TestClient

from binary_middleware import EncodeError, NumpyArrayField, fields, packb, unpackb
from binary_middleware.arrays import ArrayModel, ArraySpec
from binary_middleware.arrays import ml_dtypes as of_ml_dtypes
from binary_middleware.arrays.jax import JaxSpec
from binary_middleware.arrays.jaxtyping import JaxtypingSpec
from binary_middleware.arrays.numpydantic import NumpydanticSpec
from binary_middleware.arrays.pandas import Columns, SeriesSpec
from binary_middleware.arrays.torch import TorchSpec
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.fields import from_map, to_map
from binary_middleware.formats import json as transcode
from binary_middleware.formats.msgpack import pack_buffers
from tests.array_likes import error_of, errors_of
from tests.asgi_app import MSGPACK
from tests.test_docs import ROOT, expected_output

N = TypeVar("N", bound=int)

# Names of axes are text, which linters take for types where they stand in an annotation.
Images = UInt8[np.ndarray, "batch h _ 3"]
Weights = Float32[torch.Tensor, "batch"]
Bias = Float32[jax.Array, "... rows=2"]
Vector = Float32[np.ndarray, "n"]


@pytest.fixture
def unregistered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No types of ml_dtypes, for the length of one test."""
    monkeypatch.setattr(fields, "_EXTENSIONS", {})


@pytest.fixture
def registered(unregistered: None) -> None:
    """Register the dtypes of ml_dtypes for one test."""
    of_ml_dtypes.register()


# -- nothing is imported unless used -----------------------------------------------------------


def test_no_library_is_imported_unless_it_is_used() -> None:
    code = """
import sys
import binary_middleware, binary_middleware.arrays, binary_middleware.fastapi
libraries = {"torch", "jax", "pandas", "ml_dtypes", "jaxtyping", "numpydantic"}
print(sorted(libraries & set(sys.modules)))
import binary_middleware.arrays.ml_dtypes
print(sorted(libraries & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n['ml_dtypes']\n"


@pytest.mark.parametrize(
    "name", ["torch", "jax", "pandas", "ml_dtypes", "jaxtyping", "numpydantic"]
)
def test_a_library_that_is_absent_is_named_with_how_to_get_it(name: str) -> None:
    code = f"""
import sys
sys.modules[{name!r}] = None
try:
    import binary_middleware.arrays.{name}
except ImportError as exc:
    print(exc)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"pip install {name}" in done.stdout


# -- PyTorch -----------------------------------------------------------------------------------


class Tensors(ArrayModel):
    x: Annotated[torch.Tensor, TorchSpec("n", 3, dtype=torch.float32)]
    y: Annotated[torch.Tensor, TorchSpec("n")]


TORCH_DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.complex64, torch.complex128, torch.bool),
    *(torch.int64, torch.int32, torch.int16, torch.int8),
    *(torch.uint64, torch.uint32, torch.uint16, torch.uint8),
]


def test_a_tensor_stays_the_tensor_that_it_is() -> None:
    x, y = torch.zeros(2, 3, requires_grad=True), torch.arange(2)
    model = Tensors(x=x, y=y)
    assert model.x is x
    assert model.y is y
    dumped = model.model_dump()
    assert type(dumped["x"]) is np.ndarray
    assert dumped["x"].ctypes.data == x.data_ptr()
    assert Tensors.model_validate(dumped).x.data_ptr() == x.data_ptr()


@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=str)
def test_tensors_round_trip(dtype: torch.dtype) -> None:
    kind = TypeAdapter(Annotated[torch.Tensor, TorchSpec("n", 3, dtype=dtype)])
    for tensor in (
        torch.arange(6).reshape(2, 3).to(dtype),
        torch.arange(6).reshape(3, 2).to(dtype).T,
        torch.arange(12).reshape(4, 3).to(dtype)[::2],
    ):
        for back in (
            kind.validate_json(kind.dump_json(tensor)),
            kind.validate_python(kind.dump_python(tensor)),
            kind.validate_python(unpackb(packb(kind.dump_python(tensor)))),
        ):
            assert back.dtype == dtype
            assert torch.equal(back, tensor)


def test_a_received_array_is_the_memory_of_the_tensor() -> None:
    kind = TypeAdapter(Annotated[torch.Tensor, TorchSpec()])
    array = np.zeros((2, 3))
    tensor = kind.validate_python(array)
    assert tensor.data_ptr() == array.ctypes.data
    assert kind.validate_python(torch.zeros(2)[None]).shape == (1, 2)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(4.0)[::-1],
        np.arange(4, dtype=">f8"),
        np.frombuffer(np.arange(4.0).tobytes()),
        np.broadcast_to(np.float64(1), (3,)),
    ],
    ids=["reversed", "swapped", "read-only", "repeated"],
)
def test_arrays_that_no_tensor_can_be_are_copied(array: Any) -> None:
    tensor = TypeAdapter(Annotated[torch.Tensor, TorchSpec()]).validate_python(array)
    assert np.array_equal(tensor.numpy(), array)
    tensor += 1  # is its own


def test_conjugates_are_written_as_they_are_seen() -> None:
    tensor = torch.tensor([1 + 2j]).conj()
    kind = TypeAdapter(Annotated[torch.Tensor, TorchSpec()])
    assert kind.dump_python(tensor).tolist() == [1 - 2j]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.zeros(2, 3).to_sparse(), "Use Tensor.to_dense() first"),
        (torch.zeros(2, 3, device="meta"), "Use Tensor.cpu()"),
        (torch.zeros(2, 3, dtype=torch.bfloat16), "arrays.ml_dtypes.register()"),
        (np.zeros((2, 3), "M8[s]"), "PyTorch has no tensors of dtype datetime64[s]"),
        (np.zeros((2, 3), "U3"), "PyTorch has no tensors of dtype <U3"),
        ([1, 2], "got list; in JSON"),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_what_is_no_tensor_is_refused(value: Any, message: str) -> None:
    kind = TypeAdapter(Annotated[torch.Tensor, TorchSpec()])
    error = error_of(lambda: kind.validate_python(value))
    assert error["type"] == "array_type"
    assert message in error["msg"]


def test_tensors_are_checked_as_arrays_are() -> None:
    for value, type_, loc in [
        ({"x": torch.zeros(2, 3).double(), "y": torch.zeros(2)}, "array_dtype", "x"),
        ({"x": torch.zeros(2, 4), "y": torch.zeros(2)}, "array_shape", "x"),
        ({"x": torch.zeros(2, 3), "y": torch.zeros(3)}, "array_dimension", "y"),
    ]:
        error = error_of(lambda value=value: Tensors.model_validate(value))
        assert (error["type"], error["loc"]) == (type_, (loc,))
    kind = TypeAdapter(
        Annotated[
            torch.Tensor,
            TorchSpec(dtype="float32", casting="same_kind", ge=0, finite=True, accept_lists=True),
        ]
    )
    assert kind.validate_python(torch.ones(2).double()).dtype == torch.float32
    assert kind.validate_json("[[1, 2]]").tolist() == [[1.0, 2.0]]
    assert error_of(lambda: kind.validate_python(-torch.ones(2)))["type"] == (
        "array_greater_than_equal"
    )
    jsonschema.Draft202012Validator.check_schema(kind.json_schema())
    assert Tensors(x=torch.ones(2, 3), y=torch.ones(2)) == Tensors(
        x=torch.ones(2, 3), y=torch.ones(2)
    )
    assert Tensors(x=torch.ones(2, 3), y=torch.ones(2)) != Tensors(
        x=torch.ones(2, 3), y=torch.zeros(2)
    )
    with pytest.raises(TypeError, match="TorchSpec annotates"):
        TypeAdapter(Annotated[NDArray[np.float32], TorchSpec()])


@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=str)
def test_a_tensor_is_packed_as_its_array(dtype: torch.dtype) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(dtype)
    assert packb({"x": tensor}) == packb({"x": tensor.numpy()})
    assert packb({"x": tensor.T}) == packb({"x": tensor.numpy().T.copy()})
    assert np.array_equal(NumpyArrayField(tensor).array, tensor.numpy())


def test_large_tensors_and_received_arrays_are_not_copied() -> None:
    tensor = torch.zeros(100_000)
    view = pack_buffers({"x": tensor})[1]
    tensor[0] = 1.0
    assert np.frombuffer(view, "float32")[0] == 1.0
    array = unpackb(packb({"x": np.arange(6.0)}))["x"]
    torch.from_numpy(array)[0] = 7.0
    assert array[0] == 7.0


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.bfloat16)],
    ids=["requires_grad", "bfloat16"],
)
def test_tensors_that_numpy_cannot_read_are_refused(tensor: torch.Tensor) -> None:
    with pytest.raises(EncodeError, match="a Tensor cannot be read as a numpy array"):
        packb({"x": tensor})
    with pytest.raises(ValueError, match="a Tensor cannot be read as a numpy array"):
        NumpyArrayField(tensor)


# -- JAX ---------------------------------------------------------------------------------------

JAX_DTYPES = [*("float32", "float16", "int32", "int8", "uint32", "uint8", "bool", "complex64")]


def aligned(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """Zeros at a multiple of 64 bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", JAX_DTYPES)
def test_jax_arrays_round_trip(dtype: str) -> None:
    kind = TypeAdapter(Annotated[jax.Array, JaxSpec("n", 3, dtype=dtype)])
    array = jnp.arange(6).reshape(2, 3).astype(dtype)
    assert kind.validate_python(array) is array
    for back in (
        kind.validate_json(kind.dump_json(array)),
        kind.validate_python(unpackb(packb(kind.dump_python(array)))),
    ):
        assert isinstance(back, jax.Array)
        assert back.dtype == array.dtype
        assert bool((back == array).all())


def test_jax_arrays_and_numpy_arrays_share_memory() -> None:
    kind = TypeAdapter(Annotated[jax.Array, JaxSpec()])
    array = aligned((4, 4), "float32")
    made = kind.validate_python(array)
    assert made.unsafe_buffer_pointer() == array.ctypes.data
    assert kind.dump_python(made).ctypes.data == array.ctypes.data
    unaligned = aligned((5,), "float32")[1:]
    assert kind.validate_python(unaligned).tolist() == [0.0] * 4
    array.flags.writeable = False
    assert kind.validate_python(array).shape == (4, 4)
    assert kind.validate_python(np.arange(3, dtype=">i4")).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(2), "JAX would make float32 of float64, unless jax_enable_x64 is set"),
        (np.zeros(2, "i8"), "JAX would make int32 of int64"),
        (np.zeros(2, "M8[s]"), "JAX has no arrays of dtype datetime64[s]"),
        (np.zeros(2, "U2"), "JAX has no arrays of dtype <U2"),
        (np.zeros(2, "i4,f4"), "JAX has no arrays of dtype"),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_what_jax_cannot_hold_is_refused(value: Any, message: str) -> None:
    error = error_of(lambda: TypeAdapter(Annotated[jax.Array, JaxSpec()]).validate_python(value))
    assert error["type"] == "array_type"
    assert message in error["msg"]


def test_jax_arrays_of_64_bits_where_jax_has_them() -> None:
    with jax.enable_x64(True):
        kind = TypeAdapter(Annotated[jax.Array, JaxSpec(dtype="float64")])
        assert kind.validate_python(np.zeros(2)).dtype == np.float64
    with pytest.raises(TypeError, match="JaxSpec annotates"):
        TypeAdapter(Annotated[torch.Tensor, JaxSpec()])


# -- ml_dtypes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", of_ml_dtypes.NAMES)
@pytest.mark.usefixtures("registered")
def test_types_of_ml_dtypes_travel_under_their_names(name: str) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name))
    array = np.array([[1, 2], [4, 0.5]]).astype(dtype)
    kind = TypeAdapter(Annotated[NDArray[dtype.type], ArraySpec(2, "n")])
    assert kind.validate_python(array) is array
    written = json.loads(kind.dump_json(array))
    assert written["dtype"] == name
    assert kind.json_schema()["properties"]["dtype"] == {"type": "string", "const": name}
    jsonschema.validate(written, kind.json_schema())
    for back in (
        kind.validate_json(kind.dump_json(array)),
        from_map({"shape": [2, 2], "dtype": name, "data": array.tobytes()}),
        NumpyArrayField(array).array,
    ):
        assert back.dtype == dtype
        assert np.array_equal(back.astype("f8"), array.astype("f8"))
    assert NumpyArrayField(array) == NumpyArrayField(array.copy())
    assert error_of(lambda: kind.validate_python(np.zeros((2, 2))))["msg"] == (
        f"Input should be an array of the declared dtype: expected {name} (2, n), "
        "got float64 (2, 2)"
    )


@pytest.mark.parametrize("name", of_ml_dtypes.NAMES)
@pytest.mark.parametrize("size", [2, 100_000])
@pytest.mark.usefixtures("registered")
def test_types_of_ml_dtypes_in_msgpack(name: str, size: int) -> None:
    array = np.tile([1, 2, 4, 0.5], (size, 1)).astype(getattr(ml_dtypes, name))
    for form in ("numpy", "map"):
        packed = packb({"x": array}, arrays=form)
        back = unpackb(packed)["x"]
        back = from_map(back) if form == "map" else back
        assert back.dtype == array.dtype
        assert back.tobytes() == array.tobytes()
    peer = msgpack.unpackb(packb(array), object_hook=msgpack_numpy.decode)
    assert peer.dtype == array.dtype
    assert peer.tobytes() == array.tobytes()
    text = transcode.to_json(unpackb(packb(array)))
    assert json.loads(text)["dtype"] == name
    assert packb(transcode.from_json(text)) == packb(array)


@pytest.mark.usefixtures("registered")
def test_types_of_ml_dtypes_over_http() -> None:
    array = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16)
    app = FastAPI()

    @app.post("/")
    async def double(item: NumpyArrayField) -> NumpyArrayField:
        item.array *= np.array(2, ml_dtypes.bfloat16)
        return item

    add_binary_mode(app)
    client = TestClient(app)
    response = client.post("/", content=packb(array), headers=MSGPACK)
    assert unpackb(response.content).astype("f4").tolist() == [[0, 2, 4], [6, 8, 10]]
    response = client.post("/", json=to_map(array))
    assert from_map(response.json()).astype("f4").tolist() == [[0, 2, 4], [6, 8, 10]]


@pytest.mark.usefixtures("registered")
def test_values_of_ml_dtypes_are_compared_and_converted() -> None:
    kind = TypeAdapter(
        Annotated[
            NDArray[ml_dtypes.bfloat16],
            ArraySpec(casting="same_kind", ge=0, le=10, finite=True, accept_lists=True),
        ]
    )
    assert kind.validate_python(np.array([1, 2.5])).dtype == ml_dtypes.bfloat16
    assert kind.validate_json("[1, 2.5]").astype("f4").tolist() == [1.0, 2.5]
    for value, type_ in [
        (np.array(["1"]), "array_dtype"),
        (np.array([1, -1.0]), "array_greater_than_equal"),
        (np.array([1, 11.0]), "array_less_than_equal"),
        (np.array([1, np.nan]), "array_finite"),
        (np.array([1e300]), "array_range"),
    ]:
        assert error_of(lambda value=value: kind.validate_python(value))["type"] == type_
    assert NumpyArrayField(np.array([np.nan]).astype(ml_dtypes.bfloat16)) == NumpyArrayField(
        np.array([np.nan]).astype(ml_dtypes.bfloat16)
    )


@pytest.mark.usefixtures("unregistered")
def test_types_of_ml_dtypes_are_refused_unless_registered() -> None:
    with pytest.raises(ValueError, match="arrays of dtype bfloat16 are not supported"):
        TypeAdapter(Annotated[NDArray[ml_dtypes.bfloat16], ArraySpec()])
    with pytest.raises(ValueError, match="'bfloat16' is not allowed"):
        fields.parse_dtype("bfloat16")


@pytest.mark.parametrize("dtype", ["f4", object, "V2", "U3", np.dtypes.StringDType()])
@pytest.mark.usefixtures("unregistered")
def test_only_types_of_other_libraries_are_registered(dtype: Any) -> None:
    with pytest.raises(ValueError, match="is not a dtype of another library"):
        fields.register_dtype(dtype)


@pytest.mark.usefixtures("registered")
def test_bfloat16_and_float8_of_torch_and_jax() -> None:
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        tensor = torch.arange(6.0).reshape(2, 3).to(getattr(torch, name))
        kind = TypeAdapter(Annotated[torch.Tensor, TorchSpec(2, 3, dtype=tensor.dtype)])
        assert kind.validate_python(tensor) is tensor
        array = kind.dump_python(tensor)
        assert array.dtype.name == name
        assert array.ctypes.data == tensor.data_ptr()
        for back in (kind.validate_python(array), kind.validate_json(kind.dump_json(tensor))):
            assert back.dtype == tensor.dtype
            assert torch.equal(back.float(), tensor.float())
        of_jax = TypeAdapter(Annotated[jax.Array, JaxSpec(2, 3, dtype=getattr(jnp, name))])
        made = of_jax.validate_python(array)
        assert made.dtype == getattr(jnp, name)
        assert np.array_equal(of_jax.dump_python(made).astype("f4"), tensor.float().numpy())


# -- pandas ------------------------------------------------------------------------------------


class Trades(ArrayModel):
    prices: Annotated[pd.Series, SeriesSpec("rows", dtype="float64", finite=True)]
    table: Annotated[
        pd.DataFrame,
        Columns({"id": SeriesSpec("rows", dtype="int64"), "name": SeriesSpec("rows")}),
    ]


PRICES = pd.Series([1.0, 2.5])
TABLE = pd.DataFrame({"id": [1, 2], "name": ["a", "bcd"]})


def test_series_and_frames_round_trip() -> None:
    trades = Trades(prices=PRICES, table=TABLE)
    assert trades.prices is PRICES
    assert trades.table is TABLE
    dumped = trades.model_dump()
    assert {name: array.dtype.str for name, array in dumped["table"].items()} == {
        "id": "<i8",
        "name": "<U3",
    }
    assert np.shares_memory(dumped["prices"], PRICES.to_numpy())
    for back in (
        Trades.model_validate(dumped),
        Trades.model_validate(unpackb(packb(dumped))),
        Trades.model_validate_json(trades.model_dump_json()),
    ):
        pd.testing.assert_series_equal(back.prices, PRICES)
        pd.testing.assert_frame_equal(back.table, TABLE)
        assert back == trades
    schema = Trades.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(trades.model_dump_json()), schema)


def test_received_columns_are_not_copied() -> None:
    ids = np.arange(1000)
    frame = TypeAdapter(Annotated[pd.DataFrame, Columns()]).validate_python({"id": ids})
    assert np.shares_memory(frame["id"].to_numpy(), ids)
    series = TypeAdapter(Annotated[pd.Series, SeriesSpec()]).validate_python(ids)
    assert np.shares_memory(series.to_numpy(), ids)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1.5, np.nan]),
        pd.Series([1, 2], dtype="int8"),
        pd.Series([True, False]),
        pd.Series(pd.to_datetime(["2020-01-01", None])),
        pd.Series(pd.to_timedelta([1, 2], unit="s")),
        pd.Series([1j]),
        pd.Series([], dtype="float64"),
        pd.Series(["x", "", "yy"]),
        pd.Series(["x"], dtype=object),
    ],
    ids=lambda series: str(series.dtype),
)
def test_columns_round_trip(series: pd.Series) -> None:
    frame = pd.DataFrame({"a": series})
    kind = TypeAdapter(Annotated[pd.DataFrame, Columns()])
    back = kind.validate_json(kind.dump_json(frame))
    pd.testing.assert_frame_equal(back, frame, check_dtype=series.dtype.kind != "O")
    assert kind.validate_python(frame) is frame


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean"])
def test_nullable_types_are_supported_if_no_value_is_missing(dtype: str) -> None:
    kind = TypeAdapter(Annotated[pd.Series, SeriesSpec()])
    array = kind.dump_python(pd.Series([1, 0], dtype=dtype))
    assert array.dtype.name == {"boolean": "bool"}.get(dtype, dtype.lower())
    missing = pd.Series([1, None], dtype=dtype)
    assert "fill in missing values" in error_of(lambda: kind.validate_python(missing))["msg"]


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (pd.Series([1, 2], index=[1, 2]), "only the default index is supported"),
        (pd.Series([1, 2])[::2][::-1], None),
        (pd.Series([1, 2])[::-1], "only the default index is supported"),
        (pd.Series(["a", None]), "a column of str is not supported"),
        (pd.Series(["a\0"]), "a column of str is not supported"),
        (pd.Series(["a", "b"], dtype="category"), "a column of category is not supported"),
        (pd.Series(pd.to_datetime(["2020-01-01"], utc=True)), "a column of datetime64"),
        (pd.Series([1, 2], dtype="Sparse[int]"), "a column of Sparse"),
        (pd.Series([{}, 1]), "a column of object is not supported"),
        (np.zeros(2, "M8[D]"), "pandas would make datetime64[s] of datetime64[D]"),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_what_no_array_can_hold_is_refused(series: Any, message: str | None) -> None:
    kind = TypeAdapter(Annotated[pd.Series, SeriesSpec()])
    if message is None:
        assert len(kind.validate_python(series)) == 1
        return
    error = error_of(lambda: kind.validate_python(series))
    assert error["type"] == "array_type"
    assert message in error["msg"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"prices": PRICES[:1]}, [("array_dimension", ("table",))]),
        ({"prices": PRICES * np.inf}, [("array_finite", ("prices",))]),
        ({"prices": TABLE["id"]}, [("array_dtype", ("prices",))]),
        ({"prices": np.zeros((2, 2))}, [("array_shape", ("prices",))]),
        ({"table": TABLE[["id"]]}, [("missing", ("table", "name"))]),
        ({"table": TABLE.assign(x=1)}, [("extra_forbidden", ("table", "x"))]),
        ({"table": TABLE.assign(id=0.5)}, [("array_dtype", ("table", "id"))]),
        (
            {"table": {"id": np.arange(2), "name": np.array(["a"])}},
            [("array_dimension", ("table", "name"))],
        ),
        (
            {"table": {"id": np.arange(2.0), "name": None}},
            [("array_dtype", ("table", "id")), ("array_type", ("table", "name"))],
        ),
        ({"table": TABLE[::-1]}, [("columns_type", ("table",))]),
        ({"table": TABLE.rename(columns={"name": "id"})}, [("columns_type", ("table",))]),
        ({"table": TABLE.rename(columns={"name": 1})}, [("columns_type", ("table",))]),
        ({"table": [1]}, [("columns_type", ("table",))]),
    ],
    ids=str,
)
def test_series_and_frames_are_checked(change: Any, expected: Any) -> None:
    errors = errors_of(lambda: Trades.model_validate({"prices": PRICES, "table": TABLE, **change}))
    assert [(error["type"], error["loc"]) for error in errors] == expected


def test_at_most_100_columns_are_reported() -> None:
    columns = {f"x{index}": None for index in range(1000)}
    errors = errors_of(lambda: Trades.model_validate({"prices": PRICES, "table": columns}))
    assert len(errors) == 100


def test_columns_are_converted() -> None:
    settings = Columns(
        {"a": ArraySpec(dtype="float32", casting="same_kind"), "b": ArraySpec(copy=True)}
    )
    kind = TypeAdapter(Annotated[pd.DataFrame, settings])
    frame = pd.DataFrame({"a": [0.5], "b": [1]})
    converted = kind.validate_python(frame)
    assert converted.dtypes.tolist() == [np.dtype("f4"), np.dtype("i8")]
    assert not np.shares_memory(converted["b"].to_numpy(), frame["b"].to_numpy())
    assert frame.dtypes.tolist() == [np.dtype("f8"), np.dtype("i8")]
    for declare in (
        lambda: TypeAdapter(Annotated[pd.Series, Columns()]),
        lambda: TypeAdapter(Annotated[pd.DataFrame, SeriesSpec()]),
        lambda: TypeAdapter(Annotated[pd.DataFrame, Columns({"a": ArraySpec(2, 2)})]),
    ):
        with pytest.raises(TypeError):
            declare()


# -- jaxtyping ---------------------------------------------------------------------------------


class Typed(ArrayModel):
    images: Annotated[Images, JaxtypingSpec()]
    weights: Annotated[Weights, JaxtypingSpec(finite=True)]
    bias: Annotated[Bias, JaxtypingSpec()]


def test_annotations_of_jaxtyping() -> None:
    value = {
        "images": np.zeros((4, 2, 2, 3), "u1"),
        "weights": np.zeros(4, "f4"),
        "bias": np.zeros((5, 2), "f4"),
    }
    model = Typed.model_validate(value)
    assert model.images is value["images"]
    assert isinstance(model.weights, torch.Tensor)
    assert isinstance(model.bias, jax.Array)
    assert Typed.model_validate_json(model.model_dump_json()) == model
    for change, expected in [
        ({"weights": np.zeros(3, "f4")}, ("array_dimension", ("weights",))),
        ({"weights": np.full(4, np.nan, "f4")}, ("array_finite", ("weights",))),
        ({"images": np.zeros((4, 2, 2, 4), "u1")}, ("array_shape", ("images",))),
        ({"bias": np.zeros((5, 3), "f4")}, ("array_shape", ("bias",))),
        ({"bias": np.zeros((5, 2))}, ("array_dtype", ("bias",))),
    ]:
        error = error_of(lambda change=change: Typed.model_validate({**value, **change}))
        assert (error["type"], error["loc"]) == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Float[np.ndarray, "n"], "float16 or float32 or float64 (n,)"),
        (Int64[np.ndarray, ""], "int64 ()"),
        (Shaped[np.ndarray, "..."], "any dtype (...)"),
        (Float32[Float32[np.ndarray, "a b"], "n"], "float32 (n, a, b)"),
    ],
)
def test_what_jaxtyping_declares(annotation: Any, expected: str) -> None:
    assert JaxtypingSpec().bind(annotation).expected == expected


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Float32[np.ndarray, "n+1"], "the axis 'n\\+1'"),
        (Float32[np.ndarray, "#n"], "the axis '#n'"),
        (Float32[np.ndarray, "*n"], "the axis '\\*n'"),
        (Float32[np.ndarray, "?n"], "the axis '\\?n'"),
        (Key[np.ndarray, "n"], "no dtype of"),
        (BFloat16[np.ndarray, "n"], "no dtype of"),
        (Float32[Any, "n"], "are not supported"),
        (np.ndarray, "annotates types of jaxtyping"),
        (NDArray[np.float32], "annotates types of jaxtyping"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("unregistered")
def test_what_cannot_be_checked_is_refused_where_it_is_declared(
    annotation: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        JaxtypingSpec().bind(annotation)


# -- numpydantic -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (numpydantic.NDArray, "any dtype"),
        (numpydantic.NDArray[Any, np.float32], "float32"),
        (numpydantic.NDArray[Shape[Literal[3], int], np.float32], "float32 (3, *)"),
        (
            numpydantic.NDArray[Shape[Range[Literal[2], Literal[4]], *Repeat], np.float32],
            "float32 (2..4, ...)",
        ),
        (numpydantic.NDArray[Shape[N, N], np.float32 | np.float64], "float32 or float64 (N, N)"),
        (numpydantic.NDArray[Shape[int], int], None),
        (numpydantic.NDArray[Shape[int], numpydantic.dtype.Complex], None),
        (numpydantic.NDArray[Shape[()], bool], "bool ()"),
    ],
)
def test_annotations_of_numpydantic(annotation: Any, expected: str | None) -> None:
    kind = TypeAdapter(Annotated[annotation, NumpydanticSpec()])
    bound = NumpydanticSpec().bind(annotation)
    if expected is not None:
        assert bound.expected == expected
    schema = kind.json_schema()
    (example,) = schema["examples"]
    jsonschema.validate(example, schema)
    array = kind.validate_python(example)
    assert type(array) is np.ndarray
    assert json.loads(kind.dump_json(array)) == example
    assert kind.validate_python(array) is array
    # numpydantic itself accepts the array, too.
    TypeAdapter(annotation).validate_python(array)


@pytest.mark.filterwarnings("ignore:String shape expressions:DeprecationWarning")
def test_shapes_of_numpydantic_as_text() -> None:
    kind = numpydantic.NDArray[Shape["* x, 3 y, 2-4"], np.uint8]
    assert NumpydanticSpec().bind(kind).expected == "uint8 (*, 3, 2..4)"


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (numpydantic.NDArray[Shape[Literal[3, 5]], np.uint8], "cannot be checked"),
        (numpydantic.NDArray[Shape[int], BaseModel], "are not supported"),
        (NDArray[np.float32], "annotates numpydantic.NDArray"),
    ],
)
def test_annotations_of_numpydantic_that_are_refused(annotation: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        NumpydanticSpec().bind(annotation)


class AsItIs(BaseModel):
    x: numpydantic.NDArray[Shape[int, Literal[2]], np.float64]


def test_fields_of_numpydantic_work_as_they_are() -> None:
    app = FastAPI()

    @app.post("/")
    async def echo(item: AsItIs) -> AsItIs:
        return item

    add_binary_mode(app)
    client = TestClient(app)
    array = np.zeros((3, 2))
    response = client.post("/", content=packb({"x": array}), headers=MSGPACK)
    assert np.array_equal(unpackb(response.content)["x"], array)
    assert client.post("/", json={"x": [[1.0, 2.0]]}).json() == {"x": [[1.0, 2.0]]}
    wrong = client.post("/", content=packb({"x": array.T}), headers=MSGPACK)
    assert wrong.status_code == 422


# -- over HTTP ---------------------------------------------------------------------------------


class Everything(ArrayModel):
    tensor: Annotated[torch.Tensor, TorchSpec("n", dtype="float32")]
    array: Annotated[jax.Array, JaxSpec("n", dtype="float32")]
    series: Annotated[pd.Series, SeriesSpec("n", dtype="float32")]
    frame: Annotated[pd.DataFrame, Columns({"a": SeriesSpec("n", dtype="float32")})]
    typed: Annotated[Vector, JaxtypingSpec()]
    numpydantic: Annotated[numpydantic.NDArray[Shape[N], np.float32], NumpydanticSpec()]


app = FastAPI()
add_binary_mode(app)


@app.post("/")
async def double(item: Everything) -> Everything:
    item.tensor *= 2
    item.array = item.array * 2
    item.series = item.series * 2
    item.frame = item.frame * 2
    item.typed *= 2
    item.numpydantic *= 2
    return item


def test_all_of_them_over_http() -> None:
    client = TestClient(app)
    array = np.arange(3, dtype="f4")
    names = ("tensor", "array", "series", "typed", "numpydantic")
    value = {**dict.fromkeys(names, array), "frame": {"a": array}}
    response = client.post("/", content=packb(value), headers=MSGPACK)
    document = unpackb(response.content)
    for doubled in (*(document[name] for name in names), document["frame"]["a"]):
        assert doubled.dtype == np.float32
        assert doubled.tolist() == [0, 2, 4]
    in_json = {**dict.fromkeys(names, to_map(array)), "frame": {"a": to_map(array)}}
    document = client.post("/", json=in_json).json()
    for doubled in (*(document[name] for name in names), document["frame"]["a"]):
        assert from_map(doubled).tolist() == [0, 2, 4]
    value["frame"] = {"a": array[:2]}
    for response in (
        client.post("/", content=packb(value), headers=MSGPACK),
        client.post("/", json={**in_json, "frame": {"a": to_map(array[:2])}}),
    ):
        assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "frame"]
    for schema in app.openapi()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


# -- the guide ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("unregistered")
def test_blocks_of_the_guide_that_need_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are marked ``py``, so that the test of the others skips them."""
    page = Path(ROOT, "docs", "arrays.md").read_text()
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    run = 0
    for language, code in re.findall(
        r"^```(py|python)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE
    ):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(code, "page", "exec", dont_inherit=True), vars(module))
        assert output.getvalue() == expected_output(code)
        run += language == "py"
    assert run == 2

"""pandas Series and DataFrames as fields of models: a Series as an array, a DataFrame as columns.

::

    class Trades(BaseModel):
        prices: Annotated[pd.Series, SeriesSpec(dtype="float64", finite=True)]
        table: Annotated[pd.DataFrame, Columns({"id": SeriesSpec(dtype="int64")})]

A DataFrame is sent as a map of its columns, ``{"id": <array>, ...}``, in their order. Columns of
text are sent as arrays of text (``<U8``); they are copied, all others are not. Only values are
sent: an index other than the default one is refused, and so is what no numpy array can hold
(missing values of pandas' own types, categories, time zones). The name of a Series is not sent.
``model_dump()`` returns numpy arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, get_origin

import numpy as np
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema
from typing_extensions import override

from binary_middleware.arrays._dims import Size
from binary_middleware.arrays._spec import ArraySpec, BoundArray
from binary_middleware.fields import NativeSerializer, as_ndarray, to_map

try:
    import pandas as pd
except ImportError as exc:
    raise ImportError("binary_middleware.arrays.pandas needs pandas: pip install pandas") from exc

__all__ = ["Columns", "SeriesSpec"]

_MAX_ERRORS: Final = 100
"""Maximum number of columns of one DataFrame that are reported."""


class SeriesSpec(ArraySpec):
    """:class:`~binary_middleware.arrays.ArraySpec` for ``pandas.Series``, of one dimension."""

    value_type: ClassVar[Any] = pd.Series

    @override
    def parse_annotation(self, source: Any) -> tuple[tuple[Any, ...], tuple[Size, ...] | None]:
        if (get_origin(source) or source) is not pd.Series:
            raise TypeError(f"SeriesSpec annotates pandas.Series, not {source!r}")
        return (), (None,)

    @override
    def to_numpy(self, value: Any) -> np.ndarray[Any, Any]:
        if not isinstance(value, pd.Series):
            return super().to_numpy(value)
        _check_index(value)
        if isinstance(value.dtype, np.dtype) and value.dtype.kind != "O":
            return as_ndarray(value.to_numpy())
        return _extension_to_numpy(value)

    @override
    def from_numpy(self, array: np.ndarray[Any, Any], source: Any) -> Any:
        if isinstance(source, pd.Series):
            return source
        try:
            series = pd.Series(array, copy=False)
        except (ValueError, TypeError, NotImplementedError) as exc:
            raise ValueError(f"pandas cannot hold it: {str(exc)[:80]}") from exc
        if series.dtype != array.dtype and array.dtype.kind != "U":
            raise ValueError(f"pandas would make {series.dtype} of {str(array.dtype)[:40]}")
        return series


def _check_index(value: Any) -> None:
    if not value.index.equals(pd.RangeIndex(len(value))):
        raise ValueError(
            "only the default index is supported: send .reset_index(), or "
            ".reset_index(drop=True) to leave the index out"
        )


def _extension_to_numpy(series: Any) -> np.ndarray[Any, Any]:
    """Convert a Series of text, or one of a nullable dtype in which no value is missing."""
    dtype = series.dtype
    of_numpy = getattr(dtype, "numpy_dtype", np.dtype(object))
    if of_numpy.kind != "O" and not series.isna().any():
        return as_ndarray(series.to_numpy(dtype=of_numpy))
    if isinstance(dtype, pd.StringDtype) or pd.api.types.is_object_dtype(dtype):
        texts = series.tolist()
        # numpy pads text with NUL, and reads those at the end as padding.
        if all(isinstance(text, str) and not text.endswith("\0") for text in texts):
            return np.array(texts, dtype=np.str_)
    raise ValueError(
        f"a column of {dtype} is not supported as it is: fill in missing values, or convert it to "
        "a dtype of numpy with .astype(...)"
    )


class Columns:
    """The annotation of a field whose value is a ``pandas.DataFrame``: its columns.

    In an ``ArrayModel``, named dimensions of the columns agree with those of other fields.

    Args:
        columns: the spec of each column, all of which are required, and no others accepted;
            ``None`` for columns of any name and dtype. The order is that of the value.

    Raises:
        TypeError: a spec is not of arrays of one dimension.
    """

    def __init__(self, columns: Mapping[str, ArraySpec] | None = None) -> None:
        self._columns: dict[str, BoundArray] | None = None
        self.expected = "any columns"
        if columns is not None:
            specs = {name: SeriesSpec().merged_with(spec) for name, spec in columns.items()}
            self._columns = {name: spec.bind(pd.Series) for name, spec in specs.items()}
            self.expected = f"the columns {', '.join(columns)}"

    def merged_with(self, inner: Any) -> Columns:
        """Return this annotation, which replaces an inner one."""
        return self

    def bind(self, source: Any) -> Columns:
        """Return this annotation, after a check of the type that it annotates."""
        if source is not pd.DataFrame:
            raise TypeError(f"Columns annotates pandas.DataFrame, not {source!r}")
        return self

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        bound = self.bind(source)
        return core_schema.no_info_plain_validator_function(
            bound.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                NativeSerializer(bound.to_numpy, _to_maps), info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        json_schema: dict[str, Any] = {"title": "DataFrame", "type": "object"}
        if self._columns is None:
            any_column = SeriesSpec().bind(pd.Series).json_schema(handler.mode)
            return json_schema | {"additionalProperties": any_column}
        return json_schema | {
            "properties": {
                name: bound.json_schema(handler.mode) for name, bound in self._columns.items()
            },
            "required": list(self._columns),
            "additionalProperties": False,
        }

    def validate(self, value: Any) -> Any:
        """Return the DataFrame.

        Raises:
            PydanticCustomError: neither a DataFrame nor a map, or one that is not supported.
            ValidationError: errors of single columns.
        """
        given = {name: value[name] for name in _names(value)}
        expected = self._columns
        if expected is None:
            expected = dict.fromkeys(given, SeriesSpec().bind(pd.Series))
        columns: dict[str, Any] = {}
        errors: list[InitErrorDetails] = []
        for name in {**given, **expected}:
            error: Any = None
            if name not in expected:
                error = "extra_forbidden"
            elif name not in given:
                error = "missing"
            else:
                try:
                    columns[name] = expected[name].validate(given[name])
                    error = _length_error(columns, name)
                except PydanticCustomError as exc:
                    error = exc
            if error is not None:
                shown = f"<{type(value).__name__} of {len(given)} columns>"
                errors.append(InitErrorDetails(type=error, loc=(name,), input=shown))
            if len(errors) == _MAX_ERRORS:
                break
        if errors:
            raise ValidationError.from_exception_data("DataFrame", errors)
        if isinstance(value, pd.DataFrame) and all(columns[name] is given[name] for name in given):
            return value
        return pd.DataFrame(columns, copy=False)

    def to_numpy(self, value: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns as arrays."""
        return {name: SeriesSpec().to_numpy(value[name]) for name in _names(value)}

    @property
    def has_names(self) -> bool:
        """Whether a dimension has a name."""
        return any(bound.has_names for bound in (self._columns or {}).values())

    def accepts(self, value: Any) -> bool:
        """Return whether the value of a field is a DataFrame of these columns."""
        return isinstance(value, pd.DataFrame) and {*(self._columns or ())} <= {*value.columns}

    def named_sizes(self, value: Any) -> Iterable[tuple[str, int]]:
        """Yield the dimensions that have a name, each with its size."""
        for name, bound in (self._columns or {}).items():
            yield from bound.named_sizes(value[name])


def _to_maps(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    return {name: to_map(array) for name, array in arrays.items()}


def _names(value: Any) -> list[str]:
    if isinstance(value, pd.DataFrame):
        try:
            _check_index(value)
        except ValueError as exc:
            raise _refused(f"a supported DataFrame: {exc}") from exc
    elif not isinstance(value, Mapping):
        raise _refused(f"a DataFrame, or a map of columns, got {type(value).__name__}")
    names = [*value.keys()]
    if len({*names}) != len(names) or not all(isinstance(name, str) for name in names):
        raise _refused("a DataFrame whose column names are text, without duplicates")
    return names


def _refused(expected: str) -> PydanticCustomError:
    return PydanticCustomError("columns_type", "Input should be {expected}", {"expected": expected})


def _length_error(columns: Mapping[str, Any], name: str) -> PydanticCustomError | None:
    first = next(iter(columns))
    known, size = len(columns[first]), len(columns[name])
    if known == size:
        return None
    return PydanticCustomError(
        "array_dimension",
        "Input should be a column as long as {first}: expected {known}, got {size}",
        {"first": first, "known": known, "size": size},
    )

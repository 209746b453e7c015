"""The annotation of array fields, and short names for arrays of one dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Final, Literal, get_args, get_origin

import numpy as np
from numpy.typing import NDArray
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, PydanticSchemaGenerationError
from pydantic_core import core_schema

from binary_middleware.arrays._convert import (
    Order,
    array_error,
    check_values,
    convert,
    mismatch_error,
)
from binary_middleware.arrays._dims import ANY_SHAPE, Shape, Size
from binary_middleware.arrays._dtypes import AcceptedDtypes, Casting, array_text, scalar_types
from binary_middleware.arrays._json_schema import array_schema
from binary_middleware.arrays._lists import array_from_lists
from binary_middleware.fields import (
    NativeSerializer,
    NumpyArrayField,
    as_ndarray,
    check_dtype,
    from_map,
    is_array_like,
)

_METADATA_KEY: Final = "binary_middleware_array"


@dataclass(frozen=True, init=False, repr=False)
class ArraySpec:
    """The annotation of a field whose value is an array: its shape, and how it is converted.

    ::

        class Batch(BaseModel):
            images: Annotated[NDArray[np.uint8], ArraySpec("batch", None, None, 3)]
            weights: Annotated[NDArray[np.float32], ArraySpec("batch", casting="safe", finite=True)]

    The dtype is that of the annotated type. A scalar type of no one dtype (``np.floating``,
    ``np.str_``) stands for all of its kind, ``np.float32 | np.float64`` for either of the two, and
    plain ``np.ndarray`` for any. Values are accepted and written as by
    :class:`~binary_middleware.fields.NumpyArrayField`, but the value of the field is the array
    itself.

    ``ArraySpec`` comes first among the annotations of a type. If it annotates a type that has one
    already, settings of the outer one replace those of the inner one.

    Args:
        sizes: one size per dimension; none at all for any shape. A size is an integer, a name, a
            :class:`Dim`, ``None`` for any, or once ``...`` for any number of dimensions.
        shape: the same as one sequence, of which ``()`` is an array without dimensions.
        dtype: a dtype that the annotated type cannot tell (``"datetime64[ms]"``, ``"U8"``,
            structured types).
        casting: which dtypes are converted, by the rules of ``numpy.can_cast``: ``"equiv"`` (the
            default) swaps bytes only, ``"no"`` not even that, ``"safe"`` widens, ``"same_kind"``
            narrows too. Values that do not fit are refused, never wrapped or cut off.
        order: memory order of the value, as in ``numpy.array``: ``"C"``, ``"F"``, or ``"K"`` (the
            default) for that of the received array.
        copy: as in ``numpy.array``: ``None`` (the default) copies what has to be converted,
            ``True`` everything, and ``False`` refuses what would have to be copied.
        finite: refuses NaN, infinities and NaT.
        ge: the minimum of an element.
        le: the maximum of an element.
        accept_lists: accepts numbers and nested lists of numbers as well, ``[[1, 2], [3, 4]]``.
            They must fit the dtype, but are rounded if it is a float.

    Raises:
        ValueError, TypeError: a setting is wrong, or does not fit the annotated type.
    """

    shape: tuple[Size, ...] | None = None
    dtype: np.dtype[Any] | None = None
    casting: Casting | None = None
    order: Order | None = None
    copy: bool | None = None
    finite: bool = False
    ge: float | None = None
    le: float | None = None
    accept_lists: bool = False

    value_type: ClassVar[Any] = np.ndarray
    """The class of the values; specs for other libraries derive from this class."""

    def __init__(
        self,
        *sizes: Size,
        shape: Sequence[Size] | None = None,
        dtype: Any = None,
        casting: Casting | None = None,
        order: Order | None = None,
        copy: bool | None = None,
        finite: bool = False,
        ge: float | None = None,
        le: float | None = None,
        accept_lists: bool = False,
    ) -> None:
        if sizes and shape is not None:
            raise TypeError("a shape is given as arguments or as shape=, not as both")
        if casting not in (None, *get_args(Casting)) or order not in (None, *get_args(Order)):
            raise ValueError(f"casting is one of {get_args(Casting)}, order of {get_args(Order)}")
        if ge is not None and le is not None and not ge <= le:
            raise ValueError("ge must not be greater than le")
        vars(self).update(
            shape=sizes or (None if shape is None else tuple(shape)),
            dtype=None if dtype is None else check_dtype(self.numpy_dtype(dtype)),
            casting=casting,
            order=order,
            copy=copy,
            finite=finite,
            ge=ge,
            le=le,
            accept_lists=accept_lists,
        )

    def __repr__(self) -> str:
        parts = [*map(repr, self.shape or ())]
        for name, value in self._settings().items():
            if name != "shape" or not value:
                parts.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _settings(self) -> dict[str, Any]:
        """Return what is set, by name."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) is not field.default
        }

    # Overridden by the specs for other libraries.

    def numpy_dtype(self, dtype: Any) -> np.dtype[Any]:
        """Return the numpy dtype of the argument ``dtype``."""
        known: np.dtype[Any] = np.dtype(dtype)
        return known

    def parse_annotation(self, source: Any) -> tuple[tuple[Any, ...], tuple[Size, ...] | None]:
        """Return the scalar types and the shape of an annotated type; ``()`` and ``None`` for any.

        Raises:
            TypeError: not a type that this class annotates.
        """
        source = without_alias(source)
        if (get_origin(source) or source) is not np.ndarray:
            raise TypeError(
                f"ArraySpec annotates a numpy array, as in NDArray[...], not {source!r}"
            )
        shape, dtype = get_args(source) or (Any, np.dtype[Any])
        return scalar_types(*(get_args(dtype) or (Any,))), _annotated_shape(shape)

    def to_numpy(self, value: Any) -> np.ndarray[Any, Any]:
        """Return a value as a numpy array, without a copy.

        Raises:
            ValueError: not an array, or one that is not supported.
        """
        return value.array if isinstance(value, NumpyArrayField) else as_ndarray(value)

    def from_numpy(self, array: np.ndarray[Any, Any], source: Any) -> Any:
        """Return the value of the field for a numpy array, without a copy if that is possible.

        Args:
            array: the array after any conversion.
            source: the value that it was read from, ``None`` if it was converted.

        Raises:
            ValueError: the library cannot hold the array.
        """
        return array

    # The same for all.

    def bind(self, source: Any) -> BoundArray:
        """Combine these settings with the type that they annotate."""
        return BoundArray(self, *self.parse_annotation(source))

    def merged_with(self, inner: ArraySpec | None) -> ArraySpec:
        """Return these settings, and those of ``inner`` where nothing is set here."""
        if inner is None:
            return self
        merged = type(self)()
        vars(merged).update(vars(inner) | self._settings())
        return merged

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        try:
            metadata = handler(source).get("metadata") or {}
        except PydanticSchemaGenerationError:  # pydantic itself has no schema of arrays
            metadata = {}
        inner: BoundArray | None = metadata.get(_METADATA_KEY)
        spec = self.merged_with(None if inner is None else inner.spec)
        return spec.bind(source).pydantic_schema()

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        bound: BoundArray = schema["metadata"][_METADATA_KEY]
        return bound.json_schema(handler.mode)


class BoundArray:
    """An :class:`ArraySpec` together with the type that it annotates.

    Args:
        spec: the settings.
        types: the scalar types of the annotated type, ``()`` for any.
        annotated_shape: the shape of the annotated type, ``None`` for any.

    Attributes:
        spec: the settings.
        dtypes: the accepted dtypes.
        shape: the accepted shape.
        expected: both as text: ``float32 (batch, 3)``.

    Raises:
        TypeError, ValueError: the settings and the type contradict each other.
    """

    def __init__(
        self, spec: ArraySpec, types: tuple[Any, ...], annotated_shape: tuple[Size, ...] | None
    ) -> None:
        self.spec = spec
        self.dtypes = AcceptedDtypes(types, spec.dtype, spec.casting)
        self.shape, self.expected = ANY_SHAPE, str(self.dtypes)
        sizes = annotated_shape if spec.shape is None else spec.shape
        if sizes is not None:
            self.shape = Shape(sizes)
            self.expected += f" {self.shape}"
        if (
            spec.shape is not None
            and annotated_shape is not None
            and not self.shape.accepts(annotated_shape)
        ):
            raise TypeError(f"the shape {self.shape} is not that of the annotated type")
        kinds = self.dtypes.kinds
        if (spec.ge is not None or spec.le is not None) and not kinds <= {*"iuf"}:
            raise TypeError("ge and le need a dtype of integers or floats")
        if spec.finite and not kinds <= {*"iufcmM"}:
            raise TypeError("finite needs a dtype of numbers or times")
        if spec.accept_lists and not kinds <= {*"biufc", "any"}:
            raise TypeError("accept_lists needs a dtype of numbers")

    def validate(self, value: Any) -> Any:
        """Return the value of the field.

        Raises:
            PydanticCustomError: not what is expected.
        """
        spec = self.spec
        array = self._read(value)
        target = self.dtypes.target(array.dtype)
        is_shape = self.shape.accepts(array.shape)
        if target is None or not is_shape:
            what = "shape" if target is not None else "dtype" if is_shape else "dtype and shape"
            raise mismatch_error(what, self.expected, array_text(array))
        # An array made of a map or of lists has no other owner.
        copy = spec.copy if is_array_like(value) else None
        result = convert(array, target, self.expected, order=spec.order or "K", copy=copy)
        check_values(result, finite=spec.finite, ge=spec.ge, le=spec.le)
        try:
            return spec.from_numpy(result, value if result is array else None)
        except ValueError as exc:
            raise array_error("array_type", self.expected, f"but {exc}") from exc

    def _read(self, value: Any) -> np.ndarray[Any, Any]:
        if isinstance(value, Mapping):
            try:
                return from_map(value)
            except ValueError as exc:
                raise array_error("array_parsing", self.expected, f"but {exc}") from exc
        if is_array_like(value):
            try:
                return self.spec.to_numpy(value)
            except ValueError as exc:
                raise array_error("array_type", self.expected, f"but {exc}") from exc
        if self.spec.accept_lists and isinstance(value, (list, tuple, int, float, complex)):
            return array_from_lists(value, self.dtypes, self.shape, self.expected)
        raise array_error(
            "array_type",
            self.expected,
            f"got {type(value).__name__}; in JSON it is an object with the keys shape, dtype and "
            "data_b64",
        )

    def pydantic_schema(self) -> core_schema.CoreSchema:
        """Return pydantic's schema of the field."""
        # In python mode, a numpy array is written as it is.
        is_numpy = self.spec.value_type is np.ndarray
        serialization = core_schema.plain_serializer_function_ser_schema(
            NativeSerializer(self.spec.to_numpy),
            info_arg=not is_numpy,
            when_used="json" if is_numpy else "always",
        )
        return core_schema.no_info_plain_validator_function(
            self.validate, serialization=serialization, metadata={_METADATA_KEY: self}
        )

    def json_schema(self, mode: str) -> dict[str, Any]:
        """Return the JSON schema of what is read or written in JSON, according to ``mode``."""
        spec = self.spec
        schema = array_schema(
            mode, self.dtypes, self.shape, accept_lists=spec.accept_lists, ge=spec.ge, le=spec.le
        )
        return {"description": self.expected, **schema}

    # Named dimensions in an ArrayModel.

    @property
    def has_names(self) -> bool:
        """Whether a dimension has a name."""
        return self.shape.has_names

    def accepts(self, value: Any) -> bool:
        """Return whether the value of a field is as expected, in dtype and shape."""
        if not isinstance(value, self.spec.value_type):
            return False
        try:
            array = self.spec.to_numpy(value)
        except ValueError:
            return False
        return self.dtypes.target(array.dtype) is not None and self.shape.accepts(array.shape)

    def named_sizes(self, value: Any) -> list[tuple[str, int]]:
        """Return the dimensions that have a name, each with its size in the value of a field."""
        pairs = self.shape.pairs(value.shape) or ()
        return [(dim.name, size) for dim, size in pairs if dim.name]


def without_alias(annotation: Any) -> Any:
    """Return the type that an alias made with a ``type`` statement stands for."""
    while (value := getattr(annotation, "__value__", None)) is not None:
        arguments = get_args(annotation)
        annotation = value[arguments] if arguments else value
    return annotation


def _annotated_shape(declared: Any) -> tuple[Size, ...] | None:
    arguments = get_args(declared)
    if get_origin(declared) is not tuple or Ellipsis in arguments:
        return None
    values = [get_args(size) if get_origin(size) is Literal else () for size in arguments]
    return tuple(value[0] if len(value) == 1 else None for value in values)


BoolArray = Annotated[NDArray[np.bool_], ArraySpec()]
Int8Array = Annotated[NDArray[np.int8], ArraySpec()]
Int16Array = Annotated[NDArray[np.int16], ArraySpec()]
Int32Array = Annotated[NDArray[np.int32], ArraySpec()]
Int64Array = Annotated[NDArray[np.int64], ArraySpec()]
UInt8Array = Annotated[NDArray[np.uint8], ArraySpec()]
UInt16Array = Annotated[NDArray[np.uint16], ArraySpec()]
UInt32Array = Annotated[NDArray[np.uint32], ArraySpec()]
UInt64Array = Annotated[NDArray[np.uint64], ArraySpec()]
Float16Array = Annotated[NDArray[np.float16], ArraySpec()]
Float32Array = Annotated[NDArray[np.float32], ArraySpec()]
Float64Array = Annotated[NDArray[np.float64], ArraySpec()]
Complex64Array = Annotated[NDArray[np.complex64], ArraySpec()]
Complex128Array = Annotated[NDArray[np.complex128], ArraySpec()]

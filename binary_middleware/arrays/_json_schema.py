"""JSON schemas of arrays that a field reads or writes."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from binary_middleware.arrays._convert import check_values
from binary_middleware.arrays._dims import Shape
from binary_middleware.arrays._dtypes import FLEXIBLE, NUMBERS, AcceptedDtypes, kind_of
from binary_middleware.fields import MAX_DIMS, dtype_spec, map_schema, to_map

_MAX_EXAMPLE_SIZE: Final = 256
"""Maximum size in bytes of the array that is an example."""


def array_schema(
    mode: str,
    dtypes: AcceptedDtypes,
    shape: Shape,
    *,
    accept_lists: bool,
    ge: float | None,
    le: float | None,
) -> dict[str, Any]:
    """Return the JSON schema of an array, with an example if there is a small one.

    Args:
        mode: ``"validation"`` or ``"serialization"``, as in pydantic.
        dtypes: the dtypes that the field accepts.
        shape: the shape that it accepts.
        accept_lists: whether it accepts nested lists as well.
        ge: the minimum of its elements.
        le: the maximum of its elements.
    """
    schema = map_schema(_shape_schema(shape), _dtype_schema(dtypes, mode))
    example = _example(dtypes, shape, ge, le)
    examples = [] if example is None else [to_map(example)]
    if accept_lists and mode == "validation":
        schema = {"anyOf": [schema, _list_schema(dtypes, shape, ge, le)]}
        if example is not None and kind_of(example.dtype) in "biuf":
            examples.append(example.tolist())
    return {**schema, "examples": examples} if examples else schema


def _shape_schema(shape: Shape) -> dict[str, Any] | None:
    count, index = len(shape.dims), shape.ellipsis_index
    if not count and index is not None:
        return None
    schema: dict[str, Any] = {"type": "array", "minItems": count, "maxItems": count}
    if first := shape.dims[:index]:
        schema["prefixItems"] = [dim.json_schema() for dim in first]
    if index is not None:
        schema |= {"items": {"type": "integer", "minimum": 0}, "maxItems": MAX_DIMS}
    return schema


def _dtype_schema(dtypes: AcceptedDtypes, mode: str) -> dict[str, Any] | None:
    if dtypes.is_any:
        return None
    specs = [dtype_spec(dtype) for dtype in dtypes.exact]
    for dtype in NUMBERS:
        is_accepted = mode == "validation" and dtypes.target(dtype) is not None
        if (is_accepted or dtypes.in_categories(dtype)) and str(dtype) not in specs:
            specs.append(str(dtype))
    schemas: list[dict[str, Any]] = [
        {"type": "array", "const": spec} for spec in specs if isinstance(spec, list)
    ]
    names = [spec for spec in specs if isinstance(spec, str)]
    if len(names) == 1:
        schemas.append({"type": "string", "const": names[0]})
    elif names:
        schemas.append({"type": "string", "enum": names})
    for name, pattern in FLEXIBLE.items():
        if dtypes.in_categories(np.dtype(name)):
            schemas.append({"type": "string", "pattern": pattern})
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _list_schema(
    dtypes: AcceptedDtypes, shape: Shape, ge: float | None, le: float | None
) -> dict[str, Any]:
    kinds = {kind_of(dtype) for dtype in dtypes.exact}
    schema: dict[str, Any] = {"type": "number"}
    if kinds and kinds <= {"b"}:
        schema = {"type": "boolean"}
    elif kinds and kinds <= {"i", "u"}:
        schema = {"type": "integer"}
    if ge is not None:
        schema["minimum"] = ge
    if le is not None:
        schema["maximum"] = le
    if shape.ellipsis_index is not None:
        return {"anyOf": [schema, {"type": "array", "items": {}}]}
    for dim in reversed(shape.dims):
        schema = {"type": "array", "items": schema}
        if dim.ge:
            schema["minItems"] = dim.ge
        if dim.le is not None:
            schema["maxItems"] = dim.le
    return schema


def _example(
    dtypes: AcceptedDtypes, shape: Shape, ge: float | None, le: float | None
) -> np.ndarray[Any, Any] | None:
    """Return the smallest array that is accepted, unless that is large or hard to find."""
    in_categories = filter(dtypes.in_categories, (*NUMBERS, *map(np.dtype, FLEXIBLE)))
    dtype = next(iter((*dtypes.exact, *in_categories)), NUMBERS[0])
    sizes = shape.example()
    if sizes is None or math.prod(sizes) * dtype.itemsize > _MAX_EXAMPLE_SIZE:
        return None
    example = np.zeros(sizes, dtype)
    try:
        least = min(max(0, -math.inf if ge is None else ge), math.inf if le is None else le)
        if least:
            example.fill(math.ceil(least) if kind_of(dtype) in "iu" else least)
        check_values(example, finite=False, ge=ge, le=le)
    except (ValueError, OverflowError):
        return None
    return example

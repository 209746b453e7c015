"""Typed arrays in models: the dimensions of a whole document, and arrays of other libraries.

What needs another library is in a module that is named for it, and is imported by that name only.
"""

from binary_middleware.arrays._model import ArrayModel
from binary_middleware.fields import (
    ArraySpec,
    BinaryBytes,
    BoolArray,
    Complex64Array,
    Complex128Array,
    Dim,
    Float16Array,
    Float32Array,
    Float64Array,
    Int8Array,
    Int16Array,
    Int32Array,
    Int64Array,
    UInt8Array,
    UInt16Array,
    UInt32Array,
    UInt64Array,
)

__all__ = [
    "ArrayModel",
    "ArraySpec",
    "BinaryBytes",
    "BoolArray",
    "Complex64Array",
    "Complex128Array",
    "Dim",
    "Float16Array",
    "Float32Array",
    "Float64Array",
    "Int8Array",
    "Int16Array",
    "Int32Array",
    "Int64Array",
    "UInt8Array",
    "UInt16Array",
    "UInt32Array",
    "UInt64Array",
]

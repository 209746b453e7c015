"""Typed arrays in models: dtype and shape in the type of a field, also for other libraries.

Specs for another library are in the module named for it, which nothing else imports.
"""

from binary_middleware.arrays._dims import Dim
from binary_middleware.arrays._model import ArrayModel
from binary_middleware.arrays._spec import (
    ArraySpec,
    BoolArray,
    Complex64Array,
    Complex128Array,
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

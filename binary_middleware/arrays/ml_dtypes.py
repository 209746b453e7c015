"""The dtypes of ``ml_dtypes``, bfloat16 and the float8 types, as an extension of the wire map.

They are sent under their names, ``"bfloat16"``, instead of numpy's name of a dtype, with their
elements as they are in memory, little-endian. msgpack-numpy reads such arrays once ``ml_dtypes``
has been imported; it cannot write them.
"""

from __future__ import annotations

from typing import Final

from binary_middleware.fields import register_dtype

try:
    import ml_dtypes
except ImportError as exc:
    raise ImportError(
        "binary_middleware.arrays.ml_dtypes needs ml_dtypes: pip install ml_dtypes"
    ) from exc

__all__ = ["NAMES", "register"]

NAMES: Final = (
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
)
"""The supported types: those of whole bytes, as an element of a smaller one takes a byte, too."""


def register() -> None:
    """Allow arrays of these types to be read and written, in this process."""
    for name in NAMES:
        register_dtype(getattr(ml_dtypes, name))

"""Python objects as msgpack and back: ``packb``, ``unpackb`` and their buffer-level forms.

msgspec writes and reads the msgpack. What is added is what it does not know: arrays (see
``ndarray``), the values that JSON writes as text (dates, decimals, enums ... as pydantic writes
them), keys as JSON has them, and the rule that a large buffer is never copied into another.
"""

from binary_middleware.codec.conversions import TEXT_CONVERSION, Conversions
from binary_middleware.codec.long_text import LongText
from binary_middleware.codec.pack import LARGE, key_text, pack_buffers, packb
from binary_middleware.codec.unpack import (
    LARGE_ITEM,
    MAX_DEPTH,
    MAX_DESCENT,
    MAX_STRUCTURE_SIZE,
    PINNED_SHARE,
    DocumentFacts,
    Moved,
    UnpackedBody,
    unpack_body,
    unpack_owned,
    unpack_views,
    unpackb,
)

__all__ = [
    "LARGE",
    "LARGE_ITEM",
    "MAX_DEPTH",
    "MAX_DESCENT",
    "MAX_STRUCTURE_SIZE",
    "PINNED_SHARE",
    "TEXT_CONVERSION",
    "Conversions",
    "DocumentFacts",
    "LongText",
    "Moved",
    "UnpackedBody",
    "key_text",
    "pack_buffers",
    "packb",
    "unpack_body",
    "unpack_owned",
    "unpack_views",
    "unpackb",
]

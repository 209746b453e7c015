"""Python objects as msgpack and back: ``packb``, ``unpackb`` and their buffer-level forms.

msgspec writes and reads the msgpack. What is added is what it does not know: arrays (see
``ndarray``), the values that JSON writes as text (dates, decimals, enums ... as pydantic writes
them), keys as JSON has them, and the rule that a large buffer is never copied into another.
"""

from binary_middleware.formats._long_text import LongText
from binary_middleware.formats.base import MAX_DEPTH, MAX_STRUCTURE_SIZE, DocumentFacts, Relocation
from binary_middleware.formats.msgpack._format import MSGPACK
from binary_middleware.formats.msgpack._limits import TEXT_CONVERSION, Conversions
from binary_middleware.formats.msgpack._pack import (
    OUT_OF_LINE_THRESHOLD,
    Dialect,
    key_text,
    pack_buffers,
    packb,
)
from binary_middleware.formats.msgpack._unpack import (
    LARGE_ITEM,
    MAX_DESCENT,
    MIN_VIEW_SHARE,
    unpack_body,
    unpack_owned,
    unpack_views,
    unpackb,
)

__all__ = [
    "LARGE_ITEM",
    "MAX_DEPTH",
    "MAX_DESCENT",
    "MAX_STRUCTURE_SIZE",
    "MIN_VIEW_SHARE",
    "MSGPACK",
    "OUT_OF_LINE_THRESHOLD",
    "TEXT_CONVERSION",
    "Conversions",
    "Dialect",
    "DocumentFacts",
    "LongText",
    "Relocation",
    "key_text",
    "pack_buffers",
    "packb",
    "unpack_body",
    "unpack_owned",
    "unpack_views",
    "unpackb",
]

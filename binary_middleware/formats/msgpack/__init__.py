"""Python objects as msgpack and back.

msgspec writes and reads the msgpack. What is added is what it does not know: arrays (see
``_numpy_maps``), the values that JSON writes as text (dates, decimals, enums ... as pydantic writes
them), keys as strings, and the rule that a large buffer is never copied into another.
"""

from binary_middleware.formats.msgpack._format import MSGPACK
from binary_middleware.formats.msgpack._pack import Dialect, pack_buffers, packb
from binary_middleware.formats.msgpack._unpack import unpackb

__all__ = ["MSGPACK", "Dialect", "pack_buffers", "packb", "unpackb"]

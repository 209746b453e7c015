"""Documents as bytes and back. No HTTP, no ASGI."""

from typing import Final

from binary_middleware.formats.base import Format
from binary_middleware.formats.msgpack import MSGPACK

__all__ = ["FORMAT", "Format"]

FORMAT: Final[Format] = MSGPACK
"""The binary format that this package negotiates."""

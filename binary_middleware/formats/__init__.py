"""Documents as bytes and back. No HTTP, no ASGI."""

from typing import Final

import binary_middleware.formats.msgpack as _msgpack

__all__ = ["FORMAT"]

FORMAT: Final = _msgpack.MSGPACK
"""The binary format that this package negotiates."""

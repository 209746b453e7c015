"""Binary mode for ASGI apps: arrays and bytes as msgpack, JSON for everybody else."""

from binary_middleware.codec import packb, unpackb
from binary_middleware.endpoint import binary
from binary_middleware.errors import (
    BinaryError,
    ContentTooLarge,
    DecodeError,
    EncodeError,
    NotAcceptable,
    RequestError,
    UnsupportedMediaType,
)
from binary_middleware.exchange import record_of
from binary_middleware.fields import NumpyArrayField
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.options import BinaryOptions
from binary_middleware.record import ExchangeRecord
from binary_middleware.rules import RouteRule

__all__ = [
    "BinaryError",
    "BinaryMiddleware",
    "BinaryOptions",
    "ContentTooLarge",
    "DecodeError",
    "EncodeError",
    "ExchangeRecord",
    "NotAcceptable",
    "NumpyArrayField",
    "RequestError",
    "RouteRule",
    "UnsupportedMediaType",
    "binary",
    "packb",
    "record_of",
    "unpackb",
]

__version__ = "0.1.0"

"""Binary mode for ASGI apps: arrays and bytes as msgpack, JSON for everybody else."""

from binary_middleware._asgi.endpoint_guard import binary_options
from binary_middleware._routing.rules import RouteRule
from binary_middleware.errors import (
    BinaryError,
    CodecError,
    ContentTooLarge,
    DecodeError,
    EncodeError,
    LimitExceeded,
    NotAcceptable,
    RejectedRequest,
    UnsupportedMediaType,
)
from binary_middleware.exchange_info import ExchangeInfo, get_exchange_info
from binary_middleware.fields import NumpyArrayField
from binary_middleware.formats.msgpack import packb, unpackb
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.options import BinaryOptions, OptionsDict

__all__ = [
    "BinaryError",
    "BinaryMiddleware",
    "BinaryOptions",
    "CodecError",
    "ContentTooLarge",
    "DecodeError",
    "EncodeError",
    "ExchangeInfo",
    "LimitExceeded",
    "NotAcceptable",
    "NumpyArrayField",
    "OptionsDict",
    "RejectedRequest",
    "RouteRule",
    "UnsupportedMediaType",
    "binary_options",
    "get_exchange_info",
    "packb",
    "unpackb",
]

__version__ = "0.1.0"

"""OpenAPI documents that tell of the binary mode of an app."""

from binary_middleware.openapi._document import (
    BinaryOperation,
    OperationOf,
    with_binary_media_types,
)
from binary_middleware.openapi._middleware import DocumentCompletion
from binary_middleware.openapi._options import operations_of, options_of

__all__ = [
    "BinaryOperation",
    "DocumentCompletion",
    "OperationOf",
    "operations_of",
    "options_of",
    "with_binary_media_types",
]

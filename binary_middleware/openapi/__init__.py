"""Binary media types in OpenAPI documents."""

from binary_middleware.openapi._document import (
    BinaryOperation,
    OperationOf,
    add_binary_media_types,
)

__all__ = ["BinaryOperation", "OperationOf", "add_binary_media_types"]

"""The object lane for Starlette: ``read`` a request, answer with ``NegotiatedResponse``."""

from binary_middleware.starlette.request import InvalidBody, read
from binary_middleware.starlette.response import NegotiatedResponse

__all__ = ["InvalidBody", "NegotiatedResponse", "read"]

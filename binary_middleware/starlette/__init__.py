"""The object lane for Starlette: ``read_body`` and ``NegotiatedResponse``."""

from binary_middleware.starlette._request import InvalidBody, read_body
from binary_middleware.starlette._response import NegotiatedResponse

__all__ = ["InvalidBody", "NegotiatedResponse", "read_body"]

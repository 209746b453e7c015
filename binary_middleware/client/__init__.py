"""The clients: httpx's own, which call endpoints with objects instead of bodies."""

from binary_middleware.client.asynchronous import AsyncBinaryClient
from binary_middleware.client.blocking import BinaryClient
from binary_middleware.client.flow import Options, Reply
from binary_middleware.client.transfer import Progress

__all__ = ["AsyncBinaryClient", "BinaryClient", "Options", "Progress", "Reply"]

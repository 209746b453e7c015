"""Clients on httpx that call endpoints with objects instead of bodies."""

from binary_middleware.client._async import AsyncBinaryClient
from binary_middleware.client._core import RequestOptions
from binary_middleware.client._responses import Result
from binary_middleware.client._sync import BinaryClient
from binary_middleware.client._transfer import TransferProgress

__all__ = ["AsyncBinaryClient", "BinaryClient", "RequestOptions", "Result", "TransferProgress"]

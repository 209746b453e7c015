"""The gRPC variant's client: grpc's own, which cannot be the one of the others."""

from __future__ import annotations

from collections import deque
from typing import Any

import grpc

from tests.benchmarks.grpc_echo import OPTIONS, SERVICE
from tests.benchmarks.http_client import TIMEOUT


class GrpcClient:
    """A channel.

    Args:
        port: of 127.0.0.1.
        path: the method's name behind a slash.
    """

    def __init__(self, port: int, path: str) -> None:
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS)
        self._call = self._channel.unary_unary(f"/{SERVICE}{path}")

    def close(self) -> None:
        """End the channel."""
        self._channel.close()

    def exchange(self, request: bytes) -> bytes:
        """Send a message and receive its response."""
        response: bytes = self._call(request, timeout=TIMEOUT)
        return response

    def exchange_concurrently(
        self, request: bytes, count: int, expected_length: int, concurrency: int
    ) -> None:
        """Keep some calls under way, until ``count`` have responses.

        Raises:
            RuntimeError: a response is not what it was in the beginning.
        """
        calls: deque[Any] = deque()
        for _ in range(count):
            if len(calls) == concurrency:
                _check(calls.popleft(), expected_length)
            calls.append(self._call.future(request, timeout=TIMEOUT))
        while calls:
            _check(calls.popleft(), expected_length)


def _check(call: Any, expected_length: int) -> None:
    if len(call.result()) != expected_length:
        raise RuntimeError("a response differs in length")

"""The clients that are compared: each posts a document to a URL and gives the response's.

Nothing is imported for a client that it does not need; see ``apps``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.benchmarks.documents import ENCODINGS, Document

Call = Callable[[Document], Document]

TIMEOUT: Final = 120.0
"""Seconds without progress after which a server counts as hung."""

_MSGPACK_NUMPY: Final = ENCODINGS["msgpack-numpy"]


def ours(url: str) -> Call:
    """``BinaryClient``."""
    from binary_middleware.client import BinaryClient

    client = BinaryClient(url, timeout=TIMEOUT)
    return lambda document: client.post("", document)


def ours_async(url: str) -> Call:
    """``AsyncBinaryClient``."""
    import asyncio

    from binary_middleware.client import AsyncBinaryClient

    client = AsyncBinaryClient(url, timeout=TIMEOUT)
    runner = asyncio.Runner()
    return lambda document: runner.run(client.post("", document))


def with_requests(url: str) -> Call:
    """Call with the usual recipe: requests, msgpack and msgpack-numpy."""
    import requests

    session = requests.Session()
    return _by_hand(
        lambda body, headers: session.post(url, data=body, headers=headers, timeout=TIMEOUT)
    )


def with_httpx2(url: str) -> Call:
    """Call with the same recipe on httpx2."""
    import httpx2

    client = httpx2.Client(timeout=TIMEOUT)
    return _by_hand(lambda body, headers: client.post(url, content=body, headers=headers))


def _by_hand(post: Callable[[bytes, Mapping[str, str]], Any]) -> Call:
    headers = {"content-type": _MSGPACK_NUMPY.content_type, "accept": _MSGPACK_NUMPY.content_type}

    def call(document: Document) -> Document:
        response = post(_MSGPACK_NUMPY.dumps(document), headers)
        response.raise_for_status()
        return _MSGPACK_NUMPY.loads(response.content)

    return call


def chains(url: str) -> Call:
    """Call with the client of the Chains framework, with its option for binary bodies."""
    from truss_chains.public_types import RPCOptions
    from truss_chains.remote_chainlet.stub import StubBase

    class Stub(StubBase):
        """What Chains generates for each service, as far as it matters here."""

    options = RPCOptions(use_binary=True, retries=1, timeout_sec=int(TIMEOUT))
    stub = Stub.from_url(url, "no key", options)
    call: Call = stub.predict_sync
    return call


CLIENTS: Final[Mapping[str, Callable[[str], Call]]] = {
    "ours": ours,
    "ours-async": ours_async,
    "requests": with_requests,
    "httpx2": with_httpx2,
    "chains": chains,
}
"""What makes each of them ready to call a URL, by name."""

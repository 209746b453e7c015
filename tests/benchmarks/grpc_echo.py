"""The gRPC variant's server: ``grpc.aio``, with messages that are bytes to it.

A message holds the same fields as the other variants' documents. It is taken apart and put
together again by hand, with one copy of the array each way, as protobuf does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import grpc

from tests.benchmarks.documents import ENCODINGS

SERVICE: Final = "benchmarks.Echo"

OPTIONS: Final = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
]
"""Of channels and servers: no limits."""


async def _echo(message: bytes, _: Any) -> bytes:
    encoding = ENCODINGS["framed"]
    return encoding.dumps(encoding.loads(message))


async def serve(started: Callable[[int], None]) -> None:
    """Serve until the process ends.

    Args:
        started: called with the port on 127.0.0.1.
    """
    server = grpc.aio.server(options=OPTIONS)
    handlers = {name: grpc.unary_unary_rpc_method_handler(_echo) for name in ("array", "document")}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    started(port)
    await server.wait_for_termination()

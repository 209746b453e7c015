"""Runs one variant in a process of its own: ``python -m tests.benchmarks.serve VARIANT``.

It listens on a free port of 127.0.0.1, prints the port, and from then on collects garbage for each
line that it reads, and prints another one when it has. It ends when its standard input does, and so
never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
import time
from typing import Any, Final, TextIO

from tests.benchmarks.apps import make_app
from tests.benchmarks.variants import VARIANTS

KEEP_ALIVE: Final = 600
"""Seconds that a connection may be idle, while other variants have their turns."""


def _listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    # What is accepted inherits it, whatever the server does.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _free_port() -> int:
    with _listen() as listener:
        port: int = listener.getsockname()[1]
        return port


def _await_connections(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)


def _obey(port: int, responses: TextIO) -> None:
    _await_connections(port)
    print(port, file=responses, flush=True)
    for _ in sys.stdin:
        gc.collect()
        print("done", file=responses, flush=True)
    os._exit(0)


def _start_to_obey(port: int) -> None:
    responses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what servers have to say does not belong among the responses
    threading.Thread(target=_obey, args=(port, responses), daemon=True).start()


def _serve_uvicorn(app: Any, listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="auto",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _serve_hypercorn(app: Any, listener: socket.socket) -> None:
    import uvloop
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = KEEP_ALIVE
    uvloop.run(serve(app, config))


def _serve_granian(app: Any, port: int) -> None:
    import uvloop
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server.embed import Server

    # It takes no socket. Should the port be taken before it is, it fails to start.
    server = Server(
        app,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=KEEP_ALIVE * 1000),
        log_level=LogLevels.error,
    )
    uvloop.run(server.serve())


def main(name: str) -> None:
    """Serve the variant of that name until standard input ends."""
    variant = VARIANTS[name]
    if variant.server == "grpc":
        from tests.benchmarks import grpc_echo

        asyncio.run(grpc_echo.serve(_start_to_obey))
        return
    app = make_app(variant.app)
    if variant.server == "granian":
        port = _free_port()
        _start_to_obey(port)
        _serve_granian(app, port)
        return
    listener = _listen()
    _start_to_obey(listener.getsockname()[1])
    {"uvicorn": _serve_uvicorn, "hypercorn": _serve_hypercorn}[variant.server](app, listener)


if __name__ == "__main__":
    main(sys.argv[1])

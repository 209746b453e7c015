"""A real server that speaks HTTP/2 without TLS: hypercorn, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.types import ASGIApp


@contextlib.contextmanager
def serving_http2(app: ASGIApp) -> Iterator[str]:
    """Serve ``app`` during a ``with`` block; give the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.loglevel = "ERROR"
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    task = serve(app, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
    thread = threading.Thread(target=loop.run_until_complete, args=(task,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"  # connections wait in the listener until it accepts
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()

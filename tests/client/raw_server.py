"""A server that sends given bytes, over raw sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator

MIB = 2**20
Payload = bytes | Callable[[], Iterable[bytes]]


def response(
    body: bytes = b"\x81\xa1a\x01",
    status: bytes = b"200 OK",
    content_type: bytes = b"application/msgpack",
    *fields: bytes,
    length: bytes | None = None,
) -> bytes:
    """Return a response; ``length`` replaces the true Content-Length, and ``b""`` omits it."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: " + content_type, *fields]
    if length != b"":
        lines.append(b"Content-Length: " + (length or b"%d" % len(body)))
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


def coded(body: bytes, coding: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a response with a content coding."""
    field = b"Content-Encoding: " + coding
    return response(body, status, b"application/msgpack", field, *fields)


def bomb(mib: int) -> bytes:
    """Return zeros as gzip, about a thousandth of their size."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    return b"".join([compressor.compress(zeros) for _ in range(mib)] + [compressor.flush()])


@contextlib.contextmanager
def serving_bytes(payload: Payload) -> Iterator[str]:
    """Send the payload in response to every request; give the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        is_done = threading.Event()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    if is_done.is_set():
                        return
                    connection.settimeout(20)
                    _read_request(connection)
                    parts = [payload] if isinstance(payload, bytes) else payload()
                    for part in parts:
                        connection.sendall(part)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            is_done.set()
            with contextlib.suppress(OSError):
                socket.create_connection(listener.getsockname(), timeout=5).close()
            thread.join(timeout=30)
            assert not thread.is_alive()


def _read_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += connection.recv(65536)

"""A blocking HTTP/1.1 client whose cost is the same for every variant.

A request is prepared once, and a response is received into memory that exists already. Nothing is
decoded.
"""

from __future__ import annotations

import re
import selectors
import socket
from collections.abc import Sequence
from typing import Final

TIMEOUT: Final = 120.0
"""Seconds without progress after which a server counts as hung."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_HEAD_ROOM: Final = 64 * 1024


def prepare(path: str, body: bytes | None = None, content_type: str = "") -> bytes:
    """Return a whole request: GET without a body, POST with one."""
    fields = [
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
        "host: 127.0.0.1",
    ]
    if content_type:
        fields.append(f"accept: {content_type}")
    if body is not None:
        fields += [f"content-type: {content_type}", f"content-length: {len(body)}"]
    return "\r\n".join([*fields, "", ""]).encode() + (body or b"")


class Connection:
    """A keep-alive connection.

    Args:
        port: of 127.0.0.1.
        room: bytes of the largest response's body that is expected; it grows if need be.
    """

    def __init__(self, port: int, room: int = 0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(room + _HEAD_ROOM)

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def exchange(self, request: bytes) -> memoryview:
        """Send a request and receive its response.

        Returns:
            The body, valid until the next exchange.

        Raises:
            RuntimeError: the status is not 200, or the connection ended early.
        """
        self.send(request)
        return self.receive()

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.socket.sendall(request)

    def receive(self) -> memoryview:
        """Receive a response; see :meth:`exchange`."""
        filled = 0
        head_end = -1
        while head_end < 0:
            filled += self._receive_into(filled)
            head_end = self._buffer.find(b"\r\n\r\n", 0, filled)
        head = bytes(self._buffer[: head_end + 2])
        status = head.split(b" ", 2)[1]
        start = head_end + 4
        length = _LENGTH.search(head)
        if length is not None:
            end = start + int(length[1])
            self._make_room(end)
            while filled < end:
                filled += self._receive_into(filled)
            body = memoryview(self._buffer)[start:end]
        elif _CHUNKED.search(head):
            body = self._receive_chunked(start, filled)
        else:
            raise RuntimeError("the response has no length")
        if status != b"200":
            raise RuntimeError(f"status {status.decode()}: {bytes(body[:500])!r}")
        return body

    def _receive_chunked(self, start: int, filled: int) -> memoryview:
        """Move the chunks together, as they come."""
        read, written = start, start
        while True:
            line_end = self._buffer.find(b"\r\n", read, filled)
            if line_end >= 0:
                size = int(self._buffer[read:line_end].split(b";")[0], 16)
                chunk, following = line_end + 2, line_end + 2 + size + 2
                self._make_room(following)
                while filled < following:
                    filled += self._receive_into(filled)
                if size == 0:
                    return memoryview(self._buffer)[start:written]
                self._buffer[written : written + size] = self._buffer[chunk : chunk + size]
                written += size
                read = following
            else:
                self._make_room(filled + _HEAD_ROOM)
                filled += self._receive_into(filled)

    def _make_room(self, end: int) -> None:
        if end > len(self._buffer):
            self._buffer = self._buffer + bytearray(end + _HEAD_ROOM - len(self._buffer))

    def _receive_into(self, filled: int) -> int:
        if filled == len(self._buffer):
            self._make_room(filled + _HEAD_ROOM)
        count = self.socket.recv_into(memoryview(self._buffer)[filled:])
        if count == 0:
            raise RuntimeError("the server ended the connection")
        return count


def exchange_concurrently(
    connections: Sequence[Connection], request: bytes, count: int, expected_length: int
) -> None:
    """Keep every connection busy with one request at a time, until ``count`` have responses.

    Raises:
        RuntimeError: a response is not what it was in the beginning.
    """
    with selectors.DefaultSelector() as selector:
        left_to_send = count
        for connection in connections[:count]:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(request)
            left_to_send -= 1
        done = 0
        while done < count:
            ready = selector.select(TIMEOUT)
            if not ready:
                raise RuntimeError("the server does not respond")
            for key, _ in ready:
                # A small response is there as a whole, or nearly so: the rest is waited for.
                if len(key.data.receive()) != expected_length:
                    raise RuntimeError("a response differs in length")
                done += 1
                if left_to_send:
                    key.data.send(request)
                    left_to_send -= 1

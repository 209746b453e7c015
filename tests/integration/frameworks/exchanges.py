"""What is exchanged with every app, and the clients of both formats that do it.

They know nothing of this package: the one speaks JSON with base64 in it, the other msgpack with
msgpack-numpy. Both call the same service, so what one of them gets tells what the other must get.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

import msgpack
import msgpack_numpy
import numpy as np

from tests.integration.frameworks.service import array_of, document_of

TIMEOUT: Final = 60
"""Seconds, for a machine that does many other things."""

NOTHING: Final = object()


@dataclass(frozen=True)
class Exchange:
    """A request."""

    method: str
    path: str
    document: Any = NOTHING
    """What is in the body; it may hold bytes and arrays."""
    fields: dict[str, str] = field(default_factory=dict)
    """Header fields besides those that say what the client speaks."""


ARRAY: Final = np.arange(-6, 6, dtype="float32").reshape(3, 4)
LARGE: Final = np.linspace(-1, 2, 2**20).reshape(1024, 1024)
"""8 MiB."""

CONTENT: Final = bytes(36 * index % 256 for index in range(64))
"""Not UTF-8, and the same in both alphabets of base64, of which pydantic writes the other one."""

EXCHANGES: Final[dict[str, Exchange]] = {
    "document": Exchange(
        "POST",
        "/invoice",
        {
            "customer": "Zoë \U0001f409",
            "paid": None,
            "lines": [
                {"item": "prism", "price": 12.5, "count": 2},
                {"item": "lens", "price": 1e-3, "count": 10_000},
            ],
        },
    ),
    "long document": Exchange(
        "POST",
        "/invoice",
        {
            "customer": "",
            "paid": "2026-02-28",
            "lines": [{"item": f"part {n}", "price": n / 3, "count": n} for n in range(500)],
        },
    ),
    "bytes": Exchange("POST", "/checksum", {"name": "a.bin", "content": CONTENT}),
    "array": Exchange("POST", "/normalize", {"rate": 44_100.0, "samples": ARRAY}),
    "array of integers": Exchange(
        "POST", "/normalize", {"rate": 1.5, "samples": np.array([[1, -1]], "int16")}
    ),
    "response alone": Exchange("GET", "/release"),
    "error": Exchange("POST", "/reserve", {"week": 34}),
    "exception": Exchange("GET", "/crash"),
    "not found": Exchange("GET", "/nowhere"),
    "wrong method": Exchange("PUT", "/release"),
    "validation error": Exchange("POST", "/normalize", {"rate": 1.5}),
    "redirect": Exchange("GET", "/latest"),
    "file": Exchange("GET", "/picture"),
}

LARGE_BODY: Final = Exchange("POST", "/normalize", {"rate": 1.5, "samples": LARGE})


@dataclass(frozen=True)
class Received:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    """All headers but ``Date`` and ``Expires``, which go by the clock, in lower case."""
    body: bytes

    def values(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for field, value in self.headers if field == name]

    @property
    def content_type(self) -> str:
        """The media type, without parameters; empty if there is none."""
        return "".join(self.values("content-type")).partition(";")[0]

    def without(self, *names: str) -> list[tuple[str, str]]:
        """Return the headers but for some."""
        return [(name, value) for name, value in self.headers if name not in names]

    @property
    def document(self) -> Any:
        """What is in the body, in a form in which both formats can be compared.

        Arrays are tuples of shape, dtype and bytes, and bytes are base64.
        """
        if self.content_type.endswith("json"):
            return _comparable(json.loads(self.body, object_hook=_with_arrays))
        return _comparable(unpack(self.body))


def unpack(body: bytes) -> Any:
    """Return a msgpack document, with its arrays."""
    return msgpack.unpackb(body, object_hook=msgpack_numpy.decode)


def _with_arrays(value: dict[str, Any]) -> Any:
    return array_of(value) if value.keys() == {"shape", "dtype", "data_b64"} else value


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _comparable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value


def _json_of(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return document_of(value)
    return base64.b64encode(value).decode("ascii")


class Client:
    """A client of one format.

    Args:
        url: of the server.
        media_type: ``application/json`` or ``application/msgpack``.
        plain: whether it speaks to the app as it is, without binary mode.
    """

    def __init__(self, url: str, media_type: str, *, plain: bool = False) -> None:
        self._url = url
        self._media_type = media_type
        self._fields = {"X-Plain": "1"} if plain else {}

    def encode(self, document: Any) -> bytes:
        """Return a document in the client's format."""
        if self._media_type == "application/json":
            return json.dumps(document, default=_json_of).encode()
        packed: bytes = msgpack.packb(document, default=msgpack_numpy.encode)
        return packed

    def connect(self) -> HTTPConnection:
        """Return a connection to the server."""
        return HTTPConnection(urlsplit(self._url).netloc, timeout=TIMEOUT)

    def send(self, exchange: Exchange, connection: HTTPConnection | None = None) -> Received:
        """Make an exchange, over a connection of its own if none is given."""
        if exchange.document is NOTHING:
            return self.send_body(exchange, None, connection)
        return self.send_body(exchange, self.encode(exchange.document), connection)

    def send_body(
        self,
        exchange: Exchange,
        body: bytes | Iterable[bytes] | None,
        connection: HTTPConnection | None = None,
    ) -> Received:
        """Make an exchange with a body of one's own; one in pieces is sent without its length."""
        own = connection or self.connect()
        try:
            response = self._request(own, exchange, body)
            headers = [(name.lower(), value) for name, value in response.getheaders()]
            return Received(
                response.status,
                [(name, value) for name, value in headers if name not in ("date", "expires")],
                response.read(),
            )
        finally:
            if connection is None:
                own.close()

    def events(self) -> Iterator[str]:
        """Server-sent events, as they come."""
        connection = self.connect()
        try:
            response = self._request(connection, Exchange("GET", "/events"), None)
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("text/event-stream")
            while line := response.readline().decode():
                if line != "\n":
                    yield line.removeprefix("data: ").removesuffix("\n")
        finally:
            connection.close()

    def _request(
        self,
        connection: HTTPConnection,
        exchange: Exchange,
        body: bytes | Iterable[bytes] | None,
    ) -> HTTPResponse:
        fields = {**self._fields, "Accept": self._media_type, **exchange.fields}
        if exchange.path == "/events" and exchange.method == "GET":
            fields["Accept"] += ", text/event-stream"
        if body is not None:
            fields["Content-Type"] = self._media_type
        connection.request(exchange.method, exchange.path, body, fields)
        return connection.getresponse()

    def send_half(self, exchange: Exchange) -> None:
        """Announce a whole body, send half of it and go away.

        Returns when the server has noticed, so that what is sent next comes later for the app.
        """
        body = self.encode(exchange.document)
        parts = urlsplit(self._url)
        head = (
            f"{exchange.method} {exchange.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: {self._media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT) as connection:
            connection.sendall(head.encode() + body[: len(body) // 2])
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

"""Responses from objects, in the format that was negotiated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._asgi.sending import send_body
from binary_middleware._http.media_types import JSON
from binary_middleware._http.problems import problem_response
from binary_middleware.errors import EncodeError, NotAcceptable
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import Buffer
from binary_middleware.formats.json import dump_json
from binary_middleware.lane import find_exchange, pack_response

RawHeaders = Sequence[tuple[bytes, bytes]]


class BuffersResponse(Response):
    """A response from buffers, which are sent in slices.

    Args:
        buffers: the body.
        media_type: the Content-Type. If it is not JSON, the response is sent as it is.
        status_code: the status code.
        raw_headers: further headers; Content-Type and Content-Length are left out.
        background: a task to run after the response.
    """

    def __init__(
        self,
        buffers: Sequence[Buffer],
        media_type: str,
        status_code: int = 200,
        raw_headers: RawHeaders = (),
        background: BackgroundTask | None = None,
    ) -> None:
        self.buffers = buffers
        self.status_code = status_code
        self.media_type = media_type
        self.background = background
        length = sum(map(len, buffers))
        self.raw_headers = [
            (b"content-length", str(length).encode()),
            (b"content-type", media_type.encode("latin-1")),
        ]
        if raw_headers:
            self.raw_headers += _without_content_headers(raw_headers)

    @property
    def body(self) -> bytes:  # joined only on demand
        return b"".join(self.buffers)

    @body.setter
    def body(self, body: bytes) -> None:
        self.buffers = [body]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self.raw_headers
        if self.media_type != JSON:
            exchange = scope.get(SCOPE_KEY)
            if isinstance(exchange, Exchange):  # pragma: no branch  # without, it is JSON
                headers = exchange.adopt_response(headers)
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send_body(send, self.buffers)
        if self.background is not None:
            await self.background()


def _without_content_headers(raw_headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    own = (b"content-length", b"content-type")
    return [header for header in raw_headers if header[0].lower() not in own]


class NegotiatedResponse(Response):
    """A response in msgpack or JSON, as the client and the middleware negotiated.

    ::

        return NegotiatedResponse({"edges": array, "png": data})

    In msgpack, arrays are arrays and bytes are bytes. In JSON, arrays are maps of ``shape``,
    ``dtype`` and ``data_b64``, bytes are base64 text as pydantic writes it (RFC 4648 §5), and NaN
    and infinities are the tokens of Python's ``json``. The response is JSON if no middleware
    surrounds the app, or if msgpack cannot hold the content, such as an integer of more than 64
    bits.

    Args:
        content: anything that pydantic can dump (models, dataclasses, containers, dates), with
            arrays and bytes in any place.
        status_code: the status code.
        headers: further headers.
        background: a task to run after the response.
    """

    def __init__(
        self,
        content: Any,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        self.content = content
        self.status_code = status_code
        self.background = background
        self.raw_headers = []
        if headers is not None:
            self.raw_headers += [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in headers.items()
            ]

    @property
    def body(self) -> bytes:  # type: ignore[override]  # made on demand
        """The response as JSON text."""
        return dump_json(self.content)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._negotiated(scope)(scope, receive, send)

    def _negotiated(self, scope: Scope) -> Response:
        exchange, endpoint = find_exchange(scope), scope.get("endpoint")
        try:
            media_type, buffers = pack_response(exchange, self.content, endpoint=endpoint)
        except EncodeError:
            return self._not_acceptable()
        return BuffersResponse(
            buffers, media_type, self.status_code, self.raw_headers, self.background
        )

    def _not_acceptable(self) -> Response:
        """Return a 406, for content that only msgpack can hold.

        Raises:
            EncodeError: Msgpack cannot hold it either.
        """
        FORMAT.encode(self.content, FORMAT.variant(FORMAT.media_types[0], {}, {}))
        error = NotAcceptable(
            "the response holds bytes that are not text, which JSON cannot carry: send Accept: "
            f"{FORMAT.media_types[0]}, or declare its field as BinaryBytes"
        )
        start, buffers = problem_response(error, in_binary=False)
        response = Response(b"".join(buffers), start["status"], background=self.background)
        response.raw_headers = start["headers"]
        return response

"""Answers in msgpack, and answers that are msgpack or JSON as the client wants them."""

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
from binary_middleware.formats.json import dump_json, shown_json


class BinaryResponse(Response):
    """An answer in msgpack, sent from its buffers in slices.

    Args:
        buffers: the document, as ``formats.msgpack.pack_buffers`` returns it.
        media_type: its Content-Type.
        status_code: the status.
        raw_headers: further header fields; Content-Type and Content-Length are left out.
        background: what runs after the answer.
    """

    def __init__(
        self,
        buffers: Sequence[bytes | memoryview],
        media_type: str,
        *,
        status_code: int = 200,
        raw_headers: Sequence[tuple[bytes, bytes]] = (),
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
            self.raw_headers += further_headers(raw_headers)

    @property
    def body(self) -> bytes:  # joined only for those who ask
        return b"".join(self.buffers)

    @body.setter
    def body(self, body: bytes) -> None:
        self.buffers = [body]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope.get(SCOPE_KEY)
        headers = self.raw_headers
        if isinstance(exchange, Exchange):
            headers = exchange.adopt_response(headers)
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send_body(send, self.buffers)
        if self.background is not None:
            await self.background()


def further_headers(raw_headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Header fields without those that a response makes of its own body."""
    own = (b"content-length", b"content-type")
    return [field for field in raw_headers if field[0].lower() not in own]


class NegotiatedResponse(Response):
    """An answer in msgpack or in JSON, as negotiated.

    ::

        return NegotiatedResponse({"edges": array, "png": data})

    In msgpack, arrays are arrays and bytes are bytes. In JSON, arrays are maps of ``shape``,
    ``dtype`` and ``data_b64``, bytes are base64 text as pydantic writes it (RFC 4648 §5), and NaN
    and infinities the tokens that Python's ``json`` reads. Without a middleware around the app it
    is JSON. What msgpack cannot carry, such as an integer of more than 64 bits, leaves as JSON.

    Args:
        content: what pydantic can dump (models, dataclasses, containers, dates), arrays and bytes.
        status_code: the status.
        headers: further header fields.
        background: what runs after the answer.
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
        self.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in (headers or {}).items()
        ]

    @property
    def body(self) -> bytes:  # type: ignore[override]  # made when it is asked for
        """The answer in JSON."""
        return dump_json(self.content)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._negotiated(scope)(scope, receive, send)

    def _negotiated(self, scope: Scope) -> Response:
        exchange = scope.get(SCOPE_KEY)
        buffers: Sequence[bytes | memoryview]
        if not isinstance(exchange, Exchange) or exchange.plan.variant is None:
            try:
                buffers, media_type = [self.body], JSON
            except EncodeError:
                return self._not_acceptable()
        elif exchange.observers.may_see(scope.get("endpoint")):
            return shown_response(
                exchange,
                self.content,
                shown_json(self.content, lambda: self.body),
                status_code=self.status_code,
                raw_headers=self.raw_headers,
                background=self.background,
            )
        else:
            try:
                buffers = exchange.pack(self.content)
                media_type = exchange.plan.variant.content_type
            except EncodeError:
                buffers, media_type = [self.body], JSON
        return BinaryResponse(
            buffers,
            media_type,
            status_code=self.status_code,
            raw_headers=self.raw_headers,
            background=self.background,
        )

    def _not_acceptable(self) -> Response:
        """Return a refusal, for content that only msgpack can carry.

        Raises:
            EncodeError: msgpack cannot carry it either.
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


def shown_response(
    exchange: Exchange,
    document: Any,
    text: bytes,
    *,
    status_code: int = 200,
    raw_headers: Sequence[tuple[bytes, bytes]] = (),
    background: BackgroundTask | None = None,
) -> Response:
    """Return a response in JSON, for those to see who stand between the endpoint and the exchange.

    The exchange packs ``document`` in its place if it comes through unchanged.

    Args:
        exchange: one with a binary answer.
        document: what the client shall get.
        text: the same in JSON.
        status_code: the status.
        raw_headers: further header fields.
        background: what runs after the response.
    """
    exchange.keep_document(document, text)
    response = Response(text, status_code, media_type=JSON, background=background)
    response.raw_headers += further_headers(raw_headers)
    return response

"""The contract of an object lane, for frameworks and plain ASGI endpoints.

Under :class:`~binary_middleware.BinaryMiddleware` an app is on the *JSON lane*: the body of a
binary request reaches it as JSON text, and its JSON response is converted. On an *object lane* an
endpoint reads the decoded document, and its response is packed from objects. The lanes for
Starlette and FastAPI are built on these functions.

Middleware between ``BinaryMiddleware`` and the endpoint works on JSON, and a lane must not bypass
it. Therefore :func:`claim_body` may decline, and :func:`pack_response` may return JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeGuard

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._asgi.sending import send_body
from binary_middleware._compat import innermost_receive
from binary_middleware._http.media_types import JSON
from binary_middleware.errors import EncodeError
from binary_middleware.formats.base import Buffer
from binary_middleware.formats.json import dump_json, shown_json

__all__ = [
    "Exchange",
    "claim_body",
    "document_of_text",
    "find_exchange",
    "pack_response",
    "read_document",
    "send_response",
]


def find_exchange(scope: Scope) -> Exchange | None:
    """Return the exchange of a request, ``None`` if neither side of it is binary."""
    exchange = scope.get(SCOPE_KEY)
    return exchange if isinstance(exchange, Exchange) else None


def claim_body(exchange: Exchange | None, receive: Receive) -> TypeGuard[Exchange]:
    """Claim the body of a request, for :func:`read_document`.

    Args:
        exchange: the exchange of the request, if any.
        receive: the channel on which the endpoint receives the body.

    Returns:
        Whether the body is claimed. If not, because it is not binary or middleware may look at it,
        read it as JSON text and pass that to :func:`document_of_text`.
    """
    if exchange is None:
        return False
    own: Receive = exchange.receive
    if (receive == own or innermost_receive(receive) == own) and exchange.claim_request():
        return True
    exchange.compares_text = True
    return False


async def read_document(exchange: Exchange, receive: Receive, *, default: Any = None) -> Any:
    """Read and decode a claimed body.

    Args:
        exchange: the exchange of the request.
        receive: the channel on which the endpoint receives the body. Limits that middleware
            enforces on it remain in force.
        default: the value to return if the body is empty.

    Raises:
        ClientDisconnect: the client disconnected before the end of the body.
        RejectedRequest: the body is malformed or exceeds a limit. Let it propagate:
            ``BinaryMiddleware`` responds.
    """
    if not await exchange.read(receive):
        raise ClientDisconnect
    return exchange.value() if len(exchange.body) else default


def document_of_text(exchange: Exchange | None, text: bytes, *, default: Any = None) -> Any:
    """Return the document that the client sent, given the JSON text that the endpoint received.

    Args:
        exchange: the exchange of the request, if any.
        text: the whole body as the endpoint received it.
        default: the value to return if middleware has changed the text, or if the request is not
            binary: then decode the text.

    Raises:
        RejectedRequest: the body exceeds a limit.
    """
    if exchange is None or not exchange.is_request_text(text):
        return default
    return exchange.value()


def pack_response(
    exchange: Exchange | None,
    document: Any,
    to_json: Callable[[], bytes] | None = None,
    *,
    endpoint: object,
) -> tuple[str, Sequence[Buffer]]:
    """Pack the document of a response, or write it as JSON text.

    It is JSON for JSON clients; if the format cannot hold the document; and if middleware may look
    at the response. In that case the exchange keeps the document, and packs it if the text arrives
    unchanged.

    Args:
        exchange: the exchange of the request, if any.
        document: anything that pydantic can dump, with arrays and bytes in any place.
        to_json: returns the same as JSON text; by default with arrays as maps and bytes as base64.
        endpoint: the endpoint or the route, the same object that the app holds.

    Returns:
        The Content-Type and the body, as buffers.

    Raises:
        EncodeError: JSON, or neither it nor the format, can hold the document.
    """
    if exchange is None or exchange.plan.variant is None:
        return JSON, (_text(document, to_json),)
    if id(endpoint) not in exchange.observers.unobserved:
        text = shown_json(document, partial(_text, document, to_json))
        exchange.keep_document(document, text)
        return JSON, (text,)
    try:
        return exchange.plan.variant.content_type, exchange.pack(document)
    except EncodeError:
        return JSON, (_text(document, to_json),)


def _text(document: Any, to_json: Callable[[], bytes] | None) -> bytes:
    return dump_json(document) if to_json is None else to_json()


async def send_response(
    exchange: Exchange | None,
    send: Send,
    media_type: str,
    buffers: Sequence[Buffer],
    *,
    status: int = 200,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send a response as :func:`pack_response` returned it.

    A framework with responses of its own passes the headers of each binary response through
    ``Exchange.adopt_response`` instead, and sends JSON text as any other response.

    Args:
        exchange: the exchange of the request, if any.
        send: the channel of the endpoint.
        media_type: the Content-Type.
        buffers: the body. It is sent in slices, read from the buffers one by one.
        status: the status code.
        headers: further headers, with names in lower case.
    """
    length = sum(map(len, buffers))
    every = [
        (b"content-length", str(length).encode()),
        (b"content-type", media_type.encode("latin-1")),
        *headers,
    ]
    if exchange is not None and media_type != JSON:
        every = exchange.adopt_response(every)
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send_body(send, buffers)

"""The methods of an exchange for routes that exchange objects; ``lane`` is their public side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.types import Receive

from binary_middleware._asgi.request import RequestChannel
from binary_middleware._asgi.request_body import RequestBody
from binary_middleware._asgi.response import ResponseChannel
from binary_middleware._http.headers import Headers
from binary_middleware.errors import CodecError, RejectedRequest, to_rejection
from binary_middleware.formats.base import Buffer, DocumentFacts
from binary_middleware.options import BinaryOptions


class ObjectLane:
    """The part of an exchange that the object lanes of frameworks use."""

    options: BinaryOptions
    """The options in force."""
    error: RejectedRequest | None = None
    """The error that the request is rejected with. Once it is set, nothing of the app is sent."""
    compares_text = False
    """Whether the endpoint is going to call :meth:`is_request_text`."""
    request: RequestChannel
    response: ResponseChannel

    def claim_request(self) -> bool:
        """Claim a binary body as it is, for :meth:`read` and :meth:`value`.

        Returns:
            Whether the body is the caller's: not if it is not binary, nor if somebody has begun to
            read it as JSON text.
        """
        return self.request.claim()

    def is_request_text(self, text: bytes) -> bool:
        """Return whether ``text`` is the JSON text of the body as the app received it.

        Middleware may have read the body and pass on what it read, or something else. If this is
        the text, :meth:`value` returns its document.
        """
        return self.request.is_text(text)

    async def read(self, receive: Receive) -> bool:
        """Read a claimed body on the first call; return whether the client sent all of it.

        Args:
            receive: the innermost channel, whose limits remain in force.

        Raises:
            RejectedRequest: the body is rejected.
        """
        try:
            return await self.request.read(receive, self.options)
        except (CodecError, RejectedRequest) as exc:
            self.error = to_rejection(exc)
            raise self.error from None

    @property
    def body(self) -> RequestBody:
        """The body that was read."""
        if self.request.body is None:
            raise RuntimeError("the body was not read")
        return self.request.body

    def value(self) -> Any:
        """Return the document in a body that was read; raise RejectedRequest if it is refused."""
        try:
            return self.request.decode(self.options).document
        except (CodecError, RejectedRequest) as exc:
            self.error = to_rejection(exc)
            raise self.error from None

    @property
    def facts(self) -> DocumentFacts:
        """The facts about the document, once :meth:`value` was called."""
        body = self.request.body
        if body is None or body.decoded is None:
            raise RuntimeError("the body was not decoded")
        return body.decoded.facts

    def text(self) -> bytes:
        """Return the JSON text of a body that was read, also after :meth:`value` was called.

        Raises:
            RejectedRequest: the body is rejected.
        """
        try:
            return self.request.transcode(self.options)
        except (CodecError, RejectedRequest) as exc:
            self.error = to_rejection(exc)
            raise self.error from None

    def pack(self, document: Any) -> Sequence[Buffer]:
        """Pack the document of a response; raise EncodeError if the format cannot hold it."""
        return self.response.pack(document)

    def keep_document(self, document: Any, text: bytes) -> None:
        """Keep a document, to be packed if its JSON ``text`` arrives as the response, unchanged."""
        self.response.keep_document(document, text)

    def adopt_response(self, headers: Headers) -> Headers:
        """Return the headers with which a binary response is sent as it is.

        Args:
            headers: the headers of the response without binary mode around it.
        """
        return headers if self.error is not None else self.response.adopt(headers)

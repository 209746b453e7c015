"""Completes the OpenAPI document of an app when it is served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._asgi.response import BufferedResponse
from binary_middleware._http import etags as etag
from binary_middleware._http.headers import is_convertible, with_other_body
from binary_middleware._routing.resolver import Resolver
from binary_middleware.formats.base import Buffer
from binary_middleware.openapi._document import add_binary_media_types
from binary_middleware.openapi._options import operations_of
from binary_middleware.options import BinaryOptions

MAX_DOCUMENTS: Final = 4
"""Completed documents of an app to keep: they can differ by ``root_path`` or host."""

# Headers of requests for less than the whole document. They may be about the document before it
# was completed, or when it was completed under other options.
_PARTIAL: Final = frozenset({b"if-none-match", b"if-modified-since", b"if-range", b"range"})
_IN_304: Final = frozenset(
    {b"cache-control", b"content-location", b"date", b"etag", b"expires", b"set-cookie", b"vary"}
)


class DocumentCompletion:
    """Completes the OpenAPI document that an app serves at one path, in JSON, to GET and HEAD.

    A response that is not a document is sent as it is.

    Args:
        app: the app.
        path: the path, without ``root_path``.
        resolver: the resolver of the operations' options.
    """

    def __init__(self, app: ASGIApp, path: str, resolver: Resolver) -> None:
        self.app = app
        self._path = path
        self._resolver = resolver
        self._completed = lru_cache(maxsize=MAX_DOCUMENTS)(self._complete)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] not in ("GET", "HEAD")
            or self._resolver.path(scope) != self._path
        ):
            await self.app(scope, receive, send)
            return
        headers = [field for field in scope["headers"] if field[0] not in _PARTIAL]
        inner = {**scope, "headers": headers}
        if scope.get("extensions"):
            inner["extensions"] = _without_files(scope["extensions"])
        response = _CompletedResponse(self, scope, send)
        try:
            await self.app(inner, receive, response.send)
        finally:
            # What a router found out, for middleware around this one.
            scope.update({key: inner[key] for key in inner.keys() - scope.keys()})

    def completed(self, text: bytes) -> bytes | None:
        """Return a JSON document, completed; ``None`` if it cannot be, or need not be."""
        return self._completed(text)

    def _complete(self, text: bytes) -> bytes | None:
        try:
            document = json.loads(text)
            if not isinstance(document, dict):
                return None
            completed = add_binary_media_types(document, operations_of(self._resolver, document))
            if completed == document:
                return None
            return json.dumps(completed, separators=(",", ":")).encode()
        except (ValueError, RecursionError):
            return None


def _without_files(extensions: dict[str, Any]) -> dict[str, Any]:
    """Return the extensions of the server but those that send a file without its bytes here."""
    return {
        name: value
        for name, value in extensions.items()
        if name not in ("http.response.pathsend", "http.response.zerocopysend")
    }


class _CompletedResponse(BufferedResponse):
    """A response that is completed if it is an OpenAPI document in JSON.

    Args:
        completion: completes documents.
        scope: the scope of the request.
        send: the server's channel.
    """

    def __init__(self, completion: DocumentCompletion, scope: Scope, send: Send) -> None:
        state = scope.get(SCOPE_KEY)
        options = state.options if isinstance(state, Exchange) else state or BinaryOptions()
        super().__init__(send, options.max_response_size)
        self._completion = completion
        self._is_head = scope["method"] == "HEAD"
        self._if_none_match = b", ".join(
            value for name, value in scope["headers"] if name == b"if-none-match"
        )

    async def send(self, message: Message) -> None:
        """Send, or hold back what may be the document."""
        is_start = message["type"] == "http.response.start"
        if is_start and message["status"] == 200 and is_convertible(message):
            self.hold(message)
        else:
            await super().send(message)

    def replacement(self, start: Message) -> tuple[Message, Sequence[Buffer]]:
        """Return the response with the completed document, or 304 if the client has that."""
        body, text = self.body(), self.text(start)
        completed = None if text is None else self._completion.completed(text)
        if completed is not None:
            digest = hashlib.sha256(completed).hexdigest()[:16]
            start, body = with_other_body(_with_etag(start, digest), len(completed)), completed
        elif self._is_head and not body:
            start = with_other_body(_with_etag(start, None), None)
        tags = [value for name, value in start["headers"] if name.lower() == b"etag"]
        if self._if_none_match and tags and etag.matches(self._if_none_match, tags[0]):
            kept = [field for field in start["headers"] if field[0].lower() in _IN_304]
            start, body = {**start, "status": 304, "headers": kept}, b""
        return start, [body]


def _with_etag(start: Message, digest: str | None) -> Message:
    """Return a start with the tag of the completed document, without one if there is no digest."""
    headers = []
    for name, value in start["headers"]:
        if name.lower() == b"etag":
            if digest is None:
                continue
            value = etag.of_completed(value, digest)
        headers.append((name, value))
    return {**start, "headers": headers}

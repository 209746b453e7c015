"""The OpenAPI document of an app, completed on its way out."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._asgi.sending import send_body
from binary_middleware._http import etags as etag
from binary_middleware._http.content_coding import decompress
from binary_middleware._http.headers import content_codings_of, is_convertible, with_other_body
from binary_middleware._routing.resolver import Resolver
from binary_middleware.errors import DecodeError
from binary_middleware.openapi._document import add_binary_media_types
from binary_middleware.openapi._options import operations_of
from binary_middleware.options import BinaryOptions

_KEPT: Final = 4
"""Documents of an app that are kept completed: they can differ by ``root_path`` or host."""

# What makes an answer that is not the whole document. It could be about the document before it was
# completed, or from when it was completed under other options.
_PARTIAL: Final = frozenset({b"if-none-match", b"if-modified-since", b"if-range", b"range"})
_IN_304: Final = frozenset(
    {b"cache-control", b"content-location", b"date", b"etag", b"expires", b"set-cookie", b"vary"}
)


class DocumentCompletion:
    """Completes the OpenAPI document that an app answers at one path, in JSON, to GET and HEAD.

    An answer that is not a document goes out as it is.

    Args:
        app: the app.
        path: without ``root_path``.
        resolver: knows the options of the operations.
    """

    def __init__(self, app: ASGIApp, path: str, resolver: Resolver) -> None:
        self.app = app
        self._path = path
        self._resolver = resolver
        self._completed = lru_cache(maxsize=_KEPT)(self._complete)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] not in ("GET", "HEAD")
            or self._resolver.path(scope) != self._path
        ):
            await self.app(scope, receive, send)
            return
        headers = [field for field in scope["headers"] if field[0] not in _PARTIAL]
        conditions = [value for name, value in scope["headers"] if name == b"if-none-match"]
        inner = {**scope, "headers": headers}
        if scope.get("extensions"):
            inner["extensions"] = _without_files(scope["extensions"])
        answer = _Answer(self, scope, b", ".join(conditions), send)
        try:
            await self.app(inner, receive, answer.send)
        finally:
            # What a router found out, for middleware around us.
            scope.update({key: inner[key] for key in inner.keys() - scope.keys()})

    def completed(self, text: bytes) -> bytes | None:
        """A document in JSON, completed; ``None`` if it cannot be, or need not."""
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
    """The extensions of the server, without those by which a file is sent behind our back."""
    return {
        name: value
        for name, value in extensions.items()
        if name not in ("http.response.pathsend", "http.response.zerocopysend")
    }


class _Answer:
    """One answer, that is collected if it may be the document."""

    def __init__(
        self, completion: DocumentCompletion, scope: Scope, if_none_match: bytes, send: Send
    ) -> None:
        self._completion = completion
        self._scope = scope
        self._if_none_match = if_none_match
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()
        state = scope.get(SCOPE_KEY)
        options = state.options if isinstance(state, Exchange) else state or BinaryOptions()
        self._max_size: int = options.max_response_size

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] == 200 and is_convertible(message):
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._end()
            elif len(self._body) > self._max_size:
                await self._release()
            return
        await self._send(message)

    async def _release(self) -> None:
        assert self._start is not None
        start, self._start = self._start, None
        await self._send(start)
        body = bytes(self._body)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _end(self) -> None:
        assert self._start is not None
        start, body = self._start, bytes(self._body)
        text = self._text(start, body)
        completed = None if text is None else self._completion.completed(text)
        if completed is not None:
            digest = hashlib.sha256(completed).hexdigest()[:16]
            start, body = with_other_body(_with_etag(start, digest), len(completed)), completed
        elif self._scope["method"] == "HEAD" and not body:
            start = with_other_body(_with_etag(start, None), None)
        tags = [value for name, value in start["headers"] if name.lower() == b"etag"]
        if self._if_none_match and tags and etag.matches(self._if_none_match, tags[0]):
            kept = [field for field in start["headers"] if field[0].lower() in _IN_304]
            start, body = {**start, "status": 304, "headers": kept}, b""
        await self._send(start)
        await send_body(self._send, [body])

    def _text(self, start: Message, body: bytes) -> bytes | None:
        codings = content_codings_of(start)
        if not codings:
            return body
        try:
            return decompress(body, codings[0], self._max_size)
        except DecodeError:
            return None


def _with_etag(start: Message, digest: str | None) -> Message:
    """With the tag of the completed document; without one, if that is not known."""
    headers = []
    for name, value in start["headers"]:
        if name.lower() == b"etag":
            if digest is None:
                continue
            value = etag.of_completed(value, digest)
        headers.append((name, value))
    return {**start, "headers": headers}

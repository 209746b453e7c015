"""The state of one request and its answer.

An exchange stands between the server and the app: it is the app's ``receive`` and ``send``. The
app is on the *JSON lane* as long as it does nothing special: it receives a msgpack body as JSON
text, and its JSON answer leaves as msgpack. Code that knows the exchange can take the request's
body as objects instead (``take_request``), and send msgpack of its own, which is forwarded as it
is: the *object lane*.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from binary_middleware import coding, etag, media, transcode
from binary_middleware.body import RequestBody, body_too_large, read_body, send_body
from binary_middleware.codec import packb
from binary_middleware.errors import (
    DecodeError,
    EncodeError,
    RequestError,
    UnsupportedMediaType,
)
from binary_middleware.negotiation import Plan
from binary_middleware.options import BinaryOptions

SCOPE_KEY: Final = "binary_middleware"
"""Where a scope holds its exchange, or ``None`` if the request is none of ours."""

Headers = list[tuple[bytes, bytes]]


class Exchange:
    """One request and its answer.

    Attributes:
        scope: the app's copy of the scope; its headers say JSON where the client's say msgpack.
        plan: what was negotiated.
        options: the options in force.
        error: why the request was refused, once it is. From then on nothing that the app sends
            goes out.
        response_started: whether the start of an answer went out.
        content_length: bytes of a binary request that the client announced, if it did.
    """

    error: RequestError | None = None
    response_started = False
    _forwards_answer = False
    _own_headers: Headers | None = None
    # The request.
    content_length: int | None = None
    _codings: list[str] | None = None
    _body_was_asked_for = False
    _body: RequestBody | None = None
    _is_decoded = False
    _value: Any = None
    # A JSON answer that is being collected.
    _start: Message | None = None
    _chunks: list[bytes]
    _collected = 0

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, plan: Plan, options: BinaryOptions
    ) -> None:
        self.plan = plan
        self.options = options
        self.client_headers: Headers = scope["headers"]
        self._method: str = scope["method"]
        self.scope: Scope = {**scope, "headers": self._headers_for_app(), SCOPE_KEY: self}
        self._receive = receive
        self._send = send
        # A msgpack body is transcoded unless somebody takes it as it is.
        self._forwards_body = plan.request is None

    def refusal(self) -> RequestError | None:
        """Why the request is refused, as far as its header fields tell."""
        if self.plan.refusal is not None or self.plan.request is None:
            return self.plan.refusal
        if self._codings and not _is_one_that_is_taken(self._codings):
            return UnsupportedMediaType(
                f"the content coding {', '.join(self._codings)[:40]!r} is not taken",
                {"accept-encoding": coding.TAKEN},
            )
        length = self.content_length
        if length is not None and length > self.options.max_body_size:
            return body_too_large(self.options.max_body_size)
        return None

    def _headers_for_app(self) -> Headers:
        headers: Headers = []
        codings = []
        is_binary = self.plan.request is not None
        accept = self.plan.accept
        for field in self.client_headers:
            name, value = field
            if is_binary:
                if name == b"content-length":
                    if value.isdigit():
                        # More digits than any limit has; all of them could take very long.
                        self.content_length = int(value.lstrip(b"0")[:20] or 0)
                    continue  # the length of the JSON text is known, and added, when the text is
                if name == b"content-encoding":
                    codings.append(value)
                    continue  # it is undone, or the request is refused
                if name == b"content-type":
                    field = _CONTENT_TYPE_JSON
            if name == b"if-match" or name == b"if-none-match":
                field = (name, self._condition_for_app(name, value))
            if accept is None or name != b"accept":
                headers.append(field)
        if accept is not None:
            headers.append((b"accept", accept.encode("latin-1")))
        if codings:
            self._codings = coding.content_codings(codings)
        return headers

    def _condition_for_app(self, name: bytes, tags: bytes) -> bytes:
        if name == b"if-match" or self._method not in ("GET", "HEAD"):
            return etag.without_suffix(tags)
        return tags if self.plan.answer is None else etag.of_json(tags, self.plan.arrays)

    def step_aside(self, scope: Scope) -> Scope:
        """Leave the request to a middleware further in, as long as nothing was read.

        Returns:
            A copy of ``scope`` with the header fields that the client sent. Unchanged if the body
            was read: then this exchange stays in charge.
        """
        if self._body_was_asked_for:
            return scope
        self._forwards_answer = self._forwards_body = True
        return {**scope, "headers": list(self.client_headers), SCOPE_KEY: None}

    # The request.

    async def receive(self) -> Message:
        """The ``receive`` of the app: a msgpack body comes as JSON text.

        Raises:
            RequestError: the body is refused.
        """
        if self.error is not None:
            raise self.error
        if self._forwards_body:
            return await self._receive()
        self._forwards_body = True
        try:
            body = await self._read(self._receive)
            if body is None:
                return {"type": "http.disconnect"}
            self._body = None  # nobody else will want it
            text = b""
            if len(body):
                text = transcode.to_json(body.unpack(self.options.max_structure_size))
        except RequestError as exc:
            self.error = exc
            raise
        # Only now the length is known. The list is the app's own copy; whoever has looked
        # already saw a body without a length, as a chunked one is.
        self.scope["headers"].append((b"content-length", str(len(text)).encode()))
        return {"type": "http.request", "body": text, "more_body": False}

    def take_request(self) -> bool:
        """Take a msgpack body as it is, for :meth:`read` and :meth:`value`.

        Returns:
            Whether the request is the caller's: not if it is not msgpack, nor if somebody has
            begun to read it as JSON text.
        """
        if self.plan.request is None or self._body_was_asked_for or self._forwards_body:
            return False
        self._forwards_body = True
        return True

    async def read(self, receive: Receive) -> bool:
        """Read the body of a taken request, the first time that this is called.

        Args:
            receive: the innermost channel, so that the limits of whatever stands between hold.

        Returns:
            Whether the whole body came; not if the client went away.

        Raises:
            RequestError: the body is refused.
        """
        if self._body is None:
            try:
                await self._read(receive)
            except RequestError as exc:
                self.error = exc
                raise
        return self._body is not None

    async def _read(self, receive: Receive) -> RequestBody | None:
        self._body_was_asked_for = True
        self._body = await read_body(
            receive,
            self.content_length,
            self.options.max_body_size,
            self._codings[0] if self._codings else None,
        )
        return self._body

    @property
    def was_read(self) -> bool:
        """Whether the whole body of a taken request was read."""
        return self._body is not None

    @property
    def body(self) -> RequestBody:
        """The body that was read."""
        if self._body is None:
            raise RuntimeError("the body was not read")
        return self._body

    def value(self) -> Any:
        """The decoded body, once it is read.

        Raises:
            RequestError: the body is refused.
        """
        if not self._is_decoded:
            try:
                self._value = self.body.unpack(self.options.max_structure_size)
            except RequestError as exc:
                self.error = exc
                raise
            self._is_decoded = True
        return self._value

    # The answer.

    def take_answer(self, headers: Headers) -> Headers:
        """Send an answer of one's own, which is forwarded as it is.

        Args:
            headers: the header fields of that answer.

        Returns:
            The header fields that it must have, with ``Vary``.
        """
        if self.error is not None:
            return headers  # it is dropped
        headers = [self._own_etag(field) for field in headers]
        self._own_headers = with_vary({"headers": headers})["headers"]
        return self._own_headers

    def _own_etag(self, field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
        if field[0].lower() == b"etag":
            return field[0], etag.of_msgpack(field[1], self.plan.arrays)
        return field

    async def send(self, message: Message) -> None:
        """The ``send`` of the app: a JSON answer leaves as msgpack."""
        if self._forwards_answer:
            await self._send(message)
        elif self.error is not None and not self.response_started:
            pass
        elif message["type"] == "http.response.start":
            if message.get("headers") is self._own_headers is not None:
                self._forwards_answer = self.response_started = True
                await self._send(message)
            elif self.plan.answer is not None and _is_convertible(message):
                self._start = message
                self._chunks = []
            else:
                await self._send_start(message)
        elif message["type"] == "http.response.body" and self._start is not None:
            await self._collect(message)
        else:
            if self._start is not None and message["type"] in _BODIES_BY_OTHER_MEANS:
                await self._release()
            await self._send(message)

    async def _send_start(self, message: Message) -> None:
        self.response_started = True
        if message["status"] == 304 and self.plan.answer is not None:
            headers = [self._own_etag(field) for field in message.get("headers", ())]
            message = {**message, "headers": headers}
        await self._send(with_vary(message))

    async def _collect(self, message: Message) -> None:
        chunk = message.get("body", b"")
        more_body = message.get("more_body", False)
        self._chunks.append(chunk)
        self._collected += len(chunk)
        if not more_body:
            await self._convert()
        elif self._collected > self.options.max_response_size:
            await self._release(more_body=True)

    async def _convert(self) -> None:
        buffers: Sequence[bytes | memoryview] = ()
        if self._collected or self._method != "HEAD":
            try:
                buffers = transcode.to_msgpack(self._collected_text(), self.plan.arrays)
            except (EncodeError, DecodeError):
                # Not JSON, or more than msgpack can carry: exactly as the app wrote it.
                await self._release()
                return
        start, self._start = self._start, None
        assert start is not None
        await self._send_start(self._binary_start(start, sum(map(len, buffers))))
        await send_body(self._send, buffers)

    def _collected_text(self) -> bytes:
        """The JSON that the app sent.

        Raises:
            DecodeError: it is compressed and cannot be read.
            EncodeError: it is compressed and too large.
        """
        assert self._start is not None
        body = b"".join(self._chunks)
        codings = _content_codings(self._start)
        if not codings:
            return body
        text = coding.decompress(body, codings[0], self.options.max_response_size)
        if text is None:
            raise EncodeError("the answer is over max_response_size")
        return text

    def _binary_start(self, start: Message, content_length: int) -> Message:
        assert self.plan.answer is not None
        headers = _mutable_headers(start)
        parsed = media.parse_media_type(headers["content-type"])
        assert parsed is not None
        headers["content-type"] = media.binary_counterpart(parsed.essence, self.plan.answer)
        if "etag" in headers:
            headers["etag"] = etag.of_msgpack(
                headers["etag"].encode("latin-1"), self.plan.arrays
            ).decode("latin-1")
        for name in _DESCRIBE_THE_JSON:
            del headers[name]
        if content_length:
            headers["content-length"] = str(content_length)
        return {**start, "headers": headers.raw}

    async def _release(self, *, more_body: bool = False) -> None:
        """Send what was collected as the app wrote it."""
        start, self._start = self._start, None
        assert start is not None
        await self._send_start(start)
        if self._chunks:
            body = b"".join(self._chunks)
            await self._send({"type": "http.response.body", "body": body, "more_body": more_body})
            self._chunks = []

    # The end.

    def let_go(self) -> None:
        """Drop what the app worked on.

        The scope holds the exchange and the exchange the scope: together they would keep a large
        body until the garbage collector comes by, and the next body would need fresh memory.
        """
        self.scope = {}
        self._body = self._value = None

    async def send_error(self, error: RequestError) -> None:
        """Answer with problem details, in the client's own format."""
        start, buffers = problem_response(error, in_binary=self.plan.problems_in_binary)
        await self._send_start(start)
        await send_body(self._send, buffers)


_CONTENT_TYPE_JSON: Final = (b"content-type", media.JSON.encode())
_VARY: Final = (b"vary", b"Accept")
_DESCRIBE_THE_JSON: Final = (
    "accept-ranges",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "digest",
    "repr-digest",
)
_BODIES_BY_OTHER_MEANS: Final = ("http.response.pathsend", "http.response.zerocopysend")
_BODILESS: Final = (204, 205, 206, 304)


def _is_convertible(start: Message) -> bool:
    """Whether an answer is JSON, whole, in UTF-8, in a coding we know, and may be transformed."""
    found = {name.lower(): value.lower() for name, value in start.get("headers", ())}
    content_type = found.get(b"content-type", b"")
    if b"json" not in content_type or start["status"] < 200 or start["status"] in _BODILESS:
        return False
    parsed = media.parse_media_type(content_type.decode("latin-1"))
    return (
        parsed is not None
        and parsed.is_json
        and parsed.parameters.get("charset", "utf-8") in ("utf-8", "utf8")
        and (not (codings := _content_codings(start)) or _is_one_that_is_taken(codings))
        and b"no-transform" not in found.get(b"cache-control", b"")
    )


def _content_codings(start: Message) -> list[str]:
    values = [value for name, value in start["headers"] if name.lower() == b"content-encoding"]
    return coding.content_codings(values) if values else []


def _is_one_that_is_taken(codings: list[str]) -> bool:
    return len(codings) == 1 and coding.is_taken(codings[0])


def with_vary(message: Message) -> Message:
    """An answer's start with ``Accept`` among its Vary (RFC 9110 §12.5.5)."""
    headers = message.get("headers", ())
    for name, _ in headers:
        if len(name) == 4 and name.lower() == b"vary":
            return _with_merged_vary(message)
    return {**message, "headers": [*headers, _VARY]}


def _with_merged_vary(message: Message) -> Message:
    headers = _mutable_headers(message)
    present = [name.strip().lower() for line in headers.getlist("vary") for name in line.split(",")]
    if "accept" in present or "*" in present:
        return message
    headers.add_vary_header("Accept")
    return {**message, "headers": headers.raw}


def _mutable_headers(message: Message) -> MutableHeaders:
    # ASGI wants lower case, which Starlette relies on; not every app does as it should.
    return MutableHeaders(raw=[(name.lower(), value) for name, value in message["headers"]])


def problem_response(
    error: RequestError, *, in_binary: bool
) -> tuple[Message, Sequence[bytes | memoryview]]:
    """The start and the body of an answer that refuses a request (RFC 9457)."""
    if in_binary:
        content_type, body = b"application/problem+msgpack", packb(error.problem())
    else:
        content_type, body = b"application/problem+json", json.dumps(error.problem()).encode()
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        *((name.encode(), value.encode("latin-1")) for name, value in error.headers.items()),
    ]
    return {"type": "http.response.start", "status": error.status, "headers": headers}, [body]

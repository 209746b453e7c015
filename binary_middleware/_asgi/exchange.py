"""The state of one request and its answer.

An exchange stands between the server and the app: it is the app's ``receive`` and ``send``. The
app is on the *JSON lane* as long as it does nothing special: it receives a msgpack body as JSON
text, and its JSON answer leaves as msgpack. Code that knows the exchange can take the request's
body as objects instead (``claim_request``), and send msgpack of its own, which is forwarded as it
is: the *object lane*.

Middleware between the two goes by JSON, so it is shown JSON on the object lane as well. Where it
has read the request, the endpoint gets the document if the text reaches it unchanged
(``is_request_text``). Where it may read the response, the endpoint sends JSON and leaves the
document here (``keep_document``), which is packed if its text comes through unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from time import perf_counter
from typing import Any, Final, NamedTuple

from starlette.types import Message, Receive, Scope, Send

from binary_middleware._asgi.request_body import BodyReader, RequestBody, over_max_body_size
from binary_middleware._asgi.sending import send_body
from binary_middleware._http import media_types as media
from binary_middleware._http.content_coding import SUPPORTED_CODINGS, decompress
from binary_middleware._http.headers import (
    ADAPTED,
    Headers,
    can_decompress,
    content_codings_of,
    converted,
    is_convertible,
    not_modified,
    request_headers,
    with_binary_etag,
    with_server_timing,
    with_vary,
)
from binary_middleware._http.negotiation import Plan, plan_for
from binary_middleware._http.problems import problem_response
from binary_middleware._routing.body_observers import BodyObservers
from binary_middleware.errors import (
    CodecError,
    ContentTooLarge,
    DecodeError,
    EncodeError,
    RejectedRequest,
    UnsupportedMediaType,
    to_rejection,
)
from binary_middleware.exchange_info import SCOPE_KEY, ExchangeInfo
from binary_middleware.formats import FORMAT
from binary_middleware.formats import json as transcode
from binary_middleware.formats.base import Buffer, DocumentFacts, Variant
from binary_middleware.options import BinaryOptions, differing_options, endpoint_overrides

__all__ = ["PASSTHROUGH_KEY", "SCOPE_KEY", "Exchange", "Passthrough"]


class _KeptDocument(NamedTuple):
    """The document of a response that is sent as JSON for those between to see."""

    document: Any
    text: bytes


class Exchange:
    """One request and its answer.

    Attributes:
        scope: the app's copy of the scope; its headers say JSON where the client's say msgpack.
        plan: what was negotiated.
        options: the options in force.
        observers: who may look at bodies between the middleware and an endpoint.
        error: why the request was refused, once it is. From then on nothing that the app sends
            goes out.
        response_started: whether the start of an answer went out.
        is_claimed: whether the request's body was claimed as it is.
        compares_text: whether an endpoint is going to call :meth:`is_request_text`.
        is_delegated: whether a middleware further in took the request over.
        status: the status of the answer, once it started.
        request_size: bytes of the msgpack that came, once it was read, its coding undone.
        response_size: bytes of the msgpack that leaves, once it is packed.
        read_seconds: how long the body took to come.
        decode_seconds: how long it took to decode, on the JSON lane into text.
        encode_seconds: how long the answer took to encode, on the JSON lane from text.
    """

    error: RejectedRequest | None = None
    response_started = False
    is_delegated = False
    status: int | None = None
    request_size: int | None = None
    response_size: int | None = None
    read_seconds = decode_seconds = encode_seconds = 0.0
    _forwards_answer = False
    _judged_endpoint: object = None  # whose options are in force
    _own_headers: Headers | None = None
    # The request.
    _body_was_asked_for = False
    _reader: BodyReader | None = None
    _body: RequestBody | None = None
    is_claimed = False
    compares_text = False
    _is_decoded = False
    _value: Any = None
    _text: bytes | None = None  # what a reader of the body was given
    # A JSON answer that is being collected.
    _start: Message | None = None
    _chunks: list[bytes]
    _collected = 0
    _kept: _KeptDocument | None = None
    _is_kept_text = False  # whether all that was collected is the beginning of the kept text

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        plan: Plan,
        options: BinaryOptions,
        observers: BodyObservers,
    ) -> None:
        self.plan = plan
        self.options = options
        self.observers = observers
        self.client_headers: Headers = scope["headers"]
        self._method: str = scope["method"]
        self._path: str = scope["path"]
        self._head = request_headers(self.client_headers, self._method, plan)
        self.scope: Scope = {**scope, "headers": self._head.headers, SCOPE_KEY: self}
        self._receive = receive
        self._send = send
        self._began = perf_counter()
        # A msgpack body is transcoded unless somebody takes it as it is.
        self._forwards_body = plan.request is None

    def refusal(self) -> RejectedRequest | None:
        """Why the request is refused, as far as its header fields tell."""
        if self.plan.refusal is not None or self.plan.request is None:
            return self.plan.refusal
        codings = self._head.codings
        if codings and not can_decompress(codings):
            return UnsupportedMediaType(
                f"unsupported Content-Encoding {', '.join(codings)[:40]!r};"
                f" supported: {SUPPORTED_CODINGS}",
                {"accept-encoding": SUPPORTED_CODINGS},
            )
        length = self._head.content_length
        if length is not None and length > self.options.max_body_size:
            return ContentTooLarge(over_max_body_size(self.options.max_body_size))
        return None

    def delegate_to_inner(self, scope: Scope) -> Scope:
        """Leave the request to a middleware further in, as long as nothing was read.

        Returns:
            A copy of ``scope`` with the header fields that the client sent. Unchanged if the body
            was read: then this exchange stays in charge.
        """
        if self._body_was_asked_for:
            return scope
        self._forwards_answer = self._forwards_body = self.is_delegated = True
        return {**scope, "headers": list(self.client_headers), SCOPE_KEY: self.options}

    def adopt(self, options: BinaryOptions, scope: Scope) -> RejectedRequest | None:
        """Put the options of an endpoint in force that no middleware further out could see.

        Args:
            options: the options.
            scope: of the endpoint; it gets the header fields that go with them.

        Returns:
            The error that they refuse the request with, which is then this exchange's.
        """
        was_read, was_binary = self._body_was_asked_for, self.plan.request is not None
        before, self.options = self.options, options
        if options.mode == "off":
            if was_read and was_binary:
                self.error = UnsupportedMediaType(
                    f"msgpack is not accepted here; send {media.JSON}", {"accept": media.JSON}
                )
            else:
                self._forwards_answer = self._forwards_body = self.is_delegated = True
                self._show_headers(self.client_headers, scope)
            return self.error
        self.plan = plan_for({**scope, "headers": self.client_headers}, options.offer)
        self._head = request_headers(self.client_headers, self._method, self.plan)
        self.error = self.refusal()
        if not was_read:
            self._forwards_body = self.plan.request is None
            self._show_headers(self._head.headers, scope)
        elif self.error is None and self.request_size is not None:
            if self.request_size > options.max_body_size:
                self.error = ContentTooLarge(over_max_body_size(options.max_body_size))
            elif self.request_size > options.max_structure_size < before.max_structure_size:
                # How much of it is structure, nobody has counted.
                self.error = ContentTooLarge(
                    "the body was read before its endpoint was known, and is over its "
                    f"max_structure_size ({options.max_structure_size} bytes)"
                )
        return self.error

    def _show_headers(self, headers: Headers, scope: Scope) -> None:
        # In place: a request may have been made of them already.
        for each in (self.scope, scope):
            each["headers"][:] = headers

    def _adopt_unseen(self) -> RejectedRequest | None:
        """Adopt the options of the endpoint, once a router has found it.

        Returns:
            The error that they refuse the request with.
        """
        endpoint = self.scope["endpoint"]
        if endpoint is self._judged_endpoint:
            return None
        self._judged_endpoint = endpoint
        overrides = endpoint_overrides(endpoint, self._method)
        if not overrides or self.is_delegated or self.error is not None:
            return None
        options = differing_options(self.options, overrides)
        return None if options is None else self.adopt(options, self.scope)

    # The request.

    async def receive(self) -> Message:
        """The ``receive`` of the app: a msgpack body comes as JSON text.

        Raises:
            RejectedRequest: the body is refused.
        """
        if self.error is not None:
            raise self.error
        if not self._body_was_asked_for and "endpoint" in self.scope:
            error = self._adopt_unseen()
            if error is not None:
                raise error
        if self._forwards_body:
            message = await self._receive()
            if self._takes_no_body and message.get("body"):
                return self._unannounced_body()
            return message
        try:
            body = await self._read(self._receive)
            # Not before: an app may stop waiting for the body, and come back for it.
            self._forwards_body = True
            if body is None:
                return {"type": "http.disconnect"}
            text = b""
            if len(body):
                began = perf_counter()
                limits = self.options
                text = transcode.to_json(
                    body.decode_views(limits.limits),
                    max_size=limits.json_size_limit,
                    max_structure_size=limits.max_structure_size,
                    may_hold_maps=body.may_contain(b"data"),
                )
                self.decode_seconds = perf_counter() - began
            route = self.scope.get("route")
            reads_text = hasattr(route, "dependant") and not hasattr(route, "exchanges_objects")
            if self.compares_text or not reads_text:
                self._text = text  # an endpoint may ask whether this is what it got
            else:
                self._body = None  # which frees its memory for what this route of FastAPI's does
        except (CodecError, RejectedRequest) as exc:
            self._forwards_body = True
            if self.response_started:
                # Too late for a refusal. An app that streams its answer only waits here for the
                # client to go; and nobody takes an empty body for JSON.
                return {"type": "http.request", "body": b"", "more_body": False}
            self.error = to_rejection(exc)
            raise self.error from None
        # Only now the length is known. The list is the app's own copy; whoever has looked
        # already saw a body without a length, as a chunked one is.
        self.scope["headers"].append((b"content-length", str(len(text)).encode()))
        return {"type": "http.request", "body": text, "more_body": False}

    @property
    def _takes_no_body(self) -> bool:
        is_required = self.options.mode == "require" and not self.is_delegated
        return is_required and self.plan.request is None

    def _unannounced_body(self) -> Message:
        """Refuse a body that ``require`` would have refused, had the header fields announced it."""
        if self.response_started:
            return {"type": "http.request", "body": b"", "more_body": False}
        accepted = ", ".join(self.options.media_types)
        self.error = UnsupportedMediaType(
            f"a body is accepted only as {accepted}", {"accept": accepted}
        )
        raise self.error

    def claim_request(self) -> bool:
        """Take a msgpack body as it is, for :meth:`read` and :meth:`value`.

        Returns:
            Whether the request is the caller's: not if it is not msgpack, nor if somebody has
            begun to read it as JSON text.
        """
        if self.plan.request is None or self._body_was_asked_for or self._forwards_body:
            return False
        self._forwards_body = self.is_claimed = True
        return True

    def is_request_text(self, text: bytes) -> bool:
        """Return whether ``text`` is what a reader of the body got, and so stands for its value.

        Middleware may have read the body and pass on what it read, or something else.
        """
        return bool(text) and text == self._text

    async def read(self, receive: Receive) -> bool:
        """Read the body of a taken request, the first time that this is called.

        Args:
            receive: the innermost channel, so that the limits of whatever stands between hold.

        Returns:
            Whether the whole body came; not if the client went away.

        Raises:
            RejectedRequest: the body is refused.
        """
        if self._body is None:
            try:
                await self._read(receive)
            except (CodecError, RejectedRequest) as exc:
                self.error = to_rejection(exc)
                raise self.error from None
        return self._body is not None

    async def _read(self, receive: Receive) -> RequestBody | None:
        self._body_was_asked_for = True
        began, head = perf_counter(), self._head
        if self._reader is None:
            self._reader = BodyReader(
                head.content_length,
                self.options.max_body_size,
                head.codings[0] if head.codings else None,
            )
        self._body = await self._reader.read(receive)
        self._reader = None
        self.read_seconds = perf_counter() - began
        if self._body is not None:
            self.request_size = len(self._body)
        return self._body

    @property
    def was_read(self) -> bool:
        """Whether the whole body of a taken request was read."""
        return self._body is not None

    @property
    def was_decoded(self) -> bool:
        """Whether :meth:`value` gave the document of a taken request."""
        return self._is_decoded

    @property
    def body(self) -> RequestBody:
        """The body that was read."""
        if self._body is None:
            raise RuntimeError("the body was not read")
        return self._body

    def value(self) -> Any:
        """The decoded body, once it is read.

        Raises:
            RejectedRequest: the body is refused.
        """
        if not self._is_decoded:
            began = perf_counter()
            try:
                self._value = self.body.decode(self.options.limits)
            except (CodecError, RejectedRequest) as exc:
                self.error = to_rejection(exc)
                raise self.error from None
            self._is_decoded = True
            self.decode_seconds = perf_counter() - began
        return self._value

    @property
    def facts(self) -> DocumentFacts:
        """What is known about the document, once :meth:`value` was called."""
        decoded = self.body.decoded
        if decoded is None:
            raise RuntimeError("the body was not decoded")
        return decoded.facts

    # The answer.

    @property
    def _variant(self) -> Variant:
        assert self.plan.variant is not None
        return self.plan.variant

    def pack(self, document: Any) -> Sequence[Buffer]:
        """The buffers of an answer in msgpack, as the client wants its arrays.

        Raises:
            EncodeError: msgpack cannot carry it.
        """
        began = perf_counter()
        buffers = FORMAT.encode(document, self._variant)
        if self.options.copy_response:
            buffers = [b"".join(buffers)]
        self.response_size = sum(map(len, buffers))
        self.encode_seconds = perf_counter() - began
        return buffers

    def keep_document(self, document: Any, text: bytes) -> None:
        """Keep the document of a response that is about to be sent as JSON.

        Args:
            document: what is packed if ``text`` comes through unchanged.
            text: the JSON of the response.
        """
        self._kept = _KeptDocument(document, text)

    def adopt_response(self, headers: Headers) -> Headers:
        """Send an answer of one's own, which is forwarded as it is.

        Args:
            headers: the header fields of that answer.

        Returns:
            The header fields that it must have, with ``Vary``.
        """
        if self.error is not None:
            return headers  # it is dropped
        if self.options.server_timing or not ADAPTED.isdisjoint(map(_name, headers)):
            headers = [field for field in headers if field[0] != b"accept-ranges"]
            start = with_binary_etag({"headers": headers}, self._variant)
            start = with_vary(start, self.plan.vary)
            headers = self._with_timing(start)["headers"]
        else:
            headers = [*headers, self.plan.vary]
        self._own_headers = headers
        return headers

    def _with_timing(self, start: Message) -> Message:
        if not self.options.server_timing:
            return start
        codec = self.decode_seconds + self.encode_seconds
        return with_server_timing(
            start,
            read=self.read_seconds,
            decode=self.decode_seconds,
            app=perf_counter() - self._began - self.read_seconds - codec,
            encode=self.encode_seconds,
        )

    async def send(self, message: Message) -> None:
        """The ``send`` of the app: a JSON answer leaves as msgpack."""
        if message["type"] == "http.response.start" and "endpoint" in self.scope:
            self._adopt_unseen()  # an error is sent once the app is done
        if self._forwards_answer:
            await self._send(message)
        elif self.error is not None and not self.response_started:
            pass
        elif message["type"] == "http.response.start":
            if not isinstance(message.get("headers"), list):
                # Any iterable will do for ASGI, also one that can be read only once.
                message = {**message, "headers": list(message.get("headers", ()))}
            if message["headers"] is self._own_headers is not None:
                self._forwards_answer = self.response_started = True
                self.status = message["status"]
                await self._send(message)
            elif self.plan.variant is not None and is_convertible(message):
                self._start = message
                self._chunks = []
                self._is_kept_text = self._kept is not None
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
        self.status = message["status"]
        if message["status"] == 304 and self.plan.variant is not None:
            message = not_modified(message, self.plan.variant)
        await self._send(with_vary(message, self.plan.vary))

    async def _collect(self, message: Message) -> None:
        chunk = message.get("body", b"")
        more_body = message.get("more_body", False)
        if self._is_kept_text:
            self._compare(bytes(chunk))
        else:
            self._chunks.append(chunk)
        self._collected += len(chunk)
        if not more_body:
            await self._convert()
        elif self._collected > self.options.max_response_size and not self._is_kept_text:
            await self._release(more_body=True)

    def _compare(self, chunk: bytes) -> None:
        """Compare the next bytes of the response with the kept text, instead of collecting them."""
        assert self._kept is not None
        text = self._kept.text
        if not text.startswith(chunk, self._collected):
            self._restore_chunks()
            self._chunks.append(chunk)

    def _restore_chunks(self) -> None:
        if self._kept is not None and self._is_kept_text:
            self._chunks = [self._kept.text[: self._collected]]
        self._is_kept_text = False

    async def _convert(self) -> None:
        buffers: Sequence[Buffer] = ()
        self._restore_chunks()
        if self._collected or self._method != "HEAD":
            began = perf_counter()
            try:
                text = self._collected_text()
                if self._kept is not None and text == self._kept.text:
                    buffers = self.pack(self._kept.document)
                else:
                    buffers = FORMAT.encode(transcode.from_json(text), self._variant)
            except (EncodeError, DecodeError):
                # Not JSON, or more than msgpack can carry: exactly as the app wrote it.
                await self._release()
                return
            self.response_size = sum(map(len, buffers))
            self.encode_seconds = perf_counter() - began
        start, self._start = self._start, None
        assert start is not None
        start = converted(start, self._variant, self.response_size)
        await self._send_start(self._with_timing(start))
        await send_body(self._send, buffers)

    def _collected_text(self) -> bytes:
        """The JSON that the app sent.

        Raises:
            DecodeError: it is compressed and cannot be read.
            EncodeError: it is compressed and too large.
        """
        assert self._start is not None
        body = b"".join(self._chunks)
        codings = content_codings_of(self._start)
        if not codings:
            return body
        text = decompress(body, codings[0], self.options.max_response_size)
        if text is None:
            raise EncodeError("the answer is over max_response_size")
        return text

    async def _release(self, *, more_body: bool = False) -> None:
        """Send what was collected as the app wrote it."""
        self._restore_chunks()
        start, self._start = self._start, None
        assert start is not None
        await self._send_start(start)
        if self._chunks:
            body = b"".join(self._chunks)
            await self._send({"type": "http.response.body", "body": body, "more_body": more_body})
            self._chunks = []

    # The end.

    def info(self) -> ExchangeInfo:
        """Return what is known about the exchange so far."""
        variant = self.plan.variant
        return ExchangeInfo(
            method=self._method,
            path=self._path,
            request_media_type=self.plan.request,
            response_media_type=None if variant is None else variant.content_type,
            request_size=self.request_size,
            response_size=self.response_size,
            read_seconds=self.read_seconds,
            decode_seconds=self.decode_seconds,
            encode_seconds=self.encode_seconds,
            status=self.status,
            refusal=None if self.error is None else str(self.error),
        )

    def release(self) -> None:
        """Drop what the app worked on.

        The scope holds the exchange and the exchange the scope: together they would keep a large
        body until the garbage collector comes by, and the next body would need fresh memory.
        """
        self.scope = {}
        self._body = self._value = self._text = self._kept = None
        if self.error is not None:
            # Its traceback holds the frames that the body was read in.
            self.error.__traceback__ = self.error.__cause__ = self.error.__context__ = None

    async def send_error(self, error: RejectedRequest) -> None:
        """Answer with problem details, in the client's own format."""
        start, buffers = problem_response(error, in_binary=self.plan.problems_in_binary)
        await self._send_start(start)
        await send_body(self._send, buffers)


PASSTHROUGH_KEY: Final = "binary_middleware.passthrough"
"""Where a scope holds the :class:`Passthrough` of a request without an exchange."""


class Passthrough:
    """The ``send`` of a request that has no exchange, unless its endpoint wants one.

    Args:
        scope: of the request, with the header fields that the client sent.
        receive: of the request.
        send: of the request.
        vary: the Vary field for the answer.
        observers: who may look at bodies between the middleware and an endpoint.
    """

    __slots__ = ("_observers", "_receive", "_send", "_vary", "exchange", "scope")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        vary: tuple[bytes, bytes] | None,
        observers: BodyObservers,
    ) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._vary = vary
        self._observers = observers
        self.exchange: Exchange | None = None

    def adopt(self, options: BinaryOptions, scope: Scope) -> RejectedRequest | None:
        """Put the options of an endpoint in force; as for :meth:`Exchange.adopt`."""
        if options.mode == "off":
            self._vary = None
            scope[SCOPE_KEY] = self.scope[SCOPE_KEY] = options
            return None
        client = {**scope, "headers": self.scope["headers"]}
        plan = plan_for(client, options.offer)
        if plan.is_passthrough:
            self._vary = plan.vary
            scope[SCOPE_KEY] = self.scope[SCOPE_KEY] = options
            return None
        exchange = self.exchange = Exchange(
            client, self._receive, self._send, plan, options, self._observers
        )
        exchange.error = exchange.refusal()
        scope["headers"] = exchange.scope["headers"]
        scope[SCOPE_KEY] = exchange
        return exchange.error

    async def send(self, message: Message) -> None:
        """The ``send`` of the app."""
        if message["type"] == "http.response.start" and self.exchange is None:
            if "endpoint" in self.scope:
                self._adopt_unseen()
            if self.exchange is None and self._vary is not None:
                message = with_vary(message, self._vary)
        if self.exchange is None:
            await self._send(message)
        else:
            await self.exchange.send(message)

    def _adopt_unseen(self) -> None:
        overrides = endpoint_overrides(self.scope["endpoint"], self.scope["method"])
        in_force = self.scope[SCOPE_KEY]
        if overrides and isinstance(in_force, BinaryOptions):
            options = differing_options(in_force, overrides)
            if options is not None:
                self.adopt(options, self.scope)

    @property
    def has_refusal(self) -> bool:
        """Whether the endpoint's options refused the request, and nothing went out yet."""
        exchange = self.exchange
        return exchange is not None and exchange.error is not None and not exchange.response_started


_name: Final = itemgetter(0)
_BODIES_BY_OTHER_MEANS: Final = ("http.response.pathsend", "http.response.zerocopysend")

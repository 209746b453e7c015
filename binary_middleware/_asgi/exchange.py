"""One request and its response.

An exchange stands between the server and the app: it is the app's ``receive`` and ``send``. By
default the app is on the *JSON lane*: it receives a binary body as JSON text, and its JSON response
is converted. Code that knows the exchange can claim the body as objects instead
(``claim_request``), and send a binary response of its own, which is sent as it is: the *object
lane*.

Middleware between the two expects JSON, and sees JSON on the object lane as well. If it has read
the request, the endpoint gets the document if the text reaches it unchanged (``is_request_text``).
If it may read the response, the endpoint sends JSON and leaves the document here
(``keep_document``), which is packed if its text arrives unchanged.
"""

from __future__ import annotations

from starlette.types import Message, Receive, Scope, Send

from binary_middleware._asgi.object_lane import ObjectLane
from binary_middleware._asgi.request import READING, UNREAD, RequestChannel
from binary_middleware._asgi.request_body import over_max_body_size
from binary_middleware._asgi.response import DELEGATED, STARTED, WAITING, ResponseChannel
from binary_middleware._asgi.sending import send_body
from binary_middleware._compat import is_plain_fastapi_route
from binary_middleware._http import media_types as media
from binary_middleware._http.content_coding import SUPPORTED_CODINGS
from binary_middleware._http.headers import (
    Headers,
    RequestHeaders,
    can_decompress,
    request_headers,
)
from binary_middleware._http.negotiation import Plan, plan_for
from binary_middleware._http.problems import problem_response
from binary_middleware._routing.body_observers import BodyObservers
from binary_middleware.errors import (
    CodecError,
    ContentTooLarge,
    RejectedRequest,
    UnsupportedMediaType,
    to_rejection,
)
from binary_middleware.exchange_info import SCOPE_KEY, ExchangeInfo
from binary_middleware.options import BinaryOptions, differing_options, endpoint_overrides

__all__ = ["SCOPE_KEY", "Exchange"]


class Exchange(ObjectLane):
    """One request and its response.

    Args:
        scope: the scope of the request.
        receive: the server's channel.
        send: the server's channel.
        plan: the negotiated plan.
        options: the options in force.
        observers: who may look at bodies between the middleware and an endpoint.
    """

    scope: Scope
    """The app's copy of the scope; its headers say JSON where the client's name a binary type."""
    _judged_endpoint: object = None  # whose options are in force

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
        self._client_headers: Headers = scope["headers"]
        self._path: str = scope["path"]
        self._receive = receive
        method = scope["method"]
        head = request_headers(self._client_headers, method, plan)
        self.scope = {**scope, "headers": head.headers, SCOPE_KEY: self}
        self.request = RequestChannel(method, head, plan.request is not None)
        self.response = ResponseChannel(send, plan, options, self.request)
        self.error = _judge(plan, head, options)

    # -- options that are found while the app runs -----------------------------------------------

    @property
    def is_delegated(self) -> bool:
        """Whether a middleware further in is in charge, or there is no binary mode."""
        return self.response.state is DELEGATED

    def delegate_to_inner(self, scope: Scope) -> Scope:
        """Leave the request to a middleware further in, unless its body is being read.

        Returns:
            A copy of ``scope`` with the client's headers; ``scope`` itself if it is too late, and
            this exchange stays in charge.
        """
        if not self.request.is_untouched:
            return scope
        self._pass_through()
        return {**scope, "headers": list(self._client_headers), SCOPE_KEY: self.options}

    def _pass_through(self) -> None:
        self.request.pass_through()
        self.response.state = DELEGATED

    def adopt(self, options: BinaryOptions, scope: Scope) -> RejectedRequest | None:
        """Put the options of an endpoint in force that no middleware further out could see.

        Args:
            options: the options.
            scope: the scope of the endpoint; it gets the headers that go with the options.

        Returns:
            The error that they reject the request with, which is then this exchange's.
        """
        is_untouched, was_binary = self.request.is_untouched, self.plan.request is not None
        before, self.options = self.options, options
        if options.mode == "off":
            if was_binary and not is_untouched:
                self.error = UnsupportedMediaType(
                    f"msgpack is not accepted here; send {media.JSON}", {"accept": media.JSON}
                )
            else:
                self._pass_through()
                self._show_headers(self._client_headers, scope)
            return self.error
        self.plan = plan_for({**scope, "headers": self._client_headers}, options.offer)
        self.response.plan, self.response.options = self.plan, options
        head = request_headers(self._client_headers, self.request.method, self.plan)
        self.error = _judge(self.plan, head, options)
        if is_untouched:
            self.request.restart(head, self.plan.request is not None)
            self._show_headers(head.headers, scope)
        elif self.error is None and self.request.size is not None:
            self.error = _judge_size(self.request.size, options, before)
        return self.error

    def _show_headers(self, headers: Headers, scope: Scope) -> None:
        # In place: a request may have been made of them already.
        for each in (self.scope, scope):
            each["headers"][:] = headers

    def _adopt_unseen(self) -> RejectedRequest | None:
        """Adopt the options of the endpoint that a router found; return the error, if any."""
        endpoint = self.scope["endpoint"]
        if endpoint is self._judged_endpoint:
            return None
        self._judged_endpoint = endpoint
        overrides = endpoint_overrides(endpoint, self.request.method)
        if not overrides or self.is_delegated or self.error is not None:
            return None
        options = differing_options(self.options, overrides)
        return None if options is None else self.adopt(options, self.scope)

    # -- the channels of the app -----------------------------------------------------------------

    async def receive(self) -> Message:
        """Receive a message of the request; a binary body is received as JSON text.

        Raises:
            RejectedRequest: the request is rejected.
        """
        if self.error is not None:
            raise self.error
        channel = self.request
        if "endpoint" in self.scope and channel.is_untouched:
            error = self._adopt_unseen()
            if error is not None:
                raise error
        if channel.state is not UNREAD and channel.state is not READING:
            return self._checked(await self._receive())
        try:
            if not await channel.read(self._receive, self.options):
                channel.lose()
                return {"type": "http.disconnect"}
            text = channel.transcode(self.options)
            if not self.compares_text and is_plain_fastapi_route(self.scope.get("route")):
                # Nobody is going to claim the document. Its memory serves for what FastAPI makes of
                # the text: an array of 8 MiB takes 34 ms instead of 73.
                channel.release()
        except (CodecError, RejectedRequest) as exc:
            channel.lose()
            return self._reject(to_rejection(exc))
        # The length is known only now. The list is the app's own copy; a reader that has seen it
        # before has seen a body without a length, such as one in chunks.
        self.scope["headers"].append((b"content-length", str(len(text)).encode()))
        return {"type": "http.request", "body": text, "more_body": False}

    def _checked(self, message: Message) -> Message:
        """Reject a body that ``require`` would have rejected, had the headers announced it."""
        if (
            message.get("body")
            and self.options.mode == "require"
            and self.plan.request is None
            and not self.is_delegated
        ):
            accepted = ", ".join(self.options.media_types)
            return self._reject(
                UnsupportedMediaType(f"a body is accepted only as {accepted}", {"accept": accepted})
            )
        return message

    def _reject(self, error: RejectedRequest) -> Message:
        """Raise an error, unless the response has started: then return an empty body.

        An app that streams its response only waits for the client to disconnect, and an empty
        body is not mistaken for JSON.
        """
        if self.response.state is STARTED:
            return {"type": "http.request", "body": b"", "more_body": False}
        self.error = error
        raise error from None

    async def send(self, message: Message) -> None:
        """Send a message of the response; a JSON response is sent in the binary format."""
        if message["type"] == "http.response.start" and "endpoint" in self.scope:
            self._adopt_unseen()
        response = self.response
        if response.state is not WAITING:
            await response.forward(message)
        elif self.error is not None:
            pass  # it is sent once the app is done
        elif message.get("headers") is response.own_headers is not None:
            response.begin(message)
            await response.forward(message)
        else:
            await response.send(message)

    # -- the end ---------------------------------------------------------------------------------

    def info(self) -> ExchangeInfo:
        """Return what is known about the exchange so far."""
        plan, request, response = self.plan, self.request, self.response
        return ExchangeInfo(
            method=request.method,
            path=self._path,
            request_media_type=plan.request,
            response_media_type=None if plan.variant is None else plan.variant.content_type,
            request_size=request.size,
            response_size=response.size,
            read_seconds=request.read_seconds,
            decode_seconds=request.decode_seconds,
            encode_seconds=response.encode_seconds,
            status=response.status,
            refusal=None if self.error is None else str(self.error),
        )

    def release(self) -> None:
        """Break the reference cycle between scope and exchange, and free the documents.

        They would otherwise stay until the garbage collector runs, and the next body would need
        fresh memory.
        """
        self.scope = {}
        self.request.release()
        self.response.release()
        if self.error is not None:
            # Its traceback holds the frames that the body was read in.
            self.error.__traceback__ = self.error.__cause__ = self.error.__context__ = None

    @property
    def is_rejected(self) -> bool:
        """Whether the request is rejected, and an error is to be sent."""
        return self.error is not None and self.response.state is WAITING

    async def send_error(self) -> None:
        """Send the error, if there is one to send, as problem details in the client's format."""
        if self.error is not None and self.response.state is WAITING:
            start, buffers = problem_response(self.error, in_binary=self.plan.problems_in_binary)
            await self.response.forward(self.response.start(start))
            await send_body(self.response.forward, buffers)


def _judge(plan: Plan, head: RequestHeaders, options: BinaryOptions) -> RejectedRequest | None:
    """Return the error to respond with, judged by the headers alone."""
    if plan.refusal is not None or plan.request is None:
        return plan.refusal
    codings, length = head.codings, head.content_length
    if codings and not can_decompress(codings):
        return UnsupportedMediaType(
            f"unsupported Content-Encoding {', '.join(codings)[:40]!r};"
            f" supported: {SUPPORTED_CODINGS}",
            {"accept-encoding": SUPPORTED_CODINGS},
        )
    if length is not None and length > options.max_body_size:
        return ContentTooLarge(over_max_body_size(options.max_body_size))
    return None


def _judge_size(size: int, options: BinaryOptions, before: BinaryOptions) -> RejectedRequest | None:
    """Return the error for a body that was read under other options."""
    if size > options.max_body_size:
        return ContentTooLarge(over_max_body_size(options.max_body_size))
    if size > options.max_structure_size < before.max_structure_size:
        # How much of it is structure was not counted.
        return ContentTooLarge(
            "the body was read before its endpoint was known, and is over its "
            f"max_structure_size ({options.max_structure_size} bytes)"
        )
    return None

"""A request without an exchange: that of a JSON client."""

from __future__ import annotations

from typing import Final

from starlette.types import Message, Receive, Scope, Send

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._http.headers import with_vary
from binary_middleware._http.negotiation import plan_for
from binary_middleware._routing.body_observers import BodyObservers
from binary_middleware.errors import RejectedRequest
from binary_middleware.options import BinaryOptions, differing_options, endpoint_overrides

PASSTHROUGH_KEY: Final = "binary_middleware.passthrough"
"""Key of a scope for the :class:`Passthrough` of a request without an exchange."""


class Passthrough:
    """A request that needs no exchange, unless the options of its endpoint say otherwise.

    Args:
        scope: the scope of the request, with the client's headers.
        receive: the server's channel.
        send: the server's channel.
        vary: the Vary header for the response.
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
        """Put the options of an endpoint in force, like :meth:`Exchange.adopt`."""
        vary = None
        if options.mode != "off":
            client = {**scope, "headers": self.scope["headers"]}
            plan = plan_for(client, options.offer)
            if not plan.is_passthrough:
                exchange = self.exchange = Exchange(
                    client, self._receive, self._send, plan, options, self._observers
                )
                scope["headers"] = exchange.scope["headers"]
                scope[SCOPE_KEY] = exchange
                return exchange.error
            vary = plan.vary
        self._vary = vary
        scope[SCOPE_KEY] = self.scope[SCOPE_KEY] = options
        return None

    async def send(self, message: Message) -> None:
        """Send a message of the response."""
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
    def is_rejected(self) -> bool:
        """Whether the endpoint's options reject the request, and an error is to be sent."""
        return self.exchange is not None and self.exchange.is_rejected

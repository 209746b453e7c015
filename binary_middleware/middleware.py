"""Binary mode around any ASGI app."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, Unpack

from starlette.types import ASGIApp, Receive, Scope, Send

from binary_middleware._asgi.exchange import SCOPE_KEY, Exchange
from binary_middleware._asgi.malloc import keep_freed_memory
from binary_middleware._asgi.passthrough import PASSTHROUGH_KEY, Passthrough
from binary_middleware._asgi.sending import send_body
from binary_middleware._http import etags
from binary_middleware._http.headers import with_vary
from binary_middleware._http.negotiation import Plan, plan_key
from binary_middleware._http.problems import problem_response
from binary_middleware._routing.body_observers import BodyObservers
from binary_middleware._routing.resolver import Resolver
from binary_middleware._routing.rules import RouteRule
from binary_middleware.errors import NotAcceptable
from binary_middleware.exchange_info import ExchangeInfo
from binary_middleware.formats import FORMAT
from binary_middleware.openapi._middleware import DocumentCompletion
from binary_middleware.options import BinaryOptions, OptionsDict, make_overrides, with_overrides

__all__ = ["BinaryMiddleware"]


class BinaryMiddleware:
    """Binary mode for an ASGI app.

    A msgpack request reaches the app as JSON, with arrays as ``{shape, dtype, data_b64}`` and bytes
    as base64. A JSON response is sent as msgpack to clients that accept it, or that sent msgpack
    and accept anything. FastAPI routes of ``add_binary_mode`` or ``BinaryRoute`` exchange objects
    instead of text. Other requests and responses are unaffected, but for ``Vary``.

    ::

        app = BinaryMiddleware(app)
        app.add_middleware(BinaryMiddleware, max_body_size="8MiB")

    Inside another ``BinaryMiddleware`` it takes over, unless that one has begun to read the
    request. The nearest setting wins: options that an endpoint, a router or a rule does not name
    are those of whatever is around it.

    Args:
        app: the app.
        rules: options for some of the paths; the first rule that matches applies.
        keep_memory: whether the process keeps the memory that bodies free, up to about 62 MiB, for
            the next ones.
        openapi_path: the path, without the ``root_path`` of the app, at which the app serves its
            OpenAPI document in JSON, to which the binary media types are added. Under
            ``mode="require"`` it is served to JSON clients as well. For a FastAPI app there is
            ``add_binary_mode``.
        body_agnostic: middleware classes, functions of ``app.middleware("http")`` and route classes
            that do not look at bodies. Middleware inside this one sees JSON, and may redact, sign
            or store it for binary clients as well. That costs the JSON text of each response,
            unless all middleware inside is Starlette's, FastAPI's, or named here.
        options: the fields of ``BinaryOptions``.

    Raises:
        ValueError: an option or the path is unknown or wrong.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        rules: Iterable[RouteRule] = (),
        keep_memory: bool = True,
        openapi_path: str | None = None,
        body_agnostic: Iterable[Any] = (),
        **options: Unpack[OptionsDict],
    ) -> None:
        self.app = app
        self.observers = BodyObservers(app, body_agnostic)
        self.resolver = self.make_resolver(app, rules=rules, openapi_path=openapi_path, **options)
        if openapi_path is not None:
            self.app = DocumentCompletion(app, openapi_path, self.resolver)
        self._own_options = with_overrides(BinaryOptions(), self.resolver.own)
        self._options: dict[BinaryOptions, BinaryOptions] = {}
        self._is_prepared = self._is_uniform = self._has_reported = False
        if keep_memory:
            keep_freed_memory()

    @classmethod
    def make_resolver(
        cls,
        app: ASGIApp,
        /,
        *,
        rules: Iterable[RouteRule] = (),
        keep_memory: bool = True,
        openapi_path: str | None = None,
        body_agnostic: Iterable[Any] = (),
        **options: Unpack[OptionsDict],
    ) -> Resolver:
        """Return the resolver for a middleware with these arguments."""
        last_rules = []
        if openapi_path is not None:
            if not openapi_path.startswith("/"):
                raise ValueError(f"openapi_path must start with '/', not {openapi_path!r}")
            if options.get("mode") == "require":
                last_rules = [RouteRule(openapi_path, mode="negotiate")]
        return Resolver(app, make_overrides(**options), rules, last_rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request in binary mode; run the app as it is for anything but HTTP."""
        if not self._is_prepared:
            self._prepare()
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        outer = scope.get(SCOPE_KEY)
        if isinstance(outer, Exchange):
            await self._serve_within(outer, scope, receive, send)
            return
        options = self._own_options
        if outer is not None or not self._is_uniform or "endpoint" in scope:
            options = self._options_for(scope, outer)
        if options.mode == "off":
            await self._leave_alone(scope, receive, send, options)
            return
        plan = options.negotiator.plan(*plan_key(scope))
        serve = (
            self._pass_through
            if plan.is_passthrough and options.on_exchange is None
            else self._exchange
        )
        await serve(scope, receive, send, options, plan)

    def _prepare(self) -> None:
        """Look at the routes of the app when the first request comes."""
        self._is_uniform = self.resolver.is_uniform
        self._is_prepared = True
        for rule in self.resolver.unmatched_rules():
            _LOGGER.warning("%r matches no route of the app", rule)

    def _options_for(self, scope: Scope, outer: BinaryOptions | None) -> BinaryOptions:
        options = self.resolver.options(scope, outer or BinaryOptions())
        # One object for equal options, whose negotiator keeps its plans.
        return self._options.setdefault(options, options)

    async def _serve_within(
        self, outer: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Take over from a middleware further out, or run the app inside its exchange."""
        options = self.resolver.options(scope, outer.options)
        # Middleware in between may look at bodies, and must see JSON while there is a binary mode.
        if options.mode == "off" or not outer.observers.may_see(self.observers.target):
            scope = outer.delegate_to_inner(scope)
        if scope[SCOPE_KEY] is not outer:
            await self(scope, receive, send)
        elif options == outer.options or outer.adopt(options, scope) is None:
            await self.app(scope, receive, send)

    async def _leave_alone(
        self, scope: Scope, receive: Receive, send: Send, options: BinaryOptions
    ) -> None:
        """Run the app without binary mode."""
        scope[SCOPE_KEY] = options
        passthrough = scope.get(PASSTHROUGH_KEY)
        if passthrough is not None:
            passthrough.adopt(options, scope)  # the response has no Vary
        await self.app(scope, receive, send)

    async def _pass_through(
        self, scope: Scope, receive: Receive, send: Send, options: BinaryOptions, plan: Plan
    ) -> None:
        """Run the app for a JSON client, whose request and response stay as they are."""
        scope[SCOPE_KEY] = options
        inner = _without_suffixes(scope)
        passthrough = inner[PASSTHROUGH_KEY] = Passthrough(
            inner, receive, send, plan.vary, self.observers
        )
        try:
            await self.app(inner, receive, passthrough.send)
        except NotAcceptable as exc:  # an object-lane response that JSON cannot hold
            if not passthrough.is_rejected:
                start, buffers = problem_response(exc, in_binary=False)
                await send(with_vary(start, plan.vary))
                await send_body(send, buffers)
        except Exception:
            if not passthrough.is_rejected:
                raise
        finally:
            inner.pop(PASSTHROUGH_KEY, None)  # which holds the scope in turn
            if inner is not scope:
                _copy_routing(inner, scope)
            if passthrough.exchange is not None:
                passthrough.exchange.release()
        if passthrough.exchange is not None:
            await passthrough.exchange.send_error()

    async def _exchange(
        self, scope: Scope, receive: Receive, send: Send, options: BinaryOptions, plan: Plan
    ) -> None:
        """Run the app in an exchange."""
        if not self._has_reported:
            self._has_reported = True
            self._report_observers()
        exchange = Exchange(scope, receive, send, plan, options, self.observers)
        try:
            try:
                if exchange.error is None:
                    await self.app(exchange.scope, exchange.receive, exchange.send)
            except Exception:
                # ``receive`` raises the rejection, and the app may make anything of it.
                if not exchange.is_rejected:
                    raise
            finally:
                _copy_routing(exchange.scope, scope)
                exchange.release()
            if exchange.error is not None:
                await exchange.send_error()
        finally:
            if options.on_exchange is not None and not exchange.is_delegated:
                _report(options.on_exchange, exchange.info())

    def _report_observers(self) -> None:
        names = self.observers.names()
        if names:
            _LOGGER.warning(
                "binary responses are made as JSON first, for middleware that may read them: %s; "
                "if some of it does not, name it in body_agnostic=(...)",
                ", ".join(names),
            )


def _report(on_exchange: Callable[[ExchangeInfo], None], info: ExchangeInfo) -> None:
    try:
        on_exchange(info)
    except Exception:  # the response is sent, and the client must not suffer
        _LOGGER.exception("on_exchange raised for %s %s", info.method, info.path)


_LOGGER: Final = logging.getLogger("binary_middleware")
_ROUTING_KEYS: Final = ("route", "endpoint", "path_params")


def _copy_routing(inner: Scope, outer: Scope) -> None:
    """Copy what a router found out, for middleware around us that reports by route."""
    for key in _ROUTING_KEYS:
        if key in inner:
            outer[key] = inner[key]


def _without_suffixes(scope: Scope) -> Scope:
    """Return the scope of a JSON client that got its If-Match with a binary response."""
    for name, _ in scope["headers"]:
        if name == b"if-match":
            break
    else:
        return scope
    headers = [
        (name, etags.without_suffix(value, FORMAT.tag_suffixes) if name == b"if-match" else value)
        for name, value in scope["headers"]
    ]
    return scope if headers == scope["headers"] else {**scope, "headers": headers}

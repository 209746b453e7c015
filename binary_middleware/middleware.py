"""``BinaryMiddleware``: binary mode around any ASGI app."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, Unpack

from starlette.types import ASGIApp, Receive, Scope, Send

from binary_middleware._asgi.exchange import PASSTHROUGH_KEY, SCOPE_KEY, Exchange, Passthrough
from binary_middleware._asgi.malloc import keep_freed_memory
from binary_middleware._http import etags as etag
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


class BinaryMiddleware:
    """Gives an ASGI app a binary mode.

    A request whose Content-Type is msgpack reaches the app as JSON, with arrays as ``{shape,
    dtype, data_b64}`` and bytes as base64; a JSON answer to a client that accepts msgpack, or that
    sent msgpack and accepts anything, leaves as msgpack. FastAPI routes that ``add_binary_mode`` or
    ``BinaryRoute`` prepared exchange objects instead of text. Every other request reaches the app
    as it came, and every other answer leaves as it is, with ``Vary``.

    ::

        app = BinaryMiddleware(app)
        app.add_middleware(BinaryMiddleware, max_body_size="8MiB")

    Inside another ``BinaryMiddleware`` it takes the request over, unless that has begun to read
    it. The nearest setting wins: what an endpoint, a router or a rule does not name comes from
    further out.

    Args:
        app: the app.
        rules: options for some of the paths; the first that matches holds.
        keep_memory: whether the process keeps the memory that bodies free, up to about 62 MiB,
            for the next ones; see ``body.keep_freed_memory``.
        openapi_path: where the app answers its OpenAPI document in JSON, which is then completed
            with the binary media types; without the ``root_path`` of the app. Under
            ``mode="require"`` it is served to JSON clients as well. For a FastAPI app there is
            ``add_binary_mode``, or ``complete_openapi``.
        body_agnostic: middleware classes, functions of ``app.middleware("http")`` and route classes
            that look at no bodies. Middleware inside this one sees JSON, so that what redacts,
            signs or stores bodies holds for binary clients as well. That costs the JSON text of
            each response, unless all middleware inside is Starlette's, FastAPI's, or named here.
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
        self._is_checked = self._has_reported = False
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
        """What a middleware with these arguments finds out about the options of a request."""
        last_rules = []
        if openapi_path is not None:
            if not openapi_path.startswith("/"):
                raise ValueError(f"openapi_path must start with '/', not {openapi_path!r}")
            if options.get("mode") == "require":
                last_rules = [RouteRule(openapi_path, mode="negotiate")]
        return Resolver(app, make_overrides(**options), rules, last_rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_checked:
            self._is_checked = True
            for rule in self.resolver.unmatched_rules():
                _LOGGER.warning("%r matches no route of the app", rule)
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        base = scope.get(SCOPE_KEY)
        if isinstance(base, Exchange):
            options = self.resolver.options(scope, base.options)
            # Somebody between may look at bodies, and sees JSON; unless there is no binary mode.
            stays = options.mode != "off" and base.observers.may_see(self.observers.target)
            scope = scope if stays else base.delegate_to_inner(scope)
            if scope[SCOPE_KEY] is base:  # or it was too late
                if options == base.options or base.adopt(options, scope) is None:
                    await self.app(scope, receive, send)
                return
            base = scope[SCOPE_KEY]
        if base is None and self.resolver.is_uniform and "endpoint" not in scope:
            options = self._own_options
        else:
            options = self._options_for(scope, base)
        if options.mode == "off":
            scope[SCOPE_KEY] = options
            passing = scope.get(PASSTHROUGH_KEY)
            if passing is not None:
                passing.adopt(options, scope)  # the answer has no Vary
            await self.app(scope, receive, send)
            return
        plan = options.negotiator.plan(*plan_key(scope))
        if plan.is_passthrough and options.on_exchange is None:
            scope[SCOPE_KEY] = options
            await self._pass(scope, receive, send, plan)
            return
        if not self._has_reported:
            self._has_reported = True
            self._report_observers()
        exchange = Exchange(scope, receive, send, plan, options, self.observers)
        try:
            await self._run(exchange, scope)
        finally:
            if options.on_exchange is not None and not exchange.is_delegated:
                _report(options.on_exchange, exchange.info())

    async def _pass(self, scope: Scope, receive: Receive, send: Send, plan: Plan) -> None:
        """Run the app for a request of a JSON client."""
        inner = _without_suffixes(scope)
        passing = inner[PASSTHROUGH_KEY] = Passthrough(
            inner, receive, send, plan.vary, self.observers
        )
        try:
            await self.app(inner, receive, passing.send)
        except Exception as exc:
            if passing.has_refusal:
                pass
            elif isinstance(exc, NotAcceptable):  # before anything went out: JSON cannot hold it
                start, buffers = problem_response(exc, in_binary=False)
                await send(with_vary(start, plan.vary))
                await send({"type": "http.response.body", "body": b"".join(buffers)})
            else:
                raise
        finally:
            inner.pop(PASSTHROUGH_KEY, None)  # it holds the scope in turn
            if inner is not scope:
                _show_what_was_found_out(inner, scope)
        exchange = passing.exchange
        if exchange is not None:
            if exchange.error is not None and not exchange.response_started:
                await exchange.send_error(exchange.error)
            exchange.release()

    async def _run(self, exchange: Exchange, scope: Scope) -> None:
        exchange.error = exchange.refusal()
        if exchange.error is None:
            try:
                await self.app(exchange.scope, exchange.receive, exchange.send)
            except Exception:
                # Out of ``receive`` comes our own refusal, and the app may make anything of it.
                if exchange.error is None or exchange.response_started:
                    raise
            finally:
                _show_what_was_found_out(exchange.scope, scope)
                exchange.release()
        if exchange.error is not None and not exchange.response_started:
            await exchange.send_error(exchange.error)

    def _report_observers(self) -> None:
        names = self.observers.names()
        if names:
            _LOGGER.warning(
                "binary responses are made as JSON first, for middleware that may look at them: %s;"
                " name what does not in body_agnostic=(...)",
                ", ".join(names),
            )

    def _options_for(self, scope: Scope, base: BinaryOptions | None) -> BinaryOptions:
        options = self.resolver.options(scope, base or BinaryOptions())
        # One object for equal options, whose negotiator keeps its plans.
        return self._options.setdefault(options, options)


def _report(on_exchange: Callable[[ExchangeInfo], None], record: ExchangeInfo) -> None:
    try:
        on_exchange(record)
    except Exception:  # the answer is out, and its sender has no part in it
        _LOGGER.exception("on_exchange raised for %s %s", record.method, record.path)


_LOGGER: Final = logging.getLogger("binary_middleware")
_FOUND_OUT: Final = ("route", "endpoint", "path_params")


def _show_what_was_found_out(inner: Scope, outer: Scope) -> None:
    """What a router found out, for middleware around us that reports by route."""
    for key in _FOUND_OUT:
        if key in inner:
            outer[key] = inner[key]


def _without_suffixes(scope: Scope) -> Scope:
    """The request of a JSON client that got its If-Match with an answer in msgpack."""
    for name, _ in scope["headers"]:
        if name == b"if-match":
            break
    else:
        return scope
    headers = [
        (name, etag.without_suffix(value, FORMAT.tag_suffixes) if name == b"if-match" else value)
        for name, value in scope["headers"]
    ]
    return scope if headers == scope["headers"] else {**scope, "headers": headers}

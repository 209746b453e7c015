"""Rules: an app, a request, and the expected response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import anyio
from starlette.types import ASGIApp

from tests.conformance.message import Request, Seen
from tests.conformance.witness import HELD_BACK, HeldBack, witnessed, witnessing

Middleware = Callable[..., ASGIApp]
"""What is tested: takes an app, and our own options where a rule sets some."""

Expectation = Callable[[Seen], None]
"""Looks at an exchange, and raises ``Unmet`` if something is not as it must be."""

TransportKind = Literal["ASGI", "socket"]
EITHER: Final[tuple[TransportKind, ...]] = ("ASGI", "socket")


class Unmet(AssertionError):
    """A rule is not kept. The message says in a few words what happened."""


class Crashed(Unmet):
    """An exception came out that nobody made. The message says which."""

    def __init__(self, exc: BaseException) -> None:
        super().__init__(f"raises `{type(exc).__name__}`")


class Transport(Protocol):
    """How a request reaches an app, and its response the client."""

    def ask(self, app: ASGIApp, requests: Sequence[Request]) -> list[Seen]:
        """Send the requests, all at once, and wait for what comes of them."""
        ...


@dataclass(frozen=True)
class Rule:
    """One rule in the form of a table row.

    Attributes:
        title: the rule, as a sentence.
        reference: where it comes from, such as ``RFC 9110 §12.5.1``.
        app: the app under test.
        request: the request, or what makes it of the response to ``after``.
        expect: what must be seen. That nothing raises, and that the response is complete and as
            long as it says, is expected always.
        after: a request that is made before.
        alongside: requests that are made at the same time, with what is expected of each.
        outside: middleware around the one that is tested.
        options: our own options.
        raises: the exception of the app that must come through.
        seen_over: the transports over which the rule can be seen.
    """

    title: str
    reference: str
    app: ASGIApp
    request: Request | Callable[[Seen], Request]
    expect: Sequence[Expectation]
    after: Request | None = None
    alongside: Sequence[tuple[Request, Expectation]] = ()
    outside: Callable[[ASGIApp], ASGIApp] = lambda app: app
    options: Mapping[str, Any] = field(default_factory=dict)
    raises: type[Exception] | None = None
    seen_over: Sequence[TransportKind] = EITHER

    def check(self, middleware: Middleware, transport: Transport) -> None:
        """Try the rule.

        Raises:
            Unmet: it is not kept.
        """
        wrapped = middleware(witnessed(self.app), **self.options)
        app = witnessing(self.outside(wrapped))
        request = self.request
        if callable(request):
            assert self.after is not None
            (before,) = transport.ask(app, [self.after])
            request = request(_sound(before))
        others = [other for other, _ in self.alongside]
        seen, *rest = transport.ask(app, [request, *others])
        if self.raises is not None:
            if not isinstance(seen.witness.exception, self.raises):
                raise Unmet(f"{self.raises.__name__} of the app is lost")
        else:
            _sound(seen)
        for expectation in self.expect:
            expectation(seen)
        for (_, expectation), other in zip(self.alongside, rest, strict=True):
            expectation(_sound(other))


@dataclass(frozen=True)
class Scenario:
    """A rule that does not come down to one request and its response; on ASGI.

    Attributes:
        run: takes the middleware, and raises ``Unmet``.
    """

    title: str
    reference: str
    run: Callable[[Middleware], Awaitable[None]]
    seen_over: Sequence[TransportKind] = ("ASGI",)

    def check(self, middleware: Middleware, transport: Transport) -> None:
        """Try the rule.

        Raises:
            Unmet: it is not kept.
        """
        try:
            anyio.run(self.run, middleware)
        except Unmet:
            raise
        except Exception as exc:
            raise unmet(exc) from exc


AnyRule = Rule | Scenario

OUR_CHOICES: Final = "Wire format"
"""How a reference begins that is no standard: another middleware may choose otherwise."""


@dataclass(frozen=True)
class Topic:
    """Rules that belong together.

    Attributes:
        title: a heading.
        rules: the rules.
        is_ours: whether they concern choices and options of our own, so that they say nothing
            about other middleware.
    """

    title: str
    rules: Sequence[AnyRule]
    is_ours: bool = False


def rule(
    title: str,
    reference: str,
    app: ASGIApp,
    request: Request | Callable[[Seen], Request],
    *expect: Expectation,
    **more: Any,
) -> Rule:
    """Return a :class:`Rule`, in the order in which it reads best."""
    return Rule(title, reference, app, request, expect, **more)


def unmet(exc: BaseException) -> Unmet:
    """Return the verdict of an exception."""
    return Unmet(HELD_BACK) if isinstance(exc, HeldBack) else Crashed(exc)


def _sound(seen: Seen) -> Seen:
    """Return ``seen``, unless anything raised or the response is incomplete."""
    if seen.witness.exception is not None:
        raise unmet(seen.witness.exception)
    if seen.fault:
        raise Unmet(seen.fault)
    return seen

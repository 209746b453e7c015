"""The middleware that is tested."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp

from binary_middleware import BinaryMiddleware
from tests.conformance.rule import Middleware

VARIABLE: Final = "CONFORMANCE_MIDDLEWARE"
"""An environment variable that names another middleware, as ``module:factory``."""


@dataclass(frozen=True)
class Subject:
    """A middleware under test.

    Attributes:
        name: what it is called in the document.
        middleware: returns an app for an app; the one of this package accepts its options, too.
        is_ours: whether it is the one of this package, for which all rules hold.
    """

    name: str
    middleware: Middleware
    is_ours: bool = False


OURS: Final = Subject("binary_middleware", BinaryMiddleware, is_ours=True)
PEER: Final = "tests.conformance.subject:msgpack_asgi"


def msgpack_asgi(app: ASGIApp) -> ASGIApp:
    """msgpack-asgi, as much of it as there is: by default, it takes no body in chunks."""
    from msgpack_asgi import MessagePackMiddleware

    middleware: ASGIApp = MessagePackMiddleware(app, allow_naive_streaming=True)
    return middleware


def load(specification: str) -> Subject:
    """Return the middleware that ``module:factory`` makes of an app.

    Raises:
        ValueError: there is no such thing.
    """
    module, _, factory = specification.partition(":")
    try:
        made = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ValueError(f"{specification!r} is not a module:factory: {exc}") from exc
    return Subject(factory.replace("_", "-"), made)


def chosen() -> Subject:
    """Return the middleware that the environment names, by default that of this package."""
    specification = os.environ.get(VARIABLE)
    return load(specification) if specification else OURS

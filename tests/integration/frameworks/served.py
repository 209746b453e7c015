"""What a server serves: the app that the environment names, in binary mode and as it is.

A request with the header ``X-Plain`` reaches the app as it is, all others in binary mode, so
that one server shows both. ``uvicorn tests.integration.frameworks.served:app`` and the like run it.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from binary_middleware import BinaryMiddleware

VARIABLE: Final = "BINARY_MIDDLEWARE_TESTS_APP"
"""The environment variable with the name of a module in ``apps``."""

ENABLED: Final = "fastapi_typed"
"""The app that gets its binary mode from ``add_binary_mode``."""


def load(name: str) -> Any:
    """Return the app of a module in ``apps``, newly made."""
    package = "tests.integration.frameworks.apps"
    for module in [module for module in sys.modules if module.startswith(f"{package}.")]:
        del sys.modules[module]
    return importlib.import_module(f"{package}.{name}").app


def both(name: str) -> tuple[ASGIApp, ASGIApp]:
    """Return an app in binary mode, and as it is."""
    app = load(name)
    if name != ENABLED:
        return BinaryMiddleware(app), app
    from binary_middleware.fastapi import add_binary_mode

    add_binary_mode(app)
    return app, load(name)


if VARIABLE in os.environ:
    binary, plain = both(os.environ[VARIABLE])


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Either of the two."""
    as_it_is = scope["type"] == "http" and any(name == b"x-plain" for name, _ in scope["headers"])
    await (plain if as_it_is else binary)(scope, receive, send)

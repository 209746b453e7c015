"""The app that ``serve`` has uvicorn make, in its own process and in those that uvicorn starts."""

from __future__ import annotations

import multiprocessing
import os
import sys
from typing import Any, Final, NoReturn

import msgspec
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.importer import ImportFromStringError, import_from_string

from binary_middleware.cli.mistakes import Mistake
from binary_middleware.cli.settings import Settings
from binary_middleware.middleware import BinaryMiddleware

VARIABLE: Final = "BINARY_MIDDLEWARE_SERVE"
"""The environment variable that says what to serve, for the processes that uvicorn starts."""

FACTORY: Final = f"{__name__}:make_app"
"""What uvicorn is told to call."""


class Target(msgspec.Struct, frozen=True):
    """What is served, and how."""

    name: str
    """``module:app``, with dots for attributes of attributes."""
    is_factory: bool
    """Whether that makes the app when it is called."""
    interface: str
    """As uvicorn's option of that name has it; ``auto`` is ASGI 3."""
    settings: str
    """As ``Settings.to_json`` writes them."""

    def announce(self) -> None:
        """Tell this process and those that it starts."""
        os.environ[VARIABLE] = msgspec.json.encode(self).decode()


def make_app() -> ASGIApp:
    """The app that was announced, in binary mode.

    Raises:
        SystemExit: it cannot be found, or an option does not suit it; a line on stderr says why.
    """
    target = msgspec.json.decode(os.environ[VARIABLE], type=Target)
    try:
        app = import_from_string(target.name)
    except ImportFromStringError as exc:
        _refuse(str(exc))
    if not callable(app):
        _refuse(f"{target.name} is no app: it cannot be called")
    if target.is_factory:
        app = app()
    try:
        return _in_binary_mode(_as_asgi(app, target.interface), Settings.from_json(target.settings))
    except ValueError as exc:
        _refuse(str(exc))


def _refuse(reason: str) -> NoReturn:
    print(f"Error: {reason}", file=sys.stderr)
    # uvicorn takes this status from a worker as a reason not to start it again.
    is_worker = multiprocessing.parent_process() is not None
    sys.exit(STARTUP_FAILURE if is_worker else Mistake.exit_code)


def _as_asgi(app: Any, interface: str) -> Any:
    """An app of another interface as one of ASGI 3."""
    if interface == "wsgi":
        # It is uvicorn's own, or that of a2wsgi where this is installed.
        return import_from_string("uvicorn.middleware.wsgi:WSGIMiddleware")(app)
    if interface == "asgi2":
        from uvicorn.middleware.asgi2 import ASGI2Middleware

        return ASGI2Middleware(app)
    return app


def _in_binary_mode(app: Any, settings: Settings) -> ASGIApp:
    options, rules = dict(settings.options), settings.rules()
    if settings.openapi_path is not None:
        options["openapi_path"] = settings.openapi_path
    fastapi = sys.modules.get("fastapi")
    if fastapi is not None and isinstance(app, fastapi.FastAPI):
        from binary_middleware.fastapi import add_binary_mode

        add_binary_mode(app, rules=rules, **options)
        enabled: ASGIApp = app
        return enabled
    return BinaryMiddleware(app, rules=rules, **options)

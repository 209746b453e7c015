"""``serve``: any ASGI app in binary mode, without a change to its code."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any, Final, NoReturn, get_args

import click
from starlette.types import ASGIApp
from uvicorn.importer import ImportFromStringError, import_from_string
from uvicorn.main import main as uvicorn_command

from binary_middleware._http.negotiation import Mode
from binary_middleware.cli._console import size
from binary_middleware.cli._settings import Settings, load_settings, parse_rule
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.options import Arrays

VARIABLE: Final = "BINARY_MIDDLEWARE_SERVE"
"""The environment variable that tells the processes of uvicorn what to serve."""

STARTUP_FAILURE: Final = 3
"""The exit code of a worker that uvicorn does not restart (``STARTUP_FAILURE`` of uvicorn)."""


def _parse_rules(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> list[Any]:
    try:
        return [parse_rule(text).given() for text in texts]
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def _option(*names: str, **settings: Any) -> click.Option:
    # The environment variables of uvicorn are for its own options.
    return click.Option(names, allow_from_autoenv=False, **settings)


OWN_OPTIONS: Final = [
    _option(
        "--mode",
        type=click.Choice(get_args(Mode)),
        help="Let the client choose, refuse JSON, or switch binary mode off.",
    ),
    _option("--max-body-size", type=size, help="Limit of a msgpack body, such as 64MiB or 10MB."),
    _option(
        "--max-structure-size", type=size, help="Limit of a body, large arrays and bytes aside."
    ),
    _option(
        "--media-type",
        "media_types",
        multiple=True,
        help="A media type that means msgpack. Can be repeated; the first one is the default.",
    ),
    _option(
        "--arrays", type=click.Choice(get_args(Arrays)), help="The encoding of arrays in responses."
    ),
    _option(
        "--openapi-path",
        metavar="PATH",
        help="The path of the OpenAPI document of an app other than FastAPI.",
    ),
    _option(
        "--rule",
        "rules",
        multiple=True,
        callback=_parse_rules,
        metavar="RULE",
        help="Options for some paths: 'POST,PUT /images/{name} mode=require max_body_size=1MB'. "
        "Can be repeated; the first that matches holds.",
    ),
]


def _serve(app: str, **given: Any) -> None:
    own = {str(option.name): given.pop(str(option.name)) for option in OWN_OPTIONS}
    own = {name: value for name, value in own.items() if value not in (None, (), [])}
    try:
        settings = load_settings(Path("pyproject.toml"), own)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    target = (app, given["factory"], given["interface"], settings.given())
    os.environ[VARIABLE] = json.dumps(target)
    assert uvicorn_command.callback is not None
    given.update(app=f"{__name__}:make_app", factory=True, interface="asgi3")
    uvicorn_command.callback(**given)


def make_app() -> ASGIApp:
    """Make the app, in a process of uvicorn.

    Raises:
        SystemExit: It cannot be found, or an option does not suit it; a line on stderr says why.
    """
    name, is_factory, interface, settings = json.loads(os.environ[VARIABLE])
    try:
        app = import_from_string(name)
    except ImportFromStringError as exc:
        _refuse(str(exc))
    except ModuleNotFoundError as exc:
        if exc.name is None or not name.startswith(f"{exc.name}."):
            raise  # an import of the app failed, and its traceback helps
        _refuse(f"Could not import module {exc.name!r}.")
    if not callable(app):
        _refuse(f"{name} is not an app: it cannot be called")
    if is_factory:
        app = app()
    try:
        return _in_binary_mode(_as_asgi(app, interface), Settings.parse(settings).arguments())
    except ValueError as exc:
        _refuse(str(exc))


def _refuse(reason: str) -> NoReturn:
    click.echo(f"Error: {reason}", err=True)
    is_worker = multiprocessing.parent_process() is not None
    sys.exit(STARTUP_FAILURE if is_worker else click.UsageError.exit_code)


def _as_asgi(app: Any, interface: str) -> Any:
    """Adapt an app of another interface to ASGI 3."""
    if interface == "wsgi":
        # It is uvicorn's own, or that of a2wsgi where this is installed.
        return import_from_string("uvicorn.middleware.wsgi:WSGIMiddleware")(app)
    if interface == "asgi2":
        from uvicorn.middleware.asgi2 import ASGI2Middleware

        return ASGI2Middleware(app)
    return app


def _in_binary_mode(app: Any, arguments: dict[str, Any]) -> ASGIApp:
    fastapi = sys.modules.get("fastapi")
    if fastapi is not None and isinstance(app, fastapi.FastAPI):
        from binary_middleware.fastapi import add_binary_mode

        add_binary_mode(app, **arguments)
        enabled: ASGIApp = app
        return enabled
    return BinaryMiddleware(app, **arguments)


command = click.Command(
    "serve",
    callback=_serve,
    params=[
        click.Argument(["app"], metavar="MODULE:APP", envvar="UVICORN_APP"),
        *OWN_OPTIONS,
        *(param for param in uvicorn_command.params if param.name != "app"),
    ],
    context_settings={"auto_envvar_prefix": "UVICORN"},
    help="""Serve the ASGI app MODULE:APP in binary mode, with uvicorn and its options.

    A FastAPI app gets the object lane; any other app receives JSON. Further settings
    are read from [tool.binary_middleware] and [[tool.binary_middleware.rules]] in pyproject.toml.
    """,
)

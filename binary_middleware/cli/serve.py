"""``serve``: any ASGI app in binary mode, without a change to its code."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any, get_args

import click

from binary_middleware._http.negotiation import Mode
from binary_middleware.cli.byte_sizes import byte_size
from binary_middleware.cli.mistakes import Mistake
from binary_middleware.cli.settings import Settings, parse_route, read_pyproject
from binary_middleware.options import Arrays

try:
    from uvicorn.main import main as uvicorn_command
except ImportError as exc:
    raise ImportError("serve needs uvicorn: pip install 'binary-middleware[cli]'") from exc

from binary_middleware.cli.served import FACTORY, Target


def _option(*names: str, **settings: Any) -> click.Option:
    # The environment variables that uvicorn takes are for its own options.
    return click.Option(names, allow_from_autoenv=False, **settings)


_OWN_PARAMETERS: list[click.Parameter] = [
    click.Argument(["app"], metavar="MODULE:APP", envvar="UVICORN_APP"),
    _option(
        "--mode",
        type=click.Choice(get_args(Mode)),
        help="Let the client choose, refuse JSON, or switch binary mode off.",
    ),
    _option(
        "--max-body-size",
        type=byte_size,
        metavar="SIZE",
        help="Largest msgpack body, such as 64MiB or 10MB.",
    ),
    _option(
        "--max-structure-size",
        type=byte_size,
        metavar="SIZE",
        help="Most of a body that is not large arrays and bytes.",
    ),
    _option(
        "--media-type",
        "media_types",
        multiple=True,
        help="A media type that means msgpack. Can be repeated; the first one is the default.",
    ),
    _option(
        "--arrays", type=click.Choice(get_args(Arrays)), help="How arrays in answers are written."
    ),
    _option(
        "--openapi-path",
        metavar="PATH",
        help="Where an app other than FastAPI answers its OpenAPI document.",
    ),
    _option(
        "--route",
        "routes",
        multiple=True,
        metavar="RULE",
        help="Options for some paths: 'POST,PUT /images/{name} mode=require max_body_size=1MB'. "
        "Can be repeated; the first that matches holds.",
    ),
]
_OWN_NAMES = frozenset(parameter.name for parameter in _OWN_PARAMETERS)
_UVICORN_PARAMETERS = [each for each in uvicorn_command.params if each.name not in _OWN_NAMES]


def _serve(**given: Any) -> None:
    own = {name: given.pop(name) for name in _OWN_NAMES}
    target, openapi_path, routes = own.pop("app"), own.pop("openapi_path"), own.pop("routes")
    options = {name: value for name, value in own.items() if value not in (None, ())}
    try:
        settings = Settings(
            options, [parse_route(route) for route in routes] if routes else None, openapi_path
        ).over(read_pyproject(Path("pyproject.toml")))
        settings.check()
    except ValueError as exc:
        raise Mistake(str(exc)) from exc
    _check_module(target, given["app_dir"])
    Target(target, given["factory"], given["interface"], settings.to_json()).announce()
    assert uvicorn_command.callback is not None
    uvicorn_command.callback(**{**given, "app": FACTORY, "factory": True, "interface": "asgi3"})


def _check_module(target: str, app_dir: str) -> None:
    """Find out whether there is such a module, before uvicorn starts workers that import it."""
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise Mistake(f"{target!r} must be MODULE:APP, such as app:app")
    if app_dir not in sys.path:
        sys.path.insert(0, app_dir)
    try:
        is_there = importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # of the package that it is in, or no name at all
        is_there = False
    if not is_there:
        raise Mistake(f"there is no module {module!r} in {app_dir or 'this folder'}")


command = click.Command(
    "serve",
    callback=_serve,
    params=[*_OWN_PARAMETERS, *_UVICORN_PARAMETERS],
    context_settings={"auto_envvar_prefix": "UVICORN"},
    short_help="Serve any ASGI app in binary mode.",
    help="""Serve the ASGI app MODULE:APP in binary mode, with uvicorn and its options.

    A FastAPI app gets the object lane, every other one msgpack as JSON. What is not given here
    comes from [tool.binary_middleware] and [[tool.binary_middleware.routes]] in pyproject.toml.
    """,
)

"""The variants that are ASGI apps, by name.

Each serves the same requests: ``POST /array`` and ``POST /document`` give the document back that
they received, ``POST /distinct`` gives it back with a copy of its array, and ``GET /ping`` responds
with ``pong``. The FastAPI apps have two more routes for the small document: ``/document/injected``,
with a dependency and a ``Response`` to set headers of, and ``/document/untyped``, without a model
for its response.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from starlette.types import ASGIApp

APPS: Final[Mapping[str, str]] = {
    "limit": "raw_apps:limit",
    "limit-reused": "raw_apps:limit_reused",
    "echo": "raw_apps:echo",
    "starlette-echo": "raw_apps:starlette_echo",
    "msgpack-endpoint": "fastapi_apps:msgpack_endpoint",
    "fastapi-json": "fastapi_apps:fastapi_json",
    "fastapi-lists": "fastapi_apps:fastapi_lists",
    "msgpack-asgi": "fastapi_apps:msgpack_asgi",
    "msgpack-asgi-lists": "fastapi_apps:msgpack_asgi_lists",
    "object-lane": "fastapi_apps:object_lane",
    "json-lane": "fastapi_apps:json_lane",
    "litestar": "litestar_app:litestar",
}
"""Module and function of what makes each app."""


def make_app(name: str) -> ASGIApp:
    """Return the app of that name.

    Nothing is imported for it that it does not need: a module that is imported may change how a
    process behaves, and a process that has a lot imported is not the same as one that has not.
    """
    module, function = APPS[name].split(":")
    app: ASGIApp = getattr(import_module(f"tests.benchmarks.{module}"), function)()
    return app

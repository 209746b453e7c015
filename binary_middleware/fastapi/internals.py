"""What we use of FastAPI that it does not document, all in one place.

Each name is looked up so that its absence costs speed, not correctness.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import fastapi.routing
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.types import Scope


def effective_route(route: APIRoute) -> Any:
    """What FastAPI's ``get_route_handler`` reads its settings from.

    For a router that was included, FastAPI 0.137 and newer keep them in a context, which only
    this variable names. Without it, or without this route in it, they are the route's own.
    """
    variable = getattr(fastapi.routing, "_effective_route_context_var", None)
    context = variable.get() if variable is not None else None
    if context is not None and context.original_route is route:
        return context
    return route


def takes_nothing_but_one_body(route: Any) -> bool:
    """Whether the endpoint of a route has a body parameter that is not embedded, and no other.

    No dependencies either, and nothing that a newer FastAPI might add: a ``Dependant`` with a
    field that we do not know, and that is set, is not equal to an empty one.
    """
    dependant = route.dependant
    if len(dependant.body_params) != 1 or route.body_field is not dependant.body_params[0]:
        return False
    return bool(replace(dependant, call=None, path=None, scope=None, body_params=[]) == Dependant())


def _handlers() -> tuple[Any, ...]:
    routing: Any = fastapi.routing
    return (
        routing.get_request_handler,
        routing.solve_dependencies,
        routing.run_endpoint_function,
        routing.serialize_response,
    )


def _are_fastapis_own(handlers: tuple[Any, ...]) -> bool:
    package = str(Path(fastapi.__file__).parent)
    return all(handler.__code__.co_filename.startswith(package) for handler in handlers)


try:
    _OWN_HANDLERS: tuple[Any, ...] = _handlers()
    _IS_AS_KNOWN = _are_fastapis_own(_OWN_HANDLERS)
except AttributeError:
    _IS_AS_KNOWN = False


def is_observed(scope: Scope) -> bool:
    """Whether somebody may watch what FastAPI's handler does with this request.

    FastAPI's own telemetry does, and integrations that put functions of their own in the place of
    FastAPI's.
    """
    return (
        not _IS_AS_KNOWN
        or scope.get("fastapi.telemetry") is not None
        or _handlers() != _OWN_HANDLERS
    )


def endpoint_context(route: Any, scope: Scope) -> Any:
    """Where an endpoint is defined, for the text of validation errors."""
    extract = getattr(fastapi.routing, "_extract_endpoint_context", None)
    context = extract(route.dependant.call) if extract is not None else {}
    mount_path = scope.get("root_path", "").rstrip("/")
    return {**context, "path": f"{scope['method']} {mount_path}{route.dependant.path}"}

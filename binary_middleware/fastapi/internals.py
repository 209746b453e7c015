"""What we use of FastAPI that it does not document, all in one place.

Each name is looked up so that its absence costs speed, not correctness.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Final

import fastapi.routing
from fastapi.dependencies import models, utils
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic_core import PydanticSerializationError
from starlette.requests import Request
from starlette.types import Scope

MAX_BODY_SIZE_SCOPE_KEY: Final = "starlette.max_body_size"
"""Where Starlette 1.1 and newer note in a scope that a limit of bodies is in force."""


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


def knows_effective_routes() -> bool:
    """Whether :func:`effective_route` can tell that a router was included.

    If not, the route itself does not tell what the inclusion adds: dependencies above all.
    """
    return hasattr(fastapi.routing, "_effective_route_context_var")


def takes_nothing_but_one_body(route: Any) -> bool:
    """Whether the endpoint of a route has a body parameter that is not embedded, and no other.

    No dependencies either, and nothing that a newer FastAPI might add: a ``Dependant`` with a
    field that we do not know, and that is set, is not equal to an empty one.
    """
    dependant = route.dependant
    if len(dependant.body_params) != 1 or route.body_field is not dependant.body_params[0]:
        return False
    return bool(replace(dependant, call=None, path=None, scope=None, body_params=[]) == Dependant())


def is_coroutine(dependant: Dependant) -> bool | None:
    """Whether FastAPI awaits this endpoint, or has a thread call it; ``None`` if unknown."""
    is_coroutine_callable = getattr(models, "_is_coroutine_callable", None)
    if is_coroutine_callable is not None:
        return bool(is_coroutine_callable(dependant.call))
    return getattr(dependant, "is_coroutine_callable", None)  # before FastAPI 0.138


Solve = Callable[[Request, Any], Awaitable[Any]]


def dependency_solver(route: Any) -> Solve:
    """What resolves the dependencies and parameters of a route, from a request and its body.

    ``NO_BODY`` stands for a body that is not there. The result has the attributes ``values``,
    ``errors``, ``response`` and ``background_tasks``.
    """
    dependant, overrides = route.dependant, route.dependency_overrides_provider
    embed_body_fields = route._embed_body_fields

    def solve(request: Request, body: Any) -> Awaitable[Any]:
        routing: Any = fastapi.routing
        solved: Awaitable[Any] = routing.solve_dependencies(
            request=request,
            dependant=dependant,
            body=body,
            dependency_overrides_provider=overrides,
            async_exit_stack=request.scope["fastapi_inner_astack"],
            embed_body_fields=embed_body_fields,
        )
        return solved

    return solve


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


_HANDLER_SETTINGS: Final = frozenset(
    {
        "body_field",
        "dependant",
        "dependency_overrides_provider",
        "embed_body_fields",
        "form_limits",
        "is_json_stream",
        "response_class",
        "response_field",
        "response_model_by_alias",
        "response_model_exclude",
        "response_model_exclude_defaults",
        "response_model_exclude_none",
        "response_model_exclude_unset",
        "response_model_include",
        "status_code",
        "stream_item_field",
        "strict_content_type",
    }
)
_SOLVER_ARGUMENTS: Final = frozenset(
    {
        "async_exit_stack",
        "body",
        "dependant",
        "dependency_overrides_provider",
        "embed_body_fields",
        "request",
    }
)
_SOLVED: Final = frozenset({"background_tasks", "errors", "response", "values"})


def _are_as_known(routing: Any) -> bool:
    """Whether FastAPI's handler has no setting, and its solver no argument, that is new to us."""
    arguments = signature(routing.solve_dependencies).parameters
    required = {name for name, one in arguments.items() if one.default is Parameter.empty}
    solved = {field.name for field in fields(utils.SolvedDependency)}
    return (
        signature(routing.get_request_handler).parameters.keys() <= _HANDLER_SETTINGS
        and required <= _SOLVER_ARGUMENTS <= arguments.keys()
        and solved >= _SOLVED
    )


NO_BODY: Any = None
"""What FastAPI's handler has in the place of a body that is not there."""

try:
    _OWN_HANDLERS: tuple[Any, ...] = _handlers()
    _IS_AS_KNOWN = _are_fastapis_own(
        (*_OWN_HANDLERS, APIRoute.get_route_handler)
    ) and _are_as_known(fastapi.routing)
    NO_BODY = signature(_OWN_HANDLERS[1]).parameters["body"].default
except (AttributeError, KeyError, TypeError):
    _IS_AS_KNOWN = False
_OWN_GET_ROUTE_HANDLER: Final = APIRoute.get_route_handler


def makes_fastapis_handler(get_route_handler: Any) -> bool:
    """Whether this bound method is FastAPI's own, not one of another class or an integration."""
    return getattr(get_route_handler, "__func__", None) is _OWN_GET_ROUTE_HANDLER


_telemetry: Callable[[], Any]
try:
    from fastapi.telemetry import get_telemetry_data as _telemetry
except ImportError:  # an older FastAPI, without telemetry of its own

    def _telemetry() -> None:
        return None


def is_observed() -> bool:
    """Whether somebody may watch what FastAPI's handler does with the current request.

    FastAPI's own telemetry does, and integrations that put functions of their own in the place of
    FastAPI's.
    """
    return not _IS_AS_KNOWN or _telemetry() is not None or _handlers() != _OWN_HANDLERS


def is_about_bytes_in_json(exc: BaseException) -> bool:
    """Whether FastAPI raised this as it wrote an answer: it holds bytes that are not UTF-8.

    pydantic and ``jsonable_encoder`` tell so in different ways. What an endpoint itself raises is
    not meant.
    """
    if not isinstance(exc, UnicodeDecodeError) and not (
        isinstance(exc, PydanticSerializationError) and " utf-8 " in str(exc)
    ):
        return False
    serialize = getattr(getattr(fastapi.routing, "serialize_response", None), "__code__", None)
    return any(frame.f_code is serialize for frame, _ in traceback.walk_tb(exc.__traceback__))


def endpoint_context(route: Any, scope: Scope) -> Any:
    """Where an endpoint is defined, for the text of validation errors."""
    extract = getattr(fastapi.routing, "_extract_endpoint_context", None)
    context = extract(route.dependant.call) if extract is not None else {}
    mount_path = scope.get("root_path", "").rstrip("/")
    return {**context, "path": f"{scope['method']} {mount_path}{route.dependant.path}"}

"""What we use of FastAPI that it does not document, all in one place.

Each name is looked up so that its absence costs speed, not correctness.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from types import FunctionType, MethodType
from typing import Annotated, Any, Final

import fastapi.routing
import numpy as np
from fastapi.dependencies import models, utils
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError
from starlette.requests import Request
from starlette.types import Scope

from binary_middleware._asgi.endpoint_guard import PARAMETER

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


def adoptable_contexts(included: Any) -> Iterator[Any]:
    """Yield what FastAPI has made so far of the routes of an included router.

    FastAPI 0.137 and newer make it when it is first asked for, from the routes as they are then.
    """
    for candidate in getattr(included, "_effective_candidates", ()):
        if hasattr(candidate, "_effective_candidates"):
            yield from adoptable_contexts(candidate)
        elif isinstance(candidate.original_route, APIRoute):
            yield candidate


@contextmanager
def effective(route: APIRoute, owner: Any) -> Iterator[None]:
    """Have ``route.get_route_handler()`` read its settings from ``owner``.

    Args:
        route: the route.
        owner: the route itself, or a context of an app that includes it.
    """
    if owner is route:
        yield
        return
    variable = fastapi.routing._effective_route_context_var
    token = variable.set(owner)
    try:
        yield
    finally:
        variable.reset(token)


async def _probe(request: Any) -> Any: ...


_request_response: Any = getattr(fastapi.routing, "request_response", None)
try:
    _REQUEST_RESPONSE: Any = _request_response(_probe).__code__
except (AttributeError, TypeError):
    _REQUEST_RESPONSE = None
_HANDLER: Final = "f"
"""The name by which the app of a route knows its handler."""


def handler_of(app: Any) -> Any:
    """Return the handler for which FastAPI made the app of a route.

    ``None`` if the app is anything else, something around such an app above all. This goes by
    identity: what proxies an app can forge its type for ``isinstance`` and its attributes, but not
    for ``type``.
    """
    app = _within_limits(app)[-1]
    if type(app) is not FunctionType or app.__code__ is not _REQUEST_RESPONSE:
        return None
    cells = dict(zip(app.__code__.co_freevars, app.__closure__ or (), strict=True))
    return cells[_HANDLER].cell_contents if _HANDLER in cells else None


def _within_limits(app: Any) -> list[Any]:
    """An app, and what is within the limits of bodies that FastAPI puts around it."""
    apps = [app]
    while f"{type(app).__module__}.{type(app).__qualname__}" in _BODY_LIMITS:
        app = app.app
        apps.append(app)
    return apps


_BODY_LIMITS: Final = frozenset(
    {
        "fastapi._body_limit._BodyLimitExceptionMiddleware",
        "starlette.middleware.body_limit.RequestBodyLimitMiddleware",
    }
)


def set_handler(owner: Any, handler: Any) -> None:
    """Put an app for another handler in the place of the app that :func:`handler_of` knows.

    Args:
        owner: the route, or a context of an app that includes it.
        handler: takes a request and returns a response.
    """
    apps = _within_limits(owner.app)
    holder = apps[-2] if len(apps) > 1 else owner
    holder.app = _request_response(handler)


def are_same(one: Any, other: Any, same: Mapping[int, object], depth: int = 8) -> bool:
    """Return whether two handlers are of the same code, and hold the same.

    Args:
        one: a handler, or what one holds.
        other: the other one.
        same: what counts as the same as the objects with these ids.
        depth: how many functions inside each other are compared.
    """
    if one is other or same.get(id(other), other) is one:
        return True
    kind = type(one)
    if kind is not type(other) or not depth:
        return False
    if kind in (bool, int, str):
        return bool(one == other)
    parts = _PARTS.get(kind)
    if parts is None or (kind is FunctionType and one.__code__ is not other.__code__):
        return False
    mine, its = parts(one), parts(other)
    return len(mine) == len(its) and all(
        are_same(part, counterpart, same, depth - (kind is FunctionType))
        for part, counterpart in zip(mine, its, strict=True)
    )


_PARTS: Final[dict[type, Callable[[Any], Sequence[Any]]]] = {
    FunctionType: lambda one: [
        one.__defaults__,
        one.__kwdefaults__,
        vars(one),
        *map(_held, one.__closure__ or ()),
    ],
    MethodType: lambda one: (one.__self__, one.__func__),
    partial: lambda one: (one.func, one.args, one.keywords),
    tuple: lambda one: one,
    dict: lambda one: [part for pair in one.items() for part in pair],
}


def is_within(handler: Any, codes: Collection[Any], depth: int = 8) -> bool:
    """Return whether a handler is of one of these codes, or holds one that is.

    Args:
        handler: what takes a request.
        codes: of functions.
        depth: how many functions inside each other are looked at.
    """
    kind = type(handler)
    if kind is FunctionType and handler.__code__ in codes:
        return True
    if kind not in (FunctionType, MethodType, partial) or not depth:
        return False
    return any(is_within(part, codes, depth - 1) for part in _PARTS[kind](handler))


def _held(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # of a variable that has no value
        return None


def takes_nothing_but_one_body(route: Any) -> bool:
    """Whether the endpoint of a route has a body parameter that is not embedded, and no other.

    No dependencies either, and nothing that a newer FastAPI might add: a ``Dependant`` with a
    field that we do not know, and that is set, is not equal to an empty one.
    """
    dependant = route.dependant
    if len(dependant.body_params) != 1 or route.body_field is not dependant.body_params[0]:
        return False
    own: dict[str, Any] = {"call": None, "path": None, "scope": None, "body_params": []}
    if dependant.http_connection_param_name == PARAMETER:
        own["http_connection_param_name"] = (
            None  # the route has enforced what the endpoint's guard would
        )
    return bool(replace(dependant, **own) == Dependant())


def is_coroutine(dependant: Dependant) -> bool | None:
    """Whether FastAPI awaits this endpoint, or has a thread call it; ``None`` if unknown."""
    is_coroutine_callable = getattr(models, "_is_coroutine_callable", None)
    if is_coroutine_callable is not None:
        return bool(is_coroutine_callable(dependant.call))
    return getattr(dependant, "is_coroutine_callable", None)  # before FastAPI 0.138


def type_adapter(field: Any) -> TypeAdapter[Any]:
    """The adapter that a field of FastAPI validates with, or one like it."""
    adapter = getattr(field, "_type_adapter", None)
    if isinstance(adapter, TypeAdapter):
        return adapter
    return TypeAdapter(Annotated[field.field_info.annotation, field.field_info])


Solve = Callable[[Request, Any], Awaitable[Any]]


def dependency_solver(route: Any, dependant: Dependant) -> Solve:
    """What resolves the dependencies and parameters of a route, from a request and its body.

    ``NO_BODY`` stands for a body that is not there. The result has the attributes ``values``,
    ``errors``, ``response`` and ``background_tasks``.

    Args:
        route: the route.
        dependant: that of the route, or a copy of it.
    """
    overrides = route.dependency_overrides_provider
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


def is_default_handler(get_route_handler: Any) -> bool:
    """Whether this bound method is FastAPI's own, not one of another class or an integration."""
    return getattr(get_route_handler, "__func__", None) is _OWN_GET_ROUTE_HANDLER


_telemetry: Callable[[], Any]
try:
    from fastapi.telemetry import get_telemetry_data as _telemetry
except ImportError:  # an older FastAPI, without telemetry of its own

    def _telemetry() -> None:
        return None


def is_instrumented() -> bool:
    """Whether somebody may watch what FastAPI's handler does with the current request.

    FastAPI's own telemetry does, and integrations that put functions of their own in the place of
    FastAPI's.
    """
    return not _IS_AS_KNOWN or _telemetry() is not None or _handlers() != _OWN_HANDLERS


def unwritten_in_json(exc: BaseException) -> str | None:
    """Return what FastAPI could not write as JSON: bytes that are not UTF-8, or an array.

    pydantic and ``jsonable_encoder`` tell so in different ways. ``None`` if ``exc`` is about
    anything else; what an endpoint itself raises is not meant.
    """
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    serialize = getattr(getattr(fastapi.routing, "serialize_response", None), "__code__", None)
    if all(frame.f_code is not serialize for frame in frames):
        return None
    message = str(exc) if isinstance(exc, PydanticSerializationError) else ""
    if isinstance(exc, UnicodeDecodeError) or " utf-8 " in message:
        return "bytes that are not text"
    encoded = frames[-1].f_locals.get("obj") if type(exc) is ValueError else None
    if "<class 'numpy." in message or isinstance(encoded, (np.ndarray, np.generic, complex)):
        return "an array, or a number that only numpy and Python have"
    return None


def endpoint_context(route: Any, scope: Scope) -> Any:
    """Where an endpoint is defined, for the text of validation errors."""
    extract = getattr(fastapi.routing, "_extract_endpoint_context", None)
    context = extract(route.dependant.call) if extract is not None else {}
    mount_path = scope.get("root_path", "").rstrip("/")
    return {**context, "path": f"{scope['method']} {mount_path}{route.dependant.path}"}

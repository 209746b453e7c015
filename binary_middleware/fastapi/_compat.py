"""Access to undocumented FastAPI internals.

Nothing else in the package relies on a name that FastAPI does not document. If a version of
FastAPI lacks one of these, or defines it otherwise, FastAPI's own handlers serve what the fast path
would, or routes take the JSON lane instead of the object lane; nothing else changes.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Final

import fastapi
import numpy as np
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from binary_middleware._asgi.endpoint_guard import PARAMETER
from binary_middleware._compat import (
    MAX_BODY_SIZE_SCOPE_KEY,
    app_code,
    handler_of_app,
)


def _module(name: str) -> Any:
    try:
        return import_module(f"fastapi.{name}")
    except ImportError:
        return None


_routing: Final = _module("routing")
_dependencies: Final = _module("dependencies.models")
_solving: Final = _module("dependencies.utils")


def _has_all(value: Any, names: tuple[str, ...]) -> bool:
    return all(hasattr(value, name) for name in names)


# Settings of a route.

_LANE_SETTINGS: Final = (
    "body_field",
    "dependant",
    "is_json_stream",
    "is_sse_stream",
    "response_class",
    "response_field",
)
_DEPENDANT: Final = ("body_params", "call", "dependencies")
_FIELD: Final = ("field_info", "serialize_json", "validate")


def supports_objects(settings: Any) -> bool:
    """Return whether a route has all the attributes that the object lane reads and replaces."""
    if not (_has_all(settings, _LANE_SETTINGS) and _has_all(settings.dependant, _DEPENDANT)):
        return False
    declared = (settings.body_field, settings.response_field, *settings.dependant.body_params)
    return all(field is None or _has_all(field, _FIELD) for field in declared)


def effective_route(route: APIRoute) -> Any:
    """Return the object from which FastAPI's ``get_route_handler`` reads the settings of a route.

    For a router that is included, FastAPI 0.137 and newer keep them in a context that only this
    variable names. Otherwise they are attributes of the route.
    """
    variable = getattr(_routing, "_effective_route_context_var", None)
    context = variable.get() if variable is not None else None
    if context is not None and getattr(context, "original_route", None) is route:
        return context
    return route


def knows_effective_routes() -> bool:
    """Return whether :func:`effective_route` detects that a router is included.

    If not, a route lacks whatever the inclusion adds to it, such as dependencies.
    """
    return hasattr(_routing, "_effective_route_context_var")


def included_router(route: Any) -> Any:
    """Return the router that FastAPI 0.137 and newer keep as one route, ``None`` for others."""
    return getattr(route, "original_router", None)


def adoptable_contexts(included: Any) -> Iterator[Any]:
    """Yield the contexts that FastAPI has made so far for the routes of an included router.

    FastAPI 0.137 and newer make them on first use, from the routes as they are then.
    """
    if not knows_effective_routes():
        return
    for candidate in getattr(included, "_effective_candidates", ()):
        if hasattr(candidate, "_effective_candidates"):
            yield from adoptable_contexts(candidate)
        elif isinstance(getattr(candidate, "original_route", None), APIRoute):
            yield candidate


@contextmanager
def effective(route: APIRoute, owner: Any) -> Iterator[None]:
    """Have ``route.get_route_handler()`` read its settings from ``owner``.

    Args:
        route: the route.
        owner: the route itself, or one of the :func:`adoptable_contexts`.
    """
    if owner is route:
        yield
        return
    variable = _routing._effective_route_context_var
    token = variable.set(owner)
    try:
        yield
    finally:
        variable.reset(token)


_DefaultPlaceholder: Final = getattr(_module("datastructures"), "DefaultPlaceholder", None)


def default_response_class(settings: Any) -> type[Response] | None:
    """Return the response class of a route, ``None`` if the app named it explicitly."""
    declared = settings.response_class
    if _DefaultPlaceholder is None or not isinstance(declared, _DefaultPlaceholder):
        return None
    default: type[Response] = declared.value
    return default


def streams(settings: Any) -> bool:
    """Return whether the endpoint is a generator of JSON lines or events."""
    return bool(settings.is_json_stream or settings.is_sse_stream)


_Form: Final = getattr(_module("params"), "Form", object)


def reads_json(settings: Any) -> bool:
    """Return whether a route declares a body that is not a form."""
    field = settings.body_field
    return field is not None and not isinstance(field.field_info, _Form)


def type_adapter(field: Any) -> TypeAdapter[Any] | None:
    """Return the adapter of a ``ModelField``, ``None`` if FastAPI keeps it elsewhere."""
    adapter = getattr(field, "_type_adapter", None)
    return adapter if isinstance(adapter, TypeAdapter) else None


def validating_adapter(field: Any) -> TypeAdapter[Any]:
    """Return the adapter that a ``ModelField`` validates with, or one like it."""
    adapter = type_adapter(field)
    if adapter is None:  # pragma: no cover  # a version of FastAPI that keeps it elsewhere
        return TypeAdapter(Annotated[field.field_info.annotation, field.field_info])
    return adapter


# Handlers and their apps.

_request_response: Final = getattr(_routing, "request_response", None)
_APP_CODE: Final = app_code(_request_response)
_get_route_handler: Final = APIRoute.get_route_handler


def handler_of(app: Any) -> Any:
    """Return the handler inside an app that FastAPI made for a route, ``None`` for other apps."""
    return handler_of_app(_inside_limits(app)[-1], _APP_CODE)


def _inside_limits(app: Any) -> list[Any]:
    """Return an app and those inside it, down to the one that FastAPI's body limits surround."""
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
    """Replace the app from which :func:`handler_of` reads the handler.

    Args:
        owner: the route, or one of the :func:`adoptable_contexts`.
        handler: a function that takes a request and returns a response.
    """
    apps = _inside_limits(owner.app)
    holder = apps[-2] if len(apps) > 1 else owner
    holder.app = _routing.request_response(handler)


def is_default_handler(get_route_handler: Any) -> bool:
    """Return whether a bound method is FastAPI's own, not of another class or an integration."""
    return getattr(get_route_handler, "__func__", None) is _get_route_handler


# What the fast path replaces.

RESPONSE_MODEL_DEFAULTS: Final = {
    "include": None,
    "exclude": None,
    "by_alias": True,
    "exclude_unset": False,
    "exclude_defaults": False,
    "exclude_none": False,
}
"""The ``response_model_...`` settings of a route by default."""

_FAST_PATH_SETTINGS: Final = (
    *("_embed_body_fields", "dependency_overrides_provider", "status_code"),
    *(f"response_model_{name}" for name in RESPONSE_MODEL_DEFAULTS),
)
_HANDLER_ARGUMENTS: Final = frozenset(
    {
        *(*_LANE_SETTINGS, *_FAST_PATH_SETTINGS),
        *("embed_body_fields", "form_limits", "stream_item_field", "strict_content_type"),
    }
)
_SOLVER_ARGUMENTS: Final = frozenset(
    {
        *("async_exit_stack", "body", "dependant", "dependency_overrides_provider"),
        *("embed_body_fields", "request"),
    }
)
_SOLVED: Final = frozenset({"background_tasks", "errors", "response", "values"})
_EXIT_STACK: Final = "fastapi_inner_astack"


def _functions() -> tuple[Any, ...]:
    """Return the functions of FastAPI that integrations are known to replace."""
    return (
        _routing.get_request_handler,
        _routing.solve_dependencies,
        _routing.run_endpoint_function,
        _routing.serialize_response,
    )


def _are_as_expected(functions: tuple[Any, ...]) -> bool:
    """Return whether these are FastAPI's own functions, without unexpected arguments."""
    package = str(Path(fastapi.__file__).parent)
    every = (*functions, APIRoute.get_route_handler)
    arguments = signature(functions[1]).parameters
    required = {name for name, one in arguments.items() if one.default is Parameter.empty}
    return (
        all(function.__code__.co_filename.startswith(package) for function in every)
        and signature(functions[0]).parameters.keys() <= _HANDLER_ARGUMENTS
        and required <= _SOLVER_ARGUMENTS <= arguments.keys()
        and {field.name for field in fields(_solving.SolvedDependency)} >= _SOLVED
    )


NO_BODY: Any = None
"""The value by which FastAPI's handler represents an absent body."""

_FUNCTIONS: tuple[Any, ...] = ()
_IS_AS_EXPECTED = False
try:
    _FUNCTIONS = _functions()
    _IS_AS_EXPECTED = _are_as_expected(_FUNCTIONS)
    NO_BODY = signature(_FUNCTIONS[1]).parameters["body"].default
except (AttributeError, KeyError, TypeError):
    pass


def supports_fast_path(settings: Any) -> bool:
    """Return whether FastAPI and a route are as the fast path expects them."""
    return (
        _IS_AS_EXPECTED
        and knows_effective_routes()
        and _has_all(settings, _FAST_PATH_SETTINGS)
        and is_coroutine(settings.dependant) is not None
    )


_telemetry: Final[Callable[[], Any]] = getattr(
    _module("telemetry"), "get_telemetry_data", lambda: None
)


def can_use_fast_path(request: Request) -> bool:
    """Return whether FastAPI's handler would do no more for this request than the fast path does.

    It would if a limit on the body is in force; if FastAPI's telemetry is on; or if an integration
    has replaced one of its functions.
    """
    scope = request.scope
    return (
        MAX_BODY_SIZE_SCOPE_KEY not in scope
        and _EXIT_STACK in scope
        and _telemetry() is None
        and _functions() == _FUNCTIONS
    )


def is_coroutine(dependant: Any) -> bool | None:
    """Return whether FastAPI awaits an endpoint or calls it in a thread, ``None`` if unknown."""
    is_coroutine_callable = getattr(_dependencies, "_is_coroutine_callable", None)
    if is_coroutine_callable is not None:
        return bool(is_coroutine_callable(dependant.call))
    return getattr(dependant, "is_coroutine_callable", None)  # before FastAPI 0.138


def has_only_body(settings: Any) -> bool:
    """Return whether the only input of an endpoint is one body parameter that is not embedded.

    The comparison with an empty ``Dependant`` includes fields that a newer FastAPI may add.
    """
    dependant = settings.dependant
    if len(dependant.body_params) != 1 or settings.body_field is not dependant.body_params[0]:
        return False
    own: dict[str, Any] = {"call": None, "path": None, "scope": None, "body_params": []}
    if getattr(dependant, "http_connection_param_name", None) == PARAMETER:
        # The route has enforced the options of the endpoint already.
        own["http_connection_param_name"] = None
    try:
        return bool(replace(dependant, **own) == type(dependant)())
    except TypeError:  # pragma: no cover  # a version of FastAPI with another ``Dependant``
        return False


Solve = Callable[[Request, Any], Awaitable[Any]]


def dependency_solver(settings: Any, dependant: Any) -> Solve:
    """Return a function that resolves the dependencies and parameters of a route.

    It takes a request and its body, or ``NO_BODY``. Its result has the attributes ``values``,
    ``errors``, ``response`` and ``background_tasks``.

    Args:
        settings: the :func:`effective_route`.
        dependant: its dependant, or a copy.
    """
    overrides = settings.dependency_overrides_provider
    embed_body_fields = settings._embed_body_fields

    def solve(request: Request, body: Any) -> Awaitable[Any]:
        solved: Awaitable[Any] = _routing.solve_dependencies(
            request=request,
            dependant=dependant,
            body=body,
            dependency_overrides_provider=overrides,
            async_exit_stack=request.scope[_EXIT_STACK],
            embed_body_fields=embed_body_fields,
        )
        return solved

    return solve


def _is_body_allowed(status_code: int) -> bool:
    return status_code >= 200 and status_code not in (204, 205, 304)


is_body_allowed: Final[Callable[[int], bool]] = getattr(
    _module("utils"), "is_body_allowed_for_status_code", _is_body_allowed
)
"""Whether FastAPI sends a body with a status code."""


# Errors.

_ACCEPTS_CONTEXT: Final = "endpoint_ctx" in signature(RequestValidationError).parameters


def error_context(settings: Any, scope: Scope) -> dict[str, Any]:
    """Return the arguments of a validation error that name the endpoint."""
    if not _ACCEPTS_CONTEXT:  # pragma: no cover  # a version of FastAPI whose errors have none
        return {}
    dependant = settings.dependant
    extract = getattr(_routing, "_extract_endpoint_context", None)
    context = extract(dependant.call) if extract is not None else {}
    mount_path = scope.get("root_path", "").rstrip("/")
    path = f"{scope['method']} {mount_path}{getattr(dependant, 'path', None) or ''}"
    return {"endpoint_ctx": {**context, "path": path}}


def with_errors(
    exc: RequestValidationError, errors: list[Any], body: Any
) -> RequestValidationError:
    """Return ``exc`` with other errors and another body; where that is not possible, a new one."""
    if not hasattr(exc, "_errors"):
        return RequestValidationError(errors, body=body)
    exc._errors = errors
    exc.body = body
    return exc


def unserializable_part(exc: BaseException) -> str | None:
    """Return the kind of value that FastAPI failed to write as JSON: bytes, or an array.

    pydantic and ``jsonable_encoder`` report them in different ways. ``None`` if ``exc`` is about
    anything else, or if the endpoint raised it.
    """
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    serialize = getattr(getattr(_routing, "serialize_response", None), "__code__", None)
    if all(frame.f_code is not serialize for frame in frames):
        return None
    message = str(exc) if isinstance(exc, PydanticSerializationError) else ""
    if isinstance(exc, UnicodeDecodeError) or " utf-8 " in message:
        return "bytes that are not text"
    encoded = frames[-1].f_locals.get("obj") if type(exc) is ValueError else None
    if "<class 'numpy." in message or isinstance(encoded, (np.ndarray, np.generic, complex)):
        return "an array, or a number that only numpy and Python have"
    return None

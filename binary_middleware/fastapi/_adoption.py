"""Binary mode for routes that exist already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi.routing import APIRoute, APIRouter

from binary_middleware.fastapi._compat import (
    adoptable_contexts,
    handler_of,
    included_router,
    set_handler,
    supports_objects,
)
from binary_middleware.fastapi._handlers import adopted_handler, are_same, contains_own_handler
from binary_middleware.fastapi._route import BinaryRoute, binary_class, make_handler


def adopt_routes(router: APIRouter) -> None:
    """Have all routes of a router, and of those that it includes, exchange objects."""
    routes: dict[int, tuple[APIRoute, list[Any]]] = {}
    for route, owner in _owners(router):
        routes.setdefault(id(route), (route, []))[1].append(owner)
    for route, owners in routes.values():
        _adopt(route, owners)


def json_lane_reasons(router: APIRouter) -> list[str]:
    """Return the paths of the routes that stay on the JSON lane, each with the reason."""
    reasons: dict[str, None] = {}
    for route, owner in _owners(router):
        reason = getattr(owner, "json_lane_reason", None)
        if reason is not None:
            reasons[f"{route.path} ({reason})"] = None
    return list(reasons)


def _owners(router: APIRouter) -> Iterator[tuple[APIRoute, Any]]:
    """Yield each route with each object that holds an app for it.

    Routes that are added later are made as binary routes.
    """
    router.route_class = binary_class(router.route_class)
    for route in router.routes:
        included = included_router(route)
        if included is not None:
            yield from _owners(included)
            for context in adoptable_contexts(route):
                yield context.original_route, context
        elif isinstance(route, APIRoute):
            yield route, route


def _adopt(route: APIRoute, owners: Iterable[Any]) -> None:
    """Have a route that was made as another class exchange objects.

    The route remains the same object, and whatever was set on it applies to both kinds of clients.
    Its class, which may wrap the handler, is asked for a handler for binary clients; JSON clients
    keep the handler that it had. Where that is not safe, the route stays on the JSON lane, and its
    ``json_lane_reason`` is set.

    Args:
        route: the route.
        owners: the objects that hold an app for it: the route itself, and the contexts of the
            routers that include it.
    """
    route_class, was_adopted = type(route), False
    if isinstance(route, BinaryRoute):
        if not route.is_adopted:
            return
        route_class, was_adopted = route.base_class, True
    owners = [each for each in owners if not contains_own_handler(handler_of(each.app))]
    route.__class__ = route_class
    reasons = [_find_json_lane_reason(route, owner) for owner in owners]
    try:
        route.__class__ = binary_class(route_class)
        route.is_adopted = True  # type: ignore[attr-defined]  # it is a BinaryRoute now
    except TypeError as exc:  # another memory layout
        reasons = [f"its class cannot be derived from: {exc}"] * len(owners)
    for owner, reason in zip(owners, reasons, strict=True):
        if reason is None:
            reason = _add_binary_handler(route, owner)
        if not (was_adopted and owner is route):
            owner.json_lane_reason = reason


def _find_json_lane_reason(route: APIRoute, owner: Any) -> str | None:
    """Return why an owner's handler may not be the one that FastAPI made for it, if it may not."""
    handler = handler_of(owner.app)
    if handler is None:
        return "its app is not what FastAPI made of it"
    if not supports_objects(owner):
        return "this version of FastAPI is not supported"
    try:
        expected, copied = make_handler(route, owner)
    except Exception as exc:
        return f"its class cannot make a handler again: {exc!r}"
    if not are_same(handler, expected, {id(copied): owner.dependant}):
        return "its handler is not the one that FastAPI would make for it now"
    return None


def _add_binary_handler(route: APIRoute, owner: Any) -> str | None:
    """Give an owner a handler for binary clients; return why that fails, if it does."""
    try:
        handle_binary, copied = make_handler(route, owner)
    except Exception as exc:
        return f"its class cannot make a handler again: {exc!r}"
    handle_json = handler_of(owner.app)
    set_handler(owner, adopted_handler(handle_json, handle_binary, owner.dependant, copied))
    return None

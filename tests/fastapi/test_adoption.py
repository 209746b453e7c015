"""Whatever was set on a route, before binary mode or after, applies to all clients."""

from __future__ import annotations

import functools
import inspect
import logging
import re
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from binary_middleware import BinaryMiddleware, NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import add_binary_mode, complete_openapi
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import Lanes, Noting, binary_client
from tests.sameness import same

ARRAY = np.arange(3, dtype="float32")
TEXT, OBJECTS = "application/json", "application/msgpack"


class Item(BaseModel):
    array: NumpyArrayField
    number: int = 1


class Other(BaseModel):
    number: str = "of another model"


def echo(item: Item) -> Item:
    return item


async def echo_async(item: Item) -> Item:
    return item


class Guard:
    """An ASGI app around another one, which lets only some requests in."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (b"x-key", b"open") in scope["headers"]:
            await self.app(scope, receive, send)
        else:
            await JSONResponse({"detail": "closed"}, 401)(scope, receive, send)


class Forged:
    """A proxy with the type and the attributes of the function in it, like those of ``wrapt``."""

    def __init__(self, function: Callable[..., Any], guard: Callable[..., Any]) -> None:
        vars(self).update(function=function, guard=guard)

    __class__ = property(lambda self: type(vars(self)["function"]))  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["function"], name)

    def __eq__(self, other: object) -> bool:
        return other is vars(self)["function"] or other is self

    def __hash__(self) -> int:
        return hash(vars(self)["function"])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return vars(self)["guard"](*args, **kwargs)


def guarded(app: Any) -> Any:
    @functools.wraps(app)
    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        await Guard(app)(scope, receive, send)

    return guard


def guarded_call(call: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(call):

        @functools.wraps(call)
        async def refuse_async(**values: Any) -> Any:
            raise HTTPException(401, "closed")

        return refuse_async

    @functools.wraps(call)
    def refuse(**values: Any) -> Any:
        raise HTTPException(401, "closed")

    return refuse


def refuse_all() -> None:
    raise HTTPException(401, "closed")


Change = Callable[[Any], None]


def _set(name: str, change: Callable[[Any], Any]) -> Change:
    def apply(route: Any) -> None:
        setattr(route, name, change(getattr(route, name)))

    return apply


def _guard_handler(route: Any) -> None:
    """Return a guard within the app that FastAPI made, around the handler."""
    route.app = type(route.app)(
        route.app.__code__,
        route.app.__globals__,
        closure=tuple(
            type(cell)(guarded_handler(cell.cell_contents)) for cell in route.app.__closure__
        ),
    )


def guarded_handler(handler: Any) -> Any:
    @functools.wraps(handler)
    async def guard(request: Request) -> Any:
        if request.headers.get("x-key") != "open":
            return JSONResponse({"detail": "closed"}, 401)
        return await handler(request)

    return guard


def _guard_call(route: Any) -> None:
    route.dependant.call = guarded_call(route.dependant.call)


def _add_dependency(route: Any) -> None:
    route.dependant.dependencies.append(
        get_parameterless_sub_dependant(depends=Depends(refuse_all), path="/")
    )


GUARDS: dict[str, Change] = {
    "app": _set("app", guarded),
    "app, an object": _set("app", Guard),
    "app, forged": _set("app", lambda app: Forged(app, Guard(app).__call__)),
    "handle": _set("handle", guarded),
    "handler": _guard_handler,
    "dependant.call": _guard_call,
    "dependant.dependencies": _add_dependency,
}
CHANGES: dict[str, Change] = {
    "path_regex": _set(
        "path_regex", lambda regex: re.compile(regex.pattern, regex.flags | re.IGNORECASE)
    ),
    "methods": _set("methods", lambda _: {"PUT", "POST"}),
    "status_code": _set("status_code", lambda _: 202),
    "response_model": _set("response_model", lambda _: Other),
    "response_field": _set("response_field", lambda _: None),
    "response_class": _set("response_class", lambda _: PlainTextResponse),
    "response_model_exclude": _set("response_model_exclude", lambda _: {"number"}),
    "response_model_by_alias": _set("response_model_by_alias", lambda _: False),
    "body_field": _set("body_field", lambda _: None),
    "dependant": _set("dependant", lambda dependant: type(dependant)(call=refuse_all)),
    "endpoint": _set("endpoint", lambda _: refuse_all),
    "dependency_overrides_provider": _set("dependency_overrides_provider", lambda _: None),
    "name": _set("name", lambda _: "other"),
    "dependencies": _set("dependencies", lambda _: [Depends(refuse_all)]),
    "strict_content_type": _set("strict_content_type", lambda _: False),
    "is_json_stream": _set("is_json_stream", lambda _: True),
    "path": _set("path", lambda path: f"{path}/other"),
    "param_convertors": _set("param_convertors", dict),
    "include_in_schema": _set("include_in_schema", lambda _: False),
    "unique_id": _set("unique_id", lambda _: "other"),
    "matches": _set("matches", lambda matches: functools.partial(matches)),
    "extra": lambda route: setattr(route, "extra", 1),
}


def _route_on_app(app: FastAPI, endpoint: Callable[..., Any]) -> Any:
    app.post("/echo")(endpoint)
    return app.router.routes[-1]


def _route_of_router(app: FastAPI, endpoint: Callable[..., Any]) -> Any:
    router = APIRouter()
    router.post("/echo")(endpoint)
    app.include_router(router)
    return router.routes[-1]


def _context_of_router(app: FastAPI, endpoint: Callable[..., Any]) -> Any:
    """Return the context that FastAPI made for the route of an included router."""
    _route_of_router(app, endpoint)
    app.openapi()
    (context,) = app.router.routes[-1].effective_route_contexts()  # type: ignore[attr-defined]
    return context


PLACES = [_route_on_app, _route_of_router, _context_of_router]
AS_JSON = {"array": {"shape": [3], "dtype": "float32", "data_b64": "AAAAAAAAgD8AAABA"}}


def _document(response: Any) -> Any:
    is_json = response.headers.get("content-type") == TEXT
    return response.json() if is_json else response.text


def responses(client: TestClient, key: str = "") -> list[Any]:
    """Statuses and documents: of a JSON client, and of a binary one that got the same."""
    found: list[Any] = []
    for path in ("/echo", "/ECHO", "/echo/other"):
        for method in ("POST", "PUT"):
            headers = {"x-key": key}
            in_json = client.request(method, path, json=AS_JSON, headers=headers)
            in_binary = client.request(
                method, path, content=packb({"array": ARRAY}), headers={**headers, **MSGPACK}
            )
            assert in_binary.status_code == in_json.status_code, (in_json.text, in_binary.text)
            document = _document(in_json)
            if in_binary.headers.get("content-type") != OBJECTS:
                assert _document(in_binary) == document
            else:
                unpacked = unpackb(in_binary.content)
                if isinstance(unpacked, dict) and "array" in unpacked:
                    assert same(unpacked["array"], ARRAY)
                    unpacked["array"] = AS_JSON["array"]
                assert unpacked == document
            found.append((in_json.status_code, document))
    return found


def _plain(place: Any, endpoint: Callable[..., Any], change: Change, key: str) -> list[Any]:
    """Return what a JSON client got before binary mode."""
    app = FastAPI()
    change(place(app, endpoint))
    client = TestClient(app, raise_server_exceptions=False)
    found = []
    for path in ("/echo", "/ECHO", "/echo/other"):
        for method in ("POST", "PUT"):
            response = client.request(method, path, json=AS_JSON, headers={"x-key": key})
            found.append((response.status_code, _document(response)))
    return found


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", PLACES, ids=lambda f: f.__name__[1:])
@pytest.mark.parametrize(
    ("endpoint", "name"),
    [*((echo, name) for name in (*GUARDS, *CHANGES)), *((echo_async, name) for name in GUARDS)],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_same_for_both_kinds_of_clients(
    place: Any, endpoint: Callable[..., Any], name: str, when: str
) -> None:
    change = {**GUARDS, **CHANGES}[name]
    app = FastAPI()
    route = place(app, endpoint)
    try:
        if when == "before":
            change(route)
        add_binary_mode(app)
        if when == "after":
            change(route)
    except (AttributeError, TypeError):
        assert place is _context_of_router  # which has not all of a route's attributes
        return
    client = TestClient(app, raise_server_exceptions=False)
    for key in ("", "open") if name in GUARDS else ("",):
        assert responses(client, key) == _plain(place, endpoint, change, key)


@pytest.mark.parametrize("place", [_route_on_app, _context_of_router], ids=lambda f: f.__name__[1:])
@pytest.mark.parametrize("name", GUARDS)
def test_guards_hold(place: Any, name: str) -> None:
    """So that the test above does not compare two that are both open."""
    app = FastAPI()
    route = place(app, echo)
    if name == "handle" and not hasattr(route, "handle"):
        return  # such a context is not asked to handle anything
    GUARDS[name](route)
    client = binary_client(app)
    assert client.post("/echo", json=AS_JSON).status_code == 401
    body = packb({"array": ARRAY})
    assert client.post("/echo", content=body, headers=MSGPACK).status_code == 401


@pytest.mark.parametrize("place", PLACES, ids=lambda f: f.__name__[1:])
def test_untouched_routes_exchange_objects(place: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    lanes = Lanes(app)
    route = place(app, echo)
    kept = getattr(route, "original_route", route)
    client = binary_client(app, body_agnostic=[Noting])
    response = client.post("/echo", content=packb({"array": ARRAY}), headers=MSGPACK)
    assert same(unpackb(response.content), {"array": ARRAY, "number": 1})
    assert lanes.content_types == [OBJECTS]
    assert kept is route or kept in app.router.routes[-1].original_router.routes  # type: ignore[attr-defined]
    assert "binary_middleware" not in [record.name for record in caplog.records]


@pytest.mark.parametrize("name", ["app", "app, an object", "app, forged", "handler"])
def test_log_says_once_which_routes_stay_on_the_json_lane(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    lanes = Lanes(app)
    GUARDS[name](_route_on_app(app, echo))
    app.post("/other")(echo)
    client = binary_client(app, body_agnostic=[Noting])
    with caplog.at_level(logging.WARNING, "binary_middleware"):
        for path in ("/echo", "/other") * 2:
            headers = {**MSGPACK, "x-key": "open"}
            response = client.post(path, content=packb({"array": ARRAY}), headers=headers)
            assert same(unpackb(response.content), {"array": ARRAY, "number": 1})
    assert lanes.content_types == [TEXT, OBJECTS] * 2
    messages = [record.getMessage() for record in caplog.records]
    assert len([message for message in messages if "/echo" in message]) == 1
    assert not any("/other" in message for message in messages)


def test_integration_that_wraps_the_call_does_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentry and others wrap ``dependant.call`` while a handler is built."""
    calls: list[str] = []
    make = APIRoute.get_route_handler

    def wrapping(self: Any) -> Any:
        from fastapi import routing

        context = routing._effective_route_context_var.get()  # type: ignore[attr-defined]
        dependant = (context or self).dependant
        call = dependant.call

        @functools.wraps(call)
        def noted(**values: Any) -> Any:
            calls.append(self.path)
            return call(**values)

        dependant.call = noted
        return make(self)

    monkeypatch.setattr(APIRoute, "get_route_handler", wrapping)
    for place in PLACES:
        app = FastAPI()
        place(app, echo)
        add_binary_mode(app)
        app.post("/later")(echo)
        client = TestClient(app)
        for path in ("/echo", "/later"):
            for accept in (TEXT, OBJECTS):
                calls.clear()
                headers = {**MSGPACK, "accept": accept}
                response = client.post(path, content=packb({"array": ARRAY}), headers=headers)
                assert response.status_code == 200
                assert calls == [path], (place, accept)


@pytest.mark.parametrize("place", [_route_on_app, _context_of_router], ids=lambda f: f.__name__[1:])
def test_document_tells_which_lane_a_route_is_on(place: Any) -> None:
    """The object lane takes arrays and bytes as they are, the JSON lane what JSON has of them."""

    def picture(raw: Annotated[bytes, Body()]) -> None: ...

    def content(app: FastAPI) -> Any:
        return app.openapi()["paths"]["/echo"]["post"]["requestBody"]["content"][OBJECTS]

    def enabled(change: Change | None) -> Any:
        app = FastAPI()
        route = place(app, picture)
        if change is not None:
            change(route)
        add_binary_mode(app)
        app.openapi_schema = None
        return content(app)

    plain = FastAPI()
    plain.post("/echo")(picture)
    plain.add_middleware(BinaryMiddleware)
    complete_openapi(plain)
    assert enabled(GUARDS["app"]) == content(plain)
    assert enabled(None) != content(plain)


def _route_class(max_handlers: int) -> type[APIRoute]:
    class Counting(APIRoute):
        """Makes a handler only so often."""

        count = 0

        def get_route_handler(self) -> Any:
            self.count += 1
            if self.count > max_handlers:
                raise RuntimeError("no more handlers")
            return super().get_route_handler()

    return Counting


class Underivable(APIRoute):
    def __init_subclass__(cls) -> None:
        raise TypeError("final")


class Unassigned(APIRoute):
    """Its handler refers to a variable that has no value."""

    def get_route_handler(self) -> Any:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Any:
            return await handler(request) if request is not None else late

        if not handler:
            late = None
        return handle


@pytest.mark.parametrize(
    ("route_class", "reason"),
    [
        (
            _route_class(1),
            "its class cannot make a handler again: RuntimeError('no more handlers')",
        ),
        (
            _route_class(2),
            "its class cannot make a handler again: RuntimeError('no more handlers')",
        ),
        (_route_class(3), None),
        (Underivable, "its class cannot be derived from: final"),
        (Unassigned, None),
    ],
)
def test_route_classes_of_the_app(
    route_class: type[APIRoute], reason: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    lanes = Lanes(app)
    app.router.add_api_route("/echo", echo, methods=["POST"], route_class_override=route_class)
    client = binary_client(app, body_agnostic=[Noting, route_class])
    response = client.post("/echo", content=packb({"array": ARRAY}), headers=MSGPACK)
    assert same(unpackb(response.content), {"array": ARRAY, "number": 1})
    assert lanes.content_types == [OBJECTS if reason is None else TEXT]
    assert (reason or "stay on the JSON lane") in caplog.text or reason is None

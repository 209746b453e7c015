"""Absence of an undocumented name of FastAPI or Starlette costs speed or a lane, nothing else."""

import importlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Annotated, Any

import fastapi.routing
import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Form, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.testclient import TestClient

from binary_middleware import packb, unpackb
from binary_middleware.fastapi import _compat as compat
from tests.asgi_app import MSGPACK
from tests.sameness import same

CHOOSES_PATH = True
"""On FastAPI's handlers, less of FastAPI is looked at."""


def test_installed_fastapi_is_as_expected() -> None:
    """If this fails, FastAPI's handlers serve all routes, or the JSON lane: adapt ``_compat``."""
    app, router = FastAPI(), APIRouter()
    router.post("/")(_sync)
    app.include_router(router)
    app.openapi()
    (context,) = compat.adoptable_contexts(app.router.routes[-1])
    route = router.routes[0]
    assert isinstance(route, APIRoute)
    assert context.original_route is route
    assert compat.included_router(app.router.routes[-1]) is router
    for settings in (route, context):
        assert compat.supports_objects(settings)
        assert compat.supports_fast_path(settings)
    assert compat.is_coroutine(route.dependant) is False
    assert compat.is_coroutine(APIRoute("/", _async).dependant) is True
    assert compat.handler_of(route.app) is not None


def _sync() -> None: ...


async def _async() -> None: ...


def test_setting_of_a_newer_fastapi() -> None:
    def get_request_handler(dependant: Any, something_new: bool = False) -> None: ...

    assert not compat._are_as_expected((get_request_handler, *compat._functions()[1:]))


def test_scope_key_of_the_body_limit_is_starlettes() -> None:
    limit = importlib.import_module("starlette.middleware.body_limit")
    assert compat.MAX_BODY_SIZE_SCOPE_KEY == limit.MAX_BODY_SIZE_SCOPE_KEY


ITEM = {"name": "n", "tags": [1.5], "array": np.arange(4, dtype="int16")}
BOTH = {**MSGPACK, "accept": "application/msgpack"}


def _user(x_user: Annotated[str, fastapi.Header()] = "ann") -> str:
    return x_user


def _get_app(package: Any) -> FastAPI:
    """Return an app with routes of all kinds, before and after ``add_binary_mode``."""

    class Item(BaseModel):
        name: str
        tags: list[float] = []
        array: package.NumpyArrayField | None = None  # type: ignore[valid-type,name-defined]

    app, router = FastAPI(), APIRouter()

    @app.post("/plain")
    async def plain(item: Item) -> Item:
        return item

    @router.post("/threaded")
    def threaded(item: Item, user: Annotated[str, Depends(_user)]) -> dict[str, Any]:
        return {"name": item.name, "user": user, "array": item.array}

    @router.post("/two")
    async def two(item: Item, factor: Annotated[float, Body()], response: Response) -> Item:
        response.headers["x-two"] = "2"
        item.tags = [factor * tag for tag in item.tags]
        return item

    @app.post("/form")
    async def form(name: Annotated[str, Form()]) -> Item:
        return Item(name=name)

    @app.post("/stream")
    async def stream(item: Item) -> AsyncIterator[Item]:
        yield item

    @app.get("/page", response_class=HTMLResponse)
    async def page() -> str:
        return "<p>"

    app.include_router(router, prefix="/included")
    package.add_binary_mode(app)

    @app.post("/later", status_code=201)
    async def later(item: Item) -> Item:
        return item

    return app


def _responses(app: FastAPI) -> dict[str, tuple[int, Any]]:
    client = TestClient(app, raise_server_exceptions=False)
    found = {}
    for path, document in {
        "/plain": ITEM,
        "/later": ITEM,
        "/included/threaded": ITEM,
        "/included/two": {"item": ITEM, "factor": 2.0},
        "/stream": ITEM,
    }.items():
        for name, body, headers in (
            ("binary", packb(document), BOTH),
            ("to JSON", packb(document), {**MSGPACK, "accept": "application/json"}),
            ("invalid", packb({"tags": "x", "name": b"\xff"}), BOTH),
            ("malformed", b"\xc1", BOTH),
            ("empty", b"", BOTH),
            ("JSON", b'{"name": "n", "item": {"name": "n"}, "factor": 2}', {}),
            ("from JSON", b'{"name": "n"}', {"accept": "application/msgpack"}),
        ):
            content_type = headers.get("content-type", "application/json")
            response = client.post(
                path, content=body, headers={**headers, "content-type": content_type}
            )
            is_msgpack = response.headers["content-type"].endswith("msgpack")
            document_of = unpackb(response.content) if is_msgpack else response.text
            found[f"{path} {name}"] = (response.status_code, document_of)
    form = client.post("/form", data={"name": "n"}, headers={"accept": "application/msgpack"})
    found["/form"] = (form.status_code, unpackb(form.content))
    found["/page"] = (200, client.get("/page", headers=BOTH).text)
    return found


class _Package:
    """The package as it is imported at the moment."""

    def __init__(self) -> None:
        self.NumpyArrayField = importlib.import_module("binary_middleware").NumpyArrayField
        self.add_binary_mode = importlib.import_module("binary_middleware.fastapi").add_binary_mode


@pytest.fixture(scope="module")
def expected() -> dict[str, tuple[int, Any]]:
    found = _responses(_get_app(_Package()))
    assert same(found["/plain binary"][1], ITEM)
    assert {key: status for key, (status, _) in found.items() if status >= 500} == {}
    return found


def _assert_same(actual: dict[str, tuple[int, Any]], expected: dict[str, tuple[int, Any]]) -> None:
    for key, (status, document) in expected.items():
        assert actual[key][0] == status, key
        if status < 400:
            assert same(actual[key][1], document), key


@contextmanager
def _package_without(module: str, name: str | None) -> Iterator[_Package]:
    """Import the package anew, while a module lacks a name or is missing."""
    saved = {
        key: each
        for key, each in sys.modules.items()
        if key == module or key.partition(".")[0] == "binary_middleware"
    }
    for key in saved:
        del sys.modules[key]
    original = saved[module]
    parent, _, attribute = module.rpartition(".")
    stripped = ModuleType(module)
    vars(stripped).update({key: each for key, each in vars(original).items() if key != name})
    sys.modules[module] = stripped if name is not None else None  # type: ignore[assignment]
    setattr(sys.modules[parent], attribute, stripped)
    try:
        yield _Package()
    finally:
        setattr(sys.modules[parent], attribute, original)
        for key in list(sys.modules):
            if key.partition(".")[0] == "binary_middleware":
                del sys.modules[key]
        sys.modules.update(saved)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("fastapi.datastructures", "DefaultPlaceholder"),
        ("fastapi.dependencies.models", None),
        ("fastapi.dependencies.models", "_is_coroutine_callable"),
        ("fastapi.dependencies.utils", None),
        ("fastapi.dependencies.utils", "SolvedDependency"),
        ("fastapi.params", "Form"),
        ("fastapi.routing", "_effective_route_context_var"),
        ("fastapi.routing", "_extract_endpoint_context"),
        ("fastapi.routing", "get_request_handler"),
        ("fastapi.routing", "request_response"),
        ("fastapi.routing", "run_endpoint_function"),
        ("fastapi.routing", "serialize_response"),
        ("fastapi.routing", "solve_dependencies"),
        ("fastapi.telemetry", None),
        ("fastapi.telemetry", "get_telemetry_data"),
        ("fastapi.utils", "is_body_allowed_for_status_code"),
        ("starlette.routing", "request_response"),
    ],
)
def test_module_that_lacks_a_name(
    module: str, name: str | None, expected: dict[str, tuple[int, Any]]
) -> None:
    pytest.importorskip(module)
    with _package_without(module, name) as package:
        _assert_same(_responses(_get_app(package)), expected)


def _hide(monkeypatch: pytest.MonkeyPatch, kind: Any, name: str) -> list[str]:
    """Hide an attribute of the instances of a class from this package only.

    Returns:
        The modules from which it is hidden, as they look it up.
    """
    hidden_from: list[str] = []
    get = kind.__getattribute__

    def get_unless_hidden(self: Any, attribute: str) -> Any:
        if attribute == name:
            caller = sys._getframe(1).f_globals["__name__"]
            if caller.startswith("binary_middleware."):
                hidden_from.append(caller)
                raise AttributeError(name)
        return get(self, attribute)

    monkeypatch.setattr(kind, "__getattribute__", get_unless_hidden)
    return hidden_from


_CONTEXT: Any = getattr(fastapi.routing, "_EffectiveRouteContext", APIRoute)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((kind, name) for kind in (APIRoute, _CONTEXT) for name in compat._LANE_SETTINGS),
        *((kind, name) for kind in (APIRoute, _CONTEXT) for name in compat._FAST_PATH_SETTINGS),
        *((Dependant, name) for name in (*compat._DEPENDANT, "path")),
        (_CONTEXT, "original_route"),
        (RequestValidationError, "_errors"),
        (Request, "_receive"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_object_that_lacks_an_attribute(
    kind: Any, name: str, expected: dict[str, tuple[int, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden_from = _hide(monkeypatch, kind, name)
    _assert_same(_responses(_get_app(_Package())), expected)
    assert hidden_from


def test_without_fastapi_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "binary_middleware.fastapi")
    with pytest.raises(ImportError, match=r"pip install 'binary-middleware\[fastapi\]'"):
        importlib.import_module("binary_middleware.fastapi")

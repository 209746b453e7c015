"""The options of an operation."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, StringConvertor
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from binary_middleware import BinaryMiddleware, RouteRule, binary_options
from binary_middleware._routing.resolver import Resolver
from binary_middleware.openapi._options import operations_of, options_of
from tests.asgi_app import Recorder

# -- the options of an operation ----------------------------------------------------------------


async def endpoint(request: Request) -> Response:
    return JSONResponse({"path": request.url.path})


@binary_options(mode="require")
async def required(request: Request) -> Response:
    return JSONResponse({})


class Both(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return JSONResponse({})

    @binary_options(mode="require")
    async def post(self, request: Request) -> Response:
        return JSONResponse({})


def modes(resolver: Resolver, *operations: str, **parameters: Any) -> list[str]:
    paths: dict[str, Any] = {}
    for one in operations:
        method, path = one.split()
        paths.setdefault(path, {})[method.lower()] = {}
        paths[path]["parameters"] = [
            {"in": "path", "name": name, "schema": schema} for name, schema in parameters.items()
        ]
    operation_of = operations_of(resolver, {"openapi": "3.1.0", "paths": paths})
    return [operation_of(*reversed(one.split())).options.mode for one in operations]


def test_options_of_routes_by_the_templates_of_their_paths() -> None:
    inner = [Middleware(BinaryMiddleware, mode="off")]
    routes: list[Any] = [
        Route("/items/latest", endpoint),
        Route("/items/{id:int}", required),
        Route("/items/{name}", endpoint),
        Route("/both", Both),
        Route("/off", endpoint, middleware=inner),
        Mount("/sub/{version:int}", routes=[Route("/a/{x:uuid}", required), Route("/b", endpoint)]),
        Mount(
            "/inner", app=BinaryMiddleware(Starlette(routes=[Route("/c", endpoint)]), mode="off")
        ),
        Mount("", routes=[Route("/nowhere", required)]),
    ]
    resolver = BinaryMiddleware(Starlette(routes=routes)).resolver
    negotiated = ["GET /items/latest", "GET /items/{name}", "GET /both", "GET /sub/{version}/b"]
    assert modes(resolver, *negotiated) == ["negotiate"] * 4
    restricted = ["GET /items/{id}", "POST /both", "GET /sub/{version}/a/{x}", "GET /nowhere"]
    assert modes(resolver, *restricted) == ["require"] * 4
    assert modes(resolver, "GET /off", "GET /inner/c", "GET /inner/missing") == [
        "off",
        "off",
        "off",
    ]
    found = resolver.find("/sub/{version}/a/{x}", "GET")
    assert found is not None
    assert found.route.endpoint is required
    assert resolver.find("/sub/{version}/a/{x}", "POST") is None
    assert resolver.find("/subject", "GET") is None


def test_rules_without_routes() -> None:
    rules = [
        RouteRule("/items/{id:int}", mode="require"),
        RouteRule("/items/{id:uuid}", mode="off"),
        RouteRule("/items/latest", mode="off"),
        RouteRule("/items/{name}", mode="require", methods=["PUT"]),
    ]
    resolver = BinaryMiddleware(Recorder(), rules=rules).resolver
    assert modes(resolver, "GET /items/{i}", i={"type": "integer"}) == ["require"]
    assert modes(resolver, "GET /items/{i}", i={"type": "string", "format": "uuid"}) == ["off"]
    assert modes(resolver, "GET /items/{i}", i={"type": "string"}) == ["negotiate"]
    assert modes(resolver, "GET /items/{i}", i=None) == ["negotiate"]
    assert modes(resolver, "PUT /items/{i}", "GET /items/latest") == ["require", "off"]


def test_types_of_parameters_by_reference_and_at_the_operation() -> None:
    resolver = BinaryMiddleware(Recorder(), rules=[RouteRule("/{i:float}", mode="off")]).resolver
    number = {"in": "path", "name": "i", "schema": {"type": "number"}}
    text = {"in": "path", "name": "i", "schema": {"type": "string"}}
    query = {"in": "query", "name": "i", "schema": {"type": "string"}}
    whole = {
        "components": {"parameters": {"I": number}},
        "paths": {"/{i}": {"parameters": [text], "get": {"parameters": []}}},
    }
    assert options_of(resolver, whole, "/{i}", "GET", None).mode == "negotiate"
    by_reference = {"$ref": "#/components/parameters/I"}
    whole["paths"]["/{i}"]["get"]["parameters"] = [by_reference, query, None]
    assert options_of(resolver, whole, "/{i}", "GET", None).mode == "off"


def test_custom_convertor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its paths are unknown, so rules are matched with the template."""

    class Own(StringConvertor):
        regex = "[a-z]+"

    monkeypatch.setitem(CONVERTOR_TYPES, "own", Own())
    route = Route("/{x:own}", endpoint)
    rules = [RouteRule("/{x}", mode="require")]
    resolver = BinaryMiddleware(Starlette(routes=[route]), rules=rules).resolver
    assert modes(resolver, "GET /{x}") == ["require"]

"""Options at the endpoints, routers and rules of FastAPI apps."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, NumpyArrayField, RouteRule, binary_options
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from binary_middleware.options import make_overrides
from tests.routing.effects import limit_holds, mode_of


def length(data: Annotated[bytes, Body()]) -> int:
    return len(data)


def one() -> list[int]:
    return [1]


@binary_options(mode="require", max_body_size=50)
def decorated_below() -> list[int]:
    return [1]


def small(data: Annotated[bytes, Body()]) -> int:
    return len(data)


def build(app: FastAPI) -> None:
    """An app whose routes have options in all places, and a limit of the app in between."""
    router = APIRouter(route_class=BinaryRoute.configured(mode="require", max_body_size=100))
    router.add_api_route("/plain", one)
    router.add_api_route("/limited", length, methods=["POST"])
    router.add_api_route("/endpoint", small, methods=["POST"])
    inner = APIRouter(route_class=BinaryRoute.configured(mode="off"))
    inner.add_api_route("/off", one)
    inner.add_api_route("/on", decorated_below)
    router.include_router(inner, prefix="/inner")
    app.include_router(router, prefix="/{version}", dependencies=[Depends(lambda: None)])
    app.add_api_route("/app", one)
    app.add_api_route("/ruled", one)
    app.add_api_route("/below", decorated_below)
    app.add_api_route("/app-limit", length, methods=["POST"])
    binary_options(max_body_size=70)(small)  # as a decorator above that of the route


RULES = [RouteRule("/ruled", mode="off"), RouteRule("/{v}/limited", max_body_size=30)]


def enabled_before(limit: int) -> Any:
    app = FastAPI()
    add_binary_mode(app, max_body_size=limit, rules=RULES)
    build(app)
    return app


def enabled_after(limit: int) -> Any:
    app = FastAPI()
    build(app)
    add_binary_mode(app, max_body_size=limit, rules=RULES)
    return app


def wrapped(limit: int) -> Any:
    app = FastAPI()
    build(app)
    return BinaryMiddleware(app, max_body_size=limit, rules=RULES)


@pytest.mark.parametrize("limit", [10, 1000])
@pytest.mark.parametrize("make", [enabled_before, enabled_after, wrapped])
def test_the_nearest_setting_wins(make: Any, limit: int) -> None:
    client = TestClient(make(limit))
    assert mode_of(client, "/app") == "negotiate"
    assert mode_of(client, "/ruled") == "off"
    assert mode_of(client, "/below") == "require"
    assert mode_of(client, "/v1/plain") == "require"
    assert mode_of(client, "/v1/inner/off") == "off"
    assert mode_of(client, "/v1/inner/on") == "require"
    assert limit_holds(client, "/app-limit", limit)
    assert limit_holds(client, "/v1/limited", 100)
    assert limit_holds(client, "/v1/endpoint", 70)


def test_without_a_middleware_for_the_app() -> None:
    app = FastAPI()
    build(app)
    client = TestClient(app)
    assert mode_of(client, "/app") == "off"
    assert mode_of(client, "/v1/plain") == "require"
    assert mode_of(client, "/v1/inner/off") == "off"
    assert mode_of(client, "/v1/inner/on") == "require"
    assert limit_holds(client, "/v1/limited", 100)
    assert limit_holds(client, "/v1/endpoint", 70)


def test_options_hold_where_the_middleware_did_not_see_the_routes() -> None:
    """It is given the app by something that does not say what it wraps; the route takes over."""
    app = FastAPI()
    build(app)

    async def opaque(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    client = TestClient(BinaryMiddleware(opaque, max_body_size=1000))
    assert mode_of(client, "/app") == "negotiate"
    assert mode_of(client, "/v1/plain") == "require"
    assert mode_of(client, "/v1/inner/off") == "off"
    assert limit_holds(client, "/v1/limited", 100)
    assert limit_holds(client, "/v1/endpoint", 70)


def test_mounted_apps() -> None:
    sub, other = FastAPI(), FastAPI()
    build(sub)
    build(other)
    add_binary_mode(sub, mode="require", max_body_size=40)
    app = FastAPI()
    app.mount("/sub", sub)
    app.mount("/other", other)
    add_binary_mode(app, max_body_size=20, arrays="map")
    client = TestClient(app)
    assert mode_of(client, "/sub/app") == "require"
    assert limit_holds(client, "/sub/app-limit", 40)
    assert limit_holds(client, "/sub/v1/endpoint", 70)
    assert mode_of(client, "/other/app") == "negotiate"
    assert limit_holds(client, "/other/app-limit", 20)
    assert mode_of(client, "/other/v1/plain") == "require"


def test_classes_are_configured_on_top_of_each_other() -> None:
    first = BinaryRoute.configured(mode="require", arrays="map")
    second = first.configured(mode="off")
    assert issubclass(second, first)
    assert second.binary_overrides == make_overrides(mode="off", arrays="map")
    assert BinaryRoute.binary_overrides == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mode": "on"}, "mode must be one of"), ({"max": 1}, "unknown option 'max'")],
)
def test_wrong_options_of_a_class(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BinaryRoute.configured(**options)


def test_a_rule_that_matches_no_route_is_logged_at_start(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    build(app)
    add_binary_mode(app, rules=[*RULES, RouteRule("/v1/typo/x", mode="off")])
    TestClient(app).get("/app")
    messages = [record.getMessage() for record in caplog.records]
    assert "RouteRule('/v1/typo/x') matches no route of the app" in messages
    assert sum("matches no route" in message for message in messages) == 1


def test_arrays_of_one_endpoint() -> None:
    app = FastAPI()

    @binary_options(arrays="map")
    @app.post("/map")
    async def as_map(array: NumpyArrayField) -> NumpyArrayField:
        return array

    @app.post("/numpy")
    async def as_numpy(array: NumpyArrayField) -> NumpyArrayField:
        return array

    add_binary_mode(app)
    client = TestClient(app)
    headers = {"accept": "application/msgpack"}
    document = {"shape": [1], "dtype": "uint8", "data_b64": "AQ=="}
    found = {
        path: client.post(path, json=document, headers=headers).content
        for path in ("/map", "/numpy")
    }
    assert b"shape" in found["/map"]
    assert b"nd" not in found["/map"]
    assert b"nd" in found["/numpy"]

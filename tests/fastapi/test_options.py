"""The options of ``add_binary_mode``, and those of endpoints, routers and rules."""

from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI
from fastapi.responses import HTMLResponse
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, NumpyArrayField, RouteRule, binary_options
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from binary_middleware.options import make_overrides
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import ACCEPT, binary_client, get, value
from tests.routing.effects import limit_holds, mode_of

ARRAY = np.arange(3, dtype="int8")
NOT_TEXT = b"\xff"
JSON = {"content-type": "application/json"}


def echo(
    raw: Annotated[bytes, Body(embed=True)], array: Annotated[NumpyArrayField | None, Body()] = None
) -> dict[str, Any]:
    return {"raw": raw, "array": array}


def _app(*, router: bool = False, **options: Any) -> TestClient:
    app = FastAPI()
    if router:
        included = APIRouter()
        included.post("/")(echo)
        app.include_router(included)
    else:
        app.post("/")(echo)
    app.get("/none", response_model=None)(lambda: {"array": ARRAY})
    app.get("/html", response_class=HTMLResponse)(lambda: "<p>")
    return binary_client(app, **options)


DOCUMENT = {"raw": NOT_TEXT, "array": ARRAY}


@pytest.mark.parametrize("accept", ["application/json", "application/json,*/*", "text/html", None])
@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect"])
def test_documentation_is_exempt_from_require(path: str, accept: str | None) -> None:
    plain, required = FastAPI(), FastAPI()
    for app in (plain, required):
        app.post("/")(echo)
    add_binary_mode(required, mode="require")
    headers = {"accept": accept} if accept else {}
    response = TestClient(required).get(path, headers=headers)
    assert response.status_code == 200
    if path == "/openapi.json":
        assert response.json() == required.openapi()
    else:
        assert response.content == TestClient(plain).get(path).content


def test_document_in_msgpack_under_require() -> None:
    app: Any = _app(mode="require").app
    assert value(get(TestClient(app), "/openapi.json")) == app.openapi()


def test_rules_of_the_app_come_before_the_exemption() -> None:
    client = _app(mode="require", rules=[RouteRule("/openapi.json", mode="off")])
    assert get(client, "/openapi.json").headers["content-type"] == "application/json"
    assert client.get("/docs", headers={"accept": "text/html"}).status_code == 200


def test_app_without_documentation() -> None:
    app = FastAPI(openapi_url=None, docs_url=None)
    app.post("/")(echo)
    assert (
        binary_client(app, mode="require").get("/docs", headers={"accept": "text/html"}).status_code
        == 406
    )


@pytest.mark.parametrize("router", [False, True], ids=["app", "router"])
def test_off_is_as_if_there_were_no_middleware(router: bool) -> None:
    client = _app(mode="off", router=router)
    assert client.post("/", json={"raw": "x"}).json() == {"raw": "x", "array": None}
    response = client.post("/", content=b"words", headers={**MSGPACK, **ACCEPT})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/json"
    assert "vary" not in response.headers
    assert get(client, "/html").text == "<p>"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mod": "off"}, "unknown option 'mod'"),
        ({"mode": "sometimes"}, "mode must be one of"),
        ({"max_body_size": -1}, "max_body_size"),
        ({"media_types": "application/msgpack"}, "media_types"),
    ],
    ids=["unknown", "mode", "size", "types"],
)
def test_wrong_options_fail_at_once_and_change_nothing(options: Any, message: str) -> None:
    app = FastAPI()
    app.post("/")(echo)
    routes = list(app.router.routes)
    with pytest.raises(ValueError, match=message):
        add_binary_mode(app, **options)
    assert app.user_middleware == []
    assert app.router.routes == routes
    assert not any(isinstance(route, BinaryRoute) for route in app.router.routes)


def test_enable_after_the_start_fails() -> None:
    app = FastAPI()
    app.post("/")(echo)
    TestClient(app).get("/")
    with pytest.raises(RuntimeError, match="after an application has started"):
        add_binary_mode(app)


def test_route_class_within_an_app_that_is_off_stays_off() -> None:
    app = FastAPI()
    router = APIRouter(route_class=BinaryRoute)
    router.post("/")(echo)
    app.include_router(router)
    response = binary_client(app, mode="off").post("/", json={"raw": "x"}, headers=ACCEPT)
    assert response.headers["content-type"] == "application/json"


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
    """Return an app whose routes have options in all places, and a limit of the app in between."""
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
    client = binary_client(app, max_body_size=20, arrays="map")
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

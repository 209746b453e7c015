"""Origins of routes: routers, prefixes, mounted apps, before and after ``add_binary_mode``."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import (
    ARRAY,
    DOCUMENT,
    OBJECTS,
    TEXT,
    Item,
    Lanes,
    Noting,
    binary_client,
    echo,
    get,
    post,
    value,
)
from tests.sameness import same


def echo_without_model(item: Item):
    return {"array": item.array, "raw": item.raw}


def _send_words(client: TestClient, path: str) -> Any:
    """Send a body that is not JSON, which plain FastAPI can show in a 422."""
    return client.post(path, content=b"words", headers=MSGPACK)


def _router(**settings: Any) -> APIRouter:
    router = APIRouter(**settings)
    router.add_api_route("/echo", echo, methods=["POST"])
    router.add_api_route("/none", echo_without_model, methods=["POST"])
    return router


def _on_the_app(app: FastAPI) -> list[str]:
    app.add_api_route("/echo", echo, methods=["POST"])
    app.add_api_route("/none", echo_without_model, methods=["POST"])
    return ["/echo", "/none"]


def _included(app: FastAPI) -> list[str]:
    app.include_router(_router())
    return ["/echo", "/none"]


def _with_prefixes(app: FastAPI) -> list[str]:
    app.include_router(_router(prefix="/own"), prefix="/given")
    return ["/given/own/echo", "/given/own/none"]


def _nested(app: FastAPI) -> list[str]:
    middle, outer = APIRouter(prefix="/middle"), APIRouter()
    middle.include_router(_router(), prefix="/inner")
    outer.include_router(middle)
    app.include_router(outer, prefix="/outer")
    return ["/outer/middle/inner/echo", "/outer/middle/inner/none"]


def _twice(app: FastAPI) -> list[str]:
    router = _router()
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    return ["/v1/echo", "/v2/echo", "/v1/none", "/v2/none"]


def _before_its_routes(app: FastAPI) -> list[str]:
    router = APIRouter()
    app.include_router(router, prefix="/late")
    router.add_api_route("/echo", echo, methods=["POST"])
    return ["/late/echo"]


def _in_a_mounted_router(app: FastAPI) -> list[str]:
    app.mount("/mounted", _router(route_class=BinaryRoute))
    return ["/mounted/echo", "/mounted/none"]


LAYOUTS = [
    _on_the_app,
    _included,
    _with_prefixes,
    _nested,
    _twice,
    _before_its_routes,
    _in_a_mounted_router,
]


def _enabled_before(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    add_binary_mode(app, body_agnostic=[Noting])
    return layout(app)


def _enabled_after(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    paths = layout(app)
    add_binary_mode(app, body_agnostic=[Noting])
    return paths


def _enabled_after_openapi(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    paths = layout(app)
    app.openapi()  # FastAPI keeps what it made of the routes
    add_binary_mode(app, body_agnostic=[Noting])
    return paths


def _openapi_in_between(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    add_binary_mode(app, body_agnostic=[Noting])
    paths = layout(app)
    app.openapi()
    return paths


def _enabled_twice(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    add_binary_mode(app, body_agnostic=[Noting])
    paths = layout(app)
    add_binary_mode(app, body_agnostic=[Noting])
    return paths


ORDERS = [
    _enabled_before,
    _enabled_after,
    _enabled_after_openapi,
    _openapi_in_between,
    _enabled_twice,
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("order", ORDERS, ids=lambda f: f.__name__.strip("_"))
def test_every_route_exchanges_objects(
    layout: Callable[[FastAPI], list[str]], order: Callable[..., list[str]]
) -> None:
    app = FastAPI()
    lanes = Lanes(app)
    paths = order(app, layout)
    client = TestClient(app)
    for path in paths:
        assert same(value(post(client, DOCUMENT, path)), DOCUMENT)
    assert lanes.content_types == [OBJECTS] * len(paths)
    assert client.post("/nowhere", json={}).status_code == 404


def test_route_that_is_added_while_the_app_runs() -> None:
    app = FastAPI()
    client = binary_client(app, body_agnostic=[Noting])
    assert get(client, "/echo").status_code == 404
    app.add_api_route("/echo", echo, methods=["POST"])
    assert same(value(post(client, DOCUMENT, "/echo")), DOCUMENT)


def test_settings_of_the_including_router_hold() -> None:
    def set_header(response: Response) -> None:
        response.headers["x-from-include"] = "yes"

    def needs_body(extra: Annotated[bytes, Body()]) -> None:
        assert extra == b"\xfe"

    router = APIRouter()
    router.add_api_route("/", echo, methods=["POST"], status_code=202)
    app = FastAPI()
    app.include_router(router, prefix="/plain")
    app.include_router(
        router, prefix="/more", dependencies=[Depends(set_header), Depends(needs_body)]
    )
    client = binary_client(app, body_agnostic=[Noting])
    plain = post(client, DOCUMENT, "/plain/")
    assert plain.status_code == 202
    assert "x-from-include" not in plain.headers
    more = post(client, {"item": DOCUMENT, "extra": b"\xfe"}, "/more/")
    assert more.status_code == 202
    assert more.headers["x-from-include"] == "yes"
    assert same(value(plain), DOCUMENT)
    assert same(value(more), DOCUMENT)


@pytest.mark.parametrize("where", ["router", "include", "app"])
def test_response_class_of_a_router_keeps_its_routes_on_the_json_lane(where: str) -> None:
    class Envelope(JSONResponse):
        def render(self, content: Any) -> bytes:
            return super().render({"data": content})

    classes = {where: Envelope}
    lanes = Lanes()
    app = FastAPI(**_given("default_response_class", classes.get("app")))
    lanes.within(lambda _: None)(app)
    router = APIRouter(**_given("default_response_class", classes.get("router")))

    @router.get("/")
    def endpoint() -> list[int]:
        return [1]

    app.include_router(router, **_given("default_response_class", classes.get("include")))
    assert value(get(binary_client(app, body_agnostic=[Noting]))) == {"data": [1]}
    assert lanes.content_types == [TEXT]


def _given(name: str, setting: Any) -> dict[str, Any]:
    return {} if setting is None else {name: setting}


# -- BinaryRoute alone -----------------------------------------------------------------------------


def test_route_class_alone_needs_no_middleware() -> None:
    app = FastAPI()
    app.include_router(_router(route_class=BinaryRoute), prefix="/binary")
    app.include_router(_router(), prefix="/plain")
    client = TestClient(app)
    for name in ("echo", "none"):
        assert same(value(post(client, DOCUMENT, f"/binary/{name}")), DOCUMENT)
        assert _send_words(client, f"/plain/{name}").status_code == 422
    assert "vary" not in client.post("/plain/echo", json={}).headers
    json = client.post("/binary/echo", json={})
    assert (json.status_code, json.headers["vary"]) == (422, "Accept, Content-Type")


def test_route_class_alone_refuses_a_bad_body_and_converts_errors() -> None:
    app = FastAPI()
    app.include_router(_router(route_class=BinaryRoute))
    client = TestClient(app)
    refused = client.post("/echo", content=b"\xc1", headers=MSGPACK)
    assert refused.status_code == 400
    assert value(refused, "application/problem+msgpack")["status"] == 400
    invalid = post(client, {"array": ARRAY, "raw": float("nan")}, "/echo")
    assert invalid.status_code == 422
    assert value(invalid)["detail"][0]["input"] == "<float nan>"


def test_route_class_by_an_override_for_one_route() -> None:
    app = FastAPI()
    app.router.add_api_route("/binary", echo, methods=["POST"], route_class_override=BinaryRoute)
    app.add_api_route("/plain", echo, methods=["POST"])
    client = TestClient(app)
    assert same(value(post(client, DOCUMENT, "/binary")), DOCUMENT)
    assert _send_words(client, "/plain").status_code == 422


@pytest.mark.parametrize("path", ["/echo", "/none"])
def test_route_class_within_a_plain_middleware(path: str) -> None:
    app = FastAPI()
    app.include_router(_router(route_class=BinaryRoute))
    lanes = Lanes(app)
    app.add_middleware(BinaryMiddleware, arrays="map", body_agnostic=[Noting])
    document = value(post(TestClient(app), DOCUMENT, path))
    assert document["array"] == {"shape": [4], "dtype": "int16", "data": ARRAY.tobytes()}
    assert lanes.content_types == [OBJECTS]


def test_middleware_alone_serves_plain_routes_in_the_json_lane() -> None:
    app = FastAPI()
    lanes = Lanes()
    lanes.within(_on_the_app)(app)
    app.add_middleware(BinaryMiddleware)
    document = {"array": ARRAY, "raw": "text"}
    assert same(value(post(TestClient(app), document, "/echo")), document)
    assert lanes.content_types == [TEXT]


def test_shared_router_is_binary_in_the_enabled_app_only_by_request() -> None:
    """The other app's clients are unaffected unless they send msgpack."""
    router = _router()
    first, second = FastAPI(), FastAPI()
    for app in (first, second):
        app.include_router(router)
    add_binary_mode(first)
    document = {"array": {"shape": [1], "dtype": "int8", "data_b64": "AQ=="}, "raw": "x"}
    assert TestClient(second).post("/echo", json=document).json() == document
    assert same(value(post(TestClient(second), DOCUMENT, "/echo")), DOCUMENT)


# -- mounted apps ----------------------------------------------------------------------------------


def _sub_app(*, is_enabled: bool, **options: Any) -> FastAPI:
    app = FastAPI()
    _on_the_app(app)
    if is_enabled:
        add_binary_mode(app, **options)
    return app


@pytest.mark.parametrize("outer", [False, True], ids=["outer plain", "outer enabled"])
@pytest.mark.parametrize("inner", [False, True], ids=["inner plain", "inner enabled"])
def test_mounted_app(outer: bool, inner: bool) -> None:
    app = FastAPI()
    app.mount("/sub", _sub_app(is_enabled=inner))
    app.add_api_route("/echo", echo, methods=["POST"])
    lanes = Lanes(app)
    if outer:
        add_binary_mode(app, body_agnostic=[Noting])
    client = TestClient(app)
    document = {"array": ARRAY, "raw": "text" if not inner else b"text"}
    if outer or inner:
        assert same(value(post(client, document, "/sub/echo")), document)
        assert lanes.content_types == [OBJECTS if inner else TEXT]
    else:
        assert _send_words(client, "/sub/echo").status_code == 422
    assert client.post("/sub/echo", json={}).status_code == 422


# -- names of FastAPI that it does not document ----------------------------------------------------

"""Where routes come from: routers, prefixes, mounted apps, before and after ``add_binary_mode``."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any

import fastapi.routing
import numpy as np
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, NumpyArrayField, packb
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from binary_middleware.fastapi import _compat as internals
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import ACCEPT, Lanes, NotesAnswers, get, post, same, value

ARRAY = np.arange(4, dtype="int16")
NOT_TEXT = b"\xff"
OBJECTS, TEXT = "application/msgpack", "application/json"


class Item(BaseModel):
    array: NumpyArrayField
    raw: bytes = b""


DOCUMENT = {"array": ARRAY, "raw": NOT_TEXT}


def echo(item: Item) -> Item:
    return item


def echo_without_model(item: Item):
    return {"array": item.array, "raw": item.raw}


def _send_words(client: TestClient, path: str) -> Any:
    """What plain FastAPI takes for a body that is not JSON, and can show in a 422."""
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
]


def _enabled_before(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    add_binary_mode(app, body_agnostic=[NotesAnswers])
    return layout(app)


def _enabled_after(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    paths = layout(app)
    add_binary_mode(app, body_agnostic=[NotesAnswers])
    return paths


def _enabled_after_openapi(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    paths = layout(app)
    app.openapi()  # FastAPI keeps what it made of the routes
    add_binary_mode(app, body_agnostic=[NotesAnswers])
    return paths


def _openapi_in_between(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    add_binary_mode(app, body_agnostic=[NotesAnswers])
    paths = layout(app)
    app.openapi()
    return paths


def _enabled_twice(app: FastAPI, layout: Callable[[FastAPI], list[str]]) -> list[str]:
    add_binary_mode(app, body_agnostic=[NotesAnswers])
    paths = layout(app)
    add_binary_mode(app, body_agnostic=[NotesAnswers])
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
    lanes = Lanes()
    lanes.within(lambda _: None)(app)
    paths = order(app, layout)
    client = TestClient(app)
    for path in paths:
        assert same(value(post(client, DOCUMENT, path)), DOCUMENT)
    assert lanes.answers == [OBJECTS] * len(paths)
    assert client.post("/nowhere", json={}).status_code == 404


def test_route_that_is_added_while_the_app_runs() -> None:
    app = FastAPI()
    add_binary_mode(app, body_agnostic=[NotesAnswers])
    client = TestClient(app)
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
    add_binary_mode(app, body_agnostic=[NotesAnswers])
    client = TestClient(app)
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
    add_binary_mode(app, body_agnostic=[NotesAnswers])
    assert value(get(TestClient(app))) == {"data": [1]}
    assert lanes.answers == [TEXT]


def _given(name: str, setting: Any) -> dict[str, Any]:
    return {} if setting is None else {name: setting}


# -- BinaryRoute alone -------------------------------------------------------------------------


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
    lanes = Lanes()
    lanes.within(lambda _: None)(app)
    app.add_middleware(BinaryMiddleware, arrays="map", body_agnostic=[NotesAnswers])
    document = value(post(TestClient(app), DOCUMENT, path))
    assert document["array"] == {"shape": [4], "dtype": "int16", "data": ARRAY.tobytes()}
    assert lanes.answers == [OBJECTS]


def test_middleware_alone_serves_plain_routes_in_the_json_lane() -> None:
    app = FastAPI()
    lanes = Lanes()
    lanes.within(_on_the_app)(app)
    app.add_middleware(BinaryMiddleware)
    document = {"array": ARRAY, "raw": "text"}
    assert same(value(post(TestClient(app), document, "/echo")), document)
    assert lanes.answers == [TEXT]


def test_shared_router_is_binary_in_the_enabled_app_only_by_request() -> None:
    """The other app's clients notice nothing unless they speak msgpack."""
    router = _router()
    first, second = FastAPI(), FastAPI()
    for app in (first, second):
        app.include_router(router)
    add_binary_mode(first)
    document = {"array": {"shape": [1], "dtype": "int8", "data_b64": "AQ=="}, "raw": "x"}
    assert TestClient(second).post("/echo", json=document).json() == document
    assert same(value(post(TestClient(second), DOCUMENT, "/echo")), DOCUMENT)


# -- mounted apps ------------------------------------------------------------------------------


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
    lanes = Lanes()
    lanes.within(lambda _: None)(app)
    if outer:
        add_binary_mode(app, body_agnostic=[NotesAnswers])
    client = TestClient(app)
    document = {"array": ARRAY, "raw": "text" if not inner else b"text"}
    if outer or inner:
        assert same(value(post(client, document, "/sub/echo")), document)
        assert lanes.answers == [OBJECTS if inner else TEXT]
    else:
        assert _send_words(client, "/sub/echo").status_code == 422
    assert client.post("/sub/echo", json={}).status_code == 422


def test_options_of_the_mounted_app_win() -> None:
    app = FastAPI()
    app.mount("/sub", _sub_app(is_enabled=True, arrays="map", max_body_size=1000))
    _on_the_app(app)
    add_binary_mode(app, max_body_size=2000)
    client = TestClient(app)
    assert isinstance(value(post(client, DOCUMENT, "/echo"))["array"], np.ndarray)
    assert isinstance(value(post(client, DOCUMENT, "/sub/echo"))["array"], dict)
    large = {"array": np.zeros(1500, np.int8)}
    assert post(client, large, "/echo").status_code == 200
    assert post(client, large, "/sub/echo").status_code == 413


def test_mounted_app_can_be_off() -> None:
    app = FastAPI()
    app.mount("/sub", _sub_app(is_enabled=True, mode="off"))
    add_binary_mode(app)
    response = _send_words(TestClient(app), "/sub/echo")
    assert response.status_code == 422
    assert response.headers["content-type"] == TEXT


def test_router_mounted_as_an_app() -> None:
    app = FastAPI()
    (path, _) = _in_a_mounted_router(app)
    add_binary_mode(app)
    assert same(value(post(TestClient(app), DOCUMENT, path)), DOCUMENT)


# -- names of FastAPI that it does not document ----------------------------------------------------


def test_fastapi_still_has_the_names_that_are_used() -> None:
    """Should one of these move, included routers fall back to the JSON lane: adapt the module."""
    variable = fastapi.routing._effective_route_context_var
    assert variable.get() is None
    seen = []

    class Looking(APIRoute):
        def get_route_handler(self) -> Any:
            seen.append(variable.get())
            return super().get_route_handler()

    router = APIRouter(route_class=Looking)
    router.add_api_route("/echo", echo, methods=["POST"])
    app = FastAPI()
    app.include_router(router, prefix="/x")
    _send_words(TestClient(app), "/x/echo")
    alone, included = seen
    assert alone is None
    assert included.original_route is router.routes[0]
    names = ("response_field", "response_class", "body_field", "is_json_stream", "is_sse_stream")
    for name in names:
        assert hasattr(included, name), name
        assert hasattr(router.routes[0], name), name
    assert callable(router._mark_routes_changed)
    assert app.routes[-1].original_router is router


@pytest.mark.parametrize("layout", [_with_prefixes, _nested, _twice])
def test_without_these_names_included_routers_use_the_json_lane(
    layout: Callable[[FastAPI], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = SimpleNamespace(**vars(fastapi.routing))
    monkeypatch.delattr(without, "_effective_route_context_var")
    # FastAPI itself uses the name under which it has the variable.
    monkeypatch.setattr(internals, "fastapi", SimpleNamespace(routing=without))
    app = FastAPI()
    lanes = Lanes()
    paths = [path for path in layout(app) if path.endswith("/echo")]
    lanes.within(lambda _: None)(app)
    add_binary_mode(app, body_agnostic=[NotesAnswers])
    client = TestClient(app)
    document = {"array": ARRAY, "raw": b"text"}
    for path in paths:
        answer = value(post(client, document, path))
        assert same(answer, {"array": ARRAY, "raw": "text"})
        in_json = client.post(path, content=packb(document), headers={**MSGPACK, "accept": TEXT})
        assert in_json.json()["raw"] == "text"
    assert set(lanes.answers) == {TEXT}


def test_html_of_an_included_router_stays_html() -> None:
    router = APIRouter()
    router.add_api_route("/", lambda: "<p>", response_class=HTMLResponse)
    app = FastAPI()
    app.include_router(router)
    add_binary_mode(app)
    response = TestClient(app).get("/", headers=ACCEPT)
    assert (response.text, response.headers["content-type"]) == ("<p>", "text/html; charset=utf-8")

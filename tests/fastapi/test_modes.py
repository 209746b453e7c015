"""The options of ``add_binary_mode``, as far as the object lane has a part in them."""

from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import APIRouter, Body, FastAPI
from fastapi.responses import HTMLResponse
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField, RouteRule, packb, unpackb
from binary_middleware.fastapi import BinaryRoute, add_binary_mode
from tests.asgi_app import MSGPACK
from tests.fastapi.conftest import ACCEPT, get, post, same, value

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
    add_binary_mode(app, **options)
    return TestClient(app)


DOCUMENT = {"raw": NOT_TEXT, "array": ARRAY}


@pytest.mark.parametrize("router", [False, True], ids=["app", "router"])
class TestRequire:
    def test_msgpack_is_taken_and_given(self, router: bool) -> None:
        client = _app(mode="require", router=router)
        assert same(value(post(client, DOCUMENT)), DOCUMENT)
        assert same(value(client.get("/none")), {"array": ARRAY})
        assert same(value(client.get("/none", headers={"accept": "*/*"})), {"array": ARRAY})

    def test_json_body_is_refused(self, router: bool) -> None:
        response = _app(mode="require", router=router).post("/", json={"raw": "x"})
        assert response.status_code == 415
        assert "application/msgpack" in response.headers["accept"]

    def test_json_answer_is_refused(self, router: bool) -> None:
        client = _app(mode="require", router=router)
        response = post(client, DOCUMENT, accept="application/json")
        assert response.status_code == 406
        assert response.headers["content-type"] == "application/problem+json"

    def test_errors_are_msgpack(self, router: bool) -> None:
        client = _app(mode="require", router=router)
        response = post(client, {"raw": float("nan")})
        assert response.status_code == 422
        assert value(response)["detail"][0]["input"] == "<float nan>"
        assert value(client.get("/nowhere")) == {"detail": "Not Found"}

    def test_malformed_body(self, router: bool) -> None:
        client = _app(mode="require", router=router)
        response = client.post("/", content=b"\xc1", headers=MSGPACK)
        assert response.status_code == 400
        assert value(response, "application/problem+msgpack")["status"] == 400


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
    add_binary_mode(app, mode="require")
    assert TestClient(app).get("/docs", headers={"accept": "text/html"}).status_code == 406


@pytest.mark.parametrize("router", [False, True], ids=["app", "router"])
def test_off_is_as_if_there_were_no_middleware(router: bool) -> None:
    client = _app(mode="off", router=router)
    assert client.post("/", json={"raw": "x"}).json() == {"raw": "x", "array": None}
    response = client.post("/", content=b"words", headers={**MSGPACK, **ACCEPT})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/json"
    assert "vary" not in response.headers
    assert get(client, "/html").text == "<p>"


def test_rules_give_routes_their_own_options() -> None:
    rules = [
        RouteRule("/", methods={"POST"}, arrays="numpy", max_body_size=100),
        RouteRule("/none", mode="off", methods={"HEAD"}),
    ]
    client = _app(arrays="map", rules=iter(rules))
    assert isinstance(value(post(client, DOCUMENT))["array"], np.ndarray)
    assert post(client, {"raw": bytes(100)}).status_code == 413
    assert isinstance(value(get(client, "/none"))["array"], dict)


def test_own_media_types() -> None:
    client = _app(media_types=("application/octet-stream", "application/msgpack"))
    body = packb(DOCUMENT)
    response = client.post("/", content=body, headers={"content-type": "application/octet-stream"})
    assert same(value(response, "application/octet-stream"), DOCUMENT)
    other = client.post("/", content=body, headers={"content-type": "application/vnd.msgpack"})
    assert other.status_code != 200


@pytest.mark.parametrize(
    "media_type",
    ["application/msgpack", "application/vnd.msgpack", "application/x-msgpack", "a/x+msgpack"],
)
def test_answer_has_the_spelling_that_the_client_used(media_type: str) -> None:
    headers = {"content-type": media_type}
    response = _app().post("/", content=packb(DOCUMENT), headers=headers)
    assert same(value(response, media_type), DOCUMENT)


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
    add_binary_mode(app, mode="off")
    response = TestClient(app).post("/", json={"raw": "x"}, headers=ACCEPT)
    assert response.headers["content-type"] == "application/json"


def test_copied_answer_is_the_same() -> None:
    for copy_response in (False, True):
        client = _app(copy_response=copy_response)
        document = {"raw": bytes(200_000), "array": np.arange(100_000)}
        response = post(client, document)
        assert same(unpackb(response.content), document)
        assert response.content == packb(document)

"""The OpenAPI document after ``add_binary_mode``: what was there is kept, with binary mode."""

import dataclasses
import datetime as dt
import enum
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, File, Form, Header, Query, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security import OAuth2PasswordBearer
from fastapi.sse import EventSourceResponse
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, computed_field
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, NumpyArrayField, RouteRule, binary_options, unpackb
from binary_middleware.fastapi import BinaryRoute, add_binary_mode, complete_openapi
from tests.fastapi.conftest import post

# One route of several methods has one id for all of them.
pytestmark = pytest.mark.filterwarnings("ignore:Duplicate Operation ID")


class Level(enum.Enum):
    LOW = 1


class Inner(BaseModel):
    array: NumpyArrayField
    raw: bytes = b"x"
    level: Level = Level.LOW


class Outer(BaseModel):
    """Differs between input and output."""

    inner: Inner
    when: dt.date | None = None
    renamed: Annotated[int, Field(alias="in", serialization_alias="out")] = 1

    @computed_field
    @property
    def number(self) -> int:
        return 1


@dataclasses.dataclass
class Row:
    array: NumpyArrayField
    name: str = "n"


class Problem(BaseModel):
    detail: str


def outer(item: Outer) -> Outer:
    return item


outer.__doc__ = "Return what it gets.\f\n\nNot shown."  # FastAPI shows the first part


def row(item: Row) -> list[Row]:
    return [item]


def several(
    item: Inner,
    raw: Annotated[bytes, Body(description="raw")],
    page: Annotated[int, Query(ge=1)] = 1,
    x_token: Annotated[str | None, Header()] = None,
) -> dict[str, Inner]:
    return {}


def array(array: Annotated[NumpyArrayField, Body(embed=True)]) -> NumpyArrayField:
    return array


def no_model():
    return {}


def form(name: Annotated[str, Form()], file: Annotated[bytes, File()]) -> None:
    return None


def lines() -> Iterable[Inner]:
    yield from ()


async def events() -> AsyncIterator[Inner]:
    for item in ():
        yield item


def plain(app: Any) -> None:
    app.post("/outer")(outer)
    app.post("/row")(row)
    app.post("/several", status_code=201, tags=["t"], summary="Several")(several)
    app.post("/array")(array)
    app.get("/none")(no_model)
    app.post("/form")(form)
    app.get("/lines")(lines)
    app.get("/events", response_class=EventSourceResponse)(events)
    app.get("/html", response_class=HTMLResponse)(lambda: "")
    app.get("/json", response_class=JSONResponse)(no_model)
    app.get("/stream", response_class=StreamingResponse)(lines)
    app.get("/response")(lambda: Response())
    app.delete("/gone", status_code=204, deprecated=True)(no_model)
    app.get("/hidden", include_in_schema=False)(no_model)
    app.post(
        "/documented",
        response_model=Inner,
        response_model_exclude={"raw"},
        responses={404: {"model": Problem}, "4XX": {"description": "other"}},
        response_description="Found",
        openapi_extra={"x-extra": True},
        operation_id="documented",
        description="Described",
        name="named",
        dependencies=[Depends(OAuth2PasswordBearer("token"))],
    )(outer)
    app.api_route("/methods", methods=["PUT", "PATCH"])(row)


def with_routers(app: FastAPI) -> None:
    inner, middle = APIRouter(prefix="/inner", tags=["i"]), APIRouter(deprecated=True)
    plain(inner)
    middle.include_router(inner, prefix="/middle", responses={418: {"description": "tea"}})
    app.include_router(middle, prefix="/v1")
    app.include_router(middle, prefix="/v2", tags=["v2"], dependencies=[Depends(no_model)])


def with_callbacks(app: FastAPI) -> None:
    callbacks = APIRouter()
    callbacks.post("{$callback_url}/done")(row)
    app.post("/start", callbacks=callbacks.routes)(outer)
    app.webhooks.post("hook")(outer)


def with_changed_operation_ids(app: FastAPI) -> None:
    """FastAPI's documentation: names of functions as the ids of operations."""
    plain(app)
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.operation_id = f"op_{route.path.strip('/')}"


def with_binary_routes(app: FastAPI) -> None:
    router = APIRouter(route_class=BinaryRoute)
    plain(router)
    app.include_router(router)


def unique_id(route: APIRoute) -> str:
    return f"unique_{route.name}_{len(route.path)}"


LAYOUTS = [
    plain,
    with_routers,
    with_callbacks,
    with_changed_operation_ids,
    with_binary_routes,
]
SETTINGS: list[dict[str, Any]] = [
    {"separate_input_output_schemas": False},
    {"generate_unique_id_function": unique_id},
    {"default_response_class": HTMLResponse},
    {"title": "t", "version": "2", "servers": [{"url": "/api"}]},
]


def _enabled_after(app: FastAPI, layout: Callable[[FastAPI], None]) -> None:
    layout(app)
    add_binary_mode(app)


def _enabled_before(app: FastAPI, layout: Callable[[FastAPI], None]) -> None:
    add_binary_mode(app)
    layout(app)


def _asked_before(app: FastAPI, layout: Callable[[FastAPI], None]) -> None:
    layout(app)
    app.openapi()
    add_binary_mode(app)
    app.openapi_schema = None


CASES = [
    *((layout, {}, order) for layout in LAYOUTS for order in (_enabled_after, _enabled_before)),
    *((layout, {}, _asked_before) for layout in (plain, with_routers)),
    *(
        (layout, settings, _enabled_after)
        for layout in (plain, with_routers)
        for settings in SETTINGS
    ),
]


@pytest.mark.parametrize(
    ("layout", "settings", "order"),
    CASES,
    ids=["-".join([case[0].__name__, case[2].__name__[1:], *case[1]]) for case in CASES],
)
def test_everything_is_still_there(
    layout: Callable[[FastAPI], None], settings: dict[str, Any], order: Callable[..., None]
) -> None:
    before, after = FastAPI(**settings), FastAPI(**settings)
    layout(before)
    order(after, layout)
    expected = TestClient(before).get("/openapi.json").json()
    assert expected["paths"]
    actual = TestClient(after).get("/openapi.json").json()
    places = list(_added(expected, actual))
    assert all(_is_of_binary_mode(place) for place in places)
    assert any(place[-1] == "application/msgpack" for place in places)
    assert ("components", "schemas", "BinaryArray") in places


def _added(before: Any, after: Any, *place: str) -> Iterator[tuple[str, ...]]:
    """Where ``after`` has something that ``before`` has not; what both have is equal."""
    if not isinstance(before, dict):
        assert after == before, place
        return
    assert [key for key in after if key in before] == list(before), place
    for key, one in after.items():
        if key in before:
            yield from _added(before[key], one, *place, key)
        else:
            yield (*place, key)


def _is_of_binary_mode(place: tuple[str, ...]) -> bool:
    match place:
        case ("paths", _, _, "requestBody", "content", name):
            return name in MEDIA_TYPES
        case ("paths", _, _, "responses", _, "content", name):
            return name in MEDIA_TYPES
        case ("paths", _, _, "responses", status):
            return status in ("400", "413", "415")
        case ("components", "schemas", name):
            return name.endswith("-Binary") or name in ("BinaryArray", "ProblemDetails")
    return False


MEDIA_TYPES = ("application/msgpack", "application/vnd.msgpack", "application/x-msgpack")


def test_operation_ids_changed_after_enable() -> None:
    app = FastAPI()
    plain(app)
    add_binary_mode(app)
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.operation_id = route.name
    TestClient(app).get("/openapi.json")
    assert app.openapi()["paths"]["/row"]["post"]["operationId"] == "row"


# -- what the document says ------------------------------------------------------------------------


class Picture(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    png: bytes
    small: Annotated[bytes | None, Field(max_length=10)] = None
    encoded: Base64Bytes
    pixels: Annotated[NumpyArrayField | None, Field(description="Grey levels.")] = None


RAW = {"contentMediaType": "application/octet-stream"}


def _schema(document: Any, path: str, status: str | None = None, method: str = "post") -> Any:
    operation = document["paths"][path][method]
    one = operation["requestBody"] if status is None else operation["responses"][status]
    found = one["content"]["application/msgpack"]["schema"]
    while "$ref" in found:
        found = document["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return found


def test_bytes_and_arrays() -> None:
    app = FastAPI()
    add_binary_mode(app)

    @app.post("/picture", status_code=201)
    def picture(picture: Picture) -> Picture:
        return picture

    document = app.openapi()
    for schema in (_schema(document, "/picture"), _schema(document, "/picture", "201")):
        assert schema["properties"] == {
            "png": {**RAW, "title": "Png"},
            "small": {
                "anyOf": [{**RAW, "maxLength": 10}, {"type": "null"}],
                "title": "Small",
            },
            "encoded": {
                "type": "string",
                "format": "base64",
                "contentEncoding": "base64",
                **RAW,
                "title": "Encoded",
            },
            "pixels": {
                "anyOf": [{"$ref": "#/components/schemas/BinaryArray"}, {"type": "null"}],
                "description": "Grey levels.",
                "title": "Pixels",
            },
        }
    # Base64Bytes is base64 in msgpack, too: that is how the response of the app looks.
    sent = {"png": b"\x00\xff", "encoded": b"eA=="}
    response = post(TestClient(app), sent, "/picture")
    assert unpackb(response.content) == {**sent, "small": None, "pixels": None}


def test_lanes_of_responses() -> None:
    """Bytes are bytes in what FastAPI serialises for us, and text in all other JSON."""
    app = FastAPI()
    add_binary_mode(app)
    also: Any = {404: {"model": Picture}}
    app.post("/default", responses=also)(lambda: None)
    app.post("/model", response_model=Picture, responses=also)(lambda: None)
    app.post("/class", response_model=Picture, response_class=JSONResponse)(lambda: None)
    document = app.openapi()
    text = {"type": "string", "contentEncoding": "base64", **RAW, "title": "Png"}
    assert _schema(document, "/model", "200")["properties"]["png"] == {**RAW, "title": "Png"}
    assert _schema(document, "/model", "404")["properties"]["png"] == text
    assert _schema(document, "/class", "200")["properties"]["png"] == text
    assert _schema(document, "/class", "200")["properties"]["pixels"]["anyOf"][0] == {
        "$ref": "#/components/schemas/BinaryArray"
    }
    assert _schema(document, "/default", "200") == {}


def test_body_that_the_route_does_not_declare() -> None:
    """It reaches the endpoint as JSON text, with base64 instead of bytes."""
    app = FastAPI()
    add_binary_mode(app)
    base64 = {"type": "string", "contentEncoding": "base64"}
    text = {"type": "string", "contentMediaType": "application/octet-stream"}
    schema = {"properties": {"raw": base64, "text": text}}
    body = {"content": {"application/json": {"schema": schema}}}
    app.post("/", openapi_extra={"requestBody": body})(no_model)
    assert _schema(app.openapi(), "/") == {"properties": {"raw": RAW, "text": text}}


def test_options_of_each_route() -> None:
    app = FastAPI()
    router = APIRouter(route_class=BinaryRoute)

    @router.post("/{id:int}")
    @binary_options(mode="require", media_types=["application/msgpack"])
    def required(id: int, item: Inner) -> Inner:
        return item

    @app.post("/off/{name:path}")
    @binary_options(mode="off")
    def off(name: str, item: Inner) -> Inner:
        return item

    app.post("/rule/{id}")(outer)
    app.post("/rule/{id}/latest")(outer)
    app.include_router(router, prefix="/v1")
    add_binary_mode(app, rules=[RouteRule("/rule/{id}", mode="off")])
    paths = app.openapi()["paths"]
    contents = {path: list(item["post"]["requestBody"]["content"]) for path, item in paths.items()}
    assert contents == {
        "/v1/{id}": ["application/msgpack"],
        "/off/{name}": ["application/json"],
        "/rule/{id}": ["application/json"],
        "/rule/{id}/latest": ["application/json", *MEDIA_TYPES],
    }
    responses = paths["/v1/{id}"]["post"]["responses"]
    assert list(responses) == ["200", "422", "400", "406", "413", "415"]
    assert list(responses["422"]["content"]) == ["application/msgpack"]
    assert list(paths["/off/{name}"]["post"]["responses"]) == ["200", "422"]


def test_routes_of_included_routers_before_the_app_starts() -> None:
    """They become binary ones when it starts; the document says so before."""
    app = FastAPI()
    add_binary_mode(app)
    router = APIRouter()
    router.post("/picture")(lambda picture: picture)
    router.post("/model", response_model=Picture)(lambda: None)
    app.include_router(router, prefix="/v1")
    before = app.openapi()
    assert _schema(before, "/v1/model", "200")["properties"]["png"] == {**RAW, "title": "Png"}
    assert TestClient(app).get("/openapi.json").json() == before


# -- functions of the user's -----------------------------------------------------------------------


def _of_fastapis_documentation(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """Extend OpenAPI as https://fastapi.tiangolo.com/how-to/extending-openapi/ does."""

    def custom_openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        schema = get_openapi(title="Custom title", version="2.5.0", routes=app.routes)
        schema["info"]["x-logo"] = {"url": "logo.png"}
        app.openapi_schema = schema
        return app.openapi_schema

    return custom_openapi


def _around_what_was_there(app: FastAPI) -> Callable[[], dict[str, Any]]:
    inner = app.openapi

    def custom_openapi() -> dict[str, Any]:
        schema = inner()
        schema["info"]["x-logo"] = {"url": "logo.png"}
        return schema

    return custom_openapi


def _without_keeping_it(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def custom_openapi() -> dict[str, Any]:
        schema = get_openapi(title="t", version="1", routes=app.routes)
        schema["info"]["x-logo"] = {"url": "logo.png"}
        return schema

    return custom_openapi


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "make", [_of_fastapis_documentation, _around_what_was_there, _without_keeping_it]
)
def test_function_of_the_users(make: Any, when: str) -> None:
    app = FastAPI()
    plain(app)
    if when == "before":
        app.openapi = make(app)  # type: ignore[method-assign]
    add_binary_mode(app)
    if when == "after":
        app.openapi = make(app)  # type: ignore[method-assign]
    client = TestClient(app)
    first = client.get("/openapi.json").json()
    assert first["info"]["x-logo"] == {"url": "logo.png"}
    assert list(first["paths"]["/row"]["post"]["requestBody"]["content"])[1:] == list(MEDIA_TYPES)
    assert [name for name in first["components"]["schemas"] if "Row" in name] == [
        "Row",
        "Row-Binary",
    ]
    assert client.get("/openapi.json").json() == first == app.openapi()
    if make is not _without_keeping_it:
        assert app.openapi() is app.openapi() is app.openapi_schema


def test_document_is_made_once() -> None:
    app = FastAPI()
    plain(app)
    add_binary_mode(app)
    first = app.openapi()
    assert app.openapi() is first is app.openapi_schema
    app.post("/late")(row)
    second = app.openapi()
    assert second is app.openapi() is not first
    assert "application/msgpack" in second["paths"]["/late"]["post"]["requestBody"]["content"]


def test_changes_of_the_document_are_seen() -> None:
    app = FastAPI()
    plain(app)
    add_binary_mode(app)
    app.openapi()
    assert app.openapi_schema is not None
    app.openapi_schema["info"]["x-more"] = 1
    assert TestClient(app).get("/openapi.json").json()["info"]["x-more"] == 1
    app.openapi_schema = {**app.openapi_schema, "x-other": 2}
    assert app.openapi() == app.openapi_schema
    assert app.openapi()["x-other"] == 2
    app.openapi_schema = None
    assert app.openapi()["info"] == {"title": "FastAPI", "version": "0.1.0"}


def test_path_in_servers() -> None:
    app = FastAPI()
    plain(app)
    add_binary_mode(app)
    document = TestClient(app, root_path="/api").get("/api/openapi.json").json()
    assert document["servers"] == [{"url": "/api"}]
    assert {**app.openapi(), "servers": document["servers"]} == document


# -- without enable --------------------------------------------------------------------------------


def _mixed(app: FastAPI) -> None:
    router = APIRouter(route_class=BinaryRoute)
    router.post("/binary", response_model=Picture)(no_model)
    router.post("/off", response_model=Picture)(binary_options(mode="off")(lambda: None))
    app.post("/plain", response_model=Picture)(no_model)
    app.include_router(router)


@pytest.mark.parametrize("times", [1, 2])
def test_document_of_an_app_with_binary_routes(times: int) -> None:
    app = FastAPI()
    for _ in range(times):
        complete_openapi(app)
    _mixed(app)
    document = TestClient(app).get("/openapi.json").json()
    assert _schema(document, "/binary", "200")["properties"]["png"] == {**RAW, "title": "Png"}
    for path in ("/plain", "/off"):
        content = document["paths"][path]["post"]["responses"]["200"]["content"]
        assert list(content) == ["application/json"]


def test_document_of_an_app_with_the_middleware() -> None:
    app = FastAPI()
    app.add_middleware(BinaryMiddleware, rules=[RouteRule("/ruled", mode="off")])
    _mixed(app)
    app.post("/ruled")(row)
    complete_openapi(app)
    document = TestClient(app).get("/openapi.json").json()
    assert _schema(document, "/binary", "200")["properties"]["png"] == {**RAW, "title": "Png"}
    assert _schema(document, "/plain", "200")["properties"]["png"]["contentEncoding"] == "base64"
    for path in ("/off", "/ruled"):
        content = document["paths"][path]["post"]["responses"]["200"]["content"]
        assert list(content) == ["application/json"]


def test_document_of_an_app_without_binary_mode() -> None:
    before, after = FastAPI(), FastAPI()
    for app in (before, after):
        plain(app)
    complete_openapi(after)
    assert (
        TestClient(after).get("/openapi.json").text == TestClient(before).get("/openapi.json").text
    )


def test_path_of_the_document_is_known() -> None:
    with pytest.raises(ValueError, match="openapi_path is for other apps"):
        add_binary_mode(FastAPI(), openapi_path="/openapi.json")

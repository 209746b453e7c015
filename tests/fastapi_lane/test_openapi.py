"""The OpenAPI document is the same before and after ``enable``."""

import dataclasses
import datetime as dt
import enum
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, File, Form, Header, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security import OAuth2PasswordBearer
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, Field, computed_field
from starlette.testclient import TestClient

from binary_middleware import NumpyArrayField
from binary_middleware.fastapi import BinaryRoute, enable
from tests.fastapi_lane.conftest import get, value

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
    """Gives back what it gets.\f

    Not shown.
    """
    return item


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


def with_other_changes(app: FastAPI) -> None:
    plain(app)
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.description = "changed" if route.path == "/row" else ""
            route.summary = "changed"
            route.tags = ["changed"]


def with_own_route_class(app: FastAPI) -> None:
    class Own(APIRoute):
        pass

    app.router.route_class = Own
    plain(app)


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
    with_other_changes,
    with_own_route_class,
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
    enable(app)


def _enabled_before(app: FastAPI, layout: Callable[[FastAPI], None]) -> None:
    enable(app)
    layout(app)


def _asked_before(app: FastAPI, layout: Callable[[FastAPI], None]) -> None:
    layout(app)
    app.openapi()
    enable(app)
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
def test_same_document(
    layout: Callable[[FastAPI], None], settings: dict[str, Any], order: Callable[..., None]
) -> None:
    before, after = FastAPI(**settings), FastAPI(**settings)
    layout(before)
    order(after, layout)
    expected = TestClient(before).get("/openapi.json")
    assert expected.json()["paths"]
    assert TestClient(after).get("/openapi.json").text == expected.text


def test_document_in_msgpack() -> None:
    app = FastAPI()
    plain(app)
    enable(app)
    assert value(get(TestClient(app), "/openapi.json")) == app.openapi()


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_pages_of_the_documentation_stay_html(path: str) -> None:
    app = FastAPI()
    enable(app)
    response = get(TestClient(app), path)
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_operation_ids_changed_after_enable() -> None:
    app = FastAPI()
    plain(app)
    enable(app)
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.operation_id = route.name
    TestClient(app).get("/openapi.json")
    assert app.openapi()["paths"]["/row"]["post"]["operationId"] == "row"

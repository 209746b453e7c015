"""Binary responses keep all that FastAPI does to a JSON response."""

import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import BackgroundTasks, Body, Depends, FastAPI, Request, Response
from fastapi.responses import (
    JSONResponse,
    PlainTextResponse,
)
from pydantic import BaseModel, Field

from binary_middleware import NumpyArrayField, unpackb
from tests.fastapi.conftest import ACCEPT, Lanes, binary_client, enabled, get, post, twins, value
from tests.sameness import same

ARRAY = np.linspace(0, 1, 12).reshape(3, 4)
NOT_TEXT = b"\xff\x00\xfe"


class Inner(BaseModel):
    array: NumpyArrayField = NumpyArrayField(ARRAY)
    raw: bytes = NOT_TEXT
    label: str | None = None


class Outer(BaseModel):
    first_part: Inner = Field(Inner(), serialization_alias="firstPart")
    number: int = 1
    nothing: None = None


# -- response_model flags --------------------------------------------------------------------------

INNER = {"array": ARRAY, "raw": NOT_TEXT, "label": None}
FLAGS: dict[str, tuple[dict[str, Any], Any]] = {
    "none": ({}, {"firstPart": INNER, "number": 2, "nothing": None}),
    "include": ({"response_model_include": {"number"}}, {"number": 2}),
    "include nested": (
        {"response_model_include": {"first_part": {"raw"}}},
        {"firstPart": {"raw": NOT_TEXT}},
    ),
    "exclude": ({"response_model_exclude": {"first_part"}}, {"number": 2, "nothing": None}),
    "exclude nested": (
        {"response_model_exclude": {"first_part": {"array", "label"}, "nothing": True}},
        {"firstPart": {"raw": NOT_TEXT}, "number": 2},
    ),
    "by_alias": (
        {"response_model_by_alias": False},
        {"first_part": INNER, "number": 2, "nothing": None},
    ),
    "exclude_unset": ({"response_model_exclude_unset": True}, {"number": 2}),
    "exclude_defaults": ({"response_model_exclude_defaults": True}, {"number": 2}),
    "exclude_none": (
        {"response_model_exclude_none": True},
        {"firstPart": {"array": ARRAY, "raw": NOT_TEXT}, "number": 2},
    ),
}


@pytest.mark.parametrize(("settings", "expected"), FLAGS.values(), ids=FLAGS.keys())
def test_response_model_flags(settings: dict[str, Any], expected: Any) -> None:
    def endpoint() -> Outer:
        return Outer(number=2)

    assert same(value(get(enabled(endpoint, **settings))), expected)


def test_response_model_filters_what_the_endpoint_returns() -> None:
    class Wider(Inner):
        secret: bytes = b"secret"

    def endpoint() -> Any:
        return Wider()

    assert same(value(get(enabled(endpoint, response_model=Inner))), INNER)


def test_response_model_validates_dicts_and_objects() -> None:
    @dataclass
    class Row:
        array: Any
        raw: bytes
        label: str | None = None

    def endpoint() -> Any:
        return [{"array": ARRAY, "raw": NOT_TEXT}, Row(ARRAY, NOT_TEXT)]

    assert same(value(get(enabled(endpoint, response_model=list[Inner]))), [INNER, INNER])


# -- headers, cookies and status codes -------------------------------------------------------------


def _set_by_dependency(response: Response) -> None:
    response.headers["x-dependency"] = "yes"
    response.set_cookie("from", "dependency")


def parameter(response: Response) -> Inner:
    response.headers["x-endpoint"] = "yes"
    response.headers.append("x-twice", "1")
    response.headers.append("x-twice", "2")
    response.set_cookie("from", "endpoint")
    response.status_code = 202
    return Inner()


def dependency(_: Annotated[None, Depends(_set_by_dependency)]) -> Inner:
    return Inner()


def both(response: Response, _: Annotated[None, Depends(_set_by_dependency)]) -> dict[str, Any]:
    response.set_cookie("from", "endpoint")
    response.headers["cache-control"] = "private"
    return {"raw": NOT_TEXT}


@pytest.mark.parametrize("response_model", [True, False], ids=["model", "no model"])
@pytest.mark.parametrize("endpoint", [parameter, dependency, both])
def test_injected_headers_cookies_and_status(
    endpoint: Callable[..., Any], response_model: bool
) -> None:
    def build(app: FastAPI) -> None:
        settings = {} if response_model else {"response_model": None}
        # JSON could not hold these bytes.
        app.get("/json", **settings)(_answering(endpoint, "text"))
        app.get("/", **settings)(endpoint)

    plain, binary = twins(build)
    expected = plain.get("/json")
    response = get(binary)
    assert response.status_code == expected.status_code
    ignored = {"content-type", "content-length", "vary"}
    assert [pair for pair in response.headers.multi_items() if pair[0] not in ignored] == [
        pair for pair in expected.headers.multi_items() if pair[0] not in ignored
    ]
    assert value(response)["raw"] == NOT_TEXT


def _answering(endpoint: Callable[..., Any], response: Any) -> Callable[..., Any]:
    """Return the same endpoint, whose response is something that JSON can hold."""

    def call(**arguments: Any) -> Any:
        endpoint(**arguments)
        return response

    call.__signature__ = inspect.signature(endpoint).replace(return_annotation=str)
    return call


@pytest.mark.parametrize("status", [200, 299, 404, 599])
def test_status_code_of_the_route(status: int) -> None:
    def endpoint() -> Inner:
        return Inner()

    client = enabled(endpoint, status_code=status)
    response = get(client)
    assert response.status_code == status
    assert same(value(response), INNER)


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("by", ["route", "parameter"])
def test_responses_without_a_body(status: int, by: str) -> None:
    def of_route() -> None:
        return None

    def of_parameter(response: Response) -> None:
        response.status_code = status

    def build(app: FastAPI) -> None:
        if by == "route":
            app.get("/", status_code=status)(of_route)
        else:
            app.get("/")(of_parameter)

    plain, binary = twins(build)
    expected, response = plain.get("/"), get(binary)
    assert response.status_code == expected.status_code == status
    assert response.content == expected.content == b""
    assert response.headers.get("content-length") == expected.headers.get("content-length")
    assert response.headers["vary"] == "Accept"


def test_head_has_the_headers_of_get() -> None:
    app = FastAPI()

    @app.api_route("/", methods=["GET", "HEAD"])
    def endpoint() -> Inner:
        return Inner()

    client = binary_client(app)
    assert client.head("/", headers=ACCEPT).headers == get(client).headers


# -- around the response ---------------------------------------------------------------------------


def _traced(events: list[str]) -> Callable[[FastAPI], None]:
    """Routes that write down what runs when."""

    def function_scope() -> Iterator[str]:
        events.append("function dependency starts")
        yield "f"
        events.append("function dependency ends")

    async def request_scope() -> AsyncIterator[str]:
        events.append("request dependency starts")
        yield "r"
        events.append("request dependency ends")

    async def background() -> None:
        events.append("background task")

    def endpoint(
        tasks: BackgroundTasks,
        f: Annotated[str, Depends(function_scope, scope="function")],
        r: Annotated[str, Depends(request_scope)],
    ) -> dict[str, Any]:
        tasks.add_task(background)
        tasks.add_task(events.append, "second background task")
        events.append(f"endpoint {f}{r}")
        return {"text": "x" * 300_000}

    class Noting:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def note(message: Any) -> None:
                if message["type"] == "http.response.start":
                    events.append("response starts")
                elif not message.get("more_body", False):
                    events.append("response ends")
                await send(message)

            await self.app(scope, receive, note)

    def build(app: FastAPI) -> None:
        app.get("/model", response_model=dict[str, str])(endpoint)
        app.get("/none", response_model=None)(endpoint)
        app.add_middleware(Noting)

    return build


@pytest.mark.parametrize("path", ["/model", "/none"])
def test_order_of_clean_up_and_background_tasks_is_that_of_json(path: str) -> None:
    events: list[str] = []
    plain, binary = twins(_traced(events))
    assert plain.get(path).status_code == 200
    expected = events.copy()
    assert expected == [
        "function dependency starts",
        "request dependency starts",
        "endpoint fr",
        "function dependency ends",
        "response starts",
        "response ends",
        "background task",
        "second background task",
        "request dependency ends",
    ]
    events.clear()
    assert len(value(get(binary, path))["text"]) == 300_000
    assert events == expected


# -- without a response model ----------------------------------------------------------------------


def test_dict_with_bytes_and_arrays() -> None:
    document = {
        "raw": NOT_TEXT,
        "array": ARRAY,
        "deep": [{"array": ARRAY}, [NOT_TEXT]],
        "nan": float("nan"),
        "nothing": None,
    }

    def endpoint():
        return document

    assert same(value(get(enabled(endpoint))), document)


def test_models_and_fields_inside_a_dict() -> None:
    def endpoint():
        return {
            "model": Outer(),
            "field": NumpyArrayField(ARRAY),
            "scalars": [np.float32(0.5), np.int8(-3), np.bool_(True)],
            "buffers": [bytearray(b"\xff"), memoryview(b"\xfe")],
            "set": {ARRAY.shape},
        }

    assert same(
        value(get(enabled(endpoint))),
        {
            "model": {"firstPart": INNER, "number": 1, "nothing": None},
            "field": ARRAY,
            "scalars": [0.5, -3, True],
            "buffers": [b"\xff", b"\xfe"],
            "set": [[3, 4]],
        },
    )


@dataclass
class Row:
    array: Any
    more: list[Any]


def test_dataclasses_that_hold_arrays() -> None:
    inner = Row(ARRAY, [np.float32(1)])

    def endpoint():
        return {"row": Row(NumpyArrayField(ARRAY), [NumpyArrayField(ARRAY), inner, NOT_TEXT])}

    assert same(
        value(get(enabled(endpoint))),
        {"row": {"array": ARRAY, "more": [ARRAY, {"array": ARRAY, "more": [1.0]}, NOT_TEXT]}},
    )


# -- the form of arrays ----------------------------------------------------------------------------

AS_MAP = {"shape": [3, 4], "dtype": "float64", "data": ARRAY.tobytes()}
ARRAYS = {
    "default": ("numpy", "application/msgpack", "application/msgpack", ARRAY),
    "by option": ("map", "application/msgpack", "application/msgpack", AS_MAP),
    "asked for": (
        "numpy",
        "application/msgpack; arrays=map",
        "application/msgpack; arrays=map",
        AS_MAP,
    ),
}


@pytest.mark.parametrize(
    ("option", "accept", "content_type", "expected"), ARRAYS.values(), ids=ARRAYS.keys()
)
@pytest.mark.parametrize("response_model", [NumpyArrayField, None], ids=["model", "no model"])
def test_form_of_arrays(
    option: str, accept: str, content_type: str, expected: Any, response_model: Any
) -> None:
    app = FastAPI()

    @app.get("/", response_model=response_model)
    def endpoint() -> Any:
        return NumpyArrayField(ARRAY)

    response = binary_client(app, arrays=option).get("/", headers={"accept": accept})
    assert same(value(response, content_type), expected)


# -- what msgpack cannot carry ---------------------------------------------------------------------

BIG = 2**64


def with_model() -> dict[str, int]:
    return {"small": 1, "big": BIG}


def without_model():
    return {"small": 1, "big": BIG}


def negative() -> list[int]:
    return [-(2**63) - 1]


class Mixed(BaseModel):
    array: NumpyArrayField = NumpyArrayField(ARRAY)
    big: int = BIG


def beside_an_array() -> Mixed:
    return Mixed()


@pytest.mark.parametrize("endpoint", [with_model, without_model, negative, beside_an_array])
def test_integer_beyond_64_bits_goes_out_as_json(endpoint: Callable[..., Any]) -> None:
    plain, binary = twins(lambda app: app.get("/", status_code=201)(endpoint))
    expected, response = plain.get("/"), get(binary)
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/json"
    assert response.headers["vary"] == "Accept"
    assert response.headers["content-length"] == str(len(response.content))
    assert response.content == expected.content
    assert "1844674407370955161" in response.text or "9223372036854775809" in response.text


@pytest.mark.parametrize("path", ["/surrogate", "/object"])
def test_what_neither_format_can_write_is_an_error_in_both(path: str) -> None:
    def build(app: FastAPI) -> None:
        app.get("/surrogate", response_model=Any)(lambda: "\ud800")
        app.get("/object", response_model=None)(lambda: {"x": np.array([object()])})

    plain, binary = twins(build)
    assert plain.get(path).status_code == get(binary, path).status_code == 500


# -- entity tags -----------------------------------------------------------------------------------


def test_entity_tag_and_condition() -> None:
    def endpoint(request: Request, response: Response) -> Any:
        if request.headers.get("if-none-match") == '"v1"':
            return Response(status_code=304, headers={"etag": '"v1"'})
        response.headers["ETag"] = '"v1"'
        return {"array": ARRAY} if "accept" in request.headers else {}

    client = enabled(endpoint)
    first = get(client)
    assert first.headers["etag"] == '"v1--msgpack"'
    again = client.get("/", headers={**ACCEPT, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == '"v1--msgpack"'
    json_tag = client.get("/", headers={**ACCEPT, "if-none-match": '"v1"'})
    assert same(value(json_tag), {"array": ARRAY})


INT8 = np.arange(3, dtype="int8")


class Item(BaseModel):
    number: int = 1
    array: NumpyArrayField = NumpyArrayField(INT8)


class FastJSON(JSONResponse):
    """As ``ORJSONResponse``: another encoder, the same media type."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, indent=1).encode()


class Envelope(JSONResponse):
    def render(self, content: Any) -> bytes:
        return super().render({"data": content})


class Problem(JSONResponse):
    media_type = "application/problem+json"


@pytest.mark.parametrize(
    ("response_class", "expected", "content_type"),
    [
        (JSONResponse, {"number": 1}, "application/msgpack"),
        (FastJSON, {"number": 1}, "application/msgpack"),
        (Envelope, {"data": {"number": 1}}, "application/msgpack"),
        (Problem, {"number": 1}, "application/problem+msgpack"),
    ],
)
@pytest.mark.parametrize("where", ["route", "app", "returned"])
def test_json_of_an_explicit_class_is_converted(
    response_class: type[JSONResponse], expected: Any, content_type: str, where: str
) -> None:
    settings = {"default_response_class": response_class} if where == "app" else {}

    def build(app: FastAPI) -> None:
        if where == "returned":
            app.get("/", status_code=201)(lambda: response_class({"number": 1}, 201))
        else:
            of_route = {"response_class": response_class} if where == "route" else {}
            app.get(
                "/",
                status_code=201,
                response_model=Item,
                response_model_exclude={"array"},
                **of_route,
            )(Item)

    lanes = Lanes()
    plain, binary = twins(lanes.within(build), **settings)
    in_json, response = plain.get("/"), get(binary)
    assert in_json.json() == expected
    assert response.status_code == 201
    assert value(response, content_type) == expected
    assert lanes.content_types == [response_class.media_type] * 2


def test_array_of_an_explicit_class_goes_by_way_of_json() -> None:
    def endpoint() -> Item:
        return Item()

    _, binary = twins(lambda app: app.get("/", response_class=JSONResponse)(endpoint))
    assert same(value(get(binary)), {"number": 1, "array": INT8})


def test_objects_reach_endpoints_with_an_explicit_class() -> None:
    app = FastAPI()

    @app.post("/class", response_class=PlainTextResponse)
    def with_class(raw: Annotated[bytes, Body()], array: Annotated[NumpyArrayField, Body()]) -> str:
        return f"{raw!r} {array.array.dtype}"

    @app.post("/returned")
    def returned(raw: Annotated[bytes, Body(embed=True)]) -> Response:
        return Response(raw, media_type="image/png")

    @app.post("/lines")
    def lines(raw: Annotated[bytes, Body(embed=True)]) -> Iterable[int]:
        yield from raw

    client = binary_client(app)
    document = {"raw": b"\xff", "array": INT8}
    assert post(client, document, "/class").text == "b'\\xff' int8"
    assert post(client, document, "/returned").content == b"\xff"
    # A generator that was there before ``add_binary_mode`` streams what it did, from objects.
    assert post(client, document, "/lines").text.split() == ["255"]


def test_keys_that_are_bytes_are_text() -> None:
    app = FastAPI()
    app.get("/", response_class=JSONResponse)(lambda: {b"a": b"\xff"[:0]})
    app.get("/default")(lambda: {b"a": 1})
    client = binary_client(app)
    for path in ("/", "/default"):
        in_json = client.get(path).json()
        assert (
            unpackb(client.get(path, headers={"accept": "application/msgpack"}).content).keys()
            == in_json.keys()
            == {"a"}
        )

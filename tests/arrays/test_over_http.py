"""Typed arrays and ``BinaryBytes`` in FastAPI: read, sent, refused and described."""

from __future__ import annotations

from typing import Annotated, Any

import httpx2
import jsonschema
import numpy as np
import pytest
from fastapi import Body, FastAPI
from numpy.typing import NDArray
from pydantic import BaseModel
from starlette.testclient import TestClient

from binary_middleware import packb, unpackb
from binary_middleware.arrays import ArrayModel, ArraySpec, Dim, Float32Array
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.fields import BinaryBytes, from_map, to_map
from tests.asgi_app import MSGPACK
from tests.serving import serving

Image = Annotated[NDArray[np.uint8], ArraySpec("height", "width", 3)]


class Labelled(BaseModel):
    image: Image
    label: str = ""


class Batch(ArrayModel):
    images: Annotated[NDArray[np.uint8], ArraySpec("batch", None, None, 3)]
    weights: Annotated[
        NDArray[np.float32], ArraySpec("batch", casting="safe", ge=0, accept_lists=True)
    ]
    more: list[Annotated[NDArray[np.int64], ArraySpec("batch", Dim(le=4))]] = []  # noqa: RUF012
    thumbnail: BinaryBytes = b""


app = FastAPI()
add_binary_mode(app)


@app.post("/batch")
async def batch(batch: Batch) -> Batch:
    return batch


@app.post("/labelled")
def labelled(items: list[Labelled]) -> dict[str, Image]:
    return {item.label: item.image for item in items}


@app.post("/lone")
async def lone(image: Annotated[Image, Body()]) -> Image:
    image //= 2
    return image


@app.post("/embedded")
async def embedded(
    image: Annotated[Image, Body(embed=True)], factor: Annotated[float, Body()]
) -> Float32Array:
    return (image * np.float32(factor)).astype(np.float32)


@app.post("/wrong")
async def wrong() -> Image:
    return np.zeros((2, 2, 4), np.uint8)


client = TestClient(app, raise_server_exceptions=False)
IMAGE = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
BATCH: dict[str, Any] = {
    "images": np.stack([IMAGE, IMAGE]),
    "weights": np.ones(2, "f4"),
    "more": [np.zeros((2, 4), "i8")],
    "thumbnail": bytes(range(256)),
}


def in_json(value: Any) -> Any:
    """Return the JSON document for what a binary client sends."""
    if isinstance(value, np.ndarray):
        return to_map(value)
    if isinstance(value, bytes):
        return BATCH_IN_BASE64
    if isinstance(value, dict):
        return {key: in_json(item) for key, item in value.items()}
    return [in_json(item) for item in value] if isinstance(value, list) else value


BATCH_IN_BASE64 = Batch(**BATCH).model_dump(mode="json")["thumbnail"]


def post(path: str, value: Any, form: str) -> tuple[int, Any]:
    """Post a document in one of its forms; the status and the document of the response."""
    if form == "json":
        response = client.post(path, json=in_json(value))
        return response.status_code, response.json()
    headers = MSGPACK | ({"accept": "application/msgpack; arrays=map"} if form == "map" else {})
    content = packb(value, arrays="map" if form == "map" else "numpy")
    response = client.post(path, content=content, headers=headers)
    return response.status_code, unpackb(response.content)


FORMS = ["json", "numpy", "map"]


def array_of(value: Any, form: str) -> np.ndarray[Any, Any]:
    if form == "numpy":
        assert isinstance(value, np.ndarray)
        return value
    data = "data" if form == "map" else "data_b64"
    assert list(value) == ["shape", "dtype", data]
    return from_map(value)


@pytest.mark.parametrize("form", FORMS)
def test_models_come_back(form: str) -> None:
    status, response = post("/batch", BATCH, form)
    assert status == 200
    assert list(response) == list(BATCH)
    for name in ("images", "weights"):
        array = array_of(response[name], form)
        assert array.dtype == BATCH[name].dtype
        assert np.array_equal(array, BATCH[name])
    assert np.array_equal(array_of(response["more"][0], form), BATCH["more"][0])
    expected = BATCH_IN_BASE64 if form == "json" else BATCH["thumbnail"]
    assert response["thumbnail"] == expected


@pytest.mark.parametrize("form", FORMS)
def test_a_lone_array_is_a_body(form: str) -> None:
    status, response = post("/lone", IMAGE, form)
    assert status == 200
    assert np.array_equal(array_of(response, form), IMAGE // 2)
    status, response = post("/embedded", {"image": IMAGE, "factor": 0.5}, form)
    assert status == 200
    assert np.array_equal(array_of(response, form), IMAGE * np.float32(0.5))


@pytest.mark.parametrize("form", FORMS)
def test_lists_of_models(form: str) -> None:
    status, response = post("/labelled", [{"image": IMAGE, "label": "a"}], form)
    assert status == 200
    assert np.array_equal(array_of(response["a"], form), IMAGE)


def test_numbers_in_lists_for_those_who_type_them() -> None:
    value = {"images": to_map(BATCH["images"]), "weights": [1, 0.5]}
    response = client.post("/batch", json=value)
    assert response.json()["weights"] == to_map(np.array([1, 0.5], "f4"))


OF_IMAGE, OF_WEIGHTS = "expected uint8 (height, width, 3), got ", "expected float32 (batch,), got "


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("path", "value", "loc", "type_", "message"),
    [
        ("batch", {"weights": np.ones((9, 4))}, "weights", "dtype", OF_WEIGHTS + "float64 (9, 4)"),
        ("batch", {"weights": np.ones((2, 4), "f4")}, "weights", "shape", "float32 (2, 4)"),
        ("batch", {"weights": -np.ones(2, "f4")}, "weights", "greater_than_equal", "equal to 0"),
        (
            "batch",
            {"more": [BATCH["more"][0], np.zeros((3, 4), "i8")]},
            "more.1",
            "dimension",
            "expected int64 (batch, 0..4) with batch=2, got 3",
        ),
        (
            "labelled",
            [{"image": IMAGE}, {"image": IMAGE[..., :2]}],
            "1.image",
            "shape",
            OF_IMAGE + "uint8 (2, 2, 2)",
        ),
        ("lone", IMAGE.astype("f4"), "", "dtype", OF_IMAGE + "float32 (2, 2, 3)"),
        (
            "embedded",
            {"image": None, "factor": 1},
            "image",
            "type",
            OF_IMAGE + "NoneType; in JSON it is an object with the keys shape, dtype and data_b64",
        ),
    ],
)
def test_what_is_wrong_is_a_422_at_its_place(
    path: str, value: Any, loc: str, type_: str, message: str, form: str
) -> None:
    status, response = post(f"/{path}", BATCH | value if path == "batch" else value, form)
    assert status == 422
    (error,) = response["detail"]
    assert ".".join(map(str, error["loc"])) == f"body.{loc}".rstrip(".")
    assert error["type"] == f"array_{type_}"
    assert error["msg"].endswith(message)


def test_a_wrong_response_is_an_error_of_the_server() -> None:
    for headers in ({}, {"accept": "application/msgpack"}):
        assert client.post("/wrong", headers=headers).status_code == 500


def test_over_a_real_server() -> None:
    large = np.arange(3 << 20, dtype=np.uint8).reshape(-1, 1024, 3)
    with serving(app) as url:
        response = httpx2.post(f"{url}/lone", content=packb(large), headers=MSGPACK)
    assert np.array_equal(unpackb(response.content), large // 2)


# -- the OpenAPI document ----------------------------------------------------------------------


def schema_of(path: str, content_type: str = "application/json") -> Any:
    document = app.openapi()
    body = document["paths"][path]["post"]["requestBody"]["content"][content_type]["schema"]
    return body, document["components"]["schemas"]


def test_the_document_describes_dtype_and_shape() -> None:
    body, _ = schema_of("/lone")
    assert body["description"] == "uint8 (height, width, 3)"
    assert body["properties"]["dtype"] == {"type": "string", "const": "uint8"}
    assert body["properties"]["shape"]["prefixItems"] == [
        {"type": "integer", "minimum": 0.0, "title": "height"},
        {"type": "integer", "minimum": 0.0, "title": "width"},
        {"type": "integer", "const": 3},
    ]
    (example,) = body["examples"]
    response = client.post("/lone", json=example)
    assert response.json() == example


def test_components_are_valid_and_their_examples_are_accepted() -> None:
    body, components = schema_of("/batch")
    name = body["$ref"].rpartition("/")[2]
    properties = components[name]["properties"]
    for schema in components.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    example = {key: properties[key]["examples"][0] for key in ("images", "weights")}
    assert client.post("/batch", json=example).json() == {**example, "more": [], "thumbnail": ""}
    typed = {**example, "weights": properties["weights"]["examples"][1]}
    assert client.post("/batch", json=typed).json()["weights"] == example["weights"]
    assert properties["thumbnail"]["contentEncoding"] == "base64"

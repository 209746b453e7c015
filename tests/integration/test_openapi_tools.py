"""Completed OpenAPI documents in the hands of tools: a validator, a generator of clients, pages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import litestar
import numpy as np
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from litestar import Litestar
from litestar.params import FromPath, JSONBody
from openapi_spec_validator import validate
from pydantic import BaseModel, ConfigDict
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, BinaryOptions, NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.openapi import BinaryOperation, add_binary_media_types
from example_app.app import app as example
from tests.asgi_app import MSGPACK
from tests.serving import serving


class Sound(BaseModel):
    """A sound."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    samples: NumpyArrayField
    cover: bytes
    rate: float = 44_100.0
    chapters: list[Sound] = []


def sounds(*, is_enabled: bool = True, **options: Any) -> FastAPI:
    # The generator cannot have two classes of one title, as FastAPI names those of both directions.
    app = FastAPI(title="Sounds", separate_input_output_schemas=False)

    @app.post("/reverse", operation_id="reverse")
    def reverse(sound: Sound) -> Sound:
        sound.samples.array = sound.samples.array[::-1]
        return sound

    @app.get("/rates/{name}", operation_id="rates")
    def rates(name: str) -> list[float]:
        return [44_100.0]

    if is_enabled:
        add_binary_mode(app, **options)
    return app


def _fetch(app: Any, path: str = "/openapi.json") -> Any:
    response = TestClient(app).get(path)
    assert response.status_code == 200
    return response.json()


@pytest.mark.parametrize(
    "app",
    [example, sounds(), sounds(mode="require"), sounds(mode="off")],
    ids=["example", "negotiate", "require", "off"],
)
def test_document_of_fastapi_is_valid(app: FastAPI) -> None:
    validate(_fetch(app))


def _described(version: str, array: dict[str, Any]) -> dict[str, Any]:
    """Return a document by hand, with what there is to refer to."""
    schemas = {
        "Array": array,
        "Cat": {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"type": "string"}, "raw": {"type": "string", "format": "byte"}},
        },
        "Dog": {
            "type": "object",
            "required": ["kind"],
            "properties": {
                "kind": {"type": "string"},
                "self": {"$ref": "#/components/schemas/Pet"},
            },
        },
        "Pet": {
            "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
            "discriminator": {"propertyName": "kind"},
        },
    }
    response = {
        "description": "d",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Array"}}},
    }
    pet = {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
    return {
        "openapi": version,
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/": {
                "post": {
                    "requestBody": {"$ref": "#/components/requestBodies/Pet"},
                    "responses": {"200": {"$ref": "#/components/responses/Array"}},
                }
            }
        },
        "components": {
            "schemas": schemas,
            "responses": {"Array": response},
            "requestBodies": {"Pet": {"content": pet}},
        },
    }


@pytest.mark.parametrize("mode", ["negotiate", "require"])
@pytest.mark.parametrize("version", ["3.0.0", "3.0.4", "3.1.0", "3.1.1"])
def test_documents_by_hand_are_valid(version: str, mode: Any) -> None:
    array = {
        "type": "object",
        "description": "An array.",
        "properties": {"shape": {}, "dtype": {}, "data_b64": {"type": "string"}},
    }
    given = _described(version, array)
    validate(given)
    served = BinaryOperation(BinaryOptions(mode=mode))
    completed = add_binary_media_types(given, lambda path, method: served)
    assert {"Pet-Binary", "Cat-Binary", "Dog-Binary"} <= completed["components"]["schemas"].keys()
    validate(completed)


def test_document_of_litestar_is_valid() -> None:
    @litestar.post("/reverse/{times:int}")
    async def reverse(times: FromPath[int], data: JSONBody[list[float]]) -> list[float]:
        return data[::-1]

    @litestar.get("/name")
    async def name() -> str:
        return "name"

    app = Litestar([reverse, name])
    wrapped = BinaryMiddleware(app, openapi_path="/schema/openapi.json")
    before, after = _fetch(app, "/schema/openapi.json"), _fetch(wrapped, "/schema/openapi.json")
    validate(after)
    operation = after["paths"]["/reverse/{times}"]["post"]
    schema = {"schema": {"type": "array", "items": {"type": "number"}}}
    for content in (operation["requestBody"]["content"], operation["responses"]["201"]["content"]):
        assert content["application/json"] == content["application/msgpack"] == schema
    assert after["paths"]["/name"] == before["paths"]["/name"]
    in_msgpack = TestClient(wrapped).get(
        "/schema/openapi.json", headers={"accept": "application/msgpack"}
    )
    assert unpackb(in_msgpack.content) == after
    assert TestClient(wrapped).get("/schema/swagger").status_code == 200


@pytest.mark.parametrize("mode", ["negotiate", "require"])
@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_pages_show_a_valid_document(page: str, mode: str) -> None:
    client = TestClient(sounds(mode=mode))
    browser = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    shown = client.get(page, headers=browser)
    assert shown.headers["content-type"].startswith("text/html")
    found = re.search(r"""(?:url: |spec-url=)['"]([^'"]+)['"]""", shown.text)
    assert found is not None
    document = client.get(found[1], headers={"accept": "application/json,*/*"})
    assert document.headers["content-type"] == "application/json"
    validate(document.json())


# -- what is sent is what is said -----------------------------------------------------------------


def _validator(document: dict[str, Any], status: str, name: str) -> Draft202012Validator:
    content = document["paths"]["/reverse"]["post"]["responses"][status]["content"]
    whole = {**content[name]["schema"], "components": document["components"]}
    return Draft202012Validator(whole)


def test_responses_are_as_the_document_says() -> None:
    client = TestClient(sounds())
    document = _fetch(client.app)
    chapter = {"samples": np.zeros((2, 2)), "cover": b"\xff"}
    sound = {"samples": np.arange(3.0), "cover": b"\x00", "chapters": [chapter]}
    accept = {"accept": "application/msgpack; arrays=map"}
    in_msgpack = client.post("/reverse", content=packb(sound), headers=MSGPACK | accept)
    in_json = client.post(
        "/reverse",
        content=packb(sound),
        headers=MSGPACK | {"accept": "application/json"},
    )
    binary, text = unpackb(in_msgpack.content), in_json.json()
    assert binary["cover"] == b"\x00"
    assert text["cover"] == "AA=="
    for_binary = _validator(document, "200", "application/msgpack")
    for_text = _validator(document, "200", "application/json")
    for_binary.validate(binary)
    for_text.validate(text)
    assert not for_binary.is_valid(text)
    assert not for_text.is_valid(binary)


@pytest.mark.parametrize(
    ("status", "headers"),
    [("400", {}), ("413", {"content-length": str(2**40)}), ("415", {"content-encoding": "br"})],
)
def test_refusals_are_as_the_document_says(status: str, headers: dict[str, str]) -> None:
    client = TestClient(sounds())
    refused = client.post("/reverse", content=b"\xc1", headers=MSGPACK | headers)
    assert str(refused.status_code) == status
    validator = _validator(_fetch(client.app), status, refused.headers["content-type"])
    validator.validate(unpackb(refused.content))


# -- a client that is generated -------------------------------------------------------------------

CALL = """
import sys
from sounds_client import Client
from sounds_client.api.default import rates, reverse
from sounds_client.models import Sound, SoundSamples

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
array = SoundSamples(shape=[2], dtype="uint8", data_b64="AQI=")
response = reverse.sync(client=client, body=Sound(samples=array, cover="AA==", chapters=[]))
assert type(response) is Sound, response
print(response.samples.data_b64, response.cover, rates.sync("a", client=client))
"""


def _generate(document: Any, folder: Path) -> Path:
    folder.mkdir()
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "config.yml").write_text("post_hooks: []\n")
    arguments = ["generate", "--path", "openapi.json", "--config", "config.yml", "--meta", "none"]
    arguments += ["--output-path", "sounds_client"]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Unable to process schema" not in done.stdout
    return folder / "sounds_client"


def test_generated_client_works_for_json(tmp_path: Path) -> None:
    app = sounds()
    before = _generate(_fetch(sounds(is_enabled=False)), tmp_path / "before")
    after = _generate(_fetch(app), tmp_path / "after")
    for model in ("sound.py", "sound_samples.py"):
        assert (after / "models" / model).read_text() == (before / "models" / model).read_text()
    with serving(app) as url:
        done = subprocess.run(
            [sys.executable, "-c", CALL, url],
            cwd=after.parent,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "AgE= AA== [44100.0]\n"

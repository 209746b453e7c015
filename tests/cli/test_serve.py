"""``serve``: apps in binary mode without a change to their code."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from binary_middleware import packb, unpackb
from binary_middleware.cli._serve import VARIABLE, make_app
from tests.cli.shell import run, run_process, serve

STARLETTE = """
import json
import os
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

async def echo(request: Request):
    return JSONResponse({"got": await request.json(), "pid": os.getpid()})

async def document(request: Request):
    body = {"application/json": {}}
    response = {"200": {"description": "", "content": body}}
    return JSONResponse({"openapi": "3.1.0", "info": {"title": "", "version": ""},
        "paths": {"/echo": {"post": {"requestBody": {"content": body}, "responses": response}}}})

routes = [Route("/echo", echo, methods=["POST"]), Route("/other", echo, methods=["POST"]),
    Route("/document", document)]
app = Starlette(routes=routes)

def make():
    return Starlette(routes=routes)

def wsgi(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"got": json.loads(body)}).encode()]

class Old:
    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await app(self.scope, receive, send)

number = 3
"""

FASTAPI = """
from fastapi import FastAPI
from pydantic import BaseModel
from binary_middleware import NumpyArrayField

class Signal(BaseModel):
    samples: NumpyArrayField

app = FastAPI()

@app.post("/kind")
async def kind(signal: Signal) -> Signal:
    assert signal.samples.array.flags.writeable
    signal.samples.array += 1
    return signal
"""

OWN = """
from fast import app
from binary_middleware.fastapi import add_binary_mode
add_binary_mode(app, max_body_size=100)
"""

PYPROJECT = """
[tool.binary_middleware]
arrays = "map"
max_body_size = "2 B"

[[tool.binary_middleware.rules]]
path = "/echo"
mode = "off"
"""

MSGPACK = {"Content-Type": "application/msgpack"}
ARRAY = np.arange(3, dtype="f4")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with apps to serve."""
    for name, code in (
        ("star", STARLETTE),
        ("fast", FASTAPI),
        ("own", OWN),
        ("broken", "raise ValueError('of mine')"),
        ("lost", "import is_not_there"),
    ):
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(VARIABLE, "")
    yield tmp_path
    for name in ("star", "fast", "own"):
        sys.modules.pop(name, None)


def announce(name: str, is_factory: bool = False, interface: str = "auto", **options: Any) -> None:
    """Tell this process what to serve, as ``serve`` tells those of uvicorn."""
    os.environ[VARIABLE] = json.dumps((name, is_factory, interface, options))


def post(url: str, document: Any) -> httpx2.Response:
    return httpx2.post(url, content=packb(document), headers=MSGPACK, timeout=30)


# -- with uvicorn ----------------------------------------------------------------------------------


def test_a_fastapi_app_gets_the_object_lane(folder: Path) -> None:
    with serve(folder, "fast:app") as served:
        response = post(f"{served.url}/kind", {"samples": ARRAY})
        assert response.headers["content-type"] == "application/msgpack"
        np.testing.assert_array_equal(unpackb(response.content)["samples"], ARRAY + 1)
        document = httpx2.get(f"{served.url}/openapi.json").json()
        content = document["paths"]["/kind"]["post"]["requestBody"]["content"]
        assert "application/msgpack" in content
        assert served.interrupt() == 0
        assert "Traceback" not in served.log.read_text()


def test_any_other_app_receives_json(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(PYPROJECT)
    options = (
        "--max-body-size", "1kB", "--openapi-path", "/document",
        "--media-type", "application/x-own", "--media-type", "application/msgpack",
        "--rule", "POST /other mode=require",
    )  # fmt: skip
    with serve(folder, "star:app", *options) as served:
        got = unpackb(post(f"{served.url}/echo", {"a": ARRAY}).content)["got"]["a"]
        assert {**got, "data": bytes(got["data"])} == {
            "shape": [3], "dtype": "float32", "data": ARRAY.tobytes()
        }  # fmt: skip
        assert post(f"{served.url}/echo", {"a": bytes(2000)}).status_code == 413
        assert httpx2.post(f"{served.url}/echo", json=1).json()["got"] == 1
        assert httpx2.post(f"{served.url}/other", json=1).status_code == 415
        document = httpx2.get(f"{served.url}/document").json()
        content = document["paths"]["/echo"]["post"]["requestBody"]["content"]
        assert {"application/json", "application/x-own"} <= content.keys()


def test_several_workers(folder: Path) -> None:
    with serve(folder, "star:app", "--workers", "2", "--max-body-size", "100") as served:
        document = unpackb(post(f"{served.url}/echo", [1]).content)
        assert document["pid"] != served.process.pid
        deadline = time.monotonic() + 30
        while len(served.worker_ids()) < 2:
            assert time.monotonic() < deadline, served.log.read_text()
            time.sleep(0.05)
        assert document["pid"] in served.worker_ids()
        assert post(f"{served.url}/echo", bytes(200)).status_code == 413
        assert served.interrupt() == 0
        assert "Traceback" not in served.log.read_text()


def test_reload(folder: Path) -> None:
    with serve(folder, "star:app", "--reload", "--reload-delay", "0.05") as served:
        assert "new" not in unpackb(post(f"{served.url}/echo", [1]).content)
        changed = folder / "star.py"
        changed.write_text(STARLETTE.replace('"pid": os.getpid()', '"new": True'))
        os.utime(changed, (time.time() + 5, time.time() + 5))
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, served.log.read_text()
            try:
                document = unpackb(post(f"{served.url}/echo", [1]).content)
            except httpx2.TransportError:
                continue
            if "new" in document:
                break
            time.sleep(0.1)
        assert served.interrupt() == 0
        assert "Traceback" not in served.log.read_text()


def test_an_app_that_cannot_be_imported(folder: Path) -> None:
    done = run_process("serve", "broken:app", "--port", "0", folder=folder)
    assert done.code == 1
    assert "broken.py" in done.err
    assert done.err.endswith("ValueError: of mine\n")  # its traceback helps
    done = run_process("serve", "star:nope", "--workers", "2", "--port", "0", folder=folder)
    assert 'Error: Attribute "nope" not found in module "star".' in done.err
    assert "Traceback" not in done.err


# -- the app that uvicorn makes --------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Uvicorn's native WSGI:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "is_factory", "interface"),
    [
        ("star:app", False, "auto"),
        ("star:make", True, "auto"),
        ("star:wsgi", False, "wsgi"),
        ("star:Old", False, "asgi2"),
    ],
)
def test_every_interface(folder: Path, name: str, is_factory: bool, interface: str) -> None:
    announce(name, is_factory, interface)
    client = TestClient(make_app())
    response = client.post("/echo", content=packb({"b": b"ab"}), headers=MSGPACK)
    assert unpackb(response.content)["got"] == {"b": "YWI="}


def test_an_app_with_binary_mode_keeps_its_own_settings(folder: Path) -> None:
    announce("own:app", max_body_size=10_000)
    client = TestClient(make_app())
    for samples, status in ((ARRAY, 200), (np.zeros(100), 413)):
        response = client.post("/kind", content=packb({"samples": samples}), headers=MSGPACK)
        assert response.status_code == status


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("star", {}, 'Import string "star" must be in format "<module>:<attribute>".'),
        ("nope:app", {}, 'Could not import module "nope".'),
        ("nope.inner:app", {}, "Could not import module 'nope'."),
        ("star:nope", {}, 'Attribute "nope" not found in module "star".'),
        ("star:number", {}, "star:number is not an app: it cannot be called"),
        ("fast:app", {"openapi_path": "/x"}, "openapi_path is for other apps"),
    ],
)
def test_an_app_that_cannot_be_made(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    options: dict[str, Any],
    reason: str,
) -> None:
    announce(name, **options)
    with pytest.raises(SystemExit) as caught:
        make_app()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"Error: {reason}")


def test_an_import_of_the_app_that_fails_keeps_its_traceback(folder: Path) -> None:
    announce("lost:app")
    with pytest.raises(ModuleNotFoundError, match="is_not_there"):
        make_app()


# -- mistakes before that --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Missing argument 'MODULE:APP'."),
        (["star:app", "--rule", "x"], "Invalid value for '--rule': 'x' is not a rule: '[METHOD"),
        (["star:app", "--rule", "/{x:nope} mode=off"], "the path '/{x:nope}' cannot be read"),
        (["star:app", "--media-type", "application/json"], "media_types: 'application/json' is"),
        (["star:app", "--openapi-path", "x"], "openapi_path must start with '/', not 'x'"),
        (
            ["star:app", "--max-body-size", "1", "--max-structure-size", "2"],
            "max_structure_size (2) is never reached: max_body_size is 1",
        ),
        (["star:app", "--max-body-size", "12q"], "Invalid value for '--max-body-size': '12q' is"),
        (["star:app", "--mode", "x"], "Invalid value for '--mode': 'x' is not one of"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, arguments: list[str], reason: str) -> None:
    done = run("serve", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith(f"Error: {reason}")


def test_a_mistake_in_the_file_names_its_place(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.binary_middleware]\nmood = 1")
    done = run("serve", "star:app")
    assert done.code == 2
    assert done.err.endswith(
        "Error: pyproject.toml, [tool.binary_middleware]: mood: Extra inputs are not permitted\n"
    )

"""``serve``: apps in binary mode without a change to their code."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from binary_middleware import packb, unpackb
from binary_middleware.cli._serve import VARIABLE, make_app
from tests.cli.apps import MSGPACK, SAMPLES
from tests.cli.shell import run, run_process, serve

APPS = "tests.cli.apps"
RELOADED = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def echo(request):
    return JSONResponse({"version": 1})

app = Starlette(routes=[Route("/echo", echo, methods=["POST"])])
"""
PYPROJECT = """
[tool.binary_middleware]
arrays = "map"
max_body_size = "2 B"

[[tool.binary_middleware.rules]]
path = "/echo"
mode = "off"
"""


def post(client: Any, url: str, document: Any) -> httpx2.Response:
    response: httpx2.Response = client.post(
        url, content=packb(document), headers={"Content-Type": MSGPACK}
    )
    return response


# -- with uvicorn ----------------------------------------------------------------------------------


def test_a_fastapi_app_gets_the_object_lane(tmp_path: Path) -> None:
    with serve(tmp_path, f"{APPS}:make_signal_app", "--factory") as served:
        response = post(httpx2, f"{served.url}/signal", {"samples": SAMPLES})
        assert response.headers["content-type"] == MSGPACK
        np.testing.assert_array_equal(unpackb(response.content)["samples"], SAMPLES * 2)
        document = httpx2.get(f"{served.url}/openapi.json").json()
        assert MSGPACK in document["paths"]["/signal"]["post"]["requestBody"]["content"]
        assert served.interrupt() == 0
        assert "Traceback" not in served.log.read_text()


def test_any_other_app_receives_json(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    options = (
        "--max-body-size", "1kB", "--openapi-path", "/openapi", "--media-type",
        "application/x-own", "--media-type", MSGPACK, "--rule", "POST /ignore mode=require",
    )  # fmt: skip
    with serve(tmp_path, f"{APPS}:plain_app", *options) as served:
        url = f"{served.url}/echo"
        document = unpackb(post(httpx2, url, SAMPLES).content)
        assert {**document, "data": bytes(document["data"])} == {
            "shape": [2, 3], "dtype": "float32", "data": SAMPLES.tobytes()
        }  # fmt: skip
        assert post(httpx2, url, bytes(2000)).status_code == 413
        assert httpx2.post(url, json=1).json() == 1
        assert httpx2.post(f"{served.url}/ignore", json=1).status_code == 415
        paths = httpx2.get(f"{served.url}/openapi").json()["paths"]
        content = paths["/echo"]["post"]["requestBody"]["content"]
        assert {"application/json", "application/x-own"} <= content.keys()


def test_several_workers(tmp_path: Path) -> None:
    options = ("--workers", "2", "--max-body-size", "100")
    with serve(tmp_path, f"{APPS}:plain_app", *options) as served:
        response = post(httpx2, f"{served.url}/echo", [1])
        deadline = time.monotonic() + 30
        while len(served.worker_ids()) < 2:
            assert time.monotonic() < deadline, served.log.read_text()
            time.sleep(0.05)
        assert int(response.headers["x-process"]) in served.worker_ids() - {served.process.pid}
        assert post(httpx2, f"{served.url}/echo", bytes(200)).status_code == 413
        assert served.interrupt() == 0
        assert "Traceback" not in served.log.read_text()


def test_reload(tmp_path: Path) -> None:
    file = tmp_path / "changing.py"
    file.write_text(RELOADED)
    with serve(tmp_path, "changing:app", "--reload", "--reload-delay", "0.05") as served:
        assert unpackb(post(httpx2, f"{served.url}/echo", 0).content) == {"version": 1}
        file.write_text(RELOADED.replace("1}", "2}"))
        os.utime(file, (time.time() + 5, time.time() + 5))
        deadline = time.monotonic() + 60
        version = 1
        while version == 1:
            assert time.monotonic() < deadline, served.log.read_text()
            time.sleep(0.1)
            try:
                version = unpackb(post(httpx2, f"{served.url}/echo", 0).content)["version"]
            except httpx2.TransportError:
                continue
        assert served.interrupt() == 0
        assert "Traceback" not in served.log.read_text()


def test_an_app_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError('of mine')")
    done = run_process("serve", "broken:app", "--port", "0", folder=tmp_path)
    assert done.code == 1
    assert "broken.py" in done.err
    assert done.err.endswith("ValueError: of mine\n")  # its traceback helps
    done = run_process("serve", "json:nope", "--workers", "2", "--port", "0", folder=tmp_path)
    assert 'Error: Attribute "nope" not found in module "json".' in done.err
    assert "Traceback" not in done.err


# -- the app that uvicorn makes --------------------------------------------------------------------


@pytest.fixture
def announce(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets what this process serves, as ``serve`` does."""

    def tell(name: str, factory: bool = False, interface: str = "auto", **options: Any) -> None:
        monkeypatch.setenv(VARIABLE, json.dumps((name, factory, interface, options)))

    return tell


@pytest.mark.filterwarnings("ignore:Uvicorn's native WSGI:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "is_factory", "interface"),
    [
        ("plain_app", False, "auto"),
        ("make_plain_app", True, "auto"),
        ("wsgi_app", False, "wsgi"),
        ("ASGI2App", False, "asgi2"),
    ],
)
def test_every_interface(announce: Any, name: str, is_factory: bool, interface: str) -> None:
    announce(f"{APPS}:{name}", is_factory, interface)
    response = post(TestClient(make_app()), "/echo", {"b": b"ab"})
    assert unpackb(response.content) == {"b": "YWI="}


def test_an_app_with_binary_mode_keeps_its_own_settings(announce: Any) -> None:
    announce(f"{APPS}:own_app", max_body_size=10_000)
    client = TestClient(make_app())
    assert post(client, "/signal", {"samples": SAMPLES[0]}).status_code == 200
    assert post(client, "/signal", {"samples": np.zeros(100)}).status_code == 413


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("json", {}, 'Import string "json" must be in format "<module>:<attribute>".'),
        ("nope:app", {}, 'Could not import module "nope".'),
        ("nope.inner:app", {}, "Could not import module 'nope'."),
        ("json:nope", {}, 'Attribute "nope" not found in module "json".'),
        ("json:__name__", {}, "json:__name__ is not an app: it cannot be called"),
        (f"{APPS}:app", {"openapi_path": "/x"}, "openapi_path is for other apps"),
    ],
)
def test_an_app_that_cannot_be_made(
    announce: Any,
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


def test_an_import_of_the_app_that_fails_keeps_its_traceback(
    announce: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lost.py").write_text("import is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    announce("lost:app")
    with pytest.raises(ModuleNotFoundError, match="is_not_there"):
        make_app()


# -- mistakes before that --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Missing argument 'MODULE:APP'."),
        (["a:b", "--rule", "x"], "Invalid value for '--rule': 'x' is not a rule: '[METHOD"),
        (["a:b", "--rule", "/{x:nope} mode=off"], "the path '/{x:nope}' cannot be read"),
        (["a:b", "--media-type", "application/json"], "media_types: 'application/json' is"),
        (["a:b", "--openapi-path", "x"], "openapi_path must start with '/', not 'x'"),
        (
            ["a:b", "--max-body-size", "1", "--max-structure-size", "2"],
            "max_structure_size (2) is never reached: max_body_size is 1",
        ),
        (["a:b", "--max-body-size", "12q"], "Invalid value for '--max-body-size': '12q' is not a"),
        (["a:b", "--mode", "x"], "Invalid value for '--mode': 'x' is not one of"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, arguments: list[str], reason: str) -> None:
    done = run("serve", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith(f"Error: {reason}")
    (folder / "pyproject.toml").write_text("[tool.binary_middleware]\nmood = 1")
    assert run("serve", "a:b").err.endswith(
        "Error: pyproject.toml, [tool.binary_middleware]: mood: Extra inputs are not permitted\n"
    )

"""``serve``: apps in binary mode without a change to their code, and settings as text."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from binary_middleware import packb, unpackb
from binary_middleware.cli.byte_sizes import format_size, parse_size
from binary_middleware.cli.settings import Settings, parse_route, read_pyproject
from tests.cli.shell import run, serve, worker_ids

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
    answer = {"200": {"description": "", "content": body}}
    return JSONResponse({"openapi": "3.1.0", "info": {"title": "", "version": ""},
        "paths": {"/echo": {"post": {"requestBody": {"content": body}, "responses": answer}}}})

routes = [Route("/echo", echo, methods=["POST"]), Route("/other", echo, methods=["POST"]),
    Route("/document", document)]
app = Starlette(routes=routes)

def make():
    return Starlette(routes=routes)

def wsgi(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"got": json.loads(body)}).encode()]

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

MSGPACK = {"Content-Type": "application/msgpack"}
ARRAY = np.arange(3, dtype="f4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "star.py").write_text(STARLETTE)
    (tmp_path / "fast.py").write_text(FASTAPI)
    return tmp_path


def post(url: str, document: Any, **headers: str) -> httpx2.Response:
    return httpx2.post(url, content=packb(document), headers=MSGPACK | headers, timeout=30)


# -- apps ------------------------------------------------------------------------------------------


def test_a_fastapi_app_gets_the_object_lane(folder: Path) -> None:
    with serve(folder, "fast:app") as served:
        answer = post(f"{served.url}/kind", {"samples": ARRAY})
        assert answer.headers["content-type"] == "application/msgpack"
        np.testing.assert_array_equal(unpackb(answer.content)["samples"], ARRAY + 1)
        document = httpx2.get(f"{served.url}/openapi.json").json()
        content = document["paths"]["/kind"]["post"]["requestBody"]["content"]
        assert "application/msgpack" in content
        assert served.interrupt() == 0
        assert "Traceback" not in served.log.read_text()


def test_any_other_app_speaks_json(folder: Path) -> None:
    options = (
        "--max-body-size", "1kB", "--arrays", "map", "--openapi-path", "/document",
        "--media-type", "application/x-own", "--media-type", "application/msgpack",
        "--route", "POST /other mode=require",
    )  # fmt: skip
    with serve(folder, "star:app", *options) as served:
        answer = post(f"{served.url}/echo", {"a": ARRAY})
        got = unpackb(answer.content)["got"]["a"]
        assert {**got, "data": bytes(got["data"])} == {
            "shape": [3], "dtype": "float32", "data": ARRAY.tobytes()
        }  # fmt: skip
        assert post(f"{served.url}/echo", {"a": bytes(2000)}).status_code == 413
        assert httpx2.post(f"{served.url}/echo", json=1).json()["got"] == 1
        assert httpx2.post(f"{served.url}/other", json=1).status_code == 415
        document = httpx2.get(f"{served.url}/document").json()
        content = document["paths"]["/echo"]["post"]["requestBody"]["content"]
        assert {"application/json", "application/x-own"} <= content.keys()
        assert served.interrupt() == 0
        assert "Traceback" not in served.log.read_text()


def test_a_factory_and_an_app_of_wsgi(folder: Path) -> None:
    with serve(folder, "star:make", "--factory") as served:
        assert unpackb(post(f"{served.url}/echo", [1]).content)["got"] == [1]
    with serve(folder, "star:wsgi", "--interface", "wsgi") as served:
        assert unpackb(post(f"{served.url}/", {"b": b"ab"}).content) == {"got": {"b": "YWI="}}


def test_an_app_that_is_binary_already_keeps_its_own_settings(folder: Path) -> None:
    more = (
        "\nfrom binary_middleware.fastapi import add_binary_mode\n"
        "add_binary_mode(app, max_body_size=100)\n"
    )
    (folder / "own.py").write_text(FASTAPI + more)
    with serve(folder, "own:app") as served:
        assert post(f"{served.url}/kind", {"samples": ARRAY}).status_code == 200
        assert post(f"{served.url}/kind", {"samples": np.zeros(100)}).status_code == 413


def test_several_workers(folder: Path) -> None:
    with serve(folder, "star:app", "--workers", "2", "--max-body-size", "100") as served:
        answer = unpackb(post(f"{served.url}/echo", [1]).content)
        assert answer["pid"] != served.process.pid
        deadline = time.monotonic() + 30
        while len(worker_ids(served.log)) < 2:
            assert time.monotonic() < deadline, served.log.read_text()
            time.sleep(0.05)
        assert answer["pid"] in worker_ids(served.log)
        assert post(f"{served.url}/echo", bytes(200)).status_code == 413
        assert served.interrupt() == 0
        assert "Traceback" not in served.log.read_text()


def test_reload(folder: Path) -> None:
    with serve(folder, "star:app", "--reload", "--reload-delay", "0.05") as served:
        assert "new" not in unpackb(post(f"{served.url}/echo", [1]).content)
        source = STARLETTE.replace('"pid": os.getpid()', '"new": True')
        changed = folder / "star.py"
        changed.write_text(source)
        os.utime(changed, (time.time() + 5, time.time() + 5))
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, served.log.read_text()
            try:
                answer = unpackb(post(f"{served.url}/echo", [1]).content)
            except httpx2.TransportError:
                continue
            if "new" in answer:
                break
            time.sleep(0.1)
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(timeout=30) == 0
        assert "Traceback" not in served.log.read_text()


def test_the_command_line_wins_over_the_file(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        """
        [tool.binary_middleware]
        mode = "require"
        max_body_size = "100 B"
        max_structure_size = 50

        [[tool.binary_middleware.routes]]
        path = "/other"
        methods = ["POST"]
        mode = "off"
        """
    )
    with serve(folder, "star:app", "--max-body-size", "1KiB") as served:
        assert httpx2.post(f"{served.url}/echo", json=1).status_code == 415
        assert httpx2.post(f"{served.url}/other", json=1).status_code == 200
        assert post(f"{served.url}/echo", bytes(200)).status_code == 200
        assert post(f"{served.url}/echo", bytes(2000)).status_code == 413


# -- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope:app"], "Error: there is no module 'nope' in this folder"),
        (["nope.inner:app"], "Error: there is no module 'nope.inner' in this folder"),
        (["star"], "Error: 'star' must be MODULE:APP, such as app:app"),
        (["star:nope"], 'Error: Attribute "nope" not found in module "star".'),
        (["star:number"], "Error: star:number is no app: it cannot be called"),
        (["star:app", "--route", "x"], "Error: 'x' is not a rule: '[METHOD,...] /path [opt"),
        (["star:app", "--media-type", "application/json"], "Error: media_types: 'application/js"),
        (["star:app", "--openapi-path", "x"], "Error: openapi_path must start with '/', not 'x'"),
        (
            ["star:app", "--max-body-size", "1", "--max-structure-size", "2"],
            "Error: max_structure_size (2) is never reached: max_body_size is 1",
        ),
        (["fast:app", "--openapi-path", "/x"], "Error: openapi_path is for other apps"),
        (["star:app", "--max-body-size", "12q"], "Error: Invalid value for '--max-body-size': '12"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, arguments: list[str], said: str) -> None:
    done = run("serve", *arguments, "--port", "0", folder=folder)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith(said)
    assert "Traceback" not in done.err


def test_an_exception_of_the_app_keeps_its_traceback(folder: Path) -> None:
    (folder / "broken.py").write_text("raise ValueError('of mine')")
    done = run("serve", "broken:app", "--port", "0", folder=folder)
    assert done.code == 1
    assert "broken.py" in done.err
    assert done.err.endswith("ValueError: of mine\n")


def test_workers_that_find_no_app_are_not_started_for_ever(folder: Path) -> None:
    done = run("serve", "star:nope", "--workers", "2", "--port", "0", folder=folder)
    assert 'Error: Attribute "nope" not found in module "star".' in done.err
    assert "Traceback" not in done.err


# -- settings as text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("500", 500), ("64MiB", 64 * 2**20), ("10MB", 10**7), ("10 mb", 10**7),
        ("1.5kB", 1500), ("0.5 GiB", 2**29), (" 2 TiB ", 2**41), ("7 b", 7), ("0.0015kb", 1),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1e6", "MiB", "1 XB", "1.2.3", "1,5", "nan", "٣"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1_000_000, "977 KiB"),
        (1023 * 1024, "0.999 MiB"), (64 * 2**20, "64 MiB"), (3 * 2**29, "1.5 GiB"),
        (2**41, "2 TiB"), (2**52, "4096 TiB"),
    ],
)  # fmt: skip
def test_sizes_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


def test_rules() -> None:
    text = "POST,put /images/{name} mode=require max_body_size=10MB media_types=a/b,c/d"
    assert parse_route(text) == {
        "path": "/images/{name}",
        "methods": ["POST", "put"],
        "mode": "require",
        "max_body_size": 10_000_000,
        "media_types": ["a/b", "c/d"],
    }
    assert parse_route("/x copy_response=true") == {"path": "/x", "copy_response": True}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a rule"),
        ("POST", "is not a rule"),
        ("POST images", "is not a rule"),
        ("/x mode", "must be option=value"),
        ("/x mode=off mode=off", "each option once"),
        ("/x path=/y", "the path of a rule stands before"),
        ("/x methods=GET", "the methods of a rule stands before"),
        ("/x mood=off", "unknown option 'mood'"),
        ("/x mode=no", "mode must be one of"),
        ("/x max_body_size=1q", "max_body_size: '1q' is not a size"),
        ("/x copy_response=yes", "copy_response must be true or false, not 'yes'"),
        ("/x on_exchange=print", "on_exchange is a function: it can be set in Python only"),
        ("/{x:nope} mode=off", "cannot be read"),
    ],
)
def test_wrong_rules(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_route(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool", "pyproject.toml cannot be read"),
        ("[tool]\nbinary_middleware = 3", "pyproject.toml, tool.binary_middleware: it must be a"),
        ("[tool.binary_middleware]\nmood = 1", "unknown option 'mood'"),
        ("[tool.binary_middleware]\nmax_body_size = 1.5", "must be a number of bytes"),
        ("[tool.binary_middleware]\nopenapi_path = 1", "openapi_path must be a path, not 1"),
        ("[tool.binary_middleware]\nroutes = 1", "routes must be tables"),
        ("[[tool.binary_middleware.routes]]\nmode = 'off'", "route 1: it must have a path"),
        (
            "[[tool.binary_middleware.routes]]\npath = '/x'\nmethods = 'GET'",
            "route 1: methods must be a list of names, not 'GET'",
        ),
        (
            "[[tool.binary_middleware.routes]]\npath = '/x'\n"
            "[[tool.binary_middleware.routes]]\npath = '/y'\nmood = 1",
            "route 2: unknown option",
        ),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_pyproject(file)


def test_a_file_that_says_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    assert read_pyproject(file) == Settings()
    file.write_text("[project]\nname = 'x'")
    assert read_pyproject(file) == Settings()


def test_settings_travel_as_text(tmp_path: Path) -> None:
    settings = Settings({"mode": "off"}, [parse_route("GET /x arrays=map")], "/document")
    assert Settings.from_json(settings.to_json()) == settings
    assert json.loads(settings.to_json())["openapi_path"] == "/document"
    (rule,) = settings.rules()
    assert rule.matches("/x", "GET")
    assert not rule.matches("/x", "POST")


# -- what is not installed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "arguments", "said"),
    [
        ("click", ["inspect", "-"], "the command line needs click"),
        ("uvicorn", ["serve", "star:app"], "serve needs uvicorn"),
        ("httpx", ["call", "http://127.0.0.1:1/"], "calls need httpx2"),
    ],
)
def test_what_is_absent_is_named(
    folder: Path, package: str, arguments: list[str], said: str
) -> None:
    # A package of that name that cannot be imported comes before the one that is installed.
    absent = "import sys; raise ModuleNotFoundError('No module named ' + __name__, name=__name__)"
    shadows = folder / "shadows"
    shadows.mkdir()
    for name in {package, "httpx2"} if package == "httpx" else {package}:
        (shadows / f"{name}.py").write_text(absent)
    path = os.pathsep.join([str(shadows), str(Path(__file__).parent.parent.parent)])
    done = run(*arguments, folder=folder, environment={"PYTHONPATH": path})
    assert done.code in (1, 2)
    assert done.err == f"Error: {said}: pip install 'binary-middleware[cli]'\n"


def test_help_names_every_command_and_imports_none() -> None:
    done = run("--help")
    assert done.code == 0
    for name in ("serve", "call", "inspect", "bench"):
        assert f"  {name} " in done.out
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from binary_middleware.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "binary_middleware.cli.group" in loaded.split()
    assert not {"uvicorn", "httpx2", "httpx", "fastapi"} & set(loaded.split())

"""JavaScript at the other end: both msgpack packages of npm under Node, and ``docs/javascript.md``.

Node and npm have to be on the machine; the packages are installed into a folder of the test run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import Body, FastAPI
from pydantic import BaseModel

from binary_middleware import NumpyArrayField
from binary_middleware.fastapi import add_binary_mode
from example_app import digits
from example_app.app import app as example_app
from tests.serving import serving

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="Node is not installed"
)

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = Path(__file__).parent / "javascript"
BLOCKS = re.findall(
    r"^```js\n(.*?)^```$",
    (ROOT / "docs" / "javascript.md").read_text(),
    re.DOTALL | re.MULTILINE,
)
(ARRAYS,) = (block for block in BLOCKS if block.startswith("// arrays.js"))
(OTHER_IMPORT,) = (block for block in BLOCKS if block.startswith("import { pack as encode"))
EXAMPLES = [block for block in BLOCKS if block not in (ARRAYS, OTHER_IMPORT)]
IMPORT = 'import { decode, encode } from "@msgpack/msgpack";\n'


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the packages of npm."""
    folder = tmp_path_factory.mktemp("npm")
    shutil.copy(SCRIPTS / "package.json", folder)
    # Neither package needs others, so that the versions in package.json are all there is to lock.
    options = ["--omit=optional", "--ignore-scripts", "--no-package-lock", "--no-audit"]
    done = subprocess.run(
        ["npm", "install", *options], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(params=["@msgpack/msgpack", "msgpackr"])
def project(packages: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Yield a folder with the client of the docs as ``arrays.js``, and the scripts that use it."""
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    assert ARRAYS.count(IMPORT) == 1
    client = ARRAYS.replace(IMPORT, OTHER_IMPORT) if request.param == "msgpackr" else ARRAYS
    (tmp_path / "arrays.js").write_text(client)
    for script in SCRIPTS.glob("*.js"):
        shutil.copy(script, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def example_url() -> Iterator[str]:
    with serving(example_app) as url:
        yield url


class Named(BaseModel):
    first: NumpyArrayField
    name: str
    second: NumpyArrayField


@pytest.fixture(scope="module")
def echo_url() -> Iterator[str]:
    app = FastAPI()
    add_binary_mode(app)

    @app.post("/echo")
    async def echo(array: Annotated[NumpyArrayField, Body(embed=True)]) -> dict[str, Any]:
        return {"dtype": str(array.array.dtype), "array": array}

    @app.post("/arrays")
    async def arrays(name: Annotated[str, Body()], length: Annotated[int, Body()]) -> Named:
        array = NumpyArrayField(np.arange(length, dtype="float64"))
        return Named(first=array, name=name, second=array)

    with serving(app) as url:
        yield url


def node(project: Path, script: str, *arguments: str) -> str:
    """Run a script and return what it prints."""
    environment = {**os.environ, "NO_COLOR": "1", "no_proxy": "127.0.0.1"}
    command = ["node", script, *arguments]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_digits_are_classified(project: Path, example_url: str) -> None:
    images = digits.digits_split().held_out_images.astype("float32")
    (project / "images").write_bytes(images.tobytes())
    response = json.loads(node(project, "digits.js", example_url, "images"))
    expected = digits.class_probabilities(images)
    assert response["shape"] == list(expected.shape)
    assert response["digits"] == expected.argmax(axis=1).tolist()
    found = np.array(response["probabilities"], "float32").reshape(expected.shape)
    np.testing.assert_array_equal(found, expected)


def test_typed_arrays_of_every_kind_come_back(project: Path, echo_url: str) -> None:
    kinds = json.loads(node(project, "echo.js", echo_url))
    whole = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    assert kinds == [*whole, "float32", "float64", "float32", "float64"]


def test_large_arrays_are_views_of_the_body(project: Path, echo_url: str) -> None:
    shared = json.loads(node(project, "views.js", echo_url, "2048"))
    assert len(shared) == 48
    assert all(shared)


def test_small_arrays_are_right_wherever_they_are(project: Path, echo_url: str) -> None:
    shared = json.loads(node(project, "views.js", echo_url, "3"))
    assert len(set(shared)) == 2, "some are aligned by chance, and some are copied"


def test_maps_of_msgpack_numpy_are_refused_there(packages: Path, echo_url: str) -> None:
    for script in SCRIPTS.glob("*.js"):
        shutil.copy(script, packages)
    plain, msgpackr, status = node(packages, "refused.js", echo_url).splitlines()
    assert "type of key must be string or number" in plain
    assert "Invalid property type" in msgpackr
    assert status == "400"


def test_a_browser_can_load_what_the_import_map_names(packages: Path) -> None:
    page = (ROOT / "docs" / "javascript.md").read_text()
    (html,) = re.findall(r"^```html\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (import_map,) = re.findall(r'<script type="importmap">(.*?)</script>', html, re.DOTALL)
    (entry,) = json.loads(import_map)["imports"].values()
    modules = list((packages / entry).parent.rglob("*.mjs"))
    assert packages / entry in modules
    # A name that is no path is one that a browser cannot resolve by itself.
    imported = re.compile(r'\bfrom "([^"]+)"')
    names = [name for module in modules for name in imported.findall(module.read_text())]
    assert names
    assert all(name.startswith(("./", "../")) for name in names)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_of_the_docs(project: Path, example_url: str, number: int) -> None:
    code = EXAMPLES[number]
    (project / "example.js").write_text(code.replace("http://127.0.0.1:8000", example_url))
    expected = "".join(f"{line}\n" for line in re.findall(r"^// (.*)$", code, re.MULTILINE))
    assert expected
    assert node(project, "example.js") == expected

"""Chains at the other end: the real ``truss`` of PyPI, in an environment of its own.

That environment is made once, takes most of a minute, and is kept in the one of the tests.
"""

from __future__ import annotations

import datetime
import decimal
import json
import subprocess
import sys
import uuid
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx2
import numpy as np
import pytest
from fastapi import Body, FastAPI
from pydantic import BaseModel, ConfigDict

from binary_middleware import NumpyArrayField, packb, unpackb
from binary_middleware.client import BinaryClient
from binary_middleware.fastapi import add_binary_mode
from tests.serving import serving

SCRIPTS = Path(__file__).parent / "chains"
ENVIRONMENT = Path(sys.prefix) / "chains"

# What chainlets are built with, by the requirements of truss 0.18.35 for its servers.
REQUIREMENTS = [
    "truss==0.18.35",
    "fastapi",
    "aiohttp",
    "msgpack==1.1.0",
    "msgpack-numpy==0.4.8",
    "numpy<2; python_version < '3.13'",
    "numpy; python_version >= '3.13'",
]


@pytest.fixture(scope="module")
def chains_python() -> Path:
    """Return the interpreter of an environment in which truss is installed."""
    python = ENVIRONMENT / "bin" / "python"
    installed = ENVIRONMENT / "installed.json"
    if not installed.exists() or json.loads(installed.read_text()) != REQUIREMENTS:
        venv.create(ENVIRONMENT, clear=True, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        done = subprocess.run([*pip, *REQUIREMENTS], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        installed.write_text(json.dumps(REQUIREMENTS))
    return python


class Measurement(BaseModel):
    """The model of ``tests/integration/chains/models.py``, with our field."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    name: str
    samples: NumpyArrayField
    raw: bytes
    taken: datetime.datetime
    local: datetime.datetime
    day: datetime.date
    at: datetime.time
    took: datetime.timedelta
    price: decimal.Decimal
    id: uuid.UUID


MEASUREMENT = Measurement(
    name="first",
    samples=np.arange(6, dtype="float32").reshape(2, 3),
    raw=bytes(range(256)),
    taken=datetime.datetime(2026, 1, 31, 12, 0, 0, 1, datetime.UTC),
    local=datetime.datetime(2026, 1, 31, 12),
    day=datetime.date(2026, 1, 31),
    at=datetime.time(12, 30, 0, 5),
    took=datetime.timedelta(days=-1, seconds=5, microseconds=7),
    price=decimal.Decimal("1.50"),
    id=uuid.UUID("9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"),
)

SHOWN = {
    "name": ["str", "first"],
    "samples": ["ndarray", "float32", [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]],
    "raw": ["bytes", bytes(range(256)).hex()],
    "taken": ["datetime", "2026-01-31 12:00:00.000001+00:00"],
    "local": ["datetime", "2026-01-31 12:00:00"],
    "day": ["date", "2026-01-31"],
    "at": ["time", "12:30:00.000005"],
    "took": ["timedelta", "-1 day, 0:00:05.000007"],
    "price": ["Decimal", "1.50"],
    "id": ["UUID", "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"],
}
"""What ``tests/integration/chains/client.py`` prints of :data:`MEASUREMENT`."""

SHOWN_AS_TEXT = {
    "taken": "2026-01-31T12:00:00.000001Z",
    "local": "2026-01-31T12:00:00",
    "day": "2026-01-31",
    "at": "12:30:00.000005",
    "took": "-PT23H59M54.999993S",
    "price": "1.50",
    "id": "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d",
}


# Chains calls our server.


def our_app(dialect: str = "plain") -> FastAPI:
    app = FastAPI()
    chains_type = f"application/octet-stream; dialect={dialect}"
    add_binary_mode(app, media_types=(chains_type, "application/msgpack"))

    @app.post("/measure")
    async def measure(measurement: Measurement) -> Measurement:
        assert measurement == MEASUREMENT, "every value has the type of its field"
        return measurement

    @app.post("/run_remote")
    async def run_remote(
        measurement: Measurement, times: Annotated[int, Body()]
    ) -> tuple[Measurement, int]:
        return measurement, times

    return app


def calls_of_chains(python: Path, app: FastAPI, mode: str) -> dict[str, Any]:
    """Return what Chains' stub received from the app."""
    with serving(app) as url:
        command = [str(python), "client.py", url, mode]
        done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


@pytest.mark.parametrize("dialect", ["plain", "chains"])
def test_stub_in_binary_mode(chains_python: Path, dialect: str) -> None:
    printed = calls_of_chains(chains_python, our_app(dialect=dialect), "binary")
    # A model makes dates of maps and of text alike; without a model, they are what they are.
    assert printed["synchronous"] == printed["asynchronous"] == SHOWN
    if dialect == "chains":
        assert printed["raw"] == SHOWN
    else:
        as_text = {name: ["str", text] for name, text in SHOWN_AS_TEXT.items()}
        assert printed["raw"] == {**SHOWN, **as_text}
    assert printed["returned"] == [SHOWN, 3]
    assert printed["is_writeable"] is False, "docs/chains.md says so"
    # The stub reads errors as JSON only, so that it has no more than the status to tell.
    kind, message = printed["failure"]
    assert kind == "ValueError"
    assert "HTTP status=422" in message


def test_stub_in_json_mode(chains_python: Path) -> None:
    printed = calls_of_chains(chains_python, our_app(), "json")
    assert printed["synchronous"] == printed["asynchronous"] == SHOWN
    assert printed["returned"] == [SHOWN, 3]
    kind, message = printed["failure"]
    assert kind == "ValueError"
    assert "HTTP status=422" in message


# Our client calls a server of Chains.


@pytest.fixture(scope="module")
def chainlet(chains_python: Path) -> Iterator[httpx2.Client]:
    """Yield a client of a server that decodes and encodes as Chains does."""
    with subprocess.Popen(
        [str(chains_python), "server.py"],
        cwd=SCRIPTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        with httpx2.Client(base_url=url, trust_env=False, timeout=30) as client:
            yield client
        process.communicate("")


BINARY = {"Content-Type": "application/octet-stream"}


@pytest.mark.parametrize("dialect", ["plain", "chains"])
def test_model_of_ours_in_a_chainlet(chainlet: httpx2.Client, dialect: str) -> None:
    body = packb(MEASUREMENT, dialect=dialect)
    response = chainlet.post("/model", content=body, headers=BINARY)
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert Measurement.model_validate(unpackb(response.content)) == MEASUREMENT


def test_binary_client_calls_a_chainlet(chainlet: httpx2.Client) -> None:
    client = BinaryClient(chainlet, media_type="application/octet-stream")
    assert client.post("/model", MEASUREMENT, Measurement) == MEASUREMENT


def test_values_without_a_model_in_a_chainlet(chainlet: httpx2.Client) -> None:
    document = MEASUREMENT.model_dump()
    response = chainlet.post("/raw", content=packb(document, dialect="chains"), headers=BINARY)
    value = unpackb(response.content)
    assert np.array_equal(value.pop("samples"), document.pop("samples"))
    assert value == document
    assert {name: type(item) for name, item in value.items()} == {
        name: type(item) for name, item in document.items()
    }


def test_a_chainlet_writes_what_we_write(chainlet: httpx2.Client) -> None:
    ours = packb(MEASUREMENT, dialect="chains")
    assert chainlet.post("/model", content=ours, headers=BINARY).content == ours


def test_json_of_a_chainlet(chainlet: httpx2.Client) -> None:
    response = chainlet.post(
        "/model",
        content=MEASUREMENT.model_dump_json(),
        headers={"Content-Type": "application/json"},
    )
    assert Measurement.model_validate_json(response.content) == MEASUREMENT

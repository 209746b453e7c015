"""The command lines of ``docs/deployment.md``, each of which serves arrays as the page says."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest

from binary_middleware import packb, unpackb

PAGE = (Path(__file__).parent.parent.parent / "docs" / "deployment.md").read_text()
SCRIPTS = Path(sysconfig.get_path("scripts"))
MSGPACK = {"Content-Type": "application/msgpack"}

# How each server is told where to listen, which the page leaves at its default.
ADDRESS = {
    "uvicorn": "--port {port}",
    "gunicorn": "--bind 127.0.0.1:{port}",
    "granian": "--port {port}",
    "hypercorn": "--bind 127.0.0.1:{port}",
}

BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
LINES = [line for block in BLOCKS for line in block.splitlines()]
COMMANDS = [line for line in LINES if line.split()[0] in ADDRESS]

APP = """
from fastapi import FastAPI

from binary_middleware import NumpyArrayField
from binary_middleware.fastapi import add_binary_mode

app = FastAPI()
add_binary_mode(app)


@app.post("/double")
async def double(array: NumpyArrayField) -> NumpyArrayField:
    array.array *= 2
    return array
"""


@contextlib.contextmanager
def started(command: str, folder: Path) -> Iterator[str]:
    """Run a command line of the page with the app; gives the URL, and stops it in the end."""
    (folder / "app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    name, *arguments = shlex.split(command)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(SCRIPTS / name), *arguments, *ADDRESS[name].format(port=port).split()],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Some find the app in the folder of their script, and not in their own.
            env={**os.environ, "PYTHONPATH": str(folder)},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(httpx2.TransportError):
                httpx2.get(f"{url}/openapi.json", trust_env=False)
                break
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield url
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        with pytest.raises(httpx2.TransportError):
            httpx2.get(url, trust_env=False)
    finally:
        with contextlib.suppress(ProcessLookupError):  # the workers of one that did not stop
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


def test_the_page_names_the_servers() -> None:
    assert {command.split()[0] for command in COMMANDS} == set(ADDRESS)
    assert len(COMMANDS) > len(ADDRESS)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_array_there_and_back(command: str, tmp_path: Path) -> None:
    array = np.arange(2**20, dtype="float64")  # 8 MiB
    body = packb(array)
    # Two workers show what four do, and start in half the time.
    fewer = command.replace("--workers 4", "--workers 2")
    assert fewer != command
    with started(fewer, tmp_path) as url:
        for _ in range(3):
            response = httpx2.post(f"{url}/double", content=body, headers=MSGPACK, trust_env=False)
            assert response.status_code == 200
            assert response.headers["Content-Type"] == "application/msgpack"
            np.testing.assert_array_equal(unpackb(response.content), array * 2)
        refused = httpx2.post(f"{url}/double", content=b"\xc1", headers=MSGPACK, trust_env=False)
        assert refused.status_code == 400
        assert refused.headers["Content-Type"] == "application/problem+msgpack"

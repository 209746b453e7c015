"""Ray Serve with two replicas of each app: the example, the one of ``docs/deployment.md``, our own.

Ray has processes of its own, and some of its threads outlive it, so it runs in another process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray

from binary_middleware import packb, unpackb
from binary_middleware.client import BinaryClient
from example_app import sounds
from example_app.chord import chord_wav
from example_app.digits import digits_split

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed"
)

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "deployment.md").read_text()
BLOCKS = re.findall(r"^```py\n(# on_ray\.py\n.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
README = (ROOT / "README.md").read_text()
APPS = re.findall(r"^```python\n(# app\.py\n.*?)^```$", README, re.DOTALL | re.MULTILINE)
STARTUP_SECONDS = 120.0
SHUTDOWN_SECONDS = 60.0
MIB = 1024 * 1024
LIMIT = 32 * MIB
"""``max_body_size`` of ``ray_app``, which only Ray can import."""

MSGPACK = {"Content-Type": "application/msgpack"}
MEDIA_TYPES = ["application/msgpack", "application/json"]
LENGTHS = [0, 1, 1000, 16 * 1024, MIB // 4, 2 * MIB]
"""Of arrays of float32: the largest has 8 MiB."""


def descendants(pid: int) -> set[int]:
    """Return the processes that a process started, and those that they started."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listing.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: set[int]) -> set[int]:
    """Those that run; one that has ended and waits to be collected does not."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True)
    running = (line.split() for line in listing.stdout.splitlines())
    return {int(pid) for pid, state in running if not state.startswith("Z")} & pids


@contextlib.contextmanager
def ray_serve(folder: Path, **services: str) -> Iterator[str]:
    """Run Ray Serve with services, each below its name; gives the URL of the proxy.

    Fails if anything is left of it in the end.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as session,
        (folder / "log").open("w+") as log,
    ):
        command = [sys.executable, "-m", "tests.integration.ray_server", str(port), session]
        command += [f"{name}={service}" for name, service in services.items()]
        environment = {
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder))),
            "RAY_USAGE_STATS_ENABLED": "0",
            # Without one Ray makes a token and keeps it in the home directory.
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        # It then shuts down as it does when all is well.
        watchdog = threading.Timer(STARTUP_SECONDS, process.send_signal, [signal.SIGINT])
        watchdog.start()
        started: set[int] = set()
        try:
            ready = any(line == "ready\n" for line in process.stdout)
            watchdog.cancel()
            assert ready, (folder / "log").read_text()
            started = descendants(process.pid)
            assert started
            yield f"http://127.0.0.1:{port}"
            process.stdin.close()
            assert process.wait(SHUTDOWN_SECONDS) == 0, (folder / "log").read_text()
            deadline = time.monotonic() + SHUTDOWN_SECONDS
            while alive(started) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert not alive(started)
        finally:
            watchdog.cancel()
            started |= descendants(process.pid)
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
            for pid in alive(started):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("ray")
    assert (len(BLOCKS), len(APPS)) == (1, 1)
    (folder / "on_ray.py").write_text(BLOCKS[0])
    (folder / "app.py").write_text(APPS[0])
    with ray_serve(
        folder,
        example="example_app.on_ray:service",
        page="on_ray:service",
        doubling="tests.integration.ray_app:service",
    ) as url:
        yield url


@pytest.fixture
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


def samples(length: int) -> NDArray[np.float32]:
    return np.random.default_rng(length).standard_normal(length, "float32")


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_methods_of_replicas_take_and_return_arrays(
    http: httpx2.Client, media_type: str, length: int
) -> None:
    array = samples(length)
    client = BinaryClient(http, media_type=media_type)
    reply = client.send("POST", "/doubling/double", array, NDArray[np.float32])
    assert reply.response.headers["Content-Type"] == media_type
    np.testing.assert_array_equal(reply.value, array * 2)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("length", LENGTHS[1:])
def test_the_page(http: httpx2.Client, media_type: str, length: int) -> None:
    array = samples(length)
    client = BinaryClient(http, media_type=media_type)
    response = client.post("/page/normalize", {"rate": 44_100.0, "samples": array})
    np.testing.assert_array_equal(response["samples"], array / abs(array).max())


def test_the_example(http: httpx2.Client) -> None:
    images = digits_split().held_out_images
    binary, json = (BinaryClient(http, media_type=media_type) for media_type in MEDIA_TYPES)
    in_binary = binary.post("/example/digits/classify", {"images": images})
    in_json = json.post("/example/digits/classify", {"images": images})
    assert np.mean(in_binary["digits"] == digits_split().held_out_labels) > 0.9
    assert in_binary["digits"] == in_json["digits"]
    np.testing.assert_array_equal(in_binary["probabilities"], in_json["probabilities"])

    wav = chord_wav(seconds=4 * MIB / 16_000)
    assert len(wav) > 8 * MIB
    expected = sounds.spectrogram(sounds.read_wav(wav), 1024)
    response = binary.post("/example/spectrogram", {"wav": wav})
    np.testing.assert_allclose(response["amplitudes"], expected.amplitudes, rtol=1e-4, atol=1e-6)


def test_the_document_of_the_example_is_the_one_that_uvicorn_serves(http: httpx2.Client) -> None:
    from example_app.app import app

    document = http.get("/example/openapi.json").json()
    assert document.pop("servers") == [{"url": "/example"}]
    assert document == app.openapi()


def test_both_replicas_response(http: httpx2.Client) -> None:
    seen = set()
    for _ in range(500):
        seen.add(http.get("/doubling/replica").json())
        if len(seen) == 2:
            break
    assert len(seen) == 2


def test_arrays_are_objects_before_they_get_to_the_app(http: httpx2.Client) -> None:
    body = packb(samples(10))
    response = http.post("/doubling/document", content=body, headers=MSGPACK)
    assert unpackb(response.content) == "ndarray"


@pytest.mark.parametrize(
    ("path", "content", "media_type", "status"),
    [
        ("double", b"\xc1", "application/msgpack", 400),
        ("double", packb(samples(1000))[:-1], "application/msgpack", 400),
        ("small", packb(samples(1000)), "application/msgpack", 413),
        ("double", bytes(LIMIT + 1), "application/msgpack", 413),
        ("strict", b"{}", "application/json", 415),
        ("double", packb("not an array"), "application/msgpack", 422),
    ],
    ids=["malformed", "cut", "rule", "limit", "json", "validation"],
)
def test_refusals(
    http: httpx2.Client, path: str, content: bytes, media_type: str, status: int
) -> None:
    headers = {"Content-Type": media_type, "Accept": "application/msgpack"}
    response = http.post(f"/doubling/{path}", content=content, headers=headers)
    assert response.status_code == status
    kind = "msgpack" if status == 422 else "problem+msgpack"
    assert response.headers["Content-Type"] == f"application/{kind}"
    problem = unpackb(response.content)
    assert "detail" in problem
    assert status == 422 or problem["status"] == status


def test_a_large_body_comes_in_pieces(http: httpx2.Client) -> None:
    body = bytes(8 * MIB)
    pieces = http.post("/doubling/pieces", content=body).json()
    assert len(pieces) > 1
    assert sum(pieces) == len(body)


def test_an_upload_without_a_length(http: httpx2.Client) -> None:
    array = samples(MIB // 4)
    body = packb(array)
    pieces = (body[start : start + 50_000] for start in range(0, len(body), 50_000))
    response = http.post("/doubling/double", content=pieces, headers=MSGPACK)
    np.testing.assert_array_equal(unpackb(response.content), array * 2)


def test_an_response_streams(http: httpx2.Client) -> None:
    with http.stream("GET", "/doubling/halves") as response:
        pieces = response.iter_raw()
        assert next(pieces) == b"first"
        # Whichever replica it is: it sends the rest only now.
        released = set()
        while len(released) < 2:
            released.add(http.post("/doubling/release").json())
        assert b"".join(pieces) == b"second"


def test_what_ray_answers_itself_is_plain_text(http: httpx2.Client) -> None:
    headers = {"Accept": "application/msgpack", "X-Request-Timeout-Seconds": "0.2"}
    response = http.get("/doubling/never", headers=headers)
    assert response.status_code == 408
    assert response.headers["Content-Type"].startswith("text/plain")

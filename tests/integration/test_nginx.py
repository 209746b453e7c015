"""The configuration of ``docs/deployment.md`` in a real nginx, in front of a real uvicorn."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI, Response

from binary_middleware import ExchangeInfo, NumpyArrayField, packb, unpackb
from binary_middleware.fastapi import add_binary_mode
from tests.serving import serving

# Debian has it in /usr/sbin, which only root has in its PATH.
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

PAGE = Path(__file__).parent.parent.parent / "docs" / "deployment.md"
BLOCKS = re.findall(r"^```nginx\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
MIB = 1024 * 1024
MSGPACK = {"Content-Type": "application/msgpack"}
BUFFERING = re.compile(r"^ *(proxy_request_buffering|proxy_buffering) off;\n", re.MULTILINE)


class Served:
    """An app with binary mode, and what the tests want to know of it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.doubled = 0
        self.ramps = 0
        self.records: list[ExchangeInfo] = []
        self.recorded = threading.Event()
        add_binary_mode(self.app, on_exchange=self.note)

        @self.app.post("/double")
        async def double(array: NumpyArrayField) -> NumpyArrayField:
            self.doubled += 1
            array.array *= 2
            return array

        @self.app.get("/ramp")
        async def ramp(response: Response) -> NumpyArrayField:
            self.ramps += 1
            response.headers["Cache-Control"] = "max-age=3600"
            return NumpyArrayField(np.zeros(1000, "int32"))

    def note(self, record: ExchangeInfo) -> None:
        self.records.append(record)
        self.recorded.set()


@contextlib.contextmanager
def nginx(block: str, backend: str, folder: Path, more: str = "") -> Iterator[int]:
    """Run nginx with the block of the page; gives its port.

    Args:
        block: the configuration, as the page has it.
        backend: host and port of the app.
        folder: where nginx has its files.
        more: directives beside the block.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for name, here in (("127.0.0.1:8000", backend), ("listen 80;", f"listen 127.0.0.1:{port};")):
        assert block.count(name) == 1
        block = block.replace(name, here)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    # One process, with the rights of the tests: a worker of its own could not read the folder.
    configuration.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{more}\n{block}}}\n"
    )
    process = subprocess.Popen(
        [str(NGINX), "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(configuration)]
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            assert process.poll() is None, (folder / "error.log").read_text()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert time.monotonic() < deadline, "nginx did not start in time"
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def behind_nginx(
    served: Served, folder: Path, *, block: str | None = None, more: str = ""
) -> Iterator[httpx2.Client]:
    """Return a client of nginx, with the app behind it."""
    assert len(BLOCKS) == 1
    with (
        serving(served.app) as url,
        nginx(block or BLOCKS[0], url.removeprefix("http://"), folder, more) as port,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize("buffered", [False, True])
def test_arrays_there_and_back(tmp_path: Path, *, buffered: bool) -> None:
    block = BUFFERING.sub("", BLOCKS[0]) if buffered else BLOCKS[0]
    assert (block != BLOCKS[0]) == buffered
    array = np.arange(MIB, dtype="float64")
    with behind_nginx(Served(), tmp_path, block=block) as client:
        for _ in range(3):  # over the connections that nginx keeps
            response = client.post("/double", content=packb(array), headers=MSGPACK)
            assert response.status_code == 200
            assert response.headers["Content-Type"] == "application/msgpack"
            assert int(response.headers["Content-Length"]) == len(response.content)
            np.testing.assert_array_equal(unpackb(response.content), array * 2)


def test_an_upload_in_chunks(tmp_path: Path) -> None:
    body = packb(np.arange(MIB, dtype="int32"))
    pieces = (body[start : start + 50_000] for start in range(0, len(body), 50_000))
    with behind_nginx(Served(), tmp_path) as client:
        response = client.post("/double", content=pieces, headers=MSGPACK)
        assert unpackb(response.content)[-1] == 2 * (MIB - 1)


def test_json_is_compressed_and_msgpack_is_not(tmp_path: Path) -> None:
    with behind_nginx(Served(), tmp_path) as client:
        gzip = {"Accept-Encoding": "gzip"}
        json = client.get("/ramp", headers=gzip)
        msgpack = client.get("/ramp", headers={**gzip, "Accept": "application/msgpack"})
    assert json.headers["Content-Encoding"] == "gzip"
    assert json.json()["shape"] == [1000]
    varies = {part.strip() for part in json.headers["Vary"].split(",")}
    assert varies == {"Accept", "Accept-Encoding"}
    assert "Content-Encoding" not in msgpack.headers
    assert unpackb(msgpack.content).shape == (1000,)


def test_the_app_answers_for_its_limit_and_nginx_for_its_own(tmp_path: Path) -> None:
    served = Served()
    with behind_nginx(served, tmp_path) as client:
        for size, media_type in (
            (64 * MIB + 1, "application/problem+msgpack"),
            (65 * MIB + 1, "text/html"),
        ):
            response = client.post("/double", content=bytes(size), headers=MSGPACK)
            assert (response.status_code, response.headers["Content-Type"]) == (413, media_type)
    assert served.doubled == 0
    assert [record.status for record in served.records] == [413]


def test_a_client_that_goes_away_is_not_half_a_body(tmp_path: Path) -> None:
    served = Served()
    body = packb(np.arange(MIB, dtype="int32"))
    with behind_nginx(served, tmp_path) as client:
        address = ("127.0.0.1", client.base_url.port)
        with socket.create_connection(address) as connection:
            connection.sendall(
                b"POST /double HTTP/1.1\r\nHost: app\r\nContent-Type: application/msgpack\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)
            )
            connection.sendall(body[: len(body) // 2])
        assert served.recorded.wait(20), "the app was not told"
    assert served.doubled == 0
    assert served.records[0].status != 200


def test_a_cache_keeps_json_and_msgpack_apart(tmp_path: Path) -> None:
    served = Served()
    cache = f"proxy_cache_path {tmp_path}/cache keys_zone=responses:1m;\nproxy_cache responses;"
    # nginx caches nothing that it does not buffer.
    with behind_nginx(served, tmp_path, block=BUFFERING.sub("", BLOCKS[0]), more=cache) as client:
        for _ in range(2):
            for media_type in ("application/msgpack", "application/json"):
                response = client.get("/ramp", headers={"Accept": media_type})
                assert response.headers["Content-Type"] == media_type
    assert served.ramps == 2


@pytest.mark.parametrize("accept", [{"Accept": "*/*"}, {}], ids=["anything", "none"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("body", [b"", packb(1)], ids=["empty", "body"])
def test_a_cache_hands_no_msgpack_to_json_clients(
    tmp_path: Path, accept: dict[str, str], method: str, body: bytes
) -> None:
    """Content-Type is no part of the key of a cache, unless Vary says so."""
    served = Served()
    cache = f"proxy_cache_path {tmp_path}/cache keys_zone=responses:1m;\nproxy_cache responses;"
    with behind_nginx(served, tmp_path, block=BUFFERING.sub("", BLOCKS[0]), more=cache) as client:
        del client.headers["Accept"]
        first = client.request(method, "/ramp", content=body, headers={**MSGPACK, **accept})
        assert first.status_code == 200
        response = client.get("/ramp", headers=accept)
        assert response.headers["Content-Type"] == "application/json"
        assert response.json()["shape"] == [1000]
    assert served.ramps == 1  # the second one is from the cache


def test_a_cache_that_keeps_posts_keeps_json_and_msgpack_apart(tmp_path: Path) -> None:
    cache = (
        f"proxy_cache_path {tmp_path}/cache keys_zone=responses:1m;\nproxy_cache responses;\n"
        "proxy_cache_methods POST;\nproxy_cache_key $uri;\nproxy_cache_valid any 1h;"
    )
    array = np.arange(3, dtype="int8")
    as_json = {"shape": [3], "dtype": "int8", "data_b64": "AAEC"}
    served = Served()
    with behind_nginx(served, tmp_path, block=BUFFERING.sub("", BLOCKS[0]), more=cache) as client:
        for _ in range(2):
            msgpack = client.post("/double", content=packb(array), headers=MSGPACK)
            np.testing.assert_array_equal(unpackb(msgpack.content), array * 2)
            assert client.post("/double", json=as_json).json()["data_b64"] == "AAIE"
        assert served.doubled == 2
        # What is refused is refused to one client, not to all.
        headers = {**MSGPACK, "Accept": "application/msgpack"}
        assert client.post("/double", content=b"\xc1", headers=headers).status_code == 400
        assert client.post("/double", content=packb(array), headers=headers).status_code == 200

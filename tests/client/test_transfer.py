"""Uploads and downloads: slices, lengths, progress and memory."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from binary_middleware import packb
from binary_middleware._asgi.sending import SEND_CHUNK_SIZE
from binary_middleware.client import AsyncBinaryClient, BinaryClient, TransferProgress
from binary_middleware.client._transfer import AsyncUpload, BlockingUpload, Download
from tests.client import apps
from tests.client.apps import LARGE
from tests.client.conftest import MakeClient
from tests.processes import MIB, Peak, in_child, needs_proc
from tests.serving import serving


class FakeResponse:
    """The part of httpx's response that a download uses."""

    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def collected(
    response: FakeResponse, chunks: list[bytes], progress: Any = None
) -> np.ndarray[Any, Any]:
    download = Download(response, progress)
    for chunk in chunks:
        download.add(chunk)
    body = download.body()
    assert body.dtype == np.uint8
    assert body.flags.writeable
    assert body.flags.c_contiguous
    return body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_length": "7"},
        {"content_length": "3"},  # less than there is
        {"content_length": "5"},
        {"content_length": "0"},
        {"content_length": "20"},  # more than there is
        {"content_length": "-7"},
        {"content_length": "\u0667"},
        {"content_length": "9" * 30},
        {"content_length": "3", "content_encoding": "gzip"},
    ],
    ids=str,
)
@pytest.mark.parametrize("chunks", [[b"1234567"], [b"123", b"", b"45", b"67"]], ids=len)
def test_downloads_whatever_was_announced(headers: dict[str, str], chunks: list[bytes]) -> None:
    assert collected(FakeResponse(**headers), chunks).tobytes() == b"1234567"


def test_downloads_of_nothing() -> None:
    assert len(collected(FakeResponse(content_length="1000000000000000"), [])) == 0
    assert len(collected(FakeResponse(), [])) == 0


def test_progress_of_downloads() -> None:
    seen: list[TransferProgress] = []
    collected(FakeResponse(content_length="4"), [b"123", b"4"], seen.append)
    assert seen == [TransferProgress("download", 3, 4), TransferProgress("download", 4, 4)]
    seen.clear()
    collected(FakeResponse(content_length="2"), [b"123"], seen.append)
    assert seen == [TransferProgress("download", 3, None)]
    seen.clear()
    collected(FakeResponse(content_length="4", content_encoding="br"), [b"123"], seen.append)
    assert seen == [TransferProgress("download", 3, None)]


def test_uploads_can_be_sent_again_and_report_what_was_sent() -> None:
    seen: list[TransferProgress] = []
    data = bytes(2 * SEND_CHUNK_SIZE + 5)
    upload = BlockingUpload([memoryview(data), b"abc"], seen.append)
    assert upload.length == len(data) + 3
    for _ in range(2):
        pieces = iter(upload)
        assert len(next(pieces)) == SEND_CHUNK_SIZE
        assert seen == []
        assert [len(piece) for piece in pieces] == [SEND_CHUNK_SIZE, 8]
        total = upload.length
        assert seen == [
            TransferProgress("upload", done, total)
            for done in (SEND_CHUNK_SIZE, 2 * SEND_CHUNK_SIZE, total)
        ]
        seen.clear()
    assert b"".join(upload) == data + b"abc"


def test_uploads_are_iterable_in_one_way_only() -> None:
    assert not hasattr(BlockingUpload([], None), "__aiter__")
    assert not hasattr(AsyncUpload([], None), "__iter__")


def test_uploads_show_the_array_as_it_is_when_it_is_sent() -> None:
    array = np.zeros(3 * SEND_CHUNK_SIZE, np.uint8)
    pieces = iter(BlockingUpload([array.data], None))
    assert next(pieces) == bytes(SEND_CHUNK_SIZE)
    array[:] = 1
    assert next(pieces) == b"\x01" * SEND_CHUNK_SIZE


@pytest.mark.parametrize(
    "size", [SEND_CHUNK_SIZE - 100, SEND_CHUNK_SIZE, SEND_CHUNK_SIZE + 100, 5 * SEND_CHUNK_SIZE]
)
def test_lengths_are_right(client: Any, size: int) -> None:
    array = np.arange(size, dtype=np.uint8)
    result = client.send("POST", "/echo", array)
    assert np.array_equal(result.value, array)
    headers = result.response.request.headers
    assert headers["content-length"] == str(len(packb(array)))
    assert "transfer-encoding" not in headers


def test_progress_of_both_bodies(kind: str, binary_url: str, make_client: MakeClient) -> None:
    seen: list[TransferProgress] = []
    client = make_client(kind, binary_url, settings={"progress": seen.append})
    client.post("/echo", LARGE)
    size = len(packb(LARGE))
    uploads = [each for each in seen if each.direction == "upload"]
    downloads = [each for each in seen if each.direction == "download"]
    assert uploads == [
        TransferProgress("upload", min(start + SEND_CHUNK_SIZE, size), size)
        for start in range(0, size, SEND_CHUNK_SIZE)
    ]
    assert all(each.total == size for each in downloads)
    assert downloads[-1].done == size
    assert [each.done for each in downloads] == sorted({each.done for each in downloads})


def test_progress_of_one_call(kind: str, binary_url: str, make_client: MakeClient) -> None:
    of_client: list[TransferProgress] = []
    its: list[TransferProgress] = []
    client = make_client(kind, binary_url, settings={"progress": of_client.append})
    client.post("/echo", 1, progress=its.append)
    assert its == [TransferProgress("upload", 1, 1), TransferProgress("download", 1, 1)]
    client.post("/echo", 1, progress=None)
    assert of_client == []
    client.get("/sum", params={"first": 1, "second": 2}, progress=its.append)
    assert its[2:] == [TransferProgress("download", 1, 1)]


def test_progress_starts_again_with_a_redirect(
    kind: str, binary_url: str, make_client: MakeClient
) -> None:
    seen: list[int] = []
    client = make_client(kind, binary_url, follow_redirects=True)
    client.post(
        "/moved",
        LARGE,
        params={"status": 307},
        progress=lambda progress: progress.direction == "upload" and seen.append(progress.done),
    )
    assert seen.count(len(packb(LARGE))) == 2


def test_exceptions_of_a_callback_end_the_call(client: Any) -> None:
    def stop(progress: TransferProgress) -> None:
        raise KeyError(progress.direction)

    with pytest.raises(KeyError, match="upload"):
        client.post("/echo", LARGE, progress=stop)
    assert client.post("/echo", 1) == 1


def test_responses_without_a_length() -> None:
    async def endpoint(request: Request) -> Response:
        data = packb({"array": LARGE})

        async def chunks() -> Any:
            for start in range(0, len(data), 100_000):
                yield data[start : start + 100_000]

        return StreamingResponse(chunks(), media_type="application/msgpack")

    app = Starlette(routes=[Route("/", endpoint)])
    seen: list[TransferProgress] = []
    found = BinaryClient(TestClient(app)).get("/", progress=seen.append)
    assert np.array_equal(found["array"], LARGE)
    assert found["array"].flags.writeable
    assert seen[-1] == TransferProgress("download", len(packb({"array": LARGE})), None)


def test_arrays_are_views_of_one_buffer(client: Any) -> None:
    first, second = client.post("/echo", [LARGE, LARGE])
    owners = []
    for array in (first, second):
        assert array.flags.writeable
        assert array.flags.aligned
        while array.base is not None:
            array = array.base
        owners.append(array)
    assert owners[0] is owners[1]


def test_bodies_are_freed_without_the_garbage_collector(
    kind: str, binary_url: str, make_client: MakeClient
) -> None:
    client = make_client(kind, binary_url)
    document = LARGE.copy()
    sent = weakref.ref(document)
    gc.collect()
    gc.disable()
    try:
        received = client.post("/moved", document, params={"status": 307}, follow_redirects=True)
        del document
        assert sent() is None
        buffer = received
        while isinstance(buffer.base, np.ndarray):
            buffer = buffer.base
        kept = weakref.ref(buffer)
        del buffer, received
        assert kept() is None
    finally:
        gc.enable()


def measure_post(direction: str, kind: str, url: str) -> float:
    """Return the MiB that a call needs of which one direction has 64 MiB."""
    data = {"array": np.ones(64 * MIB if direction == "upload" else 10, np.uint8)}
    with asyncio.Runner() as runner:
        client: Any = (AsyncBinaryClient if kind == "async" else BinaryClient)(url, timeout=60)

        def post(document: Any, mib: int) -> Any:
            result = client.post("/", document, params={"mib": mib})
            return runner.run(result) if kind == "async" else result

        post({"array": np.ones(MIB, np.uint8)}, 1)
        peak = Peak()
        received = post(data, 64 if direction == "download" else 0)
        assert len(received) == (64 * MIB if direction == "download" else 0)
        return peak.mib


@needs_proc
@pytest.mark.parametrize("kind", ["blocking", "async"])
@pytest.mark.parametrize(("direction", "most"), [("upload", 0.05), ("download", 1.05)])
def test_memory_of_64_mib(direction: str, most: float, kind: str) -> None:
    """An upload needs nothing beside the array that is there already, a download its buffer."""
    with serving(apps.large_app) as url:
        assert in_child(measure_post, direction, kind, url) < most * 64

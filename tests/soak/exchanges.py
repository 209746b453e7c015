"""The exchanges of the soak test: good ones, bad ones, and such as are cut off.

Each is a coroutine function that raises ``Wrong`` if the response is not what it has to be.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import msgpack
import msgpack_numpy
import numpy as np

from binary_middleware import packb, unpackb
from tests.asgi_app import MSGPACK
from tests.soak.app import MAX_BODY, MAX_STRUCTURE, SMALL_BODY

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of the largest arrays."""

LARGE: Final = 1024 * 1024
_POOL: Final = random.Random(0).randbytes(2 * LARGEST)
_DTYPES: Final = ("<f4", "<f8", "<i2", "|u1", "<c8", ">i4")


class Wrong(Exception):
    """A response that is not what it has to be."""


@dataclass
class Visitor:
    """One of the clients.

    ``large`` bounds how many of them send large bodies at the same time: the most that the server
    needs is then the same from one third of the time to the next.
    """

    http: httpx2.AsyncClient
    port: int
    random: random.Random
    large: asyncio.Semaphore

    def document(self, size: int) -> dict[str, Any]:
        """Return a document with an array of about ``size`` bytes."""
        start = self.random.randrange(LARGEST)
        data = _POOL[start : start + size // 8 * 8]
        dtype = np.dtype(self.random.choice(_DTYPES))
        return {
            "name": f"é{start}",
            "values": [self.random.random() for _ in range(self.random.randrange(50))],
            "samples": np.frombuffer(data, dtype),
            "cover": _POOL[start : start + self.random.randrange(20_000)],
        }

    def size(self, largest: int = LARGE) -> int:
        """Return a size in bytes from 1 KiB on, small ones as often as large ones."""
        return int(1024 * (largest / 1024) ** self.random.random())

    async def post(
        self, body: Any, headers: Mapping[str, str] = MSGPACK, path: str = "/echo"
    ) -> httpx2.Response:
        return await self.http.post(path, content=body, headers=dict(headers))


Exchange = Callable[[Visitor], Awaitable[None]]


def _check(response: httpx2.Response, status: int, media_type: str) -> None:
    found = (response.status_code, response.headers.get("content-type", "").partition(";")[0])
    if found != (status, media_type):
        raise Wrong(f"{found} and not {(status, media_type)}: {response.content[:200]!r}")


def _compare(sent: dict[str, Any], got: dict[str, Any]) -> None:
    ours, theirs = sent["samples"], got["samples"]
    if (ours.dtype, ours.shape, ours.tobytes()) != (theirs.dtype, theirs.shape, theirs.tobytes()):
        raise Wrong(f"another array: {theirs.dtype} {theirs.shape}, not {ours.dtype} {ours.shape}")
    for name in ("name", "values", "cover"):
        if sent[name] != got[name]:
            raise Wrong(f"another {name}: {got[name]!r:.100}, not {sent[name]!r:.100}")


def _check_binary(sent: dict[str, Any], response: httpx2.Response) -> None:
    _check(response, 200, "application/msgpack")
    _compare(sent, unpackb(response.content))


def _check_json(sent: dict[str, Any], response: httpx2.Response) -> None:
    _check(response, 200, "application/json")
    got = response.json()
    array = got["samples"]
    data = base64.b64decode(array["data_b64"])
    got["samples"] = np.frombuffer(data, array["dtype"]).reshape(array["shape"])
    got["cover"] = base64.urlsafe_b64decode(got["cover"])
    _compare(sent, got)


def _as_json(document: dict[str, Any]) -> bytes:
    array = document["samples"]
    samples = {
        "shape": array.shape,
        "dtype": array.dtype.str,
        "data_b64": base64.b64encode(array.tobytes()).decode(),
    }
    cover = base64.urlsafe_b64encode(document["cover"]).decode()
    return json.dumps({**document, "samples": samples, "cover": cover}).encode()


# -- good ones -------------------------------------------------------------------------------------


async def document(visitor: Visitor) -> None:
    sent = visitor.document(visitor.size(16 * 1024))
    _check_binary(sent, await visitor.post(packb(sent), path="/small"))


async def array(visitor: Visitor) -> None:
    sent = visitor.document(visitor.size())
    _check_binary(sent, await visitor.post(packb(sent)))


async def large_array(visitor: Visitor) -> None:
    sent = visitor.document(visitor.random.randrange(LARGE, LARGEST + 1))
    async with visitor.large:
        _check_binary(sent, await visitor.post(packb(sent)))


async def thread_pool(visitor: Visitor) -> None:
    sent = visitor.document(visitor.size())
    _check_binary(sent, await visitor.post(packb(sent, arrays="map"), path="/threaded"))


async def json_client(visitor: Visitor) -> None:
    sent = visitor.document(visitor.size())
    headers = {"content-type": "application/json"}
    _check_json(sent, await visitor.post(_as_json(sent), headers))


async def json_to_msgpack(visitor: Visitor) -> None:
    sent = visitor.document(visitor.size())
    headers = {"content-type": "application/json", "accept": "application/msgpack"}
    _check_binary(sent, await visitor.post(_as_json(sent), headers))


async def msgpack_to_json(visitor: Visitor) -> None:
    sent = visitor.document(visitor.size())
    headers = {**MSGPACK, "accept": "application/json"}
    _check_json(sent, await visitor.post(packb(sent), headers))


async def gzip_body(visitor: Visitor) -> None:
    sent = visitor.document(visitor.size(256 * 1024))
    headers = {**MSGPACK, "content-encoding": "gzip"}
    _check_binary(sent, await visitor.post(gzip.compress(packb(sent), 1), headers))


async def slow_sender(visitor: Visitor) -> None:
    sent = visitor.document(visitor.size(256 * 1024))
    body = packb(sent)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), len(body) // 4):
            yield body[start : start + len(body) // 4]
            await asyncio.sleep(0.05)

    _check_binary(sent, await visitor.post(chunks()))


GOOD: Final[tuple[Exchange, ...]] = (
    document,
    array,
    large_array,
    thread_pool,
    json_client,
    json_to_msgpack,
    msgpack_to_json,
    gzip_body,
    slow_sender,
)

# -- bad ones --------------------------------------------------------------------------------------


def _refused(
    name: str, status: int, body: bytes, path: str = "/echo", **headers: str
) -> tuple[str, Exchange]:
    """Return an exchange whose response is problem details, in msgpack as the request was."""

    async def exchange(visitor: Visitor) -> None:
        fields = {**MSGPACK, **{key.replace("_", "-"): value for key, value in headers.items()}}
        response = await visitor.post(body, fields, path)
        _check(response, status, "application/problem+msgpack")
        problem = unpackb(response.content)
        if problem["status"] != status or not problem["detail"]:
            raise Wrong(f"the problem is {problem}")

    return name, exchange


async def empty_map(visitor: Visitor) -> None:
    response = await visitor.post(packb({}))
    _check(response, 422, "application/msgpack")
    missing = [error["loc"][-1] for error in unpackb(response.content)["detail"]]
    if missing != ["name", "values", "samples", "cover"]:
        raise Wrong(f"{missing} are missing")


def _array_map(**changes: Any) -> bytes:
    """msgpack-numpy's map of the array [1, 2], with changes, as it stands in a document."""
    plain = {"nd": True, "type": "<i4", "kind": b"", "shape": [2], "data": b"\1\0\0\0\2\0\0\0"}
    packed: bytes = msgpack.packb({k.encode(): v for k, v in {**plain, **changes}.items()})
    return b"\x81\xa7samples" + packed


_WHOLE: Final = packb({"name": "n", "samples": np.arange(5_000.0)})
_PICKLE: Final = msgpack.packb(np.array([{}], dtype=object), default=msgpack_numpy.encode)
_MAPS: Final = b"\xdd" + (MAX_STRUCTURE + 1).to_bytes(4) + b"\x80" * (MAX_STRUCTURE + 1)

BAD: Final[dict[str, Exchange]] = dict(
    [
        _refused("cut short", 400, _WHOLE[:-1]),
        _refused("bytes after it", 400, _WHOLE + b"\0"),
        _refused("not msgpack", 400, b"\xc1" * 100),
        _refused("pickle", 400, _PICKLE),
        _refused("dtype of pointers", 400, _array_map(type="|O", shape=[1])),
        _refused("shape that does not fit", 400, _array_map(shape=[3])),
        _refused("corrupt gzip", 400, _WHOLE, content_encoding="gzip"),
        _refused("over the limit", 413, packb(bytes(MAX_BODY + 1))),
        _refused("over the route's limit", 413, packb(bytes(SMALL_BODY + 1)), "/small"),
        _refused("many empty maps", 413, _MAPS),
        _refused("deep nesting", 413, b"\x91" * 100_000 + b"\xc0"),
        _refused("bomb", 413, gzip.compress(bytes(16 * MAX_BODY)), content_encoding="gzip"),
        _refused("unknown coding", 415, _WHOLE, content_encoding="br"),
        ("empty map", empty_map),
    ]
)

# -- cut-off ones ----------------------------------------------------------------------------------


async def _raw(visitor: Visitor, head: str, body: bytes, read: int) -> None:
    """Send this, read so many bytes of the response, and drop the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", visitor.port)
    try:
        fields = f"Host: soak\r\nContent-Type: application/msgpack\r\n{head}"
        writer.write(f"POST /echo HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body)
        await writer.drain()
        await asyncio.sleep(0.02)  # so that the app has begun
        if read:
            start = await reader.readexactly(read)
            if not start.startswith(b"HTTP/1.1 200 "):
                raise Wrong(f"the response begins with {start!r:.100}")
    finally:
        writer.transport.abort()


async def cut_upload(visitor: Visitor) -> None:
    body = packb(visitor.document(visitor.size()))
    await _raw(visitor, f"Content-Length: {len(body)}", body[: len(body) // 2], 0)


async def cut_chunked_upload(visitor: Visitor) -> None:
    body = packb(visitor.document(visitor.size()))
    chunk = f"{len(body):x}\r\n".encode() + body[: len(body) // 2]
    await _raw(visitor, "Transfer-Encoding: chunked", chunk, 0)


async def cut_download(visitor: Visitor) -> None:
    body = packb(visitor.document(LARGE))
    await _raw(visitor, f"Content-Length: {len(body)}", body, 1000)


CUT_OFF: Final[tuple[Exchange, ...]] = (cut_upload, cut_chunked_upload, cut_download)

EXCHANGES: Final[dict[str, Exchange]] = {
    **{exchange.__name__.replace("_", " "): exchange for exchange in GOOD},
    **BAD,
    **{exchange.__name__.replace("_", " "): exchange for exchange in CUT_OFF},
}

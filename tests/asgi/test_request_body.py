"""Reading the body of a request."""

from __future__ import annotations

import gzip
from typing import Any

import anyio
import numpy as np
import pytest
from anyio.lowlevel import checkpoint
from starlette.types import Message

from binary_middleware._asgi.request_body import BodyReader, RequestBody
from binary_middleware._http.content_coding import DECOMPRESS_CHUNK_SIZE
from binary_middleware.errors import LimitExceeded
from binary_middleware.formats.base import Limits, Relocation
from binary_middleware.formats.msgpack import packb
from tests.formats.owned import unpack_owned


def read(chunks: list[Any], content_length: int | None, limit: int = 1000) -> RequestBody | None:
    messages = [
        {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks)}
        if isinstance(chunk, bytes)
        else chunk
        for index, chunk in enumerate(chunks)
    ]

    async def receive() -> Message:
        return messages.pop(0)

    return anyio.run(BodyReader(content_length, limit).read, receive)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("chunks", [[b""], [b"abc"], [b"a", b"", b"bc"], [b"a"] * 50])
def test_body_is_read(chunks: list[bytes], announced: bool) -> None:
    whole = b"".join(chunks)
    body = read(chunks, len(whole) if announced else None)
    assert body is not None
    assert body.received() == whole
    assert len(body) == len(whole)


def test_large_arrays_are_views_of_the_buffer_that_a_body_in_pieces_is_read_into() -> None:
    array = np.arange(100_000.0)
    packed = packb({"a": array})
    body = read([packed[:1000], packed[1000:]], len(packed), limit=len(packed))
    assert body is not None
    first = body.decode(Limits(2**20)).document["a"]
    assert np.array_equal(first, array)
    assert not first.flags.owndata
    assert first.flags.writeable
    assert first.flags.aligned


def test_messages_may_leave_out_what_is_empty() -> None:
    body = read([{"type": "http.request", "more_body": True}, {"type": "http.request"}], 5)
    assert body is not None
    assert body.received() == b""


@pytest.mark.parametrize("announced", [8, None])
def test_disconnect_is_no_body(announced: int | None) -> None:
    assert read([b"abcd", {"type": "http.disconnect"}], announced) is None


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [100_000, DECOMPRESS_CHUNK_SIZE + 1, 5 * DECOMPRESS_CHUNK_SIZE])
def test_a_reader_that_is_cancelled_anywhere_comes_back_for_the_rest(
    size: int, announced: bool
) -> None:
    """Of a compressed body: while its chunks are awaited, and while it is decompressed."""
    whole = bytes(range(250)) * (size // 250) + bytes(size % 250)
    packed = gzip.compress(whole)
    step = len(packed) // 3 + 1
    chunks = [packed[at : at + step] for at in range(0, len(packed), step)]

    async def is_cancelled(turns: int) -> bool:
        """Whether reading took more than so many turns of the event loop."""
        messages = [
            {"type": "http.request", "body": chunk, "more_body": chunk is not chunks[-1]}
            for chunk in chunks
        ]

        async def receive() -> Message:
            await checkpoint()
            return messages.pop(0)

        async def cancel(scope: anyio.CancelScope) -> None:
            for _ in range(turns):
                await checkpoint()
            scope.cancel()

        reader = BodyReader(len(packed) if announced else None, size, "gzip")
        body = None
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                group.start_soon(cancel, scope)
                body = await reader.read(receive)
        was_cancelled = body is None
        body = body or await reader.read(receive)
        assert body is not None
        assert body.received() == whole
        return was_cancelled

    cancelled = [anyio.run(is_cancelled, turns) for turns in range(40)]
    assert cancelled[0]
    assert not cancelled[-1]
    assert sum(cancelled) >= len(chunks) + size // DECOMPRESS_CHUNK_SIZE


def test_limit_holds_without_content_length() -> None:
    with pytest.raises(LimitExceeded, match=r"over max_body_size \(5 bytes\)"):
        read([b"abc", b"def", b"ghi"], None, limit=5)


def test_more_than_was_announced_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="longer than its Content-Length"):
        read([b"abc", b"def"], 5)


@pytest.mark.parametrize("shift", range(9))
def test_received_bytes_are_restored_after_arrays_moved(shift: int) -> None:
    document = {"n" * (shift + 1): 1, "a": np.arange(9000.0), "b": np.arange(9000, dtype="i2")}
    packed = packb(document)
    body = RequestBody(np.frombuffer(bytearray(packed), np.uint8), is_owned=True)
    value = body.decode(Limits(2**20)).document
    assert np.array_equal(value["a"], document["a"])
    assert np.array_equal(value["b"], document["b"])
    assert body.received() == packed
    assert np.array_equal(value["a"], document["a"])  # and the arrays stay as they are


def test_some_arrays_do_move() -> None:
    moves = [
        bool(unpack_owned(np.frombuffer(bytearray(packed), np.uint8)).moved)
        for packed in (packb({"n" * length: np.arange(9000.0)}) for length in range(1, 9))
    ]
    assert True in moves
    assert False in moves
    assert Relocation._fields == ("start", "length", "overwritten")

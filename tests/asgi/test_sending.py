"""Sending the body of a response in chunks."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from binary_middleware._asgi.sending import SEND_CHUNK_SIZE, send_body, slices

sizes = st.one_of(st.integers(0, 20), st.sampled_from([7, 8, 9, 15, 16, 17, 31, 32, 33]))


@given(st.lists(sizes, max_size=8), st.integers(1, 16))
def test_slices_add_up_and_none_is_empty(lengths: list[int], size: int) -> None:
    whole = bytes(range(256)) * 2
    buffers: list[bytes | memoryview] = []
    start = 0
    for index, length in enumerate(lengths):
        part = whole[start : start + length]
        buffers.append(memoryview(part) if index % 2 else part)
        start += length
    pieces = list(slices(buffers, size))
    assert b"".join(pieces) == whole[:start]
    assert all(type(piece) is bytes for piece in pieces)
    assert all(len(piece) == size for piece in pieces[:-1])
    assert not pieces or 0 < len(pieces[-1]) <= size


@pytest.mark.parametrize(
    "lengths",
    [
        [],
        [0],
        [1],
        [SEND_CHUNK_SIZE - 1],
        [SEND_CHUNK_SIZE],
        [SEND_CHUNK_SIZE + 1],
        [5, SEND_CHUNK_SIZE - 5, 5],
        [5, SEND_CHUNK_SIZE, 0, SEND_CHUNK_SIZE * 3 + 1, 7],
        [SEND_CHUNK_SIZE, SEND_CHUNK_SIZE],
        [3 * SEND_CHUNK_SIZE, 1],
    ],
)
def test_sent_messages_add_up_and_the_last_one_is_last(lengths: list[int]) -> None:
    buffers = [bytes([index + 1]) * length for index, length in enumerate(lengths)]
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    anyio.run(send_body, send, buffers)
    assert b"".join(message["body"] for message in sent) == b"".join(buffers)
    assert [message["more_body"] for message in sent] == [True] * (len(sent) - 1) + [False]
    assert all(message["body"] for message in sent[:-1])

"""Decompression of content codings."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from binary_middleware._http.content_coding import (
    DECOMPRESS_CHUNK_SIZE,
    MAX_MEMBERS,
    Decompressor,
    content_codings,
    decompress,
    is_supported,
)
from binary_middleware.errors import DecodeError

COMPRESS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}
codings = st.sampled_from(sorted(COMPRESS))


def decompressed(coding: str, chunks: list[bytes]) -> bytes:
    decompressor = Decompressor(coding)
    pieces = [piece for chunk in chunks for piece in decompressor.pieces(chunk)]
    decompressor.end()
    assert all(0 < len(piece) <= DECOMPRESS_CHUNK_SIZE for piece in pieces)
    return b"".join(pieces)


@given(codings, st.binary(max_size=300), st.integers(1, 40))
def test_chunks_of_any_size(coding: str, data: bytes, size: int) -> None:
    compressed = COMPRESS[coding](data)
    chunks = [compressed[at : at + size] for at in range(0, len(compressed), size)]
    assert decompressed(coding, chunks) == data


@pytest.mark.parametrize(
    "size",
    [
        DECOMPRESS_CHUNK_SIZE - 1,
        DECOMPRESS_CHUNK_SIZE,
        DECOMPRESS_CHUNK_SIZE + 1,
        3 * DECOMPRESS_CHUNK_SIZE,
        3 * DECOMPRESS_CHUNK_SIZE + 5,
    ],
)
@pytest.mark.parametrize("coding", sorted(COMPRESS))
def test_large_data_is_yielded_in_pieces(coding: str, size: int) -> None:
    data = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    assert decompressed(coding, [COMPRESS[coding](data)]) == data
    assert decompressed(coding, [COMPRESS[coding](bytes(size))]) == bytes(size)


@given(st.lists(st.binary(max_size=40), max_size=4), st.integers(1, 60))
def test_gzip_of_several_members(members: list[bytes], size: int) -> None:
    compressed = b"".join(map(gzip.compress, members))
    chunks = [compressed[at : at + size] for at in range(0, len(compressed), size)]
    assert decompressed("gzip", chunks) == b"".join(members)


@pytest.mark.parametrize("coding", sorted(COMPRESS))
def test_each_prefix_is_truncated(coding: str) -> None:
    compressed = COMPRESS[coding](b"abc" * 40)
    for end in range(1, len(compressed)):
        with pytest.raises(DecodeError, match=f"as {coding}: (truncated|corrupt) data"):
            decompressed(coding, [compressed[:end]])


@pytest.mark.parametrize(
    ("coding", "data", "what"),
    [
        ("gzip", b"not compressed", "corrupt data"),
        ("deflate", b"not compressed", "corrupt data"),
        ("gzip", zlib.compress(b"a"), "corrupt data"),
        ("deflate", gzip.compress(b"a", mtime=0), "corrupt data"),
        ("deflate", zlib.compress(b"a" * 99)[2:-4], "corrupt data"),  # no RFC 1950 frame
        ("deflate", zlib.compress(b"a") + b"b", "bytes after its end"),
        ("gzip", gzip.compress(b"a", mtime=0) + b"b", "truncated data"),
        ("gzip", gzip.compress(b"a", mtime=0) + b"bc", "corrupt data"),
        ("gzip", gzip.compress(b"a" * 99, mtime=0)[:-8] + bytes(8), "corrupt data"),  # the checksum
    ],
)
def test_malformed_data_is_refused(coding: str, data: bytes, what: str) -> None:
    with pytest.raises(DecodeError, match=f"the body cannot be read as {coding}: {what}"):
        decompressed(coding, [data])


def test_many_members_are_refused() -> None:
    """In one chunk: no member may copy all input behind it."""
    member = gzip.compress(b"")
    assert decompressed("gzip", [member * MAX_MEMBERS]) == b""
    with pytest.raises(DecodeError, match=f"more than {MAX_MEMBERS} members"):
        decompressed("gzip", [member * (MAX_MEMBERS + 1)])
    data = bytes(range(256)) * 4096
    assert (
        decompressed("gzip", [gzip.compress(data[:500_000]) + gzip.compress(data[500_000:])])
        == data
    )


def test_no_data_is_an_empty_body() -> None:
    assert decompressed("gzip", []) == decompressed("deflate", [b""]) == b""


def test_a_bomb_is_not_decompressed() -> None:
    bomb = gzip.compress(bytes(20 * DECOMPRESS_CHUNK_SIZE))
    assert decompress(bomb, "gzip", 20 * DECOMPRESS_CHUNK_SIZE) == bytes(20 * DECOMPRESS_CHUNK_SIZE)
    assert decompress(bomb, "gzip", 20 * DECOMPRESS_CHUNK_SIZE - 1) is None
    pieces = Decompressor("gzip").pieces(bomb)
    assert len(next(pieces)) == DECOMPRESS_CHUNK_SIZE  # and nothing beyond that


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([b""], []),
        ([b"identity"], []),
        ([b" GZip "], ["gzip"]),
        ([b"gzip, identity,, br"], ["gzip", "br"]),
        ([b"gzip", b"deflate"], ["gzip", "deflate"]),
        ([b"gz\xefp"], ["gz\xefp"]),
    ],
)
def test_content_codings(values: list[bytes], expected: list[str]) -> None:
    assert content_codings(values) == expected


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd"])
def test_supported_codings(coding: str) -> None:
    assert is_supported(coding) is (coding in COMPRESS)

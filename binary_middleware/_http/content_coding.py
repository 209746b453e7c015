"""Content codings (RFC 9110 §8.4.1): incremental decompression of gzip and deflate."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from binary_middleware.errors import DecodeError

SUPPORTED_CODINGS: Final = "gzip, deflate"
"""The supported codings, for an Accept-Encoding header."""

_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # arguments of zlib.decompressobj

DECOMPRESS_CHUNK_SIZE: Final = 1024 * 1024
"""Maximum bytes that one step of decompression yields: a few milliseconds."""

MAX_MEMBERS: Final = 16 * 1024
"""Maximum members of a gzip body. Each takes a microsecond to begin, and 20 bytes to send."""

_INPUT_CHUNK_SIZE: Final = 64 * 1024


def content_codings(values: list[bytes]) -> list[str]:
    """Return the codings of Content-Encoding headers, in lower case, without ``identity``."""
    names = b",".join(values).decode("latin-1").lower().split(",")
    return [name for name in (name.strip(" \t") for name in names) if name not in ("", "identity")]


def is_supported(coding: str) -> bool:
    """Return whether :class:`Decompressor` supports a coding."""
    return coding in _WINDOW_BITS


class Decompressor:
    """Incremental decompression of one coding.

    ``deflate`` is the zlib format (RFC 1950), as RFC 9110 §8.4.1.2 requires; ``gzip`` may have
    several members (RFC 1952 §2.2).

    Args:
        coding: ``"gzip"``, ``"x-gzip"`` or ``"deflate"``.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._zlib = zlib.decompressobj(_WINDOW_BITS[coding])
        self._began = False
        self._members = 1

    def pieces(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Decompress more data, in pieces of at most :data:`DECOMPRESS_CHUNK_SIZE` bytes.

        Raises:
            DecodeError: the data is malformed.
        """
        # zlib copies all input that follows a member, for each member.
        for start in range(0, len(data), _INPUT_CHUNK_SIZE):
            yield from self._members_of(bytes(data[start : start + _INPUT_CHUNK_SIZE]))

    def _members_of(self, data: bytes) -> Iterator[bytes]:
        while data:
            self._began = True
            if self._zlib.eof:
                if self._coding == "deflate":
                    raise self._error("bytes after its end")
                self._members += 1
                if self._members > MAX_MEMBERS:
                    raise self._error(f"more than {MAX_MEMBERS} members")
                self._zlib = zlib.decompressobj(_WINDOW_BITS[self._coding])
            yield from self._pieces_of_member(data)
            data = self._zlib.unused_data

    def _pieces_of_member(self, data: bytes) -> Iterator[bytes]:
        size = DECOMPRESS_CHUNK_SIZE
        while size == DECOMPRESS_CHUNK_SIZE:  # a shorter piece is the last one
            try:
                piece = self._zlib.decompress(data, DECOMPRESS_CHUNK_SIZE)
            except zlib.error:
                raise self._error("corrupt data") from None
            if piece:
                yield piece
            size = len(piece)
            data = self._zlib.unconsumed_tail

    def end(self) -> None:
        """Check that the data is complete. No data at all is an empty body.

        Raises:
            DecodeError: the data is truncated.
        """
        if self._began and not self._zlib.eof:
            raise self._error("truncated data")

    def _error(self, problem: str) -> DecodeError:
        return DecodeError(f"the body cannot be read as {self._coding}: {problem}")


def decompress(data: bytes, coding: str, max_size: int) -> bytes | None:
    """Decompress a whole body; ``None`` if the result is over ``max_size`` bytes.

    Raises:
        DecodeError: the data is malformed or truncated.
    """
    decompressor = Decompressor(coding)
    collected = bytearray()
    for piece in decompressor.pieces(data):
        collected += piece
        if len(collected) > max_size:
            return None
    decompressor.end()
    return bytes(collected)

"""Content codings (RFC 9110 §8.4.1): gzip and deflate, undone piece by piece. Sans I/O."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from binary_middleware.errors import DecodeError

TAKEN: Final = "gzip, deflate"
"""For an Accept-Encoding field."""

_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # as zlib.decompressobj has them

DECOMPRESS_CHUNK_SIZE: Final = 1024 * 1024
"""Most bytes that are undone in one step: a few milliseconds."""

MOST_MEMBERS: Final = 16 * 1024
"""Members of a gzip body that are read. Each takes a microsecond to begin, and 20 bytes to send."""

_STEP: Final = 64 * 1024


def content_codings(values: list[bytes]) -> list[str]:
    """The codings of Content-Encoding fields, in lower case, without ``identity``."""
    names = b",".join(values).decode("latin-1").lower().split(",")
    return [name for name in (name.strip(" \t") for name in names) if name not in ("", "identity")]


def is_taken(coding: str) -> bool:
    """Whether a coding is one that :class:`Decompressor` knows."""
    return coding in _WINDOW_BITS


class Decompressor:
    """Undoes one coding.

    ``deflate`` is the zlib format (RFC 1950), as RFC 9110 §8.4.1.2 has it; ``gzip`` may have
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
        """What ``data`` adds, in pieces of at most :data:`DECOMPRESS_CHUNK_SIZE` bytes.

        Raises:
            DecodeError: it is not in this coding.
        """
        # Each member copies what is behind it, so it must not be much.
        for start in range(0, len(data), _STEP):
            yield from self._pieces_of_step(bytes(data[start : start + _STEP]))

    def _pieces_of_step(self, data: bytes) -> Iterator[bytes]:
        while data:
            self._began = True
            if self._zlib.eof:
                if self._coding == "deflate":
                    raise self._error("bytes after its end")
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise self._error(f"more than {MOST_MEMBERS} members")
                self._zlib = zlib.decompressobj(_WINDOW_BITS[self._coding])
            yield from self._pieces_of_member(data)
            data = self._zlib.unused_data

    def _pieces_of_member(self, data: bytes) -> Iterator[bytes]:
        size = DECOMPRESS_CHUNK_SIZE
        while size == DECOMPRESS_CHUNK_SIZE:  # a shorter piece was the last one of what is there
            try:
                piece = self._zlib.decompress(data, DECOMPRESS_CHUNK_SIZE)
            except zlib.error:
                raise self._error("corrupt data") from None
            if piece:
                yield piece
            size = len(piece)
            data = self._zlib.unconsumed_tail

    def end(self) -> None:
        """Say that no more data comes.

        Raises:
            DecodeError: there should have been more. Nothing at all is an empty body.
        """
        if self._began and not self._zlib.eof:
            raise self._error("truncated data")

    def _error(self, what: str) -> DecodeError:
        return DecodeError(f"the body cannot be read as {self._coding}: {what}")


def decompress(data: bytes, coding: str, max_size: int) -> bytes | None:
    """Undo a coding at once; ``None`` if it comes to more than ``max_size`` bytes.

    Raises:
        DecodeError: the data is not in this coding.
    """
    decompressor = Decompressor(coding)
    collected = bytearray()
    for piece in decompressor.pieces(data):
        collected += piece
        if len(collected) > max_size:
            return None
    decompressor.end()
    return bytes(collected)

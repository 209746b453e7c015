"""A long string that never becomes a ``str``, which could take four times its bytes."""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Iterator
from json.encoder import encode_basestring
from typing import Final

CHUNK_SIZE: Final = 256 * 1024
"""Bytes that are looked at in one step."""
_SHORT_ESCAPES: Final = b'"\\\b\f\n\r\t'
"""Characters that JSON escapes with one more character; other controls become six."""
_UNESCAPED: Final = bytes(byte for byte in range(256) if byte >= 0x20 and byte not in b'"\\')


class LongText:
    """A long string as its UTF-8 bytes.

    Args:
        view: these bytes, a view of the document that the string is in.

    Raises:
        UnicodeDecodeError: they are not UTF-8.
    """

    __slots__ = ("_view",)

    def __init__(self, view: memoryview) -> None:
        self._view = view
        for chunk in self._chunks():
            if not chunk.isascii():
                utf_8_decode(chunk, "strict", True)

    def _chunks(self) -> Iterator[bytes]:
        """Yield the bytes in chunks that end where a character ends."""
        start, view = 0, self._view
        while start < len(view):
            end = start + CHUNK_SIZE
            # The bytes after the first one of a character are 0x80 to 0xBF, and at most three.
            while end < len(view) and end > start + CHUNK_SIZE - 3 and view[end] & 0xC0 == 0x80:
                end -= 1
            yield bytes(view[start:end])
            start = end

    def escaped_size(self) -> int:
        """Return the bytes of the string in JSON text, without its quotes."""
        size = 0
        for chunk in self._chunks():
            escaped = chunk.translate(None, _UNESCAPED)
            controls = len(escaped.translate(None, _SHORT_ESCAPES))
            size += len(chunk) + len(escaped) + 4 * controls
        return size

    def escaped(self) -> Iterator[bytes]:
        """Yield the string in JSON text, in UTF-8, without its quotes."""
        for chunk in self._chunks():
            if chunk.translate(None, _UNESCAPED):
                yield encode_basestring(chunk.decode())[1:-1].encode()
            else:
                yield chunk

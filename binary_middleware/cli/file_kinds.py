"""What kind of file some bytes are, by how they begin."""

from __future__ import annotations

from typing import Final

LONGEST_SIGNATURE: Final = 12
"""Bytes that :func:`extension_of` looks at."""

_SIGNATURES: Final = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpg",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\x00": "tif",
    b"MM\x00*": "tif",
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"%PDF-": "pdf",
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gz",
    b"\x93NUMPY": "npy",
}
_RIFF_KINDS: Final = {b"WAVE": "wav", b"WEBP": "webp", b"AVI ": "avi"}


def extension_of(data: bytes | memoryview) -> str:
    """The usual extension for a file with such contents, ``""`` where it is none of those here."""
    start = bytes(data[:LONGEST_SIGNATURE])
    if start.startswith(b"RIFF"):
        return _RIFF_KINDS.get(start[8:], "")
    return next((name for magic, name in _SIGNATURES.items() if start.startswith(magic)), "")

"""A fault on purpose, to see that faults are found."""

from __future__ import annotations

from binary_middleware.formats.msgpack import unpackb

TOKENS: tuple[bytes, ...] = ()


def seeds() -> list[bytes]:
    return [b"\x80"]


def check(data: bytes) -> None:
    """Fail for a map with one entry, which the seed is not."""
    try:
        value = unpackb(data)
    except ValueError:
        return
    assert type(value) is not dict or len(value) != 1, "planted"

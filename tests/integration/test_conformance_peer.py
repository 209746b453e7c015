"""msgpack-asgi, with which ``docs/conformance.md`` compares: its column is what is found."""

from __future__ import annotations

from tests.conformance.__main__ import peer_column
from tests.conformance.report import DOCUMENT, read_columns


def test_the_column_of_msgpack_asgi_is_what_is_found() -> None:
    _, committed = read_columns(DOCUMENT.read_text())
    assert peer_column() == committed

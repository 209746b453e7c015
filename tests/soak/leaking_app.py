"""The app with a leak, which the soak test has to find."""

from __future__ import annotations

import time
from typing import Final

from starlette.types import Receive, Scope, Send

from tests.soak.app import app as sound_app

LEAKED_PER_SECOND: Final = 48 * 1024 * 1024
"""By time and not by request, so that a slow machine leaks as much as a fast one."""

_kept: list[bytes] = []
_last = time.monotonic()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    global _last
    now = time.monotonic()
    # Bytes that are not zero: pages that nobody wrote to are not resident.
    _kept.append(b"\1" * int((now - _last) * LEAKED_PER_SECOND))
    _last = now
    await sound_app(scope, receive, send)

"""Problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from starlette.types import Message

from binary_middleware.errors import RejectedRequest
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import Buffer

_MEDIA_TYPE: Final = f"application/problem{FORMAT.suffix}"
_VARIANT: Final = FORMAT.variant(_MEDIA_TYPE, {}, {})


def problem_response(
    error: RejectedRequest, *, in_binary: bool
) -> tuple[Message, Sequence[Buffer]]:
    """Return the start and the body of the response to a refused request."""
    if in_binary:
        content_type, body = _MEDIA_TYPE, b"".join(FORMAT.encode(error.problem(), _VARIANT))
    else:
        content_type, body = "application/problem+json", json.dumps(error.problem()).encode()
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        # It depends on more than Vary can name: the body, its length and its coding.
        (b"cache-control", b"no-store"),
        *((name.encode(), value.encode("latin-1")) for name, value in error.headers.items()),
    ]
    return {"type": "http.response.start", "status": error.status, "headers": headers}, [body]

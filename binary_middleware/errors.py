"""The exceptions of this package.

::

    BinaryError (a ValueError)
    ├── CodecError                  a document cannot be decoded or encoded; knows nothing of HTTP
    │   ├── EncodeError             a value has no exact place in the format
    │   ├── DecodeError             malformed bytes, or a value that is refused
    │   └── LimitExceeded           a body or document over a limit
    └── RejectedRequest             a request that is refused, with its HTTP status
        │                       400  (this class itself) a malformed request or body
        ├── NotAcceptable       406  no media type that the client accepts is offered
        ├── ContentTooLarge     413  a body, its structure or its nesting is over a limit
        └── UnsupportedMediaType    415  unsupported media type or content coding

The statuses are those of RFC 9110 §15.5. :func:`to_rejection` turns a codec error into the
rejection of the request that caused it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

__all__ = [
    "BinaryError",
    "CodecError",
    "ContentTooLarge",
    "DecodeError",
    "EncodeError",
    "LimitExceeded",
    "NotAcceptable",
    "RejectedRequest",
    "UnsupportedMediaType",
]


class BinaryError(ValueError):
    """Base class of the exceptions of this package."""


class CodecError(BinaryError):
    """Base class of errors about documents and bytes; the message names the place, if known."""

    _place = ""

    def within(self, key: object) -> None:
        """Add the member ``key`` of a map or a list to the place that the message names."""
        step = f"[{key}]" if isinstance(key, int) else f".{str(key)[:40]}"
        if len(self._place) < 200:
            self._place = step + self._place

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} (at ${self._place})" if self._place else message


class EncodeError(CodecError):
    """A value that cannot be encoded without changing it."""


class DecodeError(CodecError):
    """Malformed bytes, or a value that is refused.

    The message names the position in the body where it is known, or the place in the document.
    """


class LimitExceeded(CodecError):
    """A body or document that is larger, wider or deeper than a limit, which the message names."""


class RejectedRequest(BinaryError):
    """A request that is refused; the response is problem details (RFC 9457).

    Args:
        detail: the reason, for the client.
        headers: headers of the response, names in lower case.
    """

    status: ClassVar[int] = 400
    """The HTTP status of the response."""
    title: ClassVar[str] = "Bad Request"
    """The reason phrase of the status (RFC 9110 §15)."""
    headers: dict[str, str]
    """Headers of the response, names in lower case."""

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.headers = dict(headers or {})

    def problem(self) -> dict[str, Any]:
        """Return the problem details object (RFC 9457 §3)."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": str(self),
        }


class NotAcceptable(RejectedRequest):
    """None of the media types that the client accepts is offered."""

    status = 406
    title = "Not Acceptable"


class ContentTooLarge(RejectedRequest):
    """The body, its structure or its nesting is over a limit, which the message names."""

    status = 413
    title = "Content Too Large"


class UnsupportedMediaType(RejectedRequest):
    """The media type or the content coding of the body is not supported."""

    status = 415
    title = "Unsupported Media Type"


_REJECTIONS: Final[Mapping[type[BinaryError], type[RejectedRequest]]] = {
    DecodeError: RejectedRequest,
    LimitExceeded: ContentTooLarge,
}


def to_rejection(error: CodecError | RejectedRequest) -> RejectedRequest:
    """Return the rejection of a request whose body caused ``error``; a rejection is itself."""
    if isinstance(error, RejectedRequest):
        return error
    return _REJECTIONS.get(type(error), RejectedRequest)(str(error))

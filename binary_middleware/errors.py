"""The exceptions of this package.

Tree::

    BinaryError (a ValueError)
    ├── EncodeError                 a value has no place in msgpack
    └── RejectedRequest                a request that is refused, with its HTTP status
        ├── DecodeError             400  not msgpack, or msgpack that we do not take
        ├── ContentTooLarge         413  a body, structure or depth over its limit
        ├── UnsupportedMediaType    415  a media type or content coding that is not taken
        └── NotAcceptable           406  no answer that the client accepts

The statuses are those of RFC 9110 §15.5. A refused request is answered with problem details
(RFC 9457): ``status`` and ``title`` are the class's own, ``detail`` is the exception's message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class BinaryError(ValueError):
    """Base class of everything that this package raises about data."""


class EncodeError(BinaryError):
    """A value cannot be carried in msgpack without changing it."""


class RejectedRequest(BinaryError):
    """A request that is refused.

    Attributes:
        status: the HTTP status of the answer.
        title: the status in words.
        headers: header fields that the answer must carry, names in lower case.
    """

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad Request"

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.headers = dict(headers or {})

    def problem(self) -> dict[str, Any]:
        """The problem details object of RFC 9457 §3."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": str(self),
        }


class DecodeError(RejectedRequest):
    """The body is not msgpack, or holds something that is refused.

    The message names the position in the body where it is known, or the place in the document.
    """

    _place = ""

    def within(self, key: object) -> None:
        """Note that what is refused is in the member ``key`` of a map or a list."""
        step = f"[{key}]" if isinstance(key, int) else f".{str(key)[:40]}"
        if len(self._place) < 200:
            self._place = step + self._place

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} (in {self._place.removeprefix('.')})" if self._place else message


class ContentTooLarge(RejectedRequest):
    """The body is larger, wider or deeper than its limits allow. The message names the limit."""

    status = 413
    title = "Content Too Large"


class UnsupportedMediaType(RejectedRequest):
    """The media type or the content coding of the body is not taken here."""

    status = 415
    title = "Unsupported Media Type"


class NotAcceptable(RejectedRequest):
    """None of the media types that the client accepts is offered here."""

    status = 406
    title = "Not Acceptable"

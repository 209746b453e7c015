"""A request, and what was seen of its response; the same for every transport."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import msgpack
from starlette.types import Message

from tests.conformance.witness import Witness

JSON: Final = "application/json"
MSGPACK: Final = "application/vnd.msgpack"
"""The media type where a rule is not about its name: the one that IANA has."""

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        method: the method.
        fields: headers. Host, and what frames the body, come by themselves.
        body: the body, in one piece under a Content-Length, or in chunks without one.
        path: the path, behind ``root_path``.
        root_path: what a proxy cut off.
        leaves: whether, and when, the client goes away without waiting for a response.
        in_step: whether the client waits with each chunk until the app has the one before.
        is_late: whether the client waits with its body until the body of the response has begun.
        expects_100: whether the client waits for 100 Continue with its body.
        extensions: those that the server offers; on ASGI only.
    """

    method: str
    fields: Fields = ()
    body: bytes | tuple[bytes, ...] = b""
    path: str = "/"
    root_path: str = ""
    leaves: Literal["never", "in the body", "after the body"] = "never"
    in_step: bool = False
    is_late: bool = False
    expects_100: bool = False
    extensions: tuple[str, ...] = ()

    @property
    def chunks(self) -> tuple[bytes, ...]:
        """The body in the pieces in which it is sent; none if it is empty."""
        if isinstance(self.body, tuple):
            return self.body
        return (self.body,) if self.body else ()

    @property
    def all_fields(self) -> Fields:
        """The headers as a server gets them."""
        names = {name for name, _ in self.fields}
        fields = self.fields if "host" in names else (("host", "testserver"), *self.fields)
        if self.expects_100:
            fields += (("expect", "100-continue"),)
        if isinstance(self.body, tuple):
            if self.body:
                fields += (("transfer-encoding", "chunked"),)
        elif self.body and "content-length" not in names:
            fields += (("content-length", str(len(self.body))),)
        return fields

    def but(self, **changes: Any) -> Request:
        """Return this request with other attributes."""
        return replace(self, **changes)


@dataclass
class Seen:
    """What a client saw, and what the app did.

    Attributes:
        request: the request.
        witness: what the app saw, and what it raised.
        status: the status of the response, 0 if none came.
        fields: its headers, names in lower case.
        body: its body, as it came; empty for HEAD, as a server drops it.
        trailers: the trailer fields.
        interim: the statuses of 1xx responses before it.
        messages: what was sent on ASGI; empty on a socket.
        fault: what is wrong with the response as HTTP, whatever it says; empty if nothing is.
    """

    request: Request
    witness: Witness
    status: int = 0
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    fault: str = ""

    def lines(self, name: str) -> list[str]:
        """Return the lines of a header, in their order."""
        return [value for key, value in self.fields if key == name]

    def field(self, name: str) -> str | None:
        """Return a header, several lines joined; ``None`` if there is none."""
        lines = self.lines(name)
        return ", ".join(lines) if lines else None

    @property
    def media_type(self) -> str | None:
        """The Content-Type without parameters."""
        content_type = self.field("content-type")
        return None if content_type is None else content_type.partition(";")[0].strip()


# -- requests ---------------------------------------------------------------------------------


def fields(**named: str | Sequence[str] | None) -> Fields:
    """Headers: ``if_match="*"`` is ``If-Match: *``; several values are several lines."""
    found: list[tuple[str, str]] = []
    for name, value in named.items():
        lines = () if value is None else (value,) if isinstance(value, str) else value
        found += [(name.replace("_", "-"), line) for line in lines]
    return tuple(found)


def get(**named: str | Sequence[str] | None) -> Request:
    """Return a GET with these headers."""
    return Request("GET", fields(**named))


def binary_get(**named: str | Sequence[str] | None) -> Request:
    """Return a GET by a client that wants msgpack."""
    return get(**{"accept": MSGPACK, **named})


def json_get(**named: str | Sequence[str] | None) -> Request:
    """Return a GET by a client that wants JSON."""
    return get(**{"accept": JSON, **named})


def post(body: bytes | tuple[bytes, ...], **named: str | Sequence[str] | None) -> Request:
    """Return a POST of these bytes."""
    return Request("POST", fields(**named), body)


def binary_post(value: Any, **named: str | Sequence[str] | None) -> Request:
    """Return a POST of a document in msgpack, by a client that wants msgpack."""
    return post(packed(value), **{"content_type": MSGPACK, "accept": MSGPACK, **named})


def json_post(value: Any, **named: str | Sequence[str] | None) -> Request:
    """Return a POST of a document in JSON, by a client that wants JSON."""
    return post(text(value), **{"content_type": JSON, "accept": JSON, **named})


# -- documents --------------------------------------------------------------------------------

DOCUMENT: Final[dict[str, Any]] = {"id": 7, "name": "Zoë", "ratio": 0.5, "tags": ["a", None]}


def packed(value: Any) -> bytes:
    """Return the msgpack of a document, by a library that is nobody's subject here."""
    data: bytes = msgpack.packb(value)
    return data


def text(value: Any) -> bytes:
    """Return the JSON text of a document."""
    return json.dumps(value).encode()

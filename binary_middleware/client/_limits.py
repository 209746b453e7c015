"""Limits on what a server can make its client read."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Final
from weakref import ref

MAX_RESPONSE_SIZE: Final = 1024 * 1024 * 1024
"""Default limit of a response's body, in bytes."""

MAX_STRUCTURE_SIZE: Final = 64 * 1024 * 1024
"""Default limit of the structure in a response, in bytes: 8 times that of servers."""

_EXTENSION: Final = "binary_middleware.response_limit"
_BOUNDED_CODINGS: Final = frozenset({"gzip", "deflate"})
"""Content codings whose output is at most about 1,000 times their input."""
_SMALL_SLICE: Final = 64
"""Bytes of other codings that httpx, which undoes a whole chunk at once, gets at a time. A slice
can become up to about 100 MiB; httpx2 undoes all codings in pieces of at most 1 MiB."""


class ResponseLimit:
    """The largest body that a client reads, with its content coding undone.

    httpx also reads responses by itself, before it follows a redirect or authenticates. A hook of
    its client limits these; the request carries the limit, so that other requests are unaffected.

    Args:
        package: httpx or httpx2.
        max_response_size: bytes, ``None`` for no limit.
    """

    def __init__(self, package: Any, max_response_size: int | None) -> None:
        self._package = package
        self._max_size = sys.maxsize if max_response_size is None else max_response_size

    def install(self, client: Any, *, is_async: bool) -> None:
        """Add the hook to a client of httpx, once."""
        hook = _limit_async if is_async else _limit
        hooks = client.event_hooks["response"]
        if hook not in hooks:
            hooks.insert(0, hook)

    def attach(self, request: Any) -> None:
        """Make the limit that of all responses to a request, redirects included."""
        request.extensions[_EXTENSION] = self

    def apply(self, response: Any) -> None:
        """Have every way to read a response raise ``DecodingError`` beyond the limit."""
        for name in ("iter_raw", "iter_bytes"):
            # A weak reference, because a cycle would keep the body until the next collection.
            setattr(response, name, partial(self._iterate, ref(response), name))
            setattr(response, f"a{name}", partial(self._iterate_async, ref(response), f"a{name}"))

    def _iterate(
        self, owner: Callable[[], Any], name: str, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        response = owner()
        count = self._counter(response)
        for chunk in getattr(type(response), name)(response, chunk_size):
            count(chunk)
            yield from self._slices(response, name, chunk)

    async def _iterate_async(
        self, owner: Callable[[], Any], name: str, chunk_size: int | None = None
    ) -> AsyncIterator[bytes]:
        response = owner()
        count = self._counter(response)
        async for chunk in getattr(type(response), name)(response, chunk_size):
            count(chunk)
            for piece in self._slices(response, name, chunk):
                yield piece

    def _counter(self, response: Any) -> Callable[[bytes], None]:
        codings = _codings(response)
        if len(codings) > 1:
            # One that is undone into another takes time without any bytes to count.
            names = ", ".join(codings)[:100]
            raise self._error(response, f"has several content codings, {names}: only one is undone")
        # A length may be announced without a body, as for HEAD: it is checked with the first chunk.
        size = 0 if codings else announced_length(response.headers) or 0
        is_checked = not size
        done = 0

        def count(chunk: bytes) -> None:
            nonlocal done, is_checked
            done += len(chunk)
            if done > self._max_size or not (is_checked or size <= self._max_size):
                raise self._error(
                    response,
                    f"is over max_response_size ({self._max_size} bytes): set it higher in the "
                    "client if such responses are expected",
                )
            is_checked = True

        return count

    def _slices(self, response: Any, name: str, chunk: bytes) -> Iterator[bytes]:
        is_bounded = self._package.__name__ != "httpx" or not name.endswith("raw")
        if is_bounded or _BOUNDED_CODINGS.issuperset(_codings(response)):
            yield chunk
            return
        for start in range(0, len(chunk), _SMALL_SLICE):
            yield chunk[start : start + _SMALL_SLICE]

    def _error(self, response: Any, what: str) -> Exception:
        status = "" if response.is_success else f" with status {response.status_code}"
        error: Exception = self._package.DecodingError(
            f"the response{status} {what}", request=response.request
        )
        return error


def _limit(response: Any) -> None:
    limit = response.request.extensions.get(_EXTENSION)
    if limit is not None:
        limit.apply(response)


async def _limit_async(response: Any) -> None:
    _limit(response)


def _codings(response: Any) -> list[str]:
    values = response.headers.get_list("content-encoding", split_commas=True)
    return [name for name in map(str.strip, map(str.lower, values)) if name not in ("", "identity")]


def announced_length(headers: Any) -> int | None:
    """The Content-Length of a response, ``None`` if there is none that can be used."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 19 else None


def json_structure_size(text: bytes) -> int:
    """A lower bound for the structure of JSON text: the bytes that separate its values.

    A value becomes at most about 120 bytes of objects for each of them, its own text aside.
    """
    return sum(map(text.count, (b"[", b"{", b",", b":")))

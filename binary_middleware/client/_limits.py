"""Limits on the size of responses, redirects and errors included."""

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
"""Bytes of other codings that httpx decodes at a time, because it decodes a chunk as a whole. A
slice can become up to about 100 MiB. httpx2 decodes all codings in pieces of at most 1 MiB."""


class ResponseLimit:
    """A limit of response bodies, measured after content decoding.

    httpx also reads responses by itself, before it follows a redirect or authenticates. A response
    hook limits these; requests carry the limit, so that other requests are unaffected.

    Args:
        package: httpx or httpx2.
        max_response_size: bytes, ``None`` for no limit.
    """

    def __init__(self, package: Any, max_response_size: int | None) -> None:
        self._package = package
        self._max_size = sys.maxsize if max_response_size is None else max_response_size

    def install(self, client: Any, *, is_async: bool) -> None:
        """Add the response hook to a client of httpx, once."""
        hook = _limit_async if is_async else _limit
        hooks = client.event_hooks["response"]
        if hook not in hooks:
            hooks.insert(0, hook)

    def attach(self, request: Any) -> None:
        """Limit all responses to a request, redirects included."""
        request.extensions[_EXTENSION] = self

    def apply(self, response: Any) -> None:
        """Make every way to read a response raise ``DecodingError`` beyond the limit."""
        for name in ("iter_raw", "iter_bytes"):
            # A cycle would keep the body until the next garbage collection.
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
            # Decoding one into another takes time without any bytes to count.
            names = ", ".join(codings)[:100]
            raise self._error(
                response, f"has several content codings, {names}: only one is supported"
            )
        # HEAD has a length and no body: the length is checked with the first chunk.
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

    def _error(self, response: Any, reason: str) -> Exception:
        status = "" if response.is_success else f" with status {response.status_code}"
        error: Exception = self._package.DecodingError(
            f"the response{status} {reason}", request=response.request
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
    """Return the Content-Length of a response, ``None`` if it is absent or no number."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 19 else None


def json_structure_size(text: bytes) -> int:
    """Return a lower bound for the structure of JSON text: the bytes that separate its values.

    Each of them stands for at most about 120 bytes of objects, long strings aside.
    """
    return sum(map(text.count, (b"[", b"{", b",", b":")))


def check_sizes(**sizes: Any) -> None:
    """Check limits in bytes, each of which may be ``None``.

    Raises:
        ValueError: a limit is not a number of bytes.
    """
    for name, size in sizes.items():
        if size is not None and (type(size) is not int or size < 0):
            raise ValueError(f"{name} must be a number of bytes or None, got {size!r}")

"""The blocking client."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack, overload

from binary_middleware.client._core import (
    NO_DOCUMENT,
    Attempt,
    ClientCore,
    RequestOptions,
    Result,
    Steps,
    T,
)
from binary_middleware.client._transfer import BlockingUpload, Download

if TYPE_CHECKING:
    from binary_middleware.client._core import Url


class BinaryClient(ClientCore):
    """Calls endpoints in binary mode.

    ::

        with BinaryClient("http://127.0.0.1:8000") as client:
            spectrum = client.post("/spectrum", signal, Spectrum)

    A document is what ``packb`` takes: a model, a dataclass, a dict, a list, an array, in any
    mixture. An answer comes as objects, or validated as a type that pydantic knows, or as
    ``np.ndarray`` or ``NDArray[...]``. Threads may share a client.

    Every call takes httpx's ``params``, ``headers``, ``cookies``, ``auth``, ``follow_redirects``,
    ``timeout`` and ``extensions``, and ``progress``. It raises httpx's exceptions, those for a
    status with what the server said; ``EncodeError`` for what cannot be sent; and pydantic's
    ``ValidationError`` for an answer that is not what was asked for.

    Args:
        client: an ``httpx2.Client``, an ``httpx.Client`` or Starlette's ``TestClient``, which its
            owner closes; or the URL that relative ones are relative to, for a client of our own.
        media_type: what requests are sent as and answers are asked for as: a name that the server
            has for msgpack, or ``"application/json"`` to speak JSON only.
        arrays: ``"map"`` for arrays as string-keyed maps in both directions, ``"numpy"`` for
            msgpack-numpy's; by default those are sent, and the server chooses for its answer.
        dialect: ``"chains"`` for dates, durations, decimals and UUIDs as Chains has them.
        fallback: what becomes of a call whose server has no binary mode: ``"fail"``, or ``"json"``
            to make it again in JSON, and from then on every call to that server.
        max_response_size: limit of a response's body in bytes, 1 GiB by default, ``None`` for no
            limit.
        max_structure_size: limit in bytes for all of a response but large arrays and bytes,
            64 MiB by default, ``None`` for no limit. In memory it takes up to 120 times as much.
        progress: is told of each slice of a body that was sent or received.
        options: for our own client, whatever else ``httpx.Client`` takes.

    Attributes:
        http: httpx's client, for all that this one does not do.

    Raises:
        ValueError: a setting is not one of those named here.
        TypeError: not a client of this kind, or options for one that is made already.
        ImportError: a URL, and neither httpx2 nor httpx is installed.
    """

    _kind = "Client"
    _upload = BlockingUpload

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of a client of our own."""
        if self._is_ours:
            self.http.close()

    def _run(self, steps: Steps) -> Result[Any]:
        attempt = next(steps)
        try:
            while True:
                try:
                    download = self._exchange(attempt)
                except Exception as exc:
                    attempt = steps.throw(exc)
                else:
                    attempt = steps.send(download)
        except StopIteration as end:
            reply: Result[Any] = end.value
            return reply

    def _exchange(self, attempt: Attempt) -> Download:
        with self._package_errors(attempt.request):
            response = self.http.send(attempt.request, stream=True, **attempt.options)
            self._limit.apply(response)  # whatever became of the hook
            with contextlib.closing(response):
                if not response.is_success:
                    response.read()  # so that whoever catches the exception finds it
                download = Download(response, attempt.progress)
                for chunk in response.iter_bytes():
                    download.add(chunk)
        self._let_go(response)
        return download

    @overload
    def send(
        self,
        method: str,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> Result[T]: ...
    @overload
    def send(
        self,
        method: str,
        url: Url,
        document: Any = ...,
        returns: Any = ...,
        **options: Unpack[RequestOptions],
    ) -> Result[Any]: ...
    def send(
        self,
        method: str,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Result[Any]:
        """Make a call; gives what its answer holds, and httpx's response.

        Args:
            method: of the request.
            url: relative to the client's, or absolute.
            document: the body; without one nothing is sent.
            returns: the type that the answer is validated as.
            options: see the class.
        """
        return self._run(self._steps(method, url, document, returns, options))

    @overload
    def request(
        self,
        method: str,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> T: ...
    @overload
    def request(
        self,
        method: str,
        url: Url,
        document: Any = ...,
        returns: Any = ...,
        **options: Unpack[RequestOptions],
    ) -> Any: ...
    def request(
        self,
        method: str,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Make a call with any method; arguments as for :meth:`fetch`."""
        reply = self.send(method, url, document, returns, **options)
        return reply.value

    @overload
    def get(self, url: Url, returns: type[T] = ..., **options: Unpack[RequestOptions]) -> T: ...
    @overload
    def get(self, url: Url, returns: Any = ..., **options: Unpack[RequestOptions]) -> Any: ...
    def get(self, url: Url, returns: Any = Any, **options: Unpack[RequestOptions]) -> Any:
        """Make a GET request, without a body; arguments as for :meth:`fetch`."""
        return self.request("GET", url, NO_DOCUMENT, returns, **options)

    @overload
    def delete(self, url: Url, returns: type[T] = ..., **options: Unpack[RequestOptions]) -> T: ...
    @overload
    def delete(self, url: Url, returns: Any = ..., **options: Unpack[RequestOptions]) -> Any: ...
    def delete(self, url: Url, returns: Any = Any, **options: Unpack[RequestOptions]) -> Any:
        """Make a DELETE request, without a body; arguments as for :meth:`fetch`."""
        return self.request("DELETE", url, NO_DOCUMENT, returns, **options)

    @overload
    def post(
        self,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> T: ...
    @overload
    def post(
        self, url: Url, document: Any = ..., returns: Any = ..., **options: Unpack[RequestOptions]
    ) -> Any: ...
    def post(
        self,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Make a POST request; arguments as for :meth:`fetch`."""
        return self.request("POST", url, document, returns, **options)

    @overload
    def put(
        self,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> T: ...
    @overload
    def put(
        self, url: Url, document: Any = ..., returns: Any = ..., **options: Unpack[RequestOptions]
    ) -> Any: ...
    def put(
        self,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Make a PUT request; arguments as for :meth:`fetch`."""
        return self.request("PUT", url, document, returns, **options)

    @overload
    def patch(
        self,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> T: ...
    @overload
    def patch(
        self, url: Url, document: Any = ..., returns: Any = ..., **options: Unpack[RequestOptions]
    ) -> Any: ...
    def patch(
        self,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Make a PATCH request; arguments as for :meth:`fetch`."""
        return self.request("PATCH", url, document, returns, **options)

    @overload
    def call(self, url: Url, returns: type[T] = ..., /, **arguments: Any) -> T: ...
    @overload
    def call(self, url: Url, returns: Any = ..., /, **arguments: Any) -> Any: ...
    def call(self, url: Url, returns: Any = Any, /, **arguments: Any) -> Any:
        """Post the keyword arguments, as an endpoint with several body parameters takes them.

        Args:
            url: as for :meth:`fetch`.
            returns: as for :meth:`fetch`.
            arguments: the body's members by name.
        """
        return self.request("POST", url, arguments, returns)

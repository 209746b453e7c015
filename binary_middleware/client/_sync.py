"""The blocking client."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self, Unpack, overload

from binary_middleware.client._core import NO_DOCUMENT, Call, ClientCore, RequestOptions
from binary_middleware.client._httpx import translated_errors
from binary_middleware.client._responses import Result, T
from binary_middleware.client._transfer import BlockingUpload, Download

if TYPE_CHECKING:
    from binary_middleware.client._httpx import Url


class BinaryClient(ClientCore):
    """Calls endpoints in binary mode.

    ::

        with BinaryClient("http://127.0.0.1:8000") as client:
            spectrum = client.post("/spectrum", signal, Spectrum)

    A document is anything that ``packb`` accepts: a model, a dataclass, a dict, a list, an array,
    in any mixture. A response is returned as objects, or validated as a type that pydantic
    supports, or as ``np.ndarray`` or ``NDArray[...]``. Threads may share a client.

    Every call accepts httpx's ``params``, ``headers``, ``cookies``, ``auth``, ``follow_redirects``,
    ``timeout`` and ``extensions``, and ``progress``. It raises httpx's exceptions, those for a
    status with the server's own description; ``EncodeError`` for a document that cannot be sent;
    and pydantic's ``ValidationError`` for a response that is not of the type asked for.

    Args:
        client: an ``httpx2.Client``, an ``httpx.Client`` or Starlette's ``TestClient``, which its
            owner closes; or the URL that relative ones are relative to, for a client of its own.
        media_type: the type of requests, and of responses that are asked for: the server's name
            for msgpack, or ``"application/json"`` to speak JSON only.
        arrays: ``"map"`` for arrays as string-keyed maps in both directions, ``"numpy"`` for
            msgpack-numpy's; by default those are sent, and the server chooses for its response.
        dialect: ``"chains"`` for dates, durations, decimals and UUIDs in the form of Chains.
        fallback: ``"json"`` to send JSON to a server until a response proves that it has binary
            mode; by default msgpack is sent from the first call on.
        max_response_size: limit of a response's body in bytes, 1 GiB by default, ``None`` for no
            limit.
        max_structure_size: limit in bytes for all of a response but large arrays and bytes,
            64 MiB by default, ``None`` for no limit. It needs up to 120 times as much memory.
        progress: called for each slice of a body that was sent or received.
        options: for a URL, further arguments of ``httpx.Client``.

    Attributes:
        http: httpx's client, for everything that this one does not do.

    Raises:
        ValueError: a setting has none of these values.
        TypeError: it is not a client of this kind, or there are options and no URL.
        ImportError: there is a URL, and neither httpx2 nor httpx is installed.
    """

    _kind = "Client"
    _upload = BlockingUpload

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless httpx's client belongs to somebody else."""
        if self._owns_http:
            self.http.close()

    def _download(self, call: Call) -> Download:
        with translated_errors(self._package, call.request):
            response = self.http.send(call.request, stream=True, **call.options)
            self._limit.apply(response)  # even if somebody removed the hook
            with contextlib.closing(response):
                if not response.is_success:
                    response.read()  # for whoever catches the exception
                download = Download(response, call.progress)
                for chunk in response.iter_bytes():
                    download.add(chunk)
        self._release(response)
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
        """Make a call; return its result with httpx's response.

        Args:
            method: the method of the request.
            url: relative to the client's URL, or absolute.
            document: the body; without one nothing is sent.
            returns: the type that the response is validated as.
            options: see the class.
        """
        call = self._prepare(method, url, document, returns, options)
        return self._result(call, self._download(call))

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
        """Make a call with any method; arguments as for :meth:`send`."""
        result = self.send(method, url, document, returns, **options)
        return result.value

    @overload
    def get(self, url: Url, returns: type[T] = ..., **options: Unpack[RequestOptions]) -> T: ...
    @overload
    def get(self, url: Url, returns: Any = ..., **options: Unpack[RequestOptions]) -> Any: ...
    def get(self, url: Url, returns: Any = Any, **options: Unpack[RequestOptions]) -> Any:
        """Make a GET request without a body; arguments as for :meth:`send`."""
        return self.request("GET", url, NO_DOCUMENT, returns, **options)

    @overload
    def delete(self, url: Url, returns: type[T] = ..., **options: Unpack[RequestOptions]) -> T: ...
    @overload
    def delete(self, url: Url, returns: Any = ..., **options: Unpack[RequestOptions]) -> Any: ...
    def delete(self, url: Url, returns: Any = Any, **options: Unpack[RequestOptions]) -> Any:
        """Make a DELETE request without a body; arguments as for :meth:`send`."""
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
        """Make a POST request; arguments as for :meth:`send`."""
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
        """Make a PUT request; arguments as for :meth:`send`."""
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
        """Make a PATCH request; arguments as for :meth:`send`."""
        return self.request("PATCH", url, document, returns, **options)

    @overload
    def call(self, url: Url, returns: type[T] = ..., /, **arguments: Any) -> T: ...
    @overload
    def call(self, url: Url, returns: Any = ..., /, **arguments: Any) -> Any: ...
    def call(self, url: Url, returns: Any = Any, /, **arguments: Any) -> Any:
        """Post the keyword arguments, for an endpoint with several body parameters.

        Args:
            url: as for :meth:`send`.
            returns: as for :meth:`send`.
            arguments: the members of the body.
        """
        return self.request("POST", url, arguments, returns)

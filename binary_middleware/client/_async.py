"""The async client."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self, Unpack, overload

from binary_middleware.client._core import NO_DOCUMENT, Call, ClientCore, RequestOptions
from binary_middleware.client._httpx import translated_errors
from binary_middleware.client._responses import Result, T
from binary_middleware.client._transfer import AsyncUpload, Download

if TYPE_CHECKING:
    from binary_middleware.client._httpx import Url


class AsyncBinaryClient(ClientCore):
    """Calls endpoints in binary mode, from an event loop.

    ::

        async with AsyncBinaryClient("http://127.0.0.1:8000") as client:
            spectrum = await client.post("/spectrum", signal, Spectrum)

    The same as ``BinaryClient``, with an ``httpx2.AsyncClient`` or an ``httpx.AsyncClient``.
    Tasks may share a client.
    """

    _kind = "AsyncClient"
    _upload = AsyncUpload

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, unless httpx's client belongs to somebody else."""
        if self._owns_http:
            await self.http.aclose()

    async def _download(self, call: Call) -> Download:
        with translated_errors(self._package, call.request):
            response = await self.http.send(call.request, stream=True, **call.options)
            self._limit.apply(response)  # even if somebody removed the hook
            async with contextlib.aclosing(response):
                if not response.is_success:
                    await response.aread()  # for whoever catches the exception
                download = Download(response, call.progress)
                async for chunk in response.aiter_bytes():
                    download.add(chunk)
        self._release(response)
        return download

    @overload
    async def send(
        self,
        method: str,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> Result[T]: ...
    @overload
    async def send(
        self,
        method: str,
        url: Url,
        document: Any = ...,
        returns: Any = ...,
        **options: Unpack[RequestOptions],
    ) -> Result[Any]: ...
    async def send(
        self,
        method: str,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Result[Any]:
        """See :meth:`BinaryClient.send`."""
        call = self._prepare(method, url, document, returns, options)
        return self._result(call, await self._download(call))

    @overload
    async def request(
        self,
        method: str,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> T: ...
    @overload
    async def request(
        self,
        method: str,
        url: Url,
        document: Any = ...,
        returns: Any = ...,
        **options: Unpack[RequestOptions],
    ) -> Any: ...
    async def request(
        self,
        method: str,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """See :meth:`BinaryClient.request`."""
        result = await self.send(method, url, document, returns, **options)
        return result.value

    @overload
    async def get(
        self, url: Url, returns: type[T] = ..., **options: Unpack[RequestOptions]
    ) -> T: ...
    @overload
    async def get(self, url: Url, returns: Any = ..., **options: Unpack[RequestOptions]) -> Any: ...
    async def get(self, url: Url, returns: Any = Any, **options: Unpack[RequestOptions]) -> Any:
        """See :meth:`BinaryClient.get`."""
        return await self.request("GET", url, NO_DOCUMENT, returns, **options)

    @overload
    async def delete(
        self, url: Url, returns: type[T] = ..., **options: Unpack[RequestOptions]
    ) -> T: ...
    @overload
    async def delete(
        self, url: Url, returns: Any = ..., **options: Unpack[RequestOptions]
    ) -> Any: ...
    async def delete(self, url: Url, returns: Any = Any, **options: Unpack[RequestOptions]) -> Any:
        """See :meth:`BinaryClient.delete`."""
        return await self.request("DELETE", url, NO_DOCUMENT, returns, **options)

    @overload
    async def post(
        self,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> T: ...
    @overload
    async def post(
        self, url: Url, document: Any = ..., returns: Any = ..., **options: Unpack[RequestOptions]
    ) -> Any: ...
    async def post(
        self,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """See :meth:`BinaryClient.post`."""
        return await self.request("POST", url, document, returns, **options)

    @overload
    async def put(
        self,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> T: ...
    @overload
    async def put(
        self, url: Url, document: Any = ..., returns: Any = ..., **options: Unpack[RequestOptions]
    ) -> Any: ...
    async def put(
        self,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """See :meth:`BinaryClient.put`."""
        return await self.request("PUT", url, document, returns, **options)

    @overload
    async def patch(
        self,
        url: Url,
        document: Any = ...,
        returns: type[T] = ...,
        **options: Unpack[RequestOptions],
    ) -> T: ...
    @overload
    async def patch(
        self, url: Url, document: Any = ..., returns: Any = ..., **options: Unpack[RequestOptions]
    ) -> Any: ...
    async def patch(
        self,
        url: Url,
        document: Any = NO_DOCUMENT,
        returns: Any = Any,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """See :meth:`BinaryClient.patch`."""
        return await self.request("PATCH", url, document, returns, **options)

    @overload
    async def call(self, url: Url, returns: type[T] = ..., /, **arguments: Any) -> T: ...
    @overload
    async def call(self, url: Url, returns: Any = ..., /, **arguments: Any) -> Any: ...
    async def call(self, url: Url, returns: Any = Any, /, **arguments: Any) -> Any:
        """See :meth:`BinaryClient.call`."""
        return await self.request("POST", url, arguments, returns)

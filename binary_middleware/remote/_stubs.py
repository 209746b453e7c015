"""``Service``: the base class of declarations, whose stubs call and whose implementations serve."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self, TypeVar

import anyio

from binary_middleware._http.media_types import JSON
from binary_middleware.client import AsyncBinaryClient, BinaryClient
from binary_middleware.client._limits import (
    MAX_RESPONSE_SIZE,
    MAX_STRUCTURE_SIZE,
    check_sizes,
)
from binary_middleware.formats import FORMAT
from binary_middleware.remote._contract import Method, methods_of
from binary_middleware.remote._retries import Retries
from binary_middleware.remote._trace_context import headers_to_pass_on

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

DEFAULT_TIMEOUT: Final = 60.0
DEFAULT_RETRIES: Final = Retries()


@dataclass(frozen=True, kw_only=True)
class CallOptions:
    """How calls travel, for a service or for some of its calls."""

    use_binary: bool = True
    """Whether they travel in msgpack, or in JSON."""
    timeout: Any = DEFAULT_TIMEOUT
    """Seconds, an ``httpx.Timeout``, or ``None`` for no limit."""
    retries: Retries = DEFAULT_RETRIES
    """When a call is made again."""
    concurrency_limit: int | None = None
    """Most calls at a time, of all who share the stub; others wait. Retries keep their place.
    Only for the service as a whole."""
    media_type: str = FORMAT.media_types[0]
    """The name that the server has for msgpack. Only for the service as a whole."""
    max_response_size: int | None = MAX_RESPONSE_SIZE
    """Largest response in bytes, ``None`` for no limit. Only for the service as a whole."""
    max_structure_size: int | None = MAX_STRUCTURE_SIZE
    """Most bytes of a response that are not large arrays and bytes, ``None`` for no limit. Only
    for the service as a whole."""

    def __post_init__(self) -> None:
        limit = self.concurrency_limit
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ValueError(f"concurrency_limit must be a number from 1 on, not {limit!r}")
        check_sizes(
            max_response_size=self.max_response_size, max_structure_size=self.max_structure_size
        )


class Service(Protocol):
    """Base class of the declaration of a service.

    Its methods have annotations and no body: ``def`` for a stub that blocks, ``async def`` for one
    that is awaited. ::

        class Images(Service, Protocol):
            async def gradient(self, image: NumpyArrayField, sigma: float = 1.0) -> Gradient: ...

            @idempotent
            async def count(self) -> int: ...

        images = Images.connect("http://images:8000")        # calls
        Images.serve(app, ImagesOfThisProcess())             # answers

    Each method is a POST to its name under the URL of the service. The body holds the arguments by
    their names, the answer is the result, validated as what the method returns.
    """

    __is_declaration__: ClassVar[bool] = True

    # A stub closes its connections; an implementation in its place has none.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        client: Any = None,
        async_client: Any = None,
        **options: Any,
    ) -> Self:
        """A stub, whose methods call the service at a URL.

        A context manager closes its connections, ``with`` for blocking methods and ``async with``
        for awaited ones.

        Args:
            url: of the service, with the prefix that it is served under.
            client: an ``httpx2.Client``, ``httpx.Client`` or ``TestClient`` for blocking methods;
                one of our own by default.
            async_client: the same for methods that are awaited.
            options: fields of :class:`CallOptions`.

        Raises:
            TypeError: the declaration is not complete, or an option is unknown.
        """
        namespace = {"__module__": cls.__module__, **_stub_methods(cls)}
        stub_class = type(f"{cls.__name__}Stub", (Stub, cls), namespace)
        stub: Self = stub_class(url, client, async_client, CallOptions(**options))
        return stub

    @classmethod
    def serve(
        cls, app: FastAPI | APIRouter, implementation: Self, *, prefix: str = "", **options: Any
    ) -> None:
        """Mount an implementation as routes of a FastAPI app or router.

        They exchange objects with binary clients and JSON with all others, whether the app has
        binary mode or not.

        Args:
            app: the app or router.
            implementation: has the methods that are declared, with ``def`` or ``async def``.
            prefix: of the paths.
            options: fields of ``BinaryOptions``.

        Raises:
            TypeError: a declared method is missing, or takes other arguments.
            ValueError: an option is unknown or wrong.
        """
        from binary_middleware.remote._routes import mount

        mount(cls, app, implementation, prefix, options)


class Stub:
    """What the stubs of all services share."""

    def __init__(self, url: str, client: Any, async_client: Any, options: CallOptions) -> None:
        self._url = url.rstrip("/")
        self._http = client
        self._async_http = async_client
        self._options = options
        self._shared = _Shared(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._url}>"

    def __exit__(self, *_: object) -> None:
        self._shared.close()

    async def __aexit__(self, *_: object) -> None:
        await self._shared.aclose()


class _Shared:
    """The connections and limits of a stub, made when they are needed, shared by its variants."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._clients: dict[tuple[type, bool], Any] = {}
        self._lock = threading.Lock()
        number = stub._options.concurrency_limit
        limits: Any = nullcontext(), nullcontext()
        if number is not None:
            limits = threading.BoundedSemaphore(number), anyio.Semaphore(number)
        self.limit, self.async_limit = limits

    def client(self, kind: type, *, use_binary: bool) -> Any:
        """The client for blocking or awaited calls, in binary or in JSON."""
        with self._lock:
            made = self._clients.get((kind, use_binary))
            if made is None:
                stub = self._stub
                given = stub._http if kind is BinaryClient else stub._async_http
                # Both modes go over the same connections.
                other = self._clients.get((kind, not use_binary))
                media_type = stub._options.media_type if use_binary else JSON
                made = kind(
                    other.http if other is not None else given or stub._url,
                    media_type=media_type,
                    max_response_size=stub._options.max_response_size,
                    max_structure_size=stub._options.max_structure_size,
                )
                self._clients[kind, use_binary] = made
            return made

    def close(self) -> None:
        for (kind, _), client in self._clients.items():
            if kind is BinaryClient:
                client.close()

    async def aclose(self) -> None:
        self.close()
        for (kind, _), client in self._clients.items():
            if kind is AsyncBinaryClient:
                await client.aclose()


def _stub_methods(service: type) -> dict[str, Any]:
    return {name: _stub_method(service, method) for name, method in methods_of(service).items()}


def _stub_method(service: type, method: Method) -> Callable[..., Any]:
    declared = getattr(service, method.name)
    path = f"/{method.name}"

    def what_to_send(stub: Stub, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arguments = method.arguments(args, kwargs)
        how = {"timeout": stub._options.timeout, "headers": headers_to_pass_on()}
        return (f"{stub._url}{path}", arguments, method.returns), how

    @wraps(declared)
    def call(self: Stub, /, *args: Any, **kwargs: Any) -> Any:
        sent, how = what_to_send(self, args, kwargs)
        client = self._shared.client(BinaryClient, use_binary=self._options.use_binary)
        with self._shared.limit:
            for attempt in self._options.retries.context(method, sent[1]):
                with attempt:
                    return client.post(*sent, **how)
        raise AssertionError("unreachable: the last attempt returns or raises")

    @wraps(declared)
    async def call_async(self: Stub, /, *args: Any, **kwargs: Any) -> Any:
        sent, how = what_to_send(self, args, kwargs)
        client = self._shared.client(AsyncBinaryClient, use_binary=self._options.use_binary)
        async with self._shared.async_limit:
            async for attempt in self._options.retries.context(method, sent[1]):
                with attempt:
                    return await client.post(*sent, **how)
        raise AssertionError("unreachable: the last attempt returns or raises")

    return call_async if method.is_async else call


AnyService = TypeVar("AnyService")

_OF_THE_SERVICE: Final = frozenset(
    {"concurrency_limit", "media_type", "max_response_size", "max_structure_size"}
)


def with_options(stub: AnyService, **options: Any) -> AnyService:
    """A stub with other options, over the same connections; the given one stays as it is.

    ::

        await with_options(images, timeout=5, retries=Retries(attempts=1)).gradient(image)

    Args:
        stub: what ``Service.connect`` gave.
        options: fields of :class:`CallOptions`.

    Raises:
        TypeError: not a stub, or an option is unknown or of the service as a whole.
    """
    if not isinstance(stub, Stub):
        raise TypeError(f"not a stub of a service: {stub!r}")
    for name in options:
        if name in _OF_THE_SERVICE or name not in {field.name for field in fields(CallOptions)}:
            raise TypeError(f"{name!r} is not an option of a call")
    variant = object.__new__(type(stub))
    vars(variant).update(vars(stub), _options=replace(stub._options, **options))
    return variant

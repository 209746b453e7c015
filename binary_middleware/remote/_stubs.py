"""Stubs: objects of a contract's type whose methods call a service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial, wraps
from typing import Any, Final, Generic, NamedTuple, TypedDict, TypeVar, Unpack, cast

import anyio

from binary_middleware._http.media_types import JSON
from binary_middleware.client import AsyncBinaryClient, BinaryClient
from binary_middleware.client._limits import MAX_RESPONSE_SIZE, MAX_STRUCTURE_SIZE, check_sizes
from binary_middleware.formats import FORMAT
from binary_middleware.remote._contract import Contract, Method, methods_of
from binary_middleware.remote._retries import Retries
from binary_middleware.remote._trace_context import forwarded_headers

T = TypeVar("T")


class CallOptions(TypedDict, total=False):
    """Options of calls, for all calls of a stub or for some of them."""

    use_binary: bool
    """Whether msgpack is sent, as by default, or JSON."""
    timeout: Any
    """Seconds, 60 by default; an ``httpx.Timeout``; or ``None`` for no limit."""
    retries: Retries
    """When a call is made again."""


_DEFAULTS: Final = CallOptions(use_binary=True, timeout=60.0, retries=Retries())
_STATE: Final = "__binary_middleware_stub__"  # a name that no contract declares


class Connection(Generic[T]):
    """The connections to a service. As a context manager it gives the stub and closes them.

    ``async with`` is for contracts with awaited methods, ``with`` for those whose methods block.
    """

    stub: T
    """The object whose methods call the service."""

    def __init__(
        self,
        contract: Contract[T],
        url: str,
        http: dict[type, Any],
        concurrency_limit: int | None,
        client_options: dict[str, Any],
        call_options: CallOptions,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = http
        self._client_options = client_options
        self._clients: dict[tuple[type, bool], Any] = {}
        self._lock = threading.Lock()
        self._limits = _limits(concurrency_limit)
        class_: Any = _stub_class(contract)
        self.stub = class_(_State(self, {**_DEFAULTS, **call_options}))

    def __enter__(self) -> T:
        return self.stub

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> T:
        return self.stub

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def close(self) -> None:
        """Close the connections of blocking methods."""
        for (kind, _), client in self._clients.items():
            if kind is BinaryClient:
                client.close()

    async def aclose(self) -> None:
        """Close all connections."""
        self.close()
        for (kind, _), client in self._clients.items():
            if kind is AsyncBinaryClient:
                await client.aclose()

    def _client(self, kind: type, *, use_binary: bool) -> Any:
        """Return the client for blocking or awaited calls, in msgpack or in JSON."""
        with self._lock:
            client = self._clients.get((kind, use_binary))
            if client is None:
                # Both use the same connections.
                other = self._clients.get((kind, not use_binary))
                client = kind(
                    other.http if other is not None else self._http[kind] or self.url,
                    **{**self._client_options, **({} if use_binary else {"media_type": JSON})},
                )
                self._clients[kind, use_binary] = client
            return client


def connect(
    contract: Contract[T],
    url: str,
    *,
    client: Any = None,
    async_client: Any = None,
    concurrency_limit: int | None = None,
    media_type: str = FORMAT.media_types[0],
    max_response_size: int | None = MAX_RESPONSE_SIZE,
    max_structure_size: int | None = MAX_STRUCTURE_SIZE,
    **options: Unpack[CallOptions],
) -> Connection[T]:
    """Return the connections to a service, whose stub has the methods of a contract.

    ::

        async with connect(Images, "http://images:8000") as images:
            gradient = await images.gradient(image)

        images = connect(Images, "http://images:8000").stub  # for the life of the process

    Args:
        contract: a class, such as a ``Protocol``, whose methods have annotations: ``def`` for a
            method that blocks, ``async def`` for one that is awaited.
        url: the URL of the service, with the prefix that it is served under.
        client: an ``httpx2.Client``, ``httpx.Client`` or ``TestClient`` for blocking methods, which
            its owner closes; by default one for the URL.
        async_client: the same for awaited methods.
        concurrency_limit: number of calls at a time; others wait. Retries keep their place.
        media_type: the server's name for msgpack.
        max_response_size: limit of a response in bytes, ``None`` for no limit.
        max_structure_size: limit in bytes for all of a response but large arrays and bytes,
            ``None`` for no limit.
        options: see :class:`CallOptions`.

    Raises:
        TypeError: the contract is incomplete, or an option is unknown.
        ValueError: a limit is wrong.
    """
    check_sizes(max_response_size=max_response_size, max_structure_size=max_structure_size)
    _check_names(options)
    return Connection(
        contract,
        url,
        {BinaryClient: client, AsyncBinaryClient: async_client},
        concurrency_limit,
        {
            "media_type": media_type,
            "max_response_size": max_response_size,
            "max_structure_size": max_structure_size,
        },
        options,
    )


def _limits(number: int | None) -> dict[type, Any]:
    """Return the limits of concurrent calls, for blocking and for awaited ones."""
    if number is None:
        return dict.fromkeys((BinaryClient, AsyncBinaryClient), nullcontext())
    if type(number) is not int or number < 1:
        raise ValueError(f"concurrency_limit must be at least 1, not {number!r}")
    return {
        BinaryClient: threading.BoundedSemaphore(number),
        AsyncBinaryClient: anyio.Semaphore(number),
    }


def with_options(stub: T, **options: Unpack[CallOptions]) -> T:
    """Return a stub with other options over the same connections.

    ::

        await with_options(images, timeout=5, retries=Retries(attempts=1)).gradient(image)

    Args:
        stub: a stub of :func:`connect`, which stays as it is.
        options: see :class:`CallOptions`.

    Raises:
        TypeError: it is not a stub, or an option is unknown.
    """
    state: _State | None = getattr(stub, _STATE, None)
    if state is None:
        raise TypeError(f"expected a stub of connect(), got {stub!r}")
    _check_names(options)
    class_: Any = type(stub)
    return cast(T, class_(state._replace(options={**state.options, **options})))


def _check_names(options: CallOptions) -> None:
    names = CallOptions.__annotations__
    for name in options:
        if name not in names:
            raise TypeError(f"{name!r} is not an option of a call, only {', '.join(names)}")


class _State(NamedTuple):
    """Everything that a stub holds."""

    connection: Connection[Any]
    options: CallOptions


class _Stub:
    """The base class of stubs."""

    def __init__(self, state: _State) -> None:
        setattr(self, _STATE, state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, _STATE).connection.url}>"


def _stub_class(contract: Any) -> type:
    methods = {
        name: _stub_method(contract, method) for name, method in methods_of(contract).items()
    }
    namespace = {"__module__": contract.__module__, **methods}
    return type(f"{contract.__name__}Stub", (_Stub, contract), namespace)


def _stub_method(contract: type, method: Method) -> Callable[..., Any]:
    declared = getattr(contract, method.name)
    kind = AsyncBinaryClient if method.is_async else BinaryClient

    def request(stub: Any, args: Any, kwargs: Any) -> tuple[Connection[Any], Any, Any]:
        """Return the connection, stamina's attempts, and a function that makes the call."""
        connection, options = getattr(stub, _STATE)
        arguments = method.bind(args, kwargs)
        client = connection._client(kind, use_binary=options["use_binary"])
        post = partial(
            client.post,
            f"{connection.url}/{method.name}",
            arguments,
            method.returns,
            timeout=options["timeout"],
            headers=forwarded_headers(),
        )
        return connection, options["retries"].attempts_for(method, arguments), post

    @wraps(declared, updated=())  # without the mark of an abstract method
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        connection, attempts, post = request(self, args, kwargs)
        with connection._limits[kind]:
            for attempt in attempts:
                with attempt:
                    return post()
        raise AssertionError("unreachable: the last attempt returns or raises")

    @wraps(declared, updated=())
    async def call_async(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        connection, attempts, post = request(self, args, kwargs)
        async with connection._limits[kind]:
            async for attempt in attempts:
                with attempt:
                    return await post()
        raise AssertionError("unreachable: the last attempt returns or raises")

    return call_async if method.is_async else call

"""Services that call services: one declaration, stubs on one side and routes on the other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Protocol

import httpx2
import numpy as np
import pytest
import stamina
from fastapi import FastAPI, HTTPException, Request
from pydantic import Base64Bytes, BaseModel, Field, ValidationError
from starlette.testclient import TestClient

from binary_middleware import ExchangeInfo, NumpyArrayField, packb
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.remote import (
    CallOptions,
    Retries,
    Service,
    TraceContextMiddleware,
    idempotent,
    with_options,
)
from tests.client.hostile import answering, response
from tests.serving import serving

Factor = Annotated[float, Field(gt=0)]
NOT_TEXT = b"\xff\x00\xfe"


class Gradient(BaseModel):
    magnitude: NumpyArrayField
    largest: float


class Images(Service, Protocol):
    """Images."""

    def gradient(self, image: NumpyArrayField, *, sigma: float = 1.0) -> Gradient:
        """The gradient of an image."""
        ...

    async def scaled(
        self, image: NumpyArrayField, by: Annotated[float, Field(gt=0)]
    ) -> dict[str, Any]: ...

    def bytes_of(self, data: bytes) -> list[int]: ...

    def nothing(self) -> None: ...

    async def one_model(self, gradient: Gradient) -> float: ...


class ImagesHere(Images):
    async def gradient(self, image: NumpyArrayField, *, sigma: float = 1.0) -> Gradient:
        magnitude = image.array * sigma
        return Gradient(magnitude=magnitude, largest=float(magnitude.max()))

    async def scaled(self, image: NumpyArrayField, by: float) -> dict[str, Any]:
        return {"image": image.array * by, "raw": NOT_TEXT}

    def bytes_of(self, data: bytes) -> list[int]:
        return list(data)

    def nothing(self) -> None:
        return None

    def one_model(self, gradient: Gradient) -> float:
        return gradient.largest


ARRAY = NumpyArrayField(np.arange(6, dtype="float32").reshape(2, 3))
records: list[ExchangeInfo] = []


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = FastAPI()
    Images.serve(app, ImagesHere(), prefix="/images", on_exchange=records.append)
    with serving(app) as url:
        yield f"{url}/images"


@pytest.fixture(autouse=True)
def _no_records() -> None:
    records.clear()


# -- calls ------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_binary", [True, False])
def test_blocking_calls(url: str, use_binary: bool) -> None:
    with Images.connect(url, use_binary=use_binary) as images:
        found = images.gradient(ARRAY, sigma=2)
        assert type(found) is Gradient
        assert np.array_equal(found.magnitude.array, ARRAY.array * 2)
        assert images.gradient(image=ARRAY).largest == 5.0
        assert images.bytes_of(NOT_TEXT) == list(NOT_TEXT)
        assert images.nothing() is None
    assert {record.is_binary for record in records} == {use_binary}


@pytest.mark.parametrize("use_binary", [True, False])
def test_awaited_calls(url: str, use_binary: bool) -> None:
    async def call() -> tuple[Any, Any]:
        async with Images.connect(url, use_binary=use_binary) as images:
            gradient = Gradient(magnitude=ARRAY, largest=1.5)
            return await asyncio.gather(images.scaled(ARRAY, by=2), images.one_model(gradient))

    if not use_binary:
        with pytest.raises(httpx2.HTTPStatusError, match="406"):  # an array under Any, in JSON
            asyncio.run(call())
        return
    scaled, largest = asyncio.run(call())
    assert np.array_equal(scaled["image"], ARRAY.array * 2)
    assert scaled["raw"] == NOT_TEXT
    assert largest == 1.5


def test_a_stub_in_the_same_process() -> None:
    app = FastAPI()
    add_binary_mode(app)
    Images.serve(app, ImagesHere())
    images = Images.connect("", client=TestClient(app))
    assert images.gradient(ARRAY).largest == 5.0


def test_arguments_are_those_of_the_declaration(url: str) -> None:
    with Images.connect(url) as images:
        with pytest.raises(TypeError, match=r"gradient\(\): missing a required argument: 'image'"):
            images.gradient()  # type: ignore[call-arg]
        with pytest.raises(
            TypeError, match=r"gradient\(\): got an unexpected keyword argument 'x'"
        ):
            images.gradient(ARRAY, x=1)  # type: ignore[call-arg]
    assert records == []


def test_errors_are_httpxs_with_what_the_server_said(url: str) -> None:
    async def call() -> None:
        async with Images.connect(url) as images:
            await images.scaled(ARRAY, by=-1)

    with pytest.raises(httpx2.HTTPStatusError, match=r"(?s)422.*body\.by: .*greater than 0"):
        asyncio.run(call())


def test_results_are_validated(url: str) -> None:
    class Wrong(Service, Protocol):
        def bytes_of(self, data: bytes) -> str: ...

    with Wrong.connect(url) as wrong, pytest.raises(ValidationError, match="valid string"):
        wrong.bytes_of(b"a")


class Files(Service, Protocol):
    def joined(
        self, parts: list[bytes | None], tail: Annotated[bytes, Field(max_length=2)] = b"!"
    ) -> dict[str, bytes]: ...

    def decoded(self, text: Base64Bytes) -> bytes: ...

    def same(self, either: bytes | str) -> str | bytes: ...


class FilesHere(Files):
    def joined(self, parts: list[bytes | None], tail: bytes = b"") -> dict[str, bytes]:
        return {"all": b"".join(part or b"-" for part in parts) + tail}

    def decoded(self, text: bytes) -> bytes:
        return text

    def same(self, either: bytes | str) -> str | bytes:
        return either


@pytest.mark.parametrize("use_binary", [True, False])
def test_bytes_are_the_same_in_both_modes(use_binary: bool) -> None:
    app = FastAPI()
    Files.serve(app, FilesHere())
    files = Files.connect("", client=TestClient(app), use_binary=use_binary)
    assert files.joined([b"text", None, NOT_TEXT]) == {"all": b"text-" + NOT_TEXT + b"!"}
    with pytest.raises(httpx2.HTTPStatusError, match=r"(?s)422.*body\.tail: .* at most 2 "):
        files.joined([], b"abc")
    # An annotation that says how it travels is kept.
    sent = b"YWJj" if use_binary else b"abc"
    assert files.decoded(sent) == b"abc"
    # Neither is text taken for bytes.
    assert files.same("abcd") == "abcd"


def test_parameters_may_have_any_name() -> None:
    class Names(Service, Protocol):
        def count(this, self: int, args: int, kwargs: int, url: int, returns: int) -> int: ...

    class NamesHere:
        def count(this, **arguments: int) -> int:
            return len(arguments)

    app = FastAPI()
    Names.serve(app, NamesHere())  # type: ignore[arg-type]
    names = Names.connect("", client=TestClient(app))
    assert names.count(self=1, args=2, kwargs=3, url=4, returns=5) == 5


def test_an_implementation_takes_the_place_of_a_stub() -> None:
    async def call() -> float:
        async with ImagesHere() as images:
            return (await images.gradient(ARRAY)).largest

    assert asyncio.run(call()) == 5.0
    with ImagesHere() as images:
        assert images.bytes_of(b"a") == [97]


def test_options_of_some_calls(url: str) -> None:
    with Images.connect(url) as images:
        with_options(images, use_binary=False).nothing()
        images.nothing()
        assert [record.is_binary for record in records] == [False, True]
        with pytest.raises(TypeError, match="'concurrency_limit' is not an option of a call"):
            with_options(images, concurrency_limit=1)
        with pytest.raises(TypeError, match="'time' is not an option of a call"):
            with_options(images, time=1)
    with pytest.raises(TypeError, match="not a stub of a service"):
        with_options(ImagesHere(), timeout=1)


# -- declarations -----------------------------------------------------------------------------


def test_the_document_shows_the_declaration() -> None:
    app = FastAPI()
    Images.serve(app, ImagesHere(), prefix="/images")
    operation = app.openapi()["paths"]["/images/gradient"]["post"]
    assert operation["description"] == "The gradient of an image."
    body = app.openapi()["components"]["schemas"]["Body_gradient_images_gradient_post"]
    assert body["required"] == ["image"]
    assert body["properties"]["sigma"]["default"] == 1.0


def _declare(**methods: Any) -> Any:
    return type("Declared", (Service,), methods)


def _unannotated(self: Any, x): ...  # type: ignore[no-untyped-def]
def _no_result(self: Any, x: int): ...  # type: ignore[no-untyped-def]
def _variadic(self: Any, *x: int) -> None: ...
def _positional(self: Any, x: int, /) -> None: ...


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({}, "Declared declares no methods"),
        ({"a": _no_result}, r"Declared.a\(\) needs an annotation of what it returns"),
        ({"a": _variadic}, r"Declared.a\(\): arguments travel by name, which \*x"),
        ({"a": _positional}, r"Declared.a\(\): arguments travel by name"),
        ({"serve": _variadic}, r"Declared.serve\(\) has the name of one of Service's own"),
        ({"a": staticmethod(_no_result)}, "Declared.a is no method of an instance"),
        ({"a": property(_no_result)}, "Declared.a is no method of an instance"),
    ],
)
def test_declarations_that_are_not_complete(methods: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        _declare(**methods).connect("http://127.0.0.1")


def test_implementations_that_are_not_complete() -> None:
    class Partly:
        def gradient(self, image: Any) -> None: ...

    class Inherits(Images):
        pass

    with pytest.raises(TypeError, match=r"Partly.gradient\(\) does not take what Images declares"):
        Images.serve(FastAPI(), Partly())  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=r"Inherits.gradient\(\) is declared by Images and not there"
    ):
        Images.serve(FastAPI(), Inherits())  # type: ignore[abstract]

    class MoreImages(Images, Protocol):
        def more(self) -> int: ...

    class OnlyMore(MoreImages):
        def more(self) -> int:
            return 1

    with pytest.raises(
        TypeError, match=r"OnlyMore.gradient\(\) is declared by MoreImages and not there"
    ):
        MoreImages.serve(FastAPI(), OnlyMore())  # type: ignore[abstract]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CallOptions(concurrency_limit=0), "concurrency_limit must be a number from 1 on"),
        (lambda: Retries(attempts=0), "attempts must be a number from 1 on, not 0"),
    ],
)
def test_wrong_options(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- retries ----------------------------------------------------------------------------------


class Flaky(Service, Protocol):
    def once(self) -> int: ...

    @idempotent
    def again(self) -> int: ...

    async def once_async(self) -> int: ...


class Failing:
    """Fails a number of times, then answers how often it was called."""

    def __init__(self, failures: int, status: int) -> None:
        self.failures, self.status, self.calls = failures, status, 0

    def again(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise HTTPException(self.status, "not now")
        return self.calls

    once = once_async = again


def flaky(implementation: Failing, **retries: Any) -> Any:
    app = FastAPI()
    Flaky.serve(app, implementation)
    waits = {"wait_initial": 0.001, "wait_max": 0.002, "wait_jitter": 0.001}
    return Flaky.connect("", client=TestClient(app), retries=Retries(**waits, **retries))


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_tried_again(status: int) -> None:
    implementation = Failing(2, status)
    assert flaky(implementation).once() == 3
    implementation = Failing(3, status)
    with pytest.raises(httpx2.HTTPStatusError, match=f"(?s){status}.*not now"):
        flaky(implementation).once()
    assert implementation.calls == 3


def test_a_call_that_may_be_half_processed_is_tried_again_only_if_it_is_idempotent() -> None:
    statuses = {"statuses": {502}, "attempts": 2}
    assert flaky(Failing(1, 502), **statuses).again() == 2
    implementation = Failing(1, 502)
    with pytest.raises(httpx2.HTTPStatusError):
        flaky(implementation, **statuses).once()
    assert implementation.calls == 1


def test_a_call_that_cannot_be_written_again_is_not_tried_again() -> None:
    class Sums(Service, Protocol):
        @idempotent
        def total(self, of: Iterable[int]) -> int: ...

    class Failing503(Failing):
        def total(self, of: Iterable[int]) -> int:
            self.again()
            return sum(of)

    app = FastAPI()
    implementation = Failing503(1, 503)
    Sums.serve(app, implementation)  # type: ignore[arg-type]
    sums = Sums.connect("", client=TestClient(app), retries=RETRIES)
    with pytest.raises(httpx2.HTTPStatusError, match="503"):
        sums.total(iter([1, 2]))
    assert implementation.calls == 1
    assert sums.total([1, 2]) == 3


def test_statuses_that_are_not_named_are_not_tried_again() -> None:
    implementation = Failing(1, 500)
    with pytest.raises(httpx2.HTTPStatusError):
        flaky(implementation).again()
    assert implementation.calls == 1


class Breaking:
    """A server that reads a request and breaks the connection, a number of times."""

    def __init__(self, breaks: int) -> None:
        self.breaks, self.calls = breaks, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.calls += 1
                connection.recv(65536)
                if self.calls > self.breaks:
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\n"
                        b"Content-Length: 1\r\nConnection: close\r\n\r\n\x07"
                    )

    def close(self) -> None:
        self.listener.close()


@pytest.fixture
def breaking() -> Iterator[Breaking]:
    server = Breaking(1)
    with contextlib.closing(server):
        yield server


RETRIES = Retries(wait_initial=0.001, wait_jitter=0.001)


def test_a_broken_connection_is_tried_again_only_for_idempotent_methods(breaking: Breaking) -> None:
    with Flaky.connect(breaking.url, retries=RETRIES) as stub:
        with pytest.raises(httpx2.RemoteProtocolError):
            stub.once()
        assert breaking.calls == 1
        breaking.breaks = 2
        assert stub.again() == 7
        assert breaking.calls == 3


def test_a_connection_that_cannot_be_made_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    app = FastAPI()
    Flaky.serve(app, Failing(0, 0))
    retries = Retries(attempts=50, wait_initial=0.05, wait_max=0.1, wait_jitter=0.01)

    async def call() -> int:
        async with Flaky.connect(f"http://127.0.0.1:{port}", retries=retries) as stub:
            return await stub.once_async()

    code = (
        "import time, uvicorn; time.sleep(0.3); from tests.remote.test_services import *;"
        "app = FastAPI();"
        "Flaky.serve(app, Failing(0, 0));"
        f"uvicorn.run(app, port={port}, log_level='error', ws='none')"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as server:
        try:
            assert asyncio.run(call()) == 1
        finally:
            server.terminate()


def test_stamina_can_be_switched_off_in_tests() -> None:
    stamina.set_active(False)
    try:
        implementation = Failing(1, 503)
        with pytest.raises(httpx2.HTTPStatusError):
            flaky(implementation).once()
        assert implementation.calls == 1
    finally:
        stamina.set_active(True)


# -- limits -----------------------------------------------------------------------------------


class Slow(Service, Protocol):
    def blocking(self, seconds: float) -> int: ...

    async def awaited(self, seconds: float) -> int: ...


class Counting:
    """Says how many calls there were at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def blocking(self, seconds: float) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(seconds)
        self.now -= 1
        return self.most

    awaited = blocking


@contextlib.contextmanager
def slow(implementation: Counting) -> Iterator[str]:
    app = FastAPI()
    Slow.serve(app, implementation)
    with serving(app) as url:
        yield url


@pytest.mark.parametrize(("limit", "most"), [(2, 2), (None, 6)])
def test_concurrency_limit(limit: int | None, most: int) -> None:
    counting = Counting()

    async def six(url: str) -> None:
        async with Slow.connect(url, concurrency_limit=limit) as stub:
            await asyncio.gather(*(stub.awaited(0.2) for _ in range(6)))

    with slow(counting) as url:
        asyncio.run(six(url))
        assert counting.most == most
        counting.most = 0
        with Slow.connect(url, concurrency_limit=limit) as stub:
            threads = [threading.Thread(target=stub.blocking, args=(0.2,)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert counting.most == most


def test_timeout() -> None:
    with (
        slow(Counting()) as url,
        Slow.connect(url, timeout=60) as stub,
        pytest.raises(httpx2.ReadTimeout),
    ):
        with_options(stub, timeout=0.1).blocking(1)


# -- what is passed on ------------------------------------------------------------------------


class Echo(Service, Protocol):
    async def seen(self) -> dict[str, str]: ...


TRACE = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "congo=t61rcWkgMzE",
    "baggage": "user=1",
    "x-request-id": "abc",
}


def inner_app() -> FastAPI:
    app = FastAPI()

    @app.post("/seen")
    async def seen(request: Request) -> dict[str, str]:
        return dict(request.headers)

    return app


@pytest.mark.parametrize("way", ["middleware", "served"])
def test_trace_context_and_request_id_are_passed_on(way: str) -> None:
    with serving(inner_app()) as url:
        inner = Echo.connect(url)

        class Gateway:
            async def seen(self) -> dict[str, str]:
                return await inner.seen()

        outer = FastAPI()
        if way == "middleware":
            outer.add_middleware(TraceContextMiddleware)
            outer.post("/seen")(inner.seen)
        else:
            Echo.serve(outer, Gateway())
        with TestClient(outer) as client:  # one event loop for all requests
            found = client.post("/seen", headers={**TRACE, "x-secret": "1"}).json()
            assert {name: found.get(name) for name in TRACE} == TRACE
            assert "x-secret" not in found
            assert not client.post("/seen").json().keys() & TRACE.keys()
            # RFC 9110 §5.3: a list may come in several lines. §5.5: a value is any bytes.
            lines = [("tracestate", "a=1"), ("tracestate", "b=2"), ("x-request-id", b"\xc3\xa9")]
            found = client.post("/seen", headers=lines).json()
            assert (found["tracestate"], found["x-request-id"]) == ("a=1, b=2", "\xc3\xa9")


def test_outside_of_a_request_nothing_is_passed_on() -> None:
    async def call(url: str) -> dict[str, str]:
        async with Echo.connect(url) as stub:
            return await stub.seen()

    with serving(inner_app()) as url:
        assert not asyncio.run(call(url)).keys() & TRACE.keys()


class Lists(Service, Protocol):
    def numbers(self) -> list[int]: ...


@pytest.mark.parametrize("name", ["max_response_size", "max_structure_size"])
def test_responses_have_limits(name: str) -> None:
    body = packb(list(range(100)))
    with answering(response(body)) as url:
        with Lists.connect(url, **{name: len(body)}) as lists:
            assert lists.numbers() == list(range(100))
            with pytest.raises(TypeError, match=f"'{name}' is not an option of a call"):
                with_options(lists, **{name: 1})
        with (
            Lists.connect(url, **{name: len(body) - 1}) as lists,
            pytest.raises(httpx2.DecodingError, match=rf"over {name} \({len(body) - 1} bytes\)"),
        ):
            lists.numbers()
    with pytest.raises(ValueError, match=f"{name} must be a number of bytes or None"):
        Lists.connect(url, **{name: -1})

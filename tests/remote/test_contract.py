"""Which classes are contracts, and how their arguments are sent."""

from __future__ import annotations

import abc
from typing import Annotated, Any, Protocol

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import Base64Bytes, Field
from starlette.testclient import TestClient

from binary_middleware.remote import connect, serve
from tests.remote.services import NOT_TEXT


def _unannotated(self: Any, x): ...  # type: ignore[no-untyped-def]
def _no_result(self: Any, x: int): ...  # type: ignore[no-untyped-def]
def _variadic(self: Any, *x: int) -> None: ...
def _positional(self: Any, x: int, /) -> None: ...


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({}, "Declared declares no methods"),
        ({"a": _no_result}, r"Declared.a\(\) needs a return annotation"),
        ({"a": _variadic}, r"Declared.a\(\): arguments are sent by name, and \*x"),
        ({"a": _positional}, r"Declared.a\(\): arguments are sent by name"),
        ({"a": staticmethod(_no_result)}, "Declared.a is not an instance method"),
        ({"a": property(_no_result)}, "Declared.a is not an instance method"),
    ],
)
def test_incomplete_contracts(methods: Any, message: str) -> None:
    contract = type("Declared", (), methods)
    with pytest.raises(TypeError, match=message):
        connect(contract, "http://127.0.0.1")
    with pytest.raises(TypeError, match=message):
        serve(FastAPI(), contract, object())


def test_a_contract_is_a_class() -> None:
    with pytest.raises(TypeError, match="a contract is a class, not <function"):
        connect(_variadic, "http://127.0.0.1")


class Plain:
    """A contract that implements itself, and has names that stubs and connections have."""

    def __init__(self, url: str) -> None:
        self.url = url

    def connect(self, stub: int) -> int:
        return stub

    def serve(self) -> str:
        return self.url

    def close(self) -> None:
        return None


class Abstract(abc.ABC):
    @abc.abstractmethod
    def connect(self, stub: int) -> int: ...

    @abc.abstractmethod
    def serve(self) -> str: ...


@pytest.mark.parametrize("contract", [Plain, Abstract])
def test_any_class_is_a_contract_and_no_name_is_taken(contract: Any) -> None:
    app = FastAPI()
    serve(app, contract, Plain("here"))
    with connect(contract, "", client=TestClient(app)) as stub:
        assert isinstance(stub, contract)
        assert stub.connect(3) == 3
        assert stub.serve() == "here"


def _count(this: Any, self: int, args: int, kwargs: int, url: int) -> int:
    return self + args + kwargs + url


def test_parameters_may_have_any_name() -> None:
    app = FastAPI()
    names: Any = type("Names", (), {"count": _count})
    serve(app, names, names())
    stub = connect(names, "", client=TestClient(app)).stub
    assert stub.count(self=1, args=2, kwargs=3, url=4) == 10


class Files(Protocol):
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
    serve(app, Files, FilesHere())
    files = connect(Files, "", client=TestClient(app), use_binary=use_binary).stub
    assert files.joined([b"text", None, NOT_TEXT]) == {"all": b"text-" + NOT_TEXT + b"!"}
    with pytest.raises(httpx2.HTTPStatusError, match=r"(?s)422.*body\.tail: .* at most 2 "):
        files.joined([], b"abc")
    # An annotation that declares its own form is kept.
    assert files.decoded(b"YWJj" if use_binary else b"abc") == b"abc"
    # Text stays text.
    assert files.same("abcd") == "abcd"

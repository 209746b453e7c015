"""Which HTTP package a client is of."""

from __future__ import annotations

import subprocess
import sys

import httpx
import httpx2
import pytest
from starlette.testclient import TestClient

from binary_middleware.client import AsyncBinaryClient, BinaryClient
from tests.client import apps


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_imports_no_http_package() -> None:
    loaded = python("import sys, binary_middleware.client; print(*sys.modules)").split()
    assert not {"httpx", "httpx2", "httpcore", "fastapi"} & set(loaded)


WITHOUT = """
import sys
for name in {missing}:
    sys.modules[name] = None
from binary_middleware.client import AsyncBinaryClient, BinaryClient
for kind in (BinaryClient, AsyncBinaryClient):
    try:
        print(type(kind("http://127.0.0.1").http).__module__)
    except ImportError as exc:
        print(exc)
"""


def test_the_installed_package_is_used() -> None:
    assert python(WITHOUT.format(missing=[])).split() == ["httpx2"] * 2
    assert python(WITHOUT.format(missing=["httpx2"])).split() == ["httpx"] * 2
    for line in python(WITHOUT.format(missing=["httpx2", "httpx"])).splitlines():
        assert line.endswith("pip install 'binary-middleware[client]'")


def test_a_broken_package_is_not_an_absent_one() -> None:
    code = """
import sys
sys.modules["httpcore2"] = None
from binary_middleware.client import BinaryClient
try:
    BinaryClient("http://127.0.0.1")
except ImportError as exc:
    print(exc.name)
"""
    assert python(code) == "httpcore2\n"


def test_async_clients_take_async_clients_only() -> None:
    for wrong in (httpx2.Client(), httpx.Client(), TestClient(apps.large_app)):
        with pytest.raises(TypeError, match=r"expected a URL, an httpx2\.AsyncClient"):
            AsyncBinaryClient(wrong)


def test_derived_clients_are_of_the_package_of_their_base() -> None:
    class Derived(httpx.Client):
        pass

    class Client(Derived):
        pass

    for kind in (Derived, Client):
        transport = httpx.MockTransport(lambda request: httpx.Response(404))
        with kind(transport=transport) as http, pytest.raises(httpx.HTTPStatusError):
            BinaryClient(http).get("http://127.0.0.1")

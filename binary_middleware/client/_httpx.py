"""The HTTP package of a client, httpx2 or httpx; imported only when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:  # neither has to be installed
    import httpx
    import httpx2

    Response: TypeAlias = httpx2.Response | httpx.Response
    Url: TypeAlias = str | httpx2.URL | httpx.URL

Kind = Literal["Client", "AsyncClient"]

PACKAGES: Final = ("httpx2", "httpx")
"""The supported packages, preferred first. httpx2 continues httpx under the same names."""


def open_client(kind: Kind, base_url: str, options: dict[str, Any]) -> Any:
    """Open a client of the first package that is installed.

    Args:
        kind: the name of its class.
        base_url: the URL that relative ones are relative to.
        options: further arguments of that class.

    Raises:
        ImportError: neither package is installed.
    """
    for name in PACKAGES:
        try:
            package = import_module(name)
        except ModuleNotFoundError as exc:
            if exc.name != name:  # it is installed, and one of its dependencies is not
                raise
        else:
            return getattr(package, kind)(base_url=base_url, **options)
    raise ImportError(
        "a client for a URL needs httpx2 or httpx: pip install 'binary-middleware[client]'"
    )


def package_of(client: object, kind: Kind) -> ModuleType:
    """Return the package of a client.

    Raises:
        TypeError: it is not a client of that kind, nor of a class derived from one.
    """
    for base in type(client).__mro__:
        name = base.__module__.partition(".")[0]
        if name in PACKAGES and base.__name__ == kind:
            return sys.modules[name]
    raise TypeError(
        f"expected a URL, an httpx2.{kind} or an httpx.{kind}, got {type(client).__name__}"
    )


@contextmanager
def translated_errors(package: Any, request: Any) -> Iterator[None]:
    """Raise httpx's own exceptions for errors that a server can provoke outside of their tree."""
    try:
        yield
    except MemoryError as exc:
        message = (
            "there is no memory for the response: set the client's max_response_size and "
            "max_structure_size lower"
        )
        raise package.DecodingError(message, request=request) from exc
    except (UnicodeError, OverflowError, ExceptionGroup) as exc:
        reason = _address_error(exc)
        if not reason:
            raise
        message = f"the host or the port of the URL, or of a redirect, is not valid: {reason}"
        raise package.ConnectError(message, request=request) from exc


def _address_error(exc: Exception) -> str:
    """Return the error about a host or a port that the socket module, idna or anyio raised.

    httpx lets them pass. An empty string stands for any other error.
    """
    if isinstance(exc, ExceptionGroup):
        return next(filter(None, map(_address_error, exc.exceptions)), "")
    is_of_host = isinstance(exc, UnicodeError) and "idna" in f"{type(exc).__module__} {exc}"
    is_of_port = isinstance(exc, OverflowError) and "port must be" in str(exc)
    return str(exc) if is_of_host or is_of_port else ""

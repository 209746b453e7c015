"""The HTTP package that a client is of, httpx2 or httpx; imported only where it is needed."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Literal

Kind = Literal["Client", "AsyncClient"]

PACKAGES: Final = ("httpx2", "httpx")
"""Those that are taken, the preferred one first. httpx2 continues httpx under the same names."""


def open_client(kind: Kind, base_url: str, options: dict[str, Any]) -> Any:
    """A client of the first package that is installed.

    Args:
        kind: the name of its class.
        base_url: where its relative URLs lead.
        options: what else that class takes.

    Raises:
        ImportError: none is installed.
    """
    for name in PACKAGES:
        try:
            package = import_module(name)
        except ModuleNotFoundError as exc:
            if exc.name != name:  # it is installed, and misses something itself
                raise
        else:
            return getattr(package, kind)(base_url=base_url, **options)
    raise ImportError(
        "a client for a URL needs httpx2 or httpx: pip install 'binary-middleware[client]'"
    )


def package_of(client: object, kind: Kind) -> ModuleType:
    """The package that a client is of, whose exceptions and header fields are used with it.

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

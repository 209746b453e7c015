"""Paths in Starlette's syntax, and the paths of requests."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Final

from starlette.convertors import (
    CONVERTOR_TYPES,
    Convertor,
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    StringConvertor,
    UUIDConvertor,
)
from starlette.routing import compile_path
from starlette.types import Scope


class PathPattern:
    """A path in Starlette's syntax, such as ``/items/{id:int}``.

    Raises:
        ValueError: the path cannot be read.
    """

    template: str
    """The path without its convertors, as in OpenAPI: ``/items/{id}``."""

    def __init__(self, path: str) -> None:
        try:
            self.regex, self.template, self._convertors = compile_path(path)
        except AssertionError as exc:  # an unknown convertor
            raise ValueError(f"the path {path!r} cannot be read: {exc}") from exc

    def matches(self, path: str) -> bool:
        """Return whether a path matches."""
        return self.regex.match(path) is not None

    def sample(self) -> str | None:
        """Return a path that matches, ``None`` if a convertor is not Starlette's."""
        values = {name: _SAMPLES.get(type(each)) for name, each in self._convertors.items()}
        return None if None in values.values() else self.template.format(**values)


_SAMPLES: Final[dict[type[Convertor[Any]], str]] = {
    StringConvertor: "~a",
    PathConvertor: "~a/~b/~c",
    IntegerConvertor: "9041795063",
    FloatConvertor: "9041795.063",
    UUIDConvertor: str(uuid.UUID(int=1)),
}
"""Values unlike those that a literal path has."""


def sample_value(convertor: str) -> str:
    """Return a value for one of Starlette's convertors: ``str``, ``int``, ``float``, ``uuid``."""
    return _SAMPLES[type(CONVERTOR_TYPES[convertor])]


def with_head(methods: Iterable[str]) -> set[str]:
    """Return methods, with HEAD if GET is among them (RFC 9110 §9.3.2)."""
    found = set(methods)
    return found | {"HEAD"} if "GET" in found else found


def path_in_app(scope: Scope, root_path: str | None = None) -> str:
    """Return the path of a request without the ``root_path``.

    Args:
        scope: of the request.
        root_path: the one that the app sets, ``None`` for that of the scope.
    """
    root_path = root_path or scope.get("root_path", "")
    path: str = scope["path"]
    if root_path and (path == root_path or path.startswith(f"{root_path}/")):
        return path[len(root_path) :]
    return path

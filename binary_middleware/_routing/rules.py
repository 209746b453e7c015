"""Options for some of an app's paths, for an app that one cannot change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Unpack

from binary_middleware._routing.paths import PathPattern, with_head
from binary_middleware.options import OptionsDict, Overrides, make_overrides


class RouteRule:
    """Options for requests by path and method.

    ::

        RouteRule("/images/{name}", methods=["POST"], max_body_size="256MiB")
        RouteRule("/files/{path:path}", mode="off")

    Args:
        path: in Starlette's syntax, without the ``root_path`` of the app.
        methods: HTTP methods; all by default. GET includes HEAD.
        overrides: fields of ``BinaryOptions``; the others are those of the middleware.

    Raises:
        ValueError: the path, the methods or an option is wrong.
    """

    overrides: Overrides
    """The options of the rule."""
    methods: frozenset[str] | None
    """The methods that the rule holds for, ``None`` for all."""
    pattern: PathPattern
    """The paths that the rule holds for."""

    def __init__(
        self,
        path: str,
        *,
        methods: Collection[str] | None = None,
        **overrides: Unpack[OptionsDict],
    ) -> None:
        if not path.startswith("/"):
            raise ValueError(f"the path of a rule must start with '/', not {path!r}")
        if methods is not None and (isinstance(methods, str) or not methods):
            raise ValueError(f"the methods of the rule for {path!r} must name at least one")
        self._path = path
        self._named = None if methods is None else sorted(map(str.upper, methods))
        self.overrides = make_overrides(**overrides)
        self.methods = None if self._named is None else frozenset(with_head(self._named))
        self.pattern = PathPattern(path)

    def __repr__(self) -> str:
        methods = "" if self._named is None else f", methods={self._named}"
        return f"RouteRule({self._path!r}{methods})"

    def matches(self, path: str, method: str) -> bool:
        """Return whether the rule holds for a request, its path without the ``root_path``."""
        return (self.methods is None or method in self.methods) and self.pattern.matches(path)

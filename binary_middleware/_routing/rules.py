"""Options for some of an app's paths, for an app that one cannot touch."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
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

from binary_middleware.options import BinaryOptions, Overrides, make_overrides


class RouteRule:
    """Options for the requests whose path and method match.

    ::

        RouteRule("/images/{name}", mode="require", methods=["POST"])
        RouteRule("/files/{path:path}", mode="off")

    Args:
        path: in Starlette's syntax, without the ``root_path`` of the app.
        options: a whole set of options. Without it, those that ``overrides`` does not name are
            the middleware's.
        methods: the methods that the rule is for; all of them by default. One for GET is for HEAD
            as well.
        overrides: fields of ``BinaryOptions``.

    Raises:
        ValueError: the path, a method or an option is wrong, or no request could ever match.
    """

    def __init__(
        self,
        path: str,
        options: BinaryOptions | None = None,
        methods: Collection[str] | None = None,
        **overrides: Any,
    ) -> None:
        if not path.startswith("/"):
            raise ValueError(f"the path of a rule must start with '/', not {path!r}")
        if options is not None and overrides:
            raise ValueError(f"the rule for {path!r} has options twice: as a set and by name")
        self.path = path
        self.overrides: Overrides = make_overrides(**overrides)
        if options is not None:
            self.overrides = tuple((each.name, getattr(options, each.name)) for each in _FIELDS)
        self.methods: frozenset[str] | None = None
        if methods is not None:
            if isinstance(methods, str) or not methods:
                raise ValueError(f"the methods of the rule for {path!r} must name at least one")
            self._named = sorted(map(str.upper, methods))
            self.methods = frozenset(with_head(self._named))
        self.pattern = PathPattern(path)

    def __repr__(self) -> str:
        methods = "" if self.methods is None else f", methods={self._named}"
        return f"RouteRule({self.path!r}{methods})"

    def matches(self, path: str, method: str) -> bool:
        """Whether this is a rule for a request, its path without the ``root_path``."""
        return (self.methods is None or method in self.methods) and self.pattern.matches(path)


_FIELDS: Final = fields(BinaryOptions)


class PathPattern:
    """The paths that a path in Starlette's syntax stands for.

    Attributes:
        template: the path without its convertors, as OpenAPI has it.

    Raises:
        ValueError: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.regex, self.template, self._convertors = compile_path(path)
        except AssertionError as exc:  # an unknown convertor
            raise ValueError(f"the path {path!r} cannot be read: {exc}") from exc

    def matches(self, path: str) -> bool:
        """Whether a path is one of them."""
        return self.regex.match(path) is not None

    def covers(self, other: PathPattern) -> bool:
        """Whether this stands for all paths that another one stands for, as far as samples tell."""
        samples = other.samples()
        return bool(samples) and all(map(self.matches, samples))

    def overlaps(self, other: PathPattern) -> bool:
        """Whether there is a path that both stand for, as far as samples tell."""
        if not self.samples() or not other.samples():
            return True  # a convertor of the user's: nobody can tell
        return any(map(self.matches, other.samples())) or any(map(other.matches, self.samples()))

    def samples(self) -> list[str]:
        """Some of the paths, unlike any that somebody would write as they stand."""
        found = []
        for index in range(2):
            values = {}
            for name, convertor in self._convertors.items():
                samples = _samples_of(convertor)
                if samples is None:
                    return []
                values[name] = samples[index]
            found.append(self.template.format(**values) if values else self.path)
        return found


def _samples_of(convertor: Convertor[Any]) -> tuple[str, str] | None:
    for kind, samples in _SAMPLES:
        if type(convertor) is kind:
            return samples
    return None


_SAMPLES: Final[list[tuple[type[Convertor[Any]], tuple[str, str]]]] = [
    (StringConvertor, ("~a", "~b~")),
    (PathConvertor, ("~a/~b/~c", "~d")),
    (IntegerConvertor, ("9041795063", "7")),
    (FloatConvertor, ("9041795.063", "7.5")),
    (UUIDConvertor, (str(uuid.UUID(int=1)), str(uuid.UUID(int=2**127 + 1)))),
]


def sample_of(convertor: str) -> str:
    """A value of one of Starlette's convertors: ``"str"``, ``"int"``, ``"float"``, ``"uuid"``."""
    samples = _samples_of(CONVERTOR_TYPES[convertor])
    assert samples is not None
    return samples[0]


def check_rules(rules: Sequence[RouteRule]) -> None:
    """Check that each rule can be reached: the first one that matches a request holds.

    Raises:
        ValueError: the rules before one leave nothing for it.
    """
    for index, rule in enumerate(rules):
        if not isinstance(rule, RouteRule):
            raise ValueError(f"rules must be RouteRule objects, not {type(rule).__name__}")
        left = rule.methods
        for earlier in rules[:index]:
            if not earlier.pattern.covers(rule.pattern):
                continue
            if left is not None and earlier.methods is not None:
                left = left - earlier.methods
            if earlier.methods is None or left == frozenset():
                raise ValueError(f"{rule!r} can never match: {earlier!r} comes before it")


def with_head(methods: Iterable[str]) -> set[str]:
    """Methods, and HEAD where GET is one of them: whoever answers GET answers HEAD."""
    found = set(methods)
    return found | {"HEAD"} if "GET" in found else found


def path_in_app(scope: Scope, root_path: str | None = None) -> str:
    """The path of a request without the ``root_path``, as rules and routes have it.

    Args:
        scope: of the request.
        root_path: the one that the app sets, ``None`` for that of the scope.
    """
    root_path = root_path or scope.get("root_path", "")
    path: str = scope["path"]
    if root_path and (path == root_path or path.startswith(f"{root_path}/")):
        return path[len(root_path) :]
    return path

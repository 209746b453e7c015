"""The options of binary mode as text: of the command line, of ``pyproject.toml`` and of rules."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from binary_middleware._routing.rules import RouteRule
from binary_middleware.cli.byte_sizes import parse_size
from binary_middleware.options import BinaryOptions, make_overrides

TABLE: Final = "tool.binary_middleware"
_DEFAULTS: Final = {option.name: option.default for option in fields(BinaryOptions)}
_TRUTHS: Final = {"true": True, "false": False}
_RULE_KEYS: Final = ("path", "methods")
_BESIDES: Final = frozenset({"routes", "openapi_path"})


@dataclass(frozen=True)
class Settings:
    """What ``serve`` was told about binary mode. It is plain data, to go to other processes."""

    options: dict[str, Any] = field(default_factory=dict)
    """Fields of ``BinaryOptions``."""
    routes: list[dict[str, Any]] | None = None
    """Rules: ``path``, ``methods`` and fields of ``BinaryOptions``."""
    openapi_path: str | None = None

    def over(self, further: Settings) -> Settings:
        """These settings, and what they do not name from ``further`` away."""
        return Settings(
            {**further.options, **self.options},
            further.routes if self.routes is None else self.routes,
            further.openapi_path if self.openapi_path is None else self.openapi_path,
        )

    def rules(self) -> list[RouteRule]:
        """The rules.

        Raises:
            ValueError: one is wrong.
        """
        return [RouteRule(**route) for route in self.routes or ()]

    def check(self) -> None:
        """Find mistakes before anything is imported.

        Raises:
            ValueError: an option or a rule is unknown or wrong.
        """
        make_overrides(**self.options)
        self.rules()
        if self.openapi_path is not None and not self.openapi_path.startswith("/"):
            raise ValueError(f"openapi_path must start with '/', not {self.openapi_path!r}")

    def to_json(self) -> str:
        """The settings as text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The settings that :meth:`to_json` wrote."""
        return cls(**json.loads(text))


def read_pyproject(path: Path) -> Settings:
    """The settings in a ``pyproject.toml``; none if there is no such file or table.

    Raises:
        ValueError: it is not TOML, or a setting is unknown or wrong. The message names its place.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError) as exc:  # TOMLDecodeError and UnicodeDecodeError are ones
        raise ValueError(f"{path.name} cannot be read: {exc}") from exc
    table = document.get("tool", {}).get("binary_middleware", {})
    try:
        return _settings_of(table)
    except ValueError as exc:
        raise ValueError(f"{path.name}, {TABLE}: {exc}") from exc


def _settings_of(table: Any) -> Settings:
    if not isinstance(table, dict):
        raise ValueError("it must be a table")
    routes, openapi_path = table.get("routes"), table.get("openapi_path")
    if openapi_path is not None and not isinstance(openapi_path, str):
        raise ValueError(f"openapi_path must be a path, not {openapi_path!r}")
    options = {name: value for name, value in table.items() if name not in _BESIDES}
    settings = Settings(
        _options_of(options),
        None if routes is None else _routes_of(routes),
        openapi_path,
    )
    settings.check()
    return settings


def _routes_of(routes: Any) -> list[dict[str, Any]]:
    if not isinstance(routes, list) or not all(isinstance(route, dict) for route in routes):
        raise ValueError(f"routes must be tables: [[{TABLE}.routes]]")
    rules = []
    for number, route in enumerate(routes, start=1):
        try:
            rules.append(_checked_rule(route))
        except ValueError as exc:
            raise ValueError(f"route {number}: {exc}") from exc
    return rules


def _checked_rule(route: Mapping[str, Any]) -> dict[str, Any]:
    path, methods = route.get("path"), route.get("methods")
    if not isinstance(path, str):
        raise ValueError("it must have a path")
    if methods is not None and (
        not isinstance(methods, list) or not all(isinstance(name, str) for name in methods)
    ):
        raise ValueError(f"methods must be a list of names, not {methods!r}")
    options = {name: value for name, value in route.items() if name not in _RULE_KEYS}
    rule: dict[str, Any] = {"path": path, **_options_of(options)}
    if methods is not None:
        rule["methods"] = methods
    RouteRule(**rule)
    return rule


def parse_route(text: str) -> dict[str, Any]:
    """A rule as one line: ``POST,PUT /images/{name} mode=require max_body_size=10MB``.

    Raises:
        ValueError: it is not a rule. The message says why.
    """
    methods, words = None, text.split()
    if words and not words[0].startswith("/"):
        methods = words.pop(0).split(",")
    if not words or not words[0].startswith("/"):
        raise ValueError(f"{text!r} is not a rule: '[METHOD,...] /path [option=value ...]'")
    options: dict[str, str] = {}
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not equals or name in options:
            raise ValueError(f"{word!r} in a rule must be option=value, each option once")
        options[name] = value
    for name in _RULE_KEYS:
        if name in options:
            raise ValueError(f"the {name} of a rule stands before its options")
    rule = {"path": words[0], **options}
    return _checked_rule(rule if methods is None else {**rule, "methods": methods})


def _options_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options with what is text made what it stands for.

    Raises:
        ValueError: an option is unknown or wrong.
    """
    options = {name: _value_of(name, value) for name, value in given.items()}
    make_overrides(**options)
    return options


def _value_of(name: str, value: Any) -> Any:
    default = _DEFAULTS.get(name)
    if name == "on_exchange":
        raise ValueError("on_exchange is a function: it can be set in Python only")
    if not isinstance(value, str):
        return value
    try:
        if isinstance(default, bool):
            return _TRUTHS[value.lower()]
        if isinstance(default, int) or name == "max_json_size":
            return parse_size(value)
    except KeyError:
        raise ValueError(f"{name} must be true or false, not {value!r}") from None
    except ValueError as exc:
        raise ValueError(f"{name}: {exc}") from exc
    return value.split(",") if isinstance(default, tuple) else value

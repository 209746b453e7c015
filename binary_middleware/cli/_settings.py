"""The options of binary mode as text, from the command line and from ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ByteSize, ValidationError
from starlette.routing import Router

from binary_middleware._http.negotiation import Mode
from binary_middleware._routing.rules import RouteRule
from binary_middleware.middleware import BinaryMiddleware
from binary_middleware.options import Arrays

TABLE: Final = "tool.binary_middleware"


def _split_text(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


class Options(BaseModel, extra="forbid"):
    """The options of ``BinaryOptions`` that are no function; only those that are set count."""

    mode: Mode | None = None
    media_types: Annotated[list[str] | None, BeforeValidator(_split_text)] = None
    max_body_size: ByteSize | None = None
    max_structure_size: ByteSize | None = None
    max_json_size: ByteSize | None = None
    max_response_size: ByteSize | None = None
    arrays: Arrays | None = None
    copy_response: bool | None = None
    server_timing: bool | None = None

    @classmethod
    def parse(cls, data: Any) -> Self:
        """Validate options.

        Raises:
            ValueError: One is unknown or wrong. The message is one line for the first error.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as exc:
            error = exc.errors(include_url=False)[0]
            place = ".".join(map(str, error["loc"]))
            raise ValueError(f"{place}: {error['msg']}" if place else error["msg"]) from exc

    def given(self) -> dict[str, Any]:
        """Return the options that are set, as plain data."""
        return self.model_dump(mode="json", exclude_unset=True)


class Rule(Options):
    """Options for some paths, the arguments of ``RouteRule``."""

    path: str
    methods: list[str] | None = None


class Settings(Options):
    """The table in ``pyproject.toml``, and the same from the command line."""

    openapi_path: str | None = None
    rules: list[Rule] = []

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of ``BinaryMiddleware`` and ``add_binary_mode``.

        Raises:
            ValueError: A rule is wrong.
        """
        return {**self.given(), "rules": [RouteRule(**rule.given()) for rule in self.rules]}

    def check(self) -> None:
        """Check the settings before an app is imported.

        Raises:
            ValueError: An option or a rule is wrong.
        """
        BinaryMiddleware(Router(), keep_memory=False, **self.arguments())


def load_settings(path: Path, given: dict[str, Any]) -> Settings:
    """Read a ``pyproject.toml``, if it exists, below the settings of the command line.

    Raises:
        ValueError: A setting is unknown or wrong. The message names its place.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = {}
    except (OSError, ValueError) as exc:  # TOMLDecodeError and UnicodeDecodeError are ones
        raise ValueError(f"cannot read {path.name}: {exc}") from exc
    table = document.get("tool", {}).get("binary_middleware", {})
    try:
        settings = Settings.parse(table)
        settings.check()
    except ValueError as exc:
        raise ValueError(f"{path.name}, [{TABLE}]: {exc}") from exc
    settings = Settings.parse({**settings.given(), **given})
    settings.check()
    return settings


def parse_rule(text: str) -> Rule:
    """Parse a rule on one line: ``POST,PUT /images/{name} mode=require max_body_size=10MB``.

    Raises:
        ValueError: It is not a rule. The message says why.
    """
    methods, words = [], text.split()
    if words and not words[0].startswith("/"):
        methods = words.pop(0).split(",")
    if not words or not words[0].startswith("/"):
        raise ValueError(f"{text!r} is not a rule: '[METHOD,...] /path [option=value ...]'")
    options: dict[str, Any] = {}
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not equals or name in options or name in ("path", "methods"):
            raise ValueError(f"{word!r} in a rule must be option=value, each option once")
        options[name] = value
    if methods:
        options["methods"] = methods
    return Rule.parse({"path": words[0], **options})

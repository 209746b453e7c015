"""Differences of frameworks, as the tests find them and a table in docs/frameworks.md says."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Final

import pytest

JSON: Final = "application/json"
TEXT: Final = "text/plain"
HTML: Final = "text/html"

MIB: Final = 2**20


@dataclass(frozen=True, kw_only=True)
class Framework:
    """What the app of one framework does where it is not like all others."""

    title: str
    modules: tuple[str, ...]
    """What has to be installed."""
    validates: bool = False
    """Whether the framework itself refuses a document of another form. Else the app does."""
    invalid: int = 400
    """Status of a validation error."""
    invalid_type: str = JSON
    """Content type of it."""
    error_type: str = JSON
    """Content type of an error that the app raises in the framework's way."""
    not_found_type: str = JSON
    """Content type of a 404 for a path that no route has."""
    wrong_method: int = 405
    """Status of a request with a method that no route of the path has."""
    redirect: int = 307
    """Status of a redirect by the framework's first choice."""
    handles_exceptions_inside: bool = True
    """Whether the response to an exception that nobody handles passes the middleware. It does not
    if the server makes it, or something that is around the middleware."""
    default_limit: int | None = None
    """Most bytes of a body that it takes without a setting, if there is a limit. The app has a
    limit of 16 MiB then."""
    over_limit: int = 200
    """Status of a body of more than 16 MiB."""
    takes_half_a_body: bool = False
    """Whether it hands over what it has of a JSON body when the client goes away."""


FRAMEWORKS: Final[dict[str, Framework]] = {
    "raw": Framework(
        title="Raw ASGI",
        modules=(),
        wrong_method=404,
        handles_exceptions_inside=False,
    ),
    "starlette": Framework(
        title="Starlette",
        modules=("starlette",),
        invalid_type=TEXT,
        error_type=TEXT,
        not_found_type=TEXT,
    ),
    "fastapi": Framework(title="FastAPI", modules=("fastapi",), validates=True, invalid=422),
    "fastapi_typed": Framework(
        title="FastAPI, by `add_binary_mode`",
        modules=("fastapi",),
        validates=True,
        invalid=422,
        handles_exceptions_inside=False,
    ),
    "litestar": Framework(
        title="Litestar",
        modules=("litestar",),
        validates=True,
        redirect=302,
        default_limit=10_000_000,
        over_limit=413,
    ),
    "quart": Framework(
        title="Quart",
        modules=("quart",),
        error_type=HTML,
        not_found_type=HTML,
        redirect=302,
        default_limit=16 * MIB,
        over_limit=413,
    ),
    "django": Framework(
        title="Django",
        modules=("django",),
        error_type=HTML,
        not_found_type=HTML,
        redirect=302,
        default_limit=5 * MIB // 2,
        over_limit=400,
    ),
    "django_rest": Framework(
        title="Django REST framework",
        modules=("django", "rest_framework"),
        validates=True,
        not_found_type=HTML,
        redirect=302,
        default_limit=5 * MIB // 2,
        over_limit=400,
    ),
    "django_ninja": Framework(
        title="django-ninja",
        modules=("django", "ninja"),
        validates=True,
        invalid=422,
        not_found_type=HTML,
        redirect=302,
        default_limit=5 * MIB // 2,
        over_limit=400,
    ),
    "falcon": Framework(title="Falcon", modules=("falcon",), takes_half_a_body=True),
    "blacksheep": Framework(
        title="BlackSheep",
        modules=("blacksheep",),
        validates=True,
        invalid_type=TEXT,
        error_type=TEXT,
        not_found_type=TEXT,
        wrong_method=404,
    ),
}

_WORDS: Final = {JSON: "msgpack", TEXT: "text", HTML: "HTML"}


def need_installed(*modules: str, what: str) -> None:
    """Skip a test, in a way that is seen, unless all of the modules are there."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: {what} is NOT tested")


def row(framework: Framework) -> list[str]:
    """Return the row of a framework in the table of docs/frameworks.md."""
    form = _WORDS[framework.invalid_type]
    return [
        framework.title,
        f"{framework.invalid}, {form}" if framework.validates else "the app's own",
        _WORDS[framework.error_type],
        _WORDS[framework.not_found_type],
        _size(framework.default_limit),
    ]


def _size(size: int | None) -> str:
    if size is None:
        return "none"
    return f"{size / MIB:g} MiB" if size % (MIB // 2) == 0 else f"{size / 10**6:g} MB"

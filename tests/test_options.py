"""Options, and the decorator that sets them at an endpoint."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any, get_type_hints

import anyio
import pytest
from starlette.requests import Request

from binary_middleware import (
    BinaryMiddleware,
    BinaryOptions,
    OptionsDict,
    RouteRule,
    binary_options,
)
from binary_middleware.fastapi import BinaryRoute
from binary_middleware.options import Size, make_overrides
from tests.asgi_app import Recorder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "on"}, "mode must be one of 'negotiate', 'require', 'off', not 'on'"),
        ({"arrays": "list"}, "arrays must be one of 'numpy', 'map', not 'list'"),
        ({"max_body_size": -1}, "max_body_size must be a number of bytes, or text like '64MiB'"),
        ({"max_body_size": 1.5}, "max_body_size must be a number of bytes.*, not 1.5"),
        ({"max_structure_size": True}, "max_structure_size must be a number of bytes.*, not True"),
        ({"max_structure_size": None}, "max_structure_size must be a number of bytes.*, not None"),
        ({"max_json_size": -1}, "max_json_size must be a number of bytes.*, not -1"),
        ({"max_response_size": "1 ox"}, "max_response_size must be a number.*, not '1 ox'"),
        ({"max_response_size": "-1MB"}, "max_response_size must be a number.*, not '-1MB'"),
        ({"media_types": ()}, "media_types must name at least one media type"),
        ({"media_types": "a/b"}, "media_types must be a sequence of media types, not 'a/b'"),
        ({"media_types": ["a"]}, "media_types: 'a' is not the name of a binary media type"),
        ({"media_types": ["*/*"]}, r"media_types: '\*/\*' is not the name of a binary media type"),
        ({"media_types": ["a/b; c=d"]}, "media_types: 'a/b; c=d': .*has no parameter 'c'"),
        ({"media_types": ["application/json"]}, "media_types: 'application/json' is not the name"),
        ({"on_exchange": "print"}, "on_exchange must be callable, not 'print'"),
        ({"max_size": 1}, "unknown option 'max_size'; the options are arrays, .*max_body_size"),
        (
            {"max_body_size": 10, "max_structure_size": 20},
            r"max_structure_size \(20\) is never reached: max_body_size is 10",
        ),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        lambda **options: BinaryMiddleware(Recorder(), **options),
        lambda **options: RouteRule("/", **options),
        BinaryRoute.configured,
        binary_options,
    ],
    ids=["middleware", "rule", "route class", "endpoint"],
)
def test_wrong_options_fail_where_they_are_written(
    place: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        place(**options)


@pytest.mark.parametrize(
    ("size", "expected"),
    [("64MiB", 64 * 2**20), ("10 MB", 10**7), ("1.5kb", 1500), ("100", 100), (100, 100)],
)
@pytest.mark.parametrize(
    "name", ["max_body_size", "max_structure_size", "max_json_size", "max_response_size"]
)
def test_sizes_may_have_units(name: str, size: int | str, expected: int) -> None:
    given: Any = {name: size}
    assert make_overrides(**given) == ((name, expected),)
    assert type(getattr(BinaryOptions(**given), name)) is int


@pytest.mark.parametrize("name", get_type_hints(BinaryOptions))
def test_options_dict_has_the_fields_of_the_options(name: str) -> None:
    accepted = {int: Size, int | None: Size | None, tuple[str, ...]: Sequence[str]}
    hints = get_type_hints(BinaryOptions)
    assert get_type_hints(OptionsDict)[name] == accepted.get(hints[name], hints[name])
    assert get_type_hints(OptionsDict).keys() == hints.keys()
    assert not OptionsDict.__required_keys__


def test_options_are_frozen_and_hashable() -> None:
    options = BinaryOptions(media_types=["Application/Octet-Stream"])
    assert options.media_types == ("application/octet-stream",)
    assert hash(options) == hash(BinaryOptions(media_types=("application/octet-stream",)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.mode = "off"  # type: ignore[misc]


def test_default_of_max_json_size() -> None:
    assert BinaryOptions().json_size_limit == 128 * 2**20
    assert BinaryOptions(max_body_size=1000).json_size_limit == 128 * 2**20
    assert BinaryOptions(max_body_size=2**30).json_size_limit == 2**31
    assert BinaryOptions(max_body_size=2**30, max_json_size=5).json_size_limit == 5


# -- the decorator ---------------------------------------------------------------------------------


def test_decorated_functions_can_be_called() -> None:
    @binary_options(mode="require", max_body_size=1)
    def function(a: int, *, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    @binary_options(mode="require")
    async def awaited(request: object) -> object:
        return request

    @binary_options(mode="require")
    def items(request: Request) -> Any:
        sent = yield 1
        return sent

    @binary_options(mode="require")
    async def async_items() -> Any:
        yield 1

    assert function(1) == function(1, b=2) == 3
    assert (function.__name__, function.__doc__) == ("function", "Add two numbers.")
    request = Request({"type": "http", "method": "POST", "headers": [], "path": "/"})
    assert anyio.run(awaited, request) is request
    assert list(items(request)) == [1]
    assert inspect.iscoroutinefunction(awaited)
    assert inspect.isgeneratorfunction(items)
    assert inspect.isasyncgenfunction(async_items)


def test_off_leaves_other_options_without_effect() -> None:
    with pytest.raises(ValueError, match='arrays has no effect with mode="off"'):
        binary_options(mode="off", arrays="map")


def test_twice_at_one_endpoint() -> None:
    async def twice() -> None: ...

    binary_options(mode="require")(twice)
    binary_options(max_body_size=1)(twice)
    binary_options(mode="require")(twice)
    with pytest.raises(ValueError, match=r"mode is set twice for .*twice: 'require', 'off'"):
        binary_options(mode="off")(twice)

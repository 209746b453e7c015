"""Options and rules: a wrong one fails where it is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, get_type_hints

import pytest

from binary_middleware import BinaryMiddleware, BinaryOptions, OptionsDict, RouteRule
from binary_middleware._routing.paths import path_in_app
from binary_middleware.options import Size, make_overrides
from tests.asgi_app import Recorder, http_scope


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
        ({"media_types": ["a/b; c=d"]}, "media_types: 'a/b; c=d': 'c' is no parameter"),
        ({"media_types": ["application/json"]}, "media_types: 'application/json' is not the name"),
    ],
)
def test_wrong_options_fail_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        BinaryMiddleware(Recorder(), **options)


def test_error_for_an_unknown_option_lists_the_options() -> None:
    with pytest.raises(ValueError, match=r"unknown option 'max_size'.*max_body_size"):
        BinaryMiddleware(Recorder(), max_size=1)  # type: ignore[call-arg]


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


@pytest.mark.parametrize(
    ("scope", "matches"),
    [
        ({"path": "/images/7"}, True),
        ({"path": "/images/7", "method": "GET"}, False),
        ({"path": "/images/seven"}, False),
        ({"path": "/images/7/more"}, False),
        ({"path": "/api/images/7", "root_path": "/api"}, True),
        ({"path": "/apix/images/7", "root_path": "/api"}, False),
    ],
)
def test_rule_matches_path_and_method(scope: dict[str, str], matches: bool) -> None:
    rule = RouteRule("/images/{number:int}", methods=["post"])
    request = http_scope(**scope)
    assert rule.matches(path_in_app(request), request["method"]) is matches


def test_path_of_a_rule_starts_with_a_slash() -> None:
    with pytest.raises(ValueError, match="must start with '/', not 'images'"):
        RouteRule("images")


def test_the_text_of_a_body_may_be_twice_the_body() -> None:
    assert BinaryOptions().json_size_limit == 128 * 2**20
    assert BinaryOptions(max_body_size=1000).json_size_limit == 128 * 2**20
    assert BinaryOptions(max_body_size=2**30).json_size_limit == 2**31
    assert BinaryOptions(max_body_size=2**30, max_json_size=5).json_size_limit == 5

"""Options and rules: what is wrong fails where it is written."""

from __future__ import annotations

import dataclasses

import pytest

from binary_middleware import BinaryMiddleware, BinaryOptions, RouteRule
from binary_middleware._routing.rules import path_in_app
from tests.asgi_app import Recorder, http_scope


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "on"}, "mode must be one of 'negotiate', 'require', 'off', not 'on'"),
        ({"arrays": "list"}, "arrays must be one of 'numpy', 'map', not 'list'"),
        ({"max_body_size": -1}, "max_body_size must be a number of bytes, not -1"),
        ({"max_body_size": 1.5}, "max_body_size must be a number of bytes, not 1.5"),
        ({"max_structure_size": True}, "max_structure_size must be a number of bytes, not True"),
        ({"max_json_size": -1}, "max_json_size must be a number of bytes, not -1"),
        ({"max_response_size": "1"}, "max_response_size must be a number of bytes, not '1'"),
        ({"media_types": ()}, "media_types must name at least one media type"),
        ({"media_types": "a/b"}, "media_types must be a sequence of media types, not 'a/b'"),
        ({"media_types": ["a"]}, "media_types: 'a' is not the name of a binary media type"),
        ({"media_types": ["*/*"]}, "media_types: '*/*' is not the name of a binary media type"),
        ({"media_types": ["a/b; c=d"]}, "media_types: 'a/b; c=d': 'c' is no parameter"),
        ({"media_types": ["application/json"]}, "media_types: 'application/json' is not the name"),
    ],
)
def test_wrong_settings_fail_at_construction(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=r"^" + message.replace("*", r"\*")):
        BinaryMiddleware(Recorder(), **options)


def test_unknown_option_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown option 'max_size'.*max_body_size"):
        BinaryMiddleware(Recorder(), max_size=1)


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
    rule = RouteRule("/images/{number:int}", BinaryOptions(max_body_size=1), methods=["post"])
    request = http_scope(**scope)
    assert rule.matches(path_in_app(request), request["method"]) is matches


def test_path_of_a_rule_starts_with_a_slash() -> None:
    with pytest.raises(ValueError, match="must start with '/', not 'images'"):
        RouteRule("images", BinaryOptions())


def test_the_text_of_a_body_may_be_twice_the_body() -> None:
    assert BinaryOptions().json_size_limit == 128 * 2**20
    assert BinaryOptions(max_body_size=1000).json_size_limit == 128 * 2**20
    assert BinaryOptions(max_body_size=2**30).json_size_limit == 2**31
    assert BinaryOptions(max_body_size=2**30, max_json_size=5).json_size_limit == 5

"""Options and rules: what is wrong fails where it is written."""

from __future__ import annotations

import dataclasses

import pytest

from binary_middleware import BinaryMiddleware, BinaryOptions, RouteRule
from binary_middleware.options import options_for
from tests.asgi import Recorder, http_scope


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "on"}, "mode must be one of 'negotiate', 'require', 'off', not 'on'"),
        ({"arrays": "list"}, "arrays must be one of 'numpy', 'map', not 'list'"),
        ({"max_body_size": -1}, "max_body_size must be a number of bytes, not -1"),
        ({"max_body_size": 1.5}, "max_body_size must be a number of bytes, not 1.5"),
        ({"max_structure_size": True}, "max_structure_size must be a number of bytes, not True"),
        ({"max_response_size": "1"}, "max_response_size must be a number of bytes, not '1'"),
        ({"media_types": ()}, "media_types must name at least one media type"),
        ({"media_types": "a/b"}, "media_types must be a sequence of media types, not 'a/b'"),
        ({"media_types": ["a"]}, "media_types: 'a' is not the name of a binary media type"),
        ({"media_types": ["*/*"]}, "media_types: '*/*' is not the name of a binary media type"),
        ({"media_types": ["a/b; c=d"]}, "media_types: 'a/b; c=d' is not the name"),
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
    ("scope", "expected"),
    [
        ({"path": "/images/7"}, 1),
        ({"path": "/images/7", "method": "GET"}, 0),
        ({"path": "/images/seven"}, 0),
        ({"path": "/api/images/7", "root_path": "/api"}, 1),
        ({"path": "/apix/images/7", "root_path": "/api"}, 0),
        ({"path": "/files/a/b"}, 2),
        ({"path": "/files"}, 0),
    ],
)
def test_first_rule_that_matches_wins(scope: dict[str, str], expected: int) -> None:
    default = BinaryOptions()
    rules = [
        RouteRule("/images/{number:int}", BinaryOptions(max_body_size=1), methods=["post"]),
        RouteRule("/files/{path:path}", BinaryOptions(max_body_size=2)),
        RouteRule("/files/{path:path}", BinaryOptions(max_body_size=3)),
    ]
    found = options_for(http_scope(**scope), rules, default)
    assert found == [default, rules[0].options, rules[1].options][expected]


def test_path_of_a_rule_starts_with_a_slash() -> None:
    with pytest.raises(ValueError, match="must start with '/', not 'images'"):
        RouteRule("images", BinaryOptions())

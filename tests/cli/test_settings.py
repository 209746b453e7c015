"""Settings as text: rules on one line, and ``pyproject.toml``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from binary_middleware import BinaryOptions
from binary_middleware.cli._settings import Options, Settings, load_settings, parse_rule

FILE = """
[tool.binary_middleware]
mode = "require"
max_body_size = "100 B"
max_structure_size = 50

[[tool.binary_middleware.rules]]
path = "/other"
methods = ["POST"]
mode = "off"
copy_response = true
"""


def load(folder: Path, text: str, **given: Any) -> Settings:
    (folder / "pyproject.toml").write_text(text)
    return load_settings(folder / "pyproject.toml", given)


def test_every_option_is_a_setting_but_functions() -> None:
    names = {option.name for option in dataclasses.fields(BinaryOptions)}
    assert Options.model_fields.keys() == names - {"on_exchange"}


def test_a_rule_on_one_line() -> None:
    text = "POST,put /images/{name} mode=require max_body_size=10MB media_types=a/b,c/d"
    assert parse_rule(text).given() == {
        "path": "/images/{name}",
        "methods": ["POST", "put"],
        "mode": "require",
        "max_body_size": 10_000_000,
        "media_types": ["a/b", "c/d"],
    }
    assert parse_rule("/x copy_response=true").given() == {"path": "/x", "copy_response": True}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a rule"),
        ("POST", "is not a rule"),
        ("POST images", "is not a rule"),
        ("/x mode", "must be option=value"),
        ("/x mode=off mode=off", "each option once"),
        ("/x path=/y", "'path=/y' in a rule must be"),
        ("/x methods=GET", "'methods=GET' in a rule must be"),
        ("/x mood=off", "mood: Extra inputs are not permitted"),
        ("/x mode=no", "mode: Input should be 'negotiate', 'require' or 'off'"),
        ("/x max_body_size=1q", "max_body_size: could not interpret byte unit: q"),
    ],
)
def test_text_that_is_no_rule(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_rule(text)


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, FILE)
    assert settings.given() == {
        "mode": "require",
        "max_body_size": 100,
        "max_structure_size": 50,
        "rules": [{"path": "/other", "methods": ["POST"], "mode": "off", "copy_response": True}],
    }
    (rule,) = settings.arguments()["rules"]
    assert rule.matches("/other", "POST")
    assert not rule.matches("/other", "GET")
    settings = load(tmp_path, FILE, max_body_size=1024, rules=[{"path": "/x"}], openapi_path="/o")
    assert settings.given() == {
        "mode": "require",
        "max_body_size": 1024,
        "max_structure_size": 50,
        "rules": [{"path": "/x"}],
        "openapi_path": "/o",
    }


def test_a_file_without_settings(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "nothing.toml", {}).given() == {}
    assert load(tmp_path, "[project]\nname = 'x'").given() == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[tool", "cannot read pyproject.toml: "),
        ("[tool]\nbinary_middleware = 3", "Input should be a valid dictionary"),
        ("[tool.binary_middleware]\nmood = 1", "mood: Extra inputs are not permitted"),
        ("[tool.binary_middleware]\nmax_body_size = 1.5", "max_body_size: could not parse value"),
        ("[tool.binary_middleware]\nopenapi_path = 'x'", "openapi_path must start with '/'"),
        ("[[tool.binary_middleware.rules]]\nmode = 'off'", "rules.0.path: Field required"),
        (
            "[[tool.binary_middleware.rules]]\npath = '/x'\n"
            "[[tool.binary_middleware.rules]]\npath = '/y'\nmood = 1",
            "rules.1.mood: Extra inputs are not permitted",
        ),
    ],
)
def test_files_with_mistakes(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"pyproject\.toml") as caught:
        load(tmp_path, text)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)

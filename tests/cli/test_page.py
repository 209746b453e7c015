"""The commands of the page about the command line run, and print what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from binary_middleware.cli.serve import command as serve_command
from binary_middleware.cli.settings import read_pyproject
from tests.cli.shell import REPOSITORY, serve

PAGE = (REPOSITORY / "docs" / "cli.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SERVE = "binary-middleware serve "


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(PAGE) if name == language]


def without_numbers(text: str) -> str:
    """What every run of a measurement prints, its times, bars and columns aside."""
    text = re.sub(r"█+", "#", text)
    return re.sub(r"[ ]+", " ", re.sub(r"\d+(\.\d+)? (?=ms|to)|\d+\.\d\d$", "N ", text))


def measured(output: str) -> str:
    return "\n".join(without_numbers(line).rstrip() for line in output.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="the page is for a POSIX shell")
def test_the_page_tells_the_truth(tmp_path: Path) -> None:
    (code,) = (block for block in blocks("python") if block.startswith("# app.py"))
    (tmp_path / "app.py").write_text(code)
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, line in (
        ("binary-middleware", f'exec {sys.executable} -m binary_middleware "$@"'),
        ("python", f'exec {sys.executable} "$@"'),
    ):
        (commands / name).write_text(f"#!/bin/sh\n{line}\n")
        (commands / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONIOENCODING": "utf-8",
    }
    first, *others = blocks("console")
    assert first.startswith(f"$ {SERVE}")
    arguments = shlex.split(first.removeprefix(f"$ {SERVE}"))
    with serve(tmp_path, *arguments) as served:
        for block in others:
            for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, expected = step.partition("\n")
                done = subprocess.run(
                    ["bash", "-c", command.replace("http://127.0.0.1:8000", served.url)],
                    cwd=tmp_path,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=60,
                    check=False,
                )
                output = done.stdout.decode().replace(served.url, "http://127.0.0.1:8000")
                if " bench " in command:
                    output, expected = measured(output), measured(expected)
                assert output == expected, command


def test_the_settings_on_the_page_can_be_read(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "pyproject.toml").write_text(text)
    settings = read_pyproject(tmp_path / "pyproject.toml")
    assert settings.options["max_body_size"] == 10_000_000
    (rule,) = settings.rules()
    assert rule.matches("/images/1", "PUT")
    assert not rule.matches("/images/1", "GET")


def test_the_page_names_every_option_of_binary_mode() -> None:
    table = PAGE.partition("## serve")[2].partition("## call")[0]
    own = [
        each for each in serve_command.params if getattr(each, "allow_from_autoenv", True) is False
    ]
    assert len(own) == 7
    for option in own:
        assert f"`{option.opts[0]}`" in table

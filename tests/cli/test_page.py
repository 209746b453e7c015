"""The commands of the page about the command line run, and print what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from binary_middleware.cli._serve import OWN_OPTIONS
from binary_middleware.cli._settings import load_settings
from tests.cli.shell import ENVIRONMENT, REPOSITORY, serve

PAGE = (REPOSITORY / "docs" / "cli.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SERVE = "binary-middleware serve "


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(PAGE) if name == language]


def without_times(output: str) -> list[list[str]]:
    """Return the words of each line of a measurement, without its times and their ratio."""
    output = re.sub(r"\d+\.\d+ (ms|to)|\d+\.\d\d *$", "N", output, flags=re.MULTILINE)
    return [line.split() for line in output.splitlines()]


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
    environment = ENVIRONMENT | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
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
                    assert without_times(output) == without_times(expected)
                else:
                    assert output == expected, command


def test_the_settings_on_the_page_can_be_read(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "pyproject.toml").write_text(text)
    arguments = load_settings(tmp_path / "pyproject.toml", {}).arguments()
    assert arguments["max_body_size"] == 10_000_000
    (rule,) = arguments["rules"]
    assert rule.matches("/images/1", "PUT")
    assert not rule.matches("/images/1", "GET")


def test_the_page_names_every_option_of_binary_mode() -> None:
    table = PAGE.partition("## serve")[2].partition("## call")[0]
    assert len(OWN_OPTIONS) == 7
    for option in OWN_OPTIONS:
        assert f"`{option.opts[0]}`" in table

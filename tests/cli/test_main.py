"""The group of commands: lazy imports, absent packages, Ctrl-C, and the ways to start it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import binary_middleware
from tests.cli.shell import COMMAND, ENVIRONMENT, REPOSITORY, run, run_process

NAMES = ("serve", "call", "inspect", "bench")


def test_the_help_names_every_command() -> None:
    done = run("--help")
    assert (done.code, done.err) == (0, "")
    for name in NAMES:
        assert f"  {name} " in done.out
        assert run(name, "-h").out.startswith(f"Usage: main {name} ")
    assert run("nothing").code == 2


@pytest.mark.parametrize(
    ("code", "is_imported", "is_not_imported"),
    [
        ("import binary_middleware", {"binary_middleware"}, {"click", "rich", "uvicorn"}),
        (
            "from binary_middleware.cli import main; main(['--help'])",
            {"click", "binary_middleware.cli._main"},
            {"rich", "uvicorn", "httpx2", "httpx", "fastapi"},
        ),
        (
            "from binary_middleware.cli import main; main(['inspect', '--help'])",
            {"rich", "binary_middleware.cli._inspect"},
            {"uvicorn", "httpx2", "httpx", "fastapi", "binary_middleware.cli._call"},
        ),
    ],
)
def test_only_the_called_command_is_imported(
    code: str, is_imported: set[str], is_not_imported: set[str]
) -> None:
    code = f"import sys\ntry:\n  {code}\nfinally:\n  print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=ENVIRONMENT)
    loaded = set(done.stdout.decode().split())
    assert is_imported <= loaded
    assert not is_not_imported & loaded


@pytest.mark.parametrize(
    ("package", "arguments", "reason"),
    [
        ("click", ["inspect", "-"], "the command line needs click"),
        ("rich", ["inspect", "-"], "inspect needs rich"),
        ("uvicorn", ["serve", "app:app"], "serve needs uvicorn"),
        ("httpx2", ["call", "http://127.0.0.1:1/"], "call needs httpx2"),
    ],
)
def test_an_absent_package_is_named(
    tmp_path: Path, package: str, arguments: list[str], reason: str
) -> None:
    # A package of that name that cannot be imported comes before the installed one.
    absent = "raise ModuleNotFoundError('No module named ' + __name__, name=__name__)"
    (tmp_path / f"{package}.py").write_text(absent)
    path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    done = run_process(*arguments, folder=tmp_path, environment={"PYTHONPATH": path})
    assert (done.code, done.out) == (1, "")
    assert done.err == f"Error: {reason}: pip install 'binary-middleware[cli]'\n"


def test_ctrl_c_is_not_a_failed_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        command = [*COMMAND, "call", f"http://127.0.0.1:{server.getsockname()[1]}/"]
        with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(5) == b"GET /"  # from now on it waits for a response
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"\nInterrupted.\n")


def test_the_installed_script() -> None:
    script = shutil.which("binary-middleware", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("the package is not installed")
    done = subprocess.run([script, "--version"], capture_output=True, env=ENVIRONMENT, check=True)
    assert binary_middleware.__version__ in done.stdout.decode()

"""What importing the package does, and does not."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import binary_middleware

PACKAGE = Path(binary_middleware.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")
)

# Imports go downwards: a module imports only from those above it.
LAYERS = [
    "errors",
    "media",
    "collector",
    "core_schemas",
    "fields",
    "arrays.model",
    "arrays.__init__",
    "arrays.ml_dtypes",
    "arrays.torch",
    "arrays.jax",
    "arrays.jaxtyping",
    "arrays.numpydantic",
    "arrays.pandas",
    "serializers",
    "ndarray",
    "codec.chains",
    "codec.conversions",
    "codec.headers",
    "codec.pack",
    "codec.keys",
    "codec.long_text",
    "codec.unpack",
    "codec.__init__",
    "validation",
    "body_observers",
    "record",
    "options",
    "rules",
    "resolution",
    "negotiation",
    "transcode",
    "coding",
    "etag",
    "heads",
    "body",
    "exchange",
    "openapi.schemas",
    "openapi.document",
    "openapi.operations",
    "openapi.answer",
    "openapi.__init__",
    "middleware",
    "endpoint",
    "summary",
    "starlette.request",
    "starlette.response",
    "starlette.__init__",
    "fastapi.internals",
    "fastapi.answer",
    "fastapi.request",
    "fastapi.body_fields",
    "fastapi.direct",
    "fastapi.route",
    "fastapi.openapi",
    "fastapi.app",
    "fastapi.__init__",
    "client.package",
    "client.limits",
    "client.transfer",
    "client.returns",
    "client.failure",
    "client.flow",
    "client.blocking",
    "client.asynchronous",
    "client.__init__",
    "remote.declaration",
    "remote.trying",
    "remote.context",
    "remote.serving",
    "remote.service",
    "remote.__init__",
    "cli.mistakes",
    "cli.byte_sizes",
    "cli.escaping",
    "cli.file_kinds",
    "cli.previews",
    "cli.tree",
    "cli.msgpack_items",
    "cli.msgpack_tree",
    "cli.inspect",
    "cli.settings",
    "cli.served",
    "cli.serve",
    "cli.request_document",
    "cli.calling",
    "cli.progress_bar",
    "cli.saving",
    "cli.call",
    "cli.bar_chart",
    "cli.rounds",
    "cli.bench",
    "cli.group",
    "cli.__init__",
    "__main__",
    "__init__",
]


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def imports_of(module: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(
        ast.parse(PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text())
    ):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            found.update(
                f"{node.module}.{alias.name}" if node.module == "binary_middleware" else node.module
                for alias in node.names
            )
    return found


def test_import_brings_in_no_framework_and_no_client() -> None:
    loaded = python("import sys, binary_middleware; print(*sys.modules)").split()
    unwanted = {"fastapi", "uvicorn", "httpx", "httpx2", "msgpack", "msgpack_numpy"}
    assert not unwanted & set(loaded)
    assert "msgspec" in loaded


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downwards(module: str) -> None:
    above = LAYERS[: LAYERS.index(module)]
    ours = {name for name in imports_of(module) if name.startswith("binary_middleware")}
    assert ours <= {f"binary_middleware.{name}".removesuffix(".__init__") for name in above}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_here_unpickles(module: str) -> None:
    names = {name.partition(".")[0] for name in imports_of(module)}
    assert not names & {"pickle", "marshal", "shelve", "msgpack_numpy"}


def test_fields_needs_nothing_of_this_package() -> None:
    assert not any(name.startswith("binary_middleware") for name in imports_of("fields"))


def test_media_is_standard_library_only() -> None:
    assert {name.partition(".")[0] for name in imports_of("media")} <= sys.stdlib_module_names


def test_absent_extra_names_the_install_command() -> None:
    code = """
import sys
sys.modules["fastapi"] = None
try:
    import binary_middleware.fastapi
except ImportError as exc:
    print(exc)
"""
    assert "pip install 'binary-middleware[fastapi]'" in python(code)


def test_public_names_are_there_and_sorted() -> None:
    assert binary_middleware.__all__ == sorted(binary_middleware.__all__)
    assert all(hasattr(binary_middleware, name) for name in binary_middleware.__all__)
    assert (PACKAGE / "py.typed").exists()

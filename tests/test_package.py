"""Imports, layers, public names and sizes of the package's modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import binary_middleware

PACKAGE = Path(binary_middleware.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")
)

# Imports go down this list, package by package; within a package, they make no cycle.
LAYERS = [
    "fields",
    "arrays",
    "_pydantic",
    "errors",
    "formats",
    "_validation",
    "_http",
    "exchange_info",
    "options",
    "_compat",
    "_routing",
    "_asgi",
    "openapi",
    "middleware",
    "lane",
    "starlette",
    "fastapi",
    "client",
    "remote",
    "cli",
    "__main__",
    "__init__",
]

# Those that users import from; every other module is private by its name or its package's.
PUBLIC = {
    "__init__",
    "__main__",
    "arrays.__init__",
    "arrays.jax",
    "arrays.jaxtyping",
    "arrays.ml_dtypes",
    "arrays.numpydantic",
    "arrays.pandas",
    "arrays.torch",
    "cli.__init__",
    "client.__init__",
    "errors",
    "exchange_info",
    "fastapi.__init__",
    "fields",
    "formats.__init__",
    "formats.base",
    "formats.json",
    "formats.msgpack.__init__",
    "lane",
    "middleware",
    "openapi.__init__",
    "options",
    "remote.__init__",
    "starlette.__init__",
}


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
    unwanted = {
        "click",
        "rich",
        "fastapi",
        "uvicorn",
        "httpx",
        "httpx2",
        "msgpack",
        "msgpack_numpy",
    }
    assert not unwanted & set(loaded)
    assert "msgspec" in loaded


def imported_modules(module: str) -> set[str]:
    """Return the modules of this package that a module imports from, as in ``MODULES``."""
    found = set()
    for name in imports_of(module):
        inner = name.removeprefix("binary_middleware").removeprefix(".")
        for candidate in (inner, f"{inner}.__init__".removeprefix("."), inner.rpartition(".")[0]):
            if name.startswith("binary_middleware") and candidate in MODULES:
                found.add(candidate)
                break
    return found


def layer_of(module: str) -> int:
    return LAYERS.index(module.partition(".")[0])


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downwards(module: str) -> None:
    for other in imported_modules(module):
        if layer_of(other) == layer_of(module):
            assert other.partition(".")[0] == module.partition(".")[0]
        assert layer_of(other) <= layer_of(module), f"{module} imports {other}"


def test_imports_make_no_cycle() -> None:
    graph = {module: imported_modules(module) for module in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_public_or_private_by_name(module: str) -> None:
    is_private = any(
        part.startswith("_") and not part.startswith("__") for part in module.split(".")
    )
    assert is_private == (module not in PUBLIC)


@pytest.mark.parametrize("module", MODULES)
def test_only_formats_know_msgpack(module: str) -> None:
    # The client has its parameters by default, and ``inspect`` shows it.
    if module.partition(".")[0] in {"formats", "client", "cli", "__init__"}:
        return
    assert not any(".formats.msgpack" in name for name in imports_of(module))


# The modules of FastAPI whose names it documents, or that its documentation imports from.
DOCUMENTED = {"fastapi", "fastapi.encoders", "fastapi.exceptions", "fastapi.routing"}


@pytest.mark.parametrize("module", MODULES)
def test_only_compat_imports_undocumented_names(module: str) -> None:
    if module.rpartition(".")[2] == "_compat":
        return
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            package = node.module.partition(".")[0]
            if package in {"fastapi", "starlette"}:
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                assert not any(name.startswith("_") for name in names), names
                assert package == "starlette" or node.module in DOCUMENTED, node.module


@pytest.mark.parametrize("module", MODULES)
def test_functions_and_classes_are_short(module: str) -> None:
    tree = ast.parse(PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if isinstance(node, ast.ClassDef):
                assert lines <= 250, node.name
            else:
                lines -= len((ast.get_docstring(node) or "").splitlines())
                assert lines <= 40, node.name


@pytest.mark.parametrize("module", MODULES)
def test_nothing_here_unpickles(module: str) -> None:
    names = {name.partition(".")[0] for name in imports_of(module)}
    assert not names & {"pickle", "marshal", "shelve", "msgpack_numpy"}


def test_media_types_is_standard_library_only() -> None:
    names = {name.partition(".")[0] for name in imports_of("_http.media_types")}
    assert names <= sys.stdlib_module_names


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


def test_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def public_names(module: str) -> set[str]:
    """Return the names that a module defines or imports from this package, private ones aside."""
    names = set()
    for node in ast.parse(PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module.startswith("binary_middleware"):
                names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(each.id for each in targets if isinstance(each, ast.Name))
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("module", sorted(PUBLIC - {"__main__"}))
def test_exported_members(module: str) -> None:
    tree = ast.parse(PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text())
    exported = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    names = public_names(module)
    assert len(exported) == len(set(exported))
    if module.endswith("__init__"):
        assert names == set(exported), "a package exports all that it does not underscore"
    else:  # a module may share further names with the rest of the package
        assert names >= set(exported)

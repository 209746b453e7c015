"""Every Python block of the README and the docs runs, and prints what its comments say."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import serving
from tests.test_package import LAYERS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# The blocks of the other one need the frameworks, and run in tests/integration/frameworks.
RUNNABLE = [page for page in PAGES if page.name != "frameworks.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(((?!https?://|#)[^)#]+)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def expected_output(code: str) -> str:
    """Return the comments that stand directly under a ``print``."""
    lines: list[str] = []
    under_print = False
    for line in code.splitlines():
        if line.startswith("#") and under_print:
            lines.append(line.removeprefix("#").removeprefix(" "))
        else:
            under_print = line.lstrip().startswith("print(") or (
                under_print and line.startswith((" ", ")"))
            )
    return "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def served(blocks: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Save the block of a page that is an ``app.py``, and serve it as ``uvicorn app:app`` does."""
    code = next((block for block in blocks if block.startswith("# app.py")), None)
    if code is None:
        yield "http://127.0.0.1:8000"
        return
    (folder / "app.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "app", raising=False)
    try:
        with serving(importlib.import_module("app").app) as url:
            yield url
    finally:
        sys.modules.pop("app", None)


def run_blocks(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *, heavy: bool = False
) -> None:
    """Run the Python blocks of a page, one after the other, and compare what they print.

    Args:
        page: the page.
        folder: where its ``app.py`` is saved.
        monkeypatch: undoes what this does to ``sys``.
        heavy: whether to run the blocks that begin with ``# needs torch`` as well.
    """
    blocks = BLOCK.findall(page.read_text())
    # pydantic looks up what annotations name in the module of a class.
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(served(blocks, folder, monkeypatch))
        stack.callback(lambda: "client" in vars(module) and vars(module)["client"].close())
        for number, code in enumerate(blocks, start=1):
            if code.startswith("# app.py") or (code.startswith("# needs torch") and not heavy):
                continue
            name = f"{name_of(page)}: block {number}"
            runnable = compile(
                code.replace("http://127.0.0.1:8000", url), name, "exec", dont_inherit=True
            )
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(runnable, vars(module))
            assert output.getvalue() == expected_output(code), name


@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_blocks(page, tmp_path, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_readme_opens_as_a_shop_window() -> None:
    head = (ROOT / "README.md").read_text().splitlines()[:25]
    assert any("pip install" in line for line in head)
    code = BLOCK.search("\n".join(head) + "\n")
    assert code is not None, "the first block of code ends within 25 lines"


def test_architecture_names_every_room_and_no_others() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for layer in set(LAYERS) - {"__init__", "__main__"}:
        assert f"`{layer}`" in text or f"`{layer}/`" in text, layer
    for name in re.findall(r"`(\w+(?:/\w+)+)`", text):
        assert any(
            root.joinpath(f"{name}{ending}").exists()
            for root in (ROOT, ROOT / "binary_middleware")
            for ending in ("", ".py")
        ), name


def test_changelog_is_kept() -> None:
    text = (ROOT / "docs" / "changelog.md").read_text()
    assert "## [Unreleased]" in text
    assert "keepachangelog.com" in text

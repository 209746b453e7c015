"""``docs/binary-io.md`` with the blocks that need torch, which the ordinary tests leave out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_docs import BLOCK, ROOT, run_blocks

PAGE = ROOT / "docs" / "binary-io.md"


def test_all_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = [
        block for block in BLOCK.findall(PAGE.read_text()) if block.startswith("# needs torch")
    ]
    assert len(heavy) == 3
    run_blocks(PAGE, tmp_path, monkeypatch, heavy=True)

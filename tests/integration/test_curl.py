"""The recipes of ``docs/curl.md``: every block runs in bash, and prints what its comments say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from example_app.app import app
from tests.serving import serving

pytestmark = [
    pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")
    for tool in ("bash", "curl")
]

ROOT = Path(__file__).parent.parent.parent
BLOCKS = re.findall(
    r"^```sh\n(.*?)^```$", (ROOT / "docs" / "curl.md").read_text(), re.DOTALL | re.MULTILINE
)
NEXT_TO_PYTHON = Path(sys.executable).parent


def test_every_block_runs(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{NEXT_TO_PYTHON}{os.pathsep}{os.environ['PATH']}",  # python, and http of HTTPie
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1",
        "HTTPIE_CONFIG_DIR": str(tmp_path),
    }
    assert len(BLOCKS) == 11
    with serving(app) as url:
        for number, block in enumerate(BLOCKS, start=1):
            expected = "".join(f"{line}\n" for line in re.findall(r"^# (.*)$", block, re.MULTILINE))
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.replace("http://127.0.0.1:8000", url)],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.stdout, done.returncode) == (expected, 0), f"block {number}: {done.stderr}"

"""An environment of its own for Chains' client, whose dependencies are many and fit no others."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

FOLDER: Final = Path(sys.prefix) / "chains"
"""Within our own, so that it goes with it."""

PYTHON: Final = FOLDER / "bin" / "python"

VERSION: Final = "0.18.35"
"""Of truss, the distribution that Chains is in."""

_COMPLETE: Final = FOLDER / "complete"
"""A file that says that everything is installed."""

_PACKAGES: Final = (f"truss=={VERSION}", "msgpack", "msgpack-numpy", "numpy")


def is_there() -> bool:
    """Whether it was made."""
    return _COMPLETE.exists()


def make() -> None:
    """Make it, which takes a minute, a connection, and 250 MB.

    Raises:
        subprocess.CalledProcessError: something could not be installed; nothing is left behind.
    """
    venv.create(FOLDER, with_pip=True, clear=True)
    try:
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *_PACKAGES], check=True)
    except BaseException:
        shutil.rmtree(FOLDER)
        raise
    _COMPLETE.touch()

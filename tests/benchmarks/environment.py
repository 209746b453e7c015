"""The machine and the versions of a run."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_PACKAGES: Final = (
    "binary-middleware",
    "fastapi",
    "starlette",
    "pydantic",
    "msgspec",
    "numpy",
    "httpx2",
    "requests",
    "uvicorn",
    "uvloop",
    "httptools",
    "msgpack",
    "msgpack-numpy",
    "msgpack-asgi",
    "litestar",
    "grpcio",
    "hypercorn",
    "granian",
)


def describe() -> Mapping[str, str]:
    """Date, machine and versions, by what they are called."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores ({_processor()}), {_memory_gib():.0f} GiB of memory",
        "system": f"{platform.system()} {_numbers_of(platform.release())}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(
            f"{name} {found}" for name in _PACKAGES if (found := _version(name)) is not None
        ),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _numbers_of(release: str) -> str:
    match = re.match(r"[\d.]+", release)
    return match[0] if match else release


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    match = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return match[1] if match else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30

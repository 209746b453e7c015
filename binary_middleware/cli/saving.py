"""An answer as files: arrays as ``.npy``, bytes by their kind, the rest as ``document.json``.

The names come from keys that a server chose, so that only letters, digits, ``-`` and ``_`` of
them are kept: no name leads out of the folder, is an option to a command that gets it, or means a
device; and none hides.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from binary_middleware.cli.file_kinds import extension_of
from binary_middleware.cli.mistakes import CallFailed, Mistake
from binary_middleware.errors import BinaryError
from binary_middleware.formats.json import dump_json

DOCUMENT: Final = "document.json"
MAX_FILES: Final = 1000
"""Arrays and bytes beyond are in ``document.json``, in base64."""

_NOT_KEPT: Final = re.compile(r"[^A-Za-z0-9_-]")
_NOT_FIRST: Final = re.compile(r"-|(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
"""Beginnings of names that commands take for options, and Windows for devices, in any folder."""

_LONGEST_STEP: Final = 60
_LONGEST_NAME: Final = 160


def check_folder(folder: Path, *, force: bool) -> None:
    """Make the folder, so that an answer is not lost for the want of it.

    Raises:
        Mistake: it cannot be made, or there is something in it and ``force`` is not set.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = next(folder.iterdir(), None) is None
    except OSError as exc:
        raise Mistake(f"{folder} cannot be used: {exc.strerror}") from exc
    if not is_empty and not force:
        raise Mistake(f"{folder} is not empty; --force overwrites what is in the way")


def save(document: Any, folder: Path, *, force: bool) -> list[Path]:
    """Write a document into files.

    Args:
        document: what was decoded.
        folder: where to.
        force: whether files that are there are overwritten.

    Returns:
        The files, ``document.json`` last.

    Raises:
        CallFailed: a file cannot be written, or is there already.
    """
    collector = _Collector()
    try:
        rest = collector.without_files(document, ())
        files: dict[str, _Contents] = {**collector.files, DOCUMENT: dump_json(rest) + b"\n"}
    except (BinaryError, RecursionError) as exc:
        raise CallFailed(f"the answer cannot be saved: {exc}") from exc
    paths = []
    for name, contents in files.items():
        path = folder / name
        try:
            _write(path, contents, force=force)
        except OSError as exc:
            raise CallFailed(f"{path} cannot be written: {exc.strerror or exc}") from exc
        except ValueError as exc:  # numpy cannot write such a dtype
            raise CallFailed(f"{path} cannot be written: {str(exc)[:200]}") from exc
        paths.append(path)
    return paths


def _write(path: Path, contents: _Contents, *, force: bool) -> None:
    """Write a whole file, or none.

    What stands in the way is replaced, never written to or through: a link, a pipe, a device.
    """
    if not force:
        path.open("xb").close()
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            if isinstance(contents, np.ndarray):
                with warnings.catch_warnings(action="ignore"):  # names that old numpy cannot read
                    np.save(file, contents, allow_pickle=False)
            else:
                file.write(contents)
        os.replace(part, path)
    except BaseException:
        for leftover in (part,) if force else (part, path):
            with contextlib.suppress(OSError):
                leftover.unlink()
        raise


_Contents = bytes | memoryview | np.ndarray[Any, Any]


class _Collector:
    """Takes what becomes files out of a document.

    Attributes:
        files: the contents of each by its name.
    """

    def __init__(self) -> None:
        self.files: dict[str, _Contents] = {}
        self._taken = {DOCUMENT}

    def without_files(self, value: Any, path: tuple[str, ...]) -> Any:
        """``value`` with ``{"file": name}`` in the place of what became a file."""
        if isinstance(value, Mapping):
            return {key: self.without_files(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [
                self.without_files(item, (*path, str(index))) for index, item in enumerate(value)
            ]
        if len(self.files) >= MAX_FILES:
            return value
        if isinstance(value, np.ndarray):
            return {"file": self._add(path, "npy", value)}
        if isinstance(value, (bytes, bytearray, memoryview)):
            contents = memoryview(value)
            return {"file": self._add(path, extension_of(contents) or "bin", contents)}
        return value

    def _add(self, path: tuple[str, ...], extension: str, contents: _Contents) -> str:
        stem = ".".join(_NOT_KEPT.sub("_", step[:_LONGEST_STEP]) or "_" for step in path)
        stem = stem[:_LONGEST_NAME] or "answer"
        if _NOT_FIRST.match(stem):
            stem = f"_{stem}"
        name, number = f"{stem}.{extension}", 1
        while name.lower() in self._taken:  # some file systems do not tell cases apart
            number += 1
            name = f"{stem}~{number}.{extension}"
        self._taken.add(name.lower())
        self.files[name] = contents
        return name

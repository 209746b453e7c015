"""Responses as files: arrays as ``.npy``, bytes by their kind, the rest as ``document.json``.

The names come from keys that a server chose. Of these only letters, digits, ``-`` and ``_`` are
kept: no name leads out of the folder, is an option of a command, a device, or hidden.
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

import click
import numpy as np

from binary_middleware.cli._tree import file_extension
from binary_middleware.errors import BinaryError
from binary_middleware.formats.json import dump_json

DOCUMENT: Final = "document.json"
MAX_FILES: Final = 1000
"""Number of arrays and bytes that become files; the others stay in ``document.json``, in base64."""

_REPLACED: Final = re.compile(r"[^A-Za-z0-9_-]")
_RESERVED: Final = re.compile(r"-|(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
"""Beginnings of names that commands read as options, and Windows as devices, in any folder."""

_MAX_KEY_LENGTH: Final = 60
_MAX_NAME_LENGTH: Final = 160

_Contents = bytes | memoryview | np.ndarray[Any, Any]
_File = tuple[str, _Contents]
"""Name and contents. Names in lower case are the keys, as some file systems fold cases."""


def check_folder(folder: Path, *, force: bool) -> None:
    """Create the folder before the call, as its response could not be saved otherwise.

    Raises:
        click.UsageError: It cannot be created, or is not empty and ``force`` is not set.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = next(folder.iterdir(), None) is None
    except OSError as exc:
        raise click.UsageError(f"cannot use {folder}: {exc.strerror}") from exc
    if not is_empty and not force:
        raise click.UsageError(f"{folder} is not empty; --force overwrites files in it")


def save(document: Any, folder: Path, *, force: bool) -> list[Path]:
    """Write a document into files.

    Args:
        document: The decoded document.
        folder: An existing folder.
        force: Whether existing files are overwritten.

    Returns:
        The files, ``document.json`` last.

    Raises:
        click.ClickException: A file cannot be written, or exists already.
    """
    files: dict[str, _File] = {}
    try:
        rest = _split(document, (), files)
        files[DOCUMENT] = (DOCUMENT, dump_json(rest) + b"\n")
    except (BinaryError, RecursionError) as exc:
        raise click.ClickException(f"cannot save the response: {exc}") from exc
    for name, contents in files.values():
        try:
            _write(folder / name, contents, force=force)
        except (OSError, ValueError) as exc:  # numpy cannot write every dtype
            reason = getattr(exc, "strerror", None) or str(exc)[:200]
            raise click.ClickException(f"cannot write {folder / name}: {reason}") from exc
    return [folder / name for name, _ in files.values()]


def _split(value: Any, path: tuple[str, ...], files: dict[str, _File]) -> Any:
    """Move arrays and bytes to ``files``; return the rest, with ``{"file": name}`` for each."""
    if isinstance(value, Mapping):
        return {key: _split(item, (*path, str(key)), files) for key, item in value.items()}
    if isinstance(value, list):
        return [_split(item, (*path, str(index)), files) for index, item in enumerate(value)]
    if len(files) >= MAX_FILES:
        return value
    if isinstance(value, np.ndarray):
        extension = "npy"
    elif isinstance(value, (bytes, bytearray, memoryview)):
        value = memoryview(value)
        extension = file_extension(value) or "bin"
    else:
        return value
    name = _unused_name(path, extension, files)
    files[name.lower()] = (name, value)
    return {"file": name}


def _unused_name(path: tuple[str, ...], extension: str, files: Mapping[str, _File]) -> str:
    stem = ".".join(_REPLACED.sub("_", key[:_MAX_KEY_LENGTH]) or "_" for key in path)
    stem = stem[:_MAX_NAME_LENGTH] or "response"
    if _RESERVED.match(stem):
        stem = f"_{stem}"
    name, number = f"{stem}.{extension}", 1
    while name.lower() in files:
        number += 1
        name = f"{stem}~{number}.{extension}"
    return name


def _write(path: Path, contents: _Contents, *, force: bool) -> None:
    """Write a whole file, or none.

    An existing link, pipe or device is replaced, and never written to or through.
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

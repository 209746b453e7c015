"""The document of a request, made of the options of the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np

from binary_middleware.errors import BinaryError
from binary_middleware.formats.json import from_json


def make_document(
    members: Iterable[str], json_file: str | None, npy: Iterable[str], files: Iterable[str]
) -> tuple[Any, ...]:
    """Return the document in a tuple, which is empty if nothing was given for one.

    ``--npy`` and ``--file`` without a name are the whole document. Dots in a name lead into maps:
    ``signal.rate=8000`` is a member of the member ``signal``.

    Raises:
        click.UsageError: A file cannot be read, or the parts contradict each other.
    """
    named: list[tuple[str, Any]] = [_parse_member(text) for text in members]
    whole: list[Any] = [] if json_file is None else [_read_json(json_file)]
    for texts, read in ((npy, _read_arrays), (files, _read_bytes)):
        for text in texts:
            name, equals, file = text.partition("=")
            if equals:
                named.append((name, read(file)))
            else:
                whole.append(read(text))
    if len(whole) > 1:
        raise click.UsageError("two options give the whole document; write NAME=FILE")
    if not named:
        return tuple(whole)
    document = whole[0] if whole else {}
    if not isinstance(document, dict):
        raise click.UsageError("members can only be added to a document that is a map")
    for name, value in named:
        _add(document, name, value)
    return (document,)


def _parse_member(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"{text!r} must be KEY=VALUE")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _add(document: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    for step in path:
        document = document.setdefault(step, {})
        if not isinstance(document, dict):
            raise click.UsageError(f"{name}: {step} is already there, and is not a map")
    if last in document:
        raise click.UsageError(f"{name} is given twice")
    document[last] = value


def _read_json(file: str) -> Any:
    try:
        return from_json(_read_bytes(file) if file != "-" else sys.stdin.buffer.read())
    except BinaryError as exc:
        raise click.UsageError(f"{file}: {str(exc).replace('the body', 'it')}") from exc


def _read_bytes(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as exc:
        raise click.UsageError(f"cannot read {file}: {exc.strerror}") from exc


def _read_arrays(file: str) -> Any:
    try:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return dict(loaded)
    except OSError as exc:
        raise click.UsageError(f"cannot read {file}: {exc.strerror or exc}") from exc
    except Exception as exc:  # numpy and zipfile raise many kinds for other files
        raise click.UsageError(f"{file} is not a .npy or .npz file without pickles") from exc

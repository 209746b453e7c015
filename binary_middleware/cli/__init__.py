"""The command line: ``serve``, ``call``, ``inspect`` and ``bench``, a module for each."""

try:
    import click as _click  # noqa: F401
except ImportError as exc:
    raise ImportError("the command line needs click: pip install 'binary-middleware[cli]'") from exc

from binary_middleware.cli.group import main

__all__ = ["main"]

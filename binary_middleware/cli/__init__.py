"""The command line: ``serve``, ``call``, ``inspect`` and ``bench``."""

try:
    import click as _click  # noqa: F401
except ImportError as exc:
    raise ImportError("the command line needs click: pip install 'binary-middleware[cli]'") from exc

from binary_middleware.cli._main import main

__all__ = ["main"]

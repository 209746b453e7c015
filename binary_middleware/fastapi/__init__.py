"""The object lane for FastAPI: ``add_binary_mode`` for an app, ``BinaryRoute`` for some routers."""

try:
    import fastapi as _fastapi  # noqa: F401
except ImportError as exc:
    raise ImportError(
        "binary_middleware.fastapi needs FastAPI: pip install 'binary-middleware[fastapi]'"
    ) from exc

from binary_middleware.fastapi._app import add_binary_mode
from binary_middleware.fastapi._openapi import complete_openapi
from binary_middleware.fastapi._route import BinaryRoute

__all__ = ["BinaryRoute", "add_binary_mode", "complete_openapi"]

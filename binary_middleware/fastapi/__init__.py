"""The object lane for FastAPI: ``enable`` for an app, ``BinaryRoute`` for some of its routers."""

try:
    import fastapi as _fastapi  # noqa: F401
except ImportError as exc:
    raise ImportError(
        "binary_middleware.fastapi needs FastAPI: pip install 'binary-middleware[fastapi]'"
    ) from exc

from binary_middleware.fastapi.app import enable
from binary_middleware.fastapi.openapi import complete_openapi
from binary_middleware.fastapi.route import BinaryRoute

__all__ = ["BinaryRoute", "complete_openapi", "enable"]

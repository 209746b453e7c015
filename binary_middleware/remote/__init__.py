"""Typed calls between services: one class declares what is called and what is served."""

try:
    import stamina as _stamina  # noqa: F401
except ImportError as exc:
    raise ImportError(
        "binary_middleware.remote needs stamina and an HTTP client: "
        "pip install 'binary-middleware[remote]'"
    ) from exc

from binary_middleware.remote.context import PassOn
from binary_middleware.remote.declaration import idempotent
from binary_middleware.remote.service import CallOptions, Service, with_options
from binary_middleware.remote.trying import Retries

__all__ = ["CallOptions", "PassOn", "Retries", "Service", "idempotent", "with_options"]

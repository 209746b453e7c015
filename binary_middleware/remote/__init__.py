"""Typed calls between services: one class declares what is called and what is served."""

try:
    import stamina as _stamina  # noqa: F401
except ImportError as exc:
    raise ImportError(
        "binary_middleware.remote needs stamina and an HTTP client: "
        "pip install 'binary-middleware[remote]'"
    ) from exc

from binary_middleware.remote._contract import idempotent
from binary_middleware.remote._retries import Retries
from binary_middleware.remote._stubs import CallOptions, Service, with_options
from binary_middleware.remote._trace_context import TraceContextMiddleware

__all__ = [
    "CallOptions",
    "Retries",
    "Service",
    "TraceContextMiddleware",
    "idempotent",
    "with_options",
]

"""Typed calls between services: one contract, which one side calls and the other serves.

::

    class Images(Protocol):
        async def gradient(self, image: NumpyArrayField, sigma: float = 1.0) -> Gradient: ...

        @idempotent
        async def count(self) -> int: ...


    serve(app, Images, ImagesOfThisProcess())

    async with connect(Images, "http://images:8000") as images:
        gradient = await images.gradient(image)

Each method is a POST to its name under the URL of the service. The body holds the arguments by
name, and the response is the result, validated as the type that the method returns.
"""

try:
    import stamina as _stamina  # noqa: F401
except ImportError as exc:
    raise ImportError(
        "binary_middleware.remote needs stamina and an HTTP client: "
        "pip install 'binary-middleware[remote]'"
    ) from exc

from binary_middleware.remote._contract import idempotent
from binary_middleware.remote._retries import Retries
from binary_middleware.remote._serve import serve
from binary_middleware.remote._stubs import CallOptions, Connection, connect, with_options
from binary_middleware.remote._trace_context import TraceContextMiddleware

__all__ = [
    "CallOptions",
    "Connection",
    "Retries",
    "TraceContextMiddleware",
    "connect",
    "idempotent",
    "serve",
    "with_options",
]

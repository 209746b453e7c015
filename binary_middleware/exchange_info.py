"""Facts about one exchange, for endpoints, logs and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import HTTPConnection

__all__ = ["ExchangeInfo", "get_exchange_info"]

SCOPE_KEY: Final = "binary_middleware"
"""Key of a scope for the exchange of its request, or for the options in force if it has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExchangeInfo:
    """Facts about one request and its response, as far as they are known.

    ``get_exchange_info`` returns that of a request to its endpoint; the option ``on_exchange`` is
    called with one for each exchange when it is over.
    """

    method: str
    path: str
    """The path, with the ``root_path``."""

    request_media_type: str | None = None
    """The media type of a msgpack request, ``None`` for any other."""
    response_media_type: str | None = None
    """The media type in which a JSON response is sent, ``None`` if it stays JSON."""

    request_size: int | None = None
    """Bytes of msgpack received, with the content coding undone; ``None`` until they are read."""
    response_size: int | None = None
    """Bytes of msgpack sent, ``None`` if the response is something else."""

    read_seconds: float = 0.0
    """Time to receive the body of a msgpack request."""
    decode_seconds: float = 0.0
    """Time to decode the request; on the JSON lane including writing the JSON text."""
    encode_seconds: float = 0.0
    """Time to encode the response; on the JSON lane including reading the JSON text."""

    status: int | None = None
    """The status of the response, ``None`` until it starts."""
    refusal: str | None = None
    """The reason why the middleware refused the request, ``None`` if it did not."""

    @property
    def is_binary(self) -> bool:
        """Whether the request is msgpack, or its response is to be sent as msgpack."""
        return self.request_media_type is not None or self.response_media_type is not None


def get_exchange_info(connection: HTTPConnection) -> ExchangeInfo:
    """Return what is known about the exchange of a request; also a dependency for FastAPI.

    ::

        @app.post("/predict")
        def predict(batch: Batch, info: Annotated[ExchangeInfo, Depends(get_exchange_info)]): ...

    Args:
        connection: the request.
    """
    scope = connection.scope
    make_info: Any = getattr(scope.get(SCOPE_KEY), "info", None)
    if make_info is None:  # no middleware, or a request that it passed through
        return ExchangeInfo(method=scope["method"], path=scope["path"])
    info: ExchangeInfo = make_info()
    return info

"""What an exchange came to, for endpoints, logs and metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ExchangeInfo:
    """One request and its answer, as far as it has come.

    ``get_exchange_info`` returns that of a request to its endpoint; the option ``on_exchange`` gets
    one for each exchange when it is over.
    """

    method: str
    path: str
    """With the ``root_path``."""

    request_media_type: str | None = None
    """The media type of a request in msgpack, ``None`` for any other."""
    response_media_type: str | None = None
    """The media type that was chosen for the answer if it is JSON: ``None`` if it stays JSON."""

    request_size: int | None = None
    """Bytes of the msgpack that came, with its content coding undone; ``None`` before it was
    read."""
    response_size: int | None = None
    """Bytes of the msgpack that left, ``None`` if the answer was something else."""

    read_seconds: float = 0.0
    """How long the body of a request in msgpack took to come."""
    decode_seconds: float = 0.0
    """How long it took to decode; on the JSON lane with the writing of the JSON text."""
    encode_seconds: float = 0.0
    """How long the answer took to encode; on the JSON lane with the reading of the JSON text."""

    status: int | None = None
    """The status of the answer, ``None`` before it starts."""
    refusal: str | None = None
    """Why the request was refused by the middleware, if it was."""

    @property
    def is_binary(self) -> bool:
        """Whether the request came in msgpack, or its answer is to leave in it."""
        return self.request_media_type is not None or self.response_media_type is not None

"""Retries: which failures of a call are worth another attempt, and when."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import stamina
from pydantic import BaseModel

from binary_middleware.remote._contract import Method

_NOT_SENT: Final = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""httpx's errors from before a request is sent."""

_MAYBE_PROCESSED: Final = frozenset(
    {"ReadError", "ReadTimeout", "WriteError", "WriteTimeout", "RemoteProtocolError"}
)
"""httpx's errors after which it is unknown what the server did."""

_NOT_PROCESSED: Final = frozenset({429, 503})
"""Statuses of servers that did not process the request (RFC 6585 §4, RFC 9110 §15.6.4). With all
others the server, or a proxy before it, may have been halfway through."""


@dataclass(frozen=True, kw_only=True)
class Retries:
    """When a call is made again, after which wait.

    A connection that cannot be made is tried again for every method; one that breaks, and a status
    other than 429 and 503, only for a method that is ``idempotent``. A call is never made again if
    something in its arguments can be read only once. The wait doubles with each attempt, with
    random jitter on top.
    """

    attempts: int = 3
    """Number of attempts, the first one included; 1 for no retries."""
    statuses: frozenset[int] = frozenset({429, 503})
    """The statuses that are worth another attempt."""
    wait_initial: float = 0.1
    """Seconds before the second attempt."""
    wait_max: float = 5.0
    """Maximum of seconds between two attempts."""
    wait_jitter: float = 0.5
    """Maximum of seconds of jitter on top."""

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, not {self.attempts!r}")
        object.__setattr__(self, "statuses", frozenset(self.statuses))

    def attempts_for(self, method: Method, arguments: Mapping[str, Any]) -> Any:
        """Return stamina's attempts for a call."""
        return stamina.retry_context(
            on=lambda exc: self._is_transient(exc, method) and not holds_iterator(arguments),
            attempts=self.attempts,
            timeout=None,
            wait_initial=self.wait_initial,
            wait_max=self.wait_max,
            wait_jitter=self.wait_jitter,
        )

    def _is_transient(self, exc: Exception, method: Method) -> bool:
        kinds = {kind.__name__ for kind in type(exc).__mro__}
        if kinds & _NOT_SENT:
            return True
        if kinds & _MAYBE_PROCESSED:
            return method.is_idempotent
        status = getattr(getattr(exc, "response", None), "status_code", None)
        if status not in self.statuses:
            return False
        return method.is_idempotent or status in _NOT_PROCESSED


def holds_iterator(value: Any) -> bool:
    """Return whether something in a value, which is not circular, can be read only once."""
    if isinstance(value, Iterator):
        return True
    if isinstance(value, BaseModel):
        value = dict(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return any(map(holds_iterator, value.values()))
    return isinstance(value, (list, tuple)) and any(map(holds_iterator, value))

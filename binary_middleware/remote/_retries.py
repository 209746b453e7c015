"""Which failures of a call are worth another try."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import stamina
from pydantic import BaseModel

from binary_middleware.remote._contract import Method

_NOT_SENT: Final = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""httpx's errors that come before a request leaves."""

_PERHAPS_PROCESSED: Final = frozenset(
    {"ReadError", "ReadTimeout", "WriteError", "WriteTimeout", "RemoteProtocolError"}
)
"""httpx's errors after which nobody knows what the server did."""

_NOT_PROCESSED: Final = frozenset({429, 503})
"""Statuses by which a server says that it did not take the request (RFC 6585 §4, RFC 9110
§15.6.4). All others may come after it, or a proxy before it, was halfway through."""


@dataclass(frozen=True, kw_only=True)
class Retries:
    """When a call is made again, and how long it waits before.

    A connection that cannot be made is tried again for every method; one that breaks, and a status
    other than 429 and 503, only for a method that is ``idempotent``. A call is never made again if
    something in its arguments could be read only once. The wait doubles from try to try, with
    random jitter on top.
    """

    attempts: int = 3
    """How often a call is made at most, the first time included; 1 for no retries."""
    statuses: frozenset[int] = frozenset({429, 503})
    """The statuses that are worth another try."""
    wait_initial: float = 0.1
    """Seconds before the second try."""
    wait_max: float = 5.0
    """Most seconds between two tries."""
    wait_jitter: float = 0.5
    """Most seconds of jitter on top."""

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            raise ValueError(f"attempts must be a number from 1 on, not {self.attempts!r}")
        object.__setattr__(self, "statuses", frozenset(self.statuses))

    def context(self, method: Method, arguments: Mapping[str, Any]) -> Any:
        """Stamina's attempts for a call of a method."""
        return stamina.retry_context(
            on=self._is_worth_it(method, arguments),
            attempts=self.attempts,
            timeout=None,
            wait_initial=self.wait_initial,
            wait_max=self.wait_max,
            wait_jitter=self.wait_jitter,
        )

    def _is_worth_it(
        self, method: Method, arguments: Mapping[str, Any]
    ) -> Callable[[Exception], bool]:
        def is_transient(exc: Exception) -> bool:
            kinds = {kind.__name__ for kind in type(exc).__mro__}
            if kinds & _NOT_SENT:
                return True
            if kinds & _PERHAPS_PROCESSED:
                return method.is_idempotent
            status = getattr(getattr(exc, "response", None), "status_code", None)
            if status not in self.statuses:
                return False
            return method.is_idempotent or status in _NOT_PROCESSED

        return lambda exc: is_transient(exc) and not holds_iterator(arguments)


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

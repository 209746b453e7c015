"""The settings of binary mode. A wrong one fails where it is made, with a message that names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache, partial
from types import FunctionType
from typing import Any, Final, Literal, get_args

from binary_middleware._http.media_types import parse_media_type
from binary_middleware._http.negotiation import Mode, Negotiator, Offer
from binary_middleware.exchange_info import ExchangeInfo
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import MAX_STRUCTURE_SIZE, Limits

Arrays = Literal["numpy", "map"]

MEDIA_TYPES: Final = FORMAT.media_types

MIB: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class BinaryOptions:
    """The settings of binary mode for an app, or for one of its routes.

    The limits hold for bodies that are decoded here; JSON requests are not touched.

    Raises:
        ValueError: a setting is not one of those named here.
    """

    mode: Mode = "negotiate"
    """``"negotiate"``: the client chooses by Content-Type and Accept. ``"require"``: any
    body but msgpack is refused with 415, and JSON as an answer with 406; without an Accept header,
    or with wildcards alone, the answer is msgpack. ``"off"``: as if there were no middleware."""

    media_types: tuple[str, ...] = MEDIA_TYPES
    """The media types that mean msgpack, beside any ``+msgpack``. The first one is used where
    the client named none. A parameter, as in ``"application/octet-stream; dialect=chains"``, holds
    for responses of that type unless the client asks for another: ``arrays``, as below, and
    ``dialect``, which is ``plain`` for dates, times, durations, decimals and UUIDs as the text that
    they are in JSON, or ``chains`` for the maps of Chains (object lane only; both are read)."""

    max_body_size: int = 64 * MIB
    """Largest msgpack body in bytes; a larger one is answered with 413."""

    max_structure_size: int = MAX_STRUCTURE_SIZE
    """Most bytes of a body that are not large arrays or bytes: what becomes many small objects,
    up to 120 bytes of memory for each byte. More is answered with 413."""

    max_json_size: int | None = None
    """Most bytes of the JSON text that a body becomes for an app on the JSON lane: base64 takes a
    third more than its bytes, and a control character in a string six bytes. More is answered with
    413. ``None`` for twice ``max_body_size``, or 128 MiB if that is more."""

    max_response_size: int = 64 * MIB
    """Most bytes of a streamed JSON answer that are collected to be converted. A longer one goes
    out as the JSON that it is."""

    arrays: Arrays = "numpy"
    """How arrays are written: ``"numpy"`` as msgpack-numpy does, ``"map"`` as string-keyed maps.
    A client can ask for either with a parameter: ``Accept: application/msgpack; arrays=map``."""

    copy_response: bool = False
    """Whether an answer is copied before it is sent. Arrays are otherwise read while they are
    sent, so an app that keeps changing an array that it returned needs this."""

    server_timing: bool = False
    """Whether answers in msgpack have a ``Server-Timing`` header: milliseconds for reading and
    decoding the request, for the app, and for encoding the answer."""

    on_exchange: Callable[[ExchangeInfo], None] | None = None
    """Called with an ``ExchangeInfo`` after each exchange, whether it was binary or not. What it
    raises is logged."""

    def __post_init__(self) -> None:
        for name, values in (("mode", Mode), ("arrays", Arrays)):
            if getattr(self, name) not in get_args(values):
                allowed = ", ".join(map(repr, get_args(values)))
                raise ValueError(f"{name} must be one of {allowed}, not {getattr(self, name)!r}")
        for name in ("max_body_size", "max_structure_size", "max_json_size", "max_response_size"):
            size = getattr(self, name)
            if size is None and name == "max_json_size":
                continue
            if type(size) is not int or size < 0:
                raise ValueError(f"{name} must be a number of bytes, not {size!r}")
        if self.on_exchange is not None and not callable(self.on_exchange):
            raise ValueError(f"on_exchange must be callable, not {self.on_exchange!r}")
        object.__setattr__(self, "media_types", _checked_media_types(self.media_types))

    @cached_property
    def offer(self) -> Offer:
        """What is offered to clients under these options."""
        parsed = [parse_media_type(each) for each in self.media_types]
        types = {each.essence: each.parameters for each in parsed if each is not None}
        return Offer(
            self.mode,
            (*types, FORMAT.suffix),
            {essence: {"arrays": self.arrays, **own} for essence, own in types.items()},
            ", ".join(self.media_types),
        )

    @cached_property
    def negotiator(self) -> Negotiator:
        """The plans for requests under these options."""
        return Negotiator(self.offer)

    @cached_property
    def limits(self) -> Limits:
        """The limits on a document in a request."""
        return Limits(self.max_structure_size)

    @property
    def json_size_limit(self) -> int:
        """The limit that ``max_json_size`` stands for, in bytes."""
        if self.max_json_size is not None:
            return self.max_json_size
        return max(2 * self.max_body_size, 128 * MIB)


def _checked_media_types(media_types: Any) -> tuple[str, ...]:
    if isinstance(media_types, str):
        raise ValueError(f"media_types must be a sequence of media types, not {media_types!r}")
    checked = []
    for name in media_types:
        parsed = parse_media_type(name) if isinstance(name, str) else None
        if parsed is None or "*" in parsed.essence or parsed.is_json:
            raise ValueError(f"media_types: {name!r} is not the name of a binary media type")
        try:
            FORMAT.check_parameters(parsed.parameters)
        except ValueError as exc:
            raise ValueError(f"media_types: {name!r}: {exc}") from exc
        parameters = "".join(f"; {key}={value}" for key, value in parsed.parameters.items())
        checked.append(parsed.essence + parameters)
    if not checked:
        raise ValueError("media_types must name at least one media type")
    return tuple(checked)


OPTION_NAMES: Final = frozenset(option.name for option in fields(BinaryOptions))

Overrides = tuple[tuple[str, Any], ...]
"""Names and values of the options that one place sets; the others come from further out."""


def make_overrides(**options: Any) -> Overrides:
    """The options that one place sets, checked.

    Raises:
        ValueError: an option is unknown or wrong, or two of them contradict each other.
    """
    unknown = options.keys() - OPTION_NAMES
    if unknown:
        names = ", ".join(sorted(OPTION_NAMES))
        raise ValueError(f"unknown option {sorted(unknown)[0]!r}; the options are {names}")
    checked = BinaryOptions(**options)
    if {"max_body_size", "max_structure_size"} <= options.keys():
        body, structure = checked.max_body_size, checked.max_structure_size
        if structure > body:
            raise ValueError(
                f"max_structure_size ({structure}) is never reached: max_body_size is {body}"
            )
    return tuple((name, getattr(checked, name)) for name in sorted(options))


def with_overrides(options: BinaryOptions, *layers: Overrides) -> BinaryOptions:
    """Options with those of nearer places on top, the nearest last."""
    changes = {name: value for layer in layers for name, value in layer}
    return replace(options, **changes) if changes else options


ATTRIBUTE: Final = "__binary_middleware__"
"""Where an endpoint holds the options that ``@binary_options`` set."""


def endpoint_overrides(endpoint: object, method: str | None = None) -> Overrides:
    """The options that ``@binary_options`` set for an endpoint.

    Args:
        endpoint: a function, or a class of Starlette's.
        method: of the request, to have those of the method of a class as well.
    """
    if type(endpoint) is FunctionType:  # as most are
        return getattr(endpoint, ATTRIBUTE, ())
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    found: Overrides = getattr(endpoint, ATTRIBUTE, ())
    if method is not None and isinstance(endpoint, type):
        is_get = method == "HEAD" and not hasattr(endpoint, "head")
        handler = getattr(endpoint, "get" if is_get else method.lower(), None)
        found += endpoint_overrides(handler)
    return found


@lru_cache(maxsize=1024)
def differing_options(options: BinaryOptions, overrides: Overrides) -> BinaryOptions | None:
    """Options with those of an endpoint on top, ``None`` if that makes no difference."""
    nearest = with_overrides(options, overrides)
    return None if nearest == options else nearest

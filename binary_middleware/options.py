"""The options of binary mode. A wrong one fails where it is written, by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache, partial
from types import FunctionType
from typing import Any, Final, Literal, TypedDict, Unpack, cast, get_args

from pydantic import ByteSize, TypeAdapter, ValidationError

from binary_middleware._http.media_types import parse_media_type
from binary_middleware._http.negotiation import Mode, Negotiator, Offer
from binary_middleware.exchange_info import ExchangeInfo
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import MAX_STRUCTURE_SIZE, Limits

__all__ = ["BinaryOptions", "OptionsDict"]

Arrays = Literal["numpy", "map"]
Size = int | str
"""A number of bytes, or text such as ``"64MiB"`` or ``"10 MB"`` (:class:`pydantic.ByteSize`)."""

MIB: Final = 1024 * 1024


class OptionsDict(TypedDict, total=False):
    """The fields of :class:`BinaryOptions` as keyword arguments, none of them required."""

    mode: Mode
    media_types: Sequence[str]
    max_body_size: Size
    max_structure_size: Size
    max_json_size: Size | None
    max_response_size: Size
    arrays: Arrays
    copy_response: bool
    server_timing: bool
    on_exchange: Callable[[ExchangeInfo], None] | None


@dataclass(frozen=True, kw_only=True)
class BinaryOptions:
    """The options of binary mode for an app, or for one of its routes.

    The limits hold for binary requests; JSON requests are not affected.

    Raises:
        ValueError: an option has a value that is not described here.
    """

    mode: Mode = "negotiate"
    """``"negotiate"``: the client chooses by Content-Type and Accept. ``"require"``: a body of
    another media type is refused with 415, a client that accepts only JSON with 406; without an
    Accept header, or with wildcards alone, the response is binary. ``"off"``: as without the
    middleware."""

    media_types: tuple[str, ...] = FORMAT.media_types
    """The media types of the binary format, beside any with its suffix (``+msgpack``). The first is
    used where the client names none. A parameter, as in ``"application/octet-stream;
    dialect=chains"``, holds for responses of that type unless the client asks for another value:
    ``arrays``, as below, and ``dialect``, which is ``plain`` for dates, times, durations, decimals
    and UUIDs as in JSON, or ``chains`` for the maps of Chains (object lane only; requests may
    have both)."""

    max_body_size: int = 64 * MIB
    """Maximum size of a binary body in bytes, as received and decompressed. A larger one is refused
    with 413."""

    max_structure_size: int = MAX_STRUCTURE_SIZE
    """Maximum bytes of a body that are not large arrays or bytes, and become small objects of up to
    120 bytes of memory for each byte. More is refused with 413."""

    max_json_size: int | None = None
    """Maximum bytes of the JSON text that a body becomes for an app on the JSON lane: base64 needs
    a third more bytes, and a control character in a string six. More is refused with 413. ``None``
    means twice ``max_body_size``, and at least 128 MiB."""

    max_response_size: int = 64 * MIB
    """Maximum bytes of a streamed JSON response that are buffered to be converted. A longer one is
    sent as JSON."""

    arrays: Arrays = "numpy"
    """The encoding of arrays: ``"numpy"`` as by msgpack-numpy, ``"map"`` as maps with string keys.
    A client can ask for either: ``Accept: application/msgpack; arrays=map``."""

    copy_response: bool = False
    """Whether a response is copied before it is sent. Otherwise arrays are read while they are
    sent, which is wrong for an app that goes on changing an array that it returned."""

    server_timing: bool = False
    """Whether binary responses have a ``Server-Timing`` header: milliseconds for reading and
    decoding the request, for the app, and for encoding the response."""

    on_exchange: Callable[[ExchangeInfo], None] | None = None
    """Called with an ``ExchangeInfo`` after each exchange, binary or not. Its exceptions are
    logged."""

    def __post_init__(self) -> None:
        for name, values in (("mode", Mode), ("arrays", Arrays)):
            if getattr(self, name) not in get_args(values):
                allowed = ", ".join(map(repr, get_args(values)))
                raise ValueError(f"{name} must be one of {allowed}, not {getattr(self, name)!r}")
        for name in ("max_body_size", "max_structure_size", "max_json_size", "max_response_size"):
            size = getattr(self, name)
            if size is not None or name != "max_json_size":
                object.__setattr__(self, name, _parse_size(name, size))
        if self.on_exchange is not None and not callable(self.on_exchange):
            raise ValueError(f"on_exchange must be callable, not {self.on_exchange!r}")
        object.__setattr__(self, "media_types", _parse_media_types(self.media_types))

    @cached_property
    def offer(self) -> Offer:
        """The media types and variants that clients can choose from."""
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


_BYTE_SIZE: Final = TypeAdapter(ByteSize)


def _parse_size(name: str, size: Any) -> int:
    if type(size) is int and size >= 0:
        return size
    if isinstance(size, str):
        try:
            return int(_BYTE_SIZE.validate_python(size))
        except ValidationError:
            pass
    raise ValueError(f"{name} must be a number of bytes, or text like '64MiB', not {size!r}")


def _parse_media_types(media_types: Any) -> tuple[str, ...]:
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


def make_overrides(**options: Unpack[OptionsDict]) -> Overrides:
    """Check the options that one place sets.

    Raises:
        ValueError: an option is unknown or wrong, or two of them contradict each other.
    """
    unknown = options.keys() - OPTION_NAMES
    if unknown:
        names = ", ".join(sorted(OPTION_NAMES))
        raise ValueError(f"unknown option {sorted(unknown)[0]!r}; the options are {names}")
    checked = BinaryOptions(**cast(dict[str, Any], options))
    if {"max_body_size", "max_structure_size"} <= options.keys():
        body, structure = checked.max_body_size, checked.max_structure_size
        if structure > body:
            raise ValueError(
                f"max_structure_size ({structure}) is never reached: max_body_size is {body}"
            )
    return tuple((name, getattr(checked, name)) for name in sorted(options))


def with_overrides(options: BinaryOptions, *layers: Overrides) -> BinaryOptions:
    """Return options with the overrides of nearer places on top, the nearest last."""
    changes = {name: value for layer in layers for name, value in layer}
    return replace(options, **changes) if changes else options


ATTRIBUTE: Final = "__binary_middleware__"
"""The attribute of an endpoint that holds the options of ``@binary_options``."""


def endpoint_overrides(endpoint: object, method: str | None = None) -> Overrides:
    """Return the options that ``@binary_options`` set for an endpoint.

    Args:
        endpoint: a function, or a Starlette endpoint class.
        method: of the request, to include the options of that method of a class.
    """
    if type(endpoint) is FunctionType:  # as most are
        return getattr(endpoint, ATTRIBUTE, ())
    while isinstance(endpoint, partial) and ATTRIBUTE not in vars(endpoint):
        endpoint = endpoint.func
    found: Overrides = getattr(endpoint, ATTRIBUTE, ())
    if method is not None and isinstance(endpoint, type):
        is_get = method == "HEAD" and not hasattr(endpoint, "head")
        handler = getattr(endpoint, "get" if is_get else method.lower(), None)
        found += endpoint_overrides(handler)
    return found


@lru_cache(maxsize=1024)
def differing_options(options: BinaryOptions, overrides: Overrides) -> BinaryOptions | None:
    """Return options with those of an endpoint on top, ``None`` if that changes nothing."""
    nearest = with_overrides(options, overrides)
    return None if nearest == options else nearest

"""msgpack as a format to negotiate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

from binary_middleware.formats.base import Buffer, Decoded, Format, Limits, Variant
from binary_middleware.formats.msgpack._pack import pack_buffers
from binary_middleware.formats.msgpack._unpack import unpack, unpack_views

_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "arrays": ("numpy", "map"),
    "dialect": ("plain", "chains"),
}
"""The parameters of the media types and their values, the default first: see :func:`packb`."""
_DEFAULTS: Final = frozenset(values[0] for values in _PARAMETERS.values())


def _tag_suffix(values: tuple[str, ...]) -> bytes:
    others = [value for value in values if value not in _DEFAULTS]
    return "-".join(["--msgpack", *others]).encode()


class _Msgpack:
    """The format of the package; see :class:`binary_middleware.formats.base.Format`."""

    name: Final = "msgpack"
    media_types: Final = (
        "application/msgpack",
        "application/vnd.msgpack",  # registered with IANA
        "application/x-msgpack",
    )
    suffix: Final = "+msgpack"
    tag_suffixes: Final = tuple(_tag_suffix(each) for each in product(*_PARAMETERS.values()))

    array_description: Final = (
        "An array, as a map. The keys described here are those of the portable form. The other "
        'form is that of msgpack-numpy, with binary keys: `{b"nd": true, b"type": "<f4", '
        'b"kind": b"", b"shape": [2, 3], b"data": <bytes>}`. Requests may have either; responses '
        "have that of msgpack-numpy, unless the client asks with `Accept: application/msgpack; "
        "arrays=map` or the server is set to the portable form."
    )

    def check_parameters(self, parameters: Mapping[str, str]) -> None:
        for name, value in parameters.items():
            if name not in _PARAMETERS:
                raise ValueError(f"{self.media_types[0]} has no parameter {name!r}")
            if value not in _PARAMETERS[name]:
                allowed = ", ".join(map(repr, _PARAMETERS[name]))
                raise ValueError(f"{name} must be one of {allowed}, not {value!r}")

    def variant(
        self, media_type: str, requested: Mapping[str, str], defaults: Mapping[str, str]
    ) -> Variant:
        content_type, parameters = media_type, {}
        for name, values in _PARAMETERS.items():
            value = requested.get(name)
            if value in values:
                content_type += f"; {name}={value}"
                parameters[name] = value
            else:
                parameters[name] = defaults.get(name, values[0])
        return Variant(
            content_type,
            _tag_suffix(tuple(parameters.values())),
            parameters,
            carries_times=parameters["dialect"] == "chains",
        )

    def decode(self, data: Any, limits: Limits, *, is_owned: bool) -> Decoded:
        return unpack(data, limits, is_owned=is_owned)

    def decode_views(self, data: Any, limits: Limits) -> Any:
        return unpack_views(data, limits)

    def encode(self, document: Any, variant: Variant) -> Sequence[Buffer]:
        return pack_buffers(document, **variant.parameters)


MSGPACK: Final[Format] = _Msgpack()

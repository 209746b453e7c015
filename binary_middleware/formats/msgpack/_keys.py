"""Keys of maps as JSON has them: strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from pydantic_core import to_jsonable_python

from binary_middleware.errors import DecodeError
from binary_middleware.formats.msgpack._pack import key_text

MAX_OTHER_KEYS: Final = 512
"""Most keys of one map that are not strings. Only the hash of strings and bytes is salted: numbers
can be chosen so that each is compared with all others. JSON has no such maps."""

NO_KEY: Final = "a key of a map must be a string, not binary and not a container"
_NO_KEYS: Final = frozenset({bytes, tuple, msgspec.msgpack.Ext})
_NUMBERS: Final = frozenset({int})
_TEXT: Final = frozenset({str})
FEW: Final = 4
"""Members of a container up to which a loop is faster than a set of their types."""


def has_text_keys(map_: Mapping[Any, Any]) -> bool:
    """Whether all keys of a map are strings."""
    if len(map_) > FEW:
        return _TEXT.issuperset(map(type, map_))
    for key in map_:  # noqa: SIM110  # a generator would cost more than all of this
        if type(key) is not str:
            return False
    return True


def with_text_keys(map_: Mapping[Any, Any]) -> dict[str, Any]:
    """The same map with its keys as JSON has them.

    Raises:
        DecodeError: a key that JSON could not have, or two that are the same string.
    """
    kinds = set(map(type, map_))
    if kinds == _NUMBERS:
        return {str(key): item for key, item in map_.items()}
    if not _NO_KEYS.isdisjoint(kinds):
        raise DecodeError(NO_KEY)
    texts = to_jsonable_python(dict.fromkeys(map_))
    if len(texts) < len(map_):
        raise duplicate_key(map(key_text, map_))
    return dict(zip(texts, map_.values(), strict=True))


def duplicate_key(texts: Iterable[str]) -> DecodeError:
    """Return the error for keys of which two are equal as strings."""
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            break
        seen.add(text)
    return DecodeError(f"duplicate map key {text[:40]!r}")

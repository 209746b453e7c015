"""Keys of maps as strings, as in JSON.

Only the hash of strings and bytes is salted. What other keys become, numbers and tuples, can be
chosen so that each is compared with all others: a body of 8 MiB full of them would take half an
hour. So only a map of few entries may have them, and that is checked before any key is hashed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from pydantic_core import to_jsonable_python

from binary_middleware.errors import DecodeError, LimitExceeded
from binary_middleware.formats.msgpack._limits import Budget
from binary_middleware.formats.msgpack._pack import key_text
from binary_middleware.formats.msgpack._wire import has_other_keys, may_have_large_map

MAX_NUMERIC_KEYS: Final = 512
"""Entries of a map up to which its keys may be other than strings. JSON has no such maps."""

LOOP_THRESHOLD: Final = 4
"""Members of a container up to which a loop is faster than a set of their types."""

_BAD_KEY: Final = "a key of a map must be a string, not binary and not a container"
_BAD_KEY_TYPES: Final = frozenset({bytes, tuple, msgspec.msgpack.Ext})
_NUMBERS: Final = frozenset({int})
_TEXT: Final = frozenset({str})


def has_text_keys(map_: Mapping[Any, Any]) -> bool:
    """Return whether all keys of a map are strings."""
    if len(map_) > LOOP_THRESHOLD:
        return _TEXT.issuperset(map(type, map_))
    for key in map_:  # noqa: SIM110  # a generator would cost more than all of this
        if type(key) is not str:
            return False
    return True


def with_text_keys(map_: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the same map with its keys as strings, as in JSON.

    Raises:
        DecodeError: a key that JSON could not have, or two that are the same string.
    """
    kinds = set(map(type, map_))
    if kinds == _NUMBERS:
        return {str(key): item for key, item in map_.items()}
    if not _BAD_KEY_TYPES.isdisjoint(kinds):
        raise DecodeError(_BAD_KEY)
    texts = to_jsonable_python(dict.fromkeys(map_))
    if len(texts) < len(map_):
        raise _duplicate_key(map(key_text, map_))
    return dict(zip(texts, map_.values(), strict=True))


def _duplicate_key(texts: Iterable[str]) -> DecodeError:
    ((text, _),) = Counter(texts).most_common(1)
    return DecodeError(f"duplicate map key {text[:40]!r}")


def check_large_maps(view: memoryview, budget: Budget) -> None:
    """Check the keys of all large maps in an item, before it is decoded as a whole.

    Raises:
        DecodeError: a map of more than :data:`MAX_NUMERIC_KEYS` entries has other keys than
            strings.
        LimitExceeded: there is too much in the item to tell.
    """
    if not may_have_large_map(view):
        return
    found, seen = has_other_keys(view, MAX_NUMERIC_KEYS, budget.headers)
    budget.headers -= seen
    if found is None:
        raise LimitExceeded(
            "the document is too complex: a container of many objects is nested too deeply, or has "
            "keys that are not strings"
        )
    if found:
        raise large_map_error()


def large_map_error() -> DecodeError:
    """Return the error for a large map with other keys than strings."""
    return DecodeError(
        f"a map of more than {MAX_NUMERIC_KEYS} entries has keys that are not strings: send them "
        f"as strings, as in JSON"
    )

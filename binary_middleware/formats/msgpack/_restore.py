"""Restores arrays, dates and keys in documents that msgspec decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from binary_middleware.errors import DecodeError, LimitExceeded
from binary_middleware.formats.msgpack._chains import is_chains_map, read_chains_map
from binary_middleware.formats.msgpack._keys import LOOP_THRESHOLD, has_text_keys, with_text_keys
from binary_middleware.formats.msgpack._limits import Budget
from binary_middleware.formats.msgpack._numpy_maps import is_numpy_map, read_numpy_map

_UNRESTORED: Final = frozenset({dict, list, msgspec.msgpack.Ext})


class Restorer:
    """Restores the values of one document.

    Args:
        budget: counts what is converted.
        max_depth: maximum of containers inside each other.
    """

    holds_arrays = False
    """Whether the document holds arrays, numpy scalars, or other objects that JSON cannot hold."""
    holds_scalars = False
    """Whether some of them convert to a number."""

    def __init__(self, budget: Budget, max_depth: int) -> None:
        self.budget = budget
        self.max_depth = max_depth

    # So long because each part of its own would be a frame more for each level.
    def restore(self, value: Any, depth: int) -> Any:  # noqa: C901, PLR0912
        """Return what msgspec decoded, with arrays in place of their maps and strings for keys.

        Args:
            value: a container, or what msgspec has no type of Python's for.
            depth: how many containers it is in.
        """
        if depth >= self.max_depth:
            raise self.too_deep()
        kind = type(value)
        if kind is dict:
            # All keys before any item, and each once: to begin anew with other keys, at every
            # level of a deep document, would cost the square of its size.
            if not has_text_keys(value):
                if is_numpy_map(value):
                    return self._restore_array(value)
                self.budget.count_conversions()
                if is_chains_map(value):
                    self.holds_arrays = True
                    return read_chains_map(value)
                value = with_text_keys(value)
            if len(value) > LOOP_THRESHOLD and _UNRESTORED.isdisjoint(map(type, value.values())):
                return value
            members: Iterable[tuple[Any, Any]] = value.items()
        elif kind is list:
            if len(value) > LOOP_THRESHOLD and _UNRESTORED.isdisjoint(map(type, value)):
                return value
            members = enumerate(value)
        elif kind is msgspec.msgpack.Ext:
            raise DecodeError(f"msgpack extension {value.code} is not known")
        else:
            return value
        key: Any = None
        try:
            for key, item in members:
                if type(item) in _UNRESTORED and item:  # an empty container is what it is
                    restored = self.restore(item, depth + 1)
                    if restored is not item:
                        value[key] = restored
        except DecodeError as exc:
            exc.within(key)
            raise
        return value

    def _restore_array(self, map_: Mapping[Any, Any]) -> Any:
        self.holds_arrays = True
        value = read_numpy_map(map_)
        if type(value) is not np.ndarray:
            self.holds_scalars = True
            self.budget.count_conversions()
            return value
        if value.size == 1:
            self.holds_scalars = True
        self.budget.count_array(value.dtype)
        return value

    def too_deep(self) -> LimitExceeded:
        return LimitExceeded(
            f"the document nests too deeply: at most {self.max_depth} levels are read"
        )

"""Dimensions and shapes that are expected of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from types import EllipsisType
from typing import Any

from binary_middleware.fields import MAX_DIMS


@dataclass(frozen=True)
class Dim:
    """One dimension of an array: its name, and the sizes that it may have.

    Attributes:
        name: dimensions of one name are of one size within an array, and within an
            ``ArrayModel``.
        ge: the minimum size.
        le: the maximum size, ``None`` for any.

    Raises:
        ValueError: the name is empty, or no size is left.
    """

    name: str | None = None
    _: KW_ONLY
    ge: int = 0
    le: int | None = None

    def __post_init__(self) -> None:
        if self.name == "" or self.ge < 0 or (self.le is not None and self.le < self.ge):
            raise ValueError("a dimension needs a name that is not empty, and 0 <= ge <= le")

    def __str__(self) -> str:
        if self.ge == self.le:
            sizes = str(self.ge)
        elif self.ge or self.le is not None:
            sizes = f"{self.ge}..{'' if self.le is None else self.le}"
        else:
            return self.name or "*"
        return f"{self.name}={sizes}" if self.name else sizes

    def accepts(self, size: int) -> bool:
        """Return whether the dimension may be of this size."""
        return self.ge <= size and (self.le is None or size <= self.le)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the size."""
        schema: dict[str, Any] = {"type": "integer"}
        if self.ge == self.le:
            schema["const"] = self.ge
        else:
            schema["minimum"] = self.ge
            if self.le is not None:
                schema["maximum"] = self.le
        if self.name:
            schema["title"] = self.name
        return schema


Size = int | str | Dim | EllipsisType | None
"""A dimension as users write it: a fixed size, a name, a :class:`Dim`, ``None`` for any size, and
once ``...`` for any number of dimensions."""


class Shape:
    """An expected shape.

    Args:
        sizes: one :data:`Size` per dimension.

    Attributes:
        dims: the expected dimensions.
        ellipsis_index: the index in ``dims`` at which any number of others may be, ``None`` for
            nowhere.

    Raises:
        TypeError, ValueError: not a shape.
    """

    def __init__(self, sizes: Sequence[Size]) -> None:
        if sizes.count(...) > 1 or len(sizes) > MAX_DIMS:
            raise ValueError(f"a shape has one ... at most, and {MAX_DIMS} dimensions")
        self.ellipsis_index = sizes.index(...) if ... in sizes else None
        self.dims = tuple(_dim(size) for size in sizes if size is not ...)

    def __str__(self) -> str:
        parts = [str(dim) for dim in self.dims]
        if self.ellipsis_index is not None:
            parts.insert(self.ellipsis_index, "...")
        elif len(parts) == 1:
            return f"({parts[0]},)"
        return f"({', '.join(parts)})"

    @property
    def has_names(self) -> bool:
        """Whether a dimension has a name."""
        return any(dim.name for dim in self.dims)

    def accepts(self, sizes: Sequence[Any]) -> bool:
        """Return whether an array may have this shape; a size of ``None`` is any size."""
        pairs = self.pairs(sizes)
        found: dict[str | None, int] = {}
        return pairs is not None and all(
            size is None
            or (dim.accepts(size) and (not dim.name or found.setdefault(dim.name, size) == size))
            for dim, size in pairs
        )

    def pairs(self, sizes: Sequence[Any]) -> list[tuple[Dim, Any]] | None:
        """Return the dimensions with their sizes, ``None`` if there are too many or too few."""
        dims, index = self.dims, self.ellipsis_index
        if index is not None and len(sizes) > len(dims):
            sizes = [*sizes[:index], *sizes[len(sizes) - len(dims) + index :]]
        return list(zip(dims, sizes, strict=True)) if len(sizes) == len(dims) else None

    def example(self) -> list[int] | None:
        """Return the smallest shape that is accepted, with sizes of 2 where any is."""
        minimum: dict[str | None, int] = {}
        dims = (Dim(),) if self.ellipsis_index is not None and not self.dims else self.dims
        for dim in dims:
            minimum[dim.name] = max(dim.ge, minimum.get(dim.name, 0))
        sizes = [
            (minimum[dim.name] if dim.name else dim.ge) or min(2, 2 if dim.le is None else dim.le)
            for dim in dims
        ]
        return sizes if self.accepts(sizes) else None


ANY_SHAPE = Shape((...,))


def _dim(size: Any) -> Dim:
    if isinstance(size, Dim):
        return size
    if isinstance(size, str):
        return Dim(size)
    if size is None:
        return Dim()
    if type(size) is not int:
        raise TypeError(f"{size!r} is not a size, a name, a Dim, None or ...")
    return Dim(ge=size, le=size)

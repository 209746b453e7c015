"""Models whose arrays agree in their named dimensions.

The arrays are checked when a model is complete, along the types of its fields. Nothing is kept
while it is being validated, so that no other validation can interfere, in this thread or another,
and members of a union that were tried in vain leave no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from functools import lru_cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    NotRequired,
    Protocol,
    Required,
    Self,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from pydantic import AliasChoices, AliasPath, BaseModel, RootModel, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from binary_middleware.arrays._spec import without_alias
from binary_middleware.fields import as_ndarray, is_array_like, same_elements


class ArrayModel(BaseModel):
    """A model in which dimensions of one name are of one size.

    ::

        class Batch(ArrayModel):
            images: Annotated[NDArray[np.uint8], ArraySpec("batch", None, None, 3)]
            labels: Annotated[NDArray[np.int64], ArraySpec("batch")]

    The check covers the arrays of its own fields, and of what they hold: lists, tuples, mappings,
    other models, dataclasses and typed dicts. An array that differs from one that comes before it
    is an error of the type ``array_dimension`` at its own place. It is enough that the outermost
    model is an ``ArrayModel``; each one inside checks its own part as well.

    Two such models are equal if they are of one class and their values are, arrays by dtype, shape
    and elements (NaN equals NaN). With arrays in any other model, ``==`` raises ``ValueError``.
    """

    @model_validator(mode="after")
    def _check_dimensions(self) -> Self:
        visit = _visitor_of_class(type(self))
        if visit is not None:
            sizes = _Sizes()
            visit(self, (), sizes)
            if sizes.errors:
                raise ValidationError.from_exception_data(type(self).__name__, sizes.errors)
        return self

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _equal_models(self, other)


Location = tuple[int | str, ...]


class _Sizes:
    """The sizes of the named dimensions of one document, and an error for each that differs."""

    def __init__(self) -> None:
        self.first: dict[str, tuple[int, Location]] = {}
        self.errors: list[InitErrorDetails] = []

    def add(self, name: str, size: int, location: Location, value: Any, expected: str) -> None:
        known, where = self.first.setdefault(name, (size, location))
        if known == size:
            return
        error = PydanticCustomError(
            "array_dimension",
            "Input should be an array whose '{name}' is that of {where}: expected {expected} "
            "with {name}={known}, got {size}",
            {
                "name": name,
                "where": ".".join(map(str, where)) or "itself",
                "expected": expected,
                "known": known,
                "size": size,
            },
        )
        # The input is gone, and JSON could not show an array.
        shown = f"<{type(value).__name__} {value.shape}>"
        self.errors.append(InitErrorDetails(type=error, loc=location, input=shown))


_Visitor = Callable[[Any, Location, _Sizes], None]
"""Adds the sizes of the arrays in a value, which is at this place of the document."""


@runtime_checkable
class _Spec(Protocol):
    """``ArraySpec``, and annotations like it."""

    def merged_with(self, inner: Any) -> Any: ...
    def bind(self, source: Any) -> Any: ...


class _Bound(Protocol):
    """Such an annotation, together with the type that it annotates."""

    expected: str

    @property
    def has_names(self) -> bool: ...
    def accepts(self, value: Any) -> bool: ...
    def named_sizes(self, value: Any) -> Iterable[tuple[str, int]]: ...


@lru_cache(maxsize=1024)
def _visitor_of_class(kind: type) -> _Visitor | None:
    return _build_visitor_of_class(kind, ())


def _build_visitor_of_class(kind: type, outer: tuple[type, ...]) -> _Visitor | None:
    """Return a visitor of the fields of a class, ``None`` if no dimension has a name.

    Args:
        kind: a model, a dataclass, a typed dict or a named tuple.
        outer: the classes around it whose visitors are being built.
    """
    if kind in outer:  # it holds itself, so the rest is looked up when there is a value

        def visit_again(value: Any, location: Location, sizes: _Sizes) -> None:
            visit = _visitor_of_class(kind)
            if visit is not None:
                visit(value, location, sizes)

        return visit_again

    parts = [
        (name, place, visit)
        for name, place, annotation, metadata in _fields(kind)
        if (visit := _build_visitor(annotation, metadata, (*outer, kind))) is not None
    ]
    of_kind: Any = kind
    get: Callable[..., Any] = getattr
    if issubclass(kind, dict):
        of_kind, get = dict, dict.get

    def visit_parts(value: Any, location: Location, sizes: _Sizes) -> None:
        if isinstance(value, of_kind):
            for name, place, visit in parts:
                visit(get(value, name, None), (*location, *place), sizes)

    return visit_parts if parts else None


def _fields(kind: type) -> Iterator[tuple[str, Location, Any, Sequence[Any]]]:
    """Yield name, place in the document, type and annotations of each field of a class."""
    infos: Mapping[str, FieldInfo] | None = getattr(kind, "__pydantic_fields__", None)
    if infos is None:
        annotations = get_type_hints(kind, include_extras=True)
        for index, (name, annotation) in enumerate(annotations.items()):
            yield name, (index if issubclass(kind, tuple) else name,), annotation, ()
        return
    config = getattr(kind, "model_config", None) or getattr(kind, "__pydantic_config__", {})
    by_alias = config.get("loc_by_alias", True) and config.get("validate_by_alias", True)
    for name, info in infos.items():
        place: Location = () if issubclass(kind, RootModel) else (name,)
        alias = info.validation_alias
        if by_alias and alias is not None:
            alias = alias.choices[0] if isinstance(alias, AliasChoices) else alias
            place = tuple(alias.path) if isinstance(alias, AliasPath) else (alias,)
        yield name, place, info.annotation, info.metadata


def _build_visitor(
    annotation: Any, metadata: Sequence[Any], outer: tuple[type, ...]
) -> _Visitor | None:
    """Return a visitor of values of a type, ``None`` if no dimension has a name."""
    annotation, bound = _unwrap(annotation, metadata)
    if bound is not None:
        return _visitor_of_array([bound]) if bound.has_names else None
    kind, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if kind in (Union, UnionType):
        return _visitor_of_union(arguments, outer)
    if not isinstance(kind, type):
        return None
    if _has_fields(kind):
        return _build_visitor_of_class(kind, outer)
    if issubclass(kind, tuple) and Ellipsis not in arguments:
        return _visitor_of_tuple(kind, [_build_visitor(item, (), outer) for item in arguments])
    if not arguments or not issubclass(kind, (Mapping, Sequence)):
        return None
    is_mapping = issubclass(kind, Mapping)
    visit = _build_visitor(arguments[1 if is_mapping else 0], (), outer)
    return visit and _visitor_of_items(is_mapping, visit)


def _unwrap(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, _Bound | None]:
    """Return a type without its annotations, and the arrays that it stands for."""
    while True:
        annotation = without_alias(annotation)
        if get_origin(annotation) is Annotated:
            metadata = (*annotation.__metadata__, *metadata)
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Required, NotRequired):
            (annotation,) = get_args(annotation)
        else:
            break
    spec: _Spec | None = None
    for one in metadata:
        if isinstance(one, _Spec):
            spec = one.merged_with(spec)
    return annotation, None if spec is None else spec.bind(annotation)


def _has_fields(kind: type) -> bool:
    return (
        hasattr(kind, "__pydantic_fields__")
        or is_dataclass(kind)
        or (issubclass(kind, dict) and hasattr(kind, "__total__"))  # a typed dict
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))  # a named tuple
    )


def _visitor_of_array(choices: Sequence[_Bound]) -> _Visitor:
    def visit(value: Any, location: Location, sizes: _Sizes) -> None:
        for bound in choices:
            if bound.accepts(value):
                for name, size in dict(bound.named_sizes(value)).items():
                    sizes.add(name, size, location, value, bound.expected)
                return

    return visit


def _visitor_of_union(choices: Sequence[Any], outer: tuple[type, ...]) -> _Visitor | None:
    bound = [array for choice in choices if (array := _unwrap(choice, ())[1]) is not None]
    # Visitors of other choices look at the type of the value first.
    visits = [
        visit
        for choice in choices
        if _unwrap(choice, ())[1] is None
        and (visit := _build_visitor(choice, (), outer)) is not None
    ]
    if any(array.has_names for array in bound):
        visits.append(_visitor_of_array(bound))

    def visit_all(value: Any, location: Location, sizes: _Sizes) -> None:
        for visit in visits:
            visit(value, location, sizes)

    return visit_all if visits else None


def _visitor_of_tuple(
    kind: type[tuple[Any, ...]], visits: Sequence[_Visitor | None]
) -> _Visitor | None:
    def visit_places(value: Any, location: Location, sizes: _Sizes) -> None:
        if isinstance(value, kind):
            for index, (item, visit) in enumerate(zip(value, visits, strict=False)):
                if visit is not None:
                    visit(item, (*location, index), sizes)

    return visit_places if any(visits) else None


def _visitor_of_items(is_mapping: bool, visit: _Visitor) -> _Visitor:
    def visit_items(value: Any, location: Location, sizes: _Sizes) -> None:
        items: Iterable[tuple[Any, Any]] = ()
        if is_mapping and isinstance(value, Mapping):
            items = value.items()
        elif not is_mapping and isinstance(value, Sequence):
            items = enumerate(value)
        for key, item in items:
            place = key if type(key) in (int, str) else str(key)
            visit(item, (*location, place), sizes)

    return visit_items


def _equal_models(mine: BaseModel, theirs: BaseModel) -> bool:
    return all(
        _equal(getattr(mine, name), getattr(theirs, name))
        for name in ("__dict__", "__pydantic_extra__", "__pydantic_private__")
    )


def _equal(mine: Any, theirs: Any) -> bool:
    if mine is theirs:
        return True
    if is_array_like(mine) or is_array_like(theirs):
        if type(mine) is not type(theirs):
            return False
        if hasattr(type(mine), "equals"):  # pandas
            return bool(mine.equals(theirs))
        mine, theirs = as_ndarray(mine), as_ndarray(theirs)
        return mine.dtype == theirs.dtype and same_elements(mine, theirs)
    if isinstance(mine, BaseModel):
        return type(mine) is type(theirs) and _equal_models(mine, theirs)
    if isinstance(mine, dict):
        return (
            isinstance(theirs, dict)
            and mine.keys() == theirs.keys()
            and all(_equal(value, theirs[key]) for key, value in mine.items())
        )
    if isinstance(mine, (list, tuple)):
        return (
            type(mine) is type(theirs)
            and len(mine) == len(theirs)
            and all(map(_equal, mine, theirs))
        )
    return bool(mine == theirs)

"""Models whose arrays agree in the dimensions that have a name.

The arrays are looked at when a model is complete, along the types of its fields. Nothing is kept
while it is being validated: no other validation can interfere, in this thread or another, and
members of a union that were tried in vain leave no trace.
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

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    RootModel,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from binary_middleware.arrays._spec import without_alias
from binary_middleware.fields import as_ndarray, is_array_like, same_elements

__all__ = ["ArrayModel"]


class ArrayModel(BaseModel):
    """A model whose arrays agree: dimensions of one name are of one size, in all that it holds.

    ::

        class Batch(ArrayModel):
            images: Annotated[NDArray[np.uint8], ArraySpec("batch", None, None, 3)]
            labels: Annotated[NDArray[np.int64], ArraySpec("batch")]

    Seen are the arrays of its own fields, and of what they hold: lists, tuples, mappings, other
    models, dataclasses and typed dicts. An array that differs from one that comes before it is an
    error of the type ``array_dimension`` at its own place. It is enough that the outermost model
    is an ``ArrayModel``; each one inside checks its own part as well. Nothing is kept between
    models, so one that is validated while another is being validated does not matter.

    Two such models are equal if they are of one class and their values are, arrays by dtype, shape
    and elements (NaN equals NaN). With arrays in any other model, ``==`` raises ``ValueError``.
    """

    @model_validator(mode="after")
    def _check_dimensions(self) -> Self:
        visit = _visit_fields(type(self))
        if visit is not None:
            sizes = _Sizes()
            visit(self, (), sizes)
            if sizes.errors:
                raise ValidationError.from_exception_data(type(self).__name__, sizes.errors)
        return self

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _same_model(self, other)


Location = tuple[int | str, ...]


class _Sizes:
    """The sizes of the named dimensions of one document, and what is at odds with them."""

    def __init__(self) -> None:
        self.first: dict[str, tuple[int, Location]] = {}
        self.errors: list[InitErrorDetails] = []

    def add(self, name: str, size: int, location: Location, value: Any, expected: str) -> None:
        known, where = self.first.setdefault(name, (size, location))
        if known != size:
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
            # What a client sent is no longer here, and an array is nothing that JSON could hold.
            shown = f"<{type(value).__name__} {value.shape}>"
            self.errors.append(InitErrorDetails(type=error, loc=location, input=shown))


# Visits the arrays with named dimensions in a value, which is at this place of the document.
_Visit = Callable[[Any, Location, _Sizes], None]


@runtime_checkable
class _Settings(Protocol):
    """An annotation of arrays: ``Array``, and what is like it."""

    def merged_with(self, inner: Any) -> Any: ...
    def bind(self, source: Any) -> Any: ...


class _Bound(Protocol):
    """What such an annotation and the type that it annotates come to."""

    expected: str

    @property
    def has_names(self) -> bool: ...
    def accepts(self, value: Any) -> bool: ...
    def named_sizes(self, value: Any) -> Iterable[tuple[str, int]]: ...


@lru_cache(maxsize=1024)
def _visit_fields(kind: type) -> _Visit | None:
    return _build_visit(kind, ())


def _build_visit(kind: type, building: tuple[type, ...]) -> _Visit | None:
    """What visits the fields of a class; ``None`` if none of them has a dimension with a name.

    Args:
        kind: a model, a dataclass, a typed dict or a named tuple.
        building: the classes around it that this is being done for.
    """
    if kind in building:  # it holds itself, so the rest is looked up when there is a value

        def visit_again(value: Any, location: Location, sizes: _Sizes) -> None:
            visit = _visit_fields(kind)
            if visit is not None:
                visit(value, location, sizes)

        return visit_again

    parts = [
        (name, place, visit)
        for name, place, annotation, metadata in _fields(kind)
        if (visit := _visitor(annotation, metadata, (*building, kind))) is not None
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
    """The fields of a class, each with its place in the document, its type and annotations."""
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
        if by_alias and info.validation_alias is not None:
            place = _place(info.validation_alias)
        yield name, place, info.annotation, info.metadata


def _place(alias: str | AliasPath | AliasChoices) -> Location:
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    return tuple(alias.path) if isinstance(alias, AliasPath) else (alias,)


def _visitor(annotation: Any, metadata: Sequence[Any], building: tuple[type, ...]) -> _Visit | None:
    """What visits the arrays in a value of this type; ``None`` if there is nothing to see."""
    annotation, bound = _unwrapped(annotation, metadata)
    if bound is not None:
        return _visit_array([bound]) if bound.has_names else None
    kind, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if kind in (Union, UnionType):
        return _visit_choices(arguments, building)
    if not isinstance(kind, type):
        return None
    if _has_fields(kind):
        return _build_visit(kind, building)
    if issubclass(kind, tuple) and Ellipsis not in arguments:
        return _visit_places(kind, [_visitor(item, (), building) for item in arguments])
    if not arguments or not issubclass(kind, (Mapping, Sequence)):
        return None
    is_mapping = issubclass(kind, Mapping)
    visit = _visitor(arguments[1 if is_mapping else 0], (), building)
    return visit and _visit_items(is_mapping, visit)


def _unwrapped(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, _Bound | None]:
    """A type without what is around it, and the arrays that it stands for."""
    while True:
        annotation = without_alias(annotation)
        if get_origin(annotation) is Annotated:
            metadata = (*annotation.__metadata__, *metadata)
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Required, NotRequired):
            (annotation,) = get_args(annotation)
        else:
            break
    settings: _Settings | None = None
    for one in metadata:
        if isinstance(one, _Settings):
            settings = one.merged_with(settings)
    return annotation, None if settings is None else settings.bind(annotation)


def _has_fields(kind: type) -> bool:
    return (
        hasattr(kind, "__pydantic_fields__")
        or is_dataclass(kind)
        or (issubclass(kind, dict) and hasattr(kind, "__total__"))  # a typed dict
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))  # a named tuple
    )


def _visit_array(choices: Sequence[_Bound]) -> _Visit:
    """Visits an array, as the first of these that it can be."""

    def visit(value: Any, location: Location, sizes: _Sizes) -> None:
        for bound in choices:
            if bound.accepts(value):
                for name, size in dict(bound.named_sizes(value)).items():
                    sizes.add(name, size, location, value, bound.expected)
                return

    return visit


def _visit_choices(choices: Sequence[Any], building: tuple[type, ...]) -> _Visit | None:
    """Visits a value of a union; what is visited for one choice looks at its type first."""
    bound = [array for choice in choices if (array := _unwrapped(choice, ())[1]) is not None]
    visits = [
        visit
        for choice in choices
        if _unwrapped(choice, ())[1] is None
        and (visit := _visitor(choice, (), building)) is not None
    ]
    if any(array.has_names for array in bound):
        visits.append(_visit_array(bound))

    def visit_all(value: Any, location: Location, sizes: _Sizes) -> None:
        for visit in visits:
            visit(value, location, sizes)

    return visit_all if visits else None


def _visit_places(kind: type[tuple[Any, ...]], visits: Sequence[_Visit | None]) -> _Visit | None:
    """Visits a tuple with a type for each place."""

    def visit_places(value: Any, location: Location, sizes: _Sizes) -> None:
        if isinstance(value, kind):
            for index, (item, visit) in enumerate(zip(value, visits, strict=False)):
                if visit is not None:
                    visit(item, (*location, index), sizes)

    return visit_places if any(visits) else None


def _visit_items(is_mapping: bool, visit: _Visit) -> _Visit:
    """Visits what is of one type: the values of a mapping, or the items of a sequence."""

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


def _same_model(mine: BaseModel, theirs: BaseModel) -> bool:
    return (
        _same(vars(mine), vars(theirs))
        and _same(mine.__pydantic_extra__, theirs.__pydantic_extra__)
        and _same(mine.__pydantic_private__, theirs.__pydantic_private__)
    )


def _same(mine: Any, theirs: Any) -> bool:
    """Equality, with that of arrays as it is in :class:`NumpyArrayField`."""
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
        return type(mine) is type(theirs) and _same_model(mine, theirs)
    if isinstance(mine, dict):
        return (
            isinstance(theirs, dict)
            and mine.keys() == theirs.keys()
            and all(_same(value, theirs[key]) for key, value in mine.items())
        )
    if isinstance(mine, (list, tuple)):
        return (
            type(mine) is type(theirs)
            and len(mine) == len(theirs)
            and all(map(_same, mine, theirs))
        )
    return bool(mine == theirs)

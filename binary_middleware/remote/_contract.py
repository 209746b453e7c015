"""What a class declares: the methods of a service, their arguments and results."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, Generic, Protocol, TypeVar, get_args, get_origin, get_type_hints

from binary_middleware.client._result_types import UNIONS, replace_types
from binary_middleware.fields import BinaryBytes

_IDEMPOTENT: Final = "__idempotent__"
_TAKEN: Final = ("connect", "serve")

Function = TypeVar("Function", bound=Callable[..., Any])


def idempotent(method: Function) -> Function:
    """Declare that a method may be called again when it is not known whether a call got through.

    That is what HTTP calls idempotent (RFC 9110 §9.2.2): several calls do what one does.
    """
    setattr(method, _IDEMPOTENT, True)
    return method


@dataclass(frozen=True)
class Method:
    """One method of a service.

    Attributes:
        name: the last part of its path, too.
        signature: its parameters without ``self``, annotations resolved.
        returns: the type of its result.
        is_async: whether it is declared with ``async def``.
        is_idempotent: whether it may be called again at any time.
        description: its docstring.
    """

    name: str
    signature: inspect.Signature
    returns: Any
    is_async: bool
    is_idempotent: bool
    description: str | None

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a call: its arguments by name. Defaults are left to the server.

        Raises:
            TypeError: an argument is missing, unknown, or there twice.
        """
        try:
            return dict(self.signature.bind(*args, **kwargs).arguments)
        except TypeError as exc:
            raise TypeError(f"{self.name}(): {exc}") from None


def methods_of(service: type) -> dict[str, Method]:
    """The methods that a class and its bases declare.

    Raises:
        TypeError: a method has a parameter or a result that is not annotated, or one that cannot
            travel by its name; or it is a property, bound to the class, or named as a method of
            ``Service``.
    """
    declared: dict[str, Method] = {}
    for class_ in reversed(service.__mro__):
        if class_ in (object, Protocol, Generic) or "__is_declaration__" in vars(class_):
            continue
        for name, member in vars(class_).items():
            if name.startswith("_"):
                continue
            if name in _TAKEN:
                raise TypeError(f"{service.__name__}.{name}() has the name of one of Service's own")
            if isinstance(member, (property, staticmethod, classmethod)):
                raise TypeError(f"{service.__name__}.{name} is no method of an instance")
            if inspect.isfunction(member):
                declared[name] = _method(service, name, member)
    if not declared:
        raise TypeError(f"{service.__name__} declares no methods")
    return declared


def _method(service: type, name: str, function: Callable[..., Any]) -> Method:
    where = f"{service.__name__}.{name}()"
    hints = {
        name: replace_types(hint, _for_both_modes)
        for name, hint in get_type_hints(function, include_extras=True).items()
    }
    if "return" not in hints:
        raise TypeError(f"{where} needs an annotation of what it returns")
    parameters = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{where}: arguments travel by name, which {parameter} has not")
        if parameter.name not in hints:
            raise TypeError(f"{where} needs an annotation of {parameter.name}")
        parameters.append(parameter.replace(annotation=hints[parameter.name]))
    return Method(
        name=name,
        signature=inspect.Signature(parameters, return_annotation=hints["return"]),
        returns=hints["return"],
        is_async=inspect.iscoroutinefunction(function),
        is_idempotent=getattr(function, _IDEMPOTENT, False),
        description=inspect.getdoc(function),
    )


def _for_both_modes(type_: Any) -> Any:
    """Plain bytes as base64 in JSON, where they would be text to the server."""
    if type_ is bytes:
        return BinaryBytes
    metadata = getattr(type_, "__metadata__", ())
    if any(hasattr(item, "__get_pydantic_core_schema__") for item in metadata):
        return type_  # it says itself how it travels
    others = [each for each in get_args(type_) if each is not NoneType]
    if get_origin(type_) in UNIONS and len(others) > 1:
        return type_  # text may be meant to be text
    return None

"""Contracts: classes whose methods, with their annotations, are those of a service."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, Generic, Protocol, TypeVar, get_args, get_origin, get_type_hints

from binary_middleware.client._result_types import UNIONS, replace_types
from binary_middleware.fields import BinaryBytes

_IDEMPOTENT: Final = "__idempotent__"

Function = TypeVar("Function", bound=Callable[..., Any])
T_co = TypeVar("T_co", covariant=True)


class Contract(Protocol[T_co]):
    """Any class; unlike ``type[T]``, to mypy also one that is abstract or a protocol."""

    def __call__(self, *args: Any, **kwargs: Any) -> T_co: ...


def idempotent(method: Function) -> Function:
    """Mark a method that may be called again if it is unknown whether a call got through.

    In HTTP, requests are idempotent if several have the effect of one (RFC 9110 §9.2.2).
    """
    setattr(method, _IDEMPOTENT, True)
    return method


@dataclass(frozen=True)
class Method:
    """One method of a contract."""

    name: str
    """Its name, which is also the last part of its path."""
    signature: inspect.Signature
    """Its parameters without ``self``, annotations resolved."""
    returns: Any
    """The type of its result."""
    is_async: bool
    """Whether it is declared with ``async def``."""
    is_idempotent: bool
    """Whether it may be called again at any time."""
    description: str | None
    """Its docstring."""

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a call: its arguments by name. Defaults are left to the server.

        Raises:
            TypeError: an argument is missing, unknown, or given twice.
        """
        try:
            return dict(self.signature.bind(*args, **kwargs).arguments)
        except TypeError as exc:
            raise TypeError(f"{self.name}(): {exc}") from None


def methods_of(contract: Any) -> dict[str, Method]:
    """Return the public methods of a contract and its bases by name.

    Raises:
        TypeError: it is not a class with methods; or a method lacks an annotation, has a parameter
            without a name in the body, or is not an instance method.
    """
    if not isinstance(contract, type):
        raise TypeError(f"a contract is a class, not {contract!r}")
    methods: dict[str, Method] = {}
    for class_ in reversed(contract.__mro__):
        if class_ in (object, Protocol, Generic):
            continue
        for name, member in vars(class_).items():
            if name.startswith("_"):
                continue
            if isinstance(member, (property, staticmethod, classmethod)):
                raise TypeError(f"{contract.__name__}.{name} is not an instance method")
            if inspect.isfunction(member):
                methods[name] = _method(contract, name, member)
    if not methods:
        raise TypeError(f"{contract.__name__} declares no methods")
    return methods


def _method(contract: type, name: str, function: Callable[..., Any]) -> Method:
    where = f"{contract.__name__}.{name}()"
    hints = {
        name: replace_types(hint, _for_both_modes)
        for name, hint in get_type_hints(function, include_extras=True).items()
    }
    if "return" not in hints:
        raise TypeError(f"{where} needs a return annotation")
    parameters = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{where}: arguments are sent by name, and {parameter} has none")
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
    """Replace plain bytes by bytes that are base64 in JSON, which would be text to the server."""
    if type_ is bytes:
        return BinaryBytes
    metadata = getattr(type_, "__metadata__", ())
    if any(hasattr(item, "__get_pydantic_core_schema__") for item in metadata):
        return type_  # it declares its own form in JSON
    others = [each for each in get_args(type_) if each is not NoneType]
    if get_origin(type_) in UNIONS and len(others) > 1:
        return type_  # text may be meant to be text
    return None

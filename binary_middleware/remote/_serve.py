"""``serve``, for which FastAPI is imported only when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, Unpack

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from binary_middleware.options import OptionsDict
    from binary_middleware.remote._contract import Contract

T = TypeVar("T")


def serve(
    app: FastAPI | APIRouter,
    contract: Contract[T],
    implementation: T,
    *,
    prefix: str = "",
    **options: Unpack[OptionsDict],
) -> None:
    """Mount an implementation of a contract as routes of a FastAPI app or router.

    They exchange objects with binary clients and JSON with all others, whether the app has binary
    mode or not. Calls that the implementation makes carry the trace context of the request.

    Args:
        app: the app or router.
        contract: a class, such as a ``Protocol``, whose methods have annotations.
        implementation: an object with these methods, each with ``def`` or ``async def``.
        prefix: the prefix of the paths.
        options: fields of ``BinaryOptions``.

    Raises:
        TypeError: the contract is incomplete, or a method is missing or has other parameters.
        ValueError: an option is unknown or wrong.
    """
    from binary_middleware.remote._routes import mount

    mount(app, contract, implementation, prefix, options)

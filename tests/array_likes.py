"""Arrays of other libraries, and the errors of fields that are given such."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError


class Offers:
    """An array of another library, in the memory of the processor."""

    def __init__(self, array: Any) -> None:
        self.inner = array


class OffersArray(Offers):
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.inner, dtype=dtype)


class OffersDLPack(Offers):
    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.inner.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.inner.__dlpack_device__()


class OnAnotherDevice:
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. " + "x" * 1000)


class OnAnotherDLPackDevice(OffersDLPack):
    def __dlpack__(self, **kwargs: Any) -> Any:
        raise BufferError("only kDLCPU is supported, got kDLCUDA")

    def __dlpack_device__(self) -> Any:
        return (2, 0)


def errors_of(check: Callable[[], Any]) -> list[Any]:
    with pytest.raises(ValidationError) as info:
        check()
    return info.value.errors()


def error_of(check: Callable[[], Any]) -> Mapping[str, Any]:
    (error,) = errors_of(check)
    return error

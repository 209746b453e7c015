"""Documents in the form that a wrap serializer sees for JSON clients, with the values attached."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from binary_middleware._pydantic.carriers import Carrier, TimeCarrier
from binary_middleware._pydantic.native import ATOMS
from binary_middleware.fields import as_ndarray, dtype_spec, is_array_like, to_map

AsText = Callable[[Any], Any]


class TextView(str):
    """The JSON text of a value, with the value attached."""

    __slots__ = ("value",)
    value: Any


class ArrayView(dict[str, Any]):
    """The JSON map of an array, with the array attached."""

    __slots__ = ("_array", "_data")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        super().__init__(to_map(array))
        self._array = array
        self._data = self["data_b64"]

    def original(self) -> Any:
        """Return the array, or a plain dict if the map was changed."""
        array = self._array
        form = {"shape": [*array.shape], "dtype": dtype_spec(array.dtype), "data_b64": self._data}
        return array if self == form else dict(self)


def json_view(document: Any, infer_text: AsText, to_text: AsText | None = None) -> Any:
    """Return a document in its JSON form, from which the values can be recovered.

    Args:
        document: A document with carriers.
        infer_text: Writes bytes and complex numbers as JSON text.
        to_text: The same for this value alone, as its field declares it.
    """
    kind = type(document)
    if kind is Carrier:
        return json_view(document.value, infer_text, document.to_text)
    if kind is TimeCarrier:
        return _text_view(document.to_text(document.value), document)
    if kind in ATOMS:
        return document
    if kind is dict:
        return {key: json_view(item, infer_text) for key, item in document.items()}
    if kind is list:
        return [json_view(item, infer_text) for item in document]
    with suppress(ValueError):  # of bytes that are not UTF-8, of arrays that have no JSON form
        if isinstance(document, (bytes, bytearray, memoryview, complex)):
            return _text_view((to_text or infer_text)(document), document)
        if is_array_like(document):
            return ArrayView(as_ndarray(document))
    return document


def _text_view(text: Any, value: Any) -> Any:
    if type(text) is not str:  # seconds, for example
        return text
    view = TextView(text)
    view.value = value
    return view

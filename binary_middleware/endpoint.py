"""``@binary``: options at the endpoint."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from binary_middleware.options import Overrides, make_overrides

_ATTRIBUTE: Final = "__binary_middleware__"

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def binary(**options: Any) -> Callable[[Endpoint], Endpoint]:
    """Set options for one endpoint, a function or a class.

    Above or below the decorator of the route; the endpoint itself is not changed. What is not named
    here comes from the router, a rule or the app, in this order. It needs a middleware around the
    app, ``enable``, or a ``BinaryRoute``, which find it when the app starts.

    ::

        @app.post("/predict")
        @binary(mode="require", max_body_size=256 * 2**20)
        async def predict(batch: Batch) -> Prediction: ...

    Args:
        options: fields of ``BinaryOptions``.

    Raises:
        ValueError: an option is unknown or wrong, or contradicts another one.
    """
    overrides = make_overrides(**options)
    if options.get("mode") == "off" and len(options) > 1:
        idle = sorted(options.keys() - {"mode"})[0]
        raise ValueError(f'mode="off" leaves nothing to do for {idle}')

    def decorate(endpoint: Endpoint) -> Endpoint:
        at_once = dict(vars(endpoint).get(_ATTRIBUTE, ()))  # without those of a base class
        for name, value in overrides:
            if at_once.get(name, value) != value:
                named = getattr(endpoint, "__qualname__", endpoint)
                raise ValueError(f"{name} is set twice for {named}: {at_once[name]!r}, {value!r}")
        merged = {**dict(endpoint_overrides(endpoint)), **dict(overrides)}
        setattr(endpoint, _ATTRIBUTE, tuple(sorted(merged.items())))
        return endpoint

    return decorate


def endpoint_overrides(endpoint: object) -> Overrides:
    """The options that ``@binary`` set for an endpoint."""
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    found: Overrides = getattr(endpoint, _ATTRIBUTE, ())
    return found

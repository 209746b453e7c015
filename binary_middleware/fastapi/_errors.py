"""Errors of routes that FastAPI's own exception handlers would turn into a 500."""

from __future__ import annotations

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from binary_middleware._http.problems import problem_response
from binary_middleware._validation.errors import summarize_errors, summarize_input
from binary_middleware.errors import NotAcceptable
from binary_middleware.fastapi._compat import unserializable_part, with_errors
from binary_middleware.lane import Exchange
from binary_middleware.options import BinaryOptions


def summarized(exc: RequestValidationError) -> RequestValidationError:
    """Return a validation error whose inputs FastAPI can render: no bytes, arrays or NaN."""
    errors = summarize_errors(exc.errors(), jsonable_encoder)
    return with_errors(exc, errors, summarize_input(exc.body, jsonable_encoder))


def holds_bytes(exc: RequestValidationError) -> bool:
    """Return whether an input is bytes other than UTF-8, like msgpack without a Content-Type."""
    return any(_is_not_text(error.get("input")) for error in exc.errors())


def _is_not_text(value: object) -> bool:
    if not isinstance(value, bytes):
        return False
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def json_refusal(exc: Exception, options: object) -> NotAcceptable | None:
    """Return how to get a response that JSON cannot hold, ``None`` for any other exception.

    The middleware responds with it. Until then, the exception itself propagates, for dependencies
    that handle a missing response.
    """
    if not isinstance(options, BinaryOptions) or options.mode == "off":
        return None
    part = unserializable_part(exc)
    if part is None:
        return None
    return NotAcceptable(
        f"the response holds {part}, which JSON cannot carry: send Accept: "
        f"{options.media_types[0]}, or declare its field as BinaryBytes or NumpyArrayField"
    )


def refusal(exchange: Exchange) -> Response:
    """Return the response to a request that was rejected, and clear the error."""
    assert exchange.error is not None
    error, exchange.error = exchange.error, None
    start, buffers = problem_response(error, in_binary=exchange.plan.problems_in_binary)
    response = Response(b"".join(buffers), start["status"])
    response.raw_headers = start["headers"]
    return response

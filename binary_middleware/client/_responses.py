"""Results of responses, and httpx's exceptions for them. No I/O."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, cast

from typing_extensions import TypeVar  # that of Python 3.13, which has defaults

from binary_middleware._http.media_types import (
    is_binary,
    names_binary,
    parse_accept,
    parse_media_type,
)
from binary_middleware.client._error_text import MAX_TEXT_LENGTH, decode_text, describe
from binary_middleware.client._httpx import translated_errors
from binary_middleware.client._limits import json_structure_size
from binary_middleware.errors import BinaryError, LimitExceeded
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import MAX_DEPTH, DocumentFacts, Limits
from binary_middleware.formats.json import from_json

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np

    from binary_middleware.client._httpx import Response
    from binary_middleware.client._result_types import ResultType
    from binary_middleware.client._transfer import Download

T = TypeVar("T", default=Any)


class Result(NamedTuple, Generic[T]):
    """The result of a call, with httpx's response."""

    value: T
    """The document, as the type that the call asked for."""
    response: Response
    """httpx's response: status, headers, cookies, history. Its body is in ``value``."""


class ResponseReader:
    """Reads responses in binary mode, in JSON and of other types.

    Args:
        package: httpx or httpx2, whose exceptions are raised.
        binary_types: the media types of binary mode, suffixes among them.
        max_structure_size: limit in bytes, ``None`` for no limit.
    """

    def __init__(
        self, package: ModuleType, binary_types: tuple[str, ...], max_structure_size: int | None
    ) -> None:
        self._package = package
        self._binary_types = binary_types
        self._max_structure_size = sys.maxsize if max_structure_size is None else max_structure_size

    def proves_binary_mode(self, response: Response) -> bool:
        """Return whether a response is in binary mode, or says that its server accepts that.

        It does so with ``Accept``, as for a 415 (RFC 9110 §12.5.1 and §15.5.16), or ``Accept-Post``
        (W3C LDP §7.1). ``Vary: Accept`` is no proof, because other servers negotiate, too.
        """
        if self._form(response) == "binary":
            return True
        accepted = [response.headers.get(name, "") for name in ("accept", "accept-post")]
        return names_binary(parse_accept(accepted), self._binary_types)

    def result(self, download: Download, result_type: ResultType) -> Result[Any]:
        """Return the result of a successful call.

        Raises:
            DecodingError: httpx's, for a body that cannot be read or is over a limit.
            pydantic.ValidationError: the document is not of the type.
        """
        response = download.response
        body, form = download.body(), self._form(response)
        if len(body) and form not in ("binary", "json"):
            if not result_type.accepts_bytes:
                raise self._error(
                    response, f"the response is {form[:100] or 'unlabelled'}, not msgpack or JSON"
                )
            return Result(body.tobytes(), response)
        with translated_errors(self._package, response.request):
            try:
                document, facts = self._decode(body, form)
            except BinaryError as exc:
                raise self._error(response, f"cannot read the response: {exc}") from exc
            return Result(result_type.validate(document, facts), response)

    def status_error(self, download: Download, remark: str) -> Exception:
        """Return httpx's exception for a status, with the server's own description.

        Its attribute ``problem`` is the decoded body, ``None`` for neither msgpack nor JSON.

        Args:
            download: the body of a response that is not a success.
            remark: a last line for the message.
        """
        response, form = download.response, self._form(download.response)
        problem = None
        with contextlib.suppress(BinaryError, MemoryError):
            if form in ("binary", "json"):
                problem, _ = self._decode(download.body(), form)
        text = describe(_beginning(response) if form == "text/plain" else problem)
        try:
            response.raise_for_status()
        except self._package.HTTPStatusError as exc:
            message = "\n".join(filter(None, (str(exc), text, remark)))
            error: Any = type(exc)(message, request=exc.request, response=response)
        error.problem = problem
        return cast(Exception, error)

    def _form(self, response: Response) -> str:
        """Return ``"binary"``, ``"json"`` or another media type; an empty string for none."""
        media_type = parse_media_type(response.headers.get("content-type", ""))
        if media_type is None:
            return ""
        if is_binary(media_type.essence, self._binary_types):
            return "binary"
        return "json" if media_type.is_json else media_type.essence

    def _decode(self, body: np.ndarray[Any, Any], form: str) -> tuple[Any, DocumentFacts]:
        """Return the document in a body that we own, and facts about it; ``None`` if it is empty.

        Raises:
            BinaryError: it is neither msgpack nor JSON, or over ``max_structure_size``.
        """
        limit = self._max_structure_size
        if not len(body):
            return None, DocumentFacts(0, False, False, limit)
        if form != "json":
            decoded = FORMAT.decode(body, Limits(limit, MAX_DEPTH), is_owned=True)
            return decoded.document, decoded.facts
        text = body.tobytes()
        if len(text) > limit and json_structure_size(text) > limit:
            raise LimitExceeded(
                f"its values, long strings aside, are over max_structure_size ({limit} bytes)"
            )
        # What is an array in it does not count as structure.
        return from_json(text), DocumentFacts(0, b'"data_b64"' in text, True, limit)

    def _error(self, response: Response, message: str) -> Exception:
        error: Exception = self._package.DecodingError(message, request=response.request)
        return error


def _beginning(response: Response) -> str:
    """Return the beginning of a response in text."""
    data = response.content[: 2 * MAX_TEXT_LENGTH]
    return decode_text(data, response.headers.get("content-type", ""))

"""The part of both clients that does no I/O: requests, and the origins that have binary mode.

A call is prepared here, sent by its client, and its response is turned into the result here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import starmap
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypedDict

from binary_middleware._asgi.sending import SEND_CHUNK_SIZE
from binary_middleware._http.media_types import JSON, parse_media_type
from binary_middleware.client._httpx import Kind, open_client, package_of
from binary_middleware.client._limits import (
    MAX_RESPONSE_SIZE,
    MAX_STRUCTURE_SIZE,
    ResponseLimit,
    check_sizes,
)
from binary_middleware.client._responses import ResponseReader, Result
from binary_middleware.client._result_types import ResultType
from binary_middleware.client._transfer import Download, ProgressCallback, Upload
from binary_middleware.errors import EncodeError
from binary_middleware.formats import FORMAT
from binary_middleware.formats.base import Buffer
from binary_middleware.formats.json import dump_json
from binary_middleware.formats.msgpack import Dialect
from binary_middleware.options import Arrays

if TYPE_CHECKING:
    from binary_middleware.client._httpx import Response, Url

Fallback = Literal["json"] | None
Origin = tuple[str, str, int | None]

NO_DOCUMENT: Final = object()
"""Stands for no body, because ``None`` is a document."""


class RequestOptions(TypedDict, total=False):
    """Options of a call: all but ``progress`` are httpx's own."""

    params: Any
    headers: Any
    cookies: Any
    auth: Any
    follow_redirects: bool
    timeout: Any
    extensions: Any
    progress: ProgressCallback | None
    """Called for each slice of this call's bodies, instead of the client's own callback."""


class Call(NamedTuple):
    """A call that is ready to be sent."""

    request: Any
    """httpx's request."""
    options: dict[str, Any]
    """Arguments of ``send`` beside the request."""
    progress: ProgressCallback | None
    """Called for each slice of the download."""
    form: Literal["binary", "json"] | None
    """The form of the body; ``None`` without one."""
    result_type: ResultType


class ClientCore:
    """A client without its I/O; arguments as for :class:`BinaryClient`."""

    _kind: Kind
    _upload: type[Upload]

    def __init__(
        self,
        client: Any,
        *,
        media_type: str = FORMAT.media_types[0],
        arrays: Arrays | None = None,
        dialect: Dialect = "plain",
        fallback: Fallback = None,
        max_response_size: int | None = MAX_RESPONSE_SIZE,
        max_structure_size: int | None = MAX_STRUCTURE_SIZE,
        progress: ProgressCallback | None = None,
        **options: Any,
    ) -> None:
        parsed = parse_media_type(media_type)
        if parsed is None:
            raise ValueError(f"media_type: {media_type!r} is not a media type")
        parameters = {"arrays": "numpy" if arrays is None else arrays, "dialect": dialect}
        FORMAT.check_parameters(parameters)
        if fallback not in (None, "json"):
            raise ValueError(f"fallback must be 'json' or None, got {fallback!r}")
        check_sizes(max_response_size=max_response_size, max_structure_size=max_structure_size)
        self._owns_http = isinstance(client, str) or type(client).__name__ == "URL"
        if options and not self._owns_http:
            raise TypeError(f"{', '.join(options)}: only for a URL; give them to the httpx client")
        self.http = open_client(self._kind, str(client), options) if self._owns_http else client
        self._package = package_of(self.http, self._kind)
        self._limit = ResponseLimit(self._package, max_response_size)
        self._limit.install(self.http, is_async=self._kind == "AsyncClient")
        self.progress = progress
        self._media_type = media_type
        self._variant = FORMAT.variant(media_type, {}, parameters)
        self._fallback = fallback
        self._is_json = parsed.is_json
        self._accept = _accept(media_type, arrays, is_json=parsed.is_json)
        own_type = () if parsed.is_json else (parsed.essence,)
        binary_types = (*FORMAT.media_types, FORMAT.suffix, *own_type)
        self._reader = ResponseReader(self._package, binary_types, max_structure_size)
        # Whether a server has binary mode, as far as its responses tell. Threads may share it.
        self._has_binary_mode: dict[Origin, bool] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._media_type} {self.http.base_url}>"

    def _prepare(
        self, method: str, url: Url, document: Any, returns: Any, options: RequestOptions
    ) -> Call:
        """Return a call that is ready to be sent.

        Raises:
            EncodeError: the document has no form in which it can be sent.
            pydantic.PydanticUserError: pydantic does not support the type to return.
        """
        result_type = ResultType(returns)
        arguments: dict[str, Any] = dict(options)
        progress = arguments.pop("progress", self.progress)
        send_options = {name: arguments.pop(name) for name in _SEND_OPTIONS & arguments.keys()}
        headers = self._package.Headers(arguments.pop("headers", None))
        headers.setdefault("Accept", self._accept)
        form = None if document is NO_DOCUMENT else self._form_for(url)
        if form is not None:
            if form == "binary" or self._is_json:
                headers.setdefault("Content-Type", self._media_type)
            else:  # a Content-Type of the caller's is for binary mode
                headers["Content-Type"] = JSON
            upload = self._upload(self._encode(document, form), progress)
            headers["Content-Length"] = str(upload.length)
            in_one_piece = upload.length <= SEND_CHUNK_SIZE and progress is None
            arguments["content"] = b"".join(upload.slices()) if in_one_piece else upload
        request = self.http.build_request(method, url, headers=headers, **arguments)
        self._limit.attach(request)
        return Call(request, send_options, progress, form, result_type)

    def _form_for(self, url: Url) -> Literal["binary", "json"]:
        if self._is_json:
            return "json"
        if self._fallback is None:
            return "binary"
        origin = _origin(self.http.build_request("POST", url))
        return "binary" if self._has_binary_mode.get(origin) else "json"

    def _encode(self, document: Any, form: str) -> Sequence[Buffer]:
        if form == "binary":
            return FORMAT.encode(document, self._variant)
        if self._is_json:
            return [dump_json(document)]
        try:
            text = dump_json(document)
        except EncodeError as exc:
            raise EncodeError(f"{exc}; {_SENDS_JSON}") from exc
        place = find_bytes(document)
        if place is not None:  # an endpoint in binary mode would get their base64 for the bytes
            raise EncodeError(f"JSON has no bytes (at `{place}`); {_SENDS_JSON}")
        return [text]

    def _result(self, call: Call, download: Download) -> Result[Any]:
        """Return the result of a call.

        Raises:
            HTTPStatusError: httpx's, for a status that is not a success.
            DecodingError: httpx's, for a body that cannot be read or is over a limit.
            pydantic.ValidationError: the document is not of the type that was asked for.
        """
        remark = "" if self._is_json else self._learn_binary_mode(call, download.response)
        if not download.response.is_success:
            raise self._reader.status_error(download, remark)
        return self._reader.result(download, call.result_type)

    def _release(self, response: Response) -> None:
        """Free a request and its body as soon as nobody has the response, which is closed.

        The stream of httpx refers to its response: both would wait for the garbage collector. That
        of httpx2 does not, and has the elapsed time.
        """
        for each in (*response.history, response):
            if not hasattr(each.stream, "elapsed"):
                each.stream = self._package.ByteStream(b"")

    def _learn_binary_mode(self, call: Call, response: Response) -> str:
        """Note whether the server has binary mode; return a remark for the error of this call.

        A response that was redirected from another origin proves nothing about that one. A server
        that refused msgpack gets JSON for good, unless it refuses that, too: some routes may have
        binary mode and others not, and no call but the first to them may fail because of that.
        """
        origin, status = _origin(call.request), response.status_code
        if self._reader.proves_binary_mode(response):
            if _origin(response.request) != origin:
                return ""
            if status == 415 and call.form == "json":
                self._has_binary_mode[origin] = True
                return _REFUSES_JSON
            self._has_binary_mode.setdefault(origin, True)
            return ""
        if call.form != "binary" or status not in _MAY_REFUSE_MSGPACK:
            return ""
        if status != 415 and _varies_by_accept(response):  # an error of the endpoint's
            return ""
        if self._fallback == "json":
            self._has_binary_mode[origin] = False
            return _REFUSES_MSGPACK
        if status != 415 and self._has_binary_mode.get(origin):
            return ""
        return _MAY_LACK_BINARY_MODE


_SEND_OPTIONS: Final = frozenset({"auth", "follow_redirects"})

_MAY_REFUSE_MSGPACK: Final = frozenset({400, 415, 422, 500})
"""The statuses of servers that cannot read a body. FastAPI has 422 if it can write the bytes that
it got into its report, otherwise 500."""

_SENDS_JSON: Final = (
    "with fallback='json' a server gets JSON until a response proves binary mode, and after it "
    "refused msgpack: declare bytes as BinaryBytes in a model, or leave fallback out"
)
_REFUSES_JSON: Final = (
    "The server accepts msgpack only. Call again: the client now sends msgpack to it. Without "
    "fallback='json' it does so from the first call on."
)
_REFUSES_MSGPACK: Final = (
    "The server had binary mode and did not accept this body as msgpack: it lost binary mode, or "
    "has it for other routes only. Call again: the client now sends JSON to it."
)
_MAY_LACK_BINARY_MODE: Final = (
    "The server may lack binary mode: it did not respond to msgpack in msgpack. With "
    "fallback='json' the client sends JSON to such servers."
)


def _accept(media_type: str, arrays: Arrays | None, *, is_json: bool) -> str:
    # Endpoints may respond with files and text, and servers without binary mode with JSON.
    if is_json:
        return f"{media_type}, */*;q=0.1"
    parameter = f";arrays={arrays}" if arrays else ""
    return f"{media_type}{parameter}, {JSON};q=0.9, */*;q=0.1"


def _origin(request: Any) -> Origin:
    """Return scheme, host and port (RFC 9110 §4.3.1); no port for the default one."""
    return request.url.scheme, request.url.host, request.url.port


def _varies_by_accept(response: Response) -> bool:
    """Return whether the server chose by Accept (RFC 9110 §12.5.5)."""
    vary = response.headers.get("vary", "").lower().replace(" ", "")
    return "accept" in vary.split(",")


def find_bytes(document: Any, place: str = "$") -> str | None:
    """Return the place of the first bytes in a document, ``None`` if there are none.

    Models are left out: they declare how their bytes are written in JSON.
    """
    if isinstance(document, (bytes, bytearray, memoryview)):
        return place
    if dataclasses.is_dataclass(document) and not hasattr(document, "__pydantic_serializer__"):
        fields = dataclasses.fields(document)
        document = {field.name: getattr(document, field.name) for field in fields}
    members: Any = ()
    if isinstance(document, dict):
        members = ((value, f"{place}.{key}") for key, value in document.items())
    elif isinstance(document, (list, tuple, set, frozenset)):
        members = ((value, f"{place}[{index}]") for index, value in enumerate(document))
    return next(filter(None, starmap(find_bytes, members)), None)

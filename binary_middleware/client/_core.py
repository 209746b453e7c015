"""What a call sends and what it makes of the answer. No I/O: both clients drive the same steps.

The steps are a generator, like httpx's own for authentication: it yields attempts, each with a
request to send, is sent the download of each answer, or thrown what was raised instead, and returns
the reply.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Generator, Iterator, Mapping
from enum import Enum, auto
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    TypeAlias,
    TypedDict,
    cast,
)

import numpy as np
from pydantic import BaseModel
from typing_extensions import TypeVar  # the one of Python 3.13, with a default

from binary_middleware._asgi.sending import SEND_CHUNK_SIZE
from binary_middleware._http.media_types import JSON, is_binary, parse_media_type
from binary_middleware.client._error_text import LONGEST, decode_text, describe
from binary_middleware.client._httpx import Kind, open_client, package_of
from binary_middleware.client._limits import (
    MAX_RESPONSE_SIZE,
    MAX_STRUCTURE_SIZE,
    ResponseLimit,
    json_structure_size,
)
from binary_middleware.client._result_types import Wanted
from binary_middleware.client._transfer import Download, ProgressCallback, Upload
from binary_middleware.errors import BinaryError, EncodeError, LimitExceeded
from binary_middleware.formats.json import dump_json, from_json
from binary_middleware.formats.msgpack import (
    MAX_DEPTH,
    Dialect,
    DocumentFacts,
    pack_buffers,
    unpack_body,
)
from binary_middleware.options import MEDIA_TYPES, Arrays

if TYPE_CHECKING:  # neither has to be installed
    import httpx
    import httpx2

    Response: TypeAlias = httpx2.Response | httpx.Response
    Url: TypeAlias = str | httpx2.URL | httpx.URL

T = TypeVar("T", default=Any)
Fallback = Literal["fail", "json"]
Origin = tuple[str, str, int | None]


class _Stand(Enum):
    """What stands in the place of a document; ``None`` is a document like any other."""

    NO_DOCUMENT = auto()
    NO_MSGPACK = auto()


NO_DOCUMENT: Final = _Stand.NO_DOCUMENT
"""For a request without a body."""

NO_MSGPACK: Final = _Stand.NO_MSGPACK
"""For a body that nobody can take for msgpack."""


class RequestOptions(TypedDict, total=False):
    """What a call takes besides: all but ``progress`` is httpx's own."""

    params: Any
    headers: Any
    cookies: Any
    auth: Any
    follow_redirects: bool
    timeout: Any
    extensions: Any
    progress: ProgressCallback | None
    """Is told of each slice of this call's bodies, in place of the client's own callback."""


class Result(NamedTuple, Generic[T]):
    """An answer: what it holds, and httpx's response."""

    value: T
    """The document, as what was asked for."""
    response: Response
    """Status, header fields, cookies, history and so on. Its body was read into ``value``."""


class Attempt(NamedTuple):
    """A request to send."""

    request: Any
    options: dict[str, Any]
    """What ``send`` takes besides."""
    progress: ProgressCallback | None
    """Is told of the download."""
    is_msgpack: bool
    """Whether it is sent as msgpack; otherwise as JSON."""


Steps = Generator[Attempt, Download, Result[Any]]

_PERHAPS_NOT_UNDERSTOOD: Final = frozenset({400, 415, 422, 500})
"""How servers answer a body that they cannot read. FastAPI answers with 422, if it can write the
bytes that it got into its report, else with 500."""

_FOR_SEND: Final = frozenset({"auth", "follow_redirects"})


class ClientCore:
    """What both clients are made of.

    Args:
        client: a client of httpx2 or httpx, or the URL that relative ones are relative to, for a
            client of our own.
        media_type: what requests are sent as and answers are asked for as: msgpack, under any
            name, or ``"application/json"`` to speak JSON only.
        arrays: ``"map"`` for arrays as string-keyed maps in both directions, ``"numpy"`` for
            msgpack-numpy's; ``None`` leaves the answer's form to the server.
        dialect: ``"chains"`` for dates, durations, decimals and UUIDs as Chains has them.
        fallback: what becomes of a call whose server has no binary mode: ``"fail"``, or ``"json"``
            to make it again in JSON, and from then on all calls to that server.
        max_response_size: limit of a response's body in bytes, ``None`` for no limit.
        max_structure_size: limit in bytes for all of a response but large arrays and bytes,
            ``None`` for no limit.
        progress: is told of each slice of a body.
        options: for our own client, what httpx's takes.

    Raises:
        ValueError: a setting is not one of those named here.
        TypeError: not a client of this kind, or options for one that is made already.
        ImportError: a URL, and neither httpx2 nor httpx is installed.
    """

    _kind: Kind
    _upload: type[Upload]

    def __init__(
        self,
        client: Any,
        *,
        media_type: str = MEDIA_TYPES[0],
        arrays: Arrays | None = None,
        dialect: Dialect = "plain",
        fallback: Fallback = "fail",
        max_response_size: int | None = MAX_RESPONSE_SIZE,
        max_structure_size: int | None = MAX_STRUCTURE_SIZE,
        progress: ProgressCallback | None = None,
        **options: Any,
    ) -> None:
        parsed = parse_media_type(media_type)
        if parsed is None:
            raise ValueError(f"media_type: {media_type!r} is not a media type")
        if arrays not in (None, "numpy", "map"):
            raise ValueError(f"arrays must be 'numpy', 'map' or None, got {arrays!r}")
        if dialect not in ("plain", "chains"):
            raise ValueError(f"dialect must be 'plain' or 'chains', got {dialect!r}")
        if fallback not in ("fail", "json"):
            raise ValueError(f"fallback must be 'fail' or 'json', got {fallback!r}")
        check_sizes(max_response_size=max_response_size, max_structure_size=max_structure_size)
        self._is_ours = isinstance(client, str) or type(client).__name__ == "URL"
        if self._is_ours:
            client = open_client(self._kind, str(client), options)
        elif options:
            raise TypeError(f"{', '.join(options)}: options of a client that is made already")
        self._package = package_of(client, self._kind)
        self._limit = ResponseLimit(self._package, max_response_size)
        self._limit.install(client, is_async=self._kind == "AsyncClient")
        self._max_structure_size = max_structure_size
        self.http = client
        self.fallback = fallback
        self.progress = progress
        self._media_type = media_type
        self._arrays = arrays
        self._dialect = dialect
        self._is_json = parsed.is_json
        self._binary_types = MEDIA_TYPES if parsed.is_json else (*MEDIA_TYPES, parsed.essence)
        # Servers that answered in binary mode, and those that get JSON. A server can be both: an
        # app may have binary mode for some of its routes. Threads may share the client.
        self._binary_origins: set[Origin] = set()
        self._json_origins: set[Origin] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._media_type} {self.http.base_url}>"

    def _steps(
        self, method: str, url: Url, document: Any, returns: Any, options: RequestOptions
    ) -> Steps:
        """One call.

        Raises:
            HTTPStatusError: httpx's, for an answer that is not a success.
            DecodingError: httpx's, for an answer that cannot be read or is over a limit.
            EncodeError: the document cannot be carried.
            pydantic.ValidationError: the answer is not what was asked for.
        """
        wanted = Wanted(returns)  # before anything is sent, as the type may be a mistake
        attempt = self._attempt(method, url, options, document)
        download = yield attempt
        origin, status = _origin(attempt.request), download.response.status_code
        if self._speaks_binary_mode(download.response):
            self._binary_origins.add(origin)
            return self._reply(download, wanted)
        if (
            document is NO_DOCUMENT
            or not attempt.is_msgpack
            or status not in _PERHAPS_NOT_UNDERSTOOD
        ):
            return self._reply(download, wanted)
        if self.fallback == "fail":
            known = origin in self._binary_origins
            raise self._failure(download, "" if known else _PERHAPS_NO_BINARY_MODE)
        if status == 500 and (yield from self._has_binary_mode(method, url, options)):
            raise self._failure(download)  # of the endpoint's own, which must not be called again
        if holds_iterator(document):
            raise EncodeError(
                "the server has no binary mode, and the document cannot be written again, as JSON: "
                "an iterator in it has been read; pass a list"
            )
        download = yield self._attempt(method, url, options, document, fallback=True)
        if download.response.is_success:  # so it was the form that was refused, not the content
            self._json_origins.add(origin)
        return self._reply(download, wanted)

    def _has_binary_mode(
        self, method: str, url: Url, options: RequestOptions
    ) -> Generator[Attempt, Download, bool]:
        """Ask with a body that comes no further than to the binary mode, if there is one."""
        options = {**options, "progress": None}
        attempt = self._attempt(method, url, options, NO_MSGPACK)
        # Servers close a connection after such an error, and do not always say so: it may end
        # under this request, and must not serve for the next one.
        attempt.request.headers["Connection"] = "close"
        try:
            download = yield attempt
        except self._package.TransportError:
            download = yield attempt
        return self._speaks_binary_mode(download.response)

    # What is sent.

    def _attempt(
        self,
        method: str,
        url: Url,
        options: RequestOptions,
        document: Any,
        *,
        fallback: bool = False,
    ) -> Attempt:
        if self._json_origins and not fallback:
            fallback = _origin(self.http.build_request(method, url)) in self._json_origins
        media_type = JSON if fallback else self._media_type
        is_msgpack = not (fallback or self._is_json)
        for_request: dict[str, Any] = dict(options)
        progress = for_request.pop("progress", self.progress)
        for_send = {name: for_request.pop(name) for name in _FOR_SEND & for_request.keys()}
        headers = self._package.Headers(for_request.pop("headers", None))
        fields = {"Accept": self._accept(media_type, is_msgpack=is_msgpack)}
        if document is not NO_DOCUMENT:
            fields["Content-Type"] = media_type
            upload = self._upload(self._buffers(document, is_msgpack=is_msgpack), progress)
            headers["Content-Length"] = str(upload.length)
            in_one_piece = upload.length <= SEND_CHUNK_SIZE and progress is None
            for_request["content"] = b"".join(upload.slices()) if in_one_piece else upload
        for name, value in fields.items():
            if fallback or name not in headers:  # a caller's own ones are for msgpack
                headers[name] = value
        request = self.http.build_request(method, url, headers=headers, **for_request)
        self._limit.attach(request)
        return Attempt(request, for_send, progress, is_msgpack)

    def _accept(self, media_type: str, *, is_msgpack: bool) -> str:
        # Endpoints may answer with files and text, and servers without binary mode with JSON.
        if not is_msgpack:
            return f"{media_type}, */*;q=0.1"
        parameter = f";arrays={self._arrays}" if self._arrays else ""
        return f"{media_type}{parameter}, {JSON};q=0.9, */*;q=0.1"

    def _buffers(self, document: Any, *, is_msgpack: bool) -> list[bytes | memoryview]:
        if document is NO_MSGPACK:
            return [b"\xc1"]  # the one code that no document has
        if not is_msgpack:
            return [dump_json(document)]
        return pack_buffers(document, arrays=self._arrays or "numpy", dialect=self._dialect)

    # What came.

    def _let_go(self, response: Response) -> None:
        """Free a request and its body as soon as nobody has the response, which is closed.

        The stream of httpx refers to its response: both would wait for the garbage collector. That
        of httpx2 does not, and knows the time that passed.
        """
        for each in (*response.history, response):
            if not hasattr(each.stream, "elapsed"):
                each.stream = self._package.ByteStream(b"")

    def _speaks_binary_mode(self, response: Response) -> bool:
        """Whether an answer says that its server has one.

        It is msgpack, or says by Vary that it was chosen by Accept (RFC 9110 §12.5.5).
        """
        if self._form(response) == "msgpack":
            return True
        vary = response.headers.get("vary", "").lower().replace(" ", "")
        return "accept" in vary.split(",")

    def _form(self, response: Response) -> str:
        """``"msgpack"``, ``"json"``, or another media type; empty for none."""
        media_type = parse_media_type(response.headers.get("content-type", ""))
        if media_type is None:
            return ""
        if is_binary(media_type.essence, self._binary_types):
            return "msgpack"
        return "json" if media_type.is_json else media_type.essence

    def _reply(self, download: Download, wanted: Wanted) -> Result[Any]:
        response = download.response
        if not response.is_success:
            raise self._failure(download)
        body, form = download.body(), self._form(response)
        if len(body) and form not in ("msgpack", "json"):
            if not wanted.may_be_bytes:
                message = f"the answer is {form[:100] or 'unlabelled'}, neither msgpack nor JSON"
                raise self._package.DecodingError(message, request=response.request)
            return Result(body.tobytes(), response)
        with self._package_errors(response.request):
            try:
                document, facts = self._decoded(body, form)
            except BinaryError as exc:
                message = f"the answer cannot be read: {exc}"
                raise self._package.DecodingError(message, request=response.request) from exc
            return Result(wanted.validated(document, facts), response)

    def _decoded(self, body: np.ndarray[Any, Any], form: str) -> tuple[Any, DocumentFacts]:
        """The document in a body that is the caller's own, and what is known about it.

        An empty body is ``None``.

        Raises:
            BinaryError: there is none, or it is over ``max_structure_size``.
        """
        limit = sys.maxsize if self._max_structure_size is None else self._max_structure_size
        if not len(body):
            return None, DocumentFacts(0, False, False, limit)
        if form != "json":
            unpacked = unpack_body(body, limit, is_owned=True, max_depth=MAX_DEPTH)
            return unpacked.document, unpacked.facts
        text = body.tobytes()
        if len(text) > limit and json_structure_size(text) > limit:
            raise LimitExceeded(
                f"its values, long strings aside, are over max_structure_size ({limit} bytes)"
            )
        # What is an array in it is not counted as structure.
        return from_json(text), DocumentFacts(0, b'"data_b64"' in text, True, limit)

    @contextlib.contextmanager
    def _package_errors(self, request: Any) -> Iterator[None]:
        """Raise httpx's own errors for what a server can provoke outside of their tree."""
        try:
            yield
        except MemoryError as exc:
            message = (
                "there is no memory for the response: set the client's max_response_size and "
                "max_structure_size lower"
            )
            raise self._package.DecodingError(message, request=request) from exc
        except (UnicodeError, OverflowError, ExceptionGroup) as exc:
            reason = _reason_of_address(exc)
            if not reason:
                raise
            message = f"the host or the port of the URL, or of a redirect, is not valid: {reason}"
            raise self._package.ConnectError(message, request=request) from exc

    def _failure(self, download: Download, remark: str = "") -> Exception:
        """httpx's own exception for the status, with what the server says of it.

        Its attribute ``problem`` is the body, where that is msgpack or JSON, else ``None``.
        """
        response, form = download.response, self._form(download.response)
        problem = None
        with contextlib.suppress(BinaryError, MemoryError):
            if form in ("msgpack", "json"):
                problem, _ = self._decoded(download.body(), form)
        said = describe(_text_of(response) if form == "text/plain" else problem)
        try:
            response.raise_for_status()
        except self._package.HTTPStatusError as exc:
            message = "\n".join(filter(None, (str(exc), said, remark)))
            error: Any = type(exc)(message, request=exc.request, response=response)
        error.problem = problem
        return cast(Exception, error)


_PERHAPS_NO_BINARY_MODE: Final = (
    "This may mean that the server has no binary mode: its answer to msgpack is not msgpack. With "
    "fallback='json' the client speaks JSON to such servers."
)


def _text_of(response: Response) -> str:
    """The beginning of a response in text."""
    data = response.content[: 2 * LONGEST]
    return decode_text(data, response.headers.get("content-type", ""))


def _reason_of_address(exc: Exception) -> str:
    """Return what is wrong with a host or a port, if that is what the socket module, idna or anyio
    raised, which httpx lets pass; else an empty string."""
    if isinstance(exc, ExceptionGroup):
        return next(filter(None, map(_reason_of_address, exc.exceptions)), "")
    is_of_host = isinstance(exc, UnicodeError) and "idna" in f"{type(exc).__module__} {exc}"
    is_of_port = isinstance(exc, OverflowError) and "port must be" in str(exc)
    return str(exc) if is_of_host or is_of_port else ""


def _origin(request: Any) -> Origin:
    """Scheme, host and port (RFC 9110 §4.3.1) of a request; no port where it is the usual one."""
    return request.url.scheme, request.url.host, request.url.port


def check_sizes(**sizes: Any) -> None:
    """Check limits in bytes, each of which may be ``None``.

    Raises:
        ValueError: one is no number of bytes.
    """
    for name, size in sizes.items():
        if size is not None and (type(size) is not int or size < 0):
            raise ValueError(f"{name} must be a number of bytes or None, got {size!r}")


def holds_iterator(obj: Any) -> bool:
    """Whether something in a document, which is not circular, can be read only once."""
    if isinstance(obj, Iterator):
        return True
    if isinstance(obj, BaseModel):
        obj = dict(obj)
    elif dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        obj = {field.name: getattr(obj, field.name) for field in dataclasses.fields(obj)}
    if isinstance(obj, Mapping):
        return any(map(holds_iterator, obj.values()))
    return isinstance(obj, (list, tuple)) and any(map(holds_iterator, obj))

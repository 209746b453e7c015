"""Calls from the shell: their options, and their failures as one line."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import click
import httpx2

from binary_middleware.cli._console import printable, size
from binary_middleware.cli._document import make_document
from binary_middleware.client import BinaryClient, Result
from binary_middleware.client._error_text import decode_text
from binary_middleware.errors import EncodeError

JSON: Final = "application/json"
Headers = list[tuple[str, str]]

_ADVICE: Final = "For more information check: "
"""The beginning of httpx's line with a link to the description of a status."""


class Call(NamedTuple):
    """A request that can be sent by several clients."""

    method: str
    url: httpx2.URL
    headers: Headers
    document: tuple[Any, ...]
    """The document, or nothing."""
    settings: dict[str, Any]
    """The arguments of :class:`BinaryClient` that were given."""

    def open_client(self, **settings: Any) -> BinaryClient:
        """Open a client, with some settings of its own.

        Raises:
            click.UsageError: A setting is wrong.
        """
        try:
            return BinaryClient("", **{**self.settings, **settings})
        except ValueError as exc:
            raise click.UsageError(str(exc)) from exc

    def send(self, client: BinaryClient) -> Result[Any]:
        """Send the request.

        Raises:
            httpx2.HTTPStatusError: The status of the response is an error.
            click.UsageError: The document cannot be sent.
            click.ClickException: There is no response, or it cannot be read.
        """
        try:
            return client.send(self.method, self.url, *self.document, headers=self.headers)
        except httpx2.HTTPStatusError:
            raise
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            reason = printable(str(exc)) or type(exc).__name__
            if isinstance(exc, (httpx2.ConnectError, httpx2.ConnectTimeout)):
                reason = f"cannot connect to {self.url.netloc.decode()}: {reason}"
            raise click.ClickException(f"the call failed: {reason}") from exc
        except EncodeError as exc:
            raise click.UsageError(f"the document cannot be sent: {exc}") from exc

    def is_binary(self, response: Any) -> bool:
        """Return whether a response is msgpack, under any of its names."""
        media_type = media_type_of(response)
        return media_type.endswith("msgpack") or media_type == self.settings["media_type"].lower()


def call_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a request; the command gets a :class:`Call` as its first argument."""

    @functools.wraps(command)
    def wrapper(url: httpx2.URL, method: str | None, headers: Headers, **given: Any) -> None:
        document = make_document(*(given.pop(name) for name in _DOCUMENT))
        method = method.upper() if method else "POST" if document else "GET"
        settings = {name: given.pop(name) for name in _SETTINGS}
        command(Call(method, url, headers, document, settings), **given)

    decorated: Callable[..., Any] = wrapper
    for decorate in reversed(_OPTIONS):
        decorated = decorate(decorated)
    return decorated


def _parse_url(ctx: click.Context, param: click.Parameter, text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
        is_usable = urlsplit(text).scheme in ("http", "https") and bool(url.host)
    except (httpx2.InvalidURL, ValueError):
        is_usable = False
    if not is_usable:
        raise click.BadParameter(f"{text!r} is not a URL such as http://127.0.0.1:8000/path")
    return url


def _parse_headers(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> Headers:
    headers = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not text.isprintable() or not text.isascii():
            raise click.BadParameter(f"{text!r} is not a header; write 'Name: value'")
        headers.append((name.strip(), value.strip()))
    return headers


_DOCUMENT: Final = ("members", "json_file", "npy", "files")
_SETTINGS: Final = ("media_type", "timeout", "max_response_size", "max_structure_size")
_OPTIONS: Final[list[Callable[[Any], Any]]] = [
    click.argument("url", callback=_parse_url),
    click.option("--method", help="The method. [default: POST with a document, GET without one]"),
    click.option(
        "--header",
        "headers",
        multiple=True,
        callback=_parse_headers,
        metavar="'NAME: VALUE'",
        help="A header of the request. Can be repeated.",
    ),
    click.option(
        "--media-type", default="application/msgpack", help="The server's name for msgpack."
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=60,
        help="Seconds without progress after which a call has failed.",
    ),
    click.option("--max-response-size", type=size, default="1GiB", help="Limit of a response."),
    click.option(
        "--max-structure-size",
        type=size,
        default="64MiB",
        help="Limit of a response, large arrays and bytes aside.",
    ),
    click.argument("members", nargs=-1, metavar="[KEY=VALUE]..."),
    click.option(
        "--json",
        "json_file",
        metavar="FILE",
        help='The document in JSON, "-" for standard input; other members are added to it.',
    ),
    click.option(
        "--npy",
        multiple=True,
        metavar="NAME=FILE",
        help="A member that is an array, from a .npy file, or a map of arrays, from a .npz.",
    ),
    click.option(
        "--file",
        "files",
        multiple=True,
        metavar="NAME=FILE",
        help="A member that is bytes: the contents of a file.",
    ),
]


def error_line(error: httpx2.HTTPStatusError) -> str:
    """Return the status and the reason that the server gives, without the URL and its secrets."""
    response = error.response
    lines = [f"{response.status_code} {response.reason_phrase}", *str(error).split("\n")[1:]]
    return printable(": ".join(line for line in lines if not line.startswith(_ADVICE)))


def media_type_of(response: Any) -> str:
    """Return the media type of a response, without parameters; empty if there is none."""
    content_type: str = response.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower()


def text_of(response: Any, data: bytes) -> str:
    """Decode the text of a response, in the charset of its Content-Type or in UTF-8."""
    return decode_text(data, response.headers.get("content-type", ""))

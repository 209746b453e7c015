"""Calls from the shell: the options of a request, and failures as one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from binary_middleware.cli.byte_sizes import byte_size
from binary_middleware.cli.escaping import printable
from binary_middleware.cli.mistakes import CallFailed, Mistake
from binary_middleware.client import BinaryClient, Result
from binary_middleware.client._core import NO_DOCUMENT
from binary_middleware.client._httpx import package_of
from binary_middleware.errors import EncodeError

if TYPE_CHECKING:
    from binary_middleware.client._httpx import Response


_ADVICE = "For more information check: "
"""How the line begins in which httpx says where to read about a status."""


class Refused(CallFailed):
    """An answer whose status is an error.

    Attributes:
        response: httpx's.
        problem: its document, ``None`` where it is neither msgpack nor JSON.
        advice: what to do, if the server may have no binary mode.
    """

    def __init__(self, error: Any) -> None:
        lines = [line for line in str(error).split("\n") if not line.startswith(_ADVICE)]
        super().__init__(printable(": ".join(lines)))
        self.response: Response = error.response
        self.problem: Any = error.problem
        # One call is too few for the client's own way, to send JSON until a response is proof.
        self.advice = lines[-1].replace("fallback='json'", "--json-mode")
        if "--json-mode" not in self.advice:
            self.advice = ""


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a request; the command gets ``url``, ``method``, ``headers`` and so on."""
    for decorate in (
        click.option(
            "--max-structure-size",
            type=byte_size,
            default="64MiB",
            show_default=True,
            metavar="SIZE",
            help="Most of a response that is not large arrays and bytes.",
        ),
        click.option(
            "--max-response-size",
            type=byte_size,
            default="1GiB",
            show_default=True,
            metavar="SIZE",
            help="Largest response.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=60,
            show_default=True,
            help="Seconds without progress after which a call has failed.",
        ),
        click.option(
            "--header",
            "headers",
            multiple=True,
            metavar="'NAME: VALUE'",
            help="A header field of the request. Can be repeated.",
        ),
        click.option(
            "--method", help="The method. [default: POST with a document, GET without one]"
        ),
        click.argument("url"),
    ):
        command = decorate(command)
    return command


def check_url(url: str) -> str:
    """A URL that can be called.

    Raises:
        Mistake: it is not one.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise Mistake(f"{url!r} is not a URL such as http://127.0.0.1:8000/path")
    return url


def method_for(method: str | None, document: Any) -> str:
    """The method that was asked for, or the usual one."""
    return method.upper() if method else "GET" if document is NO_DOCUMENT else "POST"


def headers_of(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    """Header fields from ``Name: value``.

    Raises:
        Mistake: one is not of that form.
    """
    fields = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not text.isprintable() or not text.isascii():
            raise Mistake(f"{text!r} is not a header field; write 'Name: value'")
        fields.append((name.strip(), value.strip()))
    return fields


def open_client(**options: Any) -> BinaryClient:
    """A client.

    Args:
        options: as for ``BinaryClient``.

    Raises:
        Mistake: an option is wrong, or what calls need is not installed.
    """
    try:
        return BinaryClient("", **options)
    except ImportError as exc:
        raise Mistake("calls need httpx2: pip install 'binary-middleware[cli]'") from exc
    except ValueError as exc:
        raise Mistake(str(exc)) from exc


def fetch(
    client: BinaryClient, method: str, url: str, document: Any, headers: list[tuple[str, str]]
) -> Result[Any]:
    """``BinaryClient.send``, with failures that end a command.

    Raises:
        Refused: the status of the answer is an error.
        CallFailed: there was no answer, or it cannot be read.
        Mistake: the document cannot be carried, or the request cannot be made.
    """
    package = package_of(client.http, "Client")
    try:
        return client.send(method, url, document, headers=headers)
    except package.HTTPStatusError as exc:
        raise Refused(exc) from exc
    except (package.ConnectError, package.ConnectTimeout) as exc:
        place = printable(urlsplit(url).netloc.rpartition("@")[2])
        said = printable(str(exc)) or type(exc).__name__
        raise CallFailed(f"the call failed: cannot connect to {place}: {said}") from exc
    except package.HTTPError as exc:
        said = printable(str(exc)) or type(exc).__name__
        raise CallFailed(f"the call failed: {said}") from exc
    except package.InvalidURL as exc:
        raise Mistake(f"the URL cannot be used: {printable(str(exc))}") from exc
    except EncodeError as exc:
        raise Mistake(f"the document cannot be sent: {exc}") from exc

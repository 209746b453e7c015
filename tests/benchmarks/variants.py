"""The variants that are compared: an app, a server that runs it, and the encoding of its client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from tests.benchmarks import chains_environment
from tests.benchmarks.documents import MIB


@dataclass(frozen=True)
class Variant:
    """One way to move a document there and back.

    Attributes:
        name: what it is called in tables of work and in results.
        title: the same for readers, in Markdown.
        short: the same for headings, of those that others are compared with.
        app: a name of ``apps.APPS``, or ``"grpc"``.
        encoding: a name of ``documents.ENCODINGS``.
        server: ``"uvicorn"``, ``"hypercorn"``, ``"granian"`` or ``"grpc"``.
        needs: modules without which it cannot run, beyond those of the tests.
        largest_array: the largest array that it is asked to move, in bytes.
        client: a name of ``clients.CLIENTS``, where that is what is measured.
    """

    name: str
    title: str
    app: str
    encoding: str
    server: str = "uvicorn"
    needs: tuple[str, ...] = ()
    largest_array: int | None = None
    short: str = ""
    client: str = ""

    @property
    def plain_title(self) -> str:
        """The title without Markdown."""
        return self.title.replace("*", "").replace("`", "")

    def missing(self) -> list[str]:
        """Those of the modules it needs that are not installed."""
        missing = [module for module in self.needs if find_spec(module) is None]
        if self.client == "chains" and not chains_environment.is_there():
            missing.append("truss")
        return missing


_ALL: Final = (
    Variant(
        "limit",
        "raw ASGI app, a buffer for each request",
        "limit",
        "msgpack-numpy",
        short="raw ASGI app",
    ),
    Variant(
        "limit-reused",
        "raw ASGI app, one buffer for all requests",
        "limit-reused",
        "msgpack-numpy",
    ),
    Variant(
        "starlette-echo",
        "Starlette, `Response(await body())`",
        "starlette-echo",
        "msgpack-numpy",
        short="Starlette echo",
    ),
    Variant("object-lane", "**ours, object lane** (FastAPI)", "object-lane", "msgpack-numpy"),
    Variant("json-lane", "**ours, JSON lane** (FastAPI)", "json-lane", "msgpack-numpy"),
    Variant(
        "fastapi-json", "FastAPI, JSON with base64", "fastapi-json", "json-base64", short="FastAPI"
    ),
    Variant(
        "fastapi-lists",
        "FastAPI, JSON with lists",
        "fastapi-lists",
        "json-lists",
        largest_array=MIB,
    ),
    Variant(
        "msgpack-asgi",
        "FastAPI in msgpack-asgi, base64",
        "msgpack-asgi",
        "msgpack-base64",
        needs=("msgpack_asgi",),
    ),
    Variant(
        "msgpack-asgi-lists",
        "FastAPI in msgpack-asgi, lists",
        "msgpack-asgi-lists",
        "msgpack-lists",
        needs=("msgpack_asgi",),
        largest_array=MIB,
    ),
    Variant(
        "msgpack-endpoint",
        "FastAPI, msgpack in the endpoint",
        "msgpack-endpoint",
        "msgpack-numpy",
    ),
    Variant(
        "litestar", "Litestar, its own msgpack", "litestar", "msgpack-map", needs=("litestar",)
    ),
    Variant("grpc", "gRPC (aio), a bytes field", "grpc", "framed", "grpc", needs=("grpc",)),
    # The same apps, asked in JSON.
    Variant(
        "object-lane+json",
        "**ours, `add_binary_mode`**, JSON clients",
        "object-lane",
        "json-base64",
    ),
    Variant("json-lane+json", "**ours, middleware**, JSON clients", "json-lane", "json-base64"),
    # The same apps on other servers.
    *(
        Variant(
            f"{name}@{server}",
            f"{title} on {server}",
            name,
            "msgpack-numpy",
            server,
            (server,),
            short=f"{short} on {server}" if short else "",
        )
        for server in ("hypercorn", "granian")
        for name, title, short in (
            ("limit", "raw ASGI app", "raw ASGI app"),
            ("starlette-echo", "Starlette, `Response(await body())`", "Starlette echo"),
            ("object-lane", "**ours, object lane**", ""),
        )
    ),
    # Clients of one and the same app.
    *(
        Variant(
            f"client-{name}", title, "echo", "msgpack-numpy", needs=needs, short=short, client=name
        )
        for name, title, needs, short in (
            ("ours", "**ours, `BinaryClient`** (httpx2)", (), ""),
            ("ours-async", "**ours, `AsyncBinaryClient`** (httpx2)", (), ""),
            ("requests", "requests and msgpack-numpy", ("requests",), "requests"),
            ("httpx2", "httpx2 and msgpack-numpy", (), ""),
            ("chains", "Chains' own client (httpx)", (), ""),
        )
    ),
)

VARIANTS: Final[Mapping[str, Variant]] = {variant.name: variant for variant in _ALL}
"""By name."""

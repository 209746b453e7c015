"""The FastAPI and the Starlette app that hostile input is sent to, several of each in one process.

The first segment of a path chooses among them where an app needs middleware, guards or routes that
the others must not have; see ``_choose``.
"""

from __future__ import annotations

import datetime
import json
import re
import warnings
from collections.abc import Callable
from typing import Annotated, Any, Final

import numpy as np
from fastapi import Body, FastAPI, HTTPException, WebSocket
from pydantic import BaseModel, ConfigDict, Field, create_model, field_serializer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Host, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from binary_middleware import BinaryMiddleware, NumpyArrayField, RouteRule, binary_options
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.starlette import NegotiatedResponse, read_body
from tests.hostile.lanes import Excused, add_kinds, kind_routes

VICTIM: Final = "the secret of somebody else "
PASSWORD: Final = "hunter2"

Hundred = create_model("Hundred", **{f"field{i}": (int, ...) for i in range(100)})


class Masked(BaseModel):
    """A document whose serializers are for JSON only."""

    model_config = ConfigDict(ser_json_timedelta="float", ser_json_temporal="milliseconds")

    card: str
    price: Annotated[float, Field(ge=0)]
    lasts: datetime.timedelta
    at: datetime.datetime
    note: str | None = None

    @field_serializer("card", when_used="json")
    def mask(self, card: str) -> str:
        return f"{'*' * 12}{card[-4:]}"

    @field_serializer("price", when_used="json")
    def text(self, price: float) -> str:
        return f"{price:.2f}"

    @field_serializer("note", when_used="json-unless-none")
    def shorten(self, note: str) -> str:
        return note[:3]


class More(BaseModel):
    name: str = "a"
    more: str = "b"


class Account(BaseModel):
    name: str
    password: str
    scores: NumpyArrayField


def rearranged(array: np.ndarray[Any, Any], how: str) -> np.ndarray[Any, Any]:
    """What apps do to arrays: numpy's copies leave what memory held before in the padding."""
    return {
        "itself": lambda: array,
        "every-other": lambda: array[::2].copy(),
        "sorted": lambda: np.sort(array, order=array.dtype.names[0]),
        "joined": lambda: np.concatenate([array, array]),
        "masked": lambda: array[np.arange(len(array)) % 3 > 0],
        "stacked": lambda: np.stack([array, array]),
        "fortran": lambda: np.stack([array, array]).copy(order="F"),
        "cast": lambda: array.astype(array.dtype.newbyteorder(">")),
        "empty": lambda: np.empty(len(array), array.dtype),
    }[how]()


WAYS: Final = (
    *("itself", "every-other", "sorted", "joined", "masked"),
    *("stacked", "fortran", "cast", "empty"),
)


# -- middleware that works on JSON -----------------------------------------------------------------


class Redact:
    """Replaces the password in JSON responses, and lets everything else pass."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, text = await _collect(self.app, scope, receive)
        headers = dict(start["headers"])
        if headers.get(b"content-type", b"").startswith(b"application/json"):
            text = text.replace(PASSWORD.encode(), b"*****")
        headers[b"content-length"] = str(len(text)).encode()
        await send({**start, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": text})


class Remember:
    """An idempotency store: the same key gets the JSON response of the first try."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.kept: dict[bytes, tuple[Message, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = dict(scope.get("headers", ())).get(b"idempotency-key")
        if key is None:
            await self.app(scope, receive, send)
            return
        if key not in self.kept:
            start, text = await _collect(self.app, scope, receive)
            json.loads(text)  # what is no JSON cannot be stored
            self.kept[key] = start, text
        start, text = self.kept[key]
        await send(start)
        await send({"type": "http.response.body", "body": text})


async def _collect(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


# -- FastAPI ---------------------------------------------------------------------------------------


async def health() -> dict[str, str]:
    return {"status": "ok"}


def make_fastapi() -> FastAPI:
    """Kinds of fields, and what single inputs are about, in the object lane."""
    app = add_kinds(FastAPI())
    _add_hostile_routes(app)
    add_binary_mode(app)
    return app


def make_behind() -> ASGIApp:
    """The same routes on the JSON lane."""
    app = add_kinds(FastAPI())
    _add_hostile_routes(app)
    return BinaryMiddleware(Excused(app))


def _add_hostile_routes(app: FastAPI) -> None:
    app.add_api_route("/health", health)

    @app.post("/echo")
    async def echo(body: Annotated[Any, Body()]) -> Any:
        return body

    @app.api_route("/document", methods=["GET", "POST", "HEAD"])
    async def document() -> dict[str, str]:
        return {"for": "everybody"}

    @app.post("/rows/{how}")
    async def rows(how: str, rows: Annotated[NumpyArrayField, Body(embed=True)]) -> Any:
        return {"rows": NumpyArrayField(array=rearranged(rows.array, how))}

    @app.post("/victim")
    async def victim(body: Annotated[Any, Body()]) -> dict[str, int]:
        return {"length": len(str(body))}

    @app.post("/hundred")
    async def hundred(body: Hundred) -> dict[str, str]:
        return {}

    @app.post("/masked")
    async def masked(body: Masked) -> Masked:
        return body

    @app.post("/strict")
    @binary_options(mode="require")
    async def strict(body: Annotated[Any, Body()]) -> Any:
        return body


def make_observed() -> FastAPI:
    """Middleware that works on JSON stands between the routes and us."""
    app = FastAPI()
    payments: list[int] = []

    @app.post("/observed/account")
    async def account() -> Account:
        return Account(
            name="a", password=PASSWORD, scores=NumpyArrayField(array=np.arange(3, dtype="<f4"))
        )

    @app.post("/observed/pay")
    async def pay(amount: Annotated[int, Body(embed=True)]) -> dict[str, int]:
        payments.append(amount)
        return {"payments": len(payments)}

    app.add_middleware(Redact)
    app.add_middleware(Remember)
    add_binary_mode(app)
    return app


def make_guarded(prefix: str, is_enabled: bool) -> FastAPI:
    """Routes that somebody changed before binary mode came."""
    app = FastAPI()

    async def secret() -> More:
        return More()

    routes = {}
    for name in ("app", "handle", "call", "case", "status", "model"):
        app.add_api_route(f"{prefix}/{name}", secret, methods=["POST"])
        routes[name] = app.router.routes[-1]

    async def refuse() -> Any:
        raise HTTPException(401, "a token is needed")

    route: Any = routes["app"]
    route.app = _guard(route.app)
    route = routes["handle"]
    route.handle = _guard(route.handle)
    route = routes["call"]
    route.dependant.call = refuse
    route = routes["case"]
    route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
    route = routes["status"]
    route.status_code = 202
    route = routes["model"]
    route.response_model = dict[str, str]
    if is_enabled:
        add_binary_mode(app)
    return app


GUARDED: Final = (
    *("app", "handle", "call"),
    *("case", "CASE", "status", "model"),
)


def _guard(app: Callable[..., Any]) -> ASGIApp:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if b"x-token" not in dict(scope["headers"]):
            await PlainTextResponse("a token is needed", 401)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return guarded


def make_rooted() -> ASGIApp:
    """An app that knows its prefix, with the middleware outside and a rule."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and what many apps have
        app = FastAPI(root_path="/rooted")

    @app.post("/ruled")
    async def ruled(body: Annotated[Any, Body()]) -> Any:
        return body

    @app.post("/marked")
    @binary_options(mode="require")
    async def marked(body: Annotated[Any, Body()]) -> Any:
        return body

    @app.post("/small")
    @binary_options(max_body_size=100)
    async def small(body: Annotated[Any, Body()]) -> Any:
        return body

    return BinaryMiddleware(app, rules=[RouteRule("/ruled", mode="require")])


# -- Starlette -------------------------------------------------------------------------------------


async def starlette_health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def echo_json(request: Request) -> Response:
    """Of the JSON lane: Python's ``json`` writes NaN as it reads it."""
    text = json.dumps(await request.json(), ensure_ascii=False)
    return Response(text.encode("utf-8", "surrogatepass"), media_type="application/json")


async def length(request: Request) -> Response:
    """The length of the text that the app sees."""
    return JSONResponse({"length": len(await request.body())})


async def _rows(request: Request) -> Response:
    body = await read_body(request)
    array = np.asarray(body["rows"])
    return NegotiatedResponse({"rows": rearranged(array, request.path_params["how"])})


async def _victim(request: Request) -> Response:
    return JSONResponse({"length": len(str(await read_body(request)))})


async def _hundred(request: Request) -> Response:
    await read_body(request, Hundred)
    return JSONResponse({})


async def _masked(request: Request) -> Response:
    return NegotiatedResponse(await read_body(request, Masked))


async def _document(request: Request) -> Response:
    return NegotiatedResponse({"for": "everybody"})


@binary_options(mode="require")
async def strict(request: Request) -> Response:
    return JSONResponse(await request.json())


@binary_options(mode="require")
async def strict_read(request: Request) -> Response:
    return NegotiatedResponse(await read_body(request))


@binary_options(max_body_size=100)
async def small(request: Request) -> Response:
    return NegotiatedResponse(await read_body(request))


async def _account(request: Request) -> Response:
    return NegotiatedResponse({"name": "a", "password": PASSWORD, "scores": np.arange(3)})


def make_starlette() -> ASGIApp:
    routes = [
        Route("/health", starlette_health),
        Route("/echo", echo_json, methods=["POST"]),
        Route("/length", length, methods=["POST"]),
        Route("/document", _document, methods=["GET", "POST"]),
        Route("/rows/{how}", _rows, methods=["POST"]),
        Route("/victim", _victim, methods=["POST"]),
        Route("/hundred", _hundred, methods=["POST"]),
        Route("/masked", _masked, methods=["POST"]),
        Route("/strict", strict, methods=["POST"]),
        *kind_routes(),
    ]
    return BinaryMiddleware(Starlette(routes=routes))


def make_starlette_observed() -> ASGIApp:
    app = Starlette(
        routes=[Route("/observed/account", _account, methods=["POST"])],
        middleware=[Middleware(Redact)],
    )
    return BinaryMiddleware(app)


async def _socket(socket: WebSocket) -> None:
    await socket.accept()


def _restricted(prefix: str) -> list[Route]:
    return [
        Route(f"{prefix}/strict", strict_read, methods=["POST"]),
        Route(f"{prefix}/small", small, methods=["POST"]),
    ]


def _closure(app: ASGIApp) -> ASGIApp:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return inner


def make_hidden() -> dict[str, ASGIApp]:
    """Restricted endpoints in places where a look from outside does not find them."""
    sockets = [
        WebSocketRoute("/socket/strict", _socket),
        WebSocketRoute("/socket/small", _socket),
    ]
    ruled = Starlette(routes=[Route("/ruled/document", _document, methods=["GET"])])
    return {
        "socket": BinaryMiddleware(Starlette(routes=[*sockets, *_restricted("/socket")])),
        "host": BinaryMiddleware(
            Starlette(routes=[Host("127.0.0.1", Router(_restricted("/host")))])
        ),
        "closure": BinaryMiddleware(_closure(Starlette(routes=_restricted("/closure")))),
        "ruled": BinaryMiddleware(
            ruled, rules=[RouteRule("/ruled/document", methods=["GET"], mode="require")]
        ),
    }


# -- several in one process ------------------------------------------------------------------------


def _choose(default: ASGIApp, apps: dict[str, ASGIApp], strip: tuple[str, ...] = ()) -> ASGIApp:
    """An app that leaves a request to the one that the first segment of its path names.

    Args:
        default: for all other paths.
        apps: by the segment.
        strip: segments that the app does not get to see.
    """

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        name, _, rest = scope["path"][1:].partition("/")
        if name in strip:
            scope = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}
        await apps.get(name, default)(scope, receive, send)

    return choose


fastapi_app = _choose(
    make_fastapi(),
    {
        "behind": make_behind(),
        "observed": make_observed(),
        "guarded": make_guarded("/guarded", is_enabled=True),
        "plain": make_guarded("/plain", is_enabled=False),
        "rooted": make_rooted(),
        "stripped": make_rooted(),
    },
    strip=("behind", "stripped"),
)

starlette_app = _choose(make_starlette(), {"observed": make_starlette_observed(), **make_hidden()})

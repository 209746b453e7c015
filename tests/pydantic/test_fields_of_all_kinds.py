"""Whatever msgpack can express, for whatever field: 2xx or 4xx, never a server error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import anyio
import msgpack
import pytest
from fastapi import Body, FastAPI
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from binary_middleware import BinaryMiddleware
from binary_middleware.fastapi import _route as route
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.starlette import read_body
from tests.asgi_app import exchange, http_scope
from tests.pydantic.fields_of_all_kinds import FIELDS, VALUES

PLAIN = Body()
EMBEDDED = Body(embed=True)


def _endpoint(kind: Any, body: Any) -> Callable[..., Any]:
    async def endpoint(field: Any) -> Any:
        return {"type": type(field).__name__}

    endpoint.__annotations__ = {"field": Annotated[kind, body]}
    return endpoint


def _fastapi_app(reads_first: bool) -> FastAPI:
    app = FastAPI()
    for name, kind in FIELDS.items():
        app.post(f"/plain/{name}")(_endpoint(kind, PLAIN))
        app.post(f"/embedded/{name}")(_endpoint(kind, EMBEDDED))

    async def read_first(request: Request, call_next: Any) -> Any:
        await request.body()
        return await call_next(request)

    if reads_first:
        app.add_middleware(BaseHTTPMiddleware, dispatch=read_first)
    add_binary_mode(app)
    return app


def _starlette_app() -> BinaryMiddleware:
    def reader(kind: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(type(await read_body(request, kind)).__name__)

        return endpoint

    routes = [
        Route(f"/plain/{name}", reader(kind), methods=["POST"]) for name, kind in FIELDS.items()
    ]
    return BinaryMiddleware(Starlette(routes=routes))


LANES: dict[str, tuple[Callable[[], Any], str, str, int]] = {
    # What serves, the place of the field, what the answer is in; one of how many pairs is tried.
    "direct": (lambda: _fastapi_app(False), "plain", "msgpack", 1),
    "direct, embedded": (lambda: _fastapi_app(False), "embedded", "msgpack", 5),
    "direct, JSON": (lambda: _fastapi_app(False), "plain", "json", 5),
    "not direct": (lambda: _fastapi_app(False), "plain", "msgpack", 5),
    "not direct, embedded": (lambda: _fastapi_app(False), "embedded", "json", 5),
    "JSON lane": (lambda: _fastapi_app(True), "embedded", "msgpack", 5),
    "starlette": (_starlette_app, "plain", "msgpack", 2),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of ipaddress, about True
@pytest.mark.parametrize("lane", LANES)
def test_no_value_is_a_server_error(
    lane: str, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    build, place, accept, step = LANES[lane]
    if lane.startswith("not direct"):
        monkeypatch.setattr(route, "can_use_fast_path", lambda _: False)
    app = build()
    headers = {"content-type": "application/msgpack", "accept": f"application/{accept}"}
    if pytestconfig.getoption("every_path"):
        step = 1
    pairs = [
        (name, sent)
        for row, name in enumerate(FIELDS)
        for column, sent in enumerate(VALUES)
        if (row + column) % step == 0
    ]
    failed: list[str] = []
    statuses: set[int] = set()

    async def send_all() -> None:
        for name, sent in pairs:
            body = VALUES[sent] if place == "plain" else b"\x81\xa5field" + VALUES[sent]
            scope = http_scope(path=f"/{place}/{name}", headers=headers)
            try:
                answer = await exchange(app, scope, body)
                document = (msgpack.unpackb if accept == "msgpack" else json.loads)(answer.body)
            except Exception as exc:
                failed.append(f"{name} <- {sent}: {type(exc).__name__}: {exc}")
                continue
            statuses.add(answer.status)
            if answer.status not in (200, 400, 413, 422) or len(answer.body) > 256 * 1024:
                failed.append(f"{name} <- {sent}: {answer.status}, {len(answer.body)} bytes")
            elif answer.status != 200 and not {"detail", "status"} & document.keys():
                failed.append(f"{name} <- {sent}: {document}")

    anyio.run(send_all)
    assert not failed, "\n".join([f"{len(failed)} failures", *failed[:40]])
    assert statuses >= {200, 400, 422}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_kind_of_field_takes_something() -> None:
    """Or the above would not test much."""
    taken = set()
    for name, kind in FIELDS.items():
        adapter = TypeAdapter(kind)
        for sent in VALUES:
            if sent.startswith("plain: "):
                try:
                    adapter.validate_python(msgpack.unpackb(VALUES[sent]))
                except ValueError:
                    continue
                taken.add(name)
                break
    assert len(taken) > len(FIELDS) * 2 // 3, set(FIELDS) - taken

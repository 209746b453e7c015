"""FastAPI in all variants: as it is, with msgpack by hand, inside msgpack-asgi, and with ours."""

from __future__ import annotations

from typing import Annotated, Any

import msgpack
import msgpack_numpy
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from starlette.types import ASGIApp

from binary_middleware import BinaryMiddleware, NumpyArrayField
from binary_middleware.fastapi import add_binary_mode
from tests.benchmarks.documents import LARGEST_BODY
from tests.benchmarks.models import ListedSignal, Run, Signal


async def ping() -> PlainTextResponse:
    """Respond to the small requests that are sent while large bodies flow."""
    return PlainTextResponse("pong")


# -- endpoints that are unaware of any encoding ----------------------------------------------------


def _copied(signal: Signal) -> Signal:
    return signal.model_copy(update={"samples": NumpyArrayField(signal.samples.array.copy())})


async def echo_signal(signal: Signal) -> Signal:
    """Return the array document."""
    return signal


async def copy_signal(signal: Signal) -> Signal:
    """Return the array document, its response with an array of its own."""
    return _copied(signal)


async def echo_listed_signal(signal: ListedSignal) -> ListedSignal:
    """Return the array document as a list of numbers."""
    return signal


async def echo_run(run: Run) -> Run:
    """Return the small document."""
    return run


async def get_station(x_station: Annotated[str, Header()] = "none") -> str:
    """Return a request header, as a dependency."""
    return x_station


async def echo_run_injected(
    run: Run, response: Response, station: Annotated[str, Depends(get_station)]
) -> Run:
    """Return the small document, by way of a dependency and with a header of its own."""
    response.headers["x-station"] = station
    return run


async def echo_run_untyped(run: Run):  # type: ignore[no-untyped-def]  # that is its point
    """Return the small document, its response without a model."""
    return run


# -- endpoints that pack and unpack ----------------------------------------------------------------


def _packed(model: BaseModel) -> Response:
    body = msgpack.packb(model.model_dump(), default=msgpack_numpy.encode)
    return Response(body, media_type="application/msgpack")


async def _unpacked(request: Request) -> Any:
    return msgpack.unpackb(await request.body(), object_hook=msgpack_numpy.decode)


async def echo_packed_signal(request: Request) -> Response:
    """Pack and unpack in the endpoint, around a validated model."""
    return _packed(Signal.model_validate(await _unpacked(request)))


async def copy_packed_signal(request: Request) -> Response:
    """Do the same with a copy of the array in the response."""
    return _packed(_copied(Signal.model_validate(await _unpacked(request))))


async def echo_packed_run(request: Request) -> Response:
    """Do the same for the small document."""
    return _packed(Run.model_validate(await _unpacked(request)))


# -- apps ------------------------------------------------------------------------------------------


def msgpack_endpoint() -> ASGIApp:
    """FastAPI with msgpack inside the endpoint, as Chains does."""
    app = FastAPI()
    app.add_api_route("/array", echo_packed_signal, methods=["POST"])
    app.add_api_route("/distinct", copy_packed_signal, methods=["POST"])
    app.add_api_route("/document", echo_packed_run, methods=["POST"])
    app.add_api_route("/ping", ping)
    return app


def _fastapi() -> FastAPI:
    app = FastAPI()
    app.post("/array")(echo_signal)
    app.post("/distinct")(copy_signal)
    app.post("/document")(echo_run)
    app.post("/document/injected")(echo_run_injected)
    app.post("/document/untyped")(echo_run_untyped)
    app.get("/ping")(ping)
    return app


def _fastapi_lists() -> FastAPI:
    app = FastAPI()
    app.post("/array")(echo_listed_signal)
    app.post("/document")(echo_run)
    return app


def fastapi_json() -> ASGIApp:
    """FastAPI as it is: JSON, arrays in base64."""
    return _fastapi()


def fastapi_lists() -> ASGIApp:
    """FastAPI as it is: JSON, arrays as lists of numbers."""
    return _fastapi_lists()


def _with_msgpack_asgi(app: ASGIApp) -> ASGIApp:
    from msgpack_asgi import MessagePackMiddleware

    return MessagePackMiddleware(app, allow_naive_streaming=True)


def msgpack_asgi() -> ASGIApp:
    """FastAPI inside msgpack-asgi, arrays in base64."""
    return _with_msgpack_asgi(_fastapi())


def msgpack_asgi_lists() -> ASGIApp:
    """FastAPI inside msgpack-asgi, arrays as lists of numbers."""
    return _with_msgpack_asgi(_fastapi_lists())


def object_lane() -> ASGIApp:
    """Ours: FastAPI and ``add_binary_mode``."""
    app = _fastapi()
    add_binary_mode(app, max_body_size=LARGEST_BODY)
    return app


def json_lane() -> ASGIApp:
    """Ours: the middleware alone around FastAPI."""
    limits: dict[str, Any] = {"max_body_size": LARGEST_BODY, "max_response_size": LARGEST_BODY}
    return BinaryMiddleware(_fastapi(), **limits)

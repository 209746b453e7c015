"""Options that type checkers accept."""

from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware

from binary_middleware import (
    BinaryMiddleware,
    BinaryOptions,
    ExchangeInfo,
    OptionsDict,
    RouteRule,
    binary_options,
)
from binary_middleware.fastapi import BinaryRoute, add_binary_mode

shared: OptionsDict = {"mode": "require", "max_body_size": "64MiB"}


def note(info: ExchangeInfo) -> None:
    print(info.path)


app = FastAPI()
add_binary_mode(app, max_body_size=2**20, max_json_size=None, rules=[RouteRule("/x", mode="off")])
add_binary_mode(app, **shared)
BinaryMiddleware(app, mode="negotiate", max_structure_size="8 MiB", keep_memory=False)
BinaryMiddleware(app, media_types=["application/msgpack"], on_exchange=note, server_timing=True)
RouteRule("/x", methods=["GET"], arrays="map", max_response_size="1GB")
RouteRule("/x", methods={"GET"}, **shared)
router = APIRouter(route_class=BinaryRoute.configured(mode="require", copy_response=True))
Starlette(middleware=[Middleware(BinaryMiddleware, max_body_size="1MiB")])
app.add_middleware(BinaryMiddleware, max_body_size="1MiB", rules=[RouteRule("/x")])
limit: int = BinaryOptions(max_body_size=1).max_body_size


@binary_options(mode="require", max_body_size="256MiB")
def endpoint(number: int) -> str:
    return str(number)


text: str = endpoint(1)

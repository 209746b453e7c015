"""Options that type checkers refuse, each in a line that says so.

``tests/integration/test_type_checkers.py`` asks them: there must be an error in each of these
lines, and in no other.
"""

from fastapi import FastAPI

from binary_middleware import (
    BinaryMiddleware,
    BinaryOptions,
    OptionsDict,
    RouteRule,
    binary_options,
)
from binary_middleware.fastapi import BinaryRoute, add_binary_mode

app = FastAPI()
add_binary_mode(app, max_bdy_size=1)  # refused: misspelled
add_binary_mode(app, max_body_size=1.5)  # refused: half a byte
add_binary_mode(app, rules=["/x"])  # refused: a path is no rule
BinaryMiddleware(app, mode="sometimes")  # refused: no such mode
BinaryMiddleware(app, max_structure_size=None)  # refused: only max_json_size may be None
BinaryMiddleware(app, routes=[])  # refused: they are rules
BinaryMiddleware(app, on_exchange=print, server_timing="yes")  # refused
RouteRule("/x", mod="off")  # refused: misspelled
RouteRule("/x", ["GET"])  # refused: methods is a keyword
BinaryRoute.configured(arrays="list")  # refused
binary_options(copy_response=1)  # refused
shared: OptionsDict = {"mode": "none"}  # refused
shared["max_size"] = 1  # refused
BinaryOptions(max_bdy_size=1)  # refused

"""Everything that outlives a request holds only small keys, or keys that clients cannot choose."""

from __future__ import annotations

import ast
import gc
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

import binary_middleware
from binary_middleware import BinaryMiddleware, packb
from binary_middleware.arrays import ArraySpec
from tests.asgi_app import Recorder, exchange, http_scope
from tests.hostile.wire import array
from tests.processes import MIB, in_child

PACKAGE = Path(binary_middleware.__file__).parent

# Each place that keeps values between calls, and why clients cannot fill the memory with it. What
# clients can reach has a test below.
BY_CLIENTS = {
    "fields._DESCRIBED": "dtypes, with their sizes: 4 MiB in all",
    "fields._parse_plain": "256 names that a pattern has matched; refusals are not kept",
    "fields._is_builtin": "256 dtypes without fields",
    "fields._layout_without_fields": "256 dtypes without fields",
    "_http.media_types._parse_media_type": "1,024 media types of at most 256 characters",
    "_http.negotiation.Negotiator.__init__.self._plans": "1,024 pairs of headers, 512 bytes each",
    "openapi._middleware.DocumentCompletion.__init__.self._complete": "4 documents of the app",
}
BY_THE_APP = {
    "fields._EXTENSIONS": "dtypes that the app registered",
    "arrays._dtypes._kind_of_extension": "dtypes of other libraries that are installed",
    "_routing.body_observers.BodyObservers._endpoints": "the routes of the app",
    "_routing.body_observers.BodyObservers.unobserved": "the routes of the app",
    "_asgi.malloc.keep_freed_memory": "no arguments",
    "arrays._model._visitor_of_class": "classes of the app",
    "client._core.ClientCore.__init__.self._has_binary_mode": "servers that the caller called",
    "client._result_types._kept_validator": "types that the caller wrote down",
    "fastapi._response._ModelFieldProxy.dump": "the model of a route",
    "fastapi._body_fields._binary_field_class": "FastAPI's own class of fields",
    "fastapi._body_fields.binary_field": "fields of the app's routes",
    "fastapi._request._request_classes": "classes of the app",
    "fastapi._route._derived_class": "route classes of the app",
    "fastapi._route.BinaryRoute._own_middleware": "one middleware for a route",
    "middleware.BinaryMiddleware.__init__.self._options": "sets of options that the app set",
    "options.BinaryOptions.limits": "one value",
    "options.BinaryOptions.negotiator": "one value",
    "options.BinaryOptions.offer": "one value",
    "options.differing_options": "sets of options that the app set",
    "remote._stubs.Connection.__init__.self._clients": "the two clients of a stub, binary and JSON",
    "_routing.resolver.Resolver._routes": "one value",
    "_routing.resolver.Resolver.is_uniform": "one value",
    "_pydantic.serializer.DocumentSerializer._serializer_with_times": "types of the app",
    "starlette._request._cached_validator": "types of the app",
    "_validation.validator.DocumentValidator.__init__.self._built": "types of the app",
    "_validation.validator.DocumentValidator._traits": "types of the app",
    "_validation.fail_fast.limit_keys": "numbers of fields of the app's models",
}
FOR_ONE_CALL = {
    "arrays._model._Sizes.__init__.self.first": "one validation",
    "formats.msgpack._pack._Packer.__init__.self.dumpers": "one document",
    "formats.msgpack._unpack._Reader.address": "one document",
    "_asgi.exchange.Exchange.release.self.scope": "the end of an exchange",
    "_http.negotiation.Choice.parameters": "empty, and not changed",
    "openapi._schemas._Differences.__init__.self._parts": "one completion of a document",
    "openapi._schemas.BinarySchemas.__init__.self._names": "one completion of a document",
    "openapi._schemas.BinarySchemas.__init__.self.added": "one completion of a document",
    "openapi._schemas.BinarySchemas._reference.self.added[name]": "one completion of a document",
    "_validation.budget.ArrayBudget.__init__.self._lists": "one validation",
    "_validation.budget.ArrayBudget.__init__.self._originals": "one validation",
}
LISTED = {**BY_CLIENTS, **BY_THE_APP, **FOR_ONE_CALL}

CACHES = {"lru_cache", "cache", "cached_property", "cached", "alru_cache"}
EMPTY = {"dict", "set", "OrderedDict", "defaultdict", "WeakKeyDictionary", "WeakValueDictionary"}


def name_of(node: ast.expr) -> str:
    """Return the last name in ``functools.lru_cache(maxsize=...)``, and the like."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_empty(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    return isinstance(value, ast.Call) and name_of(value) in EMPTY and not value.args


def caches_in(body: list[Any], where: str, in_function: bool = False) -> Iterator[str]:
    """Memoized functions, and dicts and sets that begin empty in a module or in an object."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if any(name_of(decorator) in CACHES for decorator in node.decorator_list):
                yield f"{where}.{node.name}"
            is_function = not isinstance(node, ast.ClassDef)
            yield from caches_in(node.body, f"{where}.{node.name}", is_function)
            continue
        if isinstance(node, (ast.If, ast.Try, ast.With, ast.For)):
            yield from caches_in(node.body, where, in_function)
            yield from caches_in(getattr(node, "orelse", []), where, in_function)
            continue
        for call in ast.walk(node):  # lru_cache(...)(function)
            outer = call.func if isinstance(call, ast.Call) else None
            if isinstance(outer, ast.Call) and name_of(outer) in CACHES:
                yield f"{where}.{ast.unparse(call.args[0])}"
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and is_empty(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in map(ast.unparse, targets):
                if not in_function or target.startswith("self."):
                    yield f"{where}.{target}"


def found() -> set[str]:
    names = set()
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        names.update(caches_in(ast.parse(path.read_text()).body, module))
    return names


def test_every_cache_is_listed_with_its_reason() -> None:
    assert found() == set(LISTED)


def test_a_new_cache_is_found() -> None:
    source = """
@functools.lru_cache(maxsize=3)
def f(): ...
kept = lru_cache(8)(g)
table: dict[str, int] = {}
class C:
    names = set()
    @cached_property
    def p(self): ...
    def __init__(self):
        self.seen = {}
        local = {}
        if True:
            self.made: dict = OrderedDict()
"""
    assert sorted(caches_in(ast.parse(source).body, "m")) == [
        *("m.C.__init__.self.made", "m.C.__init__.self.seen", "m.C.names", "m.C.p"),
        *("m.f", "m.g", "m.table"),
    ]


typed: Any = TypeAdapter(Annotated[NDArray[np.float32], ArraySpec(casting="same_kind")])
anything: Any = TypeAdapter(Annotated[NDArray[Any], ArraySpec(copy=True)])


class Echo:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope["binary_middleware"]
        if exchange.claim_request():
            await exchange.read(receive)
            for adapter in (typed, anything):
                try:
                    adapter.validate_python(exchange.value())
                except ValidationError as exc:
                    exc.errors()
            packb(exchange.value())
        await Recorder(b"{}", reads=False)(scope, receive, send)


def a_map(field: list[Any]) -> bytes:
    return packb({"shape": [1], "dtype": [field], "data": b"a"})


Request = tuple[bytes] | tuple[bytes, str, str]  # a body, its media type, those accepted

FILLS: dict[str, tuple[Callable[[int], Request], int, int, float]] = {
    # What is sent, how often, the status, and MiB that may be kept.
    "a field name of 2 MiB": (lambda i: (a_map([f"{i}" + "x" * 2**21, "|u1"]),), 12, 200, 1),
    "a title of 2 MiB": (lambda i: (a_map([["x" * 2**21, f"{i}"], "|u1"]),), 12, 200, 1),
    "many long names": (
        lambda i: (
            array([[f"{i}.{j}" + "\U0001f600" * 1000, "<U1"] for j in range(60)], [1], bytes(240)),
        ),
        *(60, 200, 6),
    ),
    "many fields": (
        lambda i: (array([[f"{i}.{j}", "<U1"] for j in range(1000)], [1], bytes(4000)),),
        *(20, 200, 4),
    ),
    "many gaps": (
        lambda i: (
            array(
                [item for j in range(500) for item in ([f"{i}.{j}", "|u1"], ["", "|V1"])],
                [1],
                bytes(1000),
            ),
        ),
        *(20, 200, 2),
    ),
    "plain dtypes": (lambda i: (array(f"|S{i + 1}", [0]),), 2000, 200, 2),
    "a dtype name of 2 MiB": (lambda i: (array(f"{i}" + "x" * 2**21, [0]),), 24, 400, 1),
    "media types": (
        lambda i: (
            b"\xc0",
            f"application/msgpack;a={i}" + "x" * 8000,
            "x/y;a=" + "z" * 200 + f"{i}",
        ),
        *(1500, 200, 4),
    ),
}


async def fill(app: ASGIApp, requests: Iterable[Request]) -> set[int]:
    statuses = set()
    for body, *types in requests:
        content_type, accept = types or ("application/msgpack", "*/*")
        headers = {"content-type": content_type, "accept": accept}
        statuses.add((await exchange(app, http_scope(headers=headers), [body])).status)
    return statuses


def measure(name: str) -> tuple[set[int], float]:
    """Return the statuses, and the MiB that are kept."""
    make, count, *_ = FILLS[name]

    async def run() -> tuple[set[int], float]:
        app = BinaryMiddleware(Echo())
        await fill(app, map(make, range(3)))
        gc.collect()
        tracemalloc.start()
        statuses = await fill(app, map(make, range(count)))
        gc.collect()
        return statuses, tracemalloc.get_traced_memory()[0] / MIB

    return anyio.run(run)


@pytest.mark.parametrize("name", FILLS)
def test_clients_cannot_fill_the_memory_with_what_is_kept(name: str) -> None:
    _, _, status, most = FILLS[name]
    statuses, kept = in_child(measure, name)
    assert statuses == {status}
    assert kept < most, f"{kept} MiB"

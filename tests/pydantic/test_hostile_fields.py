"""Small documents that used to become large ones while they were validated.

Each goes through an enabled app in a process of its own, which compares its peak memory and its
processor time with that of an empty document.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, create_model

from binary_middleware import packb
from binary_middleware.arrays import ArraySpec
from binary_middleware.fastapi import add_binary_mode
from tests.asgi.test_hostile_input import MIB, list_of, measured


class Tagged(BaseModel):
    name: str
    tags: list[str]


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Numbers(BaseModel):
    values: list[int]


class Squares(BaseModel):
    array: Annotated[NDArray[np.float32], ArraySpec(2, 2, accept_lists=True)]


Wide = create_model("Wide", **{f"field_{number}": (int, ...) for number in range(100)})
MODELS: dict[str, Any] = {
    "tagged": Tagged,
    "forbidding": Forbidding,
    "numbers": Numbers,
    "squares": Squares,
    "wide": Wide,
    "rows": list[Wide],
}


def app() -> FastAPI:
    made = FastAPI()
    for name, kind in MODELS.items():

        async def endpoint(document: Any) -> dict[str, int]:
            return {}

        endpoint.__annotations__["document"] = kind
        made.post(f"/{name}")(endpoint)
    add_binary_mode(made)
    return made


def _keys(count: int) -> bytes:
    return b"\xdf" + count.to_bytes(4) + b"".join(b"\xa6%06x\x01" % key for key in range(count))


STRUCTURE = 8 * MIB - 64
DOCUMENTS: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "bytes for tags": ("tagged", lambda: packb({"name": "x", "tags": np.zeros(MIB, "u1")}), 422),
    "8 MiB for tags": (
        "tagged",
        lambda: packb({"name": "x", "tags": np.zeros(8 * MIB, "u1")}),
        422,
    ),
    "60 MiB for tags": (
        "tagged",
        lambda: packb({"name": "x", "tags": np.zeros(60 * MIB, "u1")}),
        422,
    ),
    "integers for tags": (
        "tagged",
        lambda: b"\x82\xa4name\xa1x\xa4tags" + list_of(STRUCTURE, b"\x01"),
        422,
    ),
    "a column for a list": (
        "numbers",
        lambda: packb({"values": np.zeros((700_000, 1), "u1")}),
        422,
    ),
    "rows without elements": (
        "numbers",
        lambda: packb({"values": np.zeros((2**40, 0), "u1")}),
        422,
    ),
    "as many as there may be": (
        "numbers",
        lambda: packb({"values": np.zeros(7 * MIB, "u1")}),
        200,
    ),
    "unknown keys": ("forbidding", lambda: _keys(10**6), 422),
    "a map without any field": ("wide", lambda: _keys(10**6), 422),
    "empty maps": ("rows", lambda: list_of(60_000, b"\x80"), 422),
    "lists of arrays": (
        "squares",
        lambda: packb({"array": [np.zeros(3 * MIB), np.zeros(3 * MIB)]}),
        422,
    ),
    "lists of small arrays": (
        "squares",
        lambda: packb({"array": [np.zeros(4000, "u1")] * 15_000}),
        422,
    ),
    "lists of numbers": (
        "squares",
        lambda: b"\x81\xa5array" + list_of(STRUCTURE, b"\x01"),
        422,
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_stay_small_while_they_are_validated(name: str) -> None:
    path, _, status = DOCUMENTS[name]
    found = measured(f"""
import time
from tests.pydantic.test_hostile_fields import DOCUMENTS, app
body = DOCUMENTS[{name!r}][1]()
served = app()
async def post(body):
    headers = {{"content-type": "application/msgpack", "content-length": str(len(body))}}
    chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)]
    return await exchange(served, http_scope(path="/{path}", headers=headers), chunks)
async def main():
    await post(b"\\xc0")
    before, began = peak(), time.process_time()
    answer = await post(body)
    spent = time.process_time() - began
    print(json.dumps([answer.status, len(answer.body), spent, peak() - before, len(body)]))
anyio.run(main)
""")
    found_status, answered, spent, grown, size = found  # type: ignore[misc]
    assert found_status == status
    assert answered < 16 * 1024
    assert spent < 2
    # The chunks and the buffer of the body, and what its structure becomes.
    assert grown < 200 + 2.1 * size / MIB

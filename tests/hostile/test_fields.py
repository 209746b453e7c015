"""Whatever msgpack can express, for whatever field: 2xx or 4xx, never a server error."""

from __future__ import annotations

import json
from typing import Any

import anyio
import msgpack
import pytest
from pydantic import TypeAdapter

from tests.asgi_app import exchange, http_scope
from tests.hostile.kinds import KINDS
from tests.hostile.lanes import make_lanes, make_observed_lane
from tests.hostile.values import PLAIN, VALUES

LANES: dict[str, tuple[str, str, int]] = {
    # The form of the body, the format of the response; one of how many pairs is tried.
    "direct": ("bare", "msgpack", 2),
    "direct, in JSON": ("model", "json", 5),
    "handled": ("model", "msgpack", 5),
    "handled, in JSON": ("bare", "json", 5),
    "json": ("model", "msgpack", 5),
    "read": ("bare", "msgpack", 5),
    "observed": ("model", "msgpack", 20),
}


ECHOED = tuple(kind for kind in KINDS if kind != "iterable")
"""Without the one that pydantic validates only when somebody iterates over it."""


@pytest.fixture(scope="module")
def lanes() -> dict[str, Any]:
    return {**make_lanes(), "observed": make_observed_lane()}


@pytest.mark.filterwarnings("ignore")  # of conversions
@pytest.mark.parametrize("name", LANES)
def test_no_value_is_a_server_error(
    name: str, lanes: dict[str, Any], pytestconfig: pytest.Config
) -> None:
    form, accept, step = LANES[name]
    if pytestconfig.getoption("every_path"):
        step = 1
    app = lanes[name.partition(",")[0]]
    headers = {"content-type": "application/msgpack", "accept": f"application/{accept}"}
    # 406 for bytes and arrays in fields that do not say how JSON represents them.
    allowed = (200, 400, 413, 422) if accept == "msgpack" else (200, 400, 406, 413, 422)
    # FastAPI itself repeats the input in each error.
    max_size = (1024 if name == "json" else 256) * 1024
    failed: list[str] = []
    statuses: set[int] = set()

    async def send_all() -> None:
        for row, kind in enumerate(ECHOED):
            for column, (sent, value) in enumerate(VALUES.items()):
                if (row + column) % step:
                    continue
                body = value if form == "bare" else b"\x81\xa5value" + value
                scope = http_scope(path=f"/{form}/{kind}", headers=headers)
                try:
                    response = await exchange(app, scope, body)
                    # Integers beyond 64 bits are sent as JSON in any case.
                    is_json = "json" in response.headers["content-type"]
                    document = (json.loads if is_json else msgpack.unpackb)(response.body)
                except Exception as exc:
                    failed.append(f"{kind} <- {sent}: {type(exc).__name__}: {exc}")
                    continue
                statuses.add(response.status)
                if response.status not in allowed or len(response.body) > max_size:
                    failed.append(f"{kind} <- {sent}: {response.status}, {len(response.body)}")
                elif response.status != 200 and not {"detail", "status"} & document.keys():
                    failed.append(f"{kind} <- {sent}: {document}")

    anyio.run(send_all)
    assert not failed, "\n".join([f"{len(failed)} failures", *failed[:40]])
    assert statuses >= {200, 400, 422}


@pytest.mark.filterwarnings("ignore")
def test_most_kinds_of_fields_accept_something() -> None:
    """Or the above would not test much."""
    accepted = set()
    for kind, type_ in KINDS.items():
        adapter = TypeAdapter(type_)
        for value in PLAIN.values():
            try:
                adapter.validate_python(msgpack.unpackb(value))
            except ValueError:
                continue
            accepted.add(kind)
            break
    assert len(accepted) > len(KINDS) * 2 // 3, set(KINDS) - accepted

"""Requests that schemathesis makes of the example app's OpenAPI document, in JSON and in msgpack.

Each is sent as JSON first, and its response is checked against the document. The same document
as msgpack then has to come to the same status.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import httpx2
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    status_code_conformance,
)
from schemathesis.core import NOT_SET
from starlette.testclient import TestClient

from binary_middleware import EncodeError, packb, unpackb
from binary_middleware.formats.json import from_json
from example_app.app import app

DOCUMENT = app.openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
VALID, INVALID = GenerationMode.POSITIVE, GenerationMode.NEGATIVE

# The status that most of the requests come to: a valid one needs a photograph or a sound besides.
OPERATIONS = [
    ("GET", "/health", VALID, 200),
    ("POST", "/digits/classify", VALID, 200),
    ("POST", "/digits/classify", INVALID, 422),
    ("POST", "/images/edges", VALID, 422),
    ("POST", "/images/edges", INVALID, 422),
    ("POST", "/spectrogram", VALID, 422),
    ("POST", "/spectrogram", INVALID, 422),
]


def with_fitting_data(value: Any) -> Any:
    """``value`` with as much data in each map of an array as its shape and dtype need.

    A schema cannot say how much that is, so hardly any map that is made would be an array.
    """
    if not isinstance(value, dict):
        return value
    if value.keys() != {"shape", "dtype", "data_b64"}:
        return {key: with_fitting_data(item) for key, item in value.items()}
    try:
        array = np.ones([int(size) for size in value["shape"]], value["dtype"])
    except (TypeError, ValueError, MemoryError, OverflowError):
        return value
    data = base64.b64encode(array.tobytes()).decode()
    return {**value, "shape": list(array.shape), "data_b64": data}


def send(client: TestClient, case: Case, kind: str, content: bytes | None) -> httpx2.Response:
    headers = {"accept": f"application/{kind}"}
    if content is not None:
        headers["content-type"] = f"application/{kind}"
    return client.request(case.method, case.formatted_path, content=content, headers=headers)


def check_json(case: Case, response: httpx2.Response) -> None:
    checks = [not_a_server_error, status_code_conformance]
    # FastAPI documents the 422 of its own, but not an HTTPException of that status, nor a 400.
    if response.status_code == 200:
        checks.append(content_type_conformance)
        # Not schemathesis' own check: version 4.32 cannot read prefixItems in a response's schema.
        path = case.path.replace("/", "~1")
        place = f"#/paths/{path}/{case.method.lower()}/responses/200/content/application~1json"
        Draft202012Validator({**DOCUMENT, "$ref": f"{place}/schema"}).validate(response.json())
    for check in checks:
        case.validate_response(response, checks=[check])


def test_all_operations_are_called() -> None:
    found = {(op.ok().method.upper(), op.ok().path) for op in SCHEMA.get_all_operations()}
    assert found == {(method, path) for method, path, *_ in OPERATIONS}


@pytest.mark.parametrize(("method", "path", "mode", "usual"), OPERATIONS)
def test_msgpack_comes_to_the_status_of_json(
    method: str, path: str, mode: GenerationMode, usual: int
) -> None:
    statuses: Counter[int] = Counter()
    arrays = 0

    def exchange(case: Case) -> None:
        nonlocal arrays
        if isinstance(case.body, bytes):  # made to be no JSON at all
            check_json(case, send(client, case, "json", case.body))
            response = send(client, case, "msgpack", case.body)
            assert response.status_code in (400, 413, 422)
            assert set(unpackb(response.content)) >= {"detail"}
            return
        text = None
        if case.body is not NOT_SET:
            text = json.dumps(with_fitting_data(case.body)).encode()
        plain = send(client, case, "json", text)
        check_json(case, plain)
        try:
            packed = None if text is None else packb(from_json(text))
        except EncodeError:  # an integer beyond 64 bits
            return
        response = send(client, case, "msgpack", packed)
        assert response.status_code == plain.status_code
        assert response.headers["content-type"] == "application/msgpack"
        assert unpackb(response.content).keys() == plain.json().keys()
        statuses[response.status_code] += 1
        arrays += b"\xc4\x02nd" in (packed or b"")

    case = SCHEMA[path][method].as_strategy(generation_mode=mode)
    bounded = settings(
        max_examples=20,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        bounded(given(case=case)(exchange))()
    assert statuses[usual] >= (1 if path == "/health" else 5), statuses
    assert arrays >= 3 or (path, mode) != ("/digits/classify", VALID)

"""The maps of Chains, read always, written in its dialect; ``truss`` is not needed."""

from __future__ import annotations

import datetime
import decimal
import ipaddress
import time
import uuid
from typing import Annotated, Any

import msgpack
import numpy as np
import pytest
from fastapi import Body, FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from binary_middleware import (
    BinaryMiddleware,
    BinaryOptions,
    DecodeError,
    LimitExceeded,
    NumpyArrayField,
    binary_options,
    packb,
    unpackb,
)
from binary_middleware._validation.errors import summarize_errors, summarize_input
from binary_middleware.fastapi import add_binary_mode
from binary_middleware.formats.msgpack._chains import MAX_TEXT_LENGTH

UTC = datetime.UTC
DELHI = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
ID = "9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"

VALUES = [
    (
        datetime.datetime(2026, 1, 31, 12, tzinfo=UTC),
        b"__dt_datetime_iso__",
        "2026-01-31T12:00:00Z",
    ),
    (
        datetime.datetime(2026, 1, 31, 12, 0, 0, 1, DELHI),
        b"__dt_datetime_iso__",
        "2026-01-31T12:00:00.000001+05:30",
    ),
    (datetime.datetime(2026, 1, 31, 12), b"__dt_datetime_iso__", "2026-01-31T12:00:00"),
    (datetime.date(2026, 1, 31), b"__dt_date_iso__", "2026-01-31"),
    (datetime.time(12, 30, 0, 5), b"__dt_time_iso__", "12:30:00.000005"),
    (datetime.time(12, 30, tzinfo=DELHI), b"__dt_time_iso__", "12:30:00+05:30"),
    (datetime.timedelta(-1, 5, 7), b"__dt_timedelta__", [-1, 5, 7]),
    (datetime.timedelta.max, b"__dt_timedelta__", [999_999_999, 86_399, 999_999]),
    (decimal.Decimal("1.50"), b"__decimal__", "1.50"),
    (decimal.Decimal("-Infinity"), b"__decimal__", "-Infinity"),
    (uuid.UUID(ID), b"__uuid__", ID),
]
CASES = [
    pytest.param(value, {marker: True, b"data": data}, id=str(data))
    for value, marker, data in VALUES
]
MSGPACK = {"Content-Type": "application/msgpack"}


@pytest.mark.parametrize(("value", "map_"), CASES)
def test_values_are_written_as_maps(value: Any, map_: dict[bytes, Any]) -> None:
    assert packb(value, dialect="chains") == msgpack.packb(map_)
    nested = packb({"a": [value], "x": np.arange(3), "big": bytes(20_000)}, dialect="chains")
    assert msgpack.unpackb(nested, strict_map_key=False)["a"] == [map_]


@pytest.mark.parametrize(("value", "map_"), CASES)
def test_maps_are_read(value: Any, map_: dict[bytes, Any]) -> None:
    found = unpackb(msgpack.packb({"a": [map_], "b": map_}))
    assert found == {"a": [value], "b": value}
    assert type(found["b"]) is type(value)
    assert getattr(found["b"], "tzinfo", None) == getattr(value, "tzinfo", None)
    # However large what is around them.
    around = {"large": bytes(5_000), "deep": [{"a": map_, "large": bytes(5_000)}]}
    assert unpackb(msgpack.packb(around))["deep"][0]["a"] == value


@pytest.mark.parametrize(("value", "map_"), CASES)
def test_plain_is_the_default(value: Any, map_: dict[bytes, Any]) -> None:
    assert type(unpackb(packb(value))) is str
    assert packb(value) == packb(value, dialect="plain")


def test_other_values_are_the_same_in_both_dialects() -> None:
    document = {
        "array": np.arange(3),
        "complex": 1j,
        "bytes": b"\xff",
        "set": {1},
        "number": np.float32(0.5),
        "address": ipaddress.ip_address("::1"),
        "nested": [{"x": None, "y": [True]}],
    }
    assert packb(document, dialect="chains") == packb(document)


def test_keys_are_text_in_both_dialects() -> None:
    day = datetime.date(2026, 1, 31)
    assert unpackb(packb({day: 1, uuid.UUID(ID): 2}, dialect="chains")) == {"2026-01-31": 1, ID: 2}


@pytest.mark.parametrize(
    "map_",
    [
        {b"__decimal__": True},
        {b"__decimal__": False, b"data": "1"},
        {b"__decimal__": 1, b"data": "1"},
        {b"__decimal__": True, b"data": "1", b"more": 1},
        {b"__decimal__": True, b"__uuid__": True, b"data": ID},
        {b"__decimal__": True, "data": "1"},
        {b"__decimal__": True, b"data": 1},
        {b"__decimal__": True, b"data": b"1"},
        {b"__decimal__": True, b"data": "one"},
        {b"__decimal__": True, b"data": "1" * (MAX_TEXT_LENGTH + 1)},
        {b"__decimal__": True, b"data": "1" * 100_000},
        {b"__decimal__": True, b"data": {}},
        {b"__uuid__": True, b"data": "no uuid"},
        {b"__dt_datetime_iso__": True, b"data": "2026-13-31T12:00:00"},
        {b"__dt_date_iso__": True, b"data": "10000-01-01"},
        {b"__dt_time_iso__": True, b"data": "24:60"},
        {b"__dt_timedelta__": True, b"data": [1, 2]},
        {b"__dt_timedelta__": True, b"data": [1, 2, 3.0]},
        {b"__dt_timedelta__": True, b"data": [1, True, 3]},
        {b"__dt_timedelta__": True, b"data": [1 << 62, 0, 0]},
        {b"__dt_timedelta__": True, b"data": "P1D"},
        {b"__unknown__": True, b"data": "1"},
    ],
    ids=str,
)
def test_other_maps_are_refused(map_: dict[Any, Any]) -> None:
    with pytest.raises(DecodeError) as refusal:
        unpackb(msgpack.packb({"a": [map_]}))
    assert len(str(refusal.value)) < 150


@pytest.mark.parametrize("data", ["1E+4299", "-1E-4299", "9" * MAX_TEXT_LENGTH, "NaN", "0E+4299"])
def test_decimals_are_read_up_to_the_digits_that_an_integer_may_have(data: str) -> None:
    value = unpackb(msgpack.packb({b"__decimal__": True, b"data": data}))
    assert str(value) == str(decimal.Decimal(data))
    if value.is_finite():
        assert len(str(int(value))) <= 4300 or value < 1


@pytest.mark.parametrize(
    ("marker", "data", "message"),
    [
        (b"__decimal__", "1E+1000000", "more than 4300 digits or places"),
        (b"__decimal__", "1E+4300", "more than 4300 digits or places"),
        (b"__decimal__", "-1E-4300", "more than 4300 digits or places"),
        (b"__decimal__", "0E+1000000", "more than 4300 digits or places"),
        (b"__decimal__", "1" * 1000 + "E+3301", "more than 4300 digits or places"),
        (b"__decimal__", "sNaN", "signaling NaN"),  # comparing or hashing one raises
        (b"__dt_datetime_iso__", "2026-01-31T12:00:00+23:59:59.999999", "number of minutes"),
        (b"__dt_datetime_iso__", "1880-01-31T12:00:00+00:53:28", "number of minutes"),
        (b"__dt_time_iso__", "12:00:00-00:00:01", "number of minutes"),
    ],
)
def test_what_others_would_change_or_choke_on_is_refused(
    marker: bytes, data: str, message: str
) -> None:
    with pytest.raises(DecodeError, match=message):
        unpackb(msgpack.packb({"a": [{marker: True, b"data": data}]}))


@pytest.mark.parametrize("seconds", [3208, 86_399.999999, -30])
@pytest.mark.parametrize("dialect", ["plain", "chains"])
def test_offsets_with_seconds_are_written_as_they_are(seconds: float, dialect: Any) -> None:
    zone = datetime.timezone(datetime.timedelta(seconds=seconds))
    value = datetime.datetime(1880, 1, 31, 12, tzinfo=zone)
    for each in (value, value.timetz()):
        written = msgpack.unpackb(packb(each, dialect=dialect))
        text = written if dialect == "plain" else written[b"data"]
        assert type(each).fromisoformat(text) == each
        assert type(each).fromisoformat(text).utcoffset() == zone.utcoffset(None)


class Amounts(BaseModel):
    count: int
    price: decimal.Decimal


@pytest.mark.parametrize("data", ["1E+1000000", "1E+10000000", "1E+4299", "1.5E-4299", "NaN"])
@pytest.mark.parametrize("lane", ["object", "JSON"])
def test_a_decimal_costs_no_more_than_its_text(data: str, lane: str) -> None:
    """Not as an integer, nor in an error report, nor in a body of no model."""
    app = FastAPI()

    @app.post("/amounts")
    def amounts(amounts: Amounts) -> Amounts:
        return amounts

    @app.post("/any")
    def anything(document: Annotated[Any, Body()]) -> Any:
        return document

    served: Any = app
    if lane == "JSON":
        served = BinaryMiddleware(app)
    else:
        add_binary_mode(app)
    client = TestClient(served)
    map_ = {b"__decimal__": True, b"data": data}
    began = time.process_time()
    for path, body in [
        ("/amounts", {"count": map_, "price": map_}),
        ("/amounts", {"count": 1, "price": map_, "more": map_}),
        ("/amounts", map_),
        ("/any", map_),
    ]:
        response = client.post(path, content=msgpack.packb(body), headers=MSGPACK)
        assert response.status_code in (200, 400, 422), response.content
    assert time.process_time() - began < 2


@pytest.mark.parametrize("value", ["1E+1000000", "1E-1000000", "-1E+999999999"])
def test_error_reports_describe_decimals_without_converting_them(value: str) -> None:
    number = decimal.Decimal(value)
    assert summarize_input(number, jsonable_encoder) == "<Decimal>"
    assert summarize_input({"a": [number]}, jsonable_encoder) == {"a": ["<Decimal>"]}
    (error,) = summarize_errors([{"input": 1, "ctx": {"le": number}}], jsonable_encoder)
    assert error == {"input": 1, "ctx": {"le": "<Decimal>"}}
    assert summarize_input(decimal.Decimal("1.50"), jsonable_encoder) == decimal.Decimal("1.50")


def test_maps_count_among_what_python_code_makes() -> None:
    document = msgpack.packb([{b"__decimal__": True, b"data": "1"}] * 100)
    assert len(unpackb(document, max_structure_size=100 * 64)) == 100
    with pytest.raises(LimitExceeded):
        unpackb(document, max_structure_size=99 * 64)


@pytest.mark.parametrize("dialect", ["json", "", None])
def test_unknown_dialects_are_refused(dialect: Any) -> None:
    with pytest.raises(ValueError, match="dialect must be"):
        packb(1, dialect=dialect)
    with pytest.raises(ValueError, match=r"dialect must be|is not the name of"):
        BinaryOptions(media_types=(f"application/msgpack; dialect={dialect}",))


# Over the wire.


class Event(BaseModel):
    at: datetime.datetime
    took: datetime.timedelta
    price: decimal.Decimal
    samples: NumpyArrayField


EVENT = Event(
    at=datetime.datetime(2026, 1, 31, 12, tzinfo=UTC),
    took=datetime.timedelta(seconds=1),
    price=decimal.Decimal("1.50"),
    samples=np.arange(3),
)


def test_fastapi_writes_the_dialect_of_the_endpoint() -> None:
    app = FastAPI()
    add_binary_mode(app)

    @app.post("/chains")
    @binary_options(media_types=("application/msgpack; dialect=chains",))
    async def chains(event: Event) -> Event:
        assert event == EVENT
        return event

    @app.post("/plain")
    async def plain(event: Event) -> Event:
        return event

    client = TestClient(app)
    body = packb(EVENT, dialect="chains")
    assert client.post("/chains", content=body, headers=MSGPACK).content == body
    assert client.post("/plain", content=body, headers=MSGPACK).content == packb(EVENT)
    # JSON clients are unaffected.
    json_type = {"Content-Type": "application/json"}
    response = client.post("/chains", content=EVENT.model_dump_json(), headers=json_type)
    assert response.json()["took"] == "PT1S"


def test_an_app_that_speaks_json_gets_text() -> None:
    async def echo(request: Any) -> JSONResponse:
        return JSONResponse(await request.json())

    app = Starlette(routes=[Route("/", echo, methods=["POST"])])
    app = BinaryMiddleware(app, media_types=("application/msgpack; dialect=chains",))
    response = TestClient(app).post("/", content=packb(EVENT, dialect="chains"), headers=MSGPACK)
    value = unpackb(response.content)
    assert value.pop("samples").tolist() == [0, 1, 2]
    assert value == {"at": "2026-01-31T12:00:00Z", "took": "PT1S", "price": "1.50"}

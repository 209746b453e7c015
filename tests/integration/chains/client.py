"""Calls a server with Chains' own stub, and prints what came back as JSON.

``python client.py URL MODE``, where MODE is ``binary_options`` or ``json``.
"""

import asyncio
import datetime
import decimal
import json
import sys
import uuid

import numpy as np
import truss_chains
from models import Measurement, RunRemoteInput, RunRemoteOutput

URL, MODE = sys.argv[1:]


class Remote(truss_chains.StubBase):
    """A stub has nothing to add to what Chains gives it."""


def stub(path):
    options = truss_chains.RPCOptions(use_binary=MODE == "binary")
    return Remote.from_url(URL + path, "no key", options=options)


def measurement():
    return Measurement(
        name="first",
        samples=np.arange(6, dtype="float32").reshape(2, 3),
        raw=bytes(range(256)),
        taken=datetime.datetime(2026, 1, 31, 12, 0, 0, 1, datetime.UTC),
        local=datetime.datetime(2026, 1, 31, 12),
        day=datetime.date(2026, 1, 31),
        at=datetime.time(12, 30, 0, 5),
        took=datetime.timedelta(days=-1, seconds=5, microseconds=7),
        price=decimal.Decimal("1.50"),
        id=uuid.UUID("9d0c0de4-5cbb-4a5c-8f3f-6f5e1a2b3c4d"),
    )


def shown(value):
    """Return a value, and of what type it is."""
    if isinstance(value, np.ndarray):
        return ["ndarray", str(value.dtype), value.tolist()]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    return [type(value).__name__, str(value)]


def shown_fields(fields):
    return {name: shown(getattr(value, "array", value)) for name, value in fields.items()}


def failure(call, *args):
    try:
        call(*args)
    except Exception as exc:
        return [type(exc).__name__, str(exc)]


def main():
    sent = measurement()
    synchronous = stub("/measure").predict_sync(sent, output_model=Measurement)
    asynchronous = asyncio.run(stub("/measure").predict_async(sent, output_model=Measurement))
    arguments = RunRemoteInput(measurement=sent, times=3)
    returned, times = stub("/run_remote").predict_sync(arguments, RunRemoteOutput).root
    print(
        json.dumps(
            {
                "synchronous": shown_fields(dict(synchronous)),
                "asynchronous": shown_fields(dict(asynchronous)),
                "raw": shown_fields(stub("/measure").predict_sync(sent)),
                "is_writeable": synchronous.samples.array.flags.writeable,
                "returned": [shown_fields(dict(returned)), times],
                "failure": failure(stub("/measure").predict_sync, {"name": "no more than that"}),
            }
        )
    )


main()

"""The documents that travel, and how each variant's client writes and reads them."""

from __future__ import annotations

import binascii
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgpack
import msgpack_numpy
import numpy as np

Document = dict[str, Any]

KIB: Final = 1024
MIB: Final = 1024 * KIB

LARGEST_BODY: Final = 256 * MIB
"""Limit of every variant that has one, in bytes: above the largest body that is measured."""


def array_document(nbytes: int) -> Document:
    """Return a name, five small parameters, and a float32 array.

    Args:
        nbytes: size of the array in bytes, a multiple of 4.
    """
    samples = np.random.default_rng(nbytes).standard_normal(nbytes // 4, dtype=np.float32)
    return {
        "name": "sensor 7, north wall",
        "rate": 44_100.0,
        "gain": -3.5,
        "channel": 2,
        "window": "hann",
        "calibrated": True,
        "samples": samples,
    }


def small_document() -> Document:
    """Twenty fields of plain values, about 1 KiB as JSON."""
    return {
        "id": "7d1f0f9e-5a55-4f0c-9d0c-5b1f6f1c2a10",
        "name": "Spectrometer run, second series of the day",
        "operator": "J. Doe",
        "station": "north-wall-07",
        "created": "2024-05-17T09:41:27.125000Z",
        "finished": "2024-05-17T09:58:03.750000Z",
        "attempt": 3,
        "samples": 1_048_576,
        "dropped": 12,
        "rate": 44_100.0,
        "gain": -3.5,
        "temperature": 21.375,
        "humidity": 0.4825,
        "calibrated": True,
        "archived": False,
        "comment": (
            "Lamp replaced before the run; the first thirty seconds are to be discarded. "
            "Baseline taken with the shutter closed, see the protocol of the morning series. "
            "Drift of the second grating is within its tolerance, so nothing was corrected; "
            "the humidity sensor was exchanged afterwards and reads two per cent less. "
            "Files are named by the start of a run, in UTC, and are kept for ten years."
        ),
        "tags": ["raw", "series-2", "lamp-b", "shutter-open", "reviewed", "north", "2024"],
        "weights": [0.1175, 0.2316, 0.4981, 0.9973, 1.9825, 3.9604, 7.9117, 15.8206],
        "limits": {"low": -12.5, "high": 87.25, "alarm": 95.0},
        "previous": None,
    }


def same(one: Any, other: Any) -> bool:
    """Whether two documents are equal: keys, types of arrays, and every element."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return (
            isinstance(one, np.ndarray)
            and isinstance(other, np.ndarray)
            and one.dtype == other.dtype
            and np.array_equal(one, other)
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


# -- encodings -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Encoding:
    """How a client writes a document and reads it back.

    Attributes:
        content_type: of its requests; it asks for the same in ``Accept``.
        dumps: a document as a request's body.
        loads: a response's body as a document.
    """

    content_type: str
    dumps: Callable[[Document], bytes]
    loads: Callable[[bytes], Document]


def _with_array(document: Document, change: Callable[[Any], Any]) -> Document:
    """Return the document with its array, if it has one, in another form."""
    samples = document.get("samples")
    if not isinstance(samples, (np.ndarray, list, dict)):
        return document
    return {**document, "samples": change(samples)}


def _list_to_array(items: list[float]) -> np.ndarray[Any, Any]:
    return np.array(items, np.float32)


def _array_to_base64(array: np.ndarray[Any, Any]) -> Document:
    text = binascii.b2a_base64(array.data, newline=False).decode("ascii")
    return {"shape": list(array.shape), "dtype": str(array.dtype), "data_b64": text}


def _base64_to_array(fields: Document) -> np.ndarray[Any, Any]:
    data = binascii.a2b_base64(fields["data_b64"])
    return np.frombuffer(data, fields["dtype"]).reshape(fields["shape"])


def _array_to_map(array: np.ndarray[Any, Any]) -> Document:
    return {"shape": list(array.shape), "dtype": str(array.dtype), "data": array.tobytes()}


def _map_to_array(fields: Document) -> np.ndarray[Any, Any]:
    return np.frombuffer(fields["data"], fields["dtype"]).reshape(fields["shape"])


def _json(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _framed(document: Document) -> bytes:
    """Return the plain fields behind their length, then the bytes of the array, copied once.

    That is what protobuf does with a ``bytes`` field, without its compiler.
    """
    plain = {key: value for key, value in document.items() if not isinstance(value, np.ndarray)}
    head = msgpack.packb(plain)
    array = document.get("samples")
    data = array.data if isinstance(array, np.ndarray) else b""
    return b"".join((struct.pack("<I", len(head)), head, data))


def _unframed(message: bytes) -> Document:
    (length,) = struct.unpack_from("<I", message)
    document: Document = msgpack.unpackb(message[4 : 4 + length])
    if len(message) > 4 + length:
        document["samples"] = np.frombuffer(message[4 + length :], np.float32)
    return document


ENCODINGS: Final[dict[str, Encoding]] = {
    "msgpack-numpy": Encoding(
        "application/msgpack",
        lambda document: msgpack.packb(document, default=msgpack_numpy.encode),
        lambda body: msgpack.unpackb(body, object_hook=msgpack_numpy.decode),
    ),
    "json-base64": Encoding(
        "application/json",
        lambda document: _json(_with_array(document, _array_to_base64)),
        lambda body: _with_array(json.loads(body), _base64_to_array),
    ),
    "json-lists": Encoding(
        "application/json",
        lambda document: _json(_with_array(document, lambda array: array.tolist())),
        lambda body: _with_array(json.loads(body), _list_to_array),
    ),
    "msgpack-base64": Encoding(
        "application/vnd.msgpack",
        lambda document: msgpack.packb(_with_array(document, _array_to_base64)),
        lambda body: _with_array(msgpack.unpackb(body), _base64_to_array),
    ),
    "msgpack-lists": Encoding(
        "application/vnd.msgpack",
        lambda document: msgpack.packb(_with_array(document, lambda array: array.tolist())),
        lambda body: _with_array(msgpack.unpackb(body), _list_to_array),
    ),
    "msgpack-map": Encoding(
        "application/vnd.msgpack",
        lambda document: msgpack.packb(_with_array(document, _array_to_map)),
        lambda body: _with_array(msgpack.unpackb(body), _map_to_array),
    ),
    "framed": Encoding("application/grpc", _framed, _unframed),
}
"""By name. The small document, which has no array, is plain JSON or plain msgpack in all of them
but ``framed``."""

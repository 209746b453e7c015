"""What the apps do behind their routes. It knows no framework, and not this package.

An array is a JSON object with a shape, a dtype and its bytes in base64.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import numpy as np

PICTURE: Final = Path(__file__).parent / "picture.png"

RELEASE: Final[dict[str, Any]] = {
    "version": "1.4",
    "name": "Zoë",
    "stable": True,
    "notes": None,
    "sizes": [1, 2.5, -3, 10**15],
}


def array_of(document: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Return the array in a JSON object.

    Raises:
        KeyError, TypeError, ValueError: it is not one.
    """
    data = base64.b64decode(document["data_b64"], validate=True)
    return np.frombuffer(data, document["dtype"]).reshape(document["shape"])


def document_of(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return an array as a JSON object."""
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "data_b64": base64.b64encode(array.tobytes()).decode("ascii"),
    }


def scaled_to_one(samples: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
    """Return the peak of samples, and the samples divided by it."""
    peak = float(np.abs(samples).max())
    return peak, samples / samples.dtype.type(peak)


def normalize(request: dict[str, Any]) -> dict[str, Any]:
    """Scale samples to a peak of one.

    Raises:
        KeyError, TypeError, ValueError: the request is not of the form that it should have.
    """
    rate = request["rate"]
    if not isinstance(rate, float | int):
        raise TypeError(f"rate must be a number, not {rate!r}")
    peak, samples = scaled_to_one(array_of(request["samples"]))
    return {"rate": rate, "peak": peak, "samples": document_of(samples)}


class FullyBookedError(Exception):
    """What somebody wanted to reserve is taken."""


def reserve(request: dict[str, Any]) -> dict[str, Any]:
    """Reserve a week of the year.

    Raises:
        KeyError, TypeError, ValueError: the request is not of the form that it should have.
        FullyBookedError: as every week is.
    """
    raise FullyBookedError(f"week {int(request['week'])} is fully booked")


def invoice(request: dict[str, Any]) -> dict[str, Any]:
    """Add up an invoice.

    Raises:
        KeyError, TypeError: the request is not of the form that it should have.
    """
    total = sum(line["price"] * line["count"] for line in request["lines"])
    return {**request, "total": total}


def checksum(request: dict[str, Any]) -> dict[str, Any]:
    """Size and hash of a file, and its bytes in reverse.

    Raises:
        KeyError, TypeError, ValueError: the request is not of the form that it should have.
    """
    content = base64.b64decode(request["content"], validate=True)
    return {
        "name": request["name"],
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "reversed": base64.b64encode(content[::-1]).decode("ascii"),
    }


class Feed:
    """Messages for all who listen, as server-sent events. The message ``end`` is the last one.

    Use it from one event loop.
    """

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[str]] = set()

    def publish(self, text: str) -> dict[str, int]:
        """Send a message; the response says how many listen."""
        for queue in self._queues:
            queue.put_nowait(text)
        return {"listeners": len(self._queues)}

    async def texts(self) -> AsyncIterator[str]:
        """Return the messages from now on, after a word of welcome."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._queues.add(queue)
        try:
            text = "welcome"
            while True:
                yield text
                if text == "end":
                    return
                text = await queue.get()
        finally:
            self._queues.discard(queue)

    async def events(self) -> AsyncIterator[bytes]:
        """Return the same, in the format of ``text/event-stream``."""
        async for text in self.texts():
            yield f"data: {text}\n\n".encode()


class Uploads:
    """The sizes of what was uploaded so far, in bytes."""

    def __init__(self) -> None:
        self._sizes: list[int] = []

    def add(self, body: bytes) -> dict[str, int]:
        """Note an upload."""
        self._sizes.append(len(body))
        return {"size": len(body)}

    def report(self) -> dict[str, list[int]]:
        """All of them."""
        return {"sizes": self._sizes}

"""A client with whichever msgpack is first on the path: ``python msgpack_client.py URL FOLDER``.

It prints as JSON what it wrote, whether it read the files in the folder rightly, and what the
example app at the URL responded.
"""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np

DOCUMENTS: dict[str, dict[str, Any]] = {
    "one dimension": {"x": np.arange(3, dtype="float32")},
    "two dimensions": {"x": np.arange(6.0).reshape(2, 3)},
    "three dimensions": {"x": np.arange(24, dtype="uint8").reshape(2, 3, 4)},
    "no dimension": {"x": np.array(3.5)},
    "no elements": {"x": np.zeros((0, 3))},
    "large": {"x": np.arange(100_000, dtype="int16")},
    "text": {"x": np.array(["a", "bc"])},
    "structured": {"x": np.array([(1, 2.0)], [("a", "<i4"), ("b", "<f8")])},
    "complex": {"x": np.array([1 + 2j]), "y": 1 + 2j},
    "plain": {"x": [1, -1, 1.5, None, True, 2**63], "y": "text"},
    "bytes": {"x": b"\x00\xff", "y": bytes(70_000)},
}
"""What every client shall write alike, and read alike; by what is special about it."""

IMAGES = np.arange(3 * 64).reshape(3, 8, 8) % 17
"""Three images for the classifier: an array of three dimensions."""

WAV = (
    b"RIFF\x24\x04\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00"
    b"\x02\x00\x10\x00data\x00\x04\x00\x00" + bytes(1024)
)
"""512 frames of silence."""


def post(url: str, document: Any) -> tuple[int, Any]:
    """Send a document and return the status, and the response if that is 200."""
    body = msgpack.packb(document, default=msgpack_numpy.encode)
    headers = {"Content-Type": "application/msgpack"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, body, headers)) as response:
            return 200, msgpack.unpackb(response.read(), object_hook=msgpack_numpy.decode)
    except urllib.error.HTTPError as error:
        return error.code, None


def reads(packed: bytes, document: dict[str, Any]) -> bool:
    """Whether this msgpack reads a document rightly."""
    value = msgpack.unpackb(packed, object_hook=msgpack_numpy.decode)
    return list(value) == list(document) and all(
        type(value[key]) is type(document[key])
        and getattr(value[key], "dtype", None) == getattr(document[key], "dtype", None)
        and np.array_equal(value[key], document[key])
        for key in document
    )


def main() -> None:
    url, folder = sys.argv[1:]
    status, labels = post(f"{url}/digits/classify", {"images": IMAGES})
    _, spectrogram = post(f"{url}/spectrogram", {"wav": WAV, "window": 256})
    report = {
        "version": ".".join(map(str, msgpack.version)),
        "is_compiled": msgpack.Packer.__module__ != "msgpack.fallback",
        "written": {
            name: msgpack.packb(document, default=msgpack_numpy.encode).hex()
            for name, document in DOCUMENTS.items()
        },
        "read": {
            name: reads((Path(folder) / name).read_bytes(), document)
            for name, document in DOCUMENTS.items()
        },
        "status": status,
        "digits": labels and labels["digits"],
        "amplitudes": spectrogram["amplitudes"].shape,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()

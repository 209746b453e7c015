"""Call every endpoint in JSON mode and in binary mode, over a real connection, and compare.

Run ``python -m example_app.demo [--out FOLDER]``. It starts the service under uvicorn on a free
port of the loopback interface, sends it real digits and photographs and a chord in both modes,
checks that the responses agree and are right, writes the pictures that it received to the folder,
prints a table of sizes and times, and stops the service. The exit code is 0 if all is well, else 1.
"""

import argparse
import base64
import io
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import httpx2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from binary_middleware import packb, unpackb

from .chord import A_MAJOR, chord_wav
from .digits import CLASSES, digits_split
from .server import Server, ServerError, running_server

REPEATS = 9
MIN_ACCURACY = 0.9
SIGMA = 1.5

Body = dict[str, Any]


class DemoError(Exception):
    """A response is wrong, or the two modes do not agree; the message says which and how."""


# The two modes, as a client writes them.


class Mode(Protocol):
    """The encoding of a dictionary with arrays and bytes as a body, by a client."""

    name: str
    media_type: str

    def encode(self, body: Body) -> bytes:
        """Encode a request body."""

    def decode(self, content: bytes) -> Body:
        """Decode a response body, arrays as ndarrays and files as bytes."""


class JsonMode:
    """Arrays as objects with their data in base64, files as base64 text."""

    name = "JSON"
    media_type = "application/json"

    def encode(self, body: Body) -> bytes:
        """Encode a request body."""
        return json.dumps(body, default=self._to_json).encode()

    def decode(self, content: bytes) -> Body:
        """Decode a response body."""
        body: Body = json.loads(content)
        return {field: self._from_json(field, value) for field, value in body.items()}

    @staticmethod
    def _to_json(value: object) -> object:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, np.ndarray):
            data = base64.b64encode(value.tobytes()).decode()
            return {"shape": value.shape, "dtype": str(value.dtype), "data_b64": data}
        raise TypeError(f"no JSON form for {type(value).__name__}")

    @staticmethod
    def _from_json(field: str, value: Any) -> Any:
        if isinstance(value, dict) and "data_b64" in value:
            data = base64.b64decode(value["data_b64"])
            return np.frombuffer(data, dtype=value["dtype"]).reshape(value["shape"])
        # Nothing in JSON tells base64 from other text, so a client has to know its fields.
        if field.endswith("_png"):
            return base64.b64decode(value)
        return value


class BinaryMode:
    """Arrays and files as they are, in msgpack."""

    name = "binary"
    media_type = "application/msgpack"

    def encode(self, body: Body) -> bytes:
        """Encode a request body."""
        return packb(body)

    def decode(self, content: bytes) -> Body:
        """Decode a response body."""
        body: Body = unpackb(content)
        return body


# What is called, and what makes a response right.


@dataclass(frozen=True)
class Call:
    """One request of the demonstration.

    ``check`` takes the decoded response and raises DemoError if it is wrong. ``picture`` names the
    file for the response's picture, if it has one.
    """

    title: str
    path: str
    body: Body | None
    check: Callable[[Body], None]
    picture: str | None = None


def planned_calls() -> list[Call]:
    """Return the calls, with held-out images of the digits data set, a chord and photographs."""
    split = digits_split()
    calls = [Call("health", "/health", None, check_health)]
    for count in (1, len(split.held_out_images)):
        body: Body = {"images": split.held_out_images[:count]}
        check = partial(check_digits, labels=split.held_out_labels[:count])
        title = f"{count} digit{'s' * (count > 1)}"
        calls.append(Call(title, "/digits/classify", body, check))
    calls.append(Call("chord", "/spectrogram", {"wav": chord_wav()}, check_chord))
    for name in ("china", "flower"):
        photograph = (resources.files("sklearn.datasets.images") / f"{name}.jpg").read_bytes()
        body = {"image": photograph, "sigma": SIGMA}
        check = partial(check_edges, photograph=photograph)
        picture = f"{name}_edges.png"
        calls.append(Call(f"edges, {name}.jpg", "/images/edges", body, check, picture))
    return calls


def require(condition: object, message: str) -> None:
    """Raise DemoError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise DemoError(message)


def check_health(result: Body) -> None:
    """Raise DemoError unless the service says that it is up."""
    require(result == {"status": "ok"}, f"/health responded with {result}")


def check_digits(result: Body, labels: NDArray[np.int64]) -> None:
    """Raise DemoError unless more than ``MIN_ACCURACY`` of the digits are recognised.

    Args:
        result: the decoded response of ``/digits/classify``.
        labels: the true digits, shape (n,).
    """
    digits, probabilities = np.asarray(result["digits"]), result["probabilities"]
    shape = (len(labels), CLASSES)
    require(
        probabilities.shape == shape,
        f"the probabilities have shape {probabilities.shape}, not {shape}",
    )
    require(
        np.allclose(probabilities.sum(axis=1), 1, atol=1e-5),
        "the probabilities of an image do not sum to 1",
    )
    require(
        np.array_equal(probabilities.argmax(axis=1), digits),
        "the digits are not the most probable ones",
    )
    accuracy = float(np.mean(digits == labels))
    require(accuracy > MIN_ACCURACY, f"only {accuracy:.0%} of the digits were recognised")


def check_chord(result: Body) -> None:
    """Raise DemoError unless the loudest frequencies of every window are the notes of the chord."""
    frequencies, amplitudes = result["frequencies"], result["amplitudes"]
    shape = (len(frequencies), len(result["times"]))
    require(amplitudes.shape == shape, f"the amplitudes have shape {amplitudes.shape}, not {shape}")
    nearest = [int(np.abs(frequencies - note).argmin()) for note in A_MAJOR]
    # A note between two frequencies is in both, and a little of it in their neighbours.
    peaks = amplitudes[[range(at - 2, at + 3) for at in nearest]].max(axis=1)
    require(
        np.all((peaks > 0.25) & (peaks < 0.34)),
        "the notes of the chord do not have a third of the amplitude each",
    )
    elsewhere = np.delete(amplitudes, [at + d for at in nearest for d in range(-4, 5)], axis=0)
    require(elsewhere.max() < 0.01, "the chord has notes that were not played")


def check_edges(result: Body, photograph: bytes) -> None:
    """Raise DemoError unless picture and gradient have the photograph's size and agree.

    Args:
        result: the decoded response of ``/images/edges``.
        photograph: the JPEG file that was sent.
    """
    with Image.open(io.BytesIO(photograph)) as sent:
        shape = (sent.height, sent.width)
    try:
        with Image.open(io.BytesIO(result["edges_png"]), formats=("PNG",)) as received:
            picture = np.asarray(received)
    except OSError as error:
        raise DemoError("the edge picture is not a PNG image") from error
    gradient = result["gradient"]
    for what, array in (("edge picture", picture), ("gradient", gradient)):
        require(array.shape == shape, f"the {what} has shape {array.shape}, the photo {shape}")
    require(gradient.dtype == np.float32, f"the gradient has dtype {gradient.dtype}, not float32")
    require(
        np.allclose(picture, gradient * (255 / gradient.max()), atol=0.51),
        "the edge picture does not show the gradient",
    )


def first_difference(one: Any, other: Any, where: str = "the response") -> str | None:
    """Say where two decoded responses differ, or return None if they are identical.

    Types count, and so do the data types of arrays: nothing is rounded or converted.
    """
    if type(one) is not type(other):
        return f"{where} is a {type(one).__name__} and a {type(other).__name__}"
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return f"{where} has the fields {sorted(one)} and {sorted(other)}"
        differences = (first_difference(one[field], other[field], field) for field in one)
        return next(filter(None, differences), None)
    if isinstance(one, np.ndarray):
        if (one.dtype, one.shape) != (other.dtype, other.shape):
            return f"{where} is {one.dtype} {one.shape} and {other.dtype} {other.shape}"
        return None if np.array_equal(one, other) else f"{where} has different elements"
    return None if one == other else f"{where} has different values"


# Calling and measuring.


@dataclass(frozen=True)
class Cost:
    """The cost of a call: sizes of the two bodies in bytes, time in milliseconds."""

    sent: int
    received: int
    milliseconds: float


@dataclass(frozen=True)
class Comparison:
    """A call, its response (the same in both modes), and what it costs in each mode."""

    call: Call
    result: Body
    json: Cost
    binary: Cost


def exchange(server: Server, client: httpx2.Client, call: Call, mode: Mode) -> tuple[Body, Cost]:
    """Make a call and return its decoded response and its cost.

    The time runs from Python objects to Python objects, so it includes encoding and decoding.

    Raises:
        ServerError: if there is no response with status 200 and the mode's media type.
    """
    what = f"{call.path} ({call.title}) in {mode.name} mode"
    method = "GET" if call.body is None else "POST"
    headers = {"Accept": mode.media_type}
    start = time.perf_counter()
    content = None
    if call.body is not None:
        content = mode.encode(call.body)
        headers["Content-Type"] = mode.media_type
    try:
        response = client.request(method, call.path, content=content, headers=headers)
    except httpx2.TransportError as error:
        raise server.error(f"{what} failed: {error!r}") from error
    media_type = response.headers.get("Content-Type", "").partition(";")[0]
    if response.status_code != 200 or media_type != mode.media_type:
        raise server.error(
            f"{what} has a response with status {response.status_code} and media type "
            f"{media_type!r}: {response.content[:300]!r}"
        )
    result = mode.decode(response.content)
    milliseconds = (time.perf_counter() - start) * 1000
    return result, Cost(len(content or b""), len(response.content), milliseconds)


def compare_modes(server: Server, client: httpx2.Client, call: Call) -> Comparison:
    """Make a call ``REPEATS`` times in each mode, and check and compare every response.

    Raises:
        DemoError: if a response is wrong or the two modes do not agree.
        ServerError: if there is no response.
    """
    json_costs, binary_costs = [], []
    # The modes take turns, so that whatever else the machine is doing slows both alike. The first
    # turn, in which connections open and caches fill, does not count.
    for turn in range(REPEATS + 1):
        json_response, json_cost = exchange(server, client, call, JsonMode())
        binary_response, binary_cost = exchange(server, client, call, BinaryMode())
        difference = first_difference(json_response, binary_response)
        require(not difference, f"{call.title}: JSON and binary mode disagree: {difference}")
        call.check(binary_response)
        if turn > 0:
            json_costs.append(json_cost)
            binary_costs.append(binary_cost)
    return Comparison(call, binary_response, _median_cost(json_costs), _median_cost(binary_costs))


def _median_cost(costs: list[Cost]) -> Cost:
    """Return the sizes, which are the same every time, with the median of the times."""
    milliseconds = median(cost.milliseconds for cost in costs)
    return Cost(costs[0].sent, costs[0].received, milliseconds)


# What is shown and kept.


def table(comparisons: list[Comparison]) -> str:
    """Lay out sizes and times, with how many times as much JSON mode takes as binary mode."""
    header = ["call", "mode", "bytes sent", "bytes received", "time in ms"]
    rows = [[*header, "JSON/binary bytes", "JSON/binary time"]]
    for comparison in comparisons:
        json_cost, binary_cost = comparison.json, comparison.binary
        size_ratio = (json_cost.sent + json_cost.received) / (
            binary_cost.sent + binary_cost.received
        )
        time_ratio = json_cost.milliseconds / binary_cost.milliseconds
        rows.append([comparison.call.title, JsonMode.name, *_cells(json_cost), "", ""])
        rows.append(["", BinaryMode.name, *_cells(binary_cost)])
        rows[-1] += [f"{size_ratio:.2f}", f"{time_ratio:.2f}"]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    # Words to the left, numbers to the right.
    lines = (
        [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _cells(cost: Cost) -> list[str]:
    """Return a cost as cells of the table."""
    return [f"{cost.sent:,}", f"{cost.received:,}", f"{cost.milliseconds:.1f}"]


def show_progress(text: str) -> None:
    """Show ``text`` in place of the previous one, if a person is watching."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def run(folder: Path) -> None:
    """Run the demonstration, write its pictures to ``folder`` and print its table.

    Raises:
        DemoError: if a response is wrong or the two modes do not agree.
        ServerError: if the server does not start or does not respond.
        OSError: if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    comparisons = []
    try:
        show_progress("starting the server")
        with running_server() as server, server.client() as client:
            calls = planned_calls()
            for number, call in enumerate(calls, start=1):
                show_progress(f"call {number} of {len(calls)}: {call.title}")
                comparisons.append(compare_modes(server, client, call))
            show_progress("stopping the server")
    finally:
        show_progress("")
    print(table(comparisons))
    print(f"\nTimes are medians of {REPEATS} calls, encoding and decoding included.")
    print("JSON and binary mode agreed in every byte and every array element.")
    for comparison in comparisons:
        if comparison.call.picture is not None:
            picture = folder / comparison.call.picture
            picture.write_bytes(comparison.result["edges_png"])
            print(f"wrote {picture}")


def main() -> int:
    """Run the demonstration from the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m example_app.demo",
        description="Call every endpoint in JSON and in binary mode, and compare.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo_output"),
        metavar="FOLDER",
        help="where the pictures go (default: %(default)s)",
    )
    arguments = parser.parse_args()
    # A plain SIGTERM would end this process at once and leave the server running.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        run(arguments.out)
    except (DemoError, ServerError, OSError) as error:
        print(f"The demonstration failed. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())

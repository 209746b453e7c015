"""Runs one piece of work: all of its variants, interleaved.

Every variant's server is running all the time. A round measures each of them once, in an order
that changes from round to round, so that none always follows the same other one.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from tests.benchmarks.documents import (
    ENCODINGS,
    KIB,
    Document,
    array_document,
    same,
    small_document,
)
from tests.benchmarks.http_client import Connection, exchange_concurrently, prepare
from tests.benchmarks.processes import Server, Worker, calling, running
from tests.benchmarks.spread import quantile
from tests.benchmarks.variants import Variant
from tests.benchmarks.works import CONCURRENCY, MULTIPLES, Effort, Work

Figures = dict[str, list[float]]
"""The figure of each round, by the name of a variant."""

Progress = Callable[[str], None]
"""Is told of every step."""


class Client(Protocol):
    """What a variant is asked with."""

    def exchange(self, request: Any) -> memoryview | bytes:
        """Send a request that was prepared, and give its response's body."""

    def close(self) -> None:
        """End the connection."""


class Subject:
    """A server with a connection and a request for it.

    Args:
        server: the server.
        path: what is asked for.
        document: what is sent.

    Attributes:
        length: bytes of the response's body, known once it was checked.
    """

    def __init__(self, server: Server, path: str, document: Document) -> None:
        self.server = server
        self.name = server.variant.name
        self._document = document
        self._encoding = ENCODINGS[server.variant.encoding]
        body = self._encoding.dumps(document)
        self.client: Client
        self.request: Any
        if server.variant.server == "grpc":
            from tests.benchmarks.grpc_client import GrpcClient

            self.client, self.request = GrpcClient(server.port, path), body
        else:
            self.client = Connection(server.port, len(body))
            self.request = prepare(path, body, self._encoding.content_type)
        self._more_connections: list[Connection] = []
        self.length = 0

    def connect(self) -> Connection:
        """One connection more, which is closed with this."""
        connection = Connection(self.server.port)
        self._more_connections.append(connection)
        return connection

    def close(self) -> None:
        """End its connections."""
        self.client.close()
        for connection in self._more_connections:
            connection.close()

    def check(self) -> None:
        """Ask once, and compare what comes back with what was sent.

        Raises:
            RuntimeError: they differ.
        """
        body = self.client.exchange(self.request)
        if not same(self._encoding.loads(bytes(body)), self._document):
            raise RuntimeError(f"{self.name} responds with another document than it was sent")
        self.length = len(body)

    def exchange(self) -> float:
        """Ask once, and see that the response is as long as ever.

        Returns:
            How long it took, in seconds.
        """
        before = time.perf_counter()
        body = self.client.exchange(self.request)
        elapsed = time.perf_counter() - before
        if len(body) != self.length:
            raise RuntimeError(f"{self.name} responds with {len(body)} bytes, not {self.length}")
        return elapsed


def measure(
    work: Work, variants: Sequence[Variant], effort: Effort, progress: Progress = lambda _: None
) -> Figures:
    """All figures of a piece of work, those of one round at the same place for all variants.

    Args:
        work: which one.
        variants: who does it.
        effort: how often each of them does.
        progress: is called as often as ``steps`` says.
    """
    document = array_document(work.array_bytes) if work.array_bytes else small_document()
    figures: Figures = {variant.name: [] for variant in variants}
    order = random.Random(0)
    for _ in range(effort.starts):
        if work.kind in MULTIPLES:
            for _ in range(effort.rounds):
                for variant in variants:
                    if work.kind == "client memory":
                        figure = _client_memory(work, variant)
                    else:
                        figure = _peak_memory(work, document, variant)
                    figures[variant.name].append(figure)
                    progress(variant.name)
        elif work.kind == "client time":
            _client_rounds(work, variants, effort.rounds, figures, order, progress)
        else:
            _rounds(work, document, variants, effort.rounds, figures, order, progress)
    return figures


def steps(work: Work, variants: Sequence[Variant], effort: Effort) -> int:
    """How many steps ``measure`` takes."""
    to_prepare = 0 if work.kind in MULTIPLES else 1
    return len(variants) * effort.starts * (effort.rounds + to_prepare)


def _rounds(
    work: Work,
    document: Document,
    variants: Sequence[Variant],
    rounds: int,
    figures: Figures,
    order: random.Random,
    progress: Progress,
) -> None:
    """Add the figures of servers that are started once, and run until all rounds are over."""
    prepare_one = _KINDS[work.kind]
    with running(variants) as servers:
        subjects: list[Subject] = []
        try:
            samples: dict[str, Callable[[], float]] = {}
            for server in servers:
                subject = Subject(server, work.path, document)
                subjects.append(subject)
                subject.check()
                samples[subject.name] = prepare_one(work, subject)
                progress(subject.name)
            names = list(figures)
            for _ in range(rounds):
                order.shuffle(names)
                for name in names:
                    figures[name].append(samples[name]())
                    progress(name)
        finally:
            for subject in subjects:
                subject.close()


def _round_trips(work: Work, subject: Subject) -> Callable[[], float]:
    """Seconds from the first byte sent to the last one received: the median of some requests."""
    subject.exchange()
    count = max(1, min(work.requests, int(work.seconds / subject.exchange())))

    def sample() -> float:
        # The first one pays for what happened since this server's last turn: caches, and free
        # memory that the host of a virtual machine has taken back.
        subject.exchange()
        return quantile([subject.exchange() for _ in range(count)], 0.5)

    return sample


def _server_cpu(work: Work, subject: Subject) -> Callable[[], float]:
    """CPU seconds of the server for one request, with ``CONCURRENCY`` of them at a time."""
    if isinstance(subject.client, Connection):
        connections = [subject.connect() for _ in range(CONCURRENCY)]

        def ask(count: int) -> None:
            exchange_concurrently(connections, subject.request, count, subject.length)
    else:
        client: Any = subject.client

        def ask(count: int) -> None:
            client.exchange_concurrently(subject.request, count, subject.length, CONCURRENCY)

    def sample() -> float:
        ask(CONCURRENCY * 4)  # its caches were somebody else's in the meantime
        before = subject.server.cpu_seconds()
        ask(work.requests)
        return (subject.server.cpu_seconds() - before) / work.requests

    ask(work.requests // 2)
    return sample


PAUSE: Final = 0.001
"""Seconds between two small requests."""


def _loop_delay(work: Work, subject: Subject) -> Callable[[], float]:
    """Seconds that the slowest ``GET /ping`` took while a few round trips were made."""
    request = prepare("/ping")
    connection = subject.connect()
    connection.exchange(request)
    subject.exchange()
    count = max(1, min(work.requests, int(work.seconds / subject.exchange())))

    def sample() -> float:
        errors: list[BaseException] = []

        def flow() -> None:
            try:
                for _ in range(count):
                    subject.exchange()
            except BaseException as exc:
                errors.append(exc)

        subject.exchange()
        thread = threading.Thread(target=flow)
        worst = 0.0
        thread.start()
        while thread.is_alive():
            before = time.perf_counter()
            connection.exchange(request)
            worst = max(worst, time.perf_counter() - before)
            time.sleep(PAUSE)
        if errors:
            raise errors[0]
        return worst

    return sample


_KINDS: Final[dict[str, Callable[[Work, Subject], Callable[[], float]]]] = {
    "round trip": _round_trips,
    "server cpu": _server_cpu,
    "loop delay": _loop_delay,
}
"""What gets a subject ready, and gives what takes a figure of it."""


def _client_rounds(
    work: Work,
    variants: Sequence[Variant],
    rounds: int,
    figures: Figures,
    order: random.Random,
    progress: Progress,
) -> None:
    """Add the figures of clients that are started once: seconds from a document to a document."""
    with running(variants) as servers, calling(servers, work.array_bytes) as callers:
        for caller in callers:
            caller.tell("check")
            progress(caller.variant.name)
        for _ in range(rounds):
            order.shuffle(callers)
            for caller in callers:
                caller.tell("call")  # the first one pays for what happened since the last turn
                seconds = [float(caller.tell("call")) for _ in range(work.requests)]
                figures[caller.variant.name].append(quantile(seconds, 0.5))
                progress(caller.variant.name)


def _client_memory(work: Work, variant: Variant) -> float:
    """Return the client's peak above idle during a call, as a multiple of the array.

    The client is a new one, which has made small calls before. At idle it has the document that it
    is about to send.
    """
    with running([variant]) as servers, calling(servers, work.array_bytes) as (caller,):
        for _ in range(3):
            caller.tell("small")
        peak = _peak_during(caller, lambda: caller.tell("call"))
        caller.tell("check")
        return peak / work.array_bytes


def _peak_during(worker: Worker, act: Callable[[], object]) -> int:
    """Bytes that a process had at most while something was done, above what it had before."""
    worker.collect_garbage()
    worker.forget_peak()
    idle = worker.resident_bytes()
    act()
    return worker.peak_resident_bytes() - idle


def _peak_memory(work: Work, document: Document, variant: Variant) -> float:
    """Return the server's peak above idle while it responds, as a multiple of the array.

    The server is a new one, which has served a small array before, and has collected its
    garbage: what it holds then is idle.
    """
    with running([variant]) as (server,):
        small = Subject(server, work.path, array_document(64 * KIB))
        large = Subject(server, work.path, document)
        try:
            for _ in range(3):
                small.check()

            def ask() -> None:
                large.check()
                for _ in range(work.requests - 1):
                    large.exchange()

            return _peak_during(server, ask) / work.array_bytes
        finally:
            small.close()
            large.close()

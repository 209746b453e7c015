"""A run's results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tests.benchmarks import chains_environment
from tests.benchmarks.goals import GOALS
from tests.benchmarks.measure import Figures
from tests.benchmarks.spread import Spread, ratios, spread
from tests.benchmarks.variants import VARIANTS
from tests.benchmarks.works import CONCURRENCY, MULTIPLES, WORKS, Effort, Kind, Work

CHART: Final = "results.svg"
"""File name of the chart, beside the Markdown."""

_TIMES: Final = "\N{MULTIPLICATION SIGN}"

_INTRODUCTION: Final[Mapping[Kind, str]] = {
    "round trip": "Time from the first byte sent to the last byte received.",
    "server cpu": (
        "CPU time of the server, user and system, for each request, at concurrency "
        f"{CONCURRENCY}. The document is about 1 KiB."
    ),
    "peak memory": (
        "Most resident memory of a new server during the round trip, less what it had at idle "
        "(after three round trips of 64 KiB and a garbage collection), as a multiple of the array."
    ),
    "loop delay": (
        "The slowest `GET /ping` on a connection of its own, one after the other with a pause of "
        "1 ms, while round trips of 64 MiB are made on another connection."
    ),
    "client time": (
        "Time from a document with an array to the decoded response, which is the same document, "
        "by clients that call one and the same raw ASGI app."
    ),
    "client memory": (
        "Most resident memory of a new client during a call, less what it had before (after three "
        "small calls and a garbage collection, the document to be sent included), as a multiple of "
        "the array. What it returns is one array."
    ),
}

_HEADINGS: Final[Mapping[Kind, str]] = {
    "round trip": "Arrays there and back",
    "server cpu": "Small documents",
    "peak memory": "Memory",
    "loop delay": "Other requests meanwhile",
    "client time": "Clients",
    "client memory": "Memory of clients",
}


def to_markdown(
    results: Mapping[str, Figures],
    environment: Mapping[str, str],
    efforts: Mapping[str, Effort],
    left_out: Mapping[str, Sequence[str]],
    *,
    quick: bool,
) -> str:
    """Return the page.

    Args:
        results: figures by the name of the work.
        environment: as ``environment.describe`` gives it.
        efforts: how often each piece of work was measured, by its name.
        left_out: the modules that were missing, by the name of a variant that was left out.
        quick: whether this was a quick run.
    """
    parts = [
        "# Benchmarks",
        "",
        *_about(environment, quick=quick),
        f"![Time of an array's round trip, relative to Starlette's echo]({CHART})",
        "",
        *_goals(results),
    ]
    heading = None
    for name, figures in results.items():
        work = WORKS[name]
        if work.kind != heading:
            heading = work.kind
            parts += [f"## {_HEADINGS[work.kind]}", "", _INTRODUCTION[work.kind], ""]
        parts += _table(work, figures, efforts[name])
    parts += _method(left_out)
    return "\n".join(parts)


def _about(environment: Mapping[str, str], *, quick: bool) -> Iterable[str]:
    command = "make bench-quick" if quick else "make bench"
    yield f"Written by `{command}` on {environment['date']}."
    yield ""
    yield f"- Machine: {environment['machine']}; {environment['system']}; {environment['python']}"
    yield f"- Packages: {environment['packages']}"
    yield ""
    if quick:
        yield "This was a quick run: few rounds, few variants."
        yield ""


def _goals(results: Mapping[str, Figures]) -> Iterable[str]:
    rows = []
    for goal in GOALS:
        reached = goal.reached(results)
        if reached is not None:
            of = VARIANTS[goal.baseline].short if goal.baseline else "the array"
            verdict = "met" if reached.median <= goal.limit else "**missed**"
            low, median, high = (f"{value:.3f}" for value in reached)
            cells = [
                goal.name,
                f"{median} ({low} to {high})",
                f"≤ {goal.limit:.2f}",
                f"{_TIMES} {of}",
            ]
            rows.append(_row([*cells, verdict]))
    if rows:
        yield "## Goals"
        yield ""
        yield _row(["", "reached", "goal", "", ""])
        yield _row(["---", "---:", "---:", "---", "---"])
        yield from rows
        yield ""


def _table(work: Work, figures: Figures, effort: Effort) -> Iterable[str]:
    baselines = [name for name in work.baselines if name in figures]
    yield f"### {work.title}"
    yield ""
    multiples = [f"{_TIMES} {VARIANTS[name].short}" for name in baselines]
    yield _row(["", f"{_TIMES} the array" if work.kind in MULTIPLES else "median", *multiples])
    yield _row(["---", *["---:"] * (1 + len(baselines))])
    for name, values in figures.items():
        cells = [VARIANTS[name].title]
        if work.kind in MULTIPLES:
            cells.append(_multiple(spread(values)))
        else:
            cells.append(_duration(spread(values)))
        cells += [
            "1" if name == baseline else _multiple(spread(ratios(values, figures[baseline])))
            for baseline in baselines
        ]
        yield _row(cells)
    yield ""
    rounds = effort.starts * effort.rounds
    yield f"{rounds} {'round' if rounds == 1 else 'rounds'}, {_starts(effort.starts)}."
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _starts(count: int) -> str:
    return "servers started once" if count == 1 else f"servers started {count} times"


def _multiple(values: Spread) -> str:
    low, median, high = (f"{value:.3g}" if value >= 10 else f"{value:.2f}" for value in values)
    return f"{median} ({low} to {high})"


def _duration(values: Spread) -> str:
    factor, unit = (1e6, "µs") if values.median < 1e-3 else (1e3, "ms")
    low, median, high = (f"{value * factor:.3g}" for value in values)
    if values.high * factor >= 1000:
        low, median, high = (f"{value * factor:.0f}" for value in values)
    return f"{median} {unit} ({low} to {high})"


def _method(left_out: Mapping[str, Sequence[str]]) -> Iterable[str]:
    yield "## Method"
    yield ""
    yield (
        "1. Each variant is a server in a process of its own: one worker, uvicorn with httptools "
        "and uvloop unless another is named, on 127.0.0.1, with the default malloc. The variants "
        "of a table run at the same time, and are measured in turns: each round measures every "
        "one of them once, in an order that changes."
    )
    yield (
        "2. One client asks all of them over keep-alive connections. It sends bytes that were "
        "prepared, receives into memory that exists, and decodes nothing; so encoding and "
        "decoding on the client's side are not in these figures. gRPC has a client of its own, "
        "which does more."
    )
    yield (
        "3. Every variant's response is decoded once, and compared with the document that was "
        "sent, before it is measured; its length is checked every time."
    )
    yield (
        "4. A turn of round trips is one that is not counted, and then the median of several. "
        "Figures are medians over all rounds, with quartiles in parentheses. Multiples are taken "
        "round by round first, so that what disturbs the machine for a while cancels out."
    )
    yield (
        "5. How memory lies in a process is decided when it starts, and can double the time of a "
        "large body; so the servers are started anew several times. Memory and CPU time are what "
        "Linux reports of the process."
    )
    yield (
        "6. Clients that are measured themselves are processes of their own, each with a server of "
        "its own, and are measured in turns as well. “requests and msgpack-numpy” is the usual "
        "recipe: `requests.post(url, data=msgpack.packb(document, default=msgpack_numpy.encode))`, "
        "and `msgpack.unpackb(response.content, object_hook=msgpack_numpy.decode)`. Chains' client "
        f"is `predict_sync` of the stub of truss {chains_environment.VERSION}, with `use_binary`; "
        "`make bench` sets up an environment for it alone, as its dependencies fit no others."
    )
    yield ""
    yield (
        "The raw ASGI apps and Starlette's echo do not decode or validate anything; all others "
        "do. “FastAPI, JSON with base64” has `NumpyArrayField` for its array, and is the very app "
        "that the lanes wrap. “FastAPI, msgpack in the endpoint” is what Chains generates: "
        "`msgpack.unpackb(await request.body(), object_hook=msgpack_numpy.decode)`, a validated "
        "model, and `msgpack.packb` of its dump. gRPC's messages are taken apart by hand, with one "
        "copy of the array each way."
    )
    yield ""
    yield (
        "The raw app with one buffer for all requests is not always the faster one. When a large "
        "buffer is freed, glibc's malloc becomes readier to keep memory, of which everything else "
        "in the process profits; a buffer that is never freed teaches it nothing."
    )
    yield ""
    for name, modules in left_out.items():
        yield f"Left out, as {', '.join(modules)} is not installed: {VARIANTS[name].plain_title}."
        yield ""

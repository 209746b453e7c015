"""The benchmarks measure what they say: nothing here is timed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.benchmarks import chains_environment, shop_window
from tests.benchmarks.__main__ import DEFAULT_OUT, parse_arguments, plan, write
from tests.benchmarks.apps import APPS, make_app
from tests.benchmarks.chart import to_svg
from tests.benchmarks.clients import CLIENTS
from tests.benchmarks.documents import (
    ENCODINGS,
    KIB,
    MIB,
    Document,
    array_document,
    same,
    small_document,
)
from tests.benchmarks.goals import GOALS
from tests.benchmarks.http_client import Connection, exchange_concurrently, prepare
from tests.benchmarks.measure import Figures, Subject, measure, steps
from tests.benchmarks.processes import ROOT, calling, running
from tests.benchmarks.progress import ProgressBar
from tests.benchmarks.report import to_markdown
from tests.benchmarks.spread import Spread, quantile, ratios, spread
from tests.benchmarks.variants import VARIANTS
from tests.benchmarks.works import WORKS, Effort, Work
from tests.serving import serving

INSTALLED = [name for name, variant in VARIANTS.items() if not variant.missing()]
ASGI = [name for name in INSTALLED if VARIANTS[name].app in APPS]

# -- documents and apps ----------------------------------------------------------------------------


def test_small_document_is_what_it_is_said_to_be() -> None:
    document = small_document()
    assert len(document) == 20
    assert 900 < len(ENCODINGS["json-base64"].dumps(document)) < 1200


@pytest.mark.parametrize(
    "document", [array_document(400), small_document()], ids=["array", "small"]
)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_read_what_they_write(encoding: str, document: Document) -> None:
    body = ENCODINGS[encoding].dumps(document)
    assert same(ENCODINGS[encoding].loads(body), document)


def test_documents_that_differ_are_not_the_same() -> None:
    document = array_document(400)
    assert same(document, array_document(400))
    assert not same(document, {**document, "channel": 3})
    assert not same(document, {**document, "channel": 2.0})
    assert not same(document, {**document, "samples": -document["samples"]})
    assert not same(document, {**document, "samples": document["samples"].astype(float)})
    assert not same(document, {**document, "samples": document["samples"].tolist()})
    assert not same(document, {"name": document["name"]})


def paths() -> list[tuple[str, str]]:
    """Every path that a variant is asked for, with a variant."""
    asked = {(name, work.path) for work in WORKS.values() for name in work.variants if name in ASGI}
    return sorted(asked)


@pytest.mark.parametrize(("name", "path"), paths())
def test_variants_response_with_the_document_that_they_are_sent(name: str, path: str) -> None:
    variant = VARIANTS[name]
    encoding = ENCODINGS[variant.encoding]
    document = small_document() if path.startswith("/document") else array_document(64 * KIB)
    media_type = encoding.content_type
    response = TestClient(make_app(variant.app)).post(
        path,
        content=encoding.dumps(document),
        headers={"content-type": media_type, "accept": media_type},
    )
    assert response.status_code == 200
    assert same(encoding.loads(response.content), document)


@pytest.mark.parametrize("name", ["limit", "limit-reused", "echo", "starlette-echo"])
def test_baselines_run_without_the_library(name: str) -> None:
    code = (
        "import sys; from tests.benchmarks import serve; "
        f"serve.make_app({name!r}); sys.exit('binary_middleware' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_ping_has_a_response_wherever_it_is_called() -> None:
    for name in WORKS["loop delay"].variants:
        if name in ASGI:
            assert TestClient(make_app(VARIANTS[name].app)).get("/ping").text == "pong"


# -- client, servers, and measuring ----------------------------------------------------------------


async def chunked_app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Responses without a length, in chunks of many sizes."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for size in (1, 70_000, 15, 300_000):
        body = bytes([size % 251]) * size
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_client_reads_chunks_as_any_other_does() -> None:
    with serving(chunked_app) as url:
        expected = httpx.get(url).content
        connection = Connection(httpx.URL(url).port or 0)
        for _ in range(2):
            assert bytes(connection.exchange(prepare("/"))) == expected
        connection.close()


def test_client_keeps_connections_busy_and_tells_of_errors() -> None:
    with serving(make_app("starlette-echo")) as url:
        port = httpx.URL(url).port or 0
        connections = [Connection(port) for _ in range(3)]
        request = prepare("/document", b"body", "text/plain")
        exchange_concurrently(connections, request, 10, 4)
        exchange_concurrently(connections, request, 2, 4)
        with pytest.raises(RuntimeError, match="differs in length"):
            exchange_concurrently(connections[:1], request, 1, 5)
        with pytest.raises(RuntimeError, match="status 404"):
            connections[0].exchange(prepare("/nowhere"))
        for connection in connections:
            connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="CPU time and memory are read from /proc")
@pytest.mark.parametrize("kind", ["round trip", "server cpu", "peak memory", "loop delay"])
def test_every_kind_of_figure_is_taken(kind: str) -> None:
    work = Work(
        name="a",
        title="a",
        kind=kind,  # type: ignore[arg-type]
        path="/array",
        array_bytes=4 * KIB,
        variants=("limit",),
        quick_variants=(),
        full=Effort(1, 2),
        quick=Effort(1, 1),
        requests=4,
    )
    seen: list[str] = []
    variants = [VARIANTS["limit"]]
    figures = measure(work, variants, work.full, seen.append)
    assert len(seen) == steps(work, variants, work.full)
    assert list(figures) == ["limit"]
    assert len(figures["limit"]) == 2
    assert all(value >= 0 for value in figures["limit"])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("kind", ["client time", "client memory"])
def test_figures_of_clients_are_taken(kind: str) -> None:
    names = ("client-ours", "client-ours-async", "client-httpx2")
    work = Work(
        name="a",
        title="a",
        kind=kind,  # type: ignore[arg-type]
        path="/array",
        array_bytes=4 * MIB,
        variants=names,
        quick_variants=(),
        full=Effort(1, 2),
        quick=Effort(1, 1),
        requests=1,
    )
    seen: list[str] = []
    variants = [VARIANTS[name] for name in names]
    figures = measure(work, variants, work.full, seen.append)
    assert len(seen) == steps(work, variants, work.full)
    assert [len(figures[name]) for name in names] == [2, 2, 2]
    if kind == "client memory":
        assert max(figures["client-ours"]) < 1.5
        assert min(figures["client-httpx2"]) > 2.5


@pytest.mark.parametrize("name", [name for name in INSTALLED if VARIANTS[name].client])
def test_clients_give_the_document_that_they_sent(name: str) -> None:
    with running([VARIANTS[name]]) as servers, calling(servers, 64 * KIB) as (caller,):
        assert caller.tell("check") == ""
        assert float(caller.tell("call")) > 0


def test_clients_that_fail_are_noticed() -> None:
    with running([VARIANTS["client-ours"]]) as servers:
        servers[0].port = 1
        with calling(servers, KIB) as (caller,), pytest.raises(RuntimeError, match="ended, see"):
            caller.tell("check")


def test_environment_of_chains_is_made_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "chains"
    monkeypatch.setattr(chains_environment, "FOLDER", folder)
    monkeypatch.setattr(chains_environment, "PYTHON", folder / "bin" / "python")
    monkeypatch.setattr(chains_environment, "_COMPLETE", folder / "complete")
    monkeypatch.setattr(chains_environment, "_PACKAGES", ())  # pip wants at least one
    assert not chains_environment.is_there()
    assert VARIANTS["client-chains"].missing() == ["truss"]
    with pytest.raises(subprocess.CalledProcessError):
        chains_environment.make()
    assert not folder.exists()


def test_servers_end_with_their_block_and_wrong_responses_are_found() -> None:
    with running([VARIANTS["starlette-echo"]]) as (server,):
        subject = Subject(server, "/array", array_document(400))
        subject.check()
        assert subject.exchange() > 0
        subject.length += 1
        with pytest.raises(RuntimeError, match="bytes, not"):
            subject.exchange()
        subject._document = array_document(404)
        with pytest.raises(RuntimeError, match="another document"):
            subject.check()
        subject.close()
    with pytest.raises(OSError, match="refused"):
        Connection(server.port)


def test_server_ends_when_nobody_holds_its_standard_input() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.serve", "limit"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
    )
    assert process.returncode == 0
    assert process.stdout.strip().isdigit()


# -- arithmetic ------------------------------------------------------------------------------------


def test_quantiles_are_those_of_numpy() -> None:
    values = [5.0, 1.0, 4.0, 2.5]
    for fraction in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0):
        assert quantile(values, fraction) == pytest.approx(np.quantile(values, fraction))
    assert quantile([3.0], 0.25) == 3.0
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == Spread(2.0, 3.0, 4.0)


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([1.0, 10.0], [2.0, 20.0]) == [0.5, 0.5]
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


# -- plan, goals and report ------------------------------------------------------------------------


def test_work_and_goals_refer_to_what_is_there() -> None:
    for work in WORKS.values():
        assert set(work.variants) <= VARIANTS.keys()
        assert set(work.quick_variants) <= set(work.variants)
        assert set(work.baselines) <= set(work.variants)
        assert all(VARIANTS[name].short for name in work.baselines)
    for goal in GOALS:
        variants = WORKS[goal.work].quick_variants
        assert goal.variant in variants, "every goal is looked at in a quick run, too"
        assert goal.baseline is None or goal.baseline in variants
        assert goal.baseline is None or goal.baseline in WORKS[goal.work].baselines or goal.limit
    for variant in VARIANTS.values():
        assert variant.encoding in ENCODINGS
        assert variant.app in APPS or variant.app == "grpc"
        assert not variant.client or variant.client in CLIENTS


def test_plan_leaves_out_what_is_not_asked_for_or_not_installed() -> None:
    everything = plan()
    assert [work.name for work, _, _ in everything][:1] == ["array 64 KiB"]
    for work, variants, effort in everything:
        assert effort == work.full
        assert [v.name for v in variants] == [name for name in work.variants if name in INSTALLED]
    ((work, variants, effort),) = plan(quick=True, only="^array 1 MiB$", variants="limit,grpc")
    assert (work.name, effort) == ("array 1 MiB", work.quick)
    assert "limit" in [variant.name for variant in variants]


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_arguments([]).out == ROOT / "docs" / "benchmarks"
    assert parse_arguments(["--only", "array"]).out is None
    assert parse_arguments(["--only", "array", "--out", "a"]).out == Path("a")
    for wrong in (["--only", "nothing"], ["--variants", "nobody"]):
        with pytest.raises(SystemExit):
            parse_arguments(wrong)
    assert "no such variant: nobody" in capsys.readouterr().err


def made_up() -> dict[str, Figures]:
    """Results as if every variant had been measured, ours faster than the echo."""
    results: dict[str, Figures] = {}
    for work in WORKS.values():
        results[work.name] = {
            name: [(index + 1) * factor * 1e-3 for factor in (1.0, 1.1, 0.9)]
            for index, name in enumerate(work.variants)
        }
    results["array 8 MiB"]["starlette-echo"] = [0.020, 0.022, 0.018]
    results["array 8 MiB"]["object-lane"] = [0.008, 0.0088, 0.0072]
    return results


ENVIRONMENT = {
    "date": "2001-02-03",
    "machine": "4 cores",
    "system": "Linux 1",
    "python": "CPython 3",
    "packages": "fastapi 1",
}


def test_page_tells_medians_ratios_and_goals() -> None:
    page = to_markdown(
        made_up(),
        ENVIRONMENT,
        {name: Effort(3, 1) for name in WORKS},
        {"grpc": ["grpc"]},
        quick=True,
    )
    assert "`make bench-quick` on 2001-02-03" in page
    assert "| object lane, 8 MiB | 0.400 (0.400 to 0.400) | ≤ 0.50 |" in page
    assert "**missed**" in page
    assert "**ours, object lane** (FastAPI) | 8 ms (7.6 to 8.4) | 0.40 (0.40 to 0.40)" in page
    assert "Left out, as grpc is not installed: gRPC" in page
    assert "3 rounds, servers started 3 times." in page
    for table in page.split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_page_of_a_run_that_left_things_out() -> None:
    results: dict[str, Figures] = {"array 1 MiB": {"object-lane": [0.5]}}
    page = to_markdown(results, ENVIRONMENT, {"array 1 MiB": Effort(1, 1)}, {}, quick=False)
    assert "## Goals" not in page
    assert "500 ms (500 to 500)" in page
    assert "<rect" in to_svg(results)


def test_chart_is_svg_for_light_and_dark() -> None:
    svg = to_svg(made_up())
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in svg
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "ours, object lane (FastAPI)" in texts
    assert "0.40" in texts
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter():
        assert 0 <= float(element.attrib.get("x", 0)) <= width
        assert 0 <= float(element.attrib.get("y", 0)) <= height


def test_results_are_written_and_overwritten(tmp_path: Path) -> None:
    efforts = {name: Effort(3, 1) for name in WORKS}
    for _ in range(2):
        write(tmp_path / "new", made_up(), efforts, {}, quick=False)
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["results.json", "results.md", "results.svg"]


def test_the_readme_shows_the_figures_of_the_committed_results(tmp_path: Path) -> None:
    results = json.loads((DEFAULT_OUT / "results.json").read_text())
    assert not results["quick"]
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- peers -->\nold\n<!-- end of peers -->\nafter\n")
    shop_window.write(results["figures"], page)
    text = page.read_text()
    assert text.startswith("before\n<!-- peers -->\n|")
    assert text.endswith("|\n<!-- end of peers -->\nafter\n")
    assert text.removeprefix("before\n").removesuffix("after\n") in shop_window.README.read_text()
    with pytest.raises(ValueError, match="no table"):
        shop_window.written_into("nothing", results["figures"])


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, is_terminal in ((io.StringIO(), False), (Terminal(), True)):
        with ProgressBar(4, stream) as bar:
            bar.start("work")
            bar.advance("limit")
            bar.start("more work")
        text = stream.getvalue()
        assert ("work (limit)" in text) == is_terminal
        assert ("\n 25% 0:00 more work\n" in text) == (not is_terminal)
        assert ("\r" in text) == is_terminal

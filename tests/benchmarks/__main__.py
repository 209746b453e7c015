"""Runs the benchmarks: ``python -m tests.benchmarks``, or ``make bench``."""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.benchmarks import chains_environment, environment, shop_window
from tests.benchmarks.chart import to_svg
from tests.benchmarks.goals import GOALS
from tests.benchmarks.measure import Figures, measure, steps
from tests.benchmarks.processes import ROOT
from tests.benchmarks.progress import ProgressBar
from tests.benchmarks.report import CHART, to_markdown
from tests.benchmarks.spread import ratios, spread
from tests.benchmarks.variants import VARIANTS, Variant
from tests.benchmarks.works import MULTIPLES, WORKS, Effort, Work

DEFAULT_OUT = ROOT / "docs" / "benchmarks"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    works = "\n".join(f"  {work.name:26}{work.title}" for work in WORKS.values())
    variants = "\n".join(f"  {name:26}{variant.plain_title}" for name, variant in VARIANTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=f"{__doc__}\n\nwork:\n{works}\n\nvariants:\n{variants}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="less than two minutes")
    parser.add_argument(
        "--only", metavar="PATTERN", help="only work whose name this regular expression matches"
    )
    parser.add_argument(
        "--variants", metavar="A,B,...", help="only these variants, also in a quick run"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=f"where results are written; default: {DEFAULT_OUT.relative_to(ROOT)}, and nowhere "
        "if --only or --variants leave something out",
    )
    chosen = parser.parse_args(arguments)
    if chosen.variants is not None:
        unknown = set(chosen.variants.split(",")) - VARIANTS.keys()
        if unknown:
            parser.error(f"no such variant: {', '.join(sorted(unknown))}")
    if chosen.only is not None and not any(re.search(chosen.only, name) for name in WORKS):
        parser.error(f"no work matches {chosen.only!r}")
    if chosen.out is None and chosen.only is None and chosen.variants is None:
        chosen.out = DEFAULT_OUT
    return chosen


def plan(
    *,
    quick: bool = False,
    only: str | None = None,
    variants: str | None = None,
    installed: bool = True,
) -> list[tuple[Work, list[Variant], Effort]]:
    """Every piece of work that was asked for, with who does it and how often.

    Args:
        quick: as on the command line, as are the others.
        only: a regular expression.
        variants: names with commas between them.
        installed: whether to leave out what cannot run here.
    """
    chosen = []
    for work in WORKS.values():
        if only is not None and not re.search(only, work.name):
            continue
        names = work.quick_variants if quick else work.variants
        if variants is not None:
            names = tuple(name for name in work.variants if name in variants.split(","))
        found = [VARIANTS[name] for name in names if not (installed and VARIANTS[name].missing())]
        if found:
            chosen.append((work, found, work.quick if quick else work.full))
    return chosen


def print_figures(work: Work, figures: Figures) -> None:
    """Return the medians of a piece of work with quartiles, and the ratios to its baselines."""
    print(f"\n{work.title} [{work.kind}]")
    for name, values in figures.items():
        low, median, high = spread(values)
        line = (
            f"  {name:24}{_short(work, median):>10} ({_short(work, low)} to {_short(work, high)})"
        )
        for baseline in work.baselines:
            if baseline in figures and baseline != name:
                low, median, high = spread(ratios(values, figures[baseline]))
                line += f"   {median:6.2f} x {baseline} ({low:.2f} to {high:.2f})"
        print(line)
    sys.stdout.flush()


def _short(work: Work, value: float) -> str:
    if work.kind in MULTIPLES:
        return f"{value:.2f} x"
    return f"{value * 1e6:.1f} us" if value < 1e-3 else f"{value * 1e3:.2f} ms"


def print_goals(results: Mapping[str, Figures]) -> None:
    """Which of the goals that were measured are met."""
    print("\nGoals")
    for goal in GOALS:
        reached = goal.reached(results)
        if reached is not None:
            verdict = "met   " if reached.median <= goal.limit else "MISSED"
            of = f"x {goal.baseline}" if goal.baseline else "x the array"
            print(
                f"  {verdict} {reached.median:6.3f} ({reached.low:.3f} to {reached.high:.3f}) "
                f"<= {goal.limit:.2f} {of}: {goal.name}"
            )


def write(
    folder: Path,
    results: Mapping[str, Figures],
    efforts: Mapping[str, Effort],
    left_out: Mapping[str, list[str]],
    *,
    quick: bool,
) -> None:
    """Write the page, its chart and the raw figures, in place of older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    about = environment.describe()
    page = to_markdown(results, about, efforts, left_out, quick=quick)
    (folder / "results.md").write_text(page)
    (folder / CHART).write_text(to_svg(results))
    raw = {**about, "quick": quick, "figures": results}
    text = json.dumps(raw, indent=1)
    # The figures of one variant go on one line.
    text = re.sub(r"\[[^\[\]]*\]", lambda figures: " ".join(figures[0].split()), text)
    (folder / "results.json").write_text(f"{text}\n")
    print(f"\nwritten to {folder}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write."""
    chosen = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, _stop)
    _make_environments(chosen)
    left_out = {
        name: missing for name, variant in VARIANTS.items() if (missing := variant.missing())
    }
    for name, missing in left_out.items():
        print(f"LEFT OUT: {name}, as {', '.join(missing)} is not installed", file=sys.stderr)
    planned = plan(quick=chosen.quick, only=chosen.only, variants=chosen.variants)
    results: dict[str, Figures] = {}
    with ProgressBar(sum(steps(*work) for work in planned)) as bar:
        for work, variants, effort in planned:
            bar.start(work.title)
            results[work.name] = measure(work, variants, effort, bar.advance)
            bar.clear()
            print_figures(work, results[work.name])
    print_goals(results)
    if chosen.out is not None:
        efforts = {work.name: effort for work, _, effort in planned}
        write(chosen.out, results, efforts, left_out, quick=chosen.quick)
        if chosen.out == DEFAULT_OUT and not chosen.quick:
            shop_window.write(results)


def _make_environments(chosen: argparse.Namespace) -> None:
    """Make the environment of Chains' client, if it is to be measured and is not there."""
    wanted = plan(quick=chosen.quick, only=chosen.only, variants=chosen.variants, installed=False)
    names = {variant.name for _, variants, _ in wanted for variant in variants}
    if "client-chains" in names and not chains_environment.is_there():
        print("setting up Chains' client, once, which takes a minute", file=sys.stderr)
        try:
            chains_environment.make()
        except (OSError, subprocess.CalledProcessError) as exc:
            print(f"that failed: {exc}", file=sys.stderr)


def _stop(*_: Any) -> NoReturn:
    raise SystemExit(1)  # so that every server is ended on the way out


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("interrupted") from None

"""A run's results as a chart: SVG, in light or dark as its reader prefers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from tests.benchmarks.measure import Figures
from tests.benchmarks.spread import Spread, ratios, spread
from tests.benchmarks.variants import VARIANTS

BASELINE: Final = "starlette-echo"
"""What all bars are relative to."""

_BARS: Final = "array 8 MiB"
_PANELS: Final = ("array 64 KiB", "array 1 MiB", "array 8 MiB", "array 64 MiB")
_PANEL_VARIANTS: Final = (
    "limit",
    "object-lane",
    "starlette-echo",
    "litestar",
    "msgpack-endpoint",
    "grpc",
    "fastapi-json",
    "json-lane",
    "msgpack-asgi",
)

# Lengths in pixels.
_WIDTH: Final = 860
_MARGIN: Final = 24
_LABELS: Final = 310
_ROW: Final = 26
_PANEL_ROW: Final = 20

_STYLE: Final = """
  .page { fill: #ffffff; }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328; }
  .value { stroke: #ffffff; stroke-width: 4; paint-order: stroke; }
  .title { font-size: 16px; font-weight: 600; }
  .faint { fill: #59636e; font-size: 12px; }
  .bar { fill: #afb8c1; }
  .ours { fill: #0969da; }
  .whisker { stroke: #59636e; stroke-width: 1.5; }
  .dot { fill: #6e7781; }
  .dot.ours { fill: #0969da; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .one { stroke: #59636e; stroke-width: 1; stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; }
    text { fill: #f0f6fc; }
    .value { stroke: #0d1117; }
    .faint { fill: #9198a1; }
    .bar { fill: #57606a; }
    .ours, .dot.ours { fill: #4493f8; }
    .dot { fill: #9198a1; }
    .whisker { stroke: #d1d9e0; }
    .grid { stroke: #30363d; }
    .one { stroke: #9198a1; }
  }
"""


def to_svg(results: Mapping[str, Figures]) -> str:
    """Return the chart of all array round trips that were measured beside the baseline."""
    parts: list[str] = []
    top = _MARGIN
    bars = _relative(results.get(_BARS, {}))
    if bars:
        top = _draw_bars(parts, bars, top)
    panels = {name: _relative(results.get(name, {})) for name in _PANELS}
    panels = {name: relative for name, relative in panels.items() if relative}
    if panels:
        top = _draw_panels(parts, panels, top)
    height = top + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img">\n'
        "<title>Time of an array's round trip, relative to Starlette's echo</title>\n"
        f"<style>{_STYLE}</style>\n"
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="8"/>\n'
        + "".join(f"{part}\n" for part in parts)
        + "</svg>\n"
    )


def _relative(figures: Figures) -> dict[str, Spread]:
    """Each variant's time as a multiple of the baseline's, the fastest first."""
    baseline = figures.get(BASELINE)
    if not baseline:
        return {}
    found = {name: spread(ratios(values, baseline)) for name, values in figures.items()}
    return dict(sorted(found.items(), key=lambda item: item[1].median))


def _is_ours(name: str) -> bool:
    return VARIANTS[name].app in ("object-lane", "json-lane")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _draw_bars(parts: list[str], bars: Mapping[str, Spread], top: int) -> int:
    """Bars that begin at nothing, so that their lengths can be compared.

    Returns:
        Where they end.
    """
    parts.append(_text(_MARGIN, top + 14, "Round trip of an 8 MiB array", "title"))
    note = "time relative to Starlette's Response(await request.body()); less is faster"
    parts.append(_text(_MARGIN, top + 34, note, "faint"))
    top += 48
    left, right = _MARGIN + _LABELS, _WIDTH - _MARGIN - 56
    scale = (right - left) / max(values.high for values in bars.values())
    bottom = top + len(bars) * _ROW
    parts.append(_line("one", left + scale, top, left + scale, bottom))
    for row, (name, values) in enumerate(bars.items()):
        y = top + row * _ROW
        kind = "ours" if _is_ours(name) else "bar"
        parts.append(_text(left - 10, y + 17, VARIANTS[name].plain_title, anchor="end"))
        parts.append(
            f'<rect class="{kind}" x="{left}" y="{y + 4}" '
            f'width="{max(values.median * scale, 1):.1f}" height="{_ROW - 8}" rx="2"/>'
        )
        low, high = left + values.low * scale, left + values.high * scale
        parts.append(_line("whisker", low, y + _ROW / 2, high, y + _ROW / 2))
        end = max(high, left + values.median * scale)
        parts.append(_text(end + 6, y + 17, _number(values.median), "value"))
    return bottom


def _draw_panels(parts: list[str], panels: Mapping[str, dict[str, Spread]], top: int) -> int:
    """One panel for each size, on a common logarithmic scale.

    Returns:
        Where they end.
    """
    top += 36
    parts.append(_text(_MARGIN, top + 14, "The same for all sizes", "title"))
    note = "logarithmic; the line spans the quartiles of all rounds"
    parts.append(_text(_MARGIN, top + 34, note, "faint"))
    top += 66
    shown = [
        name for name in _PANEL_VARIANTS if any(name in relative for relative in panels.values())
    ]
    low, high = _decades(
        values for relative in panels.values() for name, values in relative.items() if name in shown
    )
    left, gap = _MARGIN + _LABELS, 22
    width = (_WIDTH - _MARGIN - left - gap * (len(panels) - 1)) / len(panels)
    bottom = top + len(shown) * _PANEL_ROW
    for row, name in enumerate(shown):
        title = VARIANTS[name].plain_title
        parts.append(_text(left - 14, top + row * _PANEL_ROW + 15, title, anchor="end"))
    for column, (panel, relative) in enumerate(panels.items()):
        start = left + column * (width + gap)

        def at(value: float, start: float = start) -> float:
            return start + width * (math.log10(value) - low) / (high - low)

        title = panel.removeprefix("array ")
        parts.append(_text(start + width / 2, top - 10, title, anchor="middle"))
        for value in _ticks(low, high):
            kind = "one" if value == 1 else "grid"
            parts.append(_line(kind, at(value), top, at(value), bottom))
            parts.append(_text(at(value), bottom + 16, f"{value:g}", "faint", "middle"))
        parts += _dots(relative, shown, top, at)
    return bottom + 20


def _dots(
    relative: Mapping[str, Spread], shown: Sequence[str], top: int, at: Callable[[float], float]
) -> Iterable[str]:
    for row, name in enumerate(shown):
        values = relative.get(name)
        if values is not None:
            y = top + row * _PANEL_ROW + _PANEL_ROW / 2
            yield _line("whisker", at(values.low), y, at(values.high), y)
            kind = "dot ours" if _is_ours(name) else "dot"
            yield f'<circle class="{kind}" cx="{at(values.median):.1f}" cy="{y:.1f}" r="4.5"/>'


def _decades(spreads: Iterable[Spread]) -> tuple[float, float]:
    """Where the scale begins and ends, as powers of ten, with some room."""
    values = [value for found in spreads for value in found]
    return math.log10(min(*values, 0.5)) - 0.1, math.log10(max(*values, 2)) + 0.1


def _ticks(low: float, high: float) -> list[float]:
    candidates = (0.1, 0.3, 1, 3, 10, 30, 100)
    return [value for value in candidates if low <= math.log10(value) <= high]

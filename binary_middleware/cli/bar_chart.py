"""Bars for a few numbers that are compared, as text and as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from binary_middleware.cli.escaping import is_in_charset


class Bar(NamedTuple):
    """One number."""

    label: str
    value: float
    text: str
    """The number with its unit."""
    is_highlighted: bool = False


class Group(NamedTuple):
    """Bars that are drawn to the same scale."""

    title: str
    bars: Sequence[Bar]

    def share(self, bar: Bar) -> float:
        """The length of a bar, that of the longest one being 1."""
        longest = max(each.value for each in self.bars)
        return bar.value / longest if longest else 0.0


_TEXT_WIDTH: Final = 40


def to_text(groups: Sequence[Group]) -> str:
    """The chart for a terminal, at most 80 characters wide for short labels and numbers."""
    block = "█" if is_in_charset("█") else "#"
    width = max(len(bar.label) for group in groups for bar in group.bars)
    lines = []
    for group in groups:
        lines.append(group.title)
        for bar in group.bars:
            length = max(1, round(_TEXT_WIDTH * group.share(bar))) if bar.value else 0
            lines.append(f"  {bar.label:<{width}}  {block * length} {bar.text}")
    return "\n".join(lines)


# Lengths in pixels.
_WIDTH: Final = 640
_MARGIN: Final = 24
_LABELS: Final = 72
_NUMBERS: Final = 96
_ROW: Final = 26
_GAP: Final = 14

_STYLE: Final = """
  .page { fill: #ffffff; }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .faint { fill: #59636e; }
  .bar { fill: #afb8c1; }
  .highlighted { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; }
    text { fill: #f0f6fc; }
    .faint { fill: #9198a1; }
    .bar { fill: #57606a; }
    .highlighted { fill: #4493f8; }
  }
"""


def to_svg(title: str, groups: Sequence[Group]) -> str:
    """The chart as a file, in light or dark as its reader prefers."""
    parts = []
    top = _MARGIN + 16
    parts.append(f'<text class="title" x="{_MARGIN}" y="{top}">{escape(title)}</text>')
    for group in groups:
        top += _GAP + _ROW
        parts.append(f'<text class="faint" x="{_MARGIN}" y="{top}">{escape(group.title)}</text>')
        for bar in group.bars:
            top += _ROW
            parts += _drawn(group, bar, top)
    height = top + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f'<rect class="page" width="{_WIDTH}" height="{height}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _drawn(group: Group, bar: Bar, baseline: int) -> list[str]:
    left = _MARGIN + _LABELS
    length = (_WIDTH - _MARGIN - _NUMBERS - left) * group.share(bar)
    kind = "bar highlighted" if bar.is_highlighted else "bar"
    return [
        f'<text x="{_MARGIN}" y="{baseline}">{escape(bar.label)}</text>',
        f'<rect class="{kind}" x="{left}" y="{baseline - 13}" width="{length:.1f}" height="17" '
        'rx="2"/>',
        f'<text x="{left + length + 8:.1f}" y="{baseline}">{escape(bar.text)}</text>',
    ]

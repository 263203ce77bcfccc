"""Plots over time as SVG, for pages that stand alone."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEFT, RIGHT, TOP, BOTTOM = 46, 12, 20, 22  # margins, pixels
HEIGHT, ROW = 150, 24
MOST_POINTS = 1200  # of a line; longer ones are thinned
TEXT = 'font-family="system-ui, sans-serif" font-size="11" fill="#66707c"'


@dataclass(frozen=True, eq=False)
class Line:
    """One series.

    Attributes:
        times_s, values: (N,); NaN breaks the line.
        colour: in CSS.
        label: for the legend, or empty.
    """

    times_s: np.ndarray
    values: np.ndarray
    colour: str
    label: str = ""


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between two others, about so many."""
    step = 10 ** np.floor(np.log10((high - low) / count))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= count)
    return [round(float(k * step), 9) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def lines(
    series: Sequence[Line], end_s: float, limits: tuple[float | None, float | None] = (None, None), width: int = 1040
) -> str:
    """Lines over the time from 0 to the end.

    Args:
        limits: of the values; None: those of the lines.
        width: of the drawing, pixels; it is scaled to the page.
    """
    values = np.concatenate([line.values for line in series]) if series else np.zeros(0)
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    low, high = (found if given is None else given for given, found in zip(limits, (low, high), strict=True))
    high = high if high - low > 1e-6 else low + 1.0

    def x(time_s: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * time_s / end_s

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [_grid(x, end_s, HEIGHT)]
    for tick in ticks(low, high, 4):
        parts.append(f'<line x1="{LEFT}" x2="{width - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e7eaee"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end" {TEXT}>{tick:g}</text>')
    for number, line in enumerate(series):
        thin = max(1, len(line.values) // MOST_POINTS)
        path, pen = [], "M"
        for time_s, value in zip(line.times_s[::thin], line.values[::thin], strict=True):
            if np.isfinite(value):
                path.append(f"{pen}{x(time_s):.1f} {y(min(max(value, low), high)):.1f}")
            pen = "L" if np.isfinite(value) else "M"
        parts.append(f'<path d="{"".join(path)}" fill="none" stroke="{line.colour}" stroke-width="1.6"/>')
        if line.label:
            place = LEFT + 8 + 60 * number
            parts.append(f'<rect x="{place}" y="5" width="10" height="10" fill="{line.colour}"/>')
            parts.append(f'<text x="{place + 14}" y="14" {TEXT}>{html.escape(line.label)}</text>')
    return _svg(width, HEIGHT, parts)


def bars(rows: Mapping[str, tuple[Sequence[Sequence[float]], str]], end_s: float, width: int = 1040) -> str:
    """A row for each name, with a bar over each of its spans.

    Args:
        rows: names to spans, from and to in seconds, and a colour.
    """
    height = TOP + BOTTOM + ROW * max(1, len(rows))

    def x(time_s: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * time_s / end_s

    parts = [_grid(x, end_s, height)]
    for number, (name, (spans, colour)) in enumerate(rows.items()):
        top = TOP + ROW * number
        parts.append(f'<text x="{LEFT - 6}" y="{top + 15}" text-anchor="end" {TEXT}>{html.escape(name)}</text>')
        for begin, end in spans:
            size = f'width="{max(2.0, x(end) - x(begin)):.1f}" height="{ROW - 8}"'
            parts.append(f'<rect x="{x(begin):.1f}" y="{top + 4}" {size} rx="3" fill="{colour}"/>')
    return _svg(width, height, parts)


def _grid(x, end_s: float, height: int) -> str:
    """Lines and texts of the time's axis."""
    parts = []
    for tick in ticks(0.0, end_s, 10):
        at = f'x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{height - BOTTOM}"'
        parts.append(f'<line {at} stroke="#eef0f3"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{height - 6}" text-anchor="middle" {TEXT}>{tick:g} s</text>')
    return "".join(parts)


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'

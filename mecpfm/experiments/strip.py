"""Points of a claim as a small drawing: value and interval of each, what is needed, and zero. No script, no browser."""

from __future__ import annotations

import math
from html import escape

import pandas as pd

WIDTH, ROW, LETTER = 420.0, 15.0, 7.8
"""Width of it all, height of a row, and width of a letter on average."""
LABELLED, LONGEST = 14, 27
"""Most points that all have a label; of more only the first of every experiment has one. Most letters of a label."""
COLOURS = {"holds": "#0072B2", "open": "#888888", "against": "#D55E00"}
"""Of a point, by what it says of the claim."""


def strip(points: pd.DataFrame) -> str:
    """An SVG; columns point ("experiment: where"), value, ci_low, ci_high, threshold, says, note."""
    points = points.dropna(subset=["value", "ci_low", "ci_high"])
    if points.empty:
        return ""
    labels = _labels([str(point).partition(": ")[::2] for point in points["point"]])
    left, top = 10 + LETTER * max(map(len, labels[1:])), ROW * bool(labels[0])
    needed = float(points["threshold"].iloc[0])
    low, high = min(0.0, needed, points["ci_low"].min()), max(0.0, needed, points["ci_high"].max())
    scale = (WIDTH - left - 22) / (high - low or 1.0)
    height, parts = top + ROW * len(points) + 24, []
    for at, colour, dash in ((0.0, "#999", ""), (needed, "#000", " stroke-dasharray='4 3'")):
        x = left + (at - low) * scale
        parts.append(f"<path d='M{x:.1f} {top:g}V{height - 18:.1f}' stroke='{colour}'{dash}/>")
        if at == needed or abs(needed) * scale > 40:
            parts.append(f"<text x={x:.1f} y={height - 5:.1f} text-anchor=middle>{short(at)}</text>")
    for i, row in enumerate(points.to_dict("records")):
        y = top + ROW * (i + 0.5)
        ends = [left + (float(row[name]) - low) * scale for name in ("ci_low", "value", "ci_high")]
        colour = COLOURS[row["says"]]
        title = f"{row['point']}: {short(row['value'])} [{short(row['ci_low'])}, {short(row['ci_high'])}] {row['says']}"
        title += f"; {row['note']}" if isinstance(row["note"], str) and row["note"] else ""
        parts.append(
            f"<g stroke='{colour}' fill='{colour}'><title>{escape(title)}</title>"
            f"<path d='M{ends[0]:.1f} {y:.1f}H{ends[2]:.1f}' stroke-width=2 />"
            f"<circle cx={ends[1]:.1f} cy={y:.1f} r=3 /></g>"
        )
    words = ((top + ROW * (i - 0.5) + 4 if i else 11, label) for i, label in enumerate(labels))
    parts += [f"<text x=0 y={y:.1f}>{escape(label)}</text>" for y, label in words if label]
    return f"<svg viewBox='0 0 {WIDTH:g} {height:.0f}' role=img aria-label='points of the claim'>{''.join(parts)}</svg>"


def _labels(points: list[tuple[str, str]]) -> list[str]:
    """A heading, the experiment if all are of one, and the label of each (experiment, where)."""
    experiments = [experiment for experiment, _ in points]
    if len(set(experiments)) == 1 and len(points) <= LABELLED and all(where for _, where in points):
        found = [experiments[0], *(where for _, where in points)]
    elif len(points) <= LABELLED:
        found = ["", *(": ".join(filter(None, point)) for point in points)]
    else:
        repeated = (i and experiments[i - 1] == experiment for i, experiment in enumerate(experiments))
        found = ["", *("" if same else name for same, name in zip(repeated, experiments, strict=True))]
    return [word if len(word) <= LONGEST else f"{word[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}" for word in found]


def short(value: float) -> str:
    """In three digits."""
    return "" if math.isnan(value) else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
